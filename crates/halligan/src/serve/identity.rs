//! How people come in: the adapters, made from the configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::anyhow;
use async_trait::async_trait;
use halligan_connect::mail::{Addresses, MailNotices, MailSettings};
use halligan_core::id::PersonId;
use halligan_engine::identity::{IdentityPorts, IdentitySettings};
use halligan_engine::ports::Notices;
use halligan_engine::rate::Rates;
use halligan_server::views::SignInView;
use halligan_store::Database;

use crate::config::Loaded;
use crate::config::access::Issuer;

/// Mail, through the server that the configuration names now.
pub struct Mailer {
    people: Arc<Addresses>,
    now: RwLock<Arc<MailNotices>>,
}

/// What people are told by, if the configuration says how. Notices go where `people` says by then.
pub fn mailer(mail: Option<&MailSettings>, people: &Arc<Addresses>) -> anyhow::Result<Option<Arc<Mailer>>> {
    let mailer = |mail: &MailSettings| {
        let now = RwLock::new(Arc::new(notices(mail, people)?));
        anyhow::Ok(Arc::new(Mailer { people: people.clone(), now }))
    };
    mail.map(mailer).transpose()
}

fn notices(mail: &MailSettings, people: &Arc<Addresses>) -> anyhow::Result<MailNotices> {
    MailNotices::new(mail.clone(), people.clone()).map_err(|why| anyhow!("mail: {why}"))
}

impl Mailer {
    /// The same, with other settings: for [`Mailer::replace`].
    pub fn prepared(&self, mail: &MailSettings) -> anyhow::Result<MailNotices> {
        notices(mail, &self.people)
    }

    /// Through this from now on.
    pub fn replace(&self, notices: MailNotices) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(notices);
    }
}

#[async_trait]
impl Notices for Mailer {
    fn channel(&self) -> &str {
        "mail"
    }

    async fn notify(&self, to: &PersonId, subject: &str, text: &str) -> Result<(), String> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner).clone();
        now.notify(to, subject, text).await
    }
}

/// What of the outside coming in needs.
pub fn ports(store: &Arc<Database>, mailer: Option<Arc<Mailer>>) -> IdentityPorts {
    let notices = mailer.map(|mailer| mailer as Arc<dyn Notices>);
    IdentityPorts {
        sessions: store.clone(),
        sign_outs: store.clone(),
        ceremonies: store.clone(),
        groups: store.clone(),
        passkeys: store.clone(),
        // Whoever swaps them puts them in.
        providers: BTreeMap::new(),
        notices,
    }
}

/// What the configuration says of coming in.
pub fn settings(loaded: &Loaded) -> IdentitySettings {
    IdentitySettings {
        public_url: loaded.server.public_url.clone(),
        rp_id: loaded.passkeys.rp_id.clone(),
        groups_kept: loaded.sessions.groups_kept,
        session_idle: loaded.sessions.idle,
        session_max: loaded.sessions.longest,
        enrolment_wait: loaded.passkeys.wait,
        enrol_within: loaded.passkeys.enrol_within,
        enrol_after_sign_in: loaded.passkeys.enrol_after_sign_in,
        sign_ins_per_minute: loaded.limits.sign_ins_per_minute,
    }
}

/// How often somebody may ask.
pub const fn rates(loaded: &Loaded) -> Rates {
    let limits = &loaded.limits;
    Rates {
        requests_per_person: limits.requests_per_person,
        requests_per_incident: limits.requests_per_incident,
        requests_per_address: limits.requests_per_address,
        refused_acknowledgements: limits.refused_acknowledgements,
        incident_reads: limits.incident_reads_per_minute,
    }
}

/// With whom command lines sign in, in the order of the configuration.
pub fn for_command_lines(issuers: &[Issuer]) -> Vec<SignInView> {
    let view = |issuer: &Issuer| {
        let sign_in = issuer.sign_in.as_ref()?;
        let mut scopes = vec!["openid".to_owned()];
        scopes.extend(sign_in.client.scopes.iter().filter(|scope| *scope != "openid").cloned());
        Some(SignInView {
            name: sign_in.name.to_string(),
            issuer: issuer.tokens.issuer.clone(),
            client_id: sign_in.command_line_client_id.clone()?,
            scopes,
            // They present ID tokens, which are for their client.
            audience: None,
        })
    };
    issuers.iter().filter_map(view).collect()
}
