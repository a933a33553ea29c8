//! What a passkey signed, checked with nothing but its public key
//! ([Web Authentication, level 3](https://www.w3.org/TR/webauthn-3/)).
//!
//! An [`Assertion`] that verifies claims exactly this: whoever holds the private half
//! of that key used it for this site, for this [`challenge`], after touching the
//! authenticator and proving to it who they are (PIN or biometrics). As the challenge
//! is the hash of what was asked, there is no signed acknowledgement without the touch
//! of an enrolled key. It does not claim that the person was shown what they signed, nor
//! that the key lives in hardware: attestation is not asked for.

mod assertion;
mod attested;
mod authenticator;
mod client;
mod fault;
mod hash;
mod key;
mod registration;
mod relying;
pub mod soft;

pub use assertion::{Asserted, Assertion};
pub use fault::PasskeyFault;
pub use hash::{Verb, challenge, enrolment_hash, person_hash};
pub use key::{Algorithm, PublicKey};
pub use registration::{Enrolled, Registration};
pub use relying::{Origins, Relying};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The longest client data, in bytes. Browsers make 150 to 400.
pub const CLIENT_DATA_BYTES_MAX: usize = 768;
/// The longest authenticator data of an assertion, in bytes: 37, and what extensions say.
pub const AUTHENTICATOR_DATA_BYTES_MAX: usize = 256;
/// The longest credential id, in bytes, as the specification has it.
pub const CREDENTIAL_BYTES_MAX: usize = 1_023;
/// The longest signature, in bytes: RSA with 4,096 bits.
pub const SIGNATURE_BYTES_MAX: usize = 512;
/// The longest attestation object, in bytes: some clients send certificates unasked.
pub const ATTESTATION_BYTES_MAX: usize = 16_384;

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a base64url text: the one text that these bytes have.
fn decode(text: &str, bytes_max: usize) -> Result<Vec<u8>, PasskeyFault> {
    if text.len() > bytes_max.saturating_mul(4).div_ceil(3) {
        return Err(PasskeyFault::TooLong);
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| PasskeyFault::Encoding)
}
