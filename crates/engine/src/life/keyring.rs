//! The passkeys that a log tells of, and whether what they signed is theirs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use halligan_core::actor::Human;
use halligan_core::entry::{Entry, Sealed};
use halligan_core::event::Event;
use halligan_core::id::{PartyName, PersonId};
use halligan_core::signed::{Enrolment, Signed};
use halligan_log::passkey::{Algorithm, Assertion, PasskeyFault, PublicKey, Relying, Verb, challenge, enrolment_hash};
use jiff::{SignedDuration, Timestamp};

use crate::ports::{Passkey, PasskeyNews};

/// So long after its notice an enrolment counts that nobody confirmed.
pub const ENROLMENT_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// So many acknowledgements are remembered by their nonces: the newest. A grant whose yes is
/// older is over, and no life goes on from there.
const NONCES_MAX: usize = 65_536;

/// Passkeys, as far as the entries tell.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: BTreeMap<String, Enrolled>,
    used: Used,
}

/// The nonces that were signed. Those of confirmations are kept for good: a key that was
/// removed and enrolled again has the same enrolment, so the old confirmation would fit.
#[derive(Debug, Default)]
struct Used {
    nonces: BTreeSet<[u8; 32]>,
    newest: VecDeque<[u8; 32]>,
}

#[derive(Debug, Clone)]
struct Enrolled {
    passkey: Passkey,
    rp_id: Option<String>,
}

/// Why something that a passkey is said to have done is not its doing, or doesn't count.
///
/// The texts are for whoever reads the log later, and say what is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// The entry can't be read.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// No person did it.
    #[error("no person did it: expected one who has a passkey")]
    Nobody,
    /// The enrolment isn't what its hash says.
    #[error("the enrolment's hash is not that of its person, credential and key")]
    Enrolment,
    /// The key is none.
    #[error("the public key is none that a passkey has")]
    Key,
    /// There is such a passkey already.
    #[error("this passkey was enrolled before")]
    Twice,
    /// There is no such passkey, or no longer.
    #[error("no such passkey was enrolled, or it had been removed")]
    Unknown,
    /// It is somebody else's.
    #[error("the passkey is another person's")]
    Foreign,
    /// Nobody vouches for their own.
    #[error("they confirmed a passkey of their own: another person must")]
    Own,
    /// Whoever enrols a key can't say for the broker that it was told.
    #[error("somebody recorded the notice of a passkey: expected the broker, which had sent it")]
    Notice,
    /// Nobody had vouched for it, and it had not been told for a day.
    #[error(
        "the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it"
    )]
    NotCounted,
    /// Only the requester had vouched for it, and not for a day.
    #[error("the passkey that signed had been confirmed by the requester alone, less than a day before")]
    VouchedByRequester,
    /// The signature stands in another entry already.
    #[error("the signature is that of an earlier entry: the key was touched once, for that")]
    Replayed,
    /// The signature is not over this.
    #[error("no signature for this: {}", seen_later(*.0))]
    Signature(#[from] PasskeyFault),
}

/// What is wrong with an answer, to whoever reads it long after it was given.
const fn seen_later(fault: PasskeyFault) -> &'static str {
    match fault {
        PasskeyFault::TooLong
        | PasskeyFault::Encoding
        | PasskeyFault::ClientData
        | PasskeyFault::AttestationObject
        | PasskeyFault::Statement
        | PasskeyFault::AuthenticatorData
        | PasskeyFault::AttestedCredential
        | PasskeyFault::CredentialId
        | PasskeyFault::BackupState => "it has not the form of a passkey's answer",
        PasskeyFault::Ceremony => "the answer was given when a key was made, not when one was used",
        PasskeyFault::Challenge => "what was signed is another action, another request or extension, or another nonce",
        PasskeyFault::Origin => "it was given on a page of another site than the passkey's",
        PasskeyFault::CrossOrigin => "it was given inside a page of another site",
        PasskeyFault::RelyingParty => "the key was used for another site than the passkey's",
        PasskeyFault::Algorithm | PasskeyFault::PublicKey => "the passkey's key is not one of its algorithm",
        PasskeyFault::Signature => "the signature is not this key's, or not over this answer",
        PasskeyFault::NotPresent => "nobody touched the key",
        PasskeyFault::NotVerified => "the key did not verify who touched it (PIN or biometrics)",
    }
}

impl Keyring {
    /// Goes on from a passkey whose entries are not at hand.
    pub fn resume(&mut self, passkey: Passkey) {
        self.keys.insert(passkey.credential.clone(), Enrolled { passkey, rp_id: None });
    }

    /// Whether entries of this type say what a passkey is, or what one signed.
    #[must_use]
    pub fn concerns(kind: &str) -> bool {
        let enrolment =
            matches!(kind, "passkey.enrolled" | "passkey.noticed" | "passkey.confirmed" | "passkey.removed");
        enrolment || matches!(kind, "grant.acknowledged" | "extension.acknowledged")
    }

    /// The passkey that an entry changes.
    #[must_use]
    pub fn changed_by(entry: &Entry) -> Option<&str> {
        match &entry.event {
            Event::PasskeyEnrolled(Enrolment { credential, .. })
            | Event::PasskeyNoticed { credential, .. }
            | Event::PasskeyConfirmed { credential, .. }
            | Event::PasskeyRemoved { credential, .. }
            | Event::PasskeyCounterWentBack { credential, .. } => Some(credential),
            _ => None,
        }
    }

    /// The passkey that vouched for another in this entry.
    #[must_use]
    pub fn vouching_in(entry: &Entry) -> Option<&str> {
        match &entry.event {
            Event::PasskeyConfirmed { signed, .. } => Some(&signed.credential),
            _ => None,
        }
    }

    /// Whether this passkey is known.
    #[must_use]
    pub fn knows(&self, credential: &str) -> bool {
        self.keys.contains_key(credential)
    }

    /// What is known of a passkey after the entries so far.
    #[must_use]
    pub fn news_of(&self, credential: &str) -> PasskeyNews {
        self.keys.get(credential).map_or_else(
            || PasskeyNews::Removed(credential.to_owned()),
            |enrolled| PasskeyNews::Kept(enrolled.passkey.clone()),
        )
    }

    /// Follows an entry, and checks what it says was signed.
    ///
    /// # Errors
    /// It doesn't hold. What it would have changed stays as it was.
    pub fn enter(&mut self, sealed: &Sealed) -> Result<(), Unsound> {
        let entry = &sealed.entry;
        // What begins a wait is as old as its place in the log: whoever writes entries could date it back.
        let (by, recorded) = (entry.actor.human(), entry.time);
        let at = entry.decided_at().min(recorded);
        match &entry.event {
            Event::PasskeyEnrolled(Enrolment { credential, algorithm, public_key, rp_id, origin: _, enrolment }) => {
                let algorithm = Algorithm::ALL.into_iter().find(|known| known.as_str() == algorithm.as_str());
                let key = PublicKey { algorithm: algorithm.ok_or(Unsound::Key)?, spki: public_key.clone() };
                key.check().map_err(|_| Unsound::Key)?;
                let Human { person, principal } = by.ok_or(Unsound::Nobody)?.clone();
                if hex::encode(enrolment_hash(person.as_str(), credential, &key)) != *enrolment {
                    return Err(Unsound::Enrolment);
                }
                if self.keys.contains_key(credential) {
                    return Err(Unsound::Twice);
                }
                let label = sealed.personal.as_ref().and_then(|part| part.fields.0.get("label").cloned());
                let passkey = Passkey {
                    credential: credential.clone(),
                    person,
                    principal,
                    label: label.unwrap_or_default(),
                    public_key: key,
                    enrolled_at: at,
                    noticed_at: None,
                    confirmed: None,
                    counter: 0,
                };
                self.keys.insert(credential.clone(), Enrolled { passkey, rp_id: Some(rp_id.clone()) });
                Ok(())
            }
            Event::PasskeyNoticed { credential, person, .. } => {
                self.of(credential, person)?;
                if entry.actor.party.is_some() {
                    return Err(Unsound::Notice);
                }
                let passkey = &mut self.get_mut(credential)?.passkey;
                // Nobody was told before there was something to tell.
                let told = recorded.max(passkey.enrolled_at);
                passkey.noticed_at.get_or_insert(told);
                Ok(())
            }
            Event::PasskeyConfirmed { credential, person, enrolment, signed } => {
                let by = by.ok_or(Unsound::Nobody)?;
                let Passkey { person, public_key, .. } = self.of(credential, person)?;
                if *person == by.person {
                    return Err(Unsound::Own);
                }
                let thing = enrolment_hash(person.as_str(), credential, public_key);
                if hex::encode(thing) != *enrolment {
                    return Err(Unsound::Enrolment);
                }
                self.check(by, signed, Verb::Confirm, &thing, at, None)?;
                self.get_mut(credential)?.passkey.confirmed = Some((by.person.clone(), recorded));
                Ok(())
            }
            Event::PasskeyRemoved { credential, person, .. } => {
                self.of(credential, person)?;
                self.keys.remove(credential).map(drop).ok_or(Unsound::Unknown)
            }
            Event::GrantAcknowledged { request_hash, signed: Some(signed), .. } => {
                let requester = entry.links.requester.as_ref();
                self.check(by.ok_or(Unsound::Nobody)?, signed, Verb::Acknowledge, &request_hash.bytes(), at, requester)
            }
            Event::ExtensionAcknowledged { extension_hash, signed: Some(signed), .. } => {
                let requester = entry.links.requester.as_ref();
                self.check(
                    by.ok_or(Unsound::Nobody)?,
                    signed,
                    Verb::Acknowledge,
                    &extension_hash.bytes(),
                    at,
                    requester,
                )
            }
            _ => Ok(()),
        }
    }

    fn check(
        &mut self,
        by: &Human,
        signed: &Signed,
        verb: Verb,
        thing: &[u8; 32],
        at: Timestamp,
        requester: Option<&PartyName>,
    ) -> Result<(), Unsound> {
        let Enrolled { passkey, rp_id } = self.get(&signed.credential)?;
        if passkey.person != by.person {
            return Err(Unsound::Foreign);
        }
        let Signed { credential, nonce, authenticator_data, client_data, signature } = signed.clone();
        let assertion = Assertion { credential, authenticator_data, client_data, signature };
        let challenge = challenge(verb, thing, &nonce.0);
        // Of one whose enrolment is not at hand the site isn't known: it was checked when it was used.
        if let Some(rp_id) = rp_id {
            assertion.verify(&Relying::of_log(rp_id), &passkey.public_key, &challenge)?;
        }
        if !passkey.counts(at, ENROLMENT_WAIT, |_| false) {
            return Err(Unsound::NotCounted);
        }
        let asked = |person: &PersonId| requester.is_some_and(|name| name.as_str() == person.as_str());
        if !passkey.counts(at, ENROLMENT_WAIT, asked) {
            return Err(Unsound::VouchedByRequester);
        }
        if self.used.is_new(nonce.0, verb) { Ok(()) } else { Err(Unsound::Replayed) }
    }

    /// The passkey, if it is this person's.
    fn of(&self, credential: &str, person: &PersonId) -> Result<&Passkey, Unsound> {
        let passkey = &self.get(credential)?.passkey;
        if passkey.person == *person { Ok(passkey) } else { Err(Unsound::Foreign) }
    }

    fn get(&self, credential: &str) -> Result<&Enrolled, Unsound> {
        self.keys.get(credential).ok_or(Unsound::Unknown)
    }

    fn get_mut(&mut self, credential: &str) -> Result<&mut Enrolled, Unsound> {
        self.keys.get_mut(credential).ok_or(Unsound::Unknown)
    }
}

impl Used {
    fn is_new(&mut self, nonce: [u8; 32], verb: Verb) -> bool {
        if !self.nonces.insert(nonce) {
            return false;
        }
        if verb != Verb::Confirm {
            self.newest.push_back(nonce);
        }
        if self.newest.len() > NONCES_MAX
            && let Some(oldest) = self.newest.pop_front()
        {
            self.nonces.remove(&oldest);
        }
        true
    }
}
