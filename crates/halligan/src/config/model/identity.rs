//! How people come in, and how they are told of things.

use std::collections::BTreeSet;
use std::path::PathBuf;

use halligan_core::id::GroupId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::{Period, SecretRef};

/// Sessions of people in a browser.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// A session that nobody uses for so long is over.
    pub idle: Period,
    /// However it is used, it is over after so long. At most one day.
    pub longest: Period,
    /// So long the groups count that a token last said, in a browser and elsewhere. At most one day: who leaves a
    /// group at the provider has its rights until then, or until they come with a token that doesn't say it.
    pub groups_kept: Period,
}

impl Default for Sessions {
    fn default() -> Self {
        let half_a_day = Period::seconds(12 * 3_600);
        Self { idle: Period::seconds(3_600), longest: half_a_day, groups_kept: half_a_day }
    }
}

/// Passkeys, which belong to the host name of `server.public_url`: with an address there, there are none.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Passkeys {
    /// How long after its person was told by mail a new passkey counts for acknowledgements, if no other person has
    /// confirmed it. One day at least, 30 at most.
    pub wait: Period,
    /// So lately somebody who enrols a passkey has proved to the identity provider who they are, by its `auth_time`.
    /// Whoever hasn't is led there. One day at most.
    pub enrol_within: Period,
    /// Whether signing in is that proof where the provider sends no `auth_time`. Whoever steals a session is kept from
    /// enrolling by nothing but `enrol_within` after the sign-in then.
    pub enrol_after_sign_in: bool,
}

impl Default for Passkeys {
    fn default() -> Self {
        Self { wait: Period::seconds(24 * 3_600), enrol_within: Period::seconds(15 * 60), enrol_after_sign_in: false }
    }
}

/// The server that notices to people are handed to. Without it nobody is told of new passkeys, and each counts only
/// when another person has confirmed it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Its host and port: 465 with `tls`, 587 with `starttls`.
    #[schemars(extend("examples" = ["smtp.example.com:587"]))]
    pub server: String,
    /// How the connection is protected.
    #[serde(default)]
    pub security: MailSecurity,
    /// The only authorities (PEM) that may vouch for the server. Without it, those of this machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The sender's address, with or without a name.
    #[schemars(extend("examples" = ["Halligan <halligan@example.com>"]))]
    pub from: String,
    /// Whom the broker signs in to the server as, with `password`.
    #[serde(default)]
    pub user: Option<String>,
    /// Where the password is kept.
    #[serde(default)]
    pub password: Option<SecretRef>,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// TLS begins by STARTTLS, and nothing is said before.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None: to this machine's loopback alone.
    None,
}

/// Who may do what, beyond the lists of each role.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The directory of the policies: every `*.cedar` file that stands in it, and nothing below. They hold in place of
    /// the built-in ones, `policies/default.cedar`, which permit what the lists of each role say.
    pub directory: Option<PathBuf>,
    /// The groups that may look after the broker's people by the built-in policies: end their sessions, remove their passkeys. Without one nobody can.
    pub administrators: BTreeSet<GroupId>,
}
