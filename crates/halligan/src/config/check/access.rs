//! Who vouches for callers, and who they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use halligan_core::actor::Principal;
use halligan_core::id::PersonId;
use halligan_engine::ports::Clock;
use halligan_server::auth::{Authenticator, Issuer, TokenKey};
use jiff::{SignedDuration, Timestamp};

use super::{Findings, quoted, shown};
use crate::config::Person;
use crate::config::model;

const LIFETIME_MAX: SignedDuration = SignedDuration::from_hours(24);
pub(super) fn access(
    issuers: Vec<model::Issuer>,
    people: BTreeMap<PersonId, model::Person>,
    found: &mut Findings<'_>,
) -> (Vec<Issuer>, BTreeMap<PersonId, Person>) {
    let mut names = BTreeSet::new();
    for (index, issuer) in issuers.iter().enumerate() {
        if !names.insert(issuer.issuer.as_str()) {
            let problem =
                format!("`{}` is there twice: expected each issuer once, with all its keys", shown(&issuer.issuer));
            found.refuse(format!("issuers[{index}].issuer"), problem);
        }
    }
    let of_people: BTreeSet<String> =
        issuers.iter().filter(|issuer| issuer.people).map(|issuer| issuer.issuer.clone()).collect();
    if of_people.is_empty() {
        found.refuse(
            "issuers",
            "none vouches for people, so nobody could ask: expected `[[issuers]]` with `people = true`",
        );
    }
    let people = linked(people, &of_people, found);
    shared_keys(&issuers, &people, found);
    let check = |(index, issuer)| issuer_of(&format!("issuers[{index}]"), issuer, found);
    let issuers: Vec<Issuer> = issuers.into_iter().enumerate().filter_map(check).collect();
    key_twice(&issuers, found);
    (issuers, people)
}

/// A key that two issuers have is held by somebody who can be the people of both.
fn key_twice(issuers: &[Issuer], found: &mut Findings<'_>) {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for issuer in issuers {
        for key in &issuer.keys {
            let pem: String = key.pem.split_whitespace().collect();
            if let Some(other) = owners.insert(pem, &issuer.issuer).filter(|other| *other != issuer.issuer) {
                let problem = format!(
                    "`{}` and `{}` have the same key, so whoever holds it could acknowledge what they asked for: expected a key of its own for each",
                    shown(other),
                    shown(&issuer.issuer)
                );
                found.refuse("issuers", problem);
            }
        }
    }
}

/// Any key of an issuer vouches for all of its subjects, so who holds one of
/// them could be two people.
fn shared_keys(issuers: &[model::Issuer], people: &BTreeMap<PersonId, Person>, found: &mut Findings<'_>) {
    for (index, model::Issuer { issuer, keys, .. }) in issuers.iter().enumerate() {
        let of_issuer = |person: &&Person| person.principals.iter().any(|principal| principal.issuer == *issuer);
        let several = people.values().filter(of_issuer).nth(1).is_some();
        if several && keys.len() > 1 {
            let problem = "each of them vouches for all people of this issuer: a key that one person holds belongs to an \
                           issuer of its own, or they could acknowledge what they asked for";
            found.warn(format!("issuers[{index}].keys"), problem);
        }
    }
}

fn issuer_of(at: &str, issuer: model::Issuer, found: &mut Findings<'_>) -> Option<Issuer> {
    let model::Issuer { issuer, audience, people, keys, algorithms, max_lifetime } = issuer;
    if max_lifetime.get() > LIFETIME_MAX {
        let problem = format!("`{max_lifetime}` is longer than a token should be good for: expected at most 24h");
        found.refuse(format!("{at}.max_lifetime"), problem);
    }
    let expected_keys = keys.len();
    let read = |(index, key)| key_of(&format!("{at}.keys[{index}]"), key, found);
    let keys: Vec<TokenKey> = keys.into_iter().enumerate().filter_map(read).collect();
    if keys.len() < expected_keys {
        return None;
    }
    let algorithms = algorithms.into_iter().collect();
    let issuer = Issuer { issuer, audience, keys, algorithms, people, max_lifetime: max_lifetime.get() };
    // Whoever checks the tokens knows best what they can be checked with.
    if let Err(error) = Authenticator::new(vec![issuer.clone()], BTreeMap::new(), Arc::new(NoClock)) {
        found.refuse(at, error.to_string());
        return None;
    }
    Some(issuer)
}

/// Nothing is authenticated while a configuration is checked.
struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn key_of(at: &str, key: model::Key, found: &mut Findings<'_>) -> Option<TokenKey> {
    let (field, pem) = match (key.pem, key.file) {
        (Some(pem), None) => (format!("{at}.pem"), pem),
        (None, Some(file)) => {
            let field = format!("{at}.file");
            let pem = found.text_of(&field, &file)?;
            (field, pem)
        }
        (Some(_), Some(_)) | (None, None) => {
            found.refuse(at, "expected either `pem` or `file`");
            return None;
        }
    };
    if pem.contains("PRIVATE KEY") {
        let problem = "is a private key: expected its public half, which begins with `-----BEGIN PUBLIC KEY-----`, and a new key if this file has been seen";
        found.refuse(field, problem);
        return None;
    }
    Some(TokenKey { kid: key.kid, pem })
}

fn linked(
    people: BTreeMap<PersonId, model::Person>,
    issuers: &BTreeSet<String>,
    found: &mut Findings<'_>,
) -> BTreeMap<PersonId, Person> {
    if people.is_empty() {
        found.refuse(
            "people",
            "there are none: expected at least two, as `[people.NAME]`, since nobody acknowledges alone",
        );
    }
    // Subjects that differ in case alone are one human at most providers.
    let mut owners: BTreeMap<(String, String), PersonId> = BTreeMap::new();
    let mut checked = BTreeMap::new();
    for (id, person) in people {
        let at = format!("people.{id}");
        let model::Person { groups, principals } = person;
        if principals.is_empty() {
            found.refuse(
                format!("{at}.principals"),
                "is empty, so nobody is this person: expected `[{ issuer = \"…\", subject = \"…\" }]`",
            );
        }
        if groups.is_empty() {
            found.warn(format!("{at}.groups"), "is empty, so this person may do nothing");
        }
        let mut own = BTreeSet::new();
        for (index, model::Principal { issuer, subject }) in principals.into_iter().enumerate() {
            let at = format!("{at}.principals[{index}]");
            // Without any, that has been said already.
            if !issuers.is_empty() && !issuers.contains(&issuer) {
                let problem =
                    format!("`{}` is not an issuer of people: expected one of {}", shown(&issuer), quoted(issuers));
                found.refuse(format!("{at}.issuer"), problem);
            }
            if subject.trim().is_empty() {
                found.refuse(format!("{at}.subject"), "is empty: expected the `sub` of this person's tokens");
            }
            let owner = owners.entry((issuer.clone(), subject.to_lowercase())).or_insert_with(|| id.clone());
            if *owner != id {
                let problem = format!(
                    "`{}` is a login of `{owner}` (case aside): expected each login to belong to one person, or two people could be one human",
                    shown(&subject)
                );
                found.refuse(at, problem);
            }
            own.insert(Principal { issuer, subject });
        }
        checked.insert(id, Person { groups, principals: own });
    }
    checked
}
