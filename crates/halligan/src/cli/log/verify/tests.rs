//! A log in a directory, whole and not.

#![allow(clippy::unwrap_used, reason = "tests")]

use halligan_core::actor::Actor;
use halligan_core::entry::{Draft, Links, Sealed, Subject};
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Command, Transition, Yes};
use halligan_core::id::Nonce;
use halligan_core::signed::{Enrolment, Signed};
use halligan_engine::fakes::fixtures::{self, Asking, at, human, person};
use halligan_log::Object;
use halligan_log::passkey::soft::SoftAuthenticator;
use halligan_log::passkey::{Algorithm, Assertion, Verb, challenge, enrolment_hash};
use serde_json::json;

use super::*;
use crate::cli::log::tests::{Sample, context, log_key, parsed, strangers_key, witness_key};

async fn verified(sample: &Sample, more: &[&str]) -> (Args, Report) {
    let (dir, key) = (sample.dir(), log_key());
    let args: Args = parsed(&[&["--dir", &dir, "--key", &key], more].concat());
    let report = examine(&args, &context(false)).await.unwrap();
    (args, report)
}

fn told(args: &Args, report: &Report) -> String {
    in_words(report, &args.place, context(false).now())
}

fn code(report: &Report) -> String {
    format!("{:?}", exit(report))
}

/// bob enrols a passkey, is told of it or not, and a day later signs with it what alice asks for.
fn signed_night(told: bool) -> Vec<Sealed> {
    const RP: &str = "halligan.example.com";
    let key = SoftAuthenticator::from_seed(Algorithm::EdDSA, [2; 32], RP, "https://halligan.example.com").unwrap();
    let (credential, public_key) = (key.credential(), key.public_key().unwrap());
    let enrolment = hex::encode(enrolment_hash("bob", &credential, &public_key));
    let passkey = |actor, event, seconds: i64| {
        let id = fixtures::uuid(2_000_000 + seconds.unsigned_abs());
        let (subject, recorded) = (Subject { kind: "passkey".into(), id: enrolment.clone() }, Recorded::plain(event));
        let draft = Draft { id, salt: [0; 16], actor, subject, incident: None, links: Links::default(), recorded };
        draft.seal(at(seconds), at(seconds))
    };
    let enrolled = Event::PasskeyEnrolled(Enrolment {
        credential: credential.clone(),
        algorithm: public_key.algorithm.to_string(),
        public_key: public_key.spki.clone(),
        rp_id: RP.to_owned(),
        origin: format!("https://{RP}"),
        enrolment: enrolment.clone(),
    });
    let noticed = Event::PasskeyNoticed { credential, person: person("bob"), channel: "mail".to_owned() };
    let mut entries = vec![passkey(Actor::api(human("bob")), enrolled, 0)];
    entries.extend(told.then(|| passkey(Actor::SYSTEM, noticed, 10)));

    let mut tell = |by: &str, transition: Transition, seconds: i64| {
        for recorded in transition.events {
            let id = fixtures::uuid(3_000_000 + entries.len() as u64);
            let draft = Draft::about(&transition.grant, Actor::api(human(by)), recorded, id, *id.as_bytes());
            entries.push(draft.seal(at(seconds), at(seconds)));
        }
        transition.grant
    };
    let grant = tell("alice", Asking::new(90_000_000).at(at(90_000)).open(), 90_000);
    let nonce = [7; 32];
    let answer = key.assert(&challenge(Verb::Acknowledge, &grant.request_hash.bytes(), &nonce)).unwrap();
    let Assertion { credential, authenticator_data, client_data, signature } = answer;
    let signed = Signed { credential, nonce: Nonce(nonce), authenticator_data, client_data, signature };
    let yes = Yes { signed: Some(signed), ..Yes::default() };
    let yes = Command::Acknowledge { by: human("bob"), hash: grant.request_hash, yes };
    tell("bob", fixtures::apply(&grant, yes, at(90_060)), 90_060);
    entries
}

async fn signed_log(told: bool) -> Sample {
    let mut sample = Sample::new().await;
    sample.publish(&signed_night(told)).await;
    sample
}

/// The log is what it signed, and an auditor is told what of it nobody's key proves.
#[tokio::test]
async fn an_exception_is_told_with_what_it_means_and_what_to_do() {
    let (args, report) = verified(&signed_log(true).await, &[]).await;
    let whole = told(&args, &report);
    assert!(whole.starts_with("Whole: ") && whole.contains("1: 1 signed with a passkey, 0 not"), "{whole}");
    assert_eq!(code(&report), format!("{:?}", ExitCode::SUCCESS));
    assert_eq!(in_json(&report)["acknowledgements"], json!({"all": 1, "signed": 1}));

    // The same log without the notice: the key did not count when it signed.
    let sample = signed_log(false).await;
    let (args, report) = verified(&sample, &[]).await;
    insta::assert_snapshot!(told(&args, &report), @"
    WITH EXCEPTIONS. Everything in it is what the log signed, but it says of passkeys what doesn't hold:
      entry 2, `grant.acknowledged` by `bob` of grant 032akphM1UVOxSODqBHjrE: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it

    What a passkey is said to have signed there is the broker's word alone: no touch of an enrolled key
    that counted proves it. A broker refuses such a signature and writes no such entry, so something
    else wrote it, or somebody has the broker's machine. Ask each person who is named whether it was
    they, and look at what was done under the grant: `halligan log prove GRANT` writes its entries for
    whoever helps. Until it is explained, treat the broker and the log's key as stolen.

    log           halligan.example.com/prod
    size          4
    root          lF9Qyae5dkaT99Hn9N5eAwPESE2KP3XFqMZ6dYWJGwc=
    signed by     halligan.example.com/prod+0abbb0dc+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c
    signed at     2026-03-02 06:46:40 UTC (1m ago)
    cosigned by   nobody who was asked for
    entries       4, the last one of 2026-03-02 04:01:00 UTC
    grants        1
    acknowledged  1: 0 signed with a passkey, 1 not
    personal      1 kept, 0 erased
    tampering     only a bucket shows whether something was hidden or written over
    ");
    assert_eq!(code(&report), format!("{:?}", ExitCode::from(1)));
    insta::assert_snapshot!(format!("{:#}", in_json(&report)), @r#"
    {
      "sound": false,
      "checkpoint": {
        "origin": "halligan.example.com/prod",
        "size": 4,
        "root": "lF9Qyae5dkaT99Hn9N5eAwPESE2KP3XFqMZ6dYWJGwc=",
        "key": "halligan.example.com/prod+0abbb0dc+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
        "signed_at": "2026-03-02T06:46:40Z",
        "witnesses": []
      },
      "next": null,
      "entries": 4,
      "last": "2026-03-02T04:01:00Z",
      "grants": 1,
      "acknowledgements": {
        "all": 1,
        "signed": 0
      },
      "grants_followed_until": null,
      "personal": {
        "kept": 1,
        "erased": 0
      },
      "first_bad_index": 2,
      "found": 1,
      "exceptions": 1,
      "findings": [
        {
          "code": "passkey",
          "index": 2,
          "object": null,
          "text": "entry 2, `grant.acknowledged` by `bob` of grant 032akphM1UVOxSODqBHjrE: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it"
        }
      ]
    }
    "#);

    // And an entry that somebody changed: no exception makes a log whole.
    sample.change(sample.bundle(), |bytes| {
        let at = bytes.windows(17).rposition(|text| text == br#""grant.activated""#).unwrap();
        bytes[at + 1] = b'G';
    });
    let (args, report) = verified(&sample, &[]).await;
    let both = told(&args, &report);
    insta::assert_snapshot!(both.split("\n\nlog ").next().unwrap(), @"
    NOT WHOLE. The first bad entry is 2:
      entry 2, `grant.acknowledged` by `bob` of grant 032akphM1UVOxSODqBHjrE: the passkey that signed did not count yet: no second person had confirmed it, and no day had passed after a notice of it
      entry 3 (`tile/entries/000.p/4`): the entry is not the one in the tree

    What a passkey is said to have signed there is the broker's word alone: no touch of an enrolled key
    that counted proves it. A broker refuses such a signature and writes no such entry, so something
    else wrote it, or somebody has the broker's machine. Ask each person who is named whether it was
    they, and look at what was done under the grant: `halligan log prove GRANT` writes its entries for
    whoever helps. Until it is explained, treat the broker and the log's key as stolen.
    ");
    assert_eq!((report.found, report.exceptions), (2, 1));
}

#[tokio::test]
async fn a_whole_log_is_told_in_words_and_as_json() {
    let sample = Sample::of_a_night().await;
    let witness = witness_key();
    let (args, report) =
        verified(&sample, &["--witness", &witness, "--expect-fresh", "10m", "--deployment", "example"]).await;
    insta::assert_snapshot!(told(&args, &report), @"
    Whole: everything in it is what the log signed.

    log           halligan.example.com/prod
    size          4
    root          3NuO265FDOD/E7dw87bS0EQVwQHA2CdP/kOzGhOKX6I=
    signed by     halligan.example.com/prod+0abbb0dc+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c
    signed at     2026-03-02 06:46:40 UTC (1m ago)
    cosigned by   witness.example.com at 2026-03-02 06:46:40 UTC (1m ago)
    entries       4, the last one of 2026-03-01 03:00:08 UTC
    grants        1
    acknowledged  1: 0 signed with a passkey, 1 not
    personal      2 kept, 0 erased
    tampering     only a bucket shows whether something was hidden or written over
    ");
    assert_eq!(code(&report), format!("{:?}", ExitCode::SUCCESS));
    insta::assert_snapshot!(format!("{:#}", in_json(&report)), @r#"
    {
      "sound": true,
      "checkpoint": {
        "origin": "halligan.example.com/prod",
        "size": 4,
        "root": "3NuO265FDOD/E7dw87bS0EQVwQHA2CdP/kOzGhOKX6I=",
        "key": "halligan.example.com/prod+0abbb0dc+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
        "signed_at": "2026-03-02T06:46:40Z",
        "witnesses": [
          {
            "name": "witness.example.com",
            "key": "witness.example.com+8c42feec+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU",
            "cosigned_at": "2026-03-02T06:46:40Z"
          }
        ]
      },
      "next": null,
      "entries": 4,
      "last": "2026-03-01T03:00:08Z",
      "grants": 1,
      "acknowledgements": {
        "all": 1,
        "signed": 0
      },
      "grants_followed_until": null,
      "personal": {
        "kept": 2,
        "erased": 0
      },
      "first_bad_index": null,
      "found": 0,
      "exceptions": 0,
      "findings": []
    }
    "#);
}

#[tokio::test]
async fn one_byte_is_named_by_its_entry() {
    let sample = Sample::of_a_night().await;
    sample.change(sample.bundle(), |bytes| {
        let at = bytes.windows(8).rposition(|text| text == br#""carol","#).unwrap();
        bytes[at + 1] = b'b';
    });
    let (args, report) = verified(&sample, &[]).await;
    insta::assert_snapshot!(told(&args, &report), @"
    NOT WHOLE. The first bad entry is 3:
      entry 3 (`tile/entries/000.p/4`): the entry is not the one in the tree

    log           halligan.example.com/prod
    size          4
    root          3NuO265FDOD/E7dw87bS0EQVwQHA2CdP/kOzGhOKX6I=
    signed by     halligan.example.com/prod+0abbb0dc+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c
    signed at     2026-03-02 06:46:40 UTC (1m ago)
    cosigned by   nobody who was asked for
    entries       4, the last one of 2026-03-01 03:00:05 UTC
    grants        1
    acknowledged  1: 0 signed with a passkey, 1 not
    personal      1 kept, 0 erased
    tampering     only a bucket shows whether something was hidden or written over
    not followed  what happened to grants, and what passkeys signed, from entry 3 on: it isn't all there
    ");
    assert_eq!(code(&report), format!("{:?}", ExitCode::FAILURE));
    let json = in_json(&report);
    assert_eq!((&json["sound"], &json["found"]), (&json!(false), &json!(1)));
    insta::assert_snapshot!(format!("{} {:#}", json["first_bad_index"], json["findings"]), @r#"
    3 [
      {
        "code": "entry",
        "index": 3,
        "object": "tile/entries/000.p/4",
        "text": "entry 3 (`tile/entries/000.p/4`): the entry is not the one in the tree"
      }
    ]
    "#);
}

#[tokio::test]
async fn what_is_not_whole_is_a_finding_and_exit_code_1() {
    let (stranger, witness) = (strangers_key(), witness_key());
    let unknown: String = stranger.clone();
    let other_key = ["--witness", unknown.as_str()];
    let both = ["--witness", &witness, "--witness", &unknown, "--quorum", "1"];
    for (name, more, codes) in [
        ("a witness that did not cosign", &other_key[..], &["quorum"][..]),
        ("one of two witnesses is enough", &both, &[]),
        ("silence", &["--expect-fresh", "30s"], &["stale"]),
        ("fresh enough", &["--expect-fresh", "1m"], &[]),
        ("another deployment's hashes", &["--deployment", "staging"], &["life"]),
    ] {
        let sample = Sample::of_a_night().await;
        let (_, report) = verified(&sample, more).await;
        let mut found: Vec<&str> = report.findings.iter().map(Finding::code).collect();
        found.dedup();
        assert_eq!(found, codes, "{name}");
        assert_eq!(code(&report) == format!("{:?}", ExitCode::SUCCESS), codes.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_strangers_signature_shows_nothing_of_the_log() {
    let sample = Sample::of_a_night().await;
    let (dir, key) = (sample.dir(), strangers_key());
    let args: Args = parsed(&["--dir", &dir, "--key", &key]);
    let report = examine(&args, &context(false)).await.unwrap();
    insta::assert_snapshot!(told(&args, &report), @r"
    NOT WHOLE. It begins with the checkpoint:
      `checkpoint`: none of the log's keys signed it
    ");
    assert_eq!(in_json(&report)["checkpoint"], json!(null));
}

#[tokio::test]
async fn an_erased_part_is_no_finding_and_a_missing_checkpoint_is_one() {
    let sample = Sample::of_a_night().await;
    let Object::Entries(span) = sample.bundle() else { unreachable!() };
    std::fs::remove_file(sample.path(Object::Personal(span))).unwrap();
    let (_, report) = verified(&sample, &[]).await;
    assert!(report.is_sound() && report.personal == 0 && report.erased > 0, "{report:?}");
    std::fs::remove_file(sample.path(Object::Checkpoint)).unwrap();
    let (args, report) = verified(&sample, &[]).await;
    insta::assert_snapshot!(told(&args, &report), @r"
    NOT WHOLE. It begins with the checkpoint:
      `checkpoint`: it is missing
    ");
}

#[tokio::test]
async fn where_nothing_can_be_read_nothing_is_said_of_the_log() {
    let key = log_key();
    let args: Args = parsed(&["--dir", "/nowhere/at/all", "--key", &key]);
    assert_eq!(examine(&args, &context(false)).await.unwrap_err().exit(), Exit::Usage);
    // Nobody listens at port 1.
    let args: Args = parsed(&["--url", "http://127.0.0.1:1/log", "--key", &key]);
    let failure = examine(&args, &context(false)).await.unwrap_err();
    assert_eq!(
        (failure.exit(), &failure.json()["type"]),
        (Exit::Unreachable, &json!("urn:halligan:client:log-unread"))
    );
    let args: Args = parsed(&["--dir", "/", "--key", &key, "--witness", &witness_key(), "--quorum", "2"]);
    assert_eq!(examine(&args, &context(false)).await.unwrap_err().exit(), Exit::Usage);
}
