//! The session policy of a mint: what the scope allows, and when it is over.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::document::{Document, Effect, Statement, Values, date};
use crate::catalogue::{ProbeCall, Scope};
use crate::floor_second;

/// The most characters of an inline session policy and of the ARNs of managed
/// ones together (STS, AssumeRole). A second, packed limit can't be computed here.
pub const SESSION_POLICY_CHARACTERS_MAX: usize = 2_048;
/// The most managed session policies of a session (STS, AssumeRole).
pub const MANAGED_POLICIES_MAX: usize = 10;

/// The policies that a session is minted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPolicy {
    document: Document,
    json: String,
    managed: Vec<String>,
    characters: usize,
    fence: Timestamp,
}

impl SessionPolicy {
    /// The inline document.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// The inline document as it is sent.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The ARNs of the managed policies, for `PolicyArns`.
    #[must_use]
    pub fn managed(&self) -> &[String] {
        &self.managed
    }

    /// How much of [`SESSION_POLICY_CHARACTERS_MAX`] is used.
    #[must_use]
    pub const fn characters(&self) -> usize {
        self.characters
    }

    /// The first instant at which nothing is allowed any more, a whole second.
    #[must_use]
    pub const fn fence(&self) -> Timestamp {
        self.fence
    }
}

/// Why a scope can't be a session policy: STS would refuse it, or it would allow nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableScope {
    /// No statement allows anything and no managed policy is named.
    #[error("the scope allows nothing: expected a statement with effect Allow, or a managed policy")]
    AllowsNothing,
    /// Over STS's limit for the plain text.
    #[error(
        "the scope has {characters} characters with its time fence, STS takes {SESSION_POLICY_CHARACTERS_MAX}: \
         shorten it, or move statements into managed policies"
    )]
    TooLarge {
        /// Inline document and ARNs.
        characters: usize,
    },
    /// Over STS's limit for `PolicyArns`.
    #[error("the scope names {count} managed policies, STS takes {MANAGED_POLICIES_MAX}: merge some")]
    TooManyManaged {
        /// How many it names.
        count: usize,
    },
    /// No managed policy can have this ARN.
    #[error("`{0}` is not the ARN of a managed policy: expected `arn:aws:iam::123456789012:policy/name`")]
    NotAManagedPolicy(String),
    /// A statement that IAM would call malformed.
    #[error("statement {number} of the scope {problem}")]
    Malformed {
        /// Counted from 1.
        number: usize,
        /// What is wrong, and what was expected.
        problem: &'static str,
    },
}

/// The session policy of `scope`, over at `fence` (rounded down to its second).
///
/// An explicit Deny in a session policy is final, so no statement of the scope
/// can undo the fence. What the session may do is the role's permissions within
/// the *union* of its session policies: beside managed policies the inline one
/// need allow nothing, and a document of the fence alone still denies.
///
/// # Errors
/// As [`check_scope`].
pub fn session_policy(scope: &Scope, fence: Timestamp) -> Result<SessionPolicy, UnusableScope> {
    check_statements(&scope.statements)?;
    if scope.managed.is_empty() && scope.statements.iter().all(|s| s.effect == Effect::Deny) {
        return Err(UnusableScope::AllowsNothing);
    }
    if scope.managed.len() > MANAGED_POLICIES_MAX {
        return Err(UnusableScope::TooManyManaged { count: scope.managed.len() });
    }
    if let Some(arn) = scope.managed.iter().find(|arn| !is_managed_policy(arn)) {
        return Err(UnusableScope::NotAManagedPolicy(crate::text::printable(arn, 80)));
    }
    let policy = fenced(scope.statements.clone(), scope.managed.clone(), fence);
    if policy.characters > SESSION_POLICY_CHARACTERS_MAX {
        return Err(UnusableScope::TooLarge { characters: policy.characters });
    }
    Ok(policy)
}

/// Whether mints with this scope would be refused. A fence is as long whatever
/// its time, so what passes when a catalogue is loaded passes at each mint.
///
/// # Errors
/// What is wrong with it, with the count where it is a limit.
pub fn check_scope(scope: &Scope) -> Result<(), UnusableScope> {
    session_policy(scope, Timestamp::UNIX_EPOCH).map(|_| ())
}

/// The session policy of a probe or control session: that one call, until `fence`.
#[must_use]
pub fn probe_policy(call: ProbeCall, fence: Timestamp) -> SessionPolicy {
    let allow = Statement {
        sid: None,
        effect: Effect::Allow,
        action: vec![call.action().to_owned()],
        resource: vec!["*".to_owned()],
        condition: [].into(),
    };
    fenced(vec![allow], vec![], fence)
}

fn fenced(mut statements: Vec<Statement>, managed: Vec<String>, fence: Timestamp) -> SessionPolicy {
    // Without a Sid: it could collide with one of the scope, and room is short.
    let over = ("DateGreaterThanEquals", "aws:CurrentTime", Values::One(date(fence)));
    statements.push(Statement::deny_all(None, [over]));
    let document = Document::new(statements);
    let json = document.to_json();
    let characters = json.chars().count() + managed.iter().map(|arn| arn.chars().count()).sum::<usize>();
    SessionPolicy { document, json, managed, characters, fence: floor_second(fence) }
}

/// The rules of the policy grammar that a configured statement can break.
fn check_statements(statements: &[Statement]) -> Result<(), UnusableScope> {
    let mut sids = BTreeSet::new();
    for (number, statement) in (1..).zip(statements) {
        let problem = if statement.sid.as_ref().is_some_and(|sid| !is_sid(sid)) {
            "has a Sid of other than letters and digits"
        } else if statement.sid.as_ref().is_some_and(|sid| !sids.insert(sid)) {
            "has the Sid of an earlier one: expected each but once"
        } else if statement.action.is_empty() || !statement.action.iter().all(|a| a == "*" || a.contains(':')) {
            "has an Action that is none: expected `*` or `service:Action`, at least one"
        } else if statement.resource.is_empty() || !statement.resource.iter().all(|r| r == "*" || r.starts_with("arn:"))
        {
            "has a Resource that is none: expected `*` or an ARN, at least one"
        } else if !serde_json::to_string(statement).is_ok_and(|json| json.chars().all(is_policy_character)) {
            "has a character beyond U+00FF, which policies can't hold"
        } else {
            continue;
        };
        return Err(UnusableScope::Malformed { number, problem });
    }
    Ok(())
}

fn is_sid(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Tab, line feed, carriage return, and U+0020 to U+00FF (IAM, name requirements).
const fn is_policy_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}')
}

/// `arn:PARTITION:iam::ACCOUNT:policy/[PATH/]NAME`; AWS's own have the account `aws`.
fn is_managed_policy(text: &str) -> bool {
    let parse = || {
        let (partition, rest) = text.strip_prefix("arn:")?.split_once(":iam::")?;
        let (account, path_and_name) = rest.split_once(":policy/")?;
        let named = path_and_name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b));
        let account = account == "aws" || (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
        Some(
            partition.starts_with("aws")
                && account
                && named
                && !path_and_name.is_empty()
                && !path_and_name.ends_with('/'),
        )
    };
    parse().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn fence() -> Timestamp {
        "2026-03-01T03:20:30.999Z".parse().unwrap()
    }

    fn allow(action: &str) -> Statement {
        serde_json::from_value(serde_json::json!({"Effect": "Allow", "Action": action, "Resource": "*"})).unwrap()
    }

    fn scope(statements: Vec<Statement>, managed: &[&str]) -> Scope {
        Scope { statements, managed: managed.iter().map(|arn| (*arn).to_owned()).collect() }
    }

    #[test]
    fn a_scope_is_allowed_until_the_fence() {
        let policy = session_policy(&scope(vec![allow("s3:Get*")], &[]), fence()).unwrap();
        insta::assert_snapshot!(policy.json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*"],"Resource":["*"]},{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-03-01T03:20:30Z"}}}]}"#);
        assert_eq!(policy.characters(), policy.json().len());
        assert_eq!(policy.fence(), "2026-03-01T03:20:30Z".parse().unwrap(), "rounded down: never late");
    }

    #[test]
    fn beside_managed_policies_the_fence_stands_alone() {
        let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
        let policy = session_policy(&scope(vec![], &[arn]), fence()).unwrap();
        insta::assert_snapshot!(policy.json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-03-01T03:20:30Z"}}}]}"#);
        assert_eq!(policy.managed(), [arn]);
        assert_eq!(policy.characters(), policy.json().len() + arn.len());
    }

    #[test]
    fn a_probe_may_do_one_thing() {
        insta::assert_snapshot!(probe_policy(ProbeCall::ListAllMyBuckets, fence()).json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListAllMyBuckets"],"Resource":["*"]},{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-03-01T03:20:30Z"}}}]}"#);
        insta::assert_snapshot!(probe_policy(ProbeCall::ListAccountAliases, fence()).json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ListAccountAliases"],"Resource":["*"]},{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-03-01T03:20:30Z"}}}]}"#);
    }

    #[test]
    fn a_scope_that_sts_would_refuse_is_refused_with_the_count() {
        let refusal = |scope: &Scope| check_scope(scope).unwrap_err().to_string();
        let arn = "arn:aws:iam::123456789012:policy/on-call";
        let mut deny = allow("*");
        deny.effect = Effect::Deny;
        let mut sid = allow("*");
        sid.sid = Some("Twice".to_owned());
        let mut odd_sid = allow("*");
        odd_sid.sid = Some("not a sid".to_owned());
        let mut nowhere = allow("*");
        nowhere.resource = vec![];
        let mut wide = allow("*");
        wide.resource = vec!["arn:aws:s3:::愛".to_owned()];

        insta::assert_snapshot!(refusal(&Scope::default()), @"the scope allows nothing: expected a statement with effect Allow, or a managed policy");
        assert_eq!(check_scope(&scope(vec![deny.clone()], &[])), Err(UnusableScope::AllowsNothing));
        assert_eq!(check_scope(&scope(vec![deny], &[arn])), Ok(()));
        insta::assert_snapshot!(refusal(&scope(vec![allow(&format!("s3:{}", "x".repeat(3_000)))], &[])), @"the scope has 3222 characters with its time fence, STS takes 2048: shorten it, or move statements into managed policies");
        insta::assert_snapshot!(refusal(&scope(vec![], &[arn; 11])), @"the scope names 11 managed policies, STS takes 10: merge some");
        assert_eq!(check_scope(&scope(vec![], &[arn; 10])), Ok(()));
        insta::assert_snapshot!(refusal(&scope(vec![], &["arn:aws:iam::1:policy/x"])), @"`arn:aws:iam::1:policy/x` is not the ARN of a managed policy: expected `arn:aws:iam::123456789012:policy/name`");
        insta::assert_snapshot!(refusal(&scope(vec![sid.clone(), sid], &[])), @"statement 2 of the scope has the Sid of an earlier one: expected each but once");
        insta::assert_snapshot!(refusal(&scope(vec![odd_sid], &[])), @"statement 1 of the scope has a Sid of other than letters and digits");
        insta::assert_snapshot!(refusal(&scope(vec![allow("*"), allow("everything")], &[])), @"statement 2 of the scope has an Action that is none: expected `*` or `service:Action`, at least one");
        insta::assert_snapshot!(refusal(&scope(vec![nowhere], &[])), @"statement 1 of the scope has a Resource that is none: expected `*` or an ARN, at least one");
        insta::assert_snapshot!(refusal(&scope(vec![wide], &[])), @"statement 1 of the scope has a character beyond U+00FF, which policies can't hold");
    }

    #[test]
    fn the_limit_is_met_to_the_character() {
        let empty = session_policy(&scope(vec![allow("s3:")], &[]), fence()).unwrap().characters();
        let of_size = |characters: usize| scope(vec![allow(&format!("s3:{}", "x".repeat(characters - empty)))], &[]);
        assert_eq!(session_policy(&of_size(2_048), fence()).unwrap().characters(), 2_048);
        assert_eq!(check_scope(&of_size(2_049)), Err(UnusableScope::TooLarge { characters: 2_049 }));
    }

    #[test]
    fn names_of_managed_policies_are_told_from_others() {
        for arn in
            ["arn:aws:iam::aws:policy/job-function/ViewOnlyAccess", "arn:aws-us-gov:iam::123456789012:policy/a/b"]
        {
            assert!(is_managed_policy(arn), "{arn}");
        }
        for arn in [
            "",
            "arn:aws:iam::aws:policy/",
            "arn:aws:iam::aws:policy/a/",
            "arn:aws:iam::123456789012:role/x",
            "arn:x:iam::aws:policy/a",
            "arn:aws:iam::aws:policy/a b",
        ] {
            assert!(!is_managed_policy(arn), "{arn}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_is_within_the_limits_and_ends_in_the_fence(
            actions in prop::collection::vec("s3:[a-zA-Z]{0,120}", 0..30),
            managed in prop::collection::vec("arn:aws:iam::123456789012:policy/[a-z]{1,100}", 0..14),
            seconds in -1_000_000_000_i64..10_000_000_000,
            millis in 0..1000_i64,
        ) {
            let scope = Scope { statements: actions.iter().map(|a| allow(a)).collect(), managed };
            let at = Timestamp::from_millisecond(seconds * 1000 + millis).unwrap();
            let policy = session_policy(&scope, at);
            prop_assert_eq!(policy.is_ok(), check_scope(&scope).is_ok());
            if let Ok(policy) = policy {
                prop_assert!(policy.characters() <= SESSION_POLICY_CHARACTERS_MAX);
                prop_assert!(policy.managed().len() <= MANAGED_POLICIES_MAX);
                let document: Document = serde_json::from_str(policy.json()).unwrap();
                let last = document.statement.last().unwrap();
                prop_assert_eq!((last.effect, &last.action, &last.resource), (Effect::Deny, &vec!["*".to_owned()], &vec!["*".to_owned()]));
                let Values::One(date) = &last.condition["DateGreaterThanEquals"]["aws:CurrentTime"] else { panic!("one value") };
                prop_assert_eq!(date.parse::<Timestamp>().unwrap(), Timestamp::from_second(seconds).unwrap());
                prop_assert_eq!(last.condition.len(), 1);
            }
        }
    }
}
