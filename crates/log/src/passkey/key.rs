//! Public keys of passkeys.

use std::fmt;
use std::ops::RangeInclusive;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use serde::{Deserialize, Serialize};

use super::fault::PasskeyFault;
use super::{decode, encode};

/// The longest `SubjectPublicKeyInfo`, in bytes: RSA with 4,096 bits.
const SPKI_BYTES_MAX: usize = 550;
/// Where the modulus stands in one of RSA with 2,048 bits and more, and what stands after it:
/// the exponent, 65,537. Authenticators make no other.
const RSA_MODULUS_AT: usize = 32;
const RSA_EXPONENT: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
const RSA_BITS: RangeInclusive<usize> = 2_048..=4_096;

/// The signature algorithms of passkeys that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256 (COSE −7).
    ES256,
    /// Ed25519 (COSE −8).
    EdDSA,
    /// RSA PKCS #1 v1.5 with SHA-256 (COSE −257).
    RS256,
}

impl Algorithm {
    /// All of them, the preferred first: what a browser is asked for.
    pub const ALL: [Self; 3] = [Self::ES256, Self::EdDSA, Self::RS256];

    /// Its number in COSE.
    #[must_use]
    pub const fn cose(self) -> i64 {
        match self {
            Self::ES256 => -7,
            Self::EdDSA => -8,
            Self::RS256 => -257,
        }
    }

    /// As it is written and hashed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::RS256 => "RS256",
        }
    }

    pub(super) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::ES256 => &ECDSA_P256_SHA256_ASN1,
            Self::EdDSA => &ED25519,
            Self::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The public half of a passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// What it signs with. It is the key's, never the signature's.
    pub algorithm: Algorithm,
    /// `SubjectPublicKeyInfo` in DER, base64url without padding.
    pub spki: String,
}

impl PublicKey {
    /// The key of these bytes: a point of 65 or 32 bytes as its algorithm has it, or
    /// `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`PasskeyFault::PublicKey`]: it is none of this algorithm, a point that is not on
    /// the curve, RSA with fewer than 2,048 or more than 4,096 bits or another exponent
    /// than 65,537.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, PasskeyFault> {
        let key = ParsedPublicKey::new(algorithm.verification(), bytes).map_err(|_| PasskeyFault::PublicKey)?;
        let spki = key.as_der().map_err(|_| PasskeyFault::PublicKey)?;
        let key = Self { algorithm, spki: encode(spki.as_ref()) };
        key.parse().map_err(|_| PasskeyFault::PublicKey)?;
        Ok(key)
    }

    /// Whether it is what [`PublicKey::new`] makes: each key has one text.
    ///
    /// # Errors
    /// [`PasskeyFault::TooLong`], [`PasskeyFault::Encoding`] or [`PasskeyFault::PublicKey`].
    pub fn check(&self) -> Result<(), PasskeyFault> {
        self.parse().map(drop)
    }

    /// Whether `signature` is this key's over exactly `message`.
    ///
    /// # Errors
    /// [`PasskeyFault::Signature`], or the key itself is none.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), PasskeyFault> {
        self.parse()?.verify_sig(message, signature).map_err(|_| PasskeyFault::Signature)
    }

    fn parse(&self) -> Result<ParsedPublicKey, PasskeyFault> {
        let spki = decode(&self.spki, SPKI_BYTES_MAX)?;
        let key = ParsedPublicKey::new(self.algorithm.verification(), &spki).map_err(|_| PasskeyFault::PublicKey)?;
        // The library takes other encodings of the same key too; one has to be enough.
        let canonical = key.as_der().map_err(|_| PasskeyFault::PublicKey)?;
        let taken = self.algorithm != Algorithm::RS256 || rsa_bits(&spki).is_some_and(|bits| RSA_BITS.contains(&bits));
        if canonical.as_ref() == spki && taken { Ok(key) } else { Err(PasskeyFault::PublicKey) }
    }
}

/// The size of an RSA key in DER. For one of fewer than 2,048 bits it is wrong, and too small.
fn rsa_bits(spki: &[u8]) -> Option<usize> {
    let modulus = spki.get(RSA_MODULUS_AT..)?.strip_suffix(&RSA_EXPONENT)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let unused = modulus.first()?.leading_zeros();
    (modulus.len() * 8).checked_sub(usize::try_from(unused).ok()?)
}
