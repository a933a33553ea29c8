//! Passkeys: what they sign, when they count, and what `log verify` makes of it.

use std::sync::Arc;

use halligan_core::event::Event;
use halligan_engine::caller::Caller;
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::identity::FakeNotices;
use halligan_engine::fakes::world::{FakeWorld, caller};
use halligan_engine::identity::{ChallengeAsk, EnrolmentAsk, Identity, PasskeyAnswer, PasskeyStanding};
use halligan_engine::life::{Keyring, Unsound};
use halligan_engine::ports::{Passkeys as _, QueuedEntry, SignInMethod};
use halligan_engine::problem::{Problem, ProblemKind};
use halligan_log::passkey::Algorithm;
use halligan_log::passkey::soft::SoftAuthenticator;
use jiff::SignedDuration;

use crate::sign_ins::{Doors, doors};
use crate::support::{ask, id, refused, types};

const RP: &str = "halligan.example.com";
const ORIGIN: &str = "https://halligan.example.com";

pub fn key(seed: u8) -> SoftAuthenticator {
    SoftAuthenticator::from_seed(Algorithm::EdDSA, [seed; 32], RP, ORIGIN).unwrap()
}

pub fn bytes(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).unwrap();
    bytes
}

pub fn answer(key: &SoftAuthenticator, ask: &ChallengeAsk) -> PasskeyAnswer {
    PasskeyAnswer { nonce: ask.nonce.clone(), assertion: key.assert(&bytes(&ask.challenge)).unwrap() }
}

pub async fn enrol(identity: &Identity, who: &Caller, key: &SoftAuthenticator) -> Result<PasskeyStanding, Problem> {
    let asked = identity.challenge_to_enrol(who).await?;
    let registration = key.register(&bytes(&asked.challenge)).unwrap();
    let ask = EnrolmentAsk { nonce: asked.nonce, label: "a key".to_owned(), registration };
    identity.enrol(who, ask, None).await
}

/// Doors whose notices are taken, and a day has passed since alice, bob and carol enrolled the keys 1, 2 and 3.
pub async fn enrolled() -> (Doors, Arc<FakeNotices>) {
    let mut doors = doors();
    let notices = Arc::new(FakeNotices::default());
    doors.world.notices = Some(notices.clone());
    doors.running = doors.world.start();
    let identity = doors.running.broker.identity();
    for (seed, person) in [(1, "alice"), (2, "bob"), (3, "carol")] {
        enrol(identity, &caller(person), &key(seed)).await.unwrap();
    }
    identity.tell_of_enrolments().await.unwrap();
    doors.world.clock.advance(SignedDuration::from_hours(24));
    (doors, notices)
}

/// alice asks, and bob's key 2 signs his yes.
async fn signed_by_bob(doors: &Doors) {
    let broker = &doors.running.broker;
    let grant = broker.request(&caller("alice"), ask()).await.unwrap();
    let asked = broker.identity().challenge_to_acknowledge(&caller("bob"), &grant).await.unwrap();
    let signed = answer(&key(2), &asked);
    broker.acknowledge(&caller("bob"), &id(&grant), &grant.request_hash.to_string(), Some(&signed)).await.unwrap();
}

fn unsound(entries: &[QueuedEntry]) -> Vec<Unsound> {
    let mut keyring = Keyring::default();
    entries.iter().filter_map(|entry| keyring.enter(&entry.sealed).err()).collect()
}

#[tokio::test]
async fn an_acknowledgement_is_signed_over_the_request_and_the_log_alone_shows_it() {
    let (doors, _) = enrolled().await;
    let broker = &doors.running.broker;
    let grant = broker.request(&caller("alice"), ask()).await.unwrap();
    let (name, hash) = (id(&grant), grant.request_hash.to_string());
    let asked = broker.identity().challenge_to_acknowledge(&caller("bob"), &grant).await.unwrap();
    let signed = answer(&key(2), &asked);
    broker.acknowledge(&caller("bob"), &name, &hash, Some(&signed)).await.unwrap();
    let entries = doors.world.store.entries();
    assert_eq!(unsound(&entries), []);

    // Whoever changes the entry, the request or the person is found.
    let at = entries.iter().position(|e| matches!(e.sealed.entry.event, Event::GrantAcknowledged { .. })).unwrap();
    let edited = |edit: &dyn Fn(&mut halligan_core::entry::Entry)| {
        let mut entries = entries.clone();
        edit(&mut entries[at].sealed.entry);
        unsound(&entries)
    };
    let other_request = edited(&|entry| {
        if let Event::GrantAcknowledged { request_hash, .. } = &mut entry.event {
            *request_hash = "00".repeat(32).try_into().unwrap();
        }
    });
    assert!(matches!(other_request[..], [Unsound::Signature(_)]), "{other_request:?}");
    let other_person = edited(&|entry| entry.actor.party = Some(fixtures::human("carol").into()));
    assert_eq!(other_person, [Unsound::Foreign]);
    let other_key = edited(&|entry| {
        if let Event::GrantAcknowledged { signed: Some(signed), .. } = &mut entry.event {
            signed.credential = key(9).credential();
        }
    });
    assert_eq!(other_key, [Unsound::Unknown]);
}

/// Each answer is good for one thing, once.
#[tokio::test]
async fn a_signature_for_something_else_acknowledges_nothing() {
    let (doors, _) = enrolled().await;
    let (world, broker) = (&doors.world, &doors.running.broker);
    let identity = broker.identity();
    let one = broker.request(&caller("alice"), ask()).await.unwrap();
    let two = broker.request(&caller("alice"), ask()).await.unwrap();
    let hash = one.request_hash.to_string();
    let asked = async |grant| identity.challenge_to_acknowledge(&caller("bob"), grant).await.unwrap();
    let say_yes = async |by: &str, answer: &PasskeyAnswer| {
        let outcome = broker.acknowledge(&caller(by), &id(&one), &hash, Some(answer)).await;
        refused(world, outcome, ProblemKind::PasskeyRefused);
    };

    say_yes("bob", &answer(&key(2), &asked(&two).await)).await;
    say_yes("bob", &answer(&key(3), &asked(&one).await)).await;
    say_yes("carol", &answer(&key(2), &asked(&one).await)).await;
    say_yes("bob", &answer(&key(9), &asked(&one).await)).await;
    let mut untouched = key(2);
    untouched.verified = false;
    say_yes("bob", &answer(&untouched, &asked(&one).await)).await;
    let elsewhere =
        SoftAuthenticator::from_seed(Algorithm::EdDSA, [2; 32], "evil.example.com", "https://evil.example.com");
    say_yes("bob", &answer(&elsewhere.unwrap(), &asked(&one).await)).await;
    let stepping_up = identity.challenge_to_step_up(&caller("bob")).await.unwrap();
    say_yes("bob", &answer(&key(2), &stepping_up)).await;
    let late = asked(&one).await;
    world.clock.advance(SignedDuration::from_mins(5));
    say_yes("bob", &answer(&key(2), &late)).await;
    // An answer that was wrong is used up: the right one to the same challenge comes too late.
    let spent = asked(&one).await;
    say_yes("bob", &answer(&key(9), &spent)).await;
    say_yes("bob", &answer(&key(2), &spent)).await;
    // And one that was right acknowledges once.
    let good = answer(&key(2), &asked(&one).await);
    broker.acknowledge(&caller("bob"), &id(&one), &hash, Some(&good)).await.unwrap();
    let again = broker.acknowledge(&caller("bob"), &id(&two), &two.request_hash.to_string(), Some(&good)).await;
    refused(world, again, ProblemKind::PasskeyRefused);
}

#[tokio::test]
async fn an_enrolment_counts_when_another_confirms_it_or_a_day_after_its_notice() {
    let (doors, notices) = enrolled().await;
    let broker = &doors.running.broker;
    let identity = broker.identity();
    assert_eq!(notices.told().len(), 3);
    let grant = broker.request(&caller("carol"), ask()).await;
    refused(&doors.world, grant, ProblemKind::NotPermitted);
    let grant = broker.request(&caller("alice"), ask()).await.unwrap();
    let yes = async |seed: u8| {
        let asked = identity.challenge_to_acknowledge(&caller("bob"), &grant).await.unwrap();
        let answer = answer(&key(seed), &asked);
        broker.acknowledge(&caller("bob"), &id(&grant), &grant.request_hash.to_string(), Some(&answer)).await
    };
    // Nobody was told of the new one: the channel is down.
    notices.set_down(true);
    let new = enrol(identity, &caller("bob"), &key(12)).await.unwrap();
    assert!(!new.counts && new.counts_from.is_none());
    assert_eq!(identity.tell_of_enrolments().await.unwrap(), 0);
    doors.world.clock.advance(SignedDuration::from_mins(1));
    refused(&doors.world, yes(12).await, ProblemKind::PasskeyRefused);

    // His own key, and a key that doesn't count itself, vouch for nothing.
    let credential = key(12).credential();
    let own = identity.challenge_to_confirm(&caller("bob"), &credential).await;
    assert_eq!(own.unwrap_err().kind, ProblemKind::SamePerson);
    enrol(identity, &caller("carol"), &key(13)).await.unwrap();
    let asked = identity.challenge_to_confirm(&caller("carol"), &credential).await.unwrap();
    let by_new = identity.confirm(&caller("carol"), &credential, &answer(&key(13), &asked)).await;
    assert_eq!(by_new.unwrap_err().kind, ProblemKind::PasskeyRefused);
    let asked = identity.challenge_to_confirm(&caller("carol"), &credential).await.unwrap();
    let standing = identity.confirm(&caller("carol"), &credential, &answer(&key(3), &asked)).await.unwrap();
    assert!(standing.counts);
    yes(12).await.unwrap();
    assert_eq!(unsound(&doors.world.store.entries()), [], "the log shows all of it");

    // Told, it counts a day later, and not a second before.
    notices.set_down(false);
    identity.tell_of_enrolments().await.unwrap();
    let counts = async || identity.passkeys(&caller("carol")).await.unwrap()[1].counts;
    doors.world.clock.advance(SignedDuration::from_secs(86_399));
    assert!(!counts().await);
    doors.world.clock.advance(SignedDuration::from_secs(1));
    assert!(counts().await);
}

/// Without the broker's checks the log still tells: keys that did not count are exceptions.
#[tokio::test]
async fn a_key_that_did_not_count_is_an_exception_of_the_log() {
    let (doors, _) = enrolled().await;
    signed_by_bob(&doors).await;
    let without_notices: Vec<QueuedEntry> = doors
        .world
        .store
        .entries()
        .into_iter()
        .filter(|entry| !matches!(entry.sealed.entry.event, Event::PasskeyNoticed { .. }))
        .collect();
    assert_eq!(unsound(&without_notices), [Unsound::NotCounted]);
}

/// A provider that was taken over, or left, takes with it what was enrolled through it.
#[tokio::test]
async fn a_passkey_is_good_for_as_long_as_the_login_that_enrolled_it() {
    let (doors, _) = enrolled().await;
    let (broker, identity) = (&doors.running.broker, doors.running.broker.identity());
    doors.provider.set_down(true);
    doors.other.set_down(true);
    doors.world.clock.advance(SignedDuration::from_secs(5));
    let asked = identity.challenge_to_sign_in(None).await.unwrap();
    let bob = identity.sign_in_by_passkey(&answer(&key(2), &asked), None).await.unwrap();
    let (who, _) = identity.session(&bob.token, None).await.unwrap();
    let grant = broker.request(&caller("alice"), ask()).await.unwrap();
    broker.acknowledge(&who, &id(&grant), &grant.request_hash.to_string(), None).await.unwrap();
    broker.mint(&caller("alice"), &id(&grant)).await.unwrap();
    // bob is the person that he was, by another login.
    doors.groups.relink("bob", "somebody-else");
    assert_eq!(identity.session(&bob.token, None).await.unwrap_err().kind, ProblemKind::UnlinkedPrincipal);
    let asked = identity.challenge_to_sign_in(None).await.unwrap();
    let again = identity.sign_in_by_passkey(&answer(&key(2), &asked), None).await;
    assert_eq!(again.unwrap_err().kind, ProblemKind::UnlinkedPrincipal);
    refused(&doors.world, broker.mint(&caller("alice"), &id(&grant)).await, ProblemKind::UnlinkedPrincipal);
}

/// A wait that somebody wrote into the log afterwards is none: what it began with is as old as its place.
#[tokio::test]
async fn a_notice_that_is_dated_back_begins_no_wait() {
    let (doors, _) = enrolled().await;
    signed_by_bob(&doors).await;
    let mut entries = doors.world.store.entries();
    let now = entries.last().unwrap().sealed.entry.time;
    for entry in entries.iter_mut().map(|queued| &mut queued.sealed.entry) {
        if matches!(entry.event, Event::PasskeyNoticed { .. }) {
            entry.decided_at = Some(entry.time);
            entry.time = now;
        }
    }
    assert_eq!(unsound(&entries), [Unsound::NotCounted]);
}

/// With the session of another, and a key of their own, they would be two people.
#[tokio::test]
async fn who_asks_has_vouched_for_no_key_that_answers() {
    let (doors, _) = enrolled().await;
    let broker = &doors.running.broker;
    let identity = broker.identity();
    enrol(identity, &caller("bob"), &key(12)).await.unwrap();
    let credential = key(12).credential();
    let asked = identity.challenge_to_confirm(&caller("alice"), &credential).await.unwrap();
    let standing = identity.confirm(&caller("alice"), &credential, &answer(&key(1), &asked)).await.unwrap();
    assert!(standing.counts);
    let yes = async |requester: Caller| {
        let grant = broker.request(&requester, ask()).await.unwrap();
        let asked = identity.challenge_to_acknowledge(&caller("bob"), &grant).await.unwrap();
        let signed = answer(&key(12), &asked);
        broker.acknowledge(&caller("bob"), &id(&grant), &grant.request_hash.to_string(), Some(&signed)).await
    };
    doors.groups.put("carol", &["on-call", "leads", "security"]);
    let problem = refused(&doors.world, yes(caller("alice")).await, ProblemKind::PasskeyRefused);
    insta::assert_snapshot!(problem.detail, @"this passkey was confirmed less than 24h ago, by somebody who has or may have a part in this grant: expected a third person, or another passkey");
    // Of the two who answer a machine alice could be the other, whoever comes first.
    let machine = Caller { party: fixtures::machine(None), ..caller("carol") };
    refused(&doors.world, yes(machine.clone()).await, ProblemKind::PasskeyRefused);
    yes(caller("carol")).await.unwrap();
    // The log shows it too, where the broker's check is missing.
    let mut entries = doors.world.store.entries();
    assert_eq!(unsound(&entries), []);
    for entry in entries.iter_mut().map(|queued| &mut queued.sealed.entry) {
        if matches!(entry.event, Event::GrantAcknowledged { .. }) {
            entry.links.requester = Some((&fixtures::person("alice")).into());
        }
    }
    assert_eq!(unsound(&entries), [Unsound::VouchedByRequester]);
    // Its owner had a day to object.
    doors.world.clock.advance(SignedDuration::from_hours(24));
    yes(machine).await.unwrap();
    yes(caller("alice")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_restored_store_knows_who_vouched_with_an_older_key() {
    let (doors, _) = enrolled().await;
    let (world, identity) = (&doors.world, doors.running.broker.identity());
    doors.running.settle().await.unwrap();
    let backup = Arc::new(world.store.backup());
    enrol(identity, &caller("bob"), &key(12)).await.unwrap();
    let credential = key(12).credential();
    let asked = identity.challenge_to_confirm(&caller("carol"), &credential).await.unwrap();
    identity.confirm(&caller("carol"), &credential, &answer(&key(3), &asked)).await.unwrap();
    doors.running.settle().await.unwrap();

    let restored = FakeWorld { store: backup, ..world.clone() };
    restored.start().settle().await.unwrap();
    let passkey = restored.store.passkey(&credential).await.unwrap().unwrap();
    assert_eq!(passkey.confirmed.map(|(by, _)| by), Some(fixtures::person("carol")));
}

#[tokio::test]
async fn a_stolen_session_makes_no_lasting_key() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    // Who came in by a passkey enrols none.
    let by_key = Caller { method: Some(SignInMethod::Passkey), ..caller("bob") };
    let problem = enrol(identity, &by_key, &key(14)).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::NotPermitted);
    // A key is one person's, for good.
    // Its signatures have to fit into entries.
    enrol(identity, &caller("alice"), &key(15).named(&[7; 600])).await.unwrap();
    let problem = enrol(identity, &caller("alice"), &key(16).named(&[8; 601])).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::PasskeyRefused);
    assert!(problem.detail.contains("too long"), "{problem}");
    let problem = enrol(identity, &caller("alice"), &key(2)).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::PasskeyRefused);
    // One that was removed signs nothing.
    identity.remove_passkey(&caller("bob"), &key(2).credential()).await.unwrap();
    let problem = identity.challenge_to_step_up(&caller("bob")).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::NotFound);
    let problem = identity.remove_passkey(&caller("bob"), &key(3).credential()).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::NotFound, "carol's is not his to remove");
}

#[tokio::test]
async fn a_passkey_is_the_way_in_while_the_provider_is_down_and_only_then() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    let sign_in = async |seed: u8| {
        // What was found of the providers is known for a few seconds.
        doors.world.clock.advance(SignedDuration::from_secs(5));
        let asked = identity.challenge_to_sign_in(None).await.unwrap();
        identity.sign_in_by_passkey(&answer(&key(seed), &asked), None).await
    };
    assert_eq!(sign_in(2).await.unwrap_err().kind, ProblemKind::NotPermitted, "the provider answers");
    doors.provider.set_down(true);
    assert_eq!(sign_in(2).await.unwrap_err().kind, ProblemKind::NotPermitted, "the other provider answers");
    doors.other.set_down(true);
    let bob = sign_in(2).await.unwrap();
    let (who, _) = identity.session(&bob.token, None).await.unwrap();
    assert_eq!((who.party.as_str(), who.method), ("bob", Some(SignInMethod::Passkey)));
    assert_eq!(sign_in(9).await.unwrap_err().kind, ProblemKind::PasskeyRefused);
    let opened = types(&doors.world.store.entries());
    assert!(opened.contains(&"session.opened".to_owned()));
    // He acknowledges with it, and the grant's mints go on: he is still a person here.
    let broker = &doors.running.broker;
    let grant = broker.request(&caller("alice"), ask()).await.unwrap();
    broker.acknowledge(&who, &id(&grant), &grant.request_hash.to_string(), None).await.unwrap();
    broker.mint(&caller("alice"), &id(&grant)).await.unwrap();
    // Removed, it opens nothing, what it opened is over, and nothing rests on what was said by it.
    identity.remove_passkey(&who, &key(2).credential()).await.unwrap();
    assert!(identity.session(&bob.token, None).await.is_err());
    refused(&doors.world, broker.mint(&caller("alice"), &id(&grant)).await, ProblemKind::UnlinkedPrincipal);
    doors.groups.remove("carol");
    assert_eq!(sign_in(3).await.unwrap_err().kind, ProblemKind::UnlinkedPrincipal);
}

#[tokio::test]
async fn a_counter_that_goes_back_is_told() {
    let (doors, _) = enrolled().await;
    let (broker, identity) = (&doors.running.broker, doors.running.broker.identity());
    let bob = doors.sign_in("bob", false).await;
    let (who, session) = identity.session(&bob.token, None).await.unwrap();
    for (counter, told) in [(0, 0), (5, 0), (6, 0), (6, 1), (2, 2), (3, 2)] {
        let asked = identity.challenge_to_step_up(&who).await.unwrap();
        let mut key = key(2);
        key.counter = counter;
        identity.step_up_by_passkey(&who, &session, &answer(&key, &asked)).await.unwrap();
        let kinds = types(&doors.world.store.entries());
        assert_eq!(kinds.iter().filter(|kind| *kind == "passkey.counter_went_back").count(), told, "{counter}");
    }
    assert!(broker.identity().passkeys(&who).await.unwrap()[0].counts);
}
