//! What a passkey signed, checked with nothing but its public key
//! ([Web Authentication, level 3](https://www.w3.org/TR/webauthn-3/)).

use serde::{Deserialize, Serialize};

/// The signature algorithms of passkeys that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256 (COSE −7).
    ES256,
    /// Ed25519 (COSE −8).
    EdDSA,
    /// RSA PKCS #1 v1.5 with SHA-256 (COSE −257).
    RS256,
}

/// The public half of a passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// What it signs with.
    pub algorithm: Algorithm,
    /// `SubjectPublicKeyInfo` in DER, base64url without padding.
    pub spki: String,
}
