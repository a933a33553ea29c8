//! Who people are.

use std::collections::{BTreeMap, BTreeSet};

use halligan_connect::mail::MailAddress;
use halligan_core::actor::Principal;
use halligan_core::id::{GroupId, MachineId, PartyName, PersonId, ProviderId};
use halligan_engine::access::{IssuerKind, IssuerRules, Unlinked};
use halligan_server::auth::IssuerKeys;

use super::issuers::Vouching;
use super::named::{named_by, unnamed_humans};
use super::society::Society;
use super::{Findings, quoted, shown};
use crate::config::access::{Issuer, Person};
use crate::config::model;

pub(super) type People = BTreeMap<PersonId, Person>;

/// Names that begin so are those of people whom nobody named.
const NAMED_BY_HASH: &str = "p-";

/// What a person is checked against.
pub(super) struct Around<'a> {
    pub rules: &'a [IssuerRules],
    pub incidents: &'a BTreeSet<ProviderId>,
}

pub(super) fn society(
    people: BTreeMap<PersonId, model::Person>,
    vouching: &Vouching,
    incidents: &BTreeSet<ProviderId>,
    found: &mut Findings<'_>,
) -> Society {
    let admits = |rules: &IssuerRules| rules.kind == IssuerKind::People(Unlinked::Admit);
    if people.is_empty() && !vouching.rules.iter().any(admits) {
        let problem = "there are none: expected at least two, as `[people.NAME]`, since nobody acknowledges alone";
        found.refuse("people", problem);
    }
    let around = Around { rules: &vouching.rules, incidents };
    let people = checked(people, &around, found);
    names(&people, &vouching.machines, found);
    shared_keys(&vouching.issuers, &people, found);
    unused_issuers(&vouching.rules, &people, found);
    unnamed_humans(&vouching.rules, &people, found);
    let claimed = |of_people: bool| {
        let of = |rules: &&IssuerRules| matches!(rules.kind, IssuerKind::People(_)) == of_people;
        let maps = vouching.rules.iter().filter(of).filter_map(|rules| rules.groups.as_ref());
        maps.flat_map(|groups| groups.map.values().cloned()).collect()
    };
    let (claimed, claimed_of_machines) = (claimed(true), claimed(false));
    let of_issuers = of_issuers(vouching);
    Society { people, machines: vouching.machines.clone(), claimed, claimed_of_machines, of_issuers }
}

fn of_issuers(vouching: &Vouching) -> Vec<(String, BTreeSet<GroupId>)> {
    let mut of_issuers = Vec::new();
    for (index, rules) in vouching.rules.iter().enumerate() {
        if let Some(groups) = &rules.groups {
            of_issuers.push((format!("issuers[{index}].groups.map"), groups.map.values().cloned().collect()));
        }
        let IssuerKind::Machines(machines) = &rules.kind else { continue };
        for (number, rule) in machines.iter().enumerate() {
            let groups = vouching.machines.get(&rule.machine).cloned().unwrap_or_default();
            of_issuers.push((format!("issuers[{index}].machines[{number}].groups"), groups));
        }
    }
    of_issuers
}

fn checked(people: BTreeMap<PersonId, model::Person>, around: &Around<'_>, found: &mut Findings<'_>) -> People {
    // Subjects that differ in case alone are one human at most providers.
    let mut logins: BTreeMap<(String, String), PersonId> = BTreeMap::new();
    let mut names: BTreeMap<(String, String, String), PersonId> = BTreeMap::new();
    let mut checked = People::new();
    for (id, person) in people {
        let at = format!("people.{id}");
        let model::Person { groups, principals, named, mail } = person;
        if principals.is_empty() {
            let problem = "is empty, so nobody is this person: expected `[{ issuer = \"…\", subject = \"…\" }]`";
            found.refuse(format!("{at}.principals"), problem);
        }
        if groups.is_empty() && !tokens_say_groups(&principals, around.rules) {
            found.warn(format!("{at}.groups"), "is empty, so this person may do nothing");
        }
        let mut own = Person { groups, ..Person::default() };
        for (index, principal) in principals.into_iter().enumerate() {
            let at = format!("{at}.principals[{index}]");
            own.principals.insert(login(&at, &id, principal, around.rules, &mut logins, found));
        }
        for (index, name) in named.into_iter().enumerate() {
            let at = format!("{at}.named[{index}]");
            own.named.insert(named_by(&at, &id, name, around, &mut names, found));
        }
        own.mail = mail.and_then(|mail| address(&format!("{at}.mail"), &mail, found));
        checked.insert(id, own);
    }
    checked
}

fn tokens_say_groups(principals: &[model::Principal], rules: &[IssuerRules]) -> bool {
    let says = |issuer: &str| rules.iter().any(|rules| rules.issuer == issuer && rules.groups.is_some());
    principals.iter().any(|principal| says(&principal.issuer))
}

fn login(
    at: &str,
    person: &PersonId,
    login: model::Principal,
    rules: &[IssuerRules],
    owners: &mut BTreeMap<(String, String), PersonId>,
    found: &mut Findings<'_>,
) -> Principal {
    let model::Principal { issuer, subject } = login;
    let of_people = rules.iter().filter(|rules| matches!(rules.kind, IssuerKind::People(_)));
    let of_people: BTreeMap<&str, &IssuerRules> = of_people.map(|rules| (rules.issuer.as_str(), rules)).collect();
    // Without any, that has been said already.
    if !of_people.is_empty() && !of_people.contains_key(issuer.as_str()) {
        let problem =
            format!("`{}` is not an issuer of people: expected one of {}", shown(&issuer), quoted(of_people.keys()));
        found.refuse(format!("{at}.issuer"), problem);
    }
    let claims = of_people.get(issuer.as_str()).map_or(&[][..], |rules| &rules.subject_claims);
    let parts: Vec<&str> = subject.split('/').collect();
    if subject.trim().is_empty() {
        found.refuse(format!("{at}.subject"), "is empty: expected the `sub` of this person's tokens");
    } else if claims.len() > 1 && (parts.len() != claims.len() || parts.iter().any(|part| part.is_empty())) {
        let problem = format!(
            "`{}` is no subject of this issuer: expected the values of {}, joined by `/`",
            shown(&subject),
            quoted(claims)
        );
        found.refuse(format!("{at}.subject"), problem);
    }
    let owner = owners.entry((issuer.clone(), subject.to_lowercase())).or_insert_with(|| person.clone());
    if owner != person {
        let problem = format!(
            "`{}` is a login of `{owner}` (case aside): expected each login to belong to one person, or two people could be one human",
            shown(&subject)
        );
        found.refuse(at, problem);
    }
    Principal { issuer, subject }
}

/// It is personal: what can't be used isn't shown either.
fn address(field: &str, text: &str, found: &mut Findings<'_>) -> Option<MailAddress> {
    text.parse().map_err(|problem: String| found.refuse(field, problem)).ok()
}

/// People and machines share one set of names.
fn names(people: &People, machines: &BTreeMap<MachineId, BTreeSet<GroupId>>, found: &mut Findings<'_>) {
    let machines: BTreeMap<PartyName, &MachineId> = machines.keys().map(|id| (PartyName::from(id), id)).collect();
    for id in people.keys() {
        if machines.contains_key(&PartyName::from(id)) {
            found.refuse(format!("people.{id}"), "is a machine's name too: expected a name of its own for each");
        }
        if id.as_str().starts_with(NAMED_BY_HASH) {
            let problem = "begins as the names of people whom nobody named (`p-`): expected another name";
            found.refuse(format!("people.{id}"), problem);
        }
    }
}

/// Any key of an issuer vouches for all of its subjects, so who holds one of
/// them could be two people.
fn shared_keys(issuers: &[Issuer], people: &People, found: &mut Findings<'_>) {
    for (index, Issuer { tokens, .. }) in issuers.iter().enumerate() {
        let IssuerKeys::Fixed(keys) = &tokens.keys else { continue };
        let of_issuer = |person: &&Person| person.principals.iter().any(|principal| principal.issuer == tokens.issuer);
        let several = people.values().filter(of_issuer).nth(1).is_some();
        if several && keys.len() > 1 {
            let problem = "each of them vouches for all people of this issuer: a key that one person holds belongs to an \
                           issuer of its own, or they could acknowledge what they asked for";
            found.warn(format!("issuers[{index}].keys"), problem);
        }
    }
}

/// Of several issuers of people, each needs to be linked.
fn unused_issuers(rules: &[IssuerRules], people: &People, found: &mut Findings<'_>) {
    for (index, rules) in rules.iter().enumerate() {
        let linked = people.values().flat_map(|person| &person.principals).any(|login| login.issuer == rules.issuer);
        if rules.kind == IssuerKind::People(Unlinked::Refuse) && !linked && !people.is_empty() {
            let problem = "no person has a login of this issuer, so nobody comes in by it: expected such a login in `people.NAME.principals`";
            found.warn(format!("issuers[{index}]"), problem);
        }
    }
}
