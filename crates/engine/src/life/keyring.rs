//! The passkeys that a log tells of, and whether what they signed is theirs.

use std::collections::BTreeMap;

use halligan_core::actor::Human;
use halligan_core::entry::{Entry, Sealed};
use halligan_core::event::Event;
use halligan_core::signed::{Enrolment, Signed};
use halligan_log::passkey::{Algorithm, Assertion, PasskeyFault, PublicKey, Relying, Verb, challenge, enrolment_hash};
use jiff::{SignedDuration, Timestamp};

use crate::ports::{Passkey, PasskeyNews};

/// So long after its notice an enrolment counts that nobody confirmed.
pub const ENROLMENT_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Passkeys, as far as the entries tell.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: BTreeMap<String, Enrolled>,
}

#[derive(Debug, Clone)]
struct Enrolled {
    passkey: Passkey,
    rp_id: Option<String>,
}

/// Why something that a passkey is said to have done is not its doing, or doesn't count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
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
    #[error("no such passkey is enrolled")]
    Unknown,
    /// It is somebody else's.
    #[error("the passkey is not theirs")]
    Foreign,
    /// Nobody vouches for their own.
    #[error("they confirmed a passkey of their own: another person must")]
    Own,
    /// Nobody had vouched for it, and it had not been told for a day.
    #[error(
        "the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it"
    )]
    NotCounted,
    /// The signature is not over this.
    #[error("what the passkey signed is not this: {0}")]
    Signature(#[from] PasskeyFault),
}

impl Keyring {
    /// Goes on from a passkey whose entries are not at hand.
    pub fn resume(&mut self, passkey: Passkey) {
        self.keys.insert(passkey.credential.clone(), Enrolled { passkey, rp_id: None });
    }

    /// Whether entries of this type have anything to do with passkeys.
    #[must_use]
    pub fn concerns(kind: &str) -> bool {
        kind.starts_with("passkey.") || matches!(kind, "grant.acknowledged" | "extension.acknowledged")
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
        let (by, at) = (entry.actor.human(), entry.decided_at());
        match &entry.event {
            Event::PasskeyEnrolled(Enrolment { credential, algorithm, public_key, rp_id, origin: _, enrolment }) => {
                let algorithm = Algorithm::ALL.into_iter().find(|known| known.as_str() == algorithm.as_str());
                let key = PublicKey { algorithm: algorithm.ok_or(Unsound::Key)?, spki: public_key.clone() };
                key.check().map_err(|_| Unsound::Key)?;
                let person = by.ok_or(Unsound::Nobody)?.person.clone();
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
            Event::PasskeyNoticed { credential, .. } => {
                self.get_mut(credential)?.passkey.noticed_at.get_or_insert(at);
                Ok(())
            }
            Event::PasskeyConfirmed { credential, signed, .. } => {
                let by = by.ok_or(Unsound::Nobody)?;
                let Passkey { person, public_key, .. } = &self.get(credential)?.passkey;
                if *person == by.person {
                    return Err(Unsound::Own);
                }
                let thing = enrolment_hash(person.as_str(), credential, public_key);
                self.check(by, signed, Verb::Confirm, &thing, at)?;
                self.get_mut(credential)?.passkey.confirmed = Some((by.person.clone(), at));
                Ok(())
            }
            Event::PasskeyRemoved { credential, .. } => self.keys.remove(credential).map(drop).ok_or(Unsound::Unknown),
            Event::GrantAcknowledged { request_hash, signed: Some(signed), .. } => {
                self.check(by.ok_or(Unsound::Nobody)?, signed, Verb::Acknowledge, &request_hash.bytes(), at)
            }
            Event::ExtensionAcknowledged { extension_hash, signed: Some(signed), .. } => {
                self.check(by.ok_or(Unsound::Nobody)?, signed, Verb::Acknowledge, &extension_hash.bytes(), at)
            }
            _ => Ok(()),
        }
    }

    fn check(&self, by: &Human, signed: &Signed, verb: Verb, thing: &[u8; 32], at: Timestamp) -> Result<(), Unsound> {
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
        let waited = |noticed: Timestamp| at.duration_since(noticed) >= ENROLMENT_WAIT;
        if passkey.confirmed.is_some() || passkey.noticed_at.is_some_and(waited) {
            return Ok(());
        }
        Err(Unsound::NotCounted)
    }

    fn get(&self, credential: &str) -> Result<&Enrolled, Unsound> {
        self.keys.get(credential).ok_or(Unsound::Unknown)
    }

    fn get_mut(&mut self, credential: &str) -> Result<&mut Enrolled, Unsound> {
        self.keys.get_mut(credential).ok_or(Unsound::Unknown)
    }
}
