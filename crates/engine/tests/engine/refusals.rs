//! Each refusal of coming in is in the log once: with the name of whoever is known, in a count otherwise.

use halligan_core::grant::Grant;
use halligan_engine::caller::Caller;
use halligan_engine::fakes::fixtures::{ISSUER, machine};
use halligan_engine::fakes::world::caller;
use halligan_engine::identity::{Back, ChallengeAsk, EnrolmentAsk, Identity, PasskeyAnswer, PasskeyStanding, Stranger};
use halligan_engine::ports::{Claims, Clock as _, SecretText, SignInMethod};
use halligan_engine::problem::{Problem, ProblemKind};
use halligan_log::passkey::soft::SoftAuthenticator;
use jiff::SignedDuration;
use uuid::Uuid;

use crate::passkeys::{answer, bytes, enrolled, key};
use crate::policies::and;
use crate::sign_ins::{Doors, back};
use crate::support::{ask, counted, id, refusals};

/// Whose refusal it is.
enum Left {
    /// Somebody's, who tried this.
    Entry(&'static str, &'static str),
    /// A stranger's.
    Count,
}
use Left::{Count, Entry};

/// Checks what a refusal leaves: that, and nothing beside it.
async fn leaves<T>(doors: &Doors, name: &str, outcome: Result<T, Problem>, kind: ProblemKind, left: Left) {
    let problem = outcome.map(drop).expect_err(name);
    assert_eq!(problem.kind, kind, "{name}: {problem}");
    assert!(problem.is_recorded(), "{name}");
    let slug = kind.slug().to_owned();
    let new = doors.new_refusals();
    let counts = counted(&doors.world, &doors.running).await;
    match left {
        Entry(who, action) => {
            assert_eq!(new, [(who.to_owned(), action.to_owned(), slug)], "{name}");
            assert!(counts.is_empty(), "{name}: {counts:?}");
        }
        Count => {
            assert_eq!(new, [], "{name}");
            assert_eq!(counts, [(slug, 1)].into(), "{name}");
        }
    }
}

fn robot() -> Caller {
    Caller { party: machine(None), ..caller("alice") }
}

fn by_passkey(name: &str) -> Caller {
    Caller { method: Some(SignInMethod::Passkey), ..caller(name) }
}

fn made(asked: &ChallengeAsk, key: &SoftAuthenticator, label: &str) -> EnrolmentAsk {
    let registration = key.register(&bytes(&asked.challenge)).unwrap();
    EnrolmentAsk { nonce: asked.nonce.clone(), label: label.to_owned(), registration }
}

async fn enrol(identity: &Identity, who: &Caller, key: &SoftAuthenticator) -> Result<PasskeyStanding, Problem> {
    let asked = identity.challenge_to_enrol(who).await?;
    identity.enrol(who, made(&asked, key, "a key"), None).await
}

#[tokio::test]
async fn of_an_enrolment() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    let (alice, stale) = (caller("alice"), Caller { provider_proof_age: None, ..caller("alice") });
    let of_alice = || Entry("alice", "enrol_passkey");

    for (name, who, left) in [
        ("by a passkey's session", by_passkey("alice"), of_alice()),
        ("without a proof", stale, of_alice()),
        ("by a machine", robot(), Entry("deploy", "enrol_passkey")),
    ] {
        leaves(&doors, name, identity.challenge_to_enrol(&who).await, ProblemKind::NotPermitted, left).await;
        let asked = identity.challenge_to_enrol(&alice).await.unwrap();
        let left = if name == "by a machine" { Entry("deploy", "enrol_passkey") } else { of_alice() };
        let outcome = identity.enrol(&who, made(&asked, &key(11), "a key"), None).await;
        leaves(&doors, name, outcome, ProblemKind::NotPermitted, left).await;
    }
    let asked = identity.challenge_to_enrol(&alice).await.unwrap();
    let unnamed = identity.enrol(&alice, made(&asked, &key(11), " "), None).await;
    leaves(&doors, "without a name", unnamed, ProblemKind::Invalid, of_alice()).await;

    let asked = identity.challenge_to_enrol(&alice).await.unwrap();
    let by_bob = identity.enrol(&caller("bob"), made(&asked, &key(11), "a key"), None).await;
    leaves(&doors, "to another's challenge", by_bob, ProblemKind::PasskeyRefused, Entry("bob", "enrol_passkey")).await;

    let asked = identity.challenge_to_enrol(&alice).await.unwrap();
    let other = identity.challenge_to_enrol(&alice).await.unwrap();
    let ask = EnrolmentAsk { nonce: asked.nonce, ..made(&other, &key(11), "a key") };
    let swapped = identity.enrol(&alice, ask, None).await;
    leaves(&doors, "over another challenge", swapped, ProblemKind::PasskeyRefused, of_alice()).await;

    let long = enrol(identity, &alice, &key(16).named(&[8; 601])).await;
    leaves(&doors, "too long an id", long, ProblemKind::PasskeyRefused, of_alice()).await;
    let twice = enrol(identity, &alice, &key(2)).await;
    leaves(&doors, "bob's key", twice, ProblemKind::PasskeyRefused, of_alice()).await;
    for seed in 21..30 {
        enrol(identity, &alice, &key(seed)).await.unwrap();
    }
    let many = identity.challenge_to_enrol(&alice).await;
    leaves(&doors, "one more than anybody needs", many, ProblemKind::RateLimited, of_alice()).await;
}

#[tokio::test]
async fn of_a_confirmation() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    let (alice, bob) = (caller("alice"), caller("bob"));
    enrol(identity, &bob, &key(12)).await.unwrap();
    enrol(identity, &alice, &key(13)).await.unwrap();
    let (new, unknown) = (key(12).credential(), key(9).credential());
    let of_alice = || Entry("alice", "confirm_passkey");
    let challenge = async |who: &Caller, credential: &str| identity.challenge_to_confirm(who, credential).await;

    leaves(&doors, "one's own", challenge(&bob, &new).await, ProblemKind::SamePerson, Entry("bob", "confirm_passkey"))
        .await;
    leaves(&doors, "no key", challenge(&alice, &unknown).await, ProblemKind::NotFound, of_alice()).await;
    let by_machine = challenge(&robot(), &new).await;
    leaves(&doors, "by a machine", by_machine, ProblemKind::NotPermitted, Entry("deploy", "confirm_passkey")).await;
    let without = challenge(&caller("dave"), &new).await;
    leaves(&doors, "without a key", without, ProblemKind::NotFound, Entry("dave", "confirm_passkey")).await;

    let confirm = async |who: &Caller, seed: u8| {
        let asked = challenge(&alice, &new).await.unwrap();
        identity.confirm(who, &new, &answer(&key(seed), &asked)).await
    };
    let own = confirm(&bob, 2).await;
    leaves(&doors, "one's own, answered", own, ProblemKind::SamePerson, Entry("bob", "confirm_passkey")).await;
    leaves(&doors, "another's key", confirm(&alice, 3).await, ProblemKind::PasskeyRefused, of_alice()).await;
    leaves(&doors, "a key that is none", confirm(&alice, 9).await, ProblemKind::PasskeyRefused, of_alice()).await;
    leaves(&doors, "a new key", confirm(&alice, 13).await, ProblemKind::PasskeyRefused, of_alice()).await;
    let mut untouched = key(1);
    untouched.verified = false;
    let asked = challenge(&alice, &new).await.unwrap();
    let unverified = identity.confirm(&alice, &new, &answer(&untouched, &asked)).await;
    leaves(&doors, "an untouched key", unverified, ProblemKind::PasskeyRefused, of_alice()).await;
    let late = answer(&key(1), &challenge(&alice, &new).await.unwrap());
    doors.world.clock.advance(SignedDuration::from_mins(5));
    leaves(&doors, "late", identity.confirm(&alice, &new, &late).await, ProblemKind::PasskeyRefused, of_alice()).await;

    confirm(&alice, 1).await.unwrap();
    leaves(&doors, "twice", challenge(&alice, &new).await, ProblemKind::Conflict, of_alice()).await;
    leaves(&doors, "twice, answered", identity.confirm(&alice, &new, &late).await, ProblemKind::Conflict, of_alice())
        .await;
}

#[tokio::test]
async fn of_what_is_ones_own() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    let (alice, dave) = (caller("alice"), caller("dave"));
    let not_hers = identity.remove_passkey(&alice, &key(2).credential()).await;
    leaves(&doors, "another's key", not_hers, ProblemKind::NotFound, Entry("alice", "remove_passkey")).await;
    let none = identity.remove_passkey(&alice, "none").await;
    leaves(&doors, "no key", none, ProblemKind::NotFound, Entry("alice", "remove_passkey")).await;
    let by_machine = identity.remove_passkey(&robot(), "none").await;
    leaves(&doors, "a machine's key", by_machine, ProblemKind::NotPermitted, Entry("deploy", "remove_passkey")).await;

    let bobs = doors.sign_in("bob", true).await;
    let ended = identity.end_session(&alice, bobs.session.id).await;
    leaves(&doors, "another's session", ended, ProblemKind::NotFound, Entry("alice", "end_session")).await;
    let ended = identity.end_session(&alice, Uuid::nil()).await;
    leaves(&doors, "no session", ended, ProblemKind::NotFound, Entry("alice", "end_session")).await;
    let out = identity.sign_out_everywhere(&robot()).await;
    leaves(&doors, "a machine", out, ProblemKind::NotPermitted, Entry("deploy", "sign_out")).await;

    let none = identity.challenge_to_step_up(&dave).await;
    leaves(&doors, "without a key", none, ProblemKind::NotFound, Entry("dave", "step_up")).await;
    let signed_in = doors.sign_in("alice", false).await;
    let (who, session) = identity.session(&signed_in.token, None).await.unwrap();
    enrol(identity, &alice, &key(11)).await.unwrap();
    for (name, seed) in [("bob's key", 2), ("no key", 9), ("a new key", 11)] {
        let asked = identity.challenge_to_step_up(&who).await.unwrap();
        let outcome = identity.step_up_by_passkey(&who, &session, &answer(&key(seed), &asked)).await;
        leaves(&doors, name, outcome, ProblemKind::PasskeyRefused, Entry("alice", "step_up")).await;
    }
}

#[tokio::test]
async fn of_a_signature() {
    let (doors, _) = enrolled().await;
    let broker = &doors.running.broker;
    let identity = broker.identity();
    let grant: Grant = broker.request(&caller("alice"), ask()).await.unwrap();
    let without = identity.challenge_to_acknowledge(&caller("dave"), &grant).await;
    leaves(&doors, "without a key", without, ProblemKind::NotFound, Entry("dave", "acknowledge")).await;
    let by_machine = identity.challenge_to_acknowledge(&robot(), &grant).await;
    leaves(&doors, "by a machine", by_machine, ProblemKind::NotPermitted, Entry("deploy", "acknowledge")).await;
    enrol(identity, &caller("bob"), &key(12)).await.unwrap();
    for (name, seed) in [("carol's key", 3), ("no key", 9), ("a new key", 12)] {
        let asked = identity.challenge_to_acknowledge(&caller("bob"), &grant).await.unwrap();
        let signed: PasskeyAnswer = answer(&key(seed), &asked);
        let hash = grant.request_hash.to_string();
        let outcome = broker.acknowledge(&caller("bob"), &id(&grant), &hash, Some(&signed)).await;
        leaves(&doors, name, outcome, ProblemKind::PasskeyRefused, Entry("bob", "acknowledge")).await;
    }
}

#[tokio::test]
async fn of_looking_after_others() {
    let (doors, _) = enrolled().await;
    let broker = &doors.running.broker;
    let bob = caller("bob");
    let credential = key(1).credential();
    let kind = ProblemKind::NotPermitted;
    leaves(&doors, "people", broker.people(&bob).await, kind, Entry("bob", "read_people")).await;
    leaves(&doors, "keys", broker.passkeys_of(&bob, "alice").await, kind, Entry("bob", "read_people")).await;
    let out = broker.sign_out_person(&bob, "alice", "why not").await;
    leaves(&doors, "out", out, kind, Entry("bob", "sign_out")).await;
    let removed = broker.remove_passkey_of(&bob, "alice", &credential, "why not").await;
    leaves(&doors, "removed", removed, kind, Entry("bob", "remove_passkey")).await;
    let nobody = broker.sign_out_person(&caller("carol"), "mallory", "why not").await;
    leaves(&doors, "nobody", nobody, ProblemKind::NotFound, Entry("carol", "sign_out")).await;
}

/// Whoever has proved who they are is known, though they don't come in.
#[tokio::test]
async fn of_a_sign_in_by_somebody_who_is_known() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    let by_passkey = async |seed: u8| {
        let asked = identity.challenge_to_sign_in(None).await.unwrap();
        identity.sign_in_by_passkey(&answer(&key(seed), &asked), None).await
    };
    let answers = by_passkey(2).await;
    leaves(&doors, "the provider answers", answers, ProblemKind::NotPermitted, Entry("bob", "sign_in")).await;
    doors.provider.set_down(true);
    doors.other.set_down(true);
    enrol(identity, &caller("alice"), &key(11)).await.unwrap();
    doors.world.clock.advance(SignedDuration::from_mins(1));
    leaves(&doors, "a new key", by_passkey(11).await, ProblemKind::PasskeyRefused, Entry("alice", "sign_in")).await;
    doors.provider.set_down(false);
    doors.other.set_down(false);

    let come_back = async |session: Option<&SecretText>, subject: &str| {
        let sent = doors.send_away(session).await;
        let asked = doors.provider.asked().unwrap();
        let code = doors.provider.signs_in(&asked.nonce, subject, doors.world.clock.now(), true).into();
        doors.take_back("id", &back(&code, &asked.state, &sent.browser)).await
    };
    let alice = doors.sign_in("alice", false).await;
    let other = come_back(Some(&alice.token), "bob").await;
    leaves(&doors, "as somebody else", other, ProblemKind::SignIn, Entry("bob", "step_up")).await;
    let unknown = identity.send_away(&"nobody".parse().unwrap(), "/", Some(&alice.token), None).await;
    leaves(&doors, "no provider", unknown, ProblemKind::NotFound, Entry("alice", "step_up")).await;
    doors.provider.set_down(true);
    let down = identity.send_away(&"id".parse().unwrap(), "/", Some(&alice.token), None).await;
    leaves(&doors, "it is down", down, ProblemKind::ProviderUnavailable, Entry("alice", "step_up")).await;
    doors.provider.set_down(false);

    let sent = doors.send_away(None).await;
    let asked = doors.provider.asked().unwrap();
    doors.world.clock.advance(SignedDuration::from_secs(1));
    identity.sign_out_everywhere(&caller("alice")).await.unwrap();
    let mut claims = Claims::new();
    claims.insert("sub".to_owned(), "alice".into());
    let outcome = identity.bearer(ISSUER, &claims).await.map_err(|stranger| match stranger {
        Stranger::Outdated(problem) => *problem,
        other => panic!("{other}"),
    });
    leaves(&doors, "an old token", outcome, ProblemKind::Unauthenticated, Entry("alice", "sign_in")).await;
    let code = doors.provider.signs_in(&asked.nonce, "alice", doors.world.clock.now(), true).into();
    let before = doors.take_back("id", &back(&code, &asked.state, &sent.browser)).await;
    leaves(&doors, "begun before", before, ProblemKind::SignIn, Entry("alice", "sign_in")).await;

    and(
        &doors.groups,
        r#"@id("closed") @satisfiedBy("come back tomorrow") forbid (principal, action == Halligan::Action::"signIn", resource);"#,
    );
    let closed = come_back(None, "alice").await;
    leaves(&doors, "the policy", closed, ProblemKind::NotPermitted, Entry("alice", "sign_in")).await;
}

#[tokio::test]
async fn of_a_stranger() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    let provider = "id".parse().unwrap();
    let nobody = identity.send_away(&"nobody".parse().unwrap(), "/", None, None).await;
    leaves(&doors, "no provider", nobody, ProblemKind::NotFound, Count).await;
    let over = identity.send_away(&provider, "/", Some(&"0".repeat(64).into()), None).await;
    leaves(&doors, "no session", over, ProblemKind::Unauthenticated, Count).await;
    doors.provider.set_down(true);
    let down = identity.send_away(&provider, "/", None, None).await;
    leaves(&doors, "it is down", down, ProblemKind::ProviderUnavailable, Count).await;
    doors.provider.set_down(false);

    let code = |subject: &str| -> SecretText {
        let asked = doors.provider.asked().unwrap();
        doors.provider.signs_in(&asked.nonce, subject, doors.world.clock.now(), true).into()
    };
    let another = "ab".repeat(32).into();
    for (name, kind, change) in [
        ("no state", ProblemKind::SignIn, (|back| back.state = None) as fn(&mut Back<'_>)),
        ("another state", ProblemKind::SignIn, |back| back.state = Some("0123")),
        ("no browser", ProblemKind::SignIn, |back| back.browser = None),
        ("no code", ProblemKind::SignIn, |back| back.code = None),
        ("the provider's no", ProblemKind::SignIn, |back| back.error = Some("access_denied")),
    ] {
        let sent = doors.send_away(None).await;
        let (asked, good) = (doors.provider.asked().unwrap(), code("alice"));
        let mut come = back(&good, &asked.state, &sent.browser);
        change(&mut come);
        leaves(&doors, name, doors.take_back("id", &come).await, kind, Count).await;
    }
    for (name, provider, browser, subject, kind) in [
        ("nobody's login", "id", None, "stranger", ProblemKind::UnlinkedPrincipal),
        ("another browser", "id", Some(&another), "alice", ProblemKind::SignIn),
        ("another provider", "other", None, "alice", ProblemKind::SignIn),
    ] {
        let sent = doors.send_away(None).await;
        let (state, code) = (doors.provider.asked().unwrap().state, code(subject));
        let come = back(&code, &state, browser.unwrap_or(&sent.browser));
        leaves(&doors, name, doors.take_back(provider, &come).await, kind, Count).await;
    }

    let by_passkey = async |seed: u8| {
        let asked = identity.challenge_to_sign_in(None).await.unwrap();
        identity.sign_in_by_passkey(&answer(&key(seed), &asked), None).await
    };
    leaves(&doors, "no key", by_passkey(9).await, ProblemKind::PasskeyRefused, Count).await;
    let asked = identity.challenge_to_step_up(&caller("bob")).await.unwrap();
    let for_another = identity.sign_in_by_passkey(&answer(&key(2), &asked), None).await;
    leaves(&doors, "another challenge", for_another, ProblemKind::PasskeyRefused, Count).await;
    doors.groups.remove("bob");
    leaves(&doors, "no person", by_passkey(2).await, ProblemKind::UnlinkedPrincipal, Count).await;
}

/// What fails here is refused to nobody: the operators' log has it.
#[tokio::test]
async fn of_nobody_while_the_store_is_down() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    doors.world.store.set_down(true);
    let of_alice = identity.challenge_to_enrol(&caller("alice")).await.unwrap_err();
    let of_a_stranger = identity.challenge_to_sign_in(None).await.unwrap_err();
    doors.world.store.set_down(false);
    for problem in [of_alice, of_a_stranger] {
        assert_eq!((problem.kind, problem.is_recorded()), (ProblemKind::StoreUnavailable, false));
    }
    assert_eq!(refusals(&doors.world), []);
    assert!(counted(&doors.world, &doors.running).await.is_empty());
}
