//! Sessions and tokens that end by a person's hand, one's own or a colleague's: whatever is
//! from before counts no more, on every replica and after a backup is restored.

use std::sync::Arc;

use halligan_core::event::Event;
use halligan_engine::caller::Caller;
use halligan_engine::fakes::fixtures::{CI_ISSUER, ISSUER, machine, person};
use halligan_engine::fakes::world::{FakeWorld, Running, caller};
use halligan_engine::identity::{Bearer, SentAway, Stranger};
use halligan_engine::ports::{Claims, Clock as _, Passkeys as _, SecretText, Sessions as _, SignOuts as _};
use halligan_engine::problem::{Problem, ProblemKind};
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use crate::passkeys::{answer, enrolled, key};
use crate::sign_ins::{Doors, back, doors, kind};
use crate::support::{refused, types};

/// A token that was issued so many seconds from now; none: it doesn't say when.
fn claims(doors: &Doors, subject: &str, issued: Option<i64>) -> Claims {
    let mut claims = Claims::new();
    claims.insert("sub".to_owned(), json!(subject));
    if let Some(seconds) = issued {
        claims.insert("iat".to_owned(), json!(doors.world.clock.now().as_second() + seconds));
    }
    claims
}

async fn bearer(running: &Running, claims: &Claims) -> Result<Bearer, Stranger> {
    running.broker.identity().bearer(ISSUER, claims).await
}

async fn is_in(running: &Running, token: &SecretText) -> bool {
    running.broker.identity().session(token, None).await.is_ok()
}

fn tick(doors: &Doors) {
    doors.world.clock.advance(SignedDuration::from_secs(1));
}

#[tokio::test]
async fn somebody_sees_their_sessions_and_ends_one_of_them() {
    let doors = doors();
    let identity = doors.running.broker.identity();
    let first = doors.sign_in("alice", false).await;
    tick(&doors);
    let second = doors.sign_in("alice", true).await;
    let bobs = doors.sign_in("bob", false).await;
    let alice = doors.caller(&second.token).await.unwrap();
    let ids = async |who: &Caller| identity.sessions(who).await.unwrap().iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(&alice).await, [second.session.id, first.session.id], "the newest first");
    for (name, id) in [("bob's", bobs.session.id), ("nobody's", Uuid::nil())] {
        let problem = identity.end_session(&alice, id).await.unwrap_err();
        assert_eq!(problem.kind, ProblemKind::NotFound, "{name}");
    }
    identity.end_session(&alice, first.session.id).await.unwrap();
    assert_eq!(ids(&alice).await, [second.session.id]);
    assert_eq!(doors.caller(&first.token).await.unwrap_err(), ProblemKind::Unauthenticated);
    assert!(is_in(&doors.running, &second.token).await && is_in(&doors.running, &bobs.token).await);
    let ended = doors.world.store.entries().into_iter().next_back().unwrap().sealed.entry;
    assert_eq!(ended.event, Event::SessionEnded { session: first.session.id });
    assert_eq!(ended.actor.party.unwrap().as_str(), "alice");
    assert_eq!(kind(identity.end_session(&alice, first.session.id).await), ProblemKind::NotFound, "once");
    // What nobody used for an hour is over, and not shown.
    doors.world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(ids(&alice).await, Vec::<Uuid>::new());
    let robot = Caller { party: machine(None), ..caller("alice") };
    assert_eq!(kind(identity.sessions(&robot).await), ProblemKind::NotPermitted);
}

/// One instant for browsers and command lines, and every replica knows it.
#[tokio::test]
async fn signing_out_everywhere_ends_sessions_and_tokens_from_before() {
    let doors = doors();
    let other = doors.world.start_as("two");
    let identity = doors.running.broker.identity();
    let here = doors.sign_in("alice", false).await;
    let there = doors.sign_in("alice", false).await;
    let bobs = doors.sign_in("bob", false).await;
    let (token, bob) = (claims(&doors, "alice", Some(0)), claims(&doors, "bob", Some(0)));
    tick(&doors);
    assert!(bearer(&other, &token).await.is_ok());
    let alice = doors.caller(&here.token).await.unwrap();
    assert_eq!(identity.sign_out_everywhere(&alice).await.unwrap(), 2);
    for running in [&doors.running, &other] {
        assert!(!is_in(running, &here.token).await && !is_in(running, &there.token).await);
        assert!(is_in(running, &bobs.token).await && bearer(running, &bob).await.is_ok(), "bob has no part in it");
        let refused = bearer(running, &token).await.unwrap_err();
        assert!(matches!(&refused, Stranger::Outdated(problem) if problem.is_recorded()), "{refused:?}");
        assert!(refused.to_string().contains("sign in again"), "{refused}");
    }
    let undated = bearer(&other, &claims(&doors, "alice", None)).await.unwrap_err();
    assert!(undated.to_string().contains("expected one with `iat`"), "{undated}");
    assert!(bearer(&other, &claims(&doors, "bob", None)).await.is_ok(), "nobody signed him out");
    // Clocks are some seconds apart: a token counts as soon as its issuer's clock has passed the instant.
    let issued = [(-5, false), (-1, false), (0, false), (1, true), (4, true)];
    for (seconds, counts) in issued {
        let found = bearer(&doors.running, &claims(&doors, "alice", Some(seconds))).await;
        assert_eq!(found.is_ok(), counts, "{seconds}: {found:?}");
    }
    tick(&doors);
    let again = doors.sign_in("alice", false).await;
    assert!(is_in(&other, &again.token).await);
    let happened = types(&doors.world.store.entries());
    assert_eq!(happened.iter().filter(|kind| *kind == "person.signed_out").count(), 1, "{happened:?}");
}

#[tokio::test]
async fn a_sign_in_that_was_under_way_and_a_session_that_was_put_back_are_from_before() {
    let doors = doors();
    let store = &doors.world.store;
    let alice = doors.sign_in("alice", false).await;
    let caller = doors.caller(&alice.token).await.unwrap();
    let SentAway { browser, .. } = doors.send_away(None).await;
    let asked = doors.provider.asked().unwrap();
    tick(&doors);
    doors.running.broker.identity().sign_out_everywhere(&caller).await.unwrap();
    tick(&doors);
    let code = doors.provider.signs_in(&asked.nonce, "alice", doors.world.clock.now(), false).into();
    let late = doors.take_back("id", &back(&code, &asked.state, &browser)).await;
    assert_eq!(kind(late), ProblemKind::SignIn);
    // A replica that wrote it late, or a row from elsewhere: the instant holds by itself.
    store.open(&alice.session, vec![], doors.world.clock.now()).await.unwrap();
    assert!(!is_in(&doors.running, &alice.token).await);
    assert_eq!(doors.running.broker.identity().sessions(&caller).await.unwrap(), []);
    let identity = doors.running.broker.identity();
    let step_up = identity.send_away(&"id".parse().unwrap(), "/", Some(&alice.token), None).await;
    assert_eq!(kind(step_up), ProblemKind::Unauthenticated);
}

/// Where nobody can tell whether somebody was signed out, nobody gets in.
#[tokio::test]
async fn a_store_that_does_not_answer_lets_nobody_in() {
    let doors = doors();
    let token = claims(&doors, "alice", Some(0));
    doors.world.store.set_down(true);
    let problem: Problem = match bearer(&doors.running, &token).await.unwrap_err() {
        Stranger::Outdated(problem) => *problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem.kind, ProblemKind::StoreUnavailable);
}

#[tokio::test]
async fn machines_are_not_signed_out() {
    let doors = doors();
    let identity = doors.running.broker.identity();
    let robot = Caller { party: machine(None), ..caller("alice") };
    assert_eq!(kind(identity.sign_out_everywhere(&robot).await), ProblemKind::NotPermitted);
    let mut claims = claims(&doors, "repo", None);
    claims.insert("repository".to_owned(), json!("example/app"));
    assert!(identity.bearer(CI_ISSUER, &claims).await.is_ok());
}

/// carol is in the administrators' group, alice and bob are not.
#[tokio::test]
async fn a_colleague_ends_the_sessions_of_a_lost_phone_and_removes_its_passkey() {
    let (doors, _) = enrolled().await;
    let (world, broker) = (&doors.world, &doors.running.broker);
    let alice = doors.sign_in("alice", false).await;
    let token = claims(&doors, "alice", Some(0));
    let credential = key(1).credential();
    let why = "her phone was stolen at the station";
    tick(&doors);
    // Neither a bystander, nor she herself this way, nor a machine.
    let robot = Caller { party: machine(None), ..caller("carol") };
    for (name, who) in [("bob", caller("bob")), ("alice", caller("alice")), ("a machine", robot)] {
        let outcome = broker.sign_out_person(&who, "alice", why).await;
        assert_eq!(refused(world, outcome, ProblemKind::NotPermitted).obligations, [], "{name}");
        refused(world, broker.remove_passkey_of(&who, "alice", &credential, why).await, ProblemKind::NotPermitted);
        refused(world, broker.passkeys_of(&who, "alice").await.map(drop), ProblemKind::NotPermitted);
        refused(world, broker.people(&who).await, ProblemKind::NotPermitted);
    }
    let carol = caller("carol");
    refused(world, broker.sign_out_person(&carol, "alice", "").await, ProblemKind::Invalid);
    refused(world, broker.sign_out_person(&carol, "mallory", why).await, ProblemKind::NotFound);
    refused(world, broker.sign_out_person(&carol, "no name!", why).await, ProblemKind::Invalid);
    let not_his = broker.remove_passkey_of(&carol, "bob", &credential, why).await;
    refused(world, not_his, ProblemKind::NotFound);
    assert!(is_in(&doors.running, &alice.token).await && bearer(&doors.running, &token).await.is_ok());

    assert_eq!(broker.people(&carol).await.unwrap(), ["alice", "bob", "carol"].map(person));
    assert_eq!(broker.sign_out_person(&carol, "alice", why).await.unwrap(), 1);
    assert!(!is_in(&doors.running, &alice.token).await && bearer(&doors.running, &token).await.is_err());
    assert_eq!(broker.passkeys_of(&carol, "alice").await.unwrap().len(), 1);
    broker.remove_passkey_of(&carol, "alice", &credential, why).await.unwrap();
    assert_eq!(broker.passkeys_of(&carol, "alice").await.unwrap(), []);

    let entries = world.store.entries();
    let told = |kind: &str| {
        let at = types(&entries).iter().rposition(|found| found == kind).unwrap();
        let sealed = &entries[at].sealed;
        let by = sealed.entry.actor.party.as_ref().unwrap().as_str().to_owned();
        let data = serde_json::to_value(&sealed.entry).unwrap()["data"]["person"].clone();
        (by, data, sealed.personal.as_ref().unwrap().fields.0["reason"].clone())
    };
    for kind in ["person.signed_out", "passkey.removed"] {
        assert_eq!(told(kind), ("carol".to_owned(), json!("alice"), why.to_owned()), "{kind}");
    }
}

/// The store is from before, the log knows of all of it.
#[tokio::test(start_paused = true)]
async fn a_restored_backup_brings_nothing_back_that_was_ended() {
    let (doors, _) = enrolled().await;
    let (world, identity) = (&doors.world, doors.running.broker.identity());
    let (alice, bob) = (doors.sign_in("alice", false).await, doors.sign_in("bob", false).await);
    let token = claims(&doors, "alice", Some(0));
    doors.running.settle().await.unwrap();
    let backup = Arc::new(world.store.backup());
    tick(&doors);
    identity.sign_out(&bob.token).await.unwrap();
    identity.sign_out_everywhere(&caller("alice")).await.unwrap();
    identity.remove_passkey(&caller("bob"), &key(2).credential()).await.unwrap();
    doors.running.settle().await.unwrap();
    let since = world.store.signed_out(&person("alice")).await.unwrap();

    let restored = FakeWorld { store: backup, ..world.clone() };
    assert!(restored.store.passkey(&key(2).credential()).await.unwrap().is_some(), "the backup has it");
    let running = restored.start();
    running.settle().await.unwrap();
    assert_eq!(restored.store.signed_out(&person("alice")).await.unwrap(), since);
    assert!(!is_in(&running, &alice.token).await && !is_in(&running, &bob.token).await);
    assert!(bearer(&running, &token).await.is_err(), "a token from before is still from before");
    assert_eq!(restored.store.passkey(&key(2).credential()).await.unwrap(), None);
    let asked = running.broker.identity().challenge_to_sign_in(None).await.unwrap();
    let by_key = running.broker.identity().sign_in_by_passkey(&answer(&key(2), &asked), None).await;
    assert_eq!(kind(by_key), ProblemKind::PasskeyRefused);
    // A store that knows nothing at all learns it too.
    let empty = FakeWorld { store: Arc::default(), ..world.clone() };
    let running = empty.start();
    running.settle().await.unwrap();
    assert_eq!(empty.store.signed_out(&person("alice")).await.unwrap(), since);
    assert!(bearer(&running, &token).await.is_err());
}
