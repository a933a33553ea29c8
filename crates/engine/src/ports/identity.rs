//! Identity providers, and what is kept of who came in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use async_trait::async_trait;
use halligan_core::actor::Principal;
use halligan_core::entry::Draft;
use halligan_core::id::{GroupId, PersonId};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use halligan_policy::SignInMethod;

use super::aws::SecretText;
use super::store::StoreError;

/// The claims of a token whose signature, issuer, audience and times were checked.
pub type Claims = serde_json::Map<String, serde_json::Value>;

/// Why a provider didn't vouch for somebody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It can't be reached, is too slow, or answers with a fault of its own: the same may work later.
    #[error("the identity provider can't be reached: {0}")]
    Unavailable(String),
    /// It answered, and what it said is not good enough: it is not asked again.
    #[error("the identity provider's answer is refused: {0}")]
    Refused(String),
}

/// What a browser is sent to the provider with. All of it was made for one sign-in.
#[derive(Debug, Clone, Copy)]
pub struct AuthorizeAsk<'a> {
    /// Where the provider sends it back to: registered there, and of this provider alone.
    pub redirect_uri: &'a str,
    /// Comes back in the query.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// The PKCE verifier: its SHA-256 goes along.
    pub verifier: &'a SecretText,
    /// The longest since the person last proved who they are there; zero: they must again.
    pub max_age: Option<SignedDuration>,
}

/// What came back from the provider by way of the browser.
#[derive(Debug, Clone, Copy)]
pub struct Returned<'a> {
    /// The code.
    pub code: &'a SecretText,
    /// `iss` of the answer (RFC 9207), where there was one.
    pub issuer: Option<&'a str>,
    /// As it was sent.
    pub redirect_uri: &'a str,
    /// What the ID token must hold.
    pub nonce: &'a str,
    /// The PKCE verifier.
    pub verifier: &'a SecretText,
    /// When the person must have proved who they are, at the earliest: when they were
    /// sent there, less the `max_age` that was asked for. None: nothing was asked for.
    pub proven_since: Option<Timestamp>,
}

/// One OpenID provider that people sign in with.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// Its `iss`.
    fn issuer(&self) -> &str;

    /// Whether it answers now.
    ///
    /// # Errors
    /// It doesn't, or says nothing usable.
    async fn answers(&self) -> Result<(), ProviderError>;

    /// Where to send a browser. Nothing is remembered of it.
    ///
    /// # Errors
    /// The provider's description of itself can't be had, or is another issuer's.
    async fn authorize(&self, ask: &AuthorizeAsk<'_>) -> Result<String, ProviderError>;

    /// The claims of the ID token that the code is good for, once: its signature by a
    /// current key of the provider, issuer, audience, nonce, `exp`, `iat`, `nbf` checked
    /// against `now`, and `auth_time` where [`Returned::proven_since`] demands it. What
    /// other claims say is not checked: `email` may be anybody's.
    ///
    /// # Errors
    /// [`ProviderError::Refused`]: any of these is wrong, or the answer came from another
    /// issuer (mix-up).
    async fn exchange(&self, returned: &Returned<'_>, now: Timestamp) -> Result<Claims, ProviderError>;
}

/// Where an issuer's keys are published.
#[async_trait]
pub trait KeySets: Send + Sync {
    /// The JWK set of `issuer`, as JSON, not older than this call. It has at least one key.
    ///
    /// # Errors
    /// It can't be had. Whoever asks bounds how often. [`ProviderError::Refused`]: the
    /// issuer isn't one that was configured.
    async fn key_set(&self, issuer: &str) -> Result<String, ProviderError>;
}

/// Tells people something on a channel that the browser has no part in.
#[async_trait]
pub trait Notices: Send + Sync {
    /// What it is, for the record: `mail`.
    fn channel(&self) -> &str;

    /// Hands the notice over; `to` is the person it is about, and the configuration knows where that leads.
    ///
    /// # Errors
    /// Nobody took it, in words.
    async fn notify(&self, to: &PersonId, subject: &str, text: &str) -> Result<(), String>;
}

/// The SHA-256 of a secret that a browser keeps, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(pub String);

impl SecretHash {
    /// Of the secret as the browser has it.
    #[must_use]
    pub fn of(secret: &SecretText) -> Self {
        Self(hex::encode(Sha256::digest(secret.expose_secret())))
    }

    /// Why no store keeps it, if there is a reason: it may be the secret itself.
    #[must_use]
    pub fn flaw(&self) -> Option<&'static str> {
        let sound = self.0.len() == 64 && self.0.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (!sound).then_some("its key is no SHA-256 in hexadecimal")
    }
}

/// When and how well somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// By what.
    pub method: SignInMethod,
    /// When, by the word of whoever saw it; none: they didn't say.
    pub at: Option<Timestamp>,
    /// When they last did so with a second factor or a passkey.
    pub mfa_at: Option<Timestamp>,
    /// When they last did so at an identity provider, by its word: what no passkey stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<Timestamp>,
}

impl Proof {
    /// What is known of somebody who came in so, and has since proved themselves like the other:
    /// the later of each. How they came in stays.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            method: self.method,
            at: self.at.max(other.at),
            mfa_at: self.mfa_at.max(other.mfa_at),
            at_provider: self.at_provider.max(other.at_provider),
        }
    }
}

/// Somebody signed in, in one browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// SHA-256 of the token that the browser has.
    pub token: SecretHash,
    /// Names it where people see it: nothing can be done with it.
    pub id: uuid::Uuid,
    /// The login. Whose it is, is asked of the directory each time.
    pub principal: Principal,
    /// How they came in, and when.
    pub proof: Proof,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
    /// The address that it was opened from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

impl Session {
    /// The session after a use at `at`, by somebody who has proved themselves so.
    #[must_use]
    pub fn used(self, proof: Proof, at: Timestamp) -> Self {
        Self { proof: self.proof.and(proof), seen_at: self.seen_at.max(at), ..self }
    }
}

/// Sessions of browsers. Every replica sees the same, and an import of what the store
/// lacks ([`LogRestore`](super::LogRestore)) ends them all.
///
/// A key with a [`SecretHash::flaw`] is refused where something would be kept under it.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Keeps a new session, with entries, in one transaction. The same token hash is a
    /// [`StoreError::Conflict`], as is an entry whose id is there already.
    async fn open(&self, session: &Session, entries: Vec<Draft>, now: Timestamp) -> Result<(), StoreError>;

    /// The session of this token, if it wasn't ended. Whether it is too old is the caller's to judge.
    async fn session(&self, token: &SecretHash) -> Result<Option<Session>, StoreError>;

    /// It was used at `at`, and `proof` is how its person proved themselves last. Neither
    /// goes back ([`Session::used`]): a use that was slow to tell undoes no step-up. A
    /// session that is gone stays gone: that is a [`StoreError::Conflict`].
    async fn touch(&self, token: &SecretHash, proof: &Proof, at: Timestamp) -> Result<(), StoreError>;

    /// Ends a session, with entries, in one transaction; returns whether there was one:
    /// of two calls at once, to one. Without one nothing is written.
    async fn end(&self, token: &SecretHash, entries: Vec<Draft>, now: Timestamp) -> Result<bool, StoreError>;

    /// All of these logins that weren't ended, the newest first.
    async fn of(&self, principals: &BTreeSet<Principal>) -> Result<Vec<Session>, StoreError>;

    /// Ends every session of these logins; returns how many there were.
    async fn end_of(&self, principals: &BTreeSet<Principal>) -> Result<u64, StoreError>;

    /// Forgets at most `limit` sessions that were opened before `opened` or last used before `seen`:
    /// never one that wasn't, and less than a millisecond late; returns how many.
    async fn forget(&self, opened: Timestamp, seen: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// From when on what people show counts. Every replica sees the same, and an import of
/// what the store lacks brings what the log says along.
#[async_trait]
pub trait SignOuts: Send + Sync {
    /// When this person was last signed out everywhere: nothing from then or before counts.
    async fn signed_out(&self, person: &PersonId) -> Result<Option<Timestamp>, StoreError>;

    /// Nothing of this person's from `before` or earlier counts any more, and every session of
    /// these logins ends, with entries, in one transaction; returns how many sessions there
    /// were. The instant never goes back: an earlier one than what is known changes nothing of it.
    async fn sign_out(
        &self,
        person: &PersonId,
        before: Timestamp,
        principals: &BTreeSet<Principal>,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<u64, StoreError>;
}

/// Where ceremonies of one crowd wait. Each crowd has a room of its own, so that strangers
/// take up none of that of people who are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Which.
    pub name: &'static str,
    /// So many wait in it; at least one.
    pub max: u32,
}

/// What a browser was sent away with and has to bring back, once: sign-ins under way,
/// challenges of passkeys. An import ends them all.
#[async_trait]
pub trait Ceremonies: Send + Sync {
    /// Keeps `body` under the hash of a fresh secret until `expires_at`, and forgets all
    /// that have expired. Where the room is full, those that expire first give way: the table
    /// is bounded, whoever asks at once, and nobody who comes is turned away. A key that is
    /// there already is a [`StoreError::Conflict`].
    async fn begin(
        &self,
        key: &SecretHash,
        body: &str,
        expires_at: Timestamp,
        room: Room,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Takes it back: of two calls at once, one gets it. None: there is none, or it has
    /// expired, never late and less than a millisecond early.
    async fn take(&self, key: &SecretHash, now: Timestamp) -> Result<Option<String>, StoreError>;

    /// Forgets at most `limit` that have expired; returns how many.
    async fn forget_ceremonies(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// The groups that a provider last said a login is in. An import forgets them all: an
/// older store knows older groups, and people who sign in again bring theirs along.
#[async_trait]
pub trait LoginGroups: Send + Sync {
    /// They are these, as of `at`. An older word than what is known is passed over.
    async fn saw_groups(
        &self,
        principal: &Principal,
        groups: &BTreeSet<GroupId>,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// The groups that were last said of each of these logins, not before `since`. One of which
    /// nothing was said isn't there, and one that was said to be in none is: that is known.
    async fn groups_of(
        &self,
        principals: &BTreeSet<Principal>,
        since: Timestamp,
    ) -> Result<BTreeMap<Principal, BTreeSet<GroupId>>, StoreError>;

    /// Forgets at most `limit` logins of which nothing was said since `before`; returns how many.
    async fn forget_groups(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// A passkey that somebody enrolled. The log has all of it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The credential's id, base64url.
    pub credential: String,
    /// Whose.
    pub person: PersonId,
    /// The login that they had when they enrolled it: it is theirs for as long as that one is.
    pub principal: Principal,
    /// What they called it.
    pub label: String,
    /// The public key, `SubjectPublicKeyInfo` in base64url, and its algorithm.
    pub public_key: halligan_log::passkey::PublicKey,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When the notice of it was handed to another channel.
    pub noticed_at: Option<Timestamp>,
    /// Who cross-signed it, and when.
    pub confirmed: Option<(PersonId, Timestamp)>,
    /// The signature counter that was last seen.
    pub counter: u32,
}

impl Passkey {
    /// Whether it counts: a second person has vouched for it, or `wait` is over since it was told on another
    /// channel. Whoever has a part in the grant could have vouched for a key of their own in another's
    /// name, so their word alone counts only after the same wait.
    #[must_use]
    pub fn counts(&self, now: Timestamp, wait: SignedDuration, has_part: impl Fn(&PersonId) -> bool) -> bool {
        let waited = |at: Timestamp| now.duration_since(at) >= wait;
        let vouched = self.confirmed.as_ref().is_some_and(|(by, at)| !has_part(by) || waited(*at));
        vouched || self.noticed_at.is_some_and(waited)
    }

    /// Why no store keeps it, if there is a reason.
    #[must_use]
    pub fn flaw(&self) -> Option<&'static str> {
        let confirmed = self.confirmed.as_ref().map(|(by, _)| by);
        (confirmed == Some(&self.person)).then_some("its own person confirmed it")
    }
}

/// What the log says of a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there are few at a time, and most are kept")]
pub enum PasskeyNews {
    /// It is kept, and is this.
    Kept(Passkey),
    /// The one of this credential id is not kept any more.
    Removed(String),
}

impl PasskeyNews {
    /// Which passkey.
    #[must_use]
    pub fn credential(&self) -> &str {
        match self {
            Self::Kept(passkey) => &passkey.credential,
            Self::Removed(credential) => credential,
        }
    }
}

/// The passkeys of people.
#[async_trait]
pub trait Passkeys: Send + Sync {
    /// All of a person, the oldest first.
    async fn passkeys_of(&self, person: &PersonId) -> Result<Vec<Passkey>, StoreError>;

    /// The one of this credential id.
    async fn passkey(&self, credential: &str) -> Result<Option<Passkey>, StoreError>;

    /// Those that nobody has confirmed, the oldest first, at most `limit`.
    async fn unconfirmed(&self, limit: u32) -> Result<Vec<Passkey>, StoreError>;

    /// Keeps `passkey` where `known` is what was kept of its credential until now, with
    /// entries, in one transaction; [`StoreError::Conflict`] if something else is. One
    /// with a [`Passkey::flaw`] is refused.
    async fn keep(
        &self,
        passkey: &Passkey,
        known: Option<&Passkey>,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Forgets it, with entries, in one transaction; [`StoreError::Conflict`] if it isn't there.
    async fn remove(&self, credential: &str, entries: Vec<Draft>, now: Timestamp) -> Result<(), StoreError>;
}
