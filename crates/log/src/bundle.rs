//! Bundles: up to 256 texts, each with its length before it, as tlog-tiles has
//! entries, and as we keep the personal parts beside them.

/// The longest text: its length is sixteen bits.
pub const TEXT_BYTES_MAX: usize = u16::MAX as usize;

/// Why bytes are no bundle, or texts make none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A text is longer than its length can say.
    #[error("a text of {bytes} bytes does not fit into a bundle: expected at most {TEXT_BYTES_MAX}")]
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// It ends inside of a text.
    #[error("the bundle ends inside of text {at}")]
    Cut {
        /// Which, from 0.
        at: usize,
    },
    /// It holds more or fewer than its key says.
    #[error("the bundle holds {found} texts: expected {expected}")]
    Count {
        /// How many there are.
        found: usize,
        /// How many its key promises.
        expected: usize,
    },
}

/// Puts texts into a bundle.
///
/// # Errors
/// One is too long.
pub fn write<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    for text in texts {
        let length = u16::try_from(text.len()).map_err(|_| BundleError::TooLong { bytes: text.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text);
    }
    Ok(bytes)
}

/// The texts of a bundle, which are as many as `expected`.
///
/// # Errors
/// It is cut, or holds more or fewer.
pub fn read(bytes: &[u8], expected: usize) -> Result<Vec<&[u8]>, BundleError> {
    let mut texts = Vec::with_capacity(expected.min(usize::from(crate::object::FULL)));
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = texts.len();
        let (length, after) = rest.split_first_chunk::<2>().ok_or(BundleError::Cut { at })?;
        let (text, after) =
            after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(BundleError::Cut { at })?;
        texts.push(text);
        rest = after;
    }
    if texts.len() == expected { Ok(texts) } else { Err(BundleError::Count { found: texts.len(), expected }) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let texts: [&[u8]; 3] = [b"a", b"", &[7; 300]];
        let bytes = write(texts).unwrap();
        assert_eq!(bytes.get(..5), Some(&[0, 1, b'a', 0, 0][..]));
        assert_eq!(read(&bytes, 3).unwrap(), texts);
        assert_eq!(read(&bytes, 2), Err(BundleError::Count { found: 3, expected: 2 }));
        assert_eq!(read(bytes.get(..bytes.len() - 1).unwrap(), 3), Err(BundleError::Cut { at: 2 }));
        assert_eq!(read(bytes.get(..4).unwrap(), 2), Err(BundleError::Cut { at: 1 }));
        assert_eq!(write([&[0; 65_536][..]]), Err(BundleError::TooLong { bytes: 65_536 }));
    }
}
