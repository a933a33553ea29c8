//! The client data: what the browser says of where and for what a passkey was used.

use serde::Deserialize;

use super::fault::PasskeyFault;
use super::relying::Relying;
use super::{CLIENT_DATA_BYTES_MAX, decode, encode};

/// The ceremony that a browser names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

impl Ceremony {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// The fields that are judged. Browsers add others, now and in times to come: those are
/// signed too, and not read. A field that stands twice is refused.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

/// The bytes of the client data, if they are of this ceremony, this challenge, this site.
pub(super) fn check(
    text: &str,
    ceremony: Ceremony,
    relying: &Relying<'_>,
    challenge: &[u8; 32],
) -> Result<Vec<u8>, PasskeyFault> {
    let bytes = decode(text, CLIENT_DATA_BYTES_MAX)?;
    let data: ClientData = serde_json::from_slice(&bytes).map_err(|_| PasskeyFault::ClientData)?;
    if data.kind != ceremony.as_str() {
        return Err(PasskeyFault::Ceremony);
    }
    // As text: the one encoding that browsers make of these bytes.
    if data.challenge != encode(challenge) {
        return Err(PasskeyFault::Challenge);
    }
    relying.check_origin(&data.origin)?;
    if data.cross_origin || data.top_origin.is_some() {
        return Err(PasskeyFault::CrossOrigin);
    }
    Ok(bytes)
}
