//! Checkpoints: the tree's size and root, signed
//! ([C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint),
//! [tlog-cosignature](https://c2sp.org/tlog-cosignature)).
//!
//! The log signs each checkpoint twice with its one key: as a log does, and with a
//! time, as a cosigner does, so that silence is seen. Readers pass over
//! signatures that they don't know.

use signed_note::{Note, Signature};
use tlog_tiles::Hash;

use crate::key::{Kind, VerifierKey};

const TIME_BYTES: usize = 8;
const SIGNATURE_BYTES: usize = 64;

/// The head of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// The text that is cosigned: with a time, in seconds since 1970.
    #[must_use]
    pub fn timed_body(&self, seconds: u64) -> String {
        format!("cosignature/v1\ntime {seconds}\n{}", self.body())
    }
}

/// Why bytes are no checkpoint that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note with a checkpoint in it.
    #[error("it is no signed checkpoint")]
    Malformed,
    /// Another log's.
    #[error("it is of the log `{found}`: expected `{expected}`")]
    Origin {
        /// Whose it says it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// Nobody known signed it.
    #[error("none of the log's keys signed it")]
    Unsigned,
    /// A known key's signature is not over this text.
    #[error("the signature of `{name}` is not over this checkpoint")]
    Forged {
        /// Whose signature it claims to be.
        name: String,
    },
}

/// A checkpoint with its signatures.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    signatures: Vec<Line>,
}

/// A signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    name: String,
    id: u32,
    signature: Vec<u8>,
}

impl SignedCheckpoint {
    /// A checkpoint that nobody has signed yet.
    #[must_use]
    pub const fn unsigned(checkpoint: Checkpoint) -> Self {
        Self { checkpoint, signatures: Vec::new() }
    }

    /// Adds a log's signature over [`Checkpoint::body`].
    pub fn sign(&mut self, key: &VerifierKey, signature: Vec<u8>) {
        self.add(key.of_kind(Kind::Log), signature);
    }

    /// Adds a cosignature over [`Checkpoint::timed_body`].
    pub fn cosign(&mut self, key: &VerifierKey, seconds: u64, signature: &[u8]) {
        self.add(key.of_kind(Kind::Cosigner), [&seconds.to_be_bytes(), signature].concat());
    }

    fn add(&mut self, key: VerifierKey, signature: Vec<u8>) {
        let (name, id) = (key.name().to_owned(), key.id());
        self.signatures.retain(|line| (&line.name, line.id) != (&name, id));
        self.signatures.push(Line { name, id, signature });
    }

    /// Reads a signed note. Nothing is believed yet.
    ///
    /// # Errors
    /// It is none, or not of a checkpoint. Extension lines are refused: this log has none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::from_bytes(bytes).map_err(|_| CheckpointError::Malformed)?;
        let body = tlog_tiles::Checkpoint::from_bytes(note.text()).map_err(|_| CheckpointError::Malformed)?;
        let checkpoint = Checkpoint { origin: body.origin().to_owned(), size: body.size(), root: *body.hash() };
        if checkpoint.body().as_bytes() != note.text() {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self { checkpoint, signatures: lines(bytes)? })
    }

    /// The signed note.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\n", self.checkpoint.body()).into_bytes();
        for line in &self.signatures {
            if let Ok(signature) = Signature::new(line.name.clone(), line.id, line.signature.clone()) {
                text.extend(signature.to_bytes());
            }
        }
        text
    }

    /// Adds the cosignature of `key` out of signature lines, as a witness answers
    /// with them, each with its line feed. Other lines are passed over: whoever
    /// answers adds nothing in another's name.
    ///
    /// # Errors
    /// There is none of this key, or it is not over this checkpoint: nothing is added.
    pub fn add_cosignature(&mut self, text: &[u8], key: &VerifierKey) -> Result<u64, CheckpointError> {
        let text = std::str::from_utf8(text).map_err(|_| CheckpointError::Malformed)?;
        let (name, id) = (key.name(), key.of_kind(Kind::Cosigner).id());
        for line in text.lines() {
            let line = parse_line(line)?;
            if (line.name.as_str(), line.id) == (name, id) {
                let mut with = self.clone();
                with.signatures.retain(|have| (&have.name, have.id) != (&line.name, line.id));
                with.signatures.push(line);
                let seconds = with.cosigned(key)?.ok_or(CheckpointError::Unsigned)?;
                *self = with;
                return Ok(seconds);
            }
        }
        Err(CheckpointError::Unsigned)
    }

    /// What is signed. To be believed only after [`SignedCheckpoint::signer`].
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Which of the log's `keys` signed it, as a log.
    ///
    /// # Errors
    /// None did, a signature is forged, or it is of another log than the keys.
    pub fn signer<'a>(&self, keys: &'a [VerifierKey]) -> Result<&'a VerifierKey, CheckpointError> {
        let mut signer = None;
        for key in keys.iter().filter(|key| key.kind() == Kind::Log) {
            if key.name() != self.checkpoint.origin {
                let (found, expected) = (self.checkpoint.origin.clone(), key.name().to_owned());
                return Err(CheckpointError::Origin { found, expected });
            }
            if let Some(line) = self.line(key) {
                if !key.verify(self.checkpoint.body().as_bytes(), &line.signature) {
                    return Err(CheckpointError::Forged { name: key.name().to_owned() });
                }
                signer = signer.or(Some(key));
            }
        }
        signer.ok_or(CheckpointError::Unsigned)
    }

    /// When `key` cosigned it, in seconds since 1970; none if it did not.
    ///
    /// # Errors
    /// The cosignature is forged.
    pub fn cosigned(&self, key: &VerifierKey) -> Result<Option<u64>, CheckpointError> {
        let key = key.of_kind(Kind::Cosigner);
        let Some(line) = self.line(&key) else { return Ok(None) };
        let forged = || CheckpointError::Forged { name: key.name().to_owned() };
        let (time, signature) = line.signature.split_first_chunk::<TIME_BYTES>().ok_or_else(forged)?;
        let seconds = u64::from_be_bytes(*time);
        let body = self.checkpoint.timed_body(seconds);
        if signature.len() == SIGNATURE_BYTES && key.verify(body.as_bytes(), signature) {
            return Ok(Some(seconds));
        }
        Err(forged())
    }

    fn line(&self, key: &VerifierKey) -> Option<&Line> {
        let id = key.id();
        self.signatures.iter().find(|line| line.id == id && line.name == key.name())
    }
}

fn lines(note: &[u8]) -> Result<Vec<Line>, CheckpointError> {
    let text = std::str::from_utf8(note).map_err(|_| CheckpointError::Malformed)?;
    let (_, signatures) = text.rsplit_once("\n\n").ok_or(CheckpointError::Malformed)?;
    signatures.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> Result<Line, CheckpointError> {
    let signature = Signature::from_bytes(line.as_bytes()).map_err(|_| CheckpointError::Malformed)?;
    Ok(Line { name: signature.name().to_owned(), id: signature.id(), signature: signature.signature().to_vec() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::key::SigningKey;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, [seed; 32]).unwrap()
    }

    fn signed() -> SignedCheckpoint {
        let checkpoint = Checkpoint { origin: "log.example.com".into(), size: 42, root: Hash([9; 32]) };
        let (log, witness) = (key("log.example.com", 1), key("witness.example.com/w1", 2));
        let mut signed = SignedCheckpoint::unsigned(checkpoint.clone());
        signed.sign(&log.verifier(Kind::Log), log.sign(checkpoint.body().as_bytes()));
        for cosigner in [&log, &witness] {
            let signature = cosigner.sign(checkpoint.timed_body(1_000).as_bytes());
            signed.cosign(&cosigner.verifier(Kind::Cosigner), 1_000, &signature);
        }
        signed
    }

    #[test]
    fn a_note_says_who_signed_and_when() {
        let read = SignedCheckpoint::parse(&signed().to_bytes()).unwrap();
        assert_eq!(read, signed());
        let (log, witness) = (key("log.example.com", 1), key("witness.example.com/w1", 2));
        let other = key("log.example.com", 3).verifier(Kind::Log);
        let keys = [other.clone(), log.verifier(Kind::Log)];
        assert_eq!(read.signer(&keys).unwrap(), &log.verifier(Kind::Log));
        assert_eq!(read.signer(&[other]), Err(CheckpointError::Unsigned));
        assert_eq!(read.cosigned(&log.verifier(Kind::Log)), Ok(Some(1_000)));
        assert_eq!(read.cosigned(&witness.verifier(Kind::Log)), Ok(Some(1_000)));
        assert_eq!(read.cosigned(&key("witness.example.com/w2", 2).verifier(Kind::Log)), Ok(None));
        let foreign = key("lag.example.com", 1).verifier(Kind::Log);
        assert!(matches!(read.signer(&[foreign]), Err(CheckpointError::Origin { .. })));
    }

    #[test]
    fn who_cosigns_adds_nothing_in_anothers_name() {
        let (log, witness) = (key("log.example.com", 1), key("witness.example.com/w1", 2));
        let mut plain = signed();
        plain.signatures.retain(|line| line.name == "log.example.com");
        let (cosigner, checkpoint) = (witness.verifier(Kind::Cosigner), plain.checkpoint().clone());
        let mut answer = SignedCheckpoint::unsigned(checkpoint.clone());
        answer.sign(&log.verifier(Kind::Log), vec![0; 64]);
        answer.cosign(&cosigner, 2_000, &witness.sign(checkpoint.timed_body(2_000).as_bytes()));
        let lines = |answer: &SignedCheckpoint| {
            let bytes = answer.to_bytes();
            let at = bytes.windows(2).rposition(|pair| pair == b"\n\n").unwrap();
            bytes[at + 2..].to_vec()
        };
        let mut with = plain.clone();
        assert_eq!(with.add_cosignature(&lines(&answer), &cosigner), Ok(2_000));
        assert!(with.signer(&[log.verifier(Kind::Log)]).is_ok(), "the log's signature was replaced");
        answer.cosign(&cosigner, 3_000, &witness.sign(checkpoint.timed_body(2_000).as_bytes()));
        assert!(matches!(plain.add_cosignature(&lines(&answer), &cosigner), Err(CheckpointError::Forged { .. })));
        let other = key("witness.example.com/w2", 2).verifier(Kind::Cosigner);
        assert_eq!(plain.add_cosignature(&lines(&answer), &other), Err(CheckpointError::Unsigned));
    }

    #[test]
    fn no_byte_of_a_note_can_be_changed_unseen() {
        let note = signed().to_bytes();
        let log = [key("log.example.com", 1).verifier(Kind::Log)];
        let witness = key("witness.example.com/w1", 2).verifier(Kind::Cosigner);
        let whole = |bytes: &[u8]| {
            let read = SignedCheckpoint::parse(bytes).ok()?;
            read.signer(&log).ok()?;
            let times = (read.cosigned(&log[0]).ok()??, read.cosigned(&witness).ok()??);
            Some((read.checkpoint().clone(), times))
        };
        let original = whole(&note).unwrap();
        for at in 0..note.len() {
            for bit in [1, 0x20, 0x80] {
                let mut changed = note.clone();
                changed[at] ^= bit;
                // Base 64 may spell the same bytes twice; the words stay the same then.
                assert!(whole(&changed).is_none_or(|found| found == original), "byte {at}");
            }
        }
    }
}
