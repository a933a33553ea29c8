//! The lifecycle under random command sequences: whatever people, deadlines and
//! incidents do in whatever order, the promises hold.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use halligan_core::actor::{Human, Machine, Party, Principal, Shown};
use halligan_core::catalogue::{Scope, Target};
use halligan_core::grant::{
    Baseline, Command, Deadline, Evidence, ExtensionHash, Grant, Limits, MintDraft, Opening, Phase, Refusal, Request,
    RequestHash, Resolved, ScopeHash, Standing, State, Transition, Yes,
};
use halligan_core::iam::{SessionName, SourceIdentity, Statement, session_policy};
use halligan_core::id::{GrantId, MintId, Nonce};
use halligan_core::incident::IncidentRef;
use halligan_core::text::Reason;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
const START: i64 = 1_800_000_000;

fn human(person: &str, login: u8) -> Human {
    let principal = Principal { issuer: format!("https://{login}.example.com"), subject: format!("{person}-{login}") };
    Human { person: person.parse().unwrap(), principal }
}

fn reason(text: &str) -> Reason {
    Reason::try_from(text.to_owned()).unwrap()
}

fn scope() -> Scope {
    let statement: Statement = serde_json::from_str(r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#).unwrap();
    Scope { statements: vec![statement], managed: Vec::new() }
}

/// Who asks: alice, a machine, or a machine on alice's behalf.
fn asker(which: usize) -> Party {
    let on_behalf_of = (which == 2).then(|| "alice".parse().unwrap());
    match which {
        0 => human("alice", 1).into(),
        _ => Party::Machine(Machine {
            machine: "deploy".parse().unwrap(),
            on_behalf_of,
            principal: Principal { issuer: "https://ci.example.com".to_owned(), subject: "deploy".to_owned() },
        }),
    }
}

fn request(emergency: bool) -> Request {
    requested_by(asker(0), emergency)
}

fn requested_by(requester: Party, emergency: bool) -> Request {
    Request {
        deployment: "demo".parse().unwrap(),
        id: GrantId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)),
        nonce: Nonce([7; 32]),
        requester,
        target: Target::role("prod-admin".parse().unwrap()),
        resolved: Resolved {
            role_arn: "arn:aws:iam::123456789012:role/break-glass".to_owned().try_into().unwrap(),
            scope: "read-only".parse().unwrap(),
            scope_hash: ScopeHash::of(&scope()),
        },
        incident: serde_json::from_str::<IncidentRef>(r#"{"provider":"files","id":"INC-219"}"#).unwrap(),
        reason: reason("the database is full"),
        duration: SignedDuration::from_secs(3_600),
        emergency,
    }
}

fn limits() -> Limits {
    Limits {
        acknowledge_within: SignedDuration::from_secs(900),
        emergency_acknowledge_within: SignedDuration::from_secs(600),
        total_max: SignedDuration::from_secs(7_200),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millisecond(START * 1_000 + 250).unwrap() + SignedDuration::from_secs(seconds)
}

fn open(emergency: bool) -> Transition {
    opened_by(asker(0), emergency)
}

fn opened_by(requester: Party, emergency: bool) -> Transition {
    let (request, shown) = (requested_by(requester, emergency), Shown::default());
    Opening { request, limits: limits(), rules: Vec::new(), shown, incident_unknown: false }.open(at(0))
}

fn evidence(now: Timestamp) -> Evidence {
    Evidence { baseline: Baseline::Allowed, observed_at: now, after_ms: 1_000, regions: Vec::new() }
}

fn draft(fence: Timestamp, now: Timestamp) -> MintDraft {
    MintDraft {
        mint: MintId(Uuid::nil()),
        role_arn: "arn:aws:iam::123456789012:role/break-glass".to_owned().try_into().unwrap(),
        external_id: "external".to_owned(),
        session_name: SessionName::new([1; 16]),
        source_identity: SourceIdentity::new("alice", "https://1.example.com", "alice-1"),
        policy: session_policy(&scope(), fence).unwrap(),
        token_seconds: MintDraft::token_seconds(now, fence, SignedDuration::from_secs(3_600)),
        rules: Vec::new(),
    }
}

/// What somebody may try, before it is filled in from the grant as it is.
#[derive(Debug, Clone)]
enum Try {
    Acknowledge { person: usize, login: u8, right_hash: bool },
    Decline { person: usize },
    Withdraw { person: usize },
    Extend { person: usize, seconds: i64 },
    AcknowledgeExtension { person: usize, right_hash: bool },
    DeclineExtension { person: usize },
    Return { person: usize },
    Revoke { person: usize },
    CloseIncident,
    FindEnded,
    Elapse(u8),
    Contain,
    Stick,
    Mint { person: usize, honest_fence: bool },
}

fn tries() -> impl Strategy<Value = Try> {
    let person = 0..PEOPLE.len();
    prop_oneof![
        4 => (person.clone(), 0..3_u8, prop::bool::weighted(0.8))
            .prop_map(|(person, login, right_hash)| Try::Acknowledge { person, login, right_hash }),
        1 => person.clone().prop_map(|person| Try::Decline { person }),
        1 => person.clone().prop_map(|person| Try::Withdraw { person }),
        3 => (person.clone(), prop_oneof![Just(-1), Just(0), 1..4_000_i64]).prop_map(|(person, seconds)| Try::Extend { person, seconds }),
        3 => (person.clone(), prop::bool::weighted(0.8))
            .prop_map(|(person, right_hash)| Try::AcknowledgeExtension { person, right_hash }),
        1 => person.clone().prop_map(|person| Try::DeclineExtension { person }),
        1 => person.clone().prop_map(|person| Try::Return { person }),
        1 => person.clone().prop_map(|person| Try::Revoke { person }),
        1 => Just(Try::CloseIncident),
        1 => Just(Try::FindEnded),
        4 => (0..4_u8).prop_map(Try::Elapse),
        1 => Just(Try::Contain),
        1 => Just(Try::Stick),
        6 => (person, prop::bool::weighted(0.8)).prop_map(|(person, honest_fence)| Try::Mint { person, honest_fence }),
    ]
}

/// A person; the first is whoever asked, a machine too.
fn as_party(grant: &Grant, person: usize) -> Party {
    match person {
        0 => grant.request.requester.clone(),
        person => human(PEOPLE.get(person).unwrap(), 1).into(),
    }
}

fn command(grant: &Grant, attempt: &Try, now: Timestamp) -> Command {
    let who = |person: &usize| human(PEOPLE.get(*person).unwrap(), 1);
    let party = |person: &usize| as_party(grant, *person);
    let extension = match &grant.state {
        State::Active(active) => active.extension.as_ref().map(|extension| extension.hash),
        State::Pending(_) | State::Dropped(_) | State::Ended(_) => None,
    };
    let wrong = "00".repeat(32);
    match attempt {
        Try::Acknowledge { person, login, right_hash } => {
            let by = human(PEOPLE.get(*person).unwrap(), *login);
            let hash = if *right_hash { grant.request_hash } else { RequestHash::try_from(wrong).unwrap() };
            Command::Acknowledge { by, hash, yes: Yes::default() }
        }
        Try::Decline { person } => Command::Decline { by: who(person), reason: reason("no"), rules: Vec::new() },
        Try::Withdraw { person } => Command::Withdraw { by: party(person) },
        Try::Extend { person, seconds } => Command::RequestExtension {
            by: who(person),
            duration: SignedDuration::from_secs(*seconds),
            reason: reason("more"),
            nonce: Nonce([9; 32]),
            rules: Vec::new(),
        },
        Try::AcknowledgeExtension { person, right_hash } => {
            let hash = extension.filter(|_| *right_hash).unwrap_or_else(|| ExtensionHash::try_from(wrong).unwrap());
            Command::AcknowledgeExtension { by: who(person), hash, yes: Yes::default() }
        }
        Try::DeclineExtension { person } => {
            Command::DeclineExtension { by: who(person), reason: reason("no"), rules: Vec::new() }
        }
        Try::Return { person } => Command::Return { by: party(person) },
        Try::Revoke { person } => Command::Revoke { by: who(person), reason: reason("stop"), rules: Vec::new() },
        Try::CloseIncident => Command::CloseIncident,
        Try::FindEnded => Command::FindEnded,
        Try::Elapse(which) => Command::Elapse(match which {
            0 => Deadline::Lapse,
            1 => Deadline::AcknowledgementOverdue,
            2 => Deadline::Expire,
            _ => Deadline::ExtensionLapse,
        }),
        Try::Contain => Command::Contain(evidence(now)),
        Try::Stick => Command::Stick { because: "not seen".to_owned() },
        Try::Mint { .. } => unreachable!("mints have a way of their own"),
    }
}

const fn is_over(grant: &Grant) -> bool {
    matches!(grant.state, State::Dropped(_) | State::Ended(_))
}

/// What must be true of every grant at every instant.
fn check_state(grant: &Grant) {
    if let Some(activation) = grant.activation() {
        match &activation.standing {
            Standing::Acknowledged(_) => {
                let people: BTreeSet<_> = grant.acknowledged().map(|yes| &yes.by.person).collect();
                let needed = usize::from(grant.request.acknowledgements());
                assert_eq!(people.len(), needed, "not as many people as are needed");
                assert!(!people.iter().any(|person| grant.is_requester(person)), "acknowledged by the requester");
            }
            Standing::Unacknowledged { ack_due } => {
                assert!(activation.extended.is_empty(), "extended before it was acknowledged");
                assert!(grant.request.emergency, "active without an acknowledgement and no emergency");
                assert!(activation.fence() <= *ack_due, "an unacknowledged grant's fence is beyond its deadline");
                if let State::Ended(ended) = &grant.state {
                    assert!(ended.at <= *ack_due, "an unacknowledged grant outlived its deadline");
                }
            }
        }
        assert_eq!(activation.ends_at.subsec_nanosecond(), 0, "an end is a whole second");
        let extenders: BTreeSet<_> = activation.extended.iter().map(|extended| &extended.yes.by.person).collect();
        assert_eq!(extenders.len(), activation.extended.len(), "one person's yes to two later ends");
        assert!(!extenders.iter().any(|person| grant.is_requester(person)), "extended by the requester");
        let end = activation.extended.last().map(|extended| extended.ends_at);
        let asked = grant.request.duration;
        let lasted = activation.ends_at.duration_since(activation.activated_at);
        assert_eq!(end, (lasted > asked).then_some(activation.ends_at), "a later end that nobody said yes to");
        assert!(grant.rests_on().all(|(_, to)| to <= lasted.max(asked)), "a yes to more than there is");
        assert!(lasted <= grant.limits.total_max, "longer than the cap");
    }
    let json = serde_json::to_string(grant).unwrap();
    assert_eq!(serde_json::from_str::<Grant>(&json).unwrap(), *grant, "a grant survives being stored");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_under_any_sequence(
        emergency: bool,
        who_asks in 0..3_usize,
        steps in prop::collection::vec((tries(), prop_oneof![4 => 0..120_i64, 2 => 0..900_i64, 1 => 0..4_000_i64]), 1..40),
    ) {
        let mut grant = opened_by(asker(who_asks), emergency).grant;
        let (mut now, mut activations) = (at(0), u32::from(emergency));
        for (attempt, passed) in steps {
            now += SignedDuration::from_secs(passed);
            let before = grant.clone();
            if let Try::Mint { person, honest_fence } = attempt {
                let by = as_party(&before, person);
                let fence = before.activation().map_or(now, |a| a.fence());
                let drafted = if honest_fence { fence } else { fence + SignedDuration::from_secs(60) };
                if let Ok((transition, warrant)) = before.intend_mint(&by, draft(drafted, now), false, now) {
                    prop_assert_eq!(before.phase(), Phase::Active, "minted outside Active");
                    prop_assert!(before.request.requester.is(&by), "minted for somebody else");
                    prop_assert!(now < fence, "minted at or after the end");
                    prop_assert_eq!(warrant.draft().policy.fence(), fence, "the warrant's fence is not the grant's");
                    prop_assert!(transition.grant.still_warrants(&warrant, now));
                    prop_assert!(!transition.grant.still_warrants(&warrant, fence), "a warrant is good beyond its fence");
                    grant = transition.grant;
                }
            } else {
                match before.apply(command(&before, &attempt, now), now) {
                    Ok(transition) => {
                        grant = transition.grant;
                        prop_assert!(!transition.events.is_empty(), "a transition without a record");
                        if is_over(&before) {
                            prop_assert_eq!(grant.phase(), before.phase(), "an ended grant revived");
                            prop_assert_eq!(grant.activation(), before.activation(), "an ended grant's times changed");
                        }
                        activations += u32::from(before.phase() == Phase::Pending && grant.phase() == Phase::Active);
                    }
                    Err(Refusal::Overdue(deadline)) => {
                        prop_assert_eq!(before.due(now), Some(deadline));
                        // A deadline is acted on, then it is due no more.
                        grant = before.apply(Command::Elapse(deadline), now).unwrap().grant;
                        prop_assert_ne!(grant.due(now), Some(deadline));
                    }
                    Err(_) => {}
                }
            }
            check_state(&grant);
            prop_assert!(activations <= 1, "activated twice");
            prop_assert_eq!(&grant.request, &before.request, "a request changed");
            if is_over(&grant) {
                prop_assert_eq!(grant.due(Timestamp::MAX), None, "an ended grant has a deadline");
            }
        }
    }

    #[test]
    fn every_field_of_a_request_is_in_its_hash(which in 0..13_usize, other in "[a-z]{1,8}") {
        let mut changed = request(false);
        match which {
            0 => changed.deployment = format!("x{other}").parse().unwrap(),
            1 => changed.id = GrantId::new(Uuid::from_u128(2)),
            2 => changed.nonce = Nonce([8; 32]),
            3 => changed.requester = human(&format!("x{other}"), 1).into(),
            4 => changed.requester = with_login(|login| login.issuer.push_str(&other)),
            5 => changed.requester = with_login(|login| login.subject.push_str(&other)),
            6 => changed.target.id = format!("x{other}").parse().unwrap(),
            7 => changed.resolved.role_arn = format!("arn:aws:iam::123456789012:role/x{other}").try_into().unwrap(),
            8 => changed.resolved.scope = format!("x{other}").parse().unwrap(),
            9 => changed.resolved.scope_hash = ScopeHash::of(&Scope::default()),
            10 => changed.incident = serde_json::from_value(serde_json::json!({"provider": "files", "id": other})).unwrap(),
            11 => changed.reason = reason(&other),
            _ => changed.duration += SignedDuration::from_secs(1),
        }
        prop_assert_ne!(RequestHash::of(&changed), RequestHash::of(&request(false)));
        changed = request(true);
        prop_assert_ne!(RequestHash::of(&changed), RequestHash::of(&request(false)));
    }
}

/// alice, through another login.
fn with_login(change: impl FnOnce(&mut Principal)) -> Party {
    let mut alice = human("alice", 1);
    change(&mut alice.principal);
    alice.into()
}

/// What a reader in another language must get; `docs/request-hash.md` shows how.
#[test]
fn hashes_have_test_vectors() {
    let hash = RequestHash::of(&request(false));
    insta::assert_snapshot!(ScopeHash::of(&scope()), @"70c5772bb0eb2f2b99a1aa5d6f6f335fe1765f371094365c9df0fbeea5ef5a76");
    insta::assert_snapshot!(hash, @"14119046444fee3ab9daf055652c593aa21bdf8821cb3d5372dcf039e6a6a51b");
    insta::assert_snapshot!(RequestHash::of(&request(true)), @"a99dbe8b32a3d136e1b983919040fcbb6a61b431529a87fb4184ccdaa0cc0c3e");
    insta::assert_snapshot!(ExtensionHash::of(hash, &[9; 32], 600, "more"), @"0134602f0ad884824cc756ba22354202664a7ef828b91c1aa831166b89e92475");
}

#[test]
fn moving_text_between_fields_changes_the_hash() {
    let (mut one, mut two) = (request(false), request(false));
    one.requester = with_login(|login| *login = Principal { issuer: "ab".to_owned(), subject: "c".to_owned() });
    two.requester = with_login(|login| *login = Principal { issuer: "a".to_owned(), subject: "bc".to_owned() });
    assert_ne!(RequestHash::of(&one), RequestHash::of(&two));
    // A machine's request is nobody else's, and not the same on somebody's behalf.
    let hashes: BTreeSet<RequestHash> =
        (0..3).map(|which| RequestHash::of(&requested_by(asker(which), false))).collect();
    assert_eq!(hashes.len(), 3);
}

#[test]
fn the_requester_cannot_acknowledge_through_another_login() {
    let grant = open(false).grant;
    for login in 0..3 {
        let command = Command::Acknowledge { by: human("alice", login), hash: grant.request_hash, yes: Yes::default() };
        assert_eq!(grant.apply(command, at(1)).unwrap_err(), Refusal::SamePerson { command: "acknowledge" });
    }
}

/// Nobody stands behind a machine but the people who say yes: two of them, and not the
/// one on whose behalf it asks.
#[test]
fn a_machines_request_needs_two_people_and_none_of_its_own() {
    let yes = |grant: &Grant, person: &str, login: u8| {
        let by = human(person, login);
        grant.apply(Command::Acknowledge { by, hash: grant.request_hash, yes: Yes::default() }, at(1))
    };
    let pending = opened_by(asker(2), false).grant;
    assert_eq!(yes(&pending, "alice", 1).unwrap_err(), Refusal::SamePerson { command: "acknowledge" });
    let first = yes(&pending, "bob", 1).unwrap();
    assert_eq!(first.grant.phase(), Phase::Pending);
    assert!(first.effects.is_empty(), "nothing is to be enforced of what is not active");
    let again = yes(&first.grant, "bob", 2).unwrap_err();
    assert_eq!(again, Refusal::SecondPerson("bob".parse().unwrap()), "through another login too");
    let active = yes(&first.grant, "carol", 1).unwrap().grant;
    assert_eq!(active.phase(), Phase::Active);
    let people: Vec<&str> = active.acknowledged().map(|yes| yes.by.person.as_str()).collect();
    assert_eq!(people, ["carol", "bob"]);
    // Neither of those who said yes, nor the human it acts for, mints: the machine does.
    let fence = active.activation().unwrap().fence();
    for person in ["alice", "bob", "carol"] {
        let by = human(person, 1).into();
        assert_eq!(active.mint_fence(&by, at(2)), Err(Refusal::NotRequester { command: "mint under" }), "{person}");
    }
    assert_eq!(active.mint_fence(&asker(2), at(2)), Ok(fence));
    assert_eq!(active.mint_fence(&asker(1), at(2)), Err(Refusal::NotRequester { command: "mint under" }));
}

#[test]
fn a_machines_emergency_start_is_never_acknowledged() {
    let grant = opened_by(asker(1), true).grant;
    let yes = Command::Acknowledge { by: human("bob", 1), hash: grant.request_hash, yes: Yes::default() };
    assert!(matches!(grant.apply(yes, at(1)), Err(Refusal::Machine { .. })));
}

#[test]
fn an_acknowledgement_at_the_deadline_is_too_late() {
    let grant = open(false).grant;
    let yes = Command::Acknowledge { by: human("bob", 1), hash: grant.request_hash, yes: Yes::default() };
    assert!(grant.apply(yes.clone(), at(899)).is_ok());
    assert_eq!(grant.apply(yes, at(900)).unwrap_err(), Refusal::Overdue(Deadline::Lapse));
}

#[test]
fn an_acknowledged_emergency_gets_its_whole_time() {
    let grant = open(true).grant;
    assert_eq!(grant.activation().unwrap().fence(), Timestamp::from_second(START + 600).unwrap());
    let yes = Command::Acknowledge { by: human("bob", 1), hash: grant.request_hash, yes: Yes::default() };
    let grant = grant.apply(yes, at(599)).unwrap().grant;
    assert_eq!(grant.activation().unwrap().fence(), Timestamp::from_second(START + 3_600).unwrap());
    assert_eq!(grant.due(at(601)), None);
}

#[test]
fn a_mint_is_discarded_when_its_grant_ends_meanwhile() {
    let grant = open(false).grant;
    let grant = grant
        .apply(Command::Acknowledge { by: human("bob", 1), hash: grant.request_hash, yes: Yes::default() }, at(1))
        .unwrap()
        .grant;
    let fence = grant.activation().unwrap().fence();
    let (transition, warrant) =
        grant.intend_mint(&human("alice", 1).into(), draft(fence, at(2)), false, at(2)).unwrap();
    let revoked = transition
        .grant
        .apply(Command::Revoke { by: human("carol", 1), reason: reason("stop"), rules: Vec::new() }, at(3))
        .unwrap()
        .grant;
    assert!(!revoked.still_warrants(&warrant, at(3)));
}

#[test]
fn a_grant_without_its_reason_mints_nothing() {
    let (mut grant, alice) = (open(true).grant, Party::from(human("alice", 1)));
    let fence = grant.mint_fence(&alice, at(1)).unwrap();
    Arc::make_mut(&mut grant.request).reason = Reason::erased();
    assert_eq!(grant.mint_fence(&alice, at(1)), Err(Refusal::RequestChanged));
    assert_eq!(grant.intend_mint(&alice, draft(fence, at(1)), false, at(1)).unwrap_err(), Refusal::RequestChanged);
    grant.count_mint(fence, 900, at(1)).unwrap();
    assert_eq!(grant.activation().unwrap().mints.count, 1, "its record can still be followed");
}

#[test]
fn the_largest_refusal_fits_into_an_entry() {
    use halligan_core::actor::Actor;
    use halligan_core::entry::{Draft, ENTRY_BYTES_MAX, Links, Subject};
    use halligan_core::event::{Event, Recorded, bounded};
    let unmet = bounded(vec!["be a member of one of: on-call (roles.prod-admin.requesters)".repeat(9); 500]);
    let (counted, kept) = unmet.split_last().unwrap();
    assert!(kept.len() > 1 && *counted == format!("… and {} more", 500 - kept.len()), "{unmet:?}");
    let event = Event::ActionRefused {
        action: "startEmergency".to_owned(),
        problem: "not-permitted".to_owned(),
        rules: bounded(vec!["a-rule-with-a-long-name".to_owned(); 500]),
        unmet,
    };
    let grant = open(false).grant;
    let draft = Draft {
        id: Uuid::nil(),
        salt: [0; 16],
        actor: Actor::api(grant.request.requester.clone()),
        subject: Subject::target(&grant.request.target),
        links: Links::to(&grant),
        incident: Some(grant.request.incident.clone()),
        recorded: Recorded::plain(event),
    };
    let json = serde_json::to_vec(&draft.seal(at(0), at(0)).entry).unwrap();
    assert!(json.len() < ENTRY_BYTES_MAX, "{}", json.len());
}
