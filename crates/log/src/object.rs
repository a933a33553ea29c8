//! What an archive holds, and under which keys.

use std::fmt;

/// Entries in a full bundle, and hashes in a full tile.
pub const FULL: u16 = 256;

/// A run of at most [`FULL`] things that begins at a multiple of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which run: it begins at `n` times [`FULL`].
    pub n: u64,
    /// How many things, from 1 to [`FULL`].
    pub width: u16,
}

impl Span {
    /// The last run of so many things; none of nothing, or where the last run is full.
    #[must_use]
    pub fn partial(count: u64) -> Option<Self> {
        let width = u16::try_from(count % u64::from(FULL)).unwrap_or(0);
        (width > 0).then_some(Self { n: count / u64::from(FULL), width })
    }

    /// A full run.
    #[must_use]
    pub const fn full(n: u64) -> Self {
        Self { n, width: FULL }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.n)?;
        if self.width < FULL { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Three digits a segment, all but the last with an `x` before them.
fn write_number(f: &mut fmt::Formatter<'_>, n: u64) -> fmt::Result {
    if n >= 1_000 {
        write_thousands(f, n / 1_000)?;
    }
    write!(f, "{:03}", n % 1_000)
}

fn write_thousands(f: &mut fmt::Formatter<'_>, n: u64) -> fmt::Result {
    if n >= 1_000 {
        write_thousands(f, n / 1_000)?;
    }
    write!(f, "x{:03}/", n % 1_000)
}

/// An object of an archive. Its display is its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// The newest signed head: the one object that is replaced.
    Checkpoint,
    /// A bundle of entries.
    Entries(Span),
    /// The personal parts of a bundle's entries.
    Personal(Span),
    /// A tile of the tree.
    Hashes {
        /// The height of its hashes, in tiles.
        level: u8,
        /// Which of them.
        span: Span,
    },
    /// What follows the tree of this size: see [`crate::successor`].
    Successor {
        /// The size of the tree that is followed.
        size: u64,
        /// 0, unless somebody decided that an earlier attempt will never be finished. The last one counts.
        attempt: u16,
    },
}

impl Object {
    /// Whether it holds what can be erased, and is kept apart for that.
    #[must_use]
    pub const fn is_personal(&self) -> bool {
        matches!(self, Self::Personal(_))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Entries(span) => write!(f, "tile/entries/{span}"),
            Self::Personal(span) => write!(f, "personal/{span}"),
            Self::Hashes { level, span } => write!(f, "tile/{level}/{span}"),
            Self::Successor { size, attempt } => {
                f.write_str("successor/")?;
                write_number(f, *size)?;
                if *attempt > 0 { write!(f, ".{attempt}") } else { Ok(()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_tlog_tiles() {
        let key = |n, width| Object::Entries(Span { n, width }).to_string();
        assert_eq!(key(0, 256), "tile/entries/000");
        assert_eq!(key(999, 1), "tile/entries/999.p/1");
        assert_eq!(key(1_000, 256), "tile/entries/x001/000");
        assert_eq!(key(1_234_067, 112), "tile/entries/x001/x234/067.p/112");
        let tile = Object::Hashes { level: 3, span: Span { n: 1_234_067, width: 256 } };
        assert_eq!(tile.to_string(), "tile/3/x001/x234/067");
        assert_eq!(Object::Personal(Span { n: 7, width: 3 }).to_string(), "personal/007.p/3");
        let successor = |attempt| Object::Successor { size: 20_000_001, attempt }.to_string();
        assert_eq!((successor(0), successor(2)), ("successor/x020/x000/001".into(), "successor/x020/x000/001.2".into()));
    }

    #[test]
    fn a_full_run_is_not_partial() {
        assert_eq!(Span::partial(0), None);
        assert_eq!(Span::partial(512), None);
        assert_eq!(Span::partial(513), Some(Span { n: 2, width: 1 }));
    }
}
