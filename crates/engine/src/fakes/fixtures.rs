//! People, roles and grants to try things on: on 1 March 2026, at three in the
//! morning, alice asks for `prod-admin` on occasion of INC-219, and bob answers.

#![expect(clippy::expect_used, reason = "constants of this file, which its own test builds")]

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::actor::{Actor, Human, Machine, Party, Principal, Shown};
use halligan_core::catalogue::{Access as RoleAccess, Catalogue, ProbeCall, Role, RoleArn, Scope, Target};
use halligan_core::entry::Draft;
use halligan_core::event::Recorded;
use halligan_core::grant::{
    Active, Baseline, Command, Deadline, Evidence, Grant, Limits, MintDraft, Opening, RegionEvidence, Request,
    Resolved, State, Transition, Warrant, Yes,
};
use halligan_core::iam::{Effect, SessionName, SourceIdentity, Statement, session_policy};
use halligan_core::id::{GrantId, GroupId, MintId, Nonce, PersonId, RoleId, ScopeId};
use halligan_core::incident::{IncidentId, IncidentRef};
use halligan_core::text::Reason;
use halligan_policy::PolicySet;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::access::{Access, Directory, IssuerKind, IssuerRules, MachineRule, Member, MfaSigns, Office, Unlinked};
use crate::caller::RequestAsk;

/// When the stories begin.
#[must_use]
pub fn start() -> Timestamp {
    "2026-03-01T03:00:00Z".parse().expect("a legal instant")
}

/// So many seconds after [`start`].
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

/// A UUID of version 7 that is always the same for the same `number`, and
/// sorts by it.
#[must_use]
pub fn uuid(number: u64) -> Uuid {
    let milliseconds = u64::try_from(start().as_millisecond()).unwrap_or(0).saturating_add(number);
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0, 0, a, b, c, d, e, f, g, h]).into_uuid()
}

/// A person with their one login.
#[must_use]
pub fn human(name: &str) -> Human {
    let principal = Principal { issuer: ISSUER.to_owned(), subject: name.to_owned() };
    Human { person: person(name), principal }
}

/// The pipeline `deploy`, on its own or on a person's behalf.
#[must_use]
pub fn machine(on_behalf_of: Option<&str>) -> Party {
    Party::Machine(Machine {
        machine: "deploy".parse().expect("a legal name"),
        on_behalf_of: on_behalf_of.map(person),
        principal: Principal { issuer: CI_ISSUER.to_owned(), subject: "repo:example/app".to_owned() },
    })
}

/// A person's id.
#[must_use]
pub fn person(name: &str) -> PersonId {
    name.parse().expect("a legal name")
}

/// An incident of the tool `file`.
#[must_use]
pub fn incident(id: &str) -> IncidentRef {
    let id = IncidentId::try_from(id.to_owned()).expect("a legal incident id");
    IncidentRef { provider: "file".parse().expect("a legal name"), id }
}

/// A reason.
#[must_use]
pub fn reason(text: &str) -> Reason {
    Reason::try_from(text.to_owned()).expect("a legal reason")
}

/// A role's name.
#[must_use]
pub fn role_id(name: &str) -> RoleId {
    name.parse().expect("a legal name")
}

/// A role that alice and bob may ask for, bob and carol acknowledge, carol revoke.
#[must_use]
pub fn role(name: &str) -> Role {
    let arn = |name: String| RoleArn::try_from(format!("arn:aws:iam::123456789012:role/{name}")).expect("a legal ARN");
    let scope: ScopeId = "read".parse().expect("a legal name");
    let read = Statement {
        sid: None,
        effect: Effect::Allow,
        action: vec!["s3:Get*".to_owned(), "s3:List*".to_owned()],
        resource: vec!["*".to_owned()],
        condition: BTreeMap::new(),
    };
    let groups =
        |names: &[&str]| -> BTreeSet<_> { names.iter().map(|name| name.parse().expect("a legal name")).collect() };
    Role {
        id: role_id(name),
        description: "the production account".to_owned(),
        arn: arn(name.to_owned()),
        revoker: arn("halligan-revoker".to_owned()),
        external_id: "halligan-example".to_owned(),
        regions: vec!["eu-central-1".to_owned()],
        session_max: SignedDuration::from_hours(1),
        duration_max: SignedDuration::from_hours(1),
        total_max: SignedDuration::from_hours(4),
        acknowledge_within: SignedDuration::from_mins(15),
        emergency_acknowledge_within: Some(SignedDuration::from_mins(5)),
        scopes: BTreeMap::from([(scope.clone(), Scope { statements: vec![read], managed: Vec::new() })]),
        default_scope: scope,
        probe: ProbeCall::default(),
        console: true,
        access: RoleAccess {
            requesters: groups(&["on-call"]),
            acknowledgers: groups(&["leads"]),
            revokers: groups(&["security"]),
            emergency_starters: groups(&["on-call"]),
        },
    }
}

/// Who people sign in with.
pub const ISSUER: &str = "https://id.example.com";

/// Who vouches for pipelines. Their tokens name the human who set them off by `actor`.
pub const CI_ISSUER: &str = "https://ci.example.com";

/// These people in these groups, each with their one login, under the policies that a
/// deployment begins with. `security` reads the log and may override its confirmation.
#[must_use]
pub fn access(people: BTreeMap<PersonId, BTreeSet<GroupId>>) -> Access {
    let security: GroupId = "security".parse().expect("a legal name");
    let rules = IssuerRules {
        issuer: ISSUER.to_owned(),
        subject_claims: vec!["sub".to_owned()],
        groups: None,
        mfa: MfaSigns { amr: ["mfa".to_owned()].into(), acr: BTreeSet::new() },
        auth_time: true,
        kind: IssuerKind::People(Unlinked::Refuse),
    };
    let deploy = MachineRule {
        machine: "deploy".parse().expect("a legal name"),
        claims: [("repository".to_owned(), "example/app".to_owned())].into(),
        human_claim: None,
    };
    let ci =
        IssuerRules { issuer: CI_ISSUER.to_owned(), kind: IssuerKind::Machines(vec![deploy.clone()]), ..rules.clone() };
    let machines = [(deploy.machine, ["on-call".parse().expect("a legal name")].into())].into();
    let member = |(id, groups): (PersonId, BTreeSet<GroupId>)| {
        let principals = [human(id.as_str()).principal].into();
        (id, Member { groups, principals, ..Member::default() })
    };
    Access {
        directory: Directory::new(vec![rules, ci], people.into_iter().map(member).collect(), machines),
        policies: PolicySet::defaults(),
        office: Office {
            readers: [security.clone()].into(),
            overriders: [security.clone()].into(),
            administrators: [security].into(),
        },
        roles: BTreeMap::new(),
        sha256: String::new(),
    }
}

/// A catalogue of `prod-admin` and `prod-reader`.
#[must_use]
pub fn catalogue() -> Catalogue {
    let roles = ["prod-admin", "prod-reader"].map(|name| (role_id(name), role(name)));
    Catalogue { deployment: "example".parse().expect("a legal name"), roles: BTreeMap::from(roles) }
}

/// `prod-admin` for half an hour.
#[must_use]
pub fn ask() -> RequestAsk {
    RequestAsk {
        target: "prod-admin".to_owned(),
        scope: None,
        incident: ("file".to_owned(), "INC-219".to_owned()),
        reason: "the database is full".to_owned(),
        duration_seconds: 1_800,
        emergency: false,
    }
}

/// A request: alice's for `prod-admin`, unless told otherwise.
#[derive(Debug, Clone)]
pub struct Asking {
    number: u64,
    at: Timestamp,
    requester: Party,
    role: Role,
    incident: IncidentRef,
    emergency: bool,
}

impl Asking {
    /// The `number`th request: the later, the newer its id.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self {
            number,
            at: start(),
            requester: human("alice").into(),
            role: role("prod-admin"),
            incident: incident("INC-219"),
            emergency: false,
        }
    }

    /// Asked for at another time.
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// By somebody else.
    #[must_use]
    pub fn by(self, name: &str) -> Self {
        Self { requester: human(name).into(), ..self }
    }

    /// Asked for by the pipeline `deploy`.
    #[must_use]
    pub fn by_machine(self, on_behalf_of: Option<&str>) -> Self {
        Self { requester: machine(on_behalf_of), ..self }
    }

    /// For another role.
    #[must_use]
    pub fn of(self, role: &str) -> Self {
        Self { role: self::role(role), ..self }
    }

    /// On another occasion.
    #[must_use]
    pub fn on(self, incident: &str) -> Self {
        Self { incident: self::incident(incident), ..self }
    }

    /// As an emergency start.
    #[must_use]
    pub fn emergency(self) -> Self {
        Self { emergency: true, ..self }
    }

    /// What opens the grant.
    #[must_use]
    pub fn opening(&self) -> Opening {
        let role = &self.role;
        let mut nonce = [0; 32];
        nonce[..16].copy_from_slice(uuid(self.number).as_bytes());
        let request = Request {
            deployment: catalogue().deployment,
            id: GrantId::new(uuid(self.number)),
            nonce: Nonce(nonce),
            requester: self.requester.clone(),
            target: Target::role(role.id.clone()),
            resolved: Resolved::of(role, &role.default_scope).expect("a role has its default scope"),
            incident: self.incident.clone(),
            reason: reason("the payment queue is stuck"),
            duration: SignedDuration::from_mins(30),
            emergency: self.emergency,
        };
        let limits = Limits {
            acknowledge_within: role.acknowledge_within,
            emergency_acknowledge_within: role.emergency_acknowledge_within.unwrap_or_default(),
            total_max: role.total_max,
        };
        Opening {
            request,
            limits,
            rules: vec!["requesters-may-ask".to_owned()],
            shown: Shown::default(),
            incident_unknown: false,
        }
    }

    /// The grant as it is asked for: pending, or active if it is an emergency start.
    #[must_use]
    pub fn open(&self) -> Transition {
        self.opening().open(self.at)
    }

    /// The grant as it is asked for.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.open().grant
    }

    /// The grant, acknowledged by bob a minute later.
    #[must_use]
    pub fn active(&self) -> Grant {
        acknowledge(&self.grant(), "bob", self.at + SignedDuration::from_mins(1)).grant
    }
}

/// What a command makes of a grant. The caller knows that it is legal.
#[must_use]
pub fn apply(grant: &Grant, command: Command, now: Timestamp) -> Transition {
    grant.apply(command, now).expect("a legal command")
}

/// The grant, acknowledged.
#[must_use]
pub fn acknowledge(grant: &Grant, by: &str, now: Timestamp) -> Transition {
    apply(grant, Command::Acknowledge { by: human(by), hash: grant.request_hash, yes: Yes::default() }, now)
}

/// The grant, ten minutes longer by somebody's yes.
#[must_use]
pub fn extended(grant: &Grant, by: &str, now: Timestamp) -> Grant {
    let longer = ask_longer(grant, now);
    let hash = match &longer.state {
        State::Active(Active { extension: Some(extension), .. }) => extension.hash,
        State::Pending(_) | State::Active(_) | State::Dropped(_) | State::Ended(_) => return longer,
    };
    apply(&longer, Command::AcknowledgeExtension { by: human(by), hash, yes: Yes::default() }, now).grant
}

/// The grant, with ten minutes more that nobody has answered.
fn ask_longer(grant: &Grant, now: Timestamp) -> Grant {
    let extension = Command::RequestExtension {
        by: human("alice"),
        duration: SignedDuration::from_mins(10),
        reason: reason("it takes longer"),
        nonce: Nonce([7; 32]),
        rules: Vec::new(),
    };
    apply(grant, extension, now).grant
}

/// The grant, revoked.
#[must_use]
pub fn revoke(grant: &Grant, by: &str, now: Timestamp) -> Transition {
    apply(grant, Command::Revoke { by: human(by), reason: reason("it is fixed"), rules: Vec::new() }, now)
}

/// The grant with one mint by its requester.
#[must_use]
pub fn mint(grant: &Grant, number: u64, now: Timestamp) -> (Transition, Warrant) {
    let requester = &grant.request.requester;
    let role = role(grant.request.target.id.as_str());
    let fence = grant.mint_fence(requester, now).expect("an active grant");
    let scope = role.scopes.get(&grant.request.resolved.scope).expect("the scope that was asked for");
    let draft = MintDraft {
        mint: MintId(uuid(number)),
        role_arn: grant.request.resolved.role_arn.clone(),
        external_id: role.external_id.clone(),
        session_name: SessionName::new(*uuid(number).as_bytes()),
        source_identity: SourceIdentity::new(
            requester.as_str(),
            &requester.principal().issuer,
            &requester.principal().subject,
        ),
        policy: session_policy(scope, fence).expect("a scope that fits"),
        token_seconds: MintDraft::token_seconds(now, fence, role.session_max),
        rules: Vec::new(),
    };
    grant.intend_mint(requester, draft, false, now).expect("a legal mint")
}

/// How a deny was seen to bite.
#[must_use]
pub fn evidence(observed_at: Timestamp) -> Evidence {
    Evidence {
        baseline: Baseline::Allowed,
        observed_at,
        after_ms: 3_000,
        regions: vec![RegionEvidence { region: "eu-central-1".to_owned(), denials: 3 }],
    }
}

/// An entry about a grant, with an id of its own.
#[must_use]
pub fn draft(grant: &Grant, recorded: Recorded, number: u64) -> Draft {
    let id = uuid(number);
    Draft::about(grant, Actor::api(grant.request.requester.clone()), recorded, id, *id.as_bytes())
}

/// One grant in each way that a grant can stand, by name. Ids begin at `first`.
#[must_use]
pub fn lives(first: u64) -> Vec<(&'static str, Grant)> {
    let asking = |offset: u64| Asking::new(first.saturating_add(offset));
    let pending = |offset| asking(offset).grant();
    let started = |offset| asking(offset).emergency().grant();
    let active = |offset| asking(offset).active();
    let minted = |offset| mint(&active(offset), first.saturating_add(offset), at(90)).0.grant;
    let by = || human("bob");
    let why = || reason("not now");
    let then = |grant: &Grant, command, now| apply(grant, command, now).grant;
    let revoked = |offset| revoke(&minted(offset), "carol", at(300)).grant;
    let stuck =
        |offset| then(&revoked(offset), Command::Stick { because: "the probe is still allowed".to_owned() }, at(320));
    vec![
        ("pending", pending(0)),
        ("active", active(1)),
        ("active, minted", minted(2)),
        ("active, an extension waits", ask_longer(&active(3), at(120))),
        ("active, not acknowledged", started(4)),
        ("active, acknowledged late", acknowledge(&started(5), "bob", at(60)).grant),
        ("declined", then(&pending(6), Command::Decline { by: by(), reason: why(), rules: Vec::new() }, at(60))),
        ("withdrawn", then(&pending(7), Command::Withdraw { by: human("alice").into() }, at(60))),
        ("cancelled", then(&pending(8), Command::CloseIncident, at(60))),
        ("lapsed", then(&pending(9), Command::Elapse(Deadline::Lapse), at(900))),
        ("expired", then(&active(10), Command::Elapse(Deadline::Expire), at(1_860))),
        ("expired, minted", then(&minted(11), Command::Elapse(Deadline::Expire), at(1_860))),
        ("revoked", revoked(12)),
        ("revoked, stuck", stuck(13)),
        ("revoked, contained", then(&stuck(14), Command::Contain(evidence(at(330))), at(331))),
        ("revoked, its incident closed", then(&active(15), Command::CloseIncident, at(300))),
        (
            "revoked, not acknowledged in time",
            then(&started(16), Command::Elapse(Deadline::AcknowledgementOverdue), at(300)),
        ),
        (
            "revoked, an emergency start declined",
            then(&started(17), Command::Decline { by: by(), reason: why(), rules: Vec::new() }, at(60)),
        ),
        ("returned", then(&ask_longer(&minted(18), at(120)), Command::Return { by: human("alice").into() }, at(600))),
        ("active, extended twice", extended(&extended(&minted(19), "carol", at(120)), "bob", at(180))),
        ("returned, extended", {
            let extended = extended(&minted(20), "carol", at(120));
            then(&extended, Command::Return { by: human("alice").into() }, at(600))
        }),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use halligan_core::grant::Phase;

    use super::*;

    #[test]
    fn there_is_a_life_in_every_phase_with_an_id_of_its_own() {
        let lives = lives(1);
        let phases: BTreeSet<Phase> = lives.iter().map(|(_, grant)| grant.phase()).collect();
        assert_eq!(phases, BTreeSet::from(Phase::ALL));
        let ids: Vec<GrantId> = lives.iter().map(|(_, grant)| grant.request.id).collect();
        assert!(ids.is_sorted() && ids.iter().collect::<BTreeSet<_>>().len() == ids.len());
    }
}
