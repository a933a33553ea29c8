//! The catalogue.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::catalogue::{Access, Role, RoleArn, Scope};
use halligan_core::iam::check_scope;
use halligan_core::id::{GroupId, RoleId, ScopeId};
use jiff::SignedDuration;

use super::society::Society;
use super::{Findings, external_id, quoted, region, some_group, somebody_is_in};
use crate::config::model;
use crate::config::values::Period;

/// `MaxSessionDuration` (IAM, CreateRole), and the longest that a grant may be
/// or become: who needs longer asks again, and is acknowledged again.
const SESSION_MIN: SignedDuration = SignedDuration::from_hours(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(12);
/// What was seen in each stands in one entry. AWS has fewer.
const REGIONS_MAX: usize = 40;
/// Emergency starts end within minutes unless somebody says yes.
const EMERGENCY_MAX: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn roles(
    roles: BTreeMap<RoleId, model::Role>,
    society: &Society,
    found: &mut Findings<'_>,
) -> BTreeMap<RoleId, Role> {
    if roles.is_empty() {
        found.refuse("roles", "there is none, so nothing could be asked for: expected at least one, as `[roles.NAME]`");
    }
    let mut arns: BTreeMap<RoleArn, RoleId> = BTreeMap::new();
    let mut checked = BTreeMap::new();
    for (id, role) in roles {
        let at = format!("roles.{id}");
        if let Some(other) = arns.insert(role.arn.clone(), id.clone()) {
            let problem =
                format!("is the ARN of `{other}` too: expected each IAM role in one entry, with several scopes");
            found.refuse(format!("{at}.arn"), problem);
        }
        checked.insert(id.clone(), role_of(&at, id, role, society, found));
    }
    for (id, role) in &checked {
        if let Some(other) = arns.get(&role.revoker) {
            let problem = format!(
                "is the IAM role of `{other}`, and who breaks the glass must not be able to write the deny: expected a role of its own"
            );
            found.refuse(format!("roles.{id}.revoker"), problem);
        }
    }
    checked
}

fn role_of(at: &str, id: RoleId, role: model::Role, society: &Society, found: &mut Findings<'_>) -> Role {
    identity(at, &role, found);
    durations(at, &role, found);
    let scopes: BTreeMap<ScopeId, Scope> = role
        .scopes
        .into_iter()
        .map(|(name, model::Scope { statements, managed })| (name, Scope { statements, managed }))
        .collect();
    for (name, scope) in &scopes {
        if let Err(problem) = check_scope(scope) {
            found.refuse(format!("{at}.scopes.{name}"), problem.to_string());
        }
    }
    if !scopes.contains_key(&role.default_scope) {
        let names = if scopes.is_empty() {
            "one, as `[roles.NAME.scopes.NAME]`".to_owned()
        } else {
            format!("one of {}", quoted(scopes.keys()))
        };
        found.refuse(
            format!("{at}.default_scope"),
            format!("`{}` is not a scope of this role: expected {names}", role.default_scope),
        );
    }
    let access = Access {
        requesters: role.requesters,
        acknowledgers: role.acknowledgers,
        revokers: role.revokers,
        emergency_starters: role.emergency_starters,
    };
    eligibility(at, &access, role.emergency_acknowledge_within.is_some(), society, found);
    Role {
        id,
        description: role.description,
        arn: role.arn,
        revoker: role.revoker,
        external_id: role.external_id,
        regions: role.regions,
        session_max: role.session_max.get(),
        duration_max: role.duration_max.get(),
        total_max: role.total_max.get(),
        acknowledge_within: role.acknowledge_within.get(),
        emergency_acknowledge_within: role.emergency_acknowledge_within.map(Period::get),
        scopes,
        default_scope: role.default_scope,
        probe: role.probe,
        console: role.console,
        access,
    }
}

fn identity(at: &str, role: &model::Role, found: &mut Findings<'_>) {
    let (arn, revoker) = (&role.arn, &role.revoker);
    if (arn.partition(), arn.account()) != (revoker.partition(), revoker.account()) {
        let problem = format!(
            "`{revoker}` is in account {}, and IAM writes act in their own account alone: expected a role in account {}",
            revoker.account(),
            arn.account()
        );
        found.refuse(format!("{at}.revoker"), problem);
    }
    external_id(format!("{at}.external_id"), &role.external_id, found);
    if role.description != halligan_core::text::printable(&role.description, 200) {
        found.refuse(format!("{at}.description"), "expected one line of at most 200 printable characters");
    }
    if role.regions.is_empty() {
        found.refuse(
            format!("{at}.regions"),
            "is empty, so no end could be observed: expected at least one, such as `eu-central-1`",
        );
    }
    if role.regions.len() > REGIONS_MAX {
        let (count, field) = (role.regions.len(), format!("{at}.regions"));
        found.refuse(
            field,
            format!("has {count} Regions: expected at most {REGIONS_MAX}, as an entry of the log holds"),
        );
    }
    for (index, name) in role.regions.iter().enumerate() {
        let field = format!("{at}.regions[{index}]");
        if region(&field, name, found) && role.regions.iter().take(index).any(|earlier| earlier == name) {
            found.refuse(field, format!("`{name}` is there twice: expected each Region once"));
        }
    }
}

fn durations(at: &str, role: &model::Role, found: &mut Findings<'_>) {
    let mut at_most = |field: &str, period: Period, most: SignedDuration, why: &str| {
        if period.get() > most {
            found
                .refuse(format!("{at}.{field}"), format!("`{period}` is too long: expected at most `{most:#}`, {why}"));
        }
    };
    at_most("session_max", role.session_max, LONGEST, "the longest that IAM lets a session be");
    at_most("duration_max", role.duration_max, role.total_max.get(), "which is `total_max`");
    at_most("total_max", role.total_max, LONGEST, "after which a new grant is asked for");
    at_most(
        "acknowledge_within",
        role.acknowledge_within,
        LONGEST,
        "since an older request says little of what is needed now",
    );
    if let Some(within) = role.emergency_acknowledge_within {
        at_most("emergency_acknowledge_within", within, EMERGENCY_MAX, "since nobody has agreed yet");
    }
    if role.session_max.get() < SESSION_MIN {
        let problem = format!(
            "`{}` is too short: expected at least `1h`, the shortest `MaxSessionDuration` of an IAM role",
            role.session_max
        );
        found.refuse(format!("{at}.session_max"), problem);
    }
}

/// Whether there is anybody to do what the role is for.
fn eligibility(at: &str, access: &Access, emergencies: bool, society: &Society, found: &mut Findings<'_>) {
    let Access { requesters, acknowledgers, revokers, emergency_starters } = access;
    // Machines ask, and do nothing else.
    let (people, anybody) = (society.of_people(), society.of_anybody());
    let lists = [
        ("requesters", requesters, &anybody),
        ("acknowledgers", acknowledgers, &people),
        ("revokers", revokers, &people),
        ("emergency_starters", emergency_starters, &people),
    ];
    let mut known = true;
    for (list, named, groups) in lists {
        known &= somebody_is_in(&format!("{at}.{list}"), named, groups, found);
    }
    for (list, named, groups) in [("requesters", requesters, &anybody), ("acknowledgers", acknowledgers, &people)] {
        if named.is_empty() {
            known = false;
            found.refuse(format!("{at}.{list}"), format!("is empty, so nobody could: {}", some_group(groups)));
        }
    }
    match (emergencies, emergency_starters.is_empty()) {
        (false, false) => {
            let problem = "is set, and the role takes no emergency starts: expected `emergency_acknowledge_within` beside it, such as `5m`";
            found.refuse(format!("{at}.emergency_starters"), problem);
        }
        (true, true) => {
            let problem = "is set, and nobody may start: expected `emergency_starters` beside it";
            found.refuse(format!("{at}.emergency_acknowledge_within"), problem);
        }
        (true, false) | (false, true) => {}
    }
    if known {
        second_persons(at, access, society, found);
    }
}

/// The acknowledger is never the requester, and a machine's request needs two people.
fn second_persons(at: &str, access: &Access, society: &Society, found: &mut Findings<'_>) {
    let field = format!("{at}.acknowledgers");
    // Where tokens say who is in a group, nobody knows yet.
    let Some(acknowledgers) = society.members(&access.acknowledgers) else { return };
    let mut only = acknowledgers.iter();
    let (Some(one), None) = (only.next(), only.next()) else { return };
    if access.requesters.iter().any(|group| society.of_machines().contains(group)) {
        let problem = format!("`{one}` alone may acknowledge, and what a machine asks for needs two people");
        found.warn(&field, problem);
    }
    let Some(requesters) = society.members(&access.requesters).filter(|members| members.contains(one)) else { return };
    let problem = if requesters.len() == 1 {
        format!("`{one}` alone may ask, and alone may acknowledge: expected somebody else who may acknowledge")
    } else {
        format!("`{one}` alone may acknowledge, so nobody can acknowledge what `{one}` asks for")
    };
    found.warn(field, problem);
}

/// The groups that nothing asks for. `named` says of a group whether something else than a role does.
pub(super) fn unused_groups(
    society: &Society,
    roles: &BTreeMap<RoleId, Role>,
    named: impl Fn(&GroupId) -> bool,
    found: &mut Findings<'_>,
) {
    let of = |access: &Access| {
        [&access.requesters, &access.acknowledgers, &access.revokers, &access.emergency_starters].map(Clone::clone)
    };
    let used: BTreeSet<GroupId> = roles.values().flat_map(|role| of(&role.access)).flatten().collect();
    let unused = |group: &&GroupId| !used.contains(*group) && !named(group);
    let of_people = society.people.iter().map(|(id, person)| (format!("people.{id}.groups"), &person.groups));
    let of_issuers = society.of_issuers.iter().map(|(field, groups)| (field.clone(), groups));
    for (field, groups) in of_people.chain(of_issuers) {
        for group in groups.iter().filter(unused) {
            found.warn(&field, format!("no role names `{group}`, so being in it permits nothing"));
        }
    }
}
