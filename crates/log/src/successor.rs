//! What follows a tree. It is written once into an archive, under the size of the
//! tree that is followed, before the follower is signed: of two publishers that go
//! different ways one finds it taken, and signs nothing.

use tlog_tiles::Hash;

/// The tree that follows another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Successor {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Successor {
    /// The object's bytes: size and root, a line each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{}\n{}\n", self.size, self.root).into_bytes()
    }

    /// Reads the object; none if it is no such thing.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (size, root) = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split_once('\n')?;
        let read = Self { size: size.parse().ok()?, root: Hash::parse_hash(root).ok()? };
        (read.to_bytes() == bytes).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let successor = Successor { size: 42, root: Hash([7; 32]) };
        let bytes = successor.to_bytes();
        assert_eq!(Successor::parse(&bytes), Some(successor));
        for wrong in [&b"42\n"[..], b"", b"+42\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n", &bytes.repeat(2)] {
            assert_eq!(Successor::parse(wrong), None);
        }
    }
}
