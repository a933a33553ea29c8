//! What an archive holds, and under which keys.

use std::fmt;
use std::str::FromStr;

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

/// The text is no object's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no key of an archive's object: expected such as `checkpoint`, `tile/0/000.p/7` or `tile/entries/x001/234`"
)]
pub struct NoObject;

impl FromStr for Object {
    type Err = NoObject;

    fn from_str(text: &str) -> Result<Self, NoObject> {
        let object = match text.split_once('/') {
            None if text == "checkpoint" => Some(Self::Checkpoint),
            None => None,
            Some(("personal", rest)) => span(rest).map(Self::Personal),
            Some(("successor", rest)) => successor(rest),
            Some(("tile", rest)) => rest.split_once('/').and_then(|(level, rest)| match level {
                "entries" => span(rest).map(Self::Entries),
                level => Some(Self::Hashes { level: level.parse().ok()?, span: span(rest)? }),
            }),
            Some(_) => None,
        };
        // One key an object: other spellings are none.
        object.filter(|object| object.to_string() == text).ok_or(NoObject)
    }
}

fn span(text: &str) -> Option<Span> {
    match text.split_once(".p/") {
        None => Some(Span::full(number(text)?)),
        Some((n, width)) => {
            let width = width.parse().ok().filter(|width| (1..FULL).contains(width))?;
            Some(Span { n: number(n)?, width })
        }
    }
}

fn successor(text: &str) -> Option<Object> {
    let (size, attempt) = match text.split_once('.') {
        None => (text, 0),
        Some((size, attempt)) => (size, attempt.parse().ok().filter(|attempt| *attempt > 0)?),
    };
    Some(Object::Successor { size: number(size)?, attempt })
}

fn number(text: &str) -> Option<u64> {
    text.split('/').try_fold(0_u64, |sum, digits| {
        let digits: u64 = digits.strip_prefix('x').unwrap_or(digits).parse().ok().filter(|digits| *digits < 1_000)?;
        sum.checked_mul(1_000)?.checked_add(digits)
    })
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
        assert_eq!(
            (successor(0), successor(2)),
            ("successor/x020/x000/001".into(), "successor/x020/x000/001.2".into())
        );
    }

    #[test]
    fn a_key_names_one_object_and_nothing_else_does() {
        let numbers = [0, 7, 999, 1_000, 1_234_067, 20_000_001];
        for n in numbers {
            for span in [Span::full(n), Span { n, width: 1 }, Span { n, width: 255 }] {
                let objects = [Object::Entries(span), Object::Personal(span), Object::Hashes { level: 2, span }];
                for object in objects {
                    assert_eq!(object.to_string().parse(), Ok(object), "{object}");
                }
            }
            for attempt in [0, 3] {
                let object = Object::Successor { size: n, attempt };
                assert_eq!(object.to_string().parse(), Ok(object), "{object}");
            }
        }
        assert_eq!("checkpoint".parse(), Ok(Object::Checkpoint));
        let none = [
            "",
            "checkpoint/",
            "/checkpoint",
            "tile",
            "tile/0",
            "tile/0/0",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/07",
            "tile/00/000",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/entries/../000",
            "tile/256/000",
            "successor/000.0",
            "successor/+00",
            "personal/000.p/x",
            "tile/entries/x99999999999999999999/000",
        ];
        for text in none {
            assert_eq!(text.parse::<Object>(), Err(NoObject), "{text}");
        }
    }

    #[test]
    fn a_full_run_is_not_partial() {
        assert_eq!(Span::partial(0), None);
        assert_eq!(Span::partial(512), None);
        assert_eq!(Span::partial(513), Some(Span { n: 2, width: 1 }));
    }
}
