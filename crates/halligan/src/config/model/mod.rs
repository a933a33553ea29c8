//! The configuration as its file has it. What is documented here is what the
//! reference and the JSON Schema say.

mod access;
mod identity;
mod incidents;
mod log;
mod role;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use halligan_core::id::{DeploymentId, PersonId, ProviderId, RoleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{Listen, Network, SecretRef};

pub use access::{GroupsClaim, Issuer, Key, Machine, Mfa, Named, Person, Principal, SignIn, Unlinked};
pub use identity::{Mail, MailSecurity, Passkeys, Policy, Sessions};
pub use incidents::Provider;
pub use log::{Archive, Kms, Log, LogKey, Override, Sink, Witness};
pub use role::{Role, Scope};

/// The configuration of one broker.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Halligan configuration")]
pub struct Config {
    /// Names this installation. It is part of every request hash and of the names of the IAM policies that it
    /// writes, so two installations never share one, and it isn't changed while grants are active.
    pub deployment: DeploymentId,
    /// Where the embedded store, the log and its key are kept, unless `store` and `log` say otherwise. Made where it
    /// is missing, for nobody else to read.
    #[serde(default = "state_directory")]
    pub state_directory: PathBuf,
    /// The HTTP server.
    #[serde(default)]
    pub server: Server,
    /// The database.
    #[serde(default)]
    pub store: Store,
    /// The log of every step: who signs it, where it is published to, and what has to hold before credentials leave.
    #[serde(default)]
    pub log: Log,
    /// How AWS is reached. Credentials come from the AWS SDK's own chain: environment, profile, instance role.
    pub aws: Aws,
    /// What keeps one caller from using up what all share.
    #[serde(default)]
    pub limits: Limits,
    /// Who vouches for callers, by signed tokens (JWT): bearer tokens of the API, and the ID tokens of people who sign
    /// in. At least one of them vouches for people.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    pub issuers: Vec<Issuer>,
    /// The people: one human each, by an id that never changes and is never given to another. It is what the log names.
    /// They are needed, unless the one issuer of people has `unlinked = "admit"`.
    #[serde(default)]
    pub people: BTreeMap<PersonId, Person>,
    /// Sessions of people in a browser.
    #[serde(default)]
    pub sessions: Sessions,
    /// Passkeys, which belong to the host name of `server.public_url`: with an address there, there are none.
    #[serde(default)]
    pub passkeys: Passkeys,
    /// The server that notices to people are handed to. Without it nobody is told of new passkeys, and each counts
    /// only when another person has confirmed it.
    #[serde(default)]
    pub mail: Option<Mail>,
    /// Who may do what, beyond the lists of each role.
    #[serde(default)]
    pub policy: Policy,
    /// The incident tools, by the name that requests call them by. Every request names an open incident.
    #[serde(default)]
    #[schemars(extend("minProperties" = 1))]
    pub incidents: BTreeMap<ProviderId, Provider>,
    /// The catalogue: what can be asked for, by the name that requests call it by. Each entry is an IAM role that
    /// `deploy/aws/` has prepared, and the groups that may do something with it by the built-in policies; nobody else
    /// may do anything.
    #[serde(default)]
    #[schemars(extend("minProperties" = 1))]
    pub roles: BTreeMap<RoleId, Role>,
}

fn state_directory() -> PathBuf {
    "state".into()
}

/// The HTTP server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address and port that it listens on. Beyond this machine's loopback it demands `tls`, or
    /// `trusted_proxies` that end TLS before it.
    pub listen: Listen,
    /// How people and tools reach it: scheme, host and port, for links. Without it, `listen` on loopback.
    pub public_url: Option<String>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Who may read `/metrics`, beside this machine itself.
    pub metrics_networks: Vec<Network>,
    /// The server's certificate, if it serves HTTPS itself.
    pub tls: Option<Tls>,
}

impl Default for Server {
    fn default() -> Self {
        let listen = Listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        Self { listen, public_url: None, trusted_proxies: Vec::new(), metrics_networks: Vec::new(), tls: None }
    }
}

/// The server's certificate.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those that lead to its root, in PEM, the server's own first.
    pub certificate_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
}

/// The database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sqlite:path`, in a directory that exists, or `postgres://user@host/database` without a password. Without
    /// `url` and `url_from` it is `halligan.db` in the state directory.
    pub url: Option<String>,
    /// Where the URL is kept, if it holds a password; in place of `url`.
    pub url_from: Option<SecretRef>,
}

/// How AWS is reached.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// The Region whose STS endpoint mints: the nearest one. Its tokens are valid in every Region.
    #[schemars(extend("examples" = ["eu-central-1"]))]
    pub region: String,
    /// One endpoint for every AWS service, for a stand-in of AWS.
    #[serde(default)]
    pub endpoint_url: Option<String>,
    /// The console's sign-in endpoint, where it isn't the one of the Region's partition.
    #[serde(default)]
    pub federation_endpoint: Option<String>,
}

/// What keeps one caller from using up what all share.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How often credentials of one grant can be asked for in a minute; each time is a new mint.
    #[schemars(range(min = 1))]
    pub mints_per_minute: u32,
    /// How often one person or machine can ask for a grant in an hour.
    #[schemars(range(min = 1))]
    pub requests_per_person: u32,
    /// How often all can ask on occasion of one incident in an hour.
    #[schemars(range(min = 1))]
    pub requests_per_incident: u32,
    /// How often can be asked from one address in an hour: of IPv6, from one network of 64 bits.
    #[schemars(range(min = 1))]
    pub requests_per_address: u32,
    /// After how many refused acknowledgements in an hour a person's next are not looked at.
    #[schemars(range(min = 1))]
    pub refused_acknowledgements: u32,
    /// How often one person or machine can look incidents up in a minute; each time its tool is asked.
    #[schemars(range(min = 1))]
    pub incident_reads_per_minute: u32,
    /// How often one address, or network of IPv6, can begin to sign in in a minute.
    #[schemars(range(min = 1))]
    pub sign_ins_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mints_per_minute: 20,
            requests_per_person: 60,
            requests_per_incident: 120,
            requests_per_address: 240,
            refused_acknowledgements: 20,
            incident_reads_per_minute: 30,
            sign_ins_per_minute: 30,
        }
    }
}
