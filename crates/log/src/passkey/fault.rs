//! Why a passkey's answer is not good enough.

/// The rule that a passkey's answer breaks. Where it breaks several it is the one that
/// stands first here: [`PasskeyFault::NotPresent`] and [`PasskeyFault::NotVerified`] say
/// that all else holds.
///
/// The texts repeat nothing of what came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PasskeyFault {
    /// A part is longer than any authenticator makes it.
    #[error("a part of the passkey's answer is too long")]
    TooLong,
    /// A part is not base64url without padding.
    #[error("a part of the passkey's answer is not base64url without padding")]
    Encoding,
    /// The client data is not the JSON object that browsers make.
    #[error("the passkey's client data is not the JSON object that browsers make")]
    ClientData,
    /// An assertion where a registration is asked for, or the other way round.
    #[error("the passkey's answer is of another ceremony: expected the one that was begun")]
    Ceremony,
    /// It answers another challenge: another action, another request, or an old nonce.
    #[error("the passkey answers another challenge: begin again")]
    Challenge,
    /// It was made on another site.
    #[error("the passkey was used on another site: expected this one")]
    Origin,
    /// It was made in a frame of another site.
    #[error("the passkey was used inside a page of another site: open this one by itself")]
    CrossOrigin,
    /// The attestation object is not the CBOR map that it should be.
    #[error("the passkey's attestation object is not the CBOR map that authenticators make")]
    AttestationObject,
    /// An attestation of format `none` that attests something.
    #[error("the passkey's attestation says it is none, and is not empty")]
    Statement,
    /// The authenticator data is cut, or followed by something.
    #[error("the passkey's authenticator data has not the form that its flags announce")]
    AuthenticatorData,
    /// A credential in an assertion, or none in a registration.
    #[error("the passkey's authenticator data has a credential where there is none, or none where there is one")]
    AttestedCredential,
    /// The key is another site's.
    #[error("the passkey is another site's: expected one of this relying party")]
    RelyingParty,
    /// An empty credential id, or one of more than 1,023 bytes.
    #[error("the passkey's credential id is empty or too long")]
    CredentialId,
    /// A key of an algorithm that isn't taken.
    #[error("the passkey's algorithm is not taken: expected ES256, EdDSA or RS256")]
    Algorithm,
    /// A key that is not what its algorithm demands.
    #[error("the passkey's public key is not one of its algorithm")]
    PublicKey,
    /// The signature is not this key's over this answer.
    #[error("the passkey's signature doesn't fit")]
    Signature,
    /// Backed up, and not eligible for it.
    #[error("the passkey says that it is backed up and can't be")]
    BackupState,
    /// Nobody touched the authenticator.
    #[error("nobody touched the passkey")]
    NotPresent,
    /// The authenticator did not ask who is there.
    #[error("the passkey did not verify its user: a PIN or biometrics are needed")]
    NotVerified,
}
