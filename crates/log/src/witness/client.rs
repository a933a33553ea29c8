//! The log's side.

use super::server::SIZE_TYPE;

/// Why a witness didn't cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// It last cosigned a tree of this size: prove from there.
    #[error("the witness has last seen a tree of size {size}")]
    OtherSize {
        /// Which.
        size: u64,
    },
    /// It can't now; the same request can be made again.
    #[error("the witness answered with status {status}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
    },
    /// It won't.
    #[error("the witness refused: {0}")]
    Refused(String),
}

/// Reads a witness's answer to a request from `old` on: signature lines. They are checked by
/// [`crate::SignedCheckpoint::add_cosignature`], not here.
///
/// # Errors
/// It didn't cosign.
pub fn read_answer(old: u64, status: u16, content_type: Option<&str>, body: &[u8]) -> Result<Vec<u8>, Declined> {
    let text = || String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default()).trim().to_owned();
    let is_size = content_type.and_then(|name| name.split(';').next()).is_some_and(|name| name.trim() == SIZE_TYPE);
    match status {
        200 => Ok(body.to_vec()),
        409 if is_size => {
            let size = std::str::from_utf8(body).ok().and_then(|body| super::server::decimal(body.strip_suffix('\n')?));
            match size {
                Some(size) if size == old => {
                    Err(Declined::Refused(format!("it has cosigned another tree of size {size}: the log has forked")))
                }
                Some(size) => Err(Declined::OtherSize { size }),
                None => Err(Declined::Refused("a conflict without a size".to_owned())),
            }
        }
        400 => Err(Declined::Refused(format!("it couldn't read the request: {}", text()))),
        403 => Err(Declined::Refused("it doesn't know the key that the checkpoint is signed with".to_owned())),
        404 => Err(Declined::Refused("it doesn't know this log: has it been told the log's key?".to_owned())),
        409 => Err(Declined::Refused(format!("the checkpoint contradicts what it has cosigned: {}", text()))),
        422 => Err(Declined::Refused("the proof doesn't fit what it has cosigned: the log has forked".to_owned())),
        status if status == 429 || status >= 500 => Err(Declined::Unavailable { status }),
        status => Err(Declined::Refused(format!("status {status}: {}", text()))),
    }
}
