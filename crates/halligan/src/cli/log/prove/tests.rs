//! Proofs of a grant's entries, and what is no proof.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::cli::log::tests::{Sample, context, log_key, parsed, strangers_key, witness_key};

async fn proved(sample: &Sample, grant: &str, out: &str) -> Result<Proof, Failure> {
    let (dir, key) = (sample.dir(), log_key());
    let args: ProveArgs = parsed(&[grant, "--dir", &dir, "--key", &key, "--out", out]);
    make(&args, &context(false)).await
}

#[tokio::test]
async fn a_proof_is_written_once_and_checked_with_the_key_alone() {
    let mut sample = Sample::of_a_night().await;
    let second = sample.night();
    sample.publish(&second).await;
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("proof.json").display().to_string();

    let proof = proved(&sample, &sample.grants[1], &out).await.unwrap();
    assert!(proof.entries == 4 && proof.findings.is_empty(), "{proof:?}");
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let again = proved(&sample, &sample.grants[1], &out).await.unwrap_err();
    assert_eq!(again.exit(), Exit::Stopped, "an existing file stays as it is");

    let (key, witness) = (log_key(), witness_key());
    let checked = read(&parsed(&[&out, "--key", &key, "--witness", &witness])).unwrap();
    let told = in_words(&checked, context(false).now());
    let (_, entries) = told.split_once("\n\nentry").unwrap();
    insta::assert_snapshot!(entries.split("\n\n").next().unwrap(), @r#"
             4
    time          2026-03-01T03:01:00Z
    what          grant.requested
    who           alice (as alice of https://id.example.com)
    on what       aws-role prod-admin
    incident      file:INC-219
    grant         032aA2uJ8lstOwg9ydi7Yu
                  role_arn: arn:aws:iam::123456789012:role/prod-admin
                  scope: read
                  scope_hash: fec17552fa1347253453316708221b436fb55b0ac767d94da21e56bc9a4bed8d
                  duration_seconds: 1800
                  emergency: false
                  acknowledge_by: 2026-03-01T03:16:00Z
                  nonce: 019ca75791e07000800000000000ea6000000000000000000000000000000000
                  request_hash: fda452c0784c25fb47afb1019ad234a7958474dfb34684fd4b016b816ecd767a
                  limits: {"acknowledge_within":"PT15M","emergency_acknowledge_within":"PT5M","total_max":"PT4H"}
                  rules: ["requesters-may-ask"]
    personal      reason: the payment queue is stuck
    "#);
    let json = in_json(&checked);
    assert_eq!(json["entries"].as_array().unwrap().len() as u64, proof.entries);
    assert_eq!(json["entries"][0]["entry"]["type"], "grant.requested");
    assert_eq!(json["entries"][0]["entry"]["links"]["grant"], sample.grants[1].as_str());
}

#[tokio::test]
async fn what_proves_nothing_is_exit_code_1() {
    let sample = Sample::of_a_night().await;
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("proof.json").display().to_string();
    let unknown = proved(&sample, "02z5IjAP8ychUMTu3yGwJV", &out).await.unwrap_err();
    assert_eq!(
        (unknown.exit(), unknown.json()["type"].as_str()),
        (Exit::Refused, Some("urn:halligan:client:log-unsound"))
    );
    assert!(!std::path::Path::new(&out).exists());

    proved(&sample, &sample.grants[0], &out).await.unwrap();
    let (key, stranger) = (log_key(), strangers_key());
    assert_eq!(read(&parsed(&[&out, "--key", &stranger])).unwrap_err().exit(), Exit::Refused);
    let text = std::fs::read_to_string(&out).unwrap();
    for (name, forged) in [("a letter", text.replacen("alice", "carol", 1)), ("nothing", String::new())] {
        assert_ne!(forged, text);
        let file = home.path().join("forged.json");
        std::fs::write(&file, forged).unwrap();
        let failure = read(&parsed(&[&file.display().to_string(), "--key", &key])).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused, "{name}");
    }
    let none = home.path().join("none").display().to_string();
    assert_eq!(read(&parsed(&[&none, "--key", &key])).unwrap_err().exit(), Exit::Stopped);
}

#[tokio::test]
async fn a_proof_out_of_a_log_that_is_not_whole_says_so() {
    let mut sample = Sample::of_a_night().await;
    let second = sample.night();
    sample.publish(&second).await;
    sample.change(sample.bundle(), |bytes| *bytes.last_mut().unwrap() = b'!');
    let out = tempfile::tempdir().unwrap().keep().join("proof.json");
    let proof = proved(&sample, &sample.grants[0], &out.display().to_string()).await.unwrap();
    std::fs::remove_dir_all(out.parent().unwrap()).unwrap();
    assert_eq!(proof.findings.len(), 1, "{:?}", proof.findings);
}
