//! How often: who is refused then, when it is over, and who can't use up somebody else's.

use std::collections::BTreeMap;
use std::net::IpAddr;

use halligan_core::event::Event;
use halligan_core::incident::IncidentStatus;
use halligan_engine::caller::{Caller, RequestAsk};
use halligan_engine::fakes::fixtures::incident;
use halligan_engine::fakes::world::{FakeWorld, MANY, Running, caller};
use halligan_engine::ports::Clock as _;
use halligan_engine::problem::{Problem, ProblemKind};
use halligan_engine::rate::Rates;
use jiff::SignedDuration;

use crate::passkeys::{answer, enrolled, key};
use crate::sign_ins::{back, doors};
use crate::support::{Groups, advance, ask, counted, id, refused, world};

const HOUR: i64 = 3_600;

/// A world with these rates, and its broker.
fn limited(rates: Rates) -> (FakeWorld, Groups, Running) {
    let (mut world, groups) = world();
    world.rates = rates;
    let running = world.start();
    (world, groups, running)
}

fn from(name: &str, address: &str) -> Caller {
    Caller { address: Some(address.parse::<IpAddr>().unwrap()), ..caller(name) }
}

fn about(number: &str) -> RequestAsk {
    RequestAsk { incident: ("file".to_owned(), number.to_owned()), ..ask() }
}

/// Checks that it is refused, that it says for how long, and whose name the entry has.
#[track_caller]
fn limits<T: std::fmt::Debug>(world: &FakeWorld, outcome: Result<T, Problem>, who: &str, seconds: i64, words: &str) {
    let problem = refused(world, outcome, ProblemKind::RateLimited);
    assert_eq!(problem.retry_after_seconds, Some(u32::try_from(seconds).unwrap()), "{problem}");
    assert!(problem.detail.contains(words), "{problem}");
    let entry = world.store.entries().pop().unwrap().sealed.entry;
    assert_eq!(entry.actor.party.unwrap().as_str(), who);
}

#[tokio::test]
async fn a_person_asks_so_often_an_hour() {
    let (world, _, running) = limited(Rates { requests_per_person: 2, ..MANY });
    let broker = &running.broker;
    broker.request(&caller("alice"), ask()).await.unwrap();
    advance(&world, 600);
    // What was refused counts too: whoever guesses is held up.
    refused(&world, broker.request(&caller("alice"), about("INC-0")).await, ProblemKind::IncidentClosed);
    limits(&world, broker.request(&caller("alice"), ask()).await, "alice", HOUR - 600 + 1, "of `alice`");
    // By whatever login and from wherever; and nobody else.
    limits(&world, broker.request(&from("alice", "192.0.2.9"), ask()).await, "alice", HOUR - 600 + 1, "of `alice`");
    broker.request(&caller("bob"), ask()).await.unwrap();
    advance(&world, HOUR - 601);
    limits(&world, broker.request(&caller("alice"), ask()).await, "alice", 2, "of `alice`");
    advance(&world, 1);
    for _ in 0..2 {
        broker.request(&caller("alice"), ask()).await.unwrap();
    }
    limits(&world, broker.request(&caller("alice"), ask()).await, "alice", HOUR + 1, "of `alice`");
}

#[tokio::test]
async fn an_address_asks_so_often_an_hour_whoever_sits_there() {
    let (world, _, running) = limited(Rates { requests_per_address: 2, ..MANY });
    let broker = &running.broker;
    let cases = [
        ("IPv4", ["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"], "192.0.2.2"),
        ("a network of IPv6", ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:3"], "2001:db8:0:1::1"),
    ];
    for (name, [first, second, third], elsewhere) in cases {
        broker.request(&from("alice", first), ask()).await.expect(name);
        broker.request(&from("bob", second), ask()).await.expect(name);
        limits(&world, broker.request(&from("alice", third), ask()).await, "alice", HOUR + 1, "from this address");
        broker.request(&from("alice", elsewhere), ask()).await.expect(name);
    }
    // Whose address isn't known is held to no address.
    broker.request(&caller("alice"), ask()).await.unwrap();
    advance(&world, HOUR);
    broker.request(&from("alice", "192.0.2.1"), ask()).await.unwrap();
}

#[tokio::test]
async fn an_incident_is_asked_about_so_often_and_who_may_not_ask_uses_nothing_up() {
    let (world, groups, running) = limited(Rates { requests_per_incident: 2, ..MANY });
    world.incidents.open(incident("INC-220"));
    let broker = &running.broker;
    groups.put("dave", &[]);
    for _ in 0..5 {
        refused(&world, broker.request(&caller("dave"), ask()).await, ProblemKind::NotPermitted);
        // Nor does what is refused for what it says.
        let wrong = RequestAsk { scope: Some("nothing".to_owned()), ..ask() };
        refused(&world, broker.request(&caller("alice"), wrong).await, ProblemKind::UnknownScope);
    }
    broker.request(&caller("alice"), ask()).await.unwrap();
    broker.request(&caller("bob"), ask()).await.unwrap();
    limits(&world, broker.request(&caller("alice"), ask()).await, "alice", HOUR + 1, "about `file:INC-219`");
    limits(&world, broker.request(&caller("bob"), ask()).await, "bob", HOUR + 1, "about `file:INC-219`");
    broker.request(&caller("alice"), about("INC-220")).await.unwrap();
    advance(&world, HOUR);
    broker.request(&caller("alice"), ask()).await.unwrap();
}

#[tokio::test]
async fn who_guesses_at_acknowledgements_is_shut_out_and_a_good_one_counts_for_nothing() {
    let (world, groups, running) = limited(Rates { refused_acknowledgements: 2, ..MANY });
    let broker = &running.broker;
    let good = async |who: &str| {
        let grant = broker.request(&caller("alice"), ask()).await.unwrap();
        let hash = grant.request_hash.to_string();
        let outcome = broker.acknowledge(&caller(who), &id(&grant), &hash, None).await;
        outcome.map(drop)?;
        broker.give_back(&caller("alice"), &id(&grant)).await.map(drop)
    };
    let grant = broker.request(&caller("alice"), ask()).await.unwrap();
    let (right, other) = (grant.request_hash.to_string(), "ab".repeat(32));
    let guess = async |who: &str, hash: &str| broker.acknowledge(&caller(who), &id(&grant), hash, None).await;
    for _ in 0..5 {
        good("bob").await.unwrap();
    }
    refused(&world, guess("bob", &other).await, ProblemKind::HashMismatch);
    good("bob").await.unwrap();
    // An outage is nobody's guess.
    world.incidents.set(incident("INC-219"), IncidentStatus::Unknown { reason: "it is down".to_owned() });
    for _ in 0..5 {
        refused(&world, guess("bob", &right).await, ProblemKind::IncidentUnknown);
    }
    world.incidents.open(incident("INC-219"));
    refused(&world, guess("bob", "no hash").await, ProblemKind::Invalid);
    limits(&world, guess("bob", &right).await, "bob", HOUR + 1, "of your acknowledgements");
    // alice guesses at her own: that is her count, and not bob's or carol's.
    for _ in 0..2 {
        refused(&world, guess("alice", &right).await, ProblemKind::SamePerson);
    }
    limits(&world, guess("alice", &right).await, "alice", HOUR + 1, "of your acknowledgements");
    good("carol").await.unwrap();
    // Whoever the policy lets do nothing guesses too.
    groups.put("dave", &[]);
    for _ in 0..2 {
        refused(&world, guess("dave", &right).await, ProblemKind::NotPermitted);
    }
    limits(&world, guess("dave", &right).await, "dave", HOUR + 1, "of your acknowledgements");
    advance(&world, HOUR - 1);
    limits(&world, guess("bob", &right).await, "bob", 2, "of your acknowledgements");
    advance(&world, 1);
    good("bob").await.unwrap();
}

/// Somebody who is refused over and over leaves so many entries a minute; the rest is counted.
#[tokio::test]
async fn whoever_is_limited_fills_no_log() {
    let (world, _, running) = limited(Rates { requests_per_person: 1, ..MANY });
    running.settle().await.unwrap();
    running.broker.request(&caller("alice"), ask()).await.unwrap();
    for _ in 0..100 {
        running.broker.request(&caller("alice"), ask()).await.unwrap_err();
    }
    advance(&world, 61);
    running.settle().await.unwrap();
    let entries = world.store.entries();
    let refusals = entries.iter().filter(|queued| matches!(queued.sealed.entry.event, Event::ActionRefused { .. }));
    assert_eq!(refusals.count(), 60);
    let counted = entries.iter().find_map(|queued| match &queued.sealed.entry.event {
        Event::RefusalsCounted { counts, .. } => Some(counts.clone()),
        _ => None,
    });
    assert_eq!(counted.unwrap()["rate-limited"], 40);
}

/// An address begins so many sign-ins a minute, by whichever way: strangers are counted, not named.
#[tokio::test]
async fn an_address_begins_so_many_sign_ins_a_minute() {
    let doors = doors();
    let identity = doors.running.broker.identity();
    let provider = "id".parse().unwrap();
    let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    for number in 1..=15 {
        identity.send_away(&provider, "/", None, address(&format!("2001:db8::{number}"))).await.unwrap();
        identity.challenge_to_sign_in(address(&format!("2001:db8::ffff:{number}"))).await.unwrap();
    }
    let away = identity.send_away(&provider, "/", None, address("2001:db8::99")).await.unwrap_err();
    let challenge = identity.challenge_to_sign_in(address("2001:db8::98")).await.unwrap_err();
    for problem in [away, challenge] {
        assert_eq!((problem.kind, problem.retry_after_seconds), (ProblemKind::RateLimited, Some(61)), "{problem}");
    }
    // Nobody else is held up, nor whoever has come as far as the provider.
    identity.send_away(&provider, "/", None, address("2001:db8:0:1::1")).await.unwrap();
    identity.send_away(&provider, "/", None, address("192.0.2.1")).await.unwrap();
    doors.sign_in("alice", true).await;
    assert_eq!(counted(&doors.world, &doors.running).await, [("rate-limited".to_owned(), 2)].into());
    identity.send_away(&provider, "/", None, address("2001:db8::99")).await.unwrap();
}

/// One person asks for so many challenges a minute, in their own name.
#[tokio::test]
async fn a_person_asks_for_so_many_challenges_a_minute() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    for _ in 0..30 {
        identity.challenge_to_step_up(&caller("alice")).await.unwrap();
    }
    let refusal = identity.challenge_to_step_up(&caller("alice")).await;
    limits(&doors.world, refusal, "alice", 61, "too many challenges");
    identity.challenge_to_step_up(&caller("bob")).await.unwrap();
    advance(&doors.world, 60);
    identity.challenge_to_step_up(&caller("alice")).await.unwrap();
}

/// Strangers without end take up so much room, none of it that of people who are known, and none of it
/// for good: whoever comes after them comes in.
#[tokio::test]
async fn a_flood_of_strangers_shuts_out_nobody() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    let own = identity.challenge_to_step_up(&caller("bob")).await.unwrap();
    let away = identity.send_away(&"id".parse().unwrap(), "/", None, None).await.unwrap();
    let on_the_way = doors.provider.asked().unwrap();
    for number in 0..6_000_u32 {
        let address = IpAddr::from((0x2001_0db8_u128 << 96 | u128::from(number) << 64).to_be_bytes());
        identity.challenge_to_sign_in(Some(address)).await.unwrap();
    }
    assert_eq!(doors.world.store.ceremonies(), 5_000 + 2);
    // Who was asked before them can still answer, and who was on the way to the provider comes back.
    let bob = doors.sign_in("bob", true).await;
    let (who, session) = identity.session(&bob.token, None).await.unwrap();
    identity.step_up_by_passkey(&who, &session, &answer(&key(2), &own)).await.unwrap();
    let code = doors.provider.signs_in(&on_the_way.nonce, "alice", doors.world.clock.now(), true).into();
    doors.take_back("id", &back(&code, &on_the_way.state, &away.browser)).await.unwrap();
    // The way in by a passkey is still there, too.
    doors.provider.set_down(true);
    doors.other.set_down(true);
    let asked = identity.challenge_to_sign_in(None).await.unwrap();
    identity.sign_in_by_passkey(&answer(&key(3), &asked), None).await.unwrap();
    assert_eq!(counted(&doors.world, &doors.running).await, BTreeMap::new(), "nobody was refused");
}

/// A flood on the way to the provider: whoever comes during it comes in.
#[tokio::test]
async fn a_flood_at_the_provider_makes_the_oldest_begin_again() {
    let doors = doors();
    let identity = doors.running.broker.identity();
    let provider = "id".parse().unwrap();
    let oldest = identity.send_away(&provider, "/", None, None).await.unwrap();
    let begun = doors.provider.asked().unwrap();
    doors.world.clock.advance(SignedDuration::from_secs(1));
    for number in 0..10_000_u32 {
        let address = IpAddr::from((0x2001_0db8_u128 << 96 | u128::from(number) << 64).to_be_bytes());
        identity.send_away(&provider, "/", None, Some(address)).await.unwrap();
    }
    assert_eq!(doors.world.store.ceremonies(), 10_000);
    doors.sign_in("alice", true).await;
    let code = doors.provider.signs_in(&begun.nonce, "bob", doors.world.clock.now(), true).into();
    let late = doors.take_back("id", &back(&code, &begun.state, &oldest.browser)).await;
    assert_eq!(late.unwrap_err().kind, ProblemKind::SignIn);
}
