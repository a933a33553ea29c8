//! The names and tags that AWS records of a session.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::InvalidId;

/// The session tag that holds the grant's short id; transitive.
pub const TAG_GRANT: &str = "halligan:grant";
/// The session tag that holds the incident, as [`tag_value`] writes it; transitive.
pub const TAG_INCIDENT: &str = "halligan:incident";

/// `RoleSessionName` and `SourceIdentity`: 2 to 64 of `[\w+=,.@-]` (STS, AssumeRole).
const NAME_CHARACTERS_MAX: usize = 64;
const DIGEST_DIGITS: usize = 12;
const TAG_VALUE_CHARACTERS_MAX: usize = 256;

const fn names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-')
}

fn is_session_text(text: &str) -> bool {
    (2..=NAME_CHARACTERS_MAX).contains(&text.len()) && text.chars().all(names)
}

/// The first 12 hexadecimal digits of SHA-256 over `parts`, NUL between them.
fn short_digest(parts: &[&str]) -> String {
    let mut digest = hex::encode(Sha256::digest(parts.join("\0")));
    digest.truncate(DIGEST_DIGITS);
    digest
}

/// Who is behind a session. It is set once and follows role chaining, so it is
/// what CloudTrail records are joined by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9_+=,.@-]{2,64}$"))]
pub struct SourceIdentity(String);

impl SourceIdentity {
    /// A readable prefix made of `display`, `-`, and 12 hexadecimal digits that
    /// stand for the login: subjects such as `auth0|x` hold characters that
    /// AWS refuses, and two people may share a display name.
    #[must_use]
    pub fn new(display: &str, issuer: &str, subject: &str) -> Self {
        // The charset has no colon, so the result never begins with the reserved `aws:`.
        let legible: String = display.chars().map(|c| if names(c) { c } else { '-' }).collect();
        let words: Vec<&str> = legible.split('-').filter(|word| !word.is_empty()).collect();
        let mut prefix = words.join("-");
        prefix.truncate(NAME_CHARACTERS_MAX - DIGEST_DIGITS - 1);
        if prefix.is_empty() {
            "person".clone_into(&mut prefix);
        }
        Self(format!("{prefix}-{}", short_digest(&[issuer, subject])))
    }

    /// The broker's own sessions, which never leave it. No person's can equal
    /// it: `probe` is not 12 hexadecimal digits.
    #[must_use]
    pub fn probe() -> Self {
        Self("halligan-probe".to_owned())
    }

    /// The text that is sent to STS.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SourceIdentity {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        if is_session_text(&text) {
            return Ok(Self(text));
        }
        Err(InvalidId::new("source identity", "2 to 64 of letters, digits and _+=,.@-", &text))
    }
}

impl From<SourceIdentity> for String {
    fn from(name: SourceIdentity) -> Self {
        name.0
    }
}

impl fmt::Display for SourceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one session, the last part of its ARN.
///
/// Unpredictable: a resource policy that names a session's ARN passes over every
/// implicit deny of its session policy, so nobody may write one in advance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9_+=,.@-]{2,64}$"))]
pub struct SessionName(String);

impl SessionName {
    /// Whether STS takes `text` as a session's name, or as a source identity.
    #[must_use]
    pub fn is_legal(text: &str) -> bool {
        is_session_text(text)
    }

    /// A name of 128 random bits.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(format!("halligan-{}", hex::encode(random)))
    }

    /// The text that is sent to STS.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionName {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        if is_session_text(&text) {
            return Ok(Self(text));
        }
        Err(InvalidId::new("session name", "2 to 64 of letters, digits and _+=,.@-", &text))
    }
}

impl From<SessionName> for String {
    fn from(name: SessionName) -> Self {
        name.0
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` as the value of a session tag: at most 256 of `\p{L}\p{Z}\p{N}_.:/=+\-@`
/// (STS, Tag). Whatever else there is, and `=` itself, becomes `=` and two
/// hexadecimal digits a byte, as in quoted-printable.
///
/// A text that would be longer is cut and ends in `==` and 12 digits of its
/// SHA-256: `==` is in no escape, so a cut value is never taken for a whole one.
#[must_use]
pub fn tag_value(text: &str) -> String {
    // A value that begins with `aws:` is refused, whatever the case of its letters.
    let reserved = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    let escaped: Vec<String> = text.bytes().enumerate().map(|(at, byte)| escape(byte, reserved && at == 3)).collect();
    let whole = escaped.concat();
    if whole.len() <= TAG_VALUE_CHARACTERS_MAX {
        return whole;
    }
    let end = format!("=={}", short_digest(&[text]));
    let mut value = String::new();
    for piece in escaped {
        if value.len() + piece.len() + end.len() > TAG_VALUE_CHARACTERS_MAX {
            break;
        }
        value.push_str(&piece);
    }
    value + &end
}

/// Letters, digits and separators beyond ASCII are legal too, but an escape is
/// legal everywhere, and a trailing space would not survive every tool.
fn escape(byte: u8, force: bool) -> String {
    if !force && (byte.is_ascii_alphanumeric() || b"_.:/+-@".contains(&byte)) {
        return char::from(byte).to_string();
    }
    format!("={byte:02X}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    /// The other way round, so that the tests show nothing is lost.
    fn decode(value: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = value;
        while let Some(first) = rest.chars().next() {
            let taken = if first == '=' {
                bytes.push(u8::from_str_radix(&rest[1..3], 16).unwrap());
                3
            } else {
                bytes.push(u8::try_from(first).unwrap());
                1
            };
            rest = &rest[taken..];
        }
        String::from_utf8(bytes).unwrap()
    }

    fn is_tag_value(text: &str) -> bool {
        text.len() <= 256
            && !text.to_ascii_lowercase().starts_with("aws:")
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.:/=+-@".contains(c))
    }

    #[test]
    fn a_source_identity_is_legible_and_stands_for_the_login() {
        let of = |display: &str| SourceIdentity::new(display, "https://id.example.com", "auth0|7").to_string();
        insta::assert_snapshot!(of("alice@example.com"), @"alice@example.com-85e58cedf7e9");
        insta::assert_snapshot!(of("aws:Alice  O'Neil (ops)"), @"aws-Alice-O-Neil-ops-85e58cedf7e9");
        insta::assert_snapshot!(of("\u{1b}[31m"), @"31m-85e58cedf7e9");
        insta::assert_snapshot!(of("愛"), @"person-85e58cedf7e9");
        insta::assert_snapshot!(of(&"a".repeat(200)), @"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-85e58cedf7e9");
    }

    #[test]
    fn logins_that_share_a_display_name_differ() {
        let alice = SourceIdentity::new("alice", "https://id.example.com", "alice");
        let other_subject = SourceIdentity::new("alice", "https://id.example.com", "Alice");
        let other_issuer = SourceIdentity::new("alice", "https://id.example.co", "malice");
        assert_ne!(alice, other_subject);
        assert_ne!(alice, other_issuer);
        assert_eq!(alice, SourceIdentity::new("alice", "https://id.example.com", "alice"));
    }

    #[test]
    fn incidents_of_real_tools_are_legal_tag_values() {
        insta::assert_snapshot!(tag_value("pagerduty:Q02JTSNZWHSEKV"), @"pagerduty:Q02JTSNZWHSEKV");
        insta::assert_snapshot!(tag_value("github:example/api#12"), @"github:example/api=2312");
        insta::assert_snapshot!(tag_value("a=b"), @"a=3Db");
        insta::assert_snapshot!(tag_value("AWS:7"), @"AWS=3A7");
        insta::assert_snapshot!(tag_value(&format!("github:example/{}", "#".repeat(100))), @"github:example/=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23=23==3dd9e4d11c73");
    }

    proptest! {
        #[test]
        fn every_source_identity_is_one_that_sts_takes(display in ".*", issuer in ".*", subject in ".*") {
            let identity = SourceIdentity::new(&display, &issuer, &subject);
            prop_assert!(is_session_text(identity.as_str()), "{}", identity);
            prop_assert!(!identity.as_str().to_ascii_lowercase().starts_with("aws:"));
            prop_assert_ne!(&identity, &SourceIdentity::probe());
            prop_assert_eq!(SourceIdentity::try_from(identity.to_string()).unwrap(), identity);
        }

        #[test]
        fn every_session_name_is_one_that_sts_takes(random: [u8; 16], other: [u8; 16]) {
            let name = SessionName::new(random);
            prop_assert!(is_session_text(name.as_str()), "{}", name);
            prop_assert_eq!(name == SessionName::new(other), random == other);
            prop_assert_eq!(SessionName::try_from(name.to_string()).unwrap(), name);
        }

        #[test]
        fn every_text_becomes_a_legal_tag_value_that_is_read_back(text in ".{0,300}") {
            let value = tag_value(&text);
            prop_assert!(is_tag_value(&value), "{}", value);
            if value.contains("==") {
                prop_assert!(value.len() > 240, "cut too early: {}", value);
            } else {
                prop_assert_eq!(decode(&value), text);
            }
        }

        #[test]
        fn long_texts_that_differ_anywhere_have_values_that_differ(text in "[#a]{300}", at in 0..300_usize) {
            let mut other = text.clone();
            other.replace_range(at..=at, "b");
            prop_assert_ne!(tag_value(&text), tag_value(&other));
        }
    }
}
