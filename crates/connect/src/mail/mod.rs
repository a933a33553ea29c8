//! Notices to people by mail, handed to a server over SMTP (RFC 5321).
//!
//! Addresses are personal: no error and no trace has one, and what a server answers may
//! repeat them, so of its answers the code alone is told.

mod addresses;
mod failure;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use halligan_core::id::PersonId;
use halligan_core::text::printable;
use halligan_engine::ports::{Notices, SecretText};
use lettre::message::{Mailbox, Message, SinglePart};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;

pub use addresses::{Addresses, MailAddress};

/// The longest that a server may take over one notice, from connecting to its last word.
const DEADLINE: Duration = Duration::from_secs(20);
const SUBJECT_CHARACTERS_MAX: usize = 150;

/// How the connection to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS begins by STARTTLS; a server without it is not used.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None.
    None,
}

/// A mail server, and who writes through it.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// PEM of the only authorities that may vouch for it. None: those of this machine.
    pub ca_file: Option<PathBuf>,
    /// The sender: an address, with or without a name.
    pub from: String,
    /// User and password, where it wants any.
    pub credentials: Option<(String, SecretText)>,
    /// What the broker calls itself: the host of its own URL.
    pub hello: String,
}

/// Tells people by mail.
pub struct MailNotices {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    people: Arc<Addresses>,
    deadline: Duration,
}

impl MailNotices {
    /// Checks the settings; nothing is sent yet. Who is reached where is asked of `people` at each notice.
    ///
    /// # Errors
    /// A text for people: the setting that can't be used, and what was expected.
    pub fn new(settings: MailSettings, people: Arc<Addresses>) -> Result<Self, String> {
        let MailSettings { host, port, security, ca_file, from, credentials, hello } = settings;
        let from: Mailbox = from.parse().map_err(|_| {
            "from: is no sender: expected an address such as `Halligan <halligan@example.com>`".to_owned()
        })?;
        let parameters = || parameters(&host, ca_file.as_deref());
        let tls = match security {
            MailSecurity::StartTls => Tls::Required(parameters()?),
            MailSecurity::Tls => Tls::Wrapper(parameters()?),
            MailSecurity::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
            .port(port)
            .tls(tls)
            .timeout(Some(DEADLINE))
            .hello_name(ClientId::Domain(hello));
        if let Some((user, password)) = credentials {
            transport = transport.credentials(Credentials::new(user, password.expose_secret().to_owned()));
        }
        Ok(Self { transport: transport.build(), from, people, deadline: DEADLINE })
    }

    /// One header of each sort: what the subject says can't begin another.
    fn message(&self, to: MailAddress, subject: &str, text: &str) -> Result<Message, String> {
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.0))
            .subject(printable(subject, SUBJECT_CHARACTERS_MAX))
            .singlepart(SinglePart::plain(text.to_owned()))
            // Its text could repeat an address.
            .map_err(|_| "the notice makes no mail".to_owned())
    }
}

fn parameters(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(file) = ca_file {
        let expected = "expected a file of certificates in PEM";
        let pem = std::fs::read(file).map_err(|error| format!("ca_file: can't be read ({error}): {expected}"))?;
        let is_any = String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----");
        let certificate = Certificate::from_pem(&pem).ok().filter(|_| is_any);
        let certificate = certificate.ok_or_else(|| format!("ca_file: holds no certificate: {expected}"))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    let parameters = builder.build_rustls();
    parameters.map_err(|error| format!("ca_file: no TLS can be spoken with these authorities: {error}"))
}

#[async_trait]
impl Notices for MailNotices {
    fn channel(&self) -> &str {
        "mail"
    }

    async fn notify(&self, to: &PersonId, subject: &str, text: &str) -> Result<(), String> {
        let Some(address) = self.people.of(to) else {
            return Err("the person has no mail address: expected `mail` in the configuration".to_owned());
        };
        let message = self.message(address, subject, text)?;
        let Ok(sent) = tokio::time::timeout(self.deadline, self.transport.send(message)).await else {
            return Err(format!("the mail server took no notice within {:?}", self.deadline));
        };
        sent.map(drop).map_err(|error| failure::text(&error))
    }
}

#[cfg(test)]
mod tests;
