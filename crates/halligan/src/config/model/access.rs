//! Who people and machines are, and who vouches for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use halligan_core::id::{GroupId, MachineId, PlaceId};
use halligan_server::auth::Algorithm;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::values::{Period, SecretRef};

/// Who vouches for callers, by signed tokens (JWT): bearer tokens of the API, and the ID tokens of people who sign in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` of its tokens, to the letter.
    pub issuer: String,
    /// What the `aud` of its bearer tokens must hold.
    pub audience: String,
    /// Whether its subjects are people. Only people acknowledge. If not, `machines` says what its tokens are.
    pub people: bool,
    /// The public halves of the keys that its tokens are signed with, `pem` or `file` of each: for issuers that
    /// publish none. Exactly one of `keys`, `jwks_url` and `discovery` is needed.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// Where it publishes its keys, as a JWK set: https, or this machine's loopback.
    #[serde(default)]
    #[schemars(extend("examples" = ["https://token.actions.githubusercontent.com/.well-known/jwks"]))]
    pub jwks_url: Option<String>,
    /// Whether it says where its keys are at `/.well-known/openid-configuration` below its name, which then is an
    /// https URL, or one of this machine's loopback.
    #[serde(default)]
    pub discovery: bool,
    /// The only authorities (PEM) that may vouch for the host of its keys, a cluster's own, and for the provider where
    /// people sign in. Without it, those of this machine, which a person's own machine trusts in any case.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The file of a token that is shown to the host of its keys, read anew each time: Kubernetes' API server hides
    /// its keys from strangers.
    #[serde(default)]
    pub bearer_file: Option<PathBuf>,
    /// The algorithms that it signs with. A token can't choose another. Without them, `EdDSA` of `keys` and `RS256`
    /// of published keys.
    #[serde(default)]
    #[schemars(schema_with = "algorithms")]
    pub algorithms: Option<BTreeSet<Algorithm>>,
    /// The longest from a token's `iat` to its `exp`. At most one day.
    #[serde(default = "max_lifetime")]
    pub max_lifetime: Period,
    /// The claims that name the subject, for ever and to every client. For Entra ID `["tid", "oid"]`, since its `sub`
    /// is another for each application; the values of several are joined by `/`. Claims that change or that people
    /// choose (`email`, `preferred_username`, `upn`, `name`, `nickname`, `unique_name`) are refused.
    #[serde(default = "subject_claims")]
    pub subject_claims: Vec<String>,
    /// What becomes of a login that no person of `people` has. `refuse`: it is nobody's. `admit`: it is a person of
    /// its own, whose groups its tokens say (`groups`): only where this is the one issuer of people, since of two, one
    /// human would be two persons, and only where it vouches for nobody but the people of one organisation.
    #[serde(default)]
    pub unlinked: Unlinked,
    /// Where its tokens say which groups somebody is in. They count beside those of `people`, for as long as
    /// `sessions.groups_kept` after they were last said.
    #[serde(default)]
    pub groups: Option<GroupsClaim>,
    /// How its tokens say that there was a second factor. Without it, by `amr` of `mfa` where its keys are published,
    /// and not at all where they stand in `keys`. It counts only with a time that is believed (`auth_time`).
    #[serde(default)]
    pub mfa: Option<Mfa>,
    /// Whether its tokens are believed when they say when somebody proved who they are (`auth_time`). Without it, yes
    /// where its keys are published, and no where they stand in `keys`: whoever holds such a key, or `halligan token
    /// key` made it for them, writes that time themselves. `true` beside `keys` is for an issuer that is no person.
    #[serde(default)]
    pub auth_time: Option<bool>,
    /// How people sign in with it, in a browser and from the command line. Without it, they come with tokens that
    /// they got elsewhere.
    #[serde(default)]
    pub sign_in: Option<SignIn>,
    /// The machines that it vouches for, if it vouches for no people. A token is the first machine's that it fits,
    /// and nobody's if it fits none. Where a token could fit two, the one that demands more stands first; two of which
    /// neither demands all that the other does are refused.
    #[serde(default)]
    pub machines: Vec<Machine>,
}

const fn max_lifetime() -> Period {
    Period::seconds(3_600)
}

fn subject_claims() -> Vec<String> {
    vec!["sub".to_owned()]
}

/// The names of algorithms.
fn algorithms(_: &mut SchemaGenerator) -> Schema {
    let names = Algorithm::ALL.map(Algorithm::as_str);
    json_schema!({ "type": "array", "items": { "type": "string", "enum": names }, "uniqueItems": true })
}

/// The public half of a key: `pem` or `file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key itself: a PEM `PUBLIC KEY`.
    #[serde(default)]
    pub pem: Option<String>,
    /// The file that holds it.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Its name, where tokens name their key. A token that names one is checked with that key alone, a token that
    /// names none with the keys that have no name.
    #[serde(default)]
    pub kid: Option<String>,
}

/// What becomes of a login that no person has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unlinked {
    #[default]
    Refuse,
    Admit,
}

/// Where tokens say which groups somebody is in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupsClaim {
    /// The claim: a text or a list of texts.
    pub claim: String,
    /// The groups here, by what the issuer calls them, to the letter. What it says beyond these means nothing here.
    #[schemars(with = "BTreeMap<String, String>")]
    pub map: BTreeMap<String, GroupId>,
}

/// The values that stand for a second factor.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mfa {
    /// In `amr` (RFC 8176): one of them suffices. Without it, `mfa` where the issuer's keys are published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amr: Option<BTreeSet<String>>,
    /// As `acr`.
    pub acr: BTreeSet<String>,
}

/// How people sign in with an OpenID provider: by authorization code with PKCE, and from the command line by loopback
/// redirect or device code. The issuer is its https URL, or one of this machine's loopback.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// What it is called here. It is part of the redirect URI that is registered with the provider:
    /// `<server.public_url>/sign-in/NAME/callback`.
    pub name: PlaceId,
    /// The client id that the provider gave to the broker.
    pub client_id: String,
    /// Where its secret is kept. Without it, the broker is a public client: PKCE alone protects the code.
    #[serde(default)]
    pub client_secret: Option<SecretRef>,
    /// The scopes that are asked for, beside `openid`: those that make the provider say groups.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The client id of command lines, a public client of its own: its ID tokens are taken as bearer tokens. Without
    /// it, nobody signs in from a command line.
    #[serde(default)]
    pub command_line_client_id: Option<String>,
}

/// A machine: a pipeline, a workload, an incident tool. It may ask, and never acknowledges; what it asks for needs
/// two people.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Its name, which no person and no other machine has.
    pub name: MachineId,
    /// What its tokens say, all of it, each value to the letter: there are no patterns.
    #[schemars(extend("minProperties" = 1, "examples" = [{ "repository": "example/app", "ref": "refs/heads/main" }]))]
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// The groups that it is in.
    #[serde(default)]
    pub groups: BTreeSet<GroupId>,
    /// The claim that names the human who set it off, such as `actor_id`: they count as the requester, and can't
    /// acknowledge. `people.NAME.named` says whom it means; a token that names somebody else is refused.
    #[serde(default)]
    pub human_claim: Option<String>,
}

/// One human, with every login that is theirs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The groups that they are in, beside those that their tokens say. Roles name groups.
    #[serde(default)]
    pub groups: BTreeSet<GroupId>,
    /// Their logins. Each belongs to one person: who has two logins is still one person, and can't acknowledge what
    /// they asked for.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    pub principals: Vec<Principal>,
    /// What machines' tokens and incident tools call them. Each such name belongs to one person.
    #[serde(default)]
    pub named: Vec<Named>,
    /// Where notices go that are about them: `[mail]` sends them.
    #[serde(default)]
    pub mail: Option<String>,
}

/// A login.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Who vouches for it: an `issuer` of `issuers`.
    pub issuer: String,
    /// Whom the issuer means: the `sub` of its tokens, or what else its `subject_claims` name, to the letter.
    pub subject: String,
}

/// What somebody else calls a person.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Who calls them so: an issuer of machines, or an incident tool.
    pub by: String,
    /// The issuer's claim, the `human_claim` of one of its machines; of an incident tool `creator`.
    pub claim: String,
    /// The value, to the letter: an id that never changes, and that they can't choose.
    pub value: String,
}
