//! What passkeys are said to have signed: `log verify` lists each exception at its index, and
//! finds nothing else wrong with the log that it stands in.

use halligan_core::actor::Actor;
use halligan_core::entry::{Draft, Links, Subject};
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Command, Grant, State, Yes};
use halligan_core::id::Nonce;
use halligan_core::signed::{Enrolment, Signed};
use halligan_engine::audit::Report;
use halligan_engine::fakes::fixtures::{self, Asking, at, human, person, reason};
use halligan_log::Leaf;
use halligan_log::passkey::soft::SoftAuthenticator;
use halligan_log::passkey::{Algorithm, Assertion, Verb, challenge, enrolment_hash};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::log::{Log, leaf};
use crate::story::{Story, api};

const RP: &str = "halligan.example.com";
const ORIGIN: &str = "https://halligan.example.com";
const DAY: i64 = 24 * 3_600;
/// When alice asks.
const NIGHT: i64 = DAY + 100;
/// How a forger makes an assertion.
type Forge = fn(&SoftAuthenticator, &[u8; 32], &[u8; 32]) -> Assertion;
/// How a writer spells an entry.
type Spell<'a> = &'a dyn Fn(&str) -> String;

fn key(algorithm: Algorithm, seed: u8) -> SoftAuthenticator {
    SoftAuthenticator::from_seed(algorithm, [seed; 32], RP, ORIGIN).unwrap()
}

fn bobs() -> SoftAuthenticator {
    key(Algorithm::ES256, 2)
}

fn carols() -> SoftAuthenticator {
    key(Algorithm::EdDSA, 3)
}

fn enrolment_of(who: &str, key: &SoftAuthenticator) -> [u8; 32] {
    enrolment_hash(who, &key.credential(), &key.public_key().unwrap())
}

fn as_entry(nonce: [u8; 32], assertion: Assertion) -> Signed {
    let Assertion { credential, authenticator_data, client_data, signature } = assertion;
    Signed { credential, nonce: Nonce(nonce), authenticator_data, client_data, signature }
}

fn sign(key: &SoftAuthenticator, verb: Verb, thing: &[u8; 32], nonce: [u8; 32]) -> Signed {
    as_entry(nonce, key.assert(&challenge(verb, thing, &nonce)).unwrap())
}

impl Story {
    /// An entry about somebody's passkey.
    fn note(mut self, actor: Actor, enrolment: &[u8; 32], event: Event, seconds: i64) -> Self {
        self.written += 1;
        let id = fixtures::uuid(1_000_000 + self.written);
        let draft = Draft {
            id,
            salt: *id.as_bytes(),
            actor,
            subject: Subject { kind: "passkey".to_owned(), id: hex::encode(enrolment) },
            incident: None,
            links: Links::default(),
            recorded: Recorded::plain(event),
        };
        self.entries.push(draft.seal(at(seconds), at(seconds)));
        self
    }

    fn enrols(self, who: &str, key: &SoftAuthenticator, seconds: i64) -> Self {
        let (enrolment, public_key) = (enrolment_of(who, key), key.public_key().unwrap());
        let event = Event::PasskeyEnrolled(Enrolment {
            credential: key.credential(),
            algorithm: public_key.algorithm.to_string(),
            public_key: public_key.spki,
            rp_id: RP.to_owned(),
            origin: ORIGIN.to_owned(),
            enrolment: hex::encode(enrolment),
        });
        self.note(api(who), &enrolment, event, seconds)
    }

    fn told(self, who: &str, key: &SoftAuthenticator, seconds: i64) -> Self {
        self.told_by(Actor::SYSTEM, who, key, seconds)
    }

    fn told_by(self, actor: Actor, who: &str, key: &SoftAuthenticator, seconds: i64) -> Self {
        let event =
            Event::PasskeyNoticed { credential: key.credential(), person: person(who), channel: "mail".to_owned() };
        self.note(actor, &enrolment_of(who, key), event, seconds)
    }

    /// `by` vouches with `own` for the key of `whose`.
    fn confirms(
        self,
        by: &str,
        own: &SoftAuthenticator,
        (whose, key): (&str, &SoftAuthenticator),
        seconds: i64,
    ) -> Self {
        let enrolment = enrolment_of(whose, key);
        let nonce = [u8::try_from(self.written).unwrap(); 32];
        self.confirmed(by, (whose, key), sign(own, Verb::Confirm, &enrolment, nonce), seconds)
    }

    fn confirmed(self, by: &str, (whose, key): (&str, &SoftAuthenticator), signed: Signed, seconds: i64) -> Self {
        let (credential, enrolment) = (key.credential(), enrolment_of(whose, key));
        let event =
            Event::PasskeyConfirmed { credential, person: person(whose), enrolment: hex::encode(enrolment), signed };
        self.note(api(by), &enrolment, event, seconds)
    }

    fn removes(self, who: &str, key: &SoftAuthenticator, seconds: i64) -> Self {
        let event = Event::PasskeyRemoved { credential: key.credential(), person: person(who), rules: Vec::new() };
        self.note(api(who), &enrolment_of(who, key), event, seconds)
    }

    /// alice asks, and `by` acknowledges with this signature.
    fn night(self, by: &str, signed: impl FnOnce(&Grant) -> Option<Signed>) -> Self {
        self.night_of(by, signed).0
    }

    fn night_of(mut self, by: &str, signed: impl FnOnce(&Grant) -> Option<Signed>) -> (Self, Grant) {
        let grant = self.tell(&api("alice"), Asking::new(NIGHT.unsigned_abs() * 1_000).at(at(NIGHT)).open(), at(NIGHT));
        let yes = Yes { signed: signed(&grant), ..Yes::default() };
        let command = Command::Acknowledge { by: human(by), hash: grant.request_hash, yes };
        let grant = self.act(&grant, &api(by), command, at(NIGHT + 60));
        (self, grant)
    }

    /// alice asks for longer, and `by` acknowledges that with this signature.
    fn extends(&mut self, grant: &Grant, by: &str, signed: impl FnOnce(&[u8; 32]) -> Signed, seconds: i64) -> Grant {
        let ask = Command::RequestExtension {
            by: human("alice"),
            duration: SignedDuration::from_mins(10),
            reason: reason("it takes longer"),
            nonce: Nonce([7; 32]),
            rules: Vec::new(),
        };
        let grant = self.act(grant, &api("alice"), ask, at(seconds));
        let State::Active(active) = &grant.state else { panic!("{:?}", grant.state) };
        let hash = active.extension.as_ref().unwrap().hash;
        let yes = Yes { signed: Some(signed(&hash.bytes())), ..Yes::default() };
        let command = Command::AcknowledgeExtension { by: human(by), hash, yes };
        self.act(&grant, &api(by), command, at(seconds + 60))
    }

    /// Changes an entry where it stands.
    fn rewritten(mut self, index: usize, edit: impl FnOnce(&mut Value)) -> Self {
        let mut json = serde_json::to_value(&self.entries[index].entry).unwrap();
        edit(&mut json);
        self.entries[index].entry = serde_json::from_value(json).unwrap();
        self
    }
}

/// The request, signed by a key.
fn yes(key: &SoftAuthenticator) -> impl FnOnce(&Grant) -> Option<Signed> {
    |grant| Some(sign(key, Verb::Acknowledge, &grant.request_hash.bytes(), [77; 32]))
}

/// bob's key was told of, and has waited. 0 enrolled, 1 noticed
fn bob_counts() -> Story {
    Story::default().enrols("bob", &bobs(), 0).told("bob", &bobs(), 10)
}

/// So does carol's, which bob confirmed. 2 enrolled, 3 confirmed
fn both_count() -> Story {
    bob_counts().enrols("carol", &carols(), 20).confirms("bob", &bobs(), ("carol", &carols()), DAY + 10)
}

/// 4 requested, 5 acknowledged by carol, 6 activated, 7 extension requested, 8 acknowledged by bob
fn extended() -> Story {
    let (mut story, grant) = both_count().night_of("carol", yes(&carols()));
    story.extends(&grant, "bob", |hash| sign(&bobs(), Verb::Acknowledge, hash, [78; 32]), NIGHT + 100);
    story
}

/// Nothing but exceptions are found, and the rest was looked at all the same.
async fn exceptions(log: &Log) -> String {
    let report = log.verify().await;
    let found: Vec<&str> = report.findings.iter().map(|finding| finding.code()).collect();
    assert!(found.iter().all(|code| *code == "passkey"), "{:?}", report.findings);
    assert_eq!((report.found, report.exceptions), (found.len() as u64, found.len() as u64));
    assert_eq!((report.lives_until, report.is_sound()), (None, found.is_empty()));
    report.findings.iter().map(|finding| format!("  {finding}\n")).collect()
}

async fn listed(stories: Vec<(&str, Story)>) -> String {
    let mut text = String::new();
    for (name, story) in stories {
        let found = exceptions(&Log::of(&story.entries)).await;
        text.push_str(&format!("{name}\n{}", if found.is_empty() { "  none\n" } else { &found }));
    }
    text
}

#[tokio::test]
async fn what_enrolled_keys_signed_is_counted_and_no_finding() {
    let counted = |report: &Report| (report.acknowledged, report.signed);
    let report = Log::of(&extended().entries).verify().await;
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.entries, counted(&report)), (9, (2, 2)));
    let unsigned = both_count().night("carol", |_| None);
    let report = Log::of(&unsigned.entries).verify().await;
    assert!(report.is_sound(), "nobody demanded a signature");
    assert_eq!(counted(&report), (1, 0));
    let by_nobodys = both_count().night("carol", yes(&key(Algorithm::EdDSA, 9)));
    let report = Log::of(&by_nobodys.entries).verify().await;
    assert_eq!((report.exceptions, counted(&report)), (1, (1, 0)));
}

/// The rule of enrolments, from each side.
#[tokio::test]
async fn a_key_counts_once_another_confirmed_it_or_a_day_after_its_notice() {
    let (bob, carol) = (bobs(), carols());
    let enrolled = || Story::default().enrols("bob", &bobs(), 0);
    let told = |seconds: i64| enrolled().told("bob", &bobs(), seconds);
    let night = |story: Story| story.night("bob", yes(&bobs()));
    let vouched =
        |story: Story, by: &str, own: &SoftAuthenticator| night(story.confirms(by, own, ("bob", &bobs()), NIGHT - 1));
    let backdated = |entry: &mut Value| entry["decided_at"] = json!(at(-DAY));
    let stories = vec![
        ("told a day before", night(told(NIGHT + 60 - DAY))),
        ("told a second less than a day before", night(told(NIGHT + 61 - DAY))),
        ("never told", night(enrolled())),
        ("told by its owner", night(enrolled().told_by(api("bob"), "bob", &bob, 10))),
        ("somebody else was told", night(enrolled().rewritten_notice("carol"))),
        ("told by a date that was put back", {
            night(Story::default().enrols("bob", &bob, NIGHT - 9).told("bob", &bob, NIGHT).rewritten(1, backdated))
        }),
        ("confirmed by its own person", vouched(enrolled(), "bob", &bob)),
        ("confirmed by another key of its own person", {
            let other = key(Algorithm::EdDSA, 12);
            vouched(enrolled().enrols("bob", &other, 0).told("bob", &other, 10), "bob", &other)
        }),
        (
            "confirmed by a key that doesn't count itself",
            vouched(enrolled().enrols("carol", &carol, 20), "carol", &carol),
        ),
        ("confirmed by a key that nobody enrolled", vouched(enrolled(), "carol", &carol)),
        ("confirmed by somebody with another person's key", {
            let story = enrolled().enrols("carol", &carol, 0).told("carol", &carol, 10);
            vouched(story, "alice", &carol)
        }),
        ("confirmed by who asks", {
            let (own, story) = (key(Algorithm::EdDSA, 1), enrolled());
            vouched(story.enrols("alice", &own, 0).told("alice", &own, 10), "alice", &own)
        }),
        ("two keys that confirm each other", {
            let story = enrolled().enrols("carol", &carol, 0);
            vouched(story.confirms("bob", &bob, ("carol", &carol), 20), "carol", &carol)
        }),
        ("removed", night(told(10).removes("bob", &bob, NIGHT - 10))),
        ("removed and enrolled again", night(told(10).removes("bob", &bob, 20).enrols("bob", &bob, 30))),
        ("removed afterwards", night(told(10)).removes("bob", &bob, NIGHT + 70)),
    ];
    insta::assert_snapshot!(listed(stories).await, @"
    told a day before
      none
    told a second less than a day before
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    never told
      entry 2, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    told by its owner
      entry 1, `passkey.noticed` by `bob`: somebody recorded the notice of a passkey: expected the broker, which had sent it
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    somebody else was told
      entry 1, `passkey.noticed`: the passkey is another person's
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    told by a date that was put back
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    confirmed by its own person
      entry 1, `passkey.confirmed` by `bob`: they confirmed a passkey of their own: another person must
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    confirmed by another key of its own person
      entry 3, `passkey.confirmed` by `bob`: they confirmed a passkey of their own: another person must
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    confirmed by a key that doesn't count itself
      entry 2, `passkey.confirmed` by `carol`: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
      entry 4, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    confirmed by a key that nobody enrolled
      entry 1, `passkey.confirmed` by `carol`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    confirmed by somebody with another person's key
      entry 3, `passkey.confirmed` by `alice`: the passkey is another person's
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    confirmed by who asks
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed had been confirmed by the requester alone, less than a day before
    two keys that confirm each other
      entry 2, `passkey.confirmed` by `bob`: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
      entry 3, `passkey.confirmed` by `carol`: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    removed
      entry 4, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    removed and enrolled again
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    removed afterwards
      none
    ");
}

impl Story {
    /// A notice that names somebody whose passkey it isn't.
    fn rewritten_notice(self, person: &str) -> Self {
        let index = self.entries.len();
        self.told("bob", &bobs(), 10).rewritten(index, |entry| entry["data"]["person"] = json!(person))
    }
}

#[tokio::test]
async fn an_enrolment_that_was_rewritten_is_found_and_so_is_what_it_signed() {
    let (es256, other) = (bobs().public_key().unwrap(), carols().public_key().unwrap());
    let edited = |field: &'static str, value: &str| {
        let value = value.to_owned();
        let edit = move |entry: &mut Value| entry["data"][field] = json!(value);
        bob_counts().night("bob", yes(&bobs())).rewritten(0, edit)
    };
    let stories = vec![
        ("nothing", bob_counts().night("bob", yes(&bobs()))),
        (
            "its person",
            bob_counts().night("bob", yes(&bobs())).rewritten(0, |entry| entry["actor"]["person"] = json!("carol")),
        ),
        ("nobody's", {
            let nobody = |entry: &mut Value| entry["actor"] = json!({"channel": "system"});
            bob_counts().night("bob", yes(&bobs())).rewritten(0, nobody)
        }),
        ("its credential", edited("credential", &carols().credential())),
        ("its algorithm", edited("algorithm", "EdDSA")),
        ("an algorithm that is none", edited("algorithm", "HS256")),
        ("its key", edited("public_key", &key(Algorithm::ES256, 9).public_key().unwrap().spki)),
        ("a key of another algorithm", edited("public_key", &other.spki)),
        ("a text that says the same key in another way", edited("public_key", &format!("{}=", es256.spki))),
        ("its hash", edited("enrolment", &"00".repeat(32))),
        ("its site", edited("rp_id", "example.net")),
        ("enrolled twice", bob_counts().enrols("carol", &bobs(), 20).night("bob", yes(&bobs()))),
    ];
    insta::assert_snapshot!(listed(stories).await, @"
    nothing
      none
    its person
      entry 0, `passkey.enrolled` by `carol`: the enrolment's hash is not that of its person, credential and key
      entry 1, `passkey.noticed`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    nobody's
      entry 0, `passkey.enrolled`: no person did it: expected one who has a passkey
      entry 1, `passkey.noticed`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    its credential
      entry 0, `passkey.enrolled` by `bob`: the enrolment's hash is not that of its person, credential and key
      entry 1, `passkey.noticed`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    its algorithm
      entry 0, `passkey.enrolled` by `bob`: the public key is none that a passkey has
      entry 1, `passkey.noticed`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    an algorithm that is none
      entry 0, `passkey.enrolled` by `bob`: the public key is none that a passkey has
      entry 1, `passkey.noticed`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    its key
      entry 0, `passkey.enrolled` by `bob`: the enrolment's hash is not that of its person, credential and key
      entry 1, `passkey.noticed`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    a key of another algorithm
      entry 0, `passkey.enrolled` by `bob`: the public key is none that a passkey has
      entry 1, `passkey.noticed`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    a text that says the same key in another way
      entry 0, `passkey.enrolled` by `bob`: the public key is none that a passkey has
      entry 1, `passkey.noticed`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    its hash
      entry 0, `passkey.enrolled` by `bob`: the enrolment's hash is not that of its person, credential and key
      entry 1, `passkey.noticed`: no such passkey was enrolled, or it had been removed
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    its site
      entry 3, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: it was given on a page of another site than the passkey's
    enrolled twice
      entry 2, `passkey.enrolled` by `carol`: this passkey was enrolled before
    ");
    // Of a confirmation and a removal, too: what they name is what they are about.
    let confirmed =
        |field: &'static str, value: Value| both_count().rewritten(3, move |entry| entry["data"][field] = value);
    let stories = vec![
        ("whose was confirmed", confirmed("person", json!("bob"))),
        ("what was confirmed", confirmed("enrolment", json!("00".repeat(32)))),
        ("which was confirmed", confirmed("credential", json!(key(Algorithm::EdDSA, 9).credential()))),
        (
            "whose was removed",
            bob_counts().removes("bob", &bobs(), 20).rewritten(2, |entry| entry["data"]["person"] = json!("carol")),
        ),
        ("removed twice", bob_counts().removes("bob", &bobs(), 20).removes("bob", &bobs(), 30)),
    ];
    insta::assert_snapshot!(listed(stories).await, @"
    whose was confirmed
      entry 3, `passkey.confirmed` by `bob`: the passkey is another person's
    what was confirmed
      entry 3, `passkey.confirmed` by `bob`: the enrolment's hash is not that of its person, credential and key
    which was confirmed
      entry 3, `passkey.confirmed` by `bob`: no such passkey was enrolled, or it had been removed
    whose was removed
      entry 2, `passkey.removed` by `bob`: the passkey is another person's
    removed twice
      entry 3, `passkey.removed` by `bob`: no such passkey was enrolled, or it had been removed
    ");
}

/// The second person's yes, with each thing wrong that can be wrong with it.
#[tokio::test]
async fn a_signature_that_is_not_over_this_is_an_exception() {
    let forged: [(&str, Forge); 17] = [
        ("sound", |key, hash, nonce| key.assert(&challenge(Verb::Acknowledge, hash, nonce)).unwrap()),
        ("another request", |key, _, nonce| key.assert(&challenge(Verb::Acknowledge, &[1; 32], nonce)).unwrap()),
        ("another nonce", |key, hash, _| key.assert(&challenge(Verb::Acknowledge, hash, &[1; 32])).unwrap()),
        ("another action", |key, hash, nonce| key.assert(&challenge(Verb::StepUp, hash, nonce)).unwrap()),
        ("another origin", |_, hash, nonce| {
            with(hash, nonce, |key| key.origin = "https://halligan.example.com.evil.example".into())
        }),
        ("plain http", |_, hash, nonce| with(hash, nonce, |key| key.origin = "http://halligan.example.com".into())),
        ("another site's key", |_, hash, nonce| with(hash, nonce, |key| key.relying = "evil.example".into())),
        ("untouched", |_, hash, nonce| with(hash, nonce, |key| key.present = false)),
        ("not verified", |_, hash, nonce| with(hash, nonce, |key| key.verified = false)),
        ("in a frame", |key, hash, nonce| said(key, hash, nonce, r#""crossOrigin":false"#, r#""crossOrigin":true"#)),
        ("a registration", |key, hash, nonce| said(key, hash, nonce, "webauthn.get", "webauthn.create")),
        ("another key of the same id", |key, hash, nonce| {
            let other = self::key(Algorithm::ES256, 9).assert(&challenge(Verb::Acknowledge, hash, nonce)).unwrap();
            Assertion { credential: key.credential(), ..other }
        }),
        ("a key of another algorithm under the same id", |key, hash, nonce| {
            let other = self::key(Algorithm::EdDSA, 2).assert(&challenge(Verb::Acknowledge, hash, nonce)).unwrap();
            Assertion { credential: key.credential(), ..other }
        }),
        ("another person's key", |_, hash, nonce| carols().assert(&challenge(Verb::Acknowledge, hash, nonce)).unwrap()),
        ("a key that nobody enrolled", |_, hash, nonce| {
            self::key(Algorithm::ES256, 9).assert(&challenge(Verb::Acknowledge, hash, nonce)).unwrap()
        }),
        ("a signature that is none", |key, hash, nonce| {
            let sound = key.assert(&challenge(Verb::Acknowledge, hash, nonce)).unwrap();
            Assertion { signature: String::new(), ..sound }
        }),
        ("client data that is none", |key, hash, nonce| {
            let sound = key.assert(&challenge(Verb::Acknowledge, hash, nonce)).unwrap();
            Assertion { client_data: "e30".to_owned(), ..sound }
        }),
    ];
    let of_a_request = forged.map(|(name, forge)| {
        let signed = |grant: &Grant| as_entry([77; 32], forge(&bobs(), &grant.request_hash.bytes(), &[77; 32]));
        (name, both_count().night("bob", |grant| Some(signed(grant))))
    });
    let of_a_request = listed(of_a_request.into()).await;
    insta::assert_snapshot!(of_a_request, @"
    sound
      none
    another request
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: what was signed is another action, another request or extension, or another nonce
    another nonce
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: what was signed is another action, another request or extension, or another nonce
    another action
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: what was signed is another action, another request or extension, or another nonce
    another origin
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: it was given on a page of another site than the passkey's
    plain http
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: it was given on a page of another site than the passkey's
    another site's key
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: the key was used for another site than the passkey's
    untouched
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: nobody touched the key
    not verified
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: the key did not verify who touched it (PIN or biometrics)
    in a frame
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: it was given inside a page of another site
    a registration
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: the answer was given when a key was made, not when one was used
    another key of the same id
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: the signature is not this key's, or not over this answer
    a key of another algorithm under the same id
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: the signature is not this key's, or not over this answer
    another person's key
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the passkey is another person's
    a key that nobody enrolled
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no such passkey was enrolled, or it had been removed
    a signature that is none
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: the signature is not this key's, or not over this answer
    client data that is none
      entry 5, `grant.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: no signature for this: it has not the form of a passkey's answer
    ");
    // Of an extension it is all the same.
    let of_an_extension = forged.map(|(name, forge)| {
        let (mut story, grant) = both_count().night_of("carol", yes(&carols()));
        story.extends(&grant, "bob", |hash| as_entry([78; 32], forge(&bobs(), hash, &[78; 32])), NIGHT + 100);
        (name, story)
    });
    let of_an_extension = listed(of_an_extension.into()).await;
    assert_eq!(of_an_extension.replace("entry 8, `extension", "entry 5, `grant"), of_a_request);
}

/// bob's key, used in another way.
fn with(hash: &[u8; 32], nonce: &[u8; 32], change: fn(&mut SoftAuthenticator)) -> Assertion {
    let mut key = bobs();
    change(&mut key);
    key.assert(&challenge(Verb::Acknowledge, hash, nonce)).unwrap()
}

/// What a browser said in another way, signed all the same.
fn said(key: &SoftAuthenticator, hash: &[u8; 32], nonce: &[u8; 32], from: &str, to: &str) -> Assertion {
    let client_data = key.client_data("webauthn.get", &challenge(Verb::Acknowledge, hash, nonce));
    let client_data = String::from_utf8(client_data).unwrap();
    assert!(client_data.contains(from), "{client_data}");
    key.sign(&key.authenticator_data(0), client_data.replace(from, to).as_bytes()).unwrap()
}

/// One touch is good for one entry.
#[tokio::test]
async fn a_signature_that_was_given_before_is_an_exception() {
    let (bob, carol) = (bobs(), carols());
    // The same extension, with the same nonce, has the same hash.
    let (mut twice, grant) = both_count().night_of("carol", yes(&carol));
    let signed = |hash: &[u8; 32]| sign(&bobs(), Verb::Acknowledge, hash, [78; 32]);
    let grant = twice.extends(&grant, "bob", signed, NIGHT + 100);
    twice.extends(&grant, "bob", signed, NIGHT + 200);
    // A key that is enrolled again has the same enrolment.
    let enrolment = enrolment_of("carol", &carol);
    let vouched = sign(&bob, Verb::Confirm, &enrolment, [5; 32]);
    let again = bob_counts()
        .enrols("carol", &carol, 20)
        .confirmed("bob", ("carol", &carol), vouched.clone(), DAY + 10)
        .removes("carol", &carol, DAY + 20)
        .enrols("carol", &carol, DAY + 30)
        .confirmed("bob", ("carol", &carol), vouched, DAY + 40)
        .night("carol", yes(&carol));
    insta::assert_snapshot!(listed(vec![("an extension", twice), ("a confirmation", again)]).await, @"
    an extension
      entry 10, `extension.acknowledged` by `bob` of grant 032ajOwRe86PTsVcY37tw0: the signature is that of an earlier entry: the key was touched once, for that
    a confirmation
      entry 6, `passkey.confirmed` by `bob`: the signature is that of an earlier entry: the key was touched once, for that
      entry 8, `grant.acknowledged` by `carol` of grant 032ajOwRe86PTsVcY37tw0: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
    ");
}

/// The log of a writer that is not ours, or not honest: nothing hides behind how it is written.
#[tokio::test]
async fn an_exception_is_found_however_its_entry_is_written() {
    let story = both_count().night("carol", yes(&key(Algorithm::EdDSA, 9)));
    let sound = both_count().night("carol", yes(&carols()));
    let spelt = |story: &Story, index: usize, spell: Spell<'_>| {
        let mut leaves: Vec<Leaf> = story.entries.iter().map(leaf).collect();
        let text = String::from_utf8(leaves[index].entry.clone()).unwrap();
        leaves[index].entry = spell(&text).into_bytes();
        Log::of_leaves(leaves)
    };
    let fields = |text: &str| -> Vec<(String, Value)> {
        serde_json::from_str::<serde_json::Map<String, Value>>(text).unwrap().into_iter().collect()
    };
    let written = |fields: Vec<(String, Value)>| {
        let fields = fields.iter().map(|(name, value)| format!("{}:{value}", json!(name)));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    };
    let spellings: [(&str, Spell<'_>); 6] = [
        ("as we write it", &str::to_owned),
        ("the fields in another order", &|text| written(fields(text).into_iter().rev().collect())),
        ("with room between", &|text| format!("{:#}", serde_json::from_str::<Value>(text).unwrap())),
        ("another type in front, in a field that nobody knows", &|text| {
            text.replace(r#""time":"#, r#""hint":{"type":"log.started"},"time":"#)
        }),
        ("another type behind", &|text| text.replace(r#""actor":{"#, r#""hint":{"type":"log.started"},"actor":{"#)),
        ("a long field in front", &|text| {
            text.replace(r#""time":"#, &format!(r#""hint":"{}","time":"#, "x".repeat(300)))
        }),
    ];
    for (name, spell) in spellings {
        let found = exceptions(&spelt(&story, 5, spell)).await;
        assert!(found.contains("entry 5, `grant.acknowledged` by `carol`"), "{name}: {found:?}");
        assert_eq!(exceptions(&spelt(&sound, 5, spell)).await, "", "{name}");
        // Of the enrolments that it stands on, too.
        for index in 0..4 {
            assert_eq!(exceptions(&spelt(&sound, index, spell)).await, "", "{name}, {index}");
        }
    }
    // What leaves open which type it is, is no entry.
    let unclear: [Spell<'_>; 2] = [&|text| text.replace("grant.acknowledged", r"grant\u002eacknowledged"), &|text| {
        text.replace(r#""type":"#, r#""type":"log.started","type":"#)
    }];
    for spell in unclear {
        let report = spelt(&story, 5, spell).verify().await;
        let first = report.first().unwrap();
        assert_eq!((first.index, first.code(), report.lives_until), (Some(5), "envelope", Some(5)), "{first}");
    }
    // A removal that can't be read is not passed over: the key would go on counting.
    let removed = both_count().removes("bob", &bobs(), DAY + 50);
    let cut = |text: &str| text.replace(r#""credential":"#, r#""credentials":"#);
    insta::assert_snapshot!(exceptions(&spelt(&removed, 4, &cut)).await, @"
      entry 4, `passkey.removed`: it can't be read: missing field `credential` at line 1 column 396
    ");
}

/// Where entries are missing nothing is said of what stands on them.
#[tokio::test]
async fn behind_a_gap_nothing_is_judged() {
    let mut log = Log::of(&extended().entries);
    log.change(0, "bob", "bib");
    let report = log.verify().await;
    assert_eq!((report.found, report.exceptions, report.lives_until), (1, 0, Some(0)));
    assert_eq!((report.acknowledged, report.signed), (0, 0));
}
