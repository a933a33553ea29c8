//! Proofs out of tiles, and the files that they are kept in.

use halligan_log::proof::{Consistency, FileError, Inclusion, ProofError, ProofFile};
use halligan_log::verify::{Flaw, Trust};
use halligan_log::{Hash, Object, SignedCheckpoint};
use proptest::prelude::*;
use tlog_tiles::{EMPTY_HASH, check_tree};

use crate::support::*;

/// A file that proves these entries in the log as it was at `size`.
fn proof(log: &Log, note: &SignedCheckpoint, indexes: &[u64]) -> Result<ProofFile, ProofError> {
    let mut file = ProofFile::new(note.clone());
    let within = log.edge.size();
    for index in indexes {
        let inclusion = Inclusion::plan(*index, note.checkpoint().size, within)?;
        let [entries, personal] = inclusion.bundles();
        let leaf = inclusion.leaf(&log.archive[&entries], log.archive.get(&personal).map(Vec::as_slice))?;
        let path = inclusion.prove(note.checkpoint().root, |object| log.archive.get(&object).cloned())?;
        file.add(*index, &leaf.entry, leaf.personal.as_deref(), &path).unwrap();
    }
    Ok(file)
}

fn checked(bytes: &[u8]) -> Vec<u64> {
    let checked = ProofFile::check(bytes, &trust()).unwrap();
    for entry in &checked.entries {
        let leaf = leaf(entry.index);
        assert_eq!(entry.entry.as_bytes(), leaf.entry);
        assert_eq!(entry.personal.as_deref().map(str::as_bytes), leaf.personal.as_deref());
        assert!(!entry.erased);
    }
    checked.entries.iter().map(|entry| entry.index).collect()
}

#[test]
fn every_entry_of_small_trees_is_proved() {
    for size in 1..=20 {
        let log = Log::new(size);
        let all: Vec<u64> = (0..size).collect();
        assert_eq!(checked(&proof(&log, &log.note(), &all).unwrap().to_bytes()), all, "size {size}");
    }
}

#[test]
fn entries_at_the_borders_are_proved() {
    for size in SIZES.into_iter().chain([66_000]) {
        let log = Log::shared(size);
        let some = [0, 1, 254, 255, 256, 257, 511, 512, 65_535, 65_536, 65_999, size - 1];
        let mut some: Vec<u64> = some.into_iter().filter(|index| *index < size).collect();
        some.sort_unstable();
        some.dedup();
        assert_eq!(checked(&proof(log, &log.note(), &some).unwrap().to_bytes()), some, "size {size}");
    }
}

#[test]
fn a_proof_takes_few_objects_however_large_the_tree() {
    let objects = |index| {
        let objects = Inclusion::plan(index, 66_000, 66_000).unwrap().objects();
        objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    insta::assert_snapshot!(objects(0), @"tile/0/000 tile/0/257.p/208 tile/1/000 tile/1/001.p/1");
    insta::assert_snapshot!(objects(65_999), @"tile/0/257.p/208 tile/1/001.p/1 tile/2/000.p/1");
    let large = Inclusion::plan(123_456_789, 10_000_000_000, 10_000_000_000).unwrap();
    assert!(large.objects().len() <= 10);
}

#[test]
fn a_proof_file_reads_so() {
    let log = Log::new(3);
    let file = String::from_utf8(proof(&log, &log.note(), &[1]).unwrap().to_bytes()).unwrap();
    let file = file.split('\n').filter(|line| !line.contains("checkpoint") && !line.contains("\"entry\""));
    insta::assert_snapshot!(file.collect::<Vec<_>>().join("\n"), @r#"
    {
      "format": "halligan-proof",
      "version": 1,
      "entries": [
        {
          "index": 1,
          "path": [
            "pgWP0XCQu5ooK1YvFEr6878w1hcenP55OEfxVhuYZ5M=",
            "rSi3rZPbUWKGSyGcF1cXDxqj7OAQH7R9ql4xnixYNBo="
          ]
        }
      ]
    }
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn an_older_tree_is_proved_from_the_larger_archive(
        steps in prop::collection::vec(1_u64..400, 2..5), at in any::<prop::sample::Index>(),
    ) {
        let (log, older) = (Log::grown(&steps), Log::grown(&steps[..steps.len() - 1]));
        let index = at.index(usize::try_from(older.edge.size()).unwrap()) as u64;
        prop_assert_eq!(checked(&proof(&log, &older.note(), &[index]).unwrap().to_bytes()), vec![index]);
    }

    #[test]
    fn every_tree_begins_with_every_smaller_one(
        steps in prop::collection::vec(1_u64..400, 1..5), old in any::<prop::sample::Index>(), new in any::<prop::sample::Index>(),
    ) {
        let log = Log::grown(&steps);
        let sizes: Vec<u64> = (0..=steps.len()).map(|count| steps[..count].iter().sum()).collect();
        let (mut old, mut new) = (*old.get(&sizes), *new.get(&sizes));
        if old > new {
            std::mem::swap(&mut old, &mut new);
        }
        let (before, after) = (Log::new(old), Log::new(new));
        let consistency = Consistency::plan(old, new, log.edge.size()).unwrap();
        let prefix = consistency.prove(after.edge.root(), |object| log.archive.get(&object).cloned()).unwrap();
        prop_assert_eq!(prefix.root, before.edge.root());
        if old > 0 {
            prop_assert!(check_tree(&prefix.proof, new, after.edge.root(), old, before.edge.root()).is_ok());
        } else {
            prop_assert!(prefix.proof.is_empty() && prefix.root == EMPTY_HASH && consistency.objects().is_empty());
        }
    }
}

#[test]
fn what_is_not_the_tree_is_not_proved() {
    let log = Log::shared(1_000);
    let root = log.edge.root();
    let (inclusion, consistency) =
        (Inclusion::plan(300, 1_000, 1_000).unwrap(), Consistency::plan(257, 1_000, 1_000).unwrap());
    for object in inclusion.objects() {
        let without = inclusion.prove(root, |asked| log.archive.get(&asked).filter(|_| asked != object).cloned());
        assert_eq!(without, Err(ProofError::Missing(object)));
        let cut = inclusion.prove(root, |asked| {
            let bytes = log.archive.get(&asked)?;
            Some(bytes[..bytes.len() - usize::from(asked == object)].to_vec())
        });
        assert_eq!(cut, Err(ProofError::Malformed(object)));
    }
    let zeros = |object: Object| Some(vec![0; log.archive[&object].len()]);
    assert_eq!(inclusion.prove(root, zeros), Err(ProofError::Root));
    assert_eq!(consistency.prove(root, zeros), Err(ProofError::Root));
    let read = |object: Object| log.archive.get(&object).cloned();
    assert_eq!(inclusion.prove(Hash([1; 32]), read), Err(ProofError::Root));
    assert_eq!(consistency.prove(Hash([1; 32]), read), Err(ProofError::Root));
    for (index, size, within) in [(5, 5, 5), (5, 6, 5), (0, 0, 0), (0, 1, u64::MAX), (u64::MAX, u64::MAX, u64::MAX)] {
        assert!(matches!(Inclusion::plan(index, size, within), Err(ProofError::Outside { .. })));
    }
    for (old, new, within) in [(6, 5, 5), (5, 6, 5), (0, 1, u64::MAX), (1, u64::MAX, u64::MAX)] {
        assert!(matches!(Consistency::plan(old, new, within), Err(ProofError::Outside { .. })));
    }
}

/// Changes a proof of the entries 3, 256 and 300 of 1,000 and says why it is refused.
fn refused(change: impl FnOnce(&mut serde_json::Value)) -> FileError {
    let log = Log::shared(1_000);
    let file = proof(log, &log.note(), &[3, 256, 300]).unwrap().to_bytes();
    let mut json: serde_json::Value = serde_json::from_slice(&file).unwrap();
    change(&mut json);
    ProofFile::check(&serde_json::to_vec(&json).unwrap(), &trust()).unwrap_err()
}

#[test]
fn a_changed_proof_is_refused() {
    let not = |index| FileError::NotIncluded { index };
    assert_eq!(refused(|json| json["entries"][1]["index"] = 257.into()), not(257));
    assert_eq!(refused(|json| json["entries"][2]["index"] = 1_000.into()), not(1_000));
    assert_eq!(refused(|json| json["entries"][2]["index"] = u64::MAX.into()), not(u64::MAX));
    assert_eq!(refused(|json| json["entries"][1]["entry"] = json["entries"][2]["entry"].clone()), not(256));
    assert_eq!(refused(|json| json["entries"][1]["path"] = json["entries"][2]["path"].clone()), not(256));
    assert_eq!(refused(|json| drop(json["entries"][1]["path"].as_array_mut().unwrap().pop())), not(256));
    assert_eq!(refused(|json| drop(json["entries"][1]["path"].as_array_mut().unwrap().remove(0))), not(256));
    assert_eq!(refused(|json| json["entries"][1]["path"] = vec!["x"; 100_000].into()), not(256));
    assert_eq!(refused(|json| json["entries"][1]["path"][0] = "AAAA".into()), not(256));
    assert_eq!(
        refused(|json| json["entries"][1]["path"].as_array_mut().unwrap().push(Hash([0; 32]).to_string().into())),
        not(256)
    );
    assert_eq!(refused(|json| json["entries"].as_array_mut().unwrap().swap(0, 1)), FileError::Order { index: 3 });
    assert_eq!(
        refused(|json| json["entries"][1] = json["entries"][0].clone()),
        FileError::Order { index: 3 },
        "one entry twice"
    );
    assert_eq!(refused(|json| json["entries"][0]["personal"] = "{}".into()), FileError::Personal { index: 3 });
    assert_eq!(refused(|json| json["entries"][1]["personal"] = "{}".into()), FileError::Personal { index: 256 });
    let smaller = String::from_utf8(Log::shared(257).note().to_bytes()).unwrap();
    assert_eq!(refused(|json| json["checkpoint"] = smaller.into()), not(3), "another checkpoint of the same log");
    let unsigned = String::from_utf8(SignedCheckpoint::unsigned(Log::shared(1_000).checkpoint()).to_bytes()).unwrap();
    assert!(matches!(refused(|json| json["checkpoint"] = unsigned.into()), FileError::Checkpoint(_)));
    assert_eq!(refused(|json| json["version"] = 2.into()), FileError::Version(2));
    assert!(matches!(refused(|json| json["format"] = "another".into()), FileError::Malformed(_)));
    assert!(matches!(refused(|json| json["more"] = 1.into()), FileError::Malformed(_)));
}

#[test]
fn no_byte_of_a_proof_can_be_changed_unseen() {
    let log = Log::new(5);
    let file = proof(&log, &log.note(), &[0, 3]).unwrap().to_bytes();
    let original = ProofFile::check(&file, &trust()).unwrap();
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        if let Ok(read) = ProofFile::check(&changed, &trust()) {
            assert_eq!(read, original, "byte {at} changed what is proved");
        }
    }
}

#[test]
fn a_proof_needs_the_right_keys_and_enough_witnesses() {
    let log = Log::new(5);
    let file = proof(&log, &log.note(), &[0]).unwrap().to_bytes();
    let alone = Trust { witnesses: Vec::new(), quorum: 0, ..trust() };
    assert!(ProofFile::check(&file, &alone).is_ok(), "the log's key alone will do");
    let others = Trust { keys: vec![key(ORIGIN, 9).verifier(halligan_log::key::Kind::Log)], ..alone.clone() };
    assert!(matches!(ProofFile::check(&file, &others), Err(FileError::Checkpoint(_))));
    let more = Trust { quorum: 3, ..trust() };
    let FileError::Checkpoint(finding) = ProofFile::check(&file, &more).unwrap_err() else { panic!() };
    assert_eq!(finding.flaw, Flaw::Quorum { found: 2, expected: 3 });
}

#[test]
fn what_was_erased_is_proved_without() {
    let log = Log::new(5);
    let mut bare = log.clone();
    bare.archive.retain(|object, _| !object.is_personal());
    let file = proof(&bare, &bare.note(), &[2, 3]).unwrap().to_bytes();
    let erased: Vec<_> =
        ProofFile::check(&file, &trust()).unwrap().entries.iter().map(|entry| (entry.index, entry.erased)).collect();
    assert_eq!(erased, [(2, false), (3, true)]);
}

#[test]
fn only_what_checks_is_put_into_a_file() {
    let log = Log::new(5);
    let path = Inclusion::plan(1, 5, 5).unwrap().prove(log.edge.root(), |object| log.archive.get(&object).cloned());
    let (path, mut file) = (path.unwrap(), ProofFile::new(log.note()));
    assert_eq!(file.add(1, &leaf(2).entry, None, &path), Err(FileError::NotIncluded { index: 1 }));
    assert_eq!(file.add(2, &leaf(1).entry, None, &path), Err(FileError::NotIncluded { index: 2 }));
    assert!(matches!(file.add(1, &[0xff], None, &path), Err(FileError::Entry { index: 1, .. })));
    file.add(1, &leaf(1).entry, None, &path).unwrap();
    assert_eq!(file.add(1, &leaf(1).entry, None, &path), Err(FileError::Order { index: 1 }));
}
