#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod crashes;
mod served;
mod tree;

use std::path::Path;
use std::sync::Arc;

use halligan_log::key::Kind;
use halligan_log::witness::Request;
use halligan_log::{SignedCheckpoint, SigningKey, VerifierKey};

use super::judge::{Judge, OpenError, Unanswered};
use super::state::{State, StateDirectory, StateError};
use crate::client::machine::MachineClock;
use tree::Tree;

const ORIGIN: &str = "log.example.com/test";

fn log_key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [1; 32]).unwrap()
}

fn witness_key() -> SigningKey {
    SigningKey::from_seed("witness.example.com/w1", [2; 32]).unwrap()
}

fn judge(state: impl State + 'static) -> Judge {
    Judge::open(witness_key(), &[log_key().verifier(Kind::Log)], state, Arc::new(MachineClock)).unwrap()
}

fn in_directory(path: &Path) -> Judge {
    judge(StateDirectory::open(path).unwrap())
}

/// A request to cosign the tree, signed by the log, as what follows that of `old` entries.
fn request(tree: &Tree, old: u64) -> Vec<u8> {
    Request::new(old, tree.consistency(old), tree.signed(&log_key())).to_bytes()
}

/// Whether the answer is the witness's over this tree.
fn cosigns(line: &[u8], tree: &Tree) -> bool {
    let mut note = tree.signed(&log_key());
    let key: VerifierKey = witness_key().verifier(Kind::Cosigner);
    note.add_cosignature(line, &key).is_ok() && matches!(note.cosigned(&key), Ok(Some(_)))
}

fn status(outcome: Result<Vec<u8>, Unanswered>) -> u16 {
    match outcome {
        Ok(_) => 200,
        Err(Unanswered::Refused(refusal)) => refusal.status(),
        Err(Unanswered::State(_)) => 503,
    }
}

#[test]
fn what_grows_is_cosigned_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let judge = in_directory(directory.path());
    let fork = Tree::of(20).but(3);
    for (what, tree, old, expected) in [
        ("the first, of whatever size", Tree::of(5), 0, 200),
        ("the same once more: the heartbeat", Tree::of(5), 5, 200),
        ("an answer that was lost", Tree::of(5), 0, 409),
        ("a longer one", Tree::of(12), 5, 200),
        ("a rollback, proved from itself", Tree::of(5), 5, 409),
        ("a rollback, proved from what was seen", Tree::of(5), 12, 400),
        ("another tree of the same size", Tree::of(12).but(3), 12, 409),
        ("another tree that is longer", fork, 12, 422),
        ("the right one all the same", Tree::of(20), 12, 200),
    ] {
        let outcome = judge.add_checkpoint(&request(&tree, old));
        if let Ok(line) = &outcome {
            assert!(cosigns(line, &tree), "{what}");
        }
        assert_eq!(status(outcome), expected, "{what}");
    }
}

#[test]
fn a_witness_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(status(in_directory(directory.path()).add_checkpoint(&request(&Tree::of(9), 0))), 200);
    let judge = in_directory(directory.path());
    assert_eq!(status(judge.add_checkpoint(&request(&Tree::of(9).but(1), 0))), 409, "it forgot");
    assert_eq!(status(judge.add_checkpoint(&request(&Tree::of(300).but(1), 9))), 422, "it forgot");
    assert_eq!(status(judge.add_checkpoint(&request(&Tree::of(300), 9))), 200);
}

#[test]
fn a_state_has_one_witness() {
    let directory = tempfile::tempdir().unwrap();
    let first = StateDirectory::open(directory.path()).unwrap();
    let error = StateDirectory::open(directory.path()).unwrap_err();
    assert!(matches!(error, StateError::Locked { .. }), "{error}");
    drop(first);
    StateDirectory::open(directory.path()).unwrap();
}

#[test]
fn a_state_that_somebody_changed_is_not_begun_with() {
    let directory = tempfile::tempdir().unwrap();
    in_directory(directory.path()).add_checkpoint(&request(&Tree::of(9), 0)).unwrap();
    let state = StateDirectory::open(directory.path()).unwrap();
    let file = state.file(ORIGIN);
    drop(state);
    let kept = std::fs::read(&file).unwrap();
    let stranger = SigningKey::from_seed(ORIGIN, [3; 32]).unwrap();
    let text = String::from_utf8(kept.clone()).unwrap();
    for (what, bytes) in [
        ("emptied", Vec::new()),
        ("cut", kept[..kept.len() / 2].to_vec()),
        ("of another size", text.replacen("\n9\n", "\n8\n", 1).into_bytes()),
        ("a stranger's", Tree::of(9).signed(&stranger).to_bytes()),
        ("unsigned", text.split_once("\n\n").unwrap().0.as_bytes().to_vec()),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let state = StateDirectory::open(directory.path()).unwrap();
        let keys = [log_key().verifier(Kind::Log)];
        let opened = Judge::open(witness_key(), &keys, state, Arc::new(MachineClock));
        assert!(matches!(opened, Err(OpenError::Foreign { .. })), "{what}");
    }
    std::fs::write(&file, kept).unwrap();
    in_directory(directory.path());
}

#[test]
fn either_key_may_change() {
    let directory = tempfile::tempdir().unwrap();
    in_directory(directory.path()).add_checkpoint(&request(&Tree::of(9), 0)).unwrap();
    let open = |own: SigningKey, log: &SigningKey| {
        let state = StateDirectory::open(directory.path()).unwrap();
        Judge::open(own, &[log.verifier(Kind::Log)], state, Arc::new(MachineClock))
    };
    let next_log = SigningKey::from_seed(ORIGIN, [4; 32]).unwrap();
    let next_witness = SigningKey::from_seed("witness.example.com/w2", [5; 32]).unwrap();
    assert!(open(witness_key(), &next_log).is_ok(), "the log's key changed");
    assert!(open(next_witness.clone_for_test(), &log_key()).is_ok(), "the witness's key changed");
    assert!(open(next_witness, &next_log).is_err(), "nobody vouches for it");
}

/// Only the tests have a key twice.
trait CloneForTest {
    fn clone_for_test(&self) -> Self;
}

impl CloneForTest for SigningKey {
    fn clone_for_test(&self) -> Self {
        self.to_text().parse().unwrap()
    }
}

#[test]
fn of_two_trees_that_are_handed_over_at_once_one_is_cosigned() {
    for round in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let judge = Arc::new(in_directory(directory.path()));
        let barrier = std::sync::Barrier::new(8);
        let trees = [Tree::of(50 + round), Tree::of(50 + round).but(7)];
        let cosigned: Vec<bool> = std::thread::scope(|scope| {
            let ask = |n: usize| {
                let (judge, barrier, tree) = (judge.clone(), &barrier, &trees[n % 2]);
                scope.spawn(move || {
                    let request = request(tree, 0);
                    barrier.wait();
                    judge.add_checkpoint(&request).is_ok()
                })
            };
            let threads: Vec<_> = (0..8).map(ask).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(cosigned.iter().filter(|cosigned| **cosigned).count(), 1, "round {round}: {cosigned:?}");
    }
}

#[test]
fn logs_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let other = SigningKey::from_seed("other.example.com", [6; 32]).unwrap();
    let keys = [log_key().verifier(Kind::Log), other.verifier(Kind::Log)];
    let state = StateDirectory::open(directory.path()).unwrap();
    let judge = Judge::open(witness_key(), &keys, state, Arc::new(MachineClock)).unwrap();
    judge.add_checkpoint(&request(&Tree::of(9), 0)).unwrap();
    let note = Tree::named(other.verifier(Kind::Log).name(), 3).signed(&other);
    judge.add_checkpoint(&Request::new(0, Vec::new(), note).to_bytes()).unwrap();
    let unknown = SigningKey::from_seed("unknown.example.com", [6; 32]).unwrap();
    let note = Tree::named("unknown.example.com", 3).signed(&unknown);
    assert_eq!(status(judge.add_checkpoint(&Request::new(0, Vec::new(), note).to_bytes())), 404);
    let forged = SigningKey::from_seed(ORIGIN, [6; 32]).unwrap();
    let note = Tree::of(12).signed(&forged);
    assert_eq!(status(judge.add_checkpoint(&Request::new(9, Tree::of(12).consistency(9), note).to_bytes())), 403);
    let note: SignedCheckpoint = Tree::of(12).signed(&log_key());
    assert_eq!(status(judge.add_checkpoint(&Request::new(9, Vec::new(), note).to_bytes())), 422);
    assert_eq!(status(judge.add_checkpoint(b"old 9\n")), 400);
}
