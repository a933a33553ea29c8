//! Logs that are whole, and entries that should never have been written.

use halligan_log::verify::{Flaw, Succession, Walk, WalkError, head, succession};
use halligan_log::{Checkpoint, Hash, Leaf, Object, Span, Successor};
use proptest::prelude::*;

use crate::support::*;

fn is_whole(log: &Log, ahead: usize) {
    let (size, report) = (log.edge.size(), walk(&log.checkpoint(), &log.archive, ahead));
    assert_eq!(report.findings, [], "size {size}, {ahead} ahead");
    assert_eq!((report.outcome.entries, report.entries.len() as u64), (size, size));
    let committed = (0..size).filter(|index| has_personal(*index)).count() as u64;
    assert_eq!((report.outcome.personal, report.outcome.erased), (committed, 0));
    for (expected, (index, bytes, personal)) in (0..).zip(&report.entries) {
        assert_eq!((*index, bytes), (expected, &leaf(expected).entry));
        assert_eq!(*personal, has_personal(expected).then_some(true));
    }
}

#[test]
fn what_is_whole_has_no_findings() {
    for size in SIZES {
        for ahead in [1, 2, 7, 100] {
            is_whole(Log::shared(size), ahead);
        }
    }
    is_whole(Log::shared(66_000), 16);
}

#[test]
fn a_log_without_entries_is_whole() {
    let log = Log::new(0);
    let report = walk(&log.checkpoint(), &log.archive, 4);
    assert_eq!((report.findings, report.outcome.entries, report.outcome.last), (Vec::new(), 0, None));
    let other = Checkpoint { root: Hash([7; 32]), ..log.checkpoint() };
    let report = walk(&other, &log.archive, 4);
    assert_eq!(report.first(), Some(None));
    assert!(matches!(report.findings[0].flaw, Flaw::Root { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn an_older_checkpoint_is_verified_in_the_larger_archive(
        steps in prop::collection::vec(1_u64..300, 2..5), ahead in 1_usize..20, kept in any::<bool>(),
    ) {
        let mut log = Log::grown(&steps);
        let older = Log::grown(&steps[..steps.len() - 1]);
        if !kept {
            // What is full needs its parts no more.
            let all = log.archive.clone();
            log.archive.retain(|object, _| full(*object).is_none_or(|full| !all.contains_key(&full)));
        }
        let (size, report) = (older.edge.size(), walk(&older.checkpoint(), &log.archive, ahead));
        prop_assert_eq!(report.findings, vec![]);
        prop_assert_eq!(report.entries.len() as u64, size);
    }
}

#[test]
fn what_was_erased_is_counted() {
    let mut log = Log::shared(257).clone();
    log.archive.remove(&Object::Personal(Span { n: 1, width: 1 }));
    let report = walk(&log.checkpoint(), &log.archive, 2);
    assert_eq!(report.findings, []);
    assert_eq!((report.outcome.personal, report.outcome.erased), (86, 0), "entry 256 has none");
    log.archive.remove(&Object::Personal(Span::full(0)));
    let report = walk(&log.checkpoint(), &log.archive, 2);
    assert_eq!(report.findings, []);
    assert_eq!((report.outcome.personal, report.outcome.erased), (0, 86));
    assert_eq!(report.entries[3].2, Some(false));
}

/// A log whose tree is right, and whose entry 300 should not be in it.
fn with_300(leaf_300: Leaf) -> Report {
    let log = Log::of((0..310).map(|index| if index == 300 { leaf_300.clone() } else { leaf(index) }));
    walk(&log.checkpoint(), &log.archive, 2)
}

#[test]
fn what_the_log_should_not_have_taken_is_found() {
    let text = |from: &str, to: &str| {
        let leaf = leaf(300);
        let entry = String::from_utf8(leaf.entry).unwrap();
        assert!(entry.contains(from));
        Leaf { entry: entry.replace(from, to).into_bytes(), personal: leaf.personal }
    };
    let long = format!("\"more\":\"{}\",\"actor\"", "x".repeat(5_000));
    let cases: [(&str, Leaf, &str, u64); 13] = [
        ("not JSON", text("{\"v\"", "{v"), "envelope", 300),
        ("not UTF-8", Leaf { entry: vec![0xff; 9], personal: None }, "envelope", 300),
        ("no type", text("\"type\":\"grant.requested\",", ""), "envelope", 300),
        ("a field twice", text("\"v\":1,", "\"v\":1,\"v\":1,"), "envelope", 300),
        ("an id that is none", text("\"id\":\"0", "\"id\":\"g"), "envelope", 300),
        ("a time that is none", text("T00:02:30", "T24:02:30"), "envelope", 300),
        ("a hash that is none", text("\"personal_sha256\":\"", "\"personal_sha256\":\"0"), "envelope", 300),
        ("another version", text("\"v\":1", "\"v\":2"), "version", 300),
        ("another version of another shape", Leaf { entry: br#"{"v":3}"#.to_vec(), personal: None }, "version", 300),
        ("too long", text("\"actor\"", &long), "too_long", 300),
        ("a time before", text("T00:02:30Z", "T00:02:29.499999999Z"), "time_back", 300),
        ("a time after", text("T00:02:30Z", "T00:02:30.500000001Z"), "time_back", 301),
        ("the id of the next", text(&id(300), &id(301)), "same_id", 301),
    ];
    for (name, leaf, code, index) in cases {
        let report = with_300(leaf);
        let found: Vec<_> = report.findings.iter().map(|finding| (finding.flaw.code(), finding.index)).collect();
        assert_eq!(found, [(code, Some(index))], "{name}");
    }
}

#[test]
fn times_are_instants() {
    let times = [
        "2026-03-01T00:00:00Z",
        "2026-03-01T00:00:00.000Z",
        "2026-03-01T00:00:00.1Z",
        "2026-03-01T00:00:00.09Z",
        "2026-03-01T00:00:00.1000Z",
        "2026-03-01T01:00:01+01:00",
        "2026-03-01T00:00:02-01:00",
        "2026-03-01T00:59:00Z",
    ];
    let log = Log::of((0..).zip(times).map(|(index, time)| entry(index, time)));
    let report = walk(&log.checkpoint(), &log.archive, 1);
    let indexes: Vec<_> = report.findings.iter().map(|finding| finding.index.unwrap()).collect();
    assert_eq!(indexes, [3, 7]);
    insta::assert_snapshot!(
        report.findings[0],
        @"entry 3 (`tile/entries/000.p/8`): its time is 2026-03-01T00:00:00.09Z: the entry before has 2026-03-01T00:00:00.1Z"
    );
}

#[test]
fn ids_are_compared_across_bundles() {
    let twin = String::from_utf8(leaf(599).entry).unwrap().replace(&id(599), &id(1)).into_bytes();
    let log = Log::of((0..599).map(leaf).chain([Leaf { entry: twin, personal: None }]));
    let report = walk(&log.checkpoint(), &log.archive, 1);
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.flaw.code(), finding.index)).collect();
    assert_eq!(found, [("same_id", Some(599))]);
}

/// The full object, for a partial one.
fn full(object: Object) -> Option<Object> {
    let whole = |span: Span| (span.width < 256).then(|| Span::full(span.n));
    Some(match object {
        Object::Hashes { level, span } => Object::Hashes { level, span: whole(span)? },
        Object::Entries(span) => Object::Entries(whole(span)?),
        Object::Personal(span) => Object::Personal(whole(span)?),
        Object::Checkpoint | Object::Successor { .. } => return None,
    })
}

fn id(index: u64) -> String {
    let entry = String::from_utf8(leaf(index).entry).unwrap();
    entry.split('"').nth(5).unwrap().to_owned()
}

#[test]
fn only_what_was_asked_for_is_taken() {
    let log = Log::shared(257);
    let mut walk = Walk::new(log.checkpoint());
    let bytes = |object| log.archive.get(&object).cloned();
    let wrong = Object::Entries(Span::full(0));
    assert_eq!(walk.feed(wrong, None).unwrap_err(), WalkError::OutOfTurn(wrong));
    let edge = [walk.wanted().unwrap(), walk.wanted().unwrap()];
    assert_eq!(walk.wanted(), None, "what comes next depends on the edge");
    assert_eq!(walk.feed(edge[1], bytes(edge[1])).unwrap_err(), WalkError::OutOfTurn(edge[1]));
    let mut bundles = Vec::new();
    for object in edge {
        assert!(walk.feed(object, bytes(object)).unwrap().is_none());
    }
    while let Some(object) = walk.wanted() {
        bundles.extend(walk.feed(object, bytes(object)).unwrap());
    }
    let second = bundles.pop().unwrap();
    assert!(matches!(walk.accept(second.examine()), Err(WalkError::OutOfTurn(_))));
    assert_eq!(walk.finish().unwrap_err(), WalkError::Unfinished);
}

#[test]
fn an_absurd_size_is_walked_as_far_as_anybody_wants() {
    let checkpoint = Checkpoint { size: u64::MAX, ..Log::shared(1).checkpoint() };
    let (mut walk, mut found) = (Walk::new(checkpoint), Vec::new());
    for _ in 0..1_000 {
        let object = walk.wanted().unwrap();
        if let Some(bundle) = walk.feed(object, None).unwrap() {
            found
                .extend(walk.accept(bundle.examine()).unwrap().findings().iter().map(|finding| finding.index.unwrap()));
        }
    }
    assert!(found.contains(&0) && found.contains(&25_600));
    assert_eq!(walk.finish().unwrap_err(), WalkError::Unfinished);
}

#[test]
fn a_head_says_who_signed_when() {
    let log = Log::shared(257);
    let read = head(&log.note().to_bytes(), &trust()).unwrap();
    assert_eq!((read.checkpoint.clone(), read.signed_at, read.witnessed.len()), (log.checkpoint(), SIGNED_AT, 2));
    let mut twice = trust();
    twice.witnesses[1] = twice.witnesses[0].clone();
    let refused = head(&log.note().to_bytes(), &twice).unwrap_err();
    assert_eq!(refused.flaw, Flaw::Quorum { found: 1, expected: 2 }, "one witness counts once");
}

#[test]
fn what_was_begun_after_a_checkpoint_is_seen() {
    let checkpoint = Log::shared(257).checkpoint();
    let next = |size| Successor { size, root: Hash([7; 32]) }.to_bytes();
    assert_eq!(succession(&checkpoint, None), Succession::Newest);
    assert!(matches!(succession(&checkpoint, Some(&next(258))), Succession::Begun(Successor { size: 258, .. })));
    for malformed in [next(257), next(3), b"258\n".to_vec(), Vec::new()] {
        assert_eq!(succession(&checkpoint, Some(&malformed)), Succession::Malformed);
    }
}
