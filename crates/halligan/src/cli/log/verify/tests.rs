//! A log in a directory, whole and not.

#![allow(clippy::unwrap_used, reason = "tests")]

use halligan_log::Object;
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
      "grants_followed_until": null,
      "personal": {
        "kept": 2,
        "erased": 0
      },
      "first_bad_index": null,
      "found": 0,
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
    personal      1 kept, 0 erased
    tampering     only a bucket shows whether something was hidden or written over
    not followed  what happened to grants from entry 3 on: it isn't all there
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
