//! The authenticator data: what the authenticator says of itself
//! ([§6.1](https://www.w3.org/TR/webauthn-3/#sctn-authenticator-data)).

use super::fault::PasskeyFault;
use super::relying::Relying;

/// Somebody touched it.
pub(super) const PRESENT: u8 = 0x01;
/// It verified who: PIN or biometrics.
pub(super) const VERIFIED: u8 = 0x04;
/// The key may be copied to other devices.
pub(super) const BACKUP_ELIGIBLE: u8 = 0x08;
/// The key has been.
pub(super) const BACKED_UP: u8 = 0x10;
/// A new credential follows.
pub(super) const ATTESTED: u8 = 0x40;
/// Extensions follow.
pub(super) const EXTENSIONS: u8 = 0x80;

/// Taken apart; what follows the first 37 bytes is left to whoever knows the ceremony.
pub(super) struct AuthenticatorData<'a> {
    relying: &'a [u8; 32],
    flags: u8,
    pub(super) counter: u32,
    pub(super) rest: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, PasskeyFault> {
        let short = PasskeyFault::AuthenticatorData;
        let (relying, rest) = bytes.split_first_chunk().ok_or(short)?;
        let (&flags, rest) = rest.split_first().ok_or(short)?;
        let (&counter, rest) = rest.split_first_chunk().ok_or(short)?;
        Ok(Self { relying, flags, counter: u32::from_be_bytes(counter), rest })
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// What is left at the end is extensions, and there are some exactly when the flags
    /// say so. They are signed and not read: none is asked for.
    pub(super) fn check_extensions(&self, rest: &[u8]) -> Result<(), PasskeyFault> {
        if self.has(EXTENSIONS) == rest.is_empty() { Err(PasskeyFault::AuthenticatorData) } else { Ok(()) }
    }

    pub(super) fn check_relying(&self, relying: &Relying<'_>) -> Result<(), PasskeyFault> {
        if *self.relying == relying.id_hash() { Ok(()) } else { Err(PasskeyFault::RelyingParty) }
    }

    /// Somebody was there, and the authenticator knew them. Checked last: a fault of this
    /// says that all else holds.
    pub(super) fn check_user(&self) -> Result<(), PasskeyFault> {
        if self.has(BACKED_UP) && !self.has(BACKUP_ELIGIBLE) {
            return Err(PasskeyFault::BackupState);
        }
        if !self.has(PRESENT) {
            return Err(PasskeyFault::NotPresent);
        }
        if !self.has(VERIFIED) {
            return Err(PasskeyFault::NotVerified);
        }
        Ok(())
    }
}
