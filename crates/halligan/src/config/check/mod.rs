//! Whether the settings make sense together. Everything that doesn't is found
//! in one go: who edits a file at night wants one round, not ten.

mod identity;
mod incidents;
mod issuers;
mod log;
mod machines;
mod named;
mod people;
mod places;
pub(super) mod policy;
mod roles;
mod sign_in;
mod society;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use halligan_connect::mail::MailSettings;
use halligan_connect::oidc::OidcSettings;
use halligan_core::catalogue::Catalogue;
use halligan_core::id::GroupId;
use halligan_engine::access::Office;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use self::society::Society;
use super::access::{Issuer, Rules, SignIn};
use super::model::Config;
use super::values::SecretRef;
use super::{Loaded, Problem, Store};

/// Looks up an environment variable.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Stands for a secret that isn't here: what a store, a header and a password take.
const UNREAD: &str = "postgres://unread.invalid/unread";

/// What is found while checking.
pub(super) struct Findings<'a> {
    base: &'a Path,
    variable: Variable<'a>,
    /// Secrets, and files for the broker's eyes, may be missing: nothing is started.
    elsewhere: bool,
    /// The secrets that were read, by their settings and by hash.
    secrets: BTreeMap<String, String>,
    refused: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Findings<'_> {
    /// `field` can't be used.
    fn refuse(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.refused.push(Problem { field: field.into(), problem: problem.into() });
    }

    /// `field` works, and is likely a mistake.
    fn warn(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.warnings.push(Problem { field: field.into(), problem: problem.into() });
    }

    /// A path of the file, which begins at the file's directory.
    fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The path of a file that `field` names, which is there and ours to read.
    fn readable(&mut self, field: &str, path: &Path) -> PathBuf {
        let path = self.path(path);
        if let (Err(error), false) = (std::fs::File::open(&path), self.elsewhere) {
            self.refuse(field, format!("the file {} can't be read: {error}", path.display()));
        }
        path
    }

    /// The text of a file that `field` names.
    fn text_of(&mut self, field: &str, path: &Path) -> Option<String> {
        let path = self.path(path);
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) => {
                self.refuse(field, format!("the file {} can't be read: {error}", path.display()));
                None
            }
        }
    }

    /// The secret that `field` refers to.
    fn secret(&mut self, field: &str, reference: &SecretRef) -> Option<SecretString> {
        let is_here = |findings: &Self| match reference {
            SecretRef::Env(name) => (findings.variable)(name).is_some(),
            SecretRef::File(path) => std::fs::File::open(findings.path(path)).is_ok(),
            SecretRef::Literal => true,
        };
        if self.elsewhere && !is_here(self) {
            return Some(UNREAD.into());
        }
        let text = match reference {
            SecretRef::Env(name) => {
                let value = (self.variable)(name);
                if value.is_none() {
                    self.refuse(
                        field,
                        format!("the environment variable {name} is not set: expected it to hold the secret"),
                    );
                }
                value?
            }
            SecretRef::File(path) => self.text_of(field, path)?,
            SecretRef::Literal => {
                let expected = "expected `{ env = \"NAME\" }` or `{ file = \"path\" }`";
                self.refuse(
                    field,
                    format!("is a text, and secrets never stand in this file: {expected}, and a new secret"),
                );
                return None;
            }
        };
        let secret = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        if secret.is_empty() {
            self.refuse(field, "the secret that it refers to is empty");
            return None;
        }
        self.secrets.insert(field.to_owned(), hex::encode(Sha256::digest(secret)));
        Some(secret.into())
    }
}

/// Checks a configuration whose file is in the directory `base`. `elsewhere`: not on the broker's
/// machine, so its secrets and certificates may be missing; nothing can be started with it then.
///
/// # Errors
/// Everything that can't be used.
pub fn check(
    config: Config,
    sha256: String,
    base: &Path,
    variable: Variable<'_>,
    elsewhere: bool,
) -> Result<Loaded, Vec<Problem>> {
    let secrets = BTreeMap::new();
    let mut findings = Findings { base, variable, elsewhere, secrets, refused: Vec::new(), warnings: Vec::new() };
    let found = &mut findings;
    let Config {
        deployment,
        state_directory,
        server,
        store,
        log,
        aws,
        limits,
        issuers,
        people,
        sessions,
        passkeys,
        mail,
        policy,
        incidents,
        roles,
    } = config;

    let state_directory = found.path(&state_directory);
    let server = places::server(server, found);
    let store = places::store(store, &state_directory, found);
    let aws = places::aws(aws, found);
    let limits = identity::limits(&limits, found);
    let vouching = issuers::issuers(issuers, found);
    let browsers = vouching.issuers.iter().any(|issuer| issuer.sign_in.is_some());
    let rp_id = server.as_ref().and_then(|server| identity::relying_party(&server.public_url, browsers, found));
    let society = people::society(people, &vouching, &incidents.keys().cloned().collect(), found);
    let sessions = identity::sessions(&sessions, found);
    let mail = identity::mail(mail, &society.people, rp_id.as_deref(), found);
    let passkeys = identity::passkeys(&passkeys, rp_id, found);
    let incidents = incidents::providers(incidents, found);
    let roles = roles::roles(roles, &society, found);
    let offices: BTreeSet<GroupId> = log::groups(&log).union(&policy.administrators).cloned().collect();
    somebody_is_in("policy.administrators", &policy.administrators, &society.of_people(), found);
    let policies = policy::Texts::read(&policy, found).and_then(|texts| {
        roles::unused_groups(&society, &roles, |group| offices.contains(group) || texts.name(group), found);
        texts.load(&society, &roles, &offices, found)
    });
    let surroundings = log::Surroundings {
        deployment: &deployment,
        state_directory: &state_directory,
        shared_store: store.as_ref().is_some_and(Store::is_shared),
        society: &society,
        roles: &roles,
    };
    let log = log::log(log, &surroundings, found);

    match (server, store, log, policies) {
        (Some(server), Some(store), Some(log), Some(policies)) if findings.refused.is_empty() => {
            let overriders = log.overriding.as_ref().map(|rules| rules.granters.clone()).unwrap_or_default();
            let office = Office { readers: log.readers.clone(), overriders, administrators: policy.administrators };
            let Society { people, machines, .. } = society;
            let vouching_now = vouching_sha256(&vouching.issuers, mail.as_ref());
            Ok(Loaded {
                sha256,
                state_directory,
                server,
                store,
                log,
                aws,
                limits,
                issuers: vouching.issuers,
                rules: Rules {
                    vouching: vouching_now,
                    issuers: vouching.rules,
                    people,
                    machines,
                    policies,
                    office,
                    roles: roles.iter().map(|(id, role)| (id.clone(), role.access.clone())).collect(),
                },
                secrets: findings.secrets,
                sessions,
                passkeys,
                mail,
                incidents,
                catalogue: Catalogue { deployment, roles },
                warnings: findings.warnings,
            })
        }
        _ => Err(findings.refused),
    }
}

/// How tokens are checked, who signs people in and who writes to them, without any secret.
fn vouching_sha256(issuers: &[Issuer], mail: Option<&MailSettings>) -> String {
    let mut hash = Sha256::new();
    for Issuer { tokens, sign_in, .. } in issuers {
        hash.update(format!("{tokens:?}"));
        if let Some(SignIn { name, client, command_line_client_id, .. }) = sign_in {
            let OidcSettings { issuer, client_id, client_secret, scopes, acr, ca_file } = client;
            let (public, authority) = (client_secret.is_none(), ca_file.as_deref().map(issuers::sha256_of));
            hash.update(format!(
                "{name} {issuer} {client_id:?} {public} {scopes:?} {acr:?} {authority:?} {command_line_client_id:?}"
            ));
        }
    }
    if let Some(MailSettings { host, port, security, from, credentials, .. }) = mail {
        let user = credentials.as_ref().map(|(user, _)| user);
        hash.update(format!("{host:?} {port} {security:?} {from:?} {user:?}"));
    }
    hex::encode(hash.finalize())
}

/// `` `a`, `b` ``: what could have stood there.
fn quoted<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A text of the file, as it may be shown.
fn shown(text: &str) -> String {
    halligan_core::text::printable(text, 80)
}

/// Whether `text` is the name of a Region.
fn region(field: &str, text: &str, found: &mut Findings<'_>) -> bool {
    let legal = is_region(text);
    if !legal {
        let problem = format!("`{}` is not the name of a Region: expected such as `eu-central-1`", shown(text));
        found.refuse(field, problem);
    }
    legal
}

/// What the trust policy of an IAM role can demand (STS, AssumeRole).
fn external_id(field: String, text: &str, found: &mut Findings<'_>) {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    if !(2..=1224).contains(&text.chars().count()) || !text.chars().all(legal) {
        let expected = "expected 2 to 1224 of letters, digits and `_+=,.@:/-`";
        found.refuse(field, format!("`{}` is not an external id: {expected}", shown(text)));
    }
}

/// Whether somebody is in each of these groups; `known` are those that somebody is in. It is no reason not to
/// start, or to go on with what was read before: the last of a group may have been taken out.
fn somebody_is_in(
    field: &str,
    named: &BTreeSet<GroupId>,
    known: &BTreeSet<&GroupId>,
    found: &mut Findings<'_>,
) -> bool {
    let strange = named.iter().filter(|group| !known.contains(group));
    for group in strange.clone() {
        found.warn(field, format!("nobody is in `{group}`: {}", some_group(known)));
    }
    strange.count() == 0
}

/// What could have stood in place of a group that nobody is in.
fn some_group(known: &BTreeSet<&GroupId>) -> String {
    if known.is_empty() {
        return "expected a group that somebody is in, and there is none".to_owned();
    }
    format!("expected a group that somebody is in: {}", quoted(known))
}

/// `us-east-1`, `us-gov-west-1`, `eu-isoe-west-1`: the shape of a Region's name.
/// Which there are changes every year.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some(((number, words), first)) = parts.split_last().zip(parts.first()) else { return false };
    let letters = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    (2..=4).contains(&words.len())
        && first.len() == 2
        && words.iter().all(letters)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}
