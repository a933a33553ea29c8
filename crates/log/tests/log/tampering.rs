//! Everything that an archive holds, changed in every way, at random: found, and at the right index.

use std::fmt::Debug;

use halligan_log::verify::head;
use halligan_log::{Checkpoint, Hash, Object, Span, bundle};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::oracle::{first_difference, texts};
use crate::support::*;

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    /// A text in a bundle of entries.
    Entry,
    /// A text in a bundle of personal parts.
    PersonalPart,
    /// A bundle of entries.
    Bundle,
    /// A bundle of personal parts.
    PersonalBundle,
    Tile,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    Flip,
    Drop,
    Reorder,
    Duplicate,
    Truncate,
}

const HOW: [How; 5] = [How::Flip, How::Drop, How::Reorder, How::Duplicate, How::Truncate];
const WHAT: [What; 5] = [What::Entry, What::PersonalPart, What::Bundle, What::PersonalBundle, What::Tile];

/// The larger, the slower: the largest is tried less often.
fn size() -> impl Strategy<Value = u64> {
    let (large, small) = SIZES.split_last().unwrap();
    prop_oneof![9 => prop::sample::select(small.to_vec()), 1 => Just(*large)]
}

/// Random choices.
type Draw = [Index; 4];

fn draw() -> impl Strategy<Value = Draw> {
    any::<Draw>()
}

/// Runs a hundred cases.
fn hundred<S: Strategy<Value: Debug>>(name: &str, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: 100, failure_persistence: None, max_global_rejects: 10_000, ..Config::default() };
    match TestRunner::new(config).run(&strategy, test) {
        Ok(()) => {}
        Err(TestError::Fail(reason, value)) => panic!("{name}: {reason}, with {value:?}"),
        Err(TestError::Abort(reason)) => panic!("{name}: {reason}"),
    }
}

impl What {
    fn is(self, object: &Object) -> bool {
        match self {
            Self::Entry | Self::Bundle => matches!(object, Object::Entries(_)),
            Self::PersonalPart | Self::PersonalBundle => object.is_personal(),
            Self::Tile => matches!(object, Object::Hashes { .. }),
        }
    }

    /// Changes the archive; returns what was changed, or nothing where there is nothing to change so.
    fn tamper(self, how: How, archive: &mut Archive, draw: Draw) -> Option<Object> {
        let objects: Vec<Object> = archive.keys().copied().filter(|object| self.is(object)).collect();
        let object = *draw[0].get(objects.get(..).filter(|objects| !objects.is_empty())?);
        let bytes = archive[&object].clone();
        if bytes.is_empty() {
            return None;
        }
        if matches!(self, Self::Entry | Self::PersonalPart) {
            let texts = change_texts(texts(&bytes), how, draw)?;
            archive.insert(object, bundle::write(texts.iter().map(Vec::as_slice)).unwrap());
            return Some(object);
        }
        let others: Vec<Object> = objects.into_iter().filter(|other| archive[other] != bytes).collect();
        match how {
            How::Flip => drop(archive.insert(object, flipped(bytes, draw))),
            How::Drop => drop(archive.remove(&object)),
            How::Reorder => {
                let other = *draw[1].get(others.get(..).filter(|others| !others.is_empty())?);
                let swapped = archive.insert(other, bytes)?;
                archive.insert(object, swapped);
            }
            // Twice in its own place, or once more in another's.
            How::Duplicate if others.is_empty() || draw[2].index(2) == 0 => {
                drop(archive.insert(object, bytes.repeat(2)))
            }
            How::Duplicate => drop(archive.insert(*draw[1].get(&others), bytes)),
            How::Truncate => drop(archive.insert(object, bytes[..draw[1].index(bytes.len())].to_vec())),
        }
        Some(object)
    }
}

fn flipped(mut bytes: Vec<u8>, draw: Draw) -> Vec<u8> {
    let at = draw[2].index(bytes.len());
    bytes[at] ^= 1 << draw[3].index(8);
    bytes
}

fn change_texts(mut texts: Vec<Vec<u8>>, how: How, draw: Draw) -> Option<Vec<Vec<u8>>> {
    if texts.is_empty() {
        return None;
    }
    let at = draw[1].index(texts.len());
    match how {
        How::Flip if texts[at].is_empty() => return None,
        How::Flip => texts[at] = flipped(texts[at].clone(), draw),
        How::Drop => drop(texts.remove(at)),
        How::Reorder => {
            let other = draw[2].index(texts.len());
            (texts[at] != texts[other]).then(|| texts.swap(at, other))?;
        }
        How::Duplicate => texts.insert(at + draw[2].index(texts.len() - at) + 1, texts[at].clone()),
        How::Truncate if texts[at].is_empty() => return None,
        How::Truncate => {
            let length = draw[2].index(texts[at].len());
            texts[at].truncate(length);
        }
    }
    Some(texts)
}

/// The walk finds what the oracle does, and hands on nothing but what was there.
fn is_found(log: &Log, tampered: &Archive) -> Result<(), TestCaseError> {
    let report = walk(&log.checkpoint(), tampered, 4);
    prop_assert_eq!(report.first(), first_difference(&log.archive, tampered).map(Some), "{:?}", report.findings);
    for (index, bytes, _) in &report.entries {
        prop_assert_eq!(bytes, &leaf(*index).entry, "entry {} was handed on", index);
    }
    Ok(())
}

fn tampering(what: What) {
    for how in HOW {
        hundred(&format!("{what:?} {how:?}"), (size(), draw()), |(size, draw)| {
            let log = Log::shared(size);
            let mut tampered = log.archive.clone();
            let changed = what.tamper(how, &mut tampered, draw);
            prop_assume!(changed.is_some());
            is_found(log, &tampered)
        });
    }
}

#[test]
fn entries() {
    tampering(What::Entry);
}

#[test]
fn personal_parts() {
    tampering(What::PersonalPart);
}

#[test]
fn bundles() {
    tampering(What::Bundle);
}

#[test]
fn personal_bundles() {
    tampering(What::PersonalBundle);
}

#[test]
fn tiles() {
    tampering(What::Tile);
}

#[test]
fn several_at_once() {
    let strategy = (size(), prop::collection::vec((0..WHAT.len(), 0..HOW.len(), draw()), 2..5));
    hundred("several", strategy, |(size, changes)| {
        let log = Log::shared(size);
        let mut tampered = log.archive.clone();
        for (what, how, draw) in changes {
            WHAT[what].tamper(HOW[how], &mut tampered, draw);
        }
        let report = walk(&log.checkpoint(), &tampered, 4);
        let expected = first_difference(&log.archive, &tampered);
        // Where tiles and entries are wrong together, a run of entries may be all that can be named.
        prop_assert_eq!(report.first().is_some(), expected.is_some(), "{:?}", &report.findings);
        prop_assert!(report.first() <= expected.map(Some), "{:?}, expected {:?}", &report.findings, expected);
        Ok(())
    });
}

/// A log with a full tile of level 1: changed in one place of each kind.
#[test]
fn tall_logs() {
    let log = Log::shared(66_000);
    let tile = |level, n, width| Object::Hashes { level, span: Span { n, width } };
    let cases: [(Object, usize, u64); 5] = [
        (tile(2, 0, 1), 31, 0),
        (tile(1, 0, 256), 32 * 100 + 5, 100 * 256),
        (tile(1, 1, 1), 0, 65_536),
        (tile(0, 255, 256), 32 * 255, 65_535),
        (Object::Entries(Span::full(255)), 2, 65_280),
    ];
    for (object, at, expected) in cases {
        let mut tampered = log.archive.clone();
        tampered.get_mut(&object).unwrap()[at] ^= 0x10;
        let report = walk(&log.checkpoint(), &tampered, 4);
        assert_eq!(report.first(), Some(Some(expected)), "{object}: {:?}", report.findings);
        assert_eq!(report.findings.len(), 1, "{object}: {:?}", report.findings);
        assert_eq!(report.findings[0].object, object);
        let found = report.entries.len();
        assert_eq!(found, 66_000 - usize::from(matches!(object, Object::Entries(_))), "{object}");
    }
}

/// An entry rewritten together with the hashes that stand for it, up to some level.
#[test]
fn who_rewrites_tiles_too_is_found() {
    let (log, forged) = (Log::shared(1_000), {
        let mut leaves: Vec<_> = (0..1_000).map(leaf).collect();
        leaves[300] = entry(300, "2026-03-01T00:02:30.25Z");
        Log::of(leaves)
    });
    let levels: [(&str, Vec<Object>, &str); 3] = [
        ("the entry", vec![], "entry 300 (`tile/entries/001`): the entry is not the one in the tree"),
        (
            "and its tile",
            vec![Object::Hashes { level: 0, span: Span::full(1) }],
            "entry 256 (`tile/0/001`): one or more of the entries from here to 511 are not those in the tree",
        ),
        (
            "and the edge",
            vec![
                Object::Hashes { level: 0, span: Span::full(1) },
                Object::Hashes { level: 1, span: Span { n: 0, width: 3 } },
            ],
            "`checkpoint`: the tree has the root",
        ),
    ];
    for (name, tiles, expected) in levels {
        let mut tampered = log.archive.clone();
        for object in tiles.into_iter().chain([Object::Entries(Span::full(1)), Object::Personal(Span::full(1))]) {
            tampered.insert(object, forged.archive[&object].clone());
        }
        let report = walk(&log.checkpoint(), &tampered, 4);
        let found = report.outcome.first.unwrap().to_string();
        assert!(found.starts_with(expected), "{name}: {found}");
        assert_eq!(report.findings.len(), 1, "{name}");
    }
}

/// What of a checkpoint is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Note {
    /// The lines of the text.
    Text,
    /// The lines of the signatures.
    Signatures,
}

fn tamper_note(note: &str, part: Note, how: How, draw: Draw) -> Option<Vec<u8>> {
    let (text, signatures) = note.split_once("\n\n").unwrap();
    let part_of = |changed: &str| if part == Note::Text { text == changed } else { signatures == changed };
    let mut lines: Vec<&str> = if part == Note::Text { text } else { signatures.trim_end() }.lines().collect();
    assert!(lines.len() >= 3 && !part_of(""));
    let at = draw[0].index(lines.len());
    let mut changed = lines[at].as_bytes().to_vec();
    match how {
        How::Flip => changed = flipped(changed, draw),
        How::Truncate => changed.truncate(draw[1].index(changed.len())),
        How::Drop => drop(lines.remove(at)),
        How::Reorder => {
            let other = draw[1].index(lines.len());
            (at != other).then(|| lines.swap(at, other))?;
        }
        How::Duplicate => lines.insert(at, lines[at]),
    }
    let mut lines: Vec<Vec<u8>> = lines.into_iter().map(|line| line.as_bytes().to_vec()).collect();
    if matches!(how, How::Flip | How::Truncate) {
        lines[at] = changed;
    }
    let part_bytes = lines.join(&b'\n');
    Some(match part {
        Note::Text => [&part_bytes, &b"\n\n"[..], signatures.as_bytes()].concat(),
        Note::Signatures => [text.as_bytes(), b"\n\n", &part_bytes, b"\n"].concat(),
    })
}

#[test]
fn checkpoints_and_signatures() {
    for part in [Note::Text, Note::Signatures] {
        for how in HOW {
            hundred(&format!("{part:?} {how:?}"), (size(), draw()), |(size, draw)| {
                let note = String::from_utf8(Log::shared(size).note().to_bytes()).unwrap();
                let changed = tamper_note(&note, part, how, draw);
                prop_assume!(changed.is_some());
                let changed = changed.unwrap();
                prop_assert_ne!(&changed, note.as_bytes());
                let read = head(&changed, &trust());
                if part == Note::Signatures && matches!(how, How::Reorder | How::Duplicate) {
                    // Who signed is the same.
                    prop_assert_eq!(read, head(note.as_bytes(), &trust()));
                } else {
                    let finding = read.unwrap_err();
                    prop_assert_eq!((finding.index, finding.object), (None, Object::Checkpoint));
                }
                Ok(())
            });
        }
    }
}

#[test]
fn a_whole_note_that_is_cut_or_doubled_is_none() {
    let note = Log::shared(257).note().to_bytes();
    for length in 0..note.len() {
        assert!(head(&note[..length], &trust()).is_err(), "{length} bytes");
    }
    assert!(head(&note.repeat(2), &trust()).is_err());
}

#[test]
fn another_tree_well_signed_is_found_at_the_checkpoint() {
    for size in SIZES {
        let log = Log::shared(size);
        let other = Checkpoint { root: Hash([7; 32]), ..log.checkpoint() };
        let read = head(&sign(&other).to_bytes(), &trust()).unwrap();
        let report = walk(&read.checkpoint, &log.archive, 4);
        assert_eq!(report.first(), Some(None), "size {size}");
        assert_eq!(report.findings.len(), 1, "size {size}");
    }
}
