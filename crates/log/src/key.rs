//! Ed25519 keys of logs and witnesses, in the text forms of
//! [C2SP signed-note](https://c2sp.org/signed-note): `name+id+key` for
//! verifying, `PRIVATE+KEY+name+id+key` for signing.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

const PRIVATE: &str = "PRIVATE+KEY+";
const PUBLIC_BYTES: usize = 32;
const SEED_BYTES: usize = 32;

/// What a key's signatures say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A log's: this is my head.
    Log,
    /// A cosignature with a time (`cosignature/v1`): I saw this head then, and it
    /// extended whatever I had seen before.
    Cosigner,
}

impl Kind {
    /// The byte that stands before the key, in its text and under its id.
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Cosigner => 0x04,
        }
    }
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has another form. The text is not repeated: it may be a private key.
    #[error("it is no key: expected `{expected}`")]
    Malformed {
        /// Which form.
        expected: &'static str,
    },
    /// The id is not that of name and key.
    #[error("the key's id doesn't fit its name and its bytes: part of it was changed or cut")]
    Id,
    /// A kind of key that isn't read here.
    #[error("it is a key of kind {0:#04x}: expected an Ed25519 key of a log (0x01) or a cosigner (0x04)")]
    Kind(u8),
    /// A name that can't stand in a signature line.
    #[error("a key's name has no spaces and no `+`, and is not empty")]
    Name,
}

/// A public key: who may have signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: String,
    kind: Kind,
    public: [u8; PUBLIC_BYTES],
}

impl VerifierKey {
    /// The key of `name`.
    ///
    /// # Errors
    /// No such name can stand in a signature line.
    pub fn new(name: &str, kind: Kind, public: [u8; PUBLIC_BYTES]) -> Result<Self, KeyError> {
        if !signed_note::is_key_name_valid(name) {
            return Err(KeyError::Name);
        }
        Ok(Self { name: name.to_owned(), kind, public })
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its signatures say.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Tells signatures apart.
    #[must_use]
    pub fn id(&self) -> u32 {
        signed_note::key_id(&self.name, &self.tagged())
    }

    /// The same key, for signatures of another kind.
    #[must_use]
    pub fn of_kind(&self, kind: Kind) -> Self {
        Self { kind, ..self.clone() }
    }

    /// Whether `signature` is this key's over exactly `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(message, signature).is_ok()
    }

    fn tagged(&self) -> Vec<u8> {
        [&[self.kind.byte()], self.public.as_slice()].concat()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id(), BASE64.encode(self.tagged()))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let malformed = KeyError::Malformed { expected: "name+id+base64" };
        let (name, id, key) = parts(text).ok_or(malformed)?;
        let key = BASE64.decode(key).map_err(|_| malformed)?;
        let (kind, public) = key.split_first().ok_or(malformed)?;
        let kind =
            [Kind::Log, Kind::Cosigner].into_iter().find(|known| known.byte() == *kind).ok_or(KeyError::Kind(*kind))?;
        let key = Self::new(name, kind, public.try_into().map_err(|_| malformed)?)?;
        if key.id() == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

fn parts(text: &str) -> Option<(&str, u32, &str)> {
    let (name, rest) = text.trim().split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let id = (id.len() == 8).then(|| u32::from_str_radix(id, 16).ok()).flatten()?;
    Some((name, id, key))
}

/// A private key. It is never shown, and wiped when it is dropped.
pub struct SigningKey {
    name: String,
    seed: Zeroizing<[u8; SEED_BYTES]>,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key of `name` with this seed: 32 bytes of a cryptographic source.
    ///
    /// # Errors
    /// No such name can stand in a signature line.
    pub fn from_seed(name: &str, seed: [u8; SEED_BYTES]) -> Result<Self, KeyError> {
        if !signed_note::is_key_name_valid(name) {
            return Err(KeyError::Name);
        }
        let seed = Zeroizing::new(seed);
        let malformed = KeyError::Malformed { expected: "a seed of 32 bytes" };
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| malformed)?;
        Ok(Self { name: name.to_owned(), seed, pair })
    }

    /// Its public half.
    #[must_use]
    pub fn verifier(&self, kind: Kind) -> VerifierKey {
        let mut public = [0; PUBLIC_BYTES];
        public.copy_from_slice(self.pair.public_key().as_ref());
        VerifierKey { name: self.name.clone(), kind, public }
    }

    /// An Ed25519 signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// The text to keep in a file that nobody else reads.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let id = self.verifier(Kind::Log).id();
        let tagged = Zeroizing::new([&[Kind::Log.byte()], self.seed.as_slice()].concat());
        Zeroizing::new(format!("{PRIVATE}{}+{id:08x}+{}", self.name, BASE64.encode(tagged.as_slice())))
    }
}

impl FromStr for SigningKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let malformed = KeyError::Malformed { expected: "PRIVATE+KEY+name+id+base64" };
        let (name, id, key) = text.trim().strip_prefix(PRIVATE).and_then(parts).ok_or(malformed)?;
        let key = Zeroizing::new(BASE64.decode(key).map_err(|_| malformed)?);
        let (kind, seed) = key.split_first().ok_or(malformed)?;
        if *kind != Kind::Log.byte() {
            return Err(KeyError::Kind(*kind));
        }
        let key = Self::from_seed(name, seed.try_into().map_err(|_| malformed)?)?;
        if key.verifier(Kind::Log).id() == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier(Kind::Log))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use signed_note::{Signer as _, StandardSigner, StandardVerifier, Verifier as _};

    use super::*;

    #[test]
    fn texts_and_signatures_are_those_of_the_reference() {
        let key = SigningKey::from_seed("log.example.com", [7; 32]).unwrap();
        let reference = StandardSigner::new(&key.to_text()).unwrap();
        assert_eq!(reference.sign(b"text").unwrap(), key.sign(b"text"));
        let public = key.verifier(Kind::Log);
        let verifier = StandardVerifier::new(&public.to_string()).unwrap();
        assert_eq!((verifier.name(), verifier.key_id()), (public.name(), public.id()));
        assert!(verifier.verify(b"text", &key.sign(b"text")) && public.verify(b"text", &key.sign(b"text")));
        assert!(!public.verify(b"texts", &key.sign(b"text")) && !public.verify(b"text", b"short"));
        let read: SigningKey = key.to_text().parse().unwrap();
        assert_eq!(read.verifier(Kind::Cosigner), public.of_kind(Kind::Cosigner));
        for kind in [Kind::Log, Kind::Cosigner] {
            let public = public.of_kind(kind);
            assert_eq!(public.to_string().parse::<VerifierKey>().unwrap(), public);
        }
    }

    #[test]
    fn a_private_key_is_never_shown() {
        let key = SigningKey::from_seed("log.example.com", [7; 32]).unwrap();
        let secret = key.to_text();
        let secret = secret.rsplit('+').next().unwrap();
        assert!(!format!("{key:?}").contains(secret));
        let wrong = format!("{}x", *key.to_text());
        assert!(!wrong.parse::<SigningKey>().unwrap_err().to_string().contains(secret));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let key = SigningKey::from_seed("log.example.com", [7; 32]).unwrap().verifier(Kind::Log).to_string();
        let renamed = key.replace("log.", "lag.");
        let malformed = KeyError::Malformed { expected: "name+id+base64" };
        let cases = [("", malformed), ("a+b+c", malformed), (renamed.as_str(), KeyError::Id)];
        for (text, expected) in cases {
            assert_eq!(text.parse::<VerifierKey>().unwrap_err(), expected, "{text}");
        }
        assert!(matches!(SigningKey::from_seed("two words", [0; 32]), Err(KeyError::Name)));
    }
}
