//! How much a role's inline policies may say.

/// IAM's quota for all inline policies of a role together, white space not counted.
pub const INLINE_CHARACTERS_MAX: usize = 10_240;

/// What the other inline policies of a role may take of it. Beyond this the
/// promise that active grants are never touched can't be kept under a cut.
pub const OTHER_POLICIES_CHARACTERS_MAX: usize = 4_096;

/// The characters that a role's revocation policy may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Room(usize);

impl Room {
    /// What the role's other inline policies leave. They are JSON, not the
    /// URL-encoded form in which IAM returns them.
    #[must_use]
    pub fn beside(others: &[String]) -> Self {
        let taken: usize = others.iter().map(|json| characters(json)).sum();
        Self(INLINE_CHARACTERS_MAX.saturating_sub(taken))
    }

    /// In characters.
    #[must_use]
    pub const fn characters(self) -> usize {
        self.0
    }

    /// Whether the other policies take more than they may.
    #[must_use]
    pub const fn is_crowded(self) -> bool {
        self.0 < INLINE_CHARACTERS_MAX - OTHER_POLICIES_CHARACTERS_MAX
    }
}

/// The characters that count. IAM doesn't say whether white space inside a
/// string does: it is counted here, so that the room is never overestimated.
pub(super) fn characters(json: &str) -> usize {
    let (mut in_string, mut escaped, mut count) = (false, false, 0);
    for c in json.chars() {
        if in_string || !c.is_ascii_whitespace() {
            count += 1;
        }
        let quotes = c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        in_string ^= quotes;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_between_tokens_is_free() {
        assert_eq!(characters("{ \"a b\" :\n\t[1, 2] }"), "{\"a b\":[1,2]}".len());
        assert_eq!(characters(r#"{"a \" b": "\\" }"#), r#"{"a \" b":"\\"}"#.len());
        assert_eq!(characters("\"é\""), 3);
    }

    #[test]
    fn other_policies_take_their_part() {
        assert_eq!(Room::beside(&[]).characters(), 10_240);
        assert_eq!(Room::beside(&["{ }".to_owned(), "\"ab\"".to_owned()]).characters(), 10_240 - 2 - 4);
        assert!(!Room::beside(&["x".repeat(4_096)]).is_crowded());
        assert!(Room::beside(&["x".repeat(4_097)]).is_crowded());
        assert_eq!(Room::beside(&["x".repeat(20_000)]).characters(), 0);
    }
}
