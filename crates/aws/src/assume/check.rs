//! What STS would refuse, found before it is asked.

use std::ops::RangeInclusive;

use halligan_core::iam::{MANAGED_POLICIES_MAX, SESSION_POLICY_CHARACTERS_MAX};
use halligan_engine::ports::MintError;

use super::{Ask, TOKEN_SECONDS_MIN};

/// STS gives a caller whose own credentials come from a role no longer (role
/// chaining); others could have 43,200, and nobody here asks for it.
const TOKEN_SECONDS_MAX: u32 = 3_600;
const EXTERNAL_ID_CHARACTERS: RangeInclusive<usize> = 2..=1_224;
const TAG_VALUE_CHARACTERS_MAX: usize = 256;

/// `DurationSeconds`, or a refusal that names the field and leaves no failed call
/// at AWS. Session names and identities are legal by
/// their types. (STS API reference, AssumeRole.)
pub(super) fn check(ask: &Ask<'_>) -> Result<i32, MintError> {
    let refuse =
        |field: &str, problem: String| Err(MintError::Refused(format!("AssumeRole was not sent: `{field}` {problem}")));
    if !(TOKEN_SECONDS_MIN..=TOKEN_SECONDS_MAX).contains(&ask.seconds) {
        let seconds = ask.seconds;
        return refuse("DurationSeconds", format!("is {seconds}, expected {TOKEN_SECONDS_MIN} to {TOKEN_SECONDS_MAX}"));
    }
    let characters = ask.external_id.chars().count();
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    if !EXTERNAL_ID_CHARACTERS.contains(&characters) || !ask.external_id.chars().all(legal) {
        return refuse(
            "ExternalId",
            format!("has {characters} characters, expected 2 to 1224 of letters, digits and _+=,.@:/-"),
        );
    }
    if let Some(policy) = ask.policy {
        let (characters, managed) = (policy.characters(), policy.managed().len());
        if characters > SESSION_POLICY_CHARACTERS_MAX {
            return refuse(
                "Policy",
                format!("has {characters} characters, expected at most {SESSION_POLICY_CHARACTERS_MAX}"),
            );
        }
        if managed > MANAGED_POLICIES_MAX {
            return refuse("PolicyArns", format!("names {managed} policies, expected at most {MANAGED_POLICIES_MAX}"));
        }
    }
    for (key, value) in &ask.tags {
        let characters = value.chars().count();
        if characters > TAG_VALUE_CHARACTERS_MAX
            || value.to_ascii_lowercase().starts_with("aws:")
            || !value.chars().all(is_tag_character)
        {
            let expected = "expected at most 256 of letters, digits, spaces and _.:/=+-@, not beginning with aws:";
            return refuse("Tags", format!("has a value of {characters} characters for {key}, {expected}"));
        }
    }
    Ok(i32::try_from(ask.seconds).unwrap_or(i32::MAX))
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]` (STS API reference, Tag), as far as ASCII goes:
/// this broker's values are never anything else.
fn is_tag_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;
    use halligan_core::catalogue::ProbeCall;
    use halligan_core::catalogue::RoleArn;
    use halligan_core::iam::SessionName;
    use halligan_core::iam::probe_policy;
    use jiff::Timestamp;

    fn refused(change: impl FnOnce(&mut Ask<'_>)) -> String {
        let role = RoleArn::try_from("arn:aws:iam::123456789012:role/halligan-break-glass".to_owned()).unwrap();
        let name = SessionName::new([7; 16]);
        let policy = probe_policy(ProbeCall::ListAllMyBuckets, Timestamp::UNIX_EPOCH);
        let mut ask = Ask {
            role: &role,
            external_id: "external-id",
            session_name: &name,
            source_identity: None,
            seconds: 900,
            policy: Some(&policy),
            tags: vec![("halligan:grant", "2".repeat(22))],
        };
        assert_eq!(check(&ask), Ok(900), "legal before the change");
        change(&mut ask);
        match check(&ask) {
            Err(MintError::Refused(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_sts_would_refuse_is_refused_by_field() {
        for seconds in [0, 899, 3_601, u32::MAX] {
            assert!(refused(|ask| ask.seconds = seconds).contains("`DurationSeconds`"), "{seconds}");
        }
        let long = "x".repeat(1_225);
        for external_id in ["", "x", "with space", "ä-umlaut", "a#b", &long] {
            assert!(
                refused(|ask| ask.external_id = external_id.to_owned().leak()).contains("`ExternalId`"),
                "{external_id}"
            );
        }
        for value in ["a#b", "AWS:x", &"x".repeat(257), "tab\t"] {
            let text = refused(|ask| ask.tags.push(("halligan:incident", value.to_owned())));
            assert!(text.contains("`Tags`") && text.contains("halligan:incident"), "{text}");
        }
    }

    #[test]
    fn the_bounds_themselves_are_taken() {
        let text = refused(|ask| {
            ask.seconds = 3_600;
            ask.external_id = "x".repeat(1_224).leak();
            ask.tags.push(("halligan:incident", "x".repeat(256)));
            assert_eq!(check(ask), Ok(3_600));
            ask.seconds = 0;
        });
        assert_eq!(text, "AssumeRole was not sent: `DurationSeconds` is 0, expected 900 to 3600");
    }
}
