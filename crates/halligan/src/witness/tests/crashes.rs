//! What is kept fails, before and after it was done, and the machine goes down
//! then: nothing that was cosigned is ever contradicted.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Failed,
    FailedButWasDone,
}

/// A directory whose n-th write fails.
struct Faulty {
    directory: StateDirectory,
    fault: Fault,
    at: usize,
    writes: AtomicUsize,
}

impl State for Faulty {
    fn read(&self, origin: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.directory.read(origin)
    }

    fn keep(&self, origin: &str, note: &[u8]) -> Result<(), StateError> {
        if self.writes.fetch_add(1, Ordering::SeqCst) != self.at {
            return self.directory.keep(origin, note);
        }
        if self.fault == Fault::FailedButWasDone {
            self.directory.keep(origin, note)?;
        }
        let source = std::io::Error::other("no space left");
        Err(StateError::Io { doing: "write", path: self.directory.file(origin), source })
    }
}

#[test]
fn nothing_is_cosigned_that_may_be_forgotten() {
    let trees = [Tree::of(4), Tree::of(9), Tree::of(30)];
    for fault in [Fault::Failed, Fault::FailedButWasDone] {
        for at in 0..trees.len() {
            for restarts in [false, true] {
                let directory = tempfile::tempdir().unwrap();
                let state = StateDirectory::open(directory.path()).unwrap();
                let mut judge = judge(Faulty { directory: state, fault, at, writes: AtomicUsize::new(0) });
                let mut cosigned = 0;
                for (n, tree) in trees.iter().enumerate() {
                    let what = format!("{fault:?} at {at}, restarts: {restarts}, tree {n}");
                    let first = judge.add_checkpoint(&request(tree, cosigned));
                    if n != at {
                        assert!(cosigns(&first.unwrap(), tree), "{what}");
                        cosigned = tree.size();
                        continue;
                    }
                    assert_eq!(status(first), 503, "{what}");
                    if restarts {
                        drop(judge);
                        judge = in_directory(directory.path());
                    }
                    // The log asks again, from where the witness says that it is.
                    let old = match judge.add_checkpoint(&request(tree, cosigned)) {
                        Ok(_) => tree.size(),
                        Err(Unanswered::Refused(refusal)) => refusal.body().trim().parse().unwrap(),
                        Err(Unanswered::State(error)) => panic!("{what}: {error}"),
                    };
                    assert_eq!(old, tree.size(), "{what}");
                    assert!(cosigns(&judge.add_checkpoint(&request(tree, old)).unwrap(), tree), "{what}");
                    cosigned = tree.size();
                }
                drop(judge);
                let judge = in_directory(directory.path());
                let fork = Tree::of(40).but(1);
                assert_eq!(status(judge.add_checkpoint(&request(&fork, 30))), 422, "{fault:?} at {at}");
            }
        }
    }
}

#[test]
fn a_disk_that_takes_nothing_is_no_cosignature() {
    let directory = tempfile::tempdir().unwrap();
    let judge = in_directory(directory.path());
    judge.add_checkpoint(&request(&Tree::of(9), 0)).unwrap();
    let away = directory.path().with_extension("away");
    std::fs::rename(directory.path(), &away).unwrap();
    assert_eq!(status(judge.add_checkpoint(&request(&Tree::of(20), 9))), 503);
    std::fs::rename(&away, directory.path()).unwrap();
    assert_eq!(status(judge.add_checkpoint(&request(&Tree::of(20), 9))), 200);
}
