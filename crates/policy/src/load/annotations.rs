//! `@id`, `@satisfiedBy`, `@obliges`.

use cedar_policy::{Effect, Policy};

use crate::decide::Obligation;
use crate::load::literals::near;
use crate::wording::Wording;

const ID: &str = "id";
const SATISFIED_BY: &str = "satisfiedBy";
const OBLIGES: &str = "obliges";
const ALL: [&str; 3] = [ID, SATISFIED_BY, OBLIGES];

/// What the annotations of a policy say.
pub(super) struct Notes {
    pub id: String,
    pub satisfied_by: Option<Wording>,
    pub obliges: Option<Obligation>,
}

/// What is wrong with one.
pub(super) struct Wrong {
    pub annotation: Option<String>,
    pub message: String,
    pub expected: String,
}

pub(super) fn read(policy: &Policy) -> Result<Notes, Vec<Wrong>> {
    let mut wrong = Vec::new();
    for (name, _) in policy.annotations().filter(|(name, _)| !ALL.contains(name)) {
        wrong.push(unknown(name));
    }
    let id = id(policy).map_err(|error| wrong.push(error)).ok();
    let satisfied_by = satisfied_by(policy).map_err(|error| wrong.push(error)).ok().flatten();
    let obliges = obliges(policy).map_err(|error| wrong.push(error)).ok().flatten();
    match id {
        Some(id) if wrong.is_empty() => Ok(Notes { id, satisfied_by, obliges }),
        _ => Err(wrong),
    }
}

fn id(policy: &Policy) -> Result<String, Wrong> {
    let expected = "expected a name in kebab-case of at most 64 characters: `@id(\"oncall-may-ask\")`".to_owned();
    let Some(id) = policy.annotation(ID) else {
        return Err(Wrong { annotation: None, message: "a policy has no `@id`".to_owned(), expected });
    };
    let kebab = id.len() <= 64
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.split('-').all(|word| !word.is_empty())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if kebab {
        return Ok(id.to_owned());
    }
    Err(Wrong { annotation: Some(ID.to_owned()), message: format!("`{}` is no id", id.escape_debug()), expected })
}

fn satisfied_by(policy: &Policy) -> Result<Option<Wording>, Wrong> {
    match policy.annotation(SATISFIED_BY) {
        Some(text) => Wording::parse(text).map(Some).map_err(|expected| Wrong {
            annotation: Some(SATISFIED_BY.to_owned()),
            message: "`@satisfiedBy` can't be shown".to_owned(),
            expected,
        }),
        None if policy.effect() == Effect::Permit => Ok(None),
        None => Err(Wrong {
            annotation: None,
            message: "a forbid has no `@satisfiedBy`".to_owned(),
            expected: "say what would satisfy it: `@satisfiedBy(\"sign the acknowledgement with a passkey\")`"
                .to_owned(),
        }),
    }
}

fn obliges(policy: &Policy) -> Result<Option<Obligation>, Wrong> {
    let Some(word) = policy.annotation(OBLIGES) else { return Ok(None) };
    let wrong = |message: String, expected: &str| Wrong {
        annotation: Some(OBLIGES.to_owned()),
        message,
        expected: expected.to_owned(),
    };
    if policy.effect() == Effect::Permit {
        return Err(wrong("a permit obliges to nothing".to_owned(), "put `@obliges` on the forbid that refuses"));
    }
    let obligation = Obligation::ALL.into_iter().find(|obligation| obligation.as_str() == word);
    let message = || format!("nobody knows how to `{}`", word.escape_debug());
    obligation.map(Some).ok_or_else(|| wrong(message(), "expected `@obliges(\"stepUp\")` or `@obliges(\"sign\")`"))
}

fn unknown(name: &str) -> Wrong {
    let known = ALL.map(|name| format!("`@{name}`")).join(", ");
    Wrong {
        annotation: Some(name.to_owned()),
        message: format!("`@{name}` means nothing"),
        expected: match near(name, ALL) {
            Some(near) => format!("did you mean `@{near}`? Known are {known}"),
            None => format!("known are {known}"),
        },
    }
}
