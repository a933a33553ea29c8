//! Entries out of the log's bytes, quickly: most concern no life and are not looked at further.

use halligan_core::entry::{Entry, SaltedPersonal, Sealed};

/// Why an entry can't be read.
#[derive(Debug, thiserror::Error)]
#[error("it can't be read: {0}")]
pub struct Unreadable(#[from] serde_json::Error);

/// Reads an entry and its personal part; none if it concerns no life.
///
/// # Errors
/// They are not of this version's form.
pub fn read(entry: &[u8], personal: Option<&[u8]>) -> Result<Option<Sealed>, Unreadable> {
    let entry: Entry = serde_json::from_slice(entry)?;
    let personal = personal.map(serde_json::from_slice::<SaltedPersonal>).transpose()?;
    Ok(Some(Sealed { entry, personal }))
}
