//! Every kind of IAM document, judged by an evaluator that is not ours.
//!
//! Expectations come from what was asked for (this grant ended, that one is
//! active), never from reading the document that is being judged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod case;
mod picked;
mod random;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use case::Cases;

/// One process for all questions; its answers in their order.
fn ask(questions: Vec<Value>) -> Vec<Value> {
    let launcher = std::env::var_os("HALLIGAN_JUDGE").expect("set HALLIGAN_JUDGE or run tests/run");
    let mut judge =
        Command::new(&launcher).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("HALLIGAN_JUDGE names {}, which doesn't start: {error}", launcher.display())
        });
    let mut input = judge.stdin.take().unwrap();
    let output = BufReader::new(judge.stdout.take().unwrap());
    // Beside reading: both pipes are shorter than what goes through them.
    let writer = std::thread::spawn(move || {
        for question in questions {
            writeln!(input, "{question}").expect("the judge ended early");
        }
    });
    let answers = output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    writer.join().unwrap();
    assert!(judge.wait().unwrap().success());
    answers
}

#[test]
fn an_independent_evaluator_agrees() {
    let mut cases = Cases::default();
    picked::controls(&mut cases);
    picked::fences(&mut cases);
    picked::managed_scopes(&mut cases);
    picked::probes(&mut cases);
    picked::revocations(&mut cases);
    let mut runner = TestRunner::deterministic();
    random::scopes(&mut cases, &mut runner, 100);
    random::revocations(&mut cases, &mut runner, 150);

    let answers = ask(cases.0.iter().enumerate().map(|(id, (_, call, _))| call.question(id)).collect());
    assert_eq!(answers.len(), cases.0.len());
    let mut disagreements = Vec::new();
    for (id, ((name, _, expected), answer)) in cases.0.iter().zip(&answers).enumerate() {
        assert_eq!(answer["id"], id);
        // A warning is an action or a condition key that nobody has: our misspelling.
        if answer["decision"] != expected.word() || answer["detail"]["warnings"] != json!([]) {
            disagreements.push(format!("{name}: expected {}, found {answer}", expected.word()));
        }
    }
    assert!(
        disagreements.is_empty(),
        "{} of {} cases:\n{}",
        disagreements.len(),
        answers.len(),
        disagreements.join("\n")
    );
}
