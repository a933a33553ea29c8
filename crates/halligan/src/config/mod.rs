//! The configuration: one file of TOML, checked before anything starts.
//!
//! [`model`] is the file as people write it, [`check`] turns it into what the
//! parts of the broker take, and names everything that can't be used at once.
//! `docs/configuration.md` and its JSON Schema are made from the model.

pub mod access;
mod check;
mod fingerprint;
pub mod log;
mod model;
pub mod policies;
mod values;

#[cfg(test)]
mod document;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use halligan_connect::incidents::{IncidentTools, Provider};
use halligan_connect::mail::MailSettings;
use halligan_core::catalogue::Catalogue;
use halligan_core::id::ProviderId;
use ipnet::IpNet;
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest, Sha256};

use self::access::{Issuer, Rules};

pub use fingerprint::Fingerprint;
pub use model::Config;

/// A configuration that was found to be usable.
#[derive(Debug)]
pub struct Loaded {
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub sha256: String,
    /// Where the embedded store and the log are kept: see [`Loaded::make_state_directory`].
    pub state_directory: PathBuf,
    /// The HTTP server.
    pub server: Server,
    /// The database.
    pub store: Store,
    /// The log.
    pub log: log::Log,
    /// How AWS is reached.
    pub aws: Aws,
    /// What keeps one caller from using up what all share.
    pub limits: Limits,
    /// Who vouches for callers, and how their tokens are checked.
    pub issuers: Vec<Issuer>,
    /// Who is who, and who may do what: all that can be swapped while the broker serves.
    pub rules: Rules,
    /// Sessions of people in a browser.
    pub sessions: Sessions,
    /// Passkeys.
    pub passkeys: Passkeys,
    /// How people are told of things; none: they aren't.
    pub mail: Option<MailSettings>,
    /// The incident tools.
    pub incidents: BTreeMap<ProviderId, Provider>,
    /// What can be asked for.
    pub catalogue: Catalogue,
    /// The secrets that were read, by their settings and by hash: a secret may be another in the same place.
    pub secrets: BTreeMap<String, String>,
    /// What works and is likely a mistake.
    pub warnings: Vec<Problem>,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What it listens on.
    pub listen: SocketAddr,
    /// Scheme, host and port, without a slash at the end.
    pub public_url: String,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who may read the metrics, beside this machine.
    pub metrics_networks: Vec<IpNet>,
    /// HTTPS, if it serves it itself.
    pub tls: Option<Tls>,
}

/// The server's certificate: PEM files that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The chain.
    pub certificate_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// The database.
#[derive(Debug)]
pub struct Store {
    /// `sqlite:/path` or `postgres://…`: it may hold a password.
    pub url: SecretString,
}

impl Store {
    /// Whether several replicas can use it.
    fn is_shared(&self) -> bool {
        !self.url.expose_secret().starts_with("sqlite:")
    }
}

/// How AWS is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    /// Whose STS endpoint mints.
    pub region: String,
    /// One endpoint for every service.
    pub endpoint_url: Option<String>,
    /// The console's sign-in endpoint.
    pub federation_endpoint: Option<String>,
}

/// What keeps one caller from using up what all share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Mints a grant may have in a minute.
    pub mints_per_minute: u32,
    /// Requests of one person or machine in an hour.
    pub requests_per_person: u32,
    /// Requests on occasion of one incident in an hour.
    pub requests_per_incident: u32,
    /// Requests from one address in an hour.
    pub requests_per_address: u32,
    /// Refused acknowledgements of one person in an hour.
    pub refused_acknowledgements: u32,
    /// Incidents that one person or machine may look up in a minute.
    pub incident_reads_per_minute: u32,
    /// Sign-ins that one address may begin in a minute.
    pub sign_ins_per_minute: u32,
}

/// Sessions of people in a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// A session that nobody uses for so long is over.
    pub idle: SignedDuration,
    /// However it is used, it is over after so long.
    pub longest: SignedDuration,
    /// So long the groups count that a token last said.
    pub groups_kept: SignedDuration,
}

/// Passkeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkeys {
    /// The host name that they belong to; none: there are no passkeys.
    pub rp_id: Option<String>,
    /// So long after its notice one counts that nobody confirmed.
    pub wait: SignedDuration,
    /// Whoever enrols one has proved to their provider so lately who they are.
    pub enrol_within: SignedDuration,
    /// Whether signing in is that proof where the provider doesn't say when there was one.
    pub enrol_after_sign_in: bool,
}

impl Loaded {
    /// Makes the state directory where it is missing, for nobody else to read.
    ///
    /// # Errors
    /// It can't be made.
    pub fn make_state_directory(&self) -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.state_directory)
    }

    /// The incident tools, taken out.
    #[must_use]
    pub fn take_incident_tools(&mut self) -> IncidentTools {
        IncidentTools::new(std::mem::take(&mut self.incidents))
    }
}

/// Something about one setting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it stands: `roles.prod-admin.regions[0]`.
    pub field: String,
    /// What is wrong, and what would do.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file isn't there, or isn't ours to read.
    #[error("the configuration file {} can't be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, or TOML with other fields or types: line, column, and what was expected.
    #[error("the configuration file {} can't be understood", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Every setting that can't be used.
    #[error("the configuration file {} can't be used:{}", path.display(), listed(problems))]
    Unusable {
        /// Which.
        path: PathBuf,
        /// All of them.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// Everything that is wrong, each by itself and without a line of the file: it could hold what belongs nowhere.
    pub fn problems(&self) -> Vec<Problem> {
        let whole = |problem: String| vec![Problem { field: "configuration".to_owned(), problem }];
        match self {
            Self::Unusable { problems, .. } => problems.clone(),
            Self::Unreadable { path, source } => whole(format!("{} can't be read: {source}", path.display())),
            Self::Malformed { source, .. } => {
                // The first line says where.
                let place = source.to_string();
                whole(format!("{}: {}", place.lines().next().unwrap_or_default(), source.message()))
            }
        }
    }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

impl Config {
    /// Reads and checks the configuration at `path`. Paths in it begin at its directory.
    ///
    /// # Errors
    /// It can't be read, understood or used.
    pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
        Self::load_from(path, false)
    }

    /// The same on another machine than the broker's: secrets and certificates may be missing. For whoever
    /// looks at people, roles and policies; no broker can start with it.
    ///
    /// # Errors
    /// As [`Config::load`] has them.
    pub fn load_elsewhere(path: &Path) -> Result<Loaded, ConfigError> {
        Self::load_from(path, true)
    }

    fn load_from(path: &Path, elsewhere: bool) -> Result<Loaded, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let file = std::path::absolute(path).map_err(unreadable)?;
        let text = std::fs::read_to_string(&file).map_err(unreadable)?;
        Self::checked(&text, &file, &|name| std::env::var(name).ok(), elsewhere)
    }

    /// Reads and checks `text`, as if it stood in `file`, an absolute path.
    #[cfg(test)]
    fn read(text: &str, file: &Path, variable: check::Variable<'_>) -> Result<Loaded, ConfigError> {
        Self::checked(text, file, variable, false)
    }

    fn checked(text: &str, file: &Path, variable: check::Variable<'_>, elsewhere: bool) -> Result<Loaded, ConfigError> {
        let path = || file.to_owned();
        let config: Self =
            toml::from_str(text).map_err(|source| ConfigError::Malformed { path: path(), source: Box::new(source) })?;
        let base = file.parent().unwrap_or(Path::new("/"));
        let sha256 = hex::encode(Sha256::digest(text));
        check::check(config, sha256, base, variable, elsewhere)
            .map_err(|problems| ConfigError::Unusable { path: path(), problems })
    }
}
