//! Who people are, and who vouches for them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use halligan_core::id::GroupId;
use halligan_server::auth::Algorithm;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::values::Period;

/// Who vouches for callers, by signed bearer tokens (JWT).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// What the `aud` of its tokens must hold.
    pub audience: String,
    /// Whether its subjects are people. Only people ask and acknowledge.
    pub people: bool,
    /// The public halves of the keys that its tokens are signed with: `pem` or `file` of each.
    #[schemars(extend("minItems" = 1))]
    pub keys: Vec<Key>,
    /// The algorithms that it signs with. A token can't choose another.
    #[serde(default = "algorithms")]
    #[schemars(with = "BTreeSet<AlgorithmName>")]
    pub algorithms: BTreeSet<Algorithm>,
    /// The longest from a token's `iat` to its `exp`. At most one day.
    #[serde(default = "max_lifetime")]
    pub max_lifetime: Period,
}

fn algorithms() -> BTreeSet<Algorithm> {
    [Algorithm::EdDSA].into()
}

const fn max_lifetime() -> Period {
    Period::seconds(3_600)
}

/// The names of [`Algorithm`], for the schema.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum AlgorithmName {
    EdDSA,
    ES256,
    ES384,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
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

/// One human, with every login that is theirs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The groups that they are in. Roles name groups.
    #[serde(default)]
    pub groups: BTreeSet<GroupId>,
    /// Their logins. Each belongs to one person: who has two logins is still one person, and can't acknowledge what
    /// they asked for.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    pub principals: Vec<Principal>,
}

/// A login.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Who vouches for it: an `issuer` of `issuers`.
    pub issuer: String,
    /// Whom the issuer means: the `sub` of its tokens, to the letter.
    pub subject: String,
}
