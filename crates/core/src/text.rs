//! Free text from people: shown to other people, so bounded and harmless.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest reason, in characters: with the rest of its entry's personal
/// part it stays within 4 kB even when each character takes three bytes.
pub const REASON_CHARACTERS_MAX: usize = 1_000;

/// Why somebody asks, declines, extends or revokes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

/// Why a text can't be a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// Nothing but white space.
    #[error("a reason is empty: expected 1 to {REASON_CHARACTERS_MAX} characters that tell a reviewer why")]
    Empty,
    /// Longer than a reviewer reads and an entry holds.
    #[error("a reason has {0} characters: expected at most {REASON_CHARACTERS_MAX}")]
    TooLong(usize),
    /// Terminal escapes, bidirectional overrides and the like could show the
    /// acknowledger another text than the one that is logged.
    #[error("a reason holds the control character U+{0:04X}: expected printable text")]
    Control(u32),
}

impl Reason {
    /// Stands for a reason that was given and has been erased since.
    #[must_use]
    pub fn erased() -> Self {
        Self("(erased)".to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = InvalidReason;

    fn try_from(text: String) -> Result<Self, InvalidReason> {
        let trimmed = text.trim();
        // Invisible characters alone tell a reviewer nothing either.
        if !trimmed.chars().any(char::is_alphanumeric) {
            return Err(InvalidReason::Empty);
        }
        let count = trimmed.chars().count();
        if count > REASON_CHARACTERS_MAX {
            return Err(InvalidReason::TooLong(count));
        }
        match trimmed.chars().find(|c| deceives(*c)) {
            Some(c) => Err(InvalidReason::Control(c.into())),
            None => Ok(Self(trimmed.to_owned())),
        }
    }
}

/// Characters that act on a display instead of standing on it.
fn deceives(c: char) -> bool {
    let bidirectional =
        matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n' && c != '\t') || bidirectional
}

/// A text of another system (an incident's title, an error message) made fit
/// to be logged and shown: no control characters, at most `characters` long.
#[must_use]
pub fn printable(text: &str, characters: usize) -> String {
    let clean = text.chars().map(|c| if deceives(c) || c == '\n' { ' ' } else { c });
    clean.take(characters).collect::<String>().trim().to_owned()
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Reason {
    // A reason is personal data: it never reaches a trace through `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reason({} characters)", self.0.chars().count())
    }
}

/// An error and its causes, in one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Result<Reason, InvalidReason> {
        Reason::try_from(text.to_owned())
    }

    #[test]
    fn a_reason_is_bounded_and_printable() {
        for nothing in [" \n ", "\u{200b}\u{2800}", "…!"] {
            assert_eq!(reason(nothing), Err(InvalidReason::Empty), "{nothing:?}");
        }
        assert_eq!(reason(&"x".repeat(100_000)), Err(InvalidReason::TooLong(100_000)));
        assert_eq!(reason("\u{1b}[2Jgone"), Err(InvalidReason::Control(0x1b)));
        assert_eq!(reason("evil \u{202e}txt"), Err(InvalidReason::Control(0x202e)));
        assert!(reason("<b>html stays text</b>,\nline two").is_ok());
    }

    #[test]
    fn foreign_text_is_cut_and_cleaned() {
        assert_eq!(printable("a\u{1b}[1mb\nc", 4), "a [1");
    }
}
