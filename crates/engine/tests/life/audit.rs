//! A log is verified from its signatures to its lives, and the first thing that is wrong decides.

use std::sync::atomic::Ordering;

use halligan_core::event::Recorded;
use halligan_engine::audit::{AuditError, Finding, Fresh, Progress, Report, Terms, verify};
use halligan_engine::fakes::fixtures::at;
use halligan_engine::ports::Tampering;
use halligan_log::key::Kind;
use halligan_log::successor::Successor;
use halligan_log::verify::{Succession, Trust};
use halligan_log::{Checkpoint, Hash, Object, SignedCheckpoint, Span};
use jiff::SignedDuration;

use crate::log::{Log, ORIGIN, key, nights, sign, signed_at, terms, trust};
use crate::story::{api, issued};

/// What was found, a line each.
fn words(report: &Report) -> String {
    let line = |finding: &Finding| format!("{} · {finding}\n", finding.code());
    report.findings.iter().map(line).collect()
}

#[tokio::test]
async fn a_sound_log_is_told_in_numbers() {
    let (story, grants) = nights(300);
    let log = Log::of(&story.entries);
    let mut seen = Vec::new();
    let report = verify(&log, &terms(), |progress| seen.push(progress)).await.unwrap();
    assert!(report.is_sound() && report.first().is_none(), "{}", words(&report));
    assert_eq!((report.entries, report.grants, report.personal, report.erased), (2_100, grants.len() as u64, 600, 0));
    assert_eq!((report.signed_at, report.succession), (Some(signed_at()), Some(Succession::Newest)));
    assert_eq!(report.last, Some(story.entries.last().unwrap().entry.time));
    assert_eq!(report.head.unwrap().checkpoint.size, 2_100);
    assert_eq!(report.lives_until, None);
    assert!(seen.is_sorted_by_key(|progress| progress.entries), "{seen:?}");
    assert_eq!(seen.last(), Some(&Progress { entries: 2_100, size: 2_100 }));
    let most = log.most.load(Ordering::SeqCst);
    assert!((2..=32).contains(&most), "{most} reads at a time");
    let empty = Log::of(&[]).verify().await;
    assert!(empty.is_sound() && empty.entries == 0, "{}", words(&empty));
}

#[tokio::test]
async fn without_its_deployment_a_log_is_verified_as_far_as_it_goes() {
    let (story, _) = nights(3);
    let log = Log::of(&story.entries);
    let report = verify(&log, &Terms { deployment: None, ..terms() }, |_| {}).await.unwrap();
    assert!(report.is_sound(), "{}", words(&report));
    let other = Terms { deployment: Some("another".parse().unwrap()), ..terms() };
    let report = verify(&log, &other, |_| {}).await.unwrap();
    let first = report.first().unwrap();
    assert_eq!((first.index, first.code()), (Some(0), "life"));
    assert!(first.to_string().contains("`request_hash`"), "{first}");
}

#[tokio::test]
async fn what_was_erased_is_counted_and_no_finding() {
    let (story, _) = nights(100);
    let mut log = Log::of(&story.entries);
    log.objects.retain(|object, _| *object != Object::Personal(Span::full(1)));
    let report = log.verify().await;
    assert!(report.is_sound(), "{}", words(&report));
    let gone = story.entries[256..512].iter().filter(|sealed| sealed.personal.is_some()).count() as u64;
    assert_eq!((report.personal, report.erased), (200 - gone, gone));
    assert!(gone > 10);
}

/// Signed, hashed, published: and never lived.
#[tokio::test]
async fn a_life_that_nobody_lived_is_found_at_its_index() {
    for night in [0, 36, 37, 99] {
        let (mut story, grants) = nights(100);
        // The outcome of a mint that nobody intended, behind the night's last entry.
        let after = usize::try_from(night * 7 + 6).unwrap();
        let mut forged = crate::story::Story { written: 9_000_000, ..Default::default() };
        forged.add(&grants[night as usize], &api("alice"), Recorded::plain(issued(1)), story.entries[after].entry.time);
        story.entries.splice(after + 1..after + 1, forged.entries);
        let report = Log::of(&story.entries).verify().await;
        let first = report.first().unwrap();
        assert_eq!((first.index, first.code(), report.found), (Some(night * 7 + 7), "life", 1), "{}", words(&report));
        assert_eq!(report.entries, 701);
    }
}

#[tokio::test]
async fn no_finding_hides_behind_another_of_a_lower_index() {
    let forge = |at: usize| {
        let (mut story, _) = nights(150);
        story.entries[at].entry.subject.id = "prod-reader".to_owned();
        story
    };
    // The lives are wrong early, the bytes late.
    let mut log = Log::of(&forge(10).entries);
    log.change(900, "alice", "malic");
    let report = log.verify().await;
    insta::assert_snapshot!(words(&report), @r#"
    life · entry 10, `credentials.intended` of grant 032aA2uJ8lstOwg9ydi7Yu, makes no legal life: `subject` is {"kind":"aws-role","id":"prod-reader"}: expected {"kind":"aws-role","id":"prod-admin"}
    entry · entry 900 (`tile/entries/003`): the entry is not the one in the tree
    "#);
    // The bytes are wrong early: what the lives miss from there on is not told again and again.
    let mut log = Log::of(&forge(900).entries);
    log.change(10, "alice", "malic");
    let report = log.verify().await;
    insta::assert_snapshot!(words(&report), @"entry · entry 10 (`tile/entries/000`): the entry is not the one in the tree");
    assert_eq!(report.lives_until, Some(10));
    // In one bundle: up to the gap lives are followed.
    let mut log = Log::of(&forge(10).entries);
    log.change(20, "alice", "malic");
    log.touched.insert(log.bundle(0), Tampering::Overwritten);
    insta::assert_snapshot!(words(&log.verify().await), @r#"
    overwritten · entry 0 (`tile/entries/000`): other bytes were written over it: what was first written was read, and is verified
    life · entry 10, `credentials.intended` of grant 032aA2uJ8lstOwg9ydi7Yu, makes no legal life: `subject` is {"kind":"aws-role","id":"prod-reader"}: expected {"kind":"aws-role","id":"prod-admin"}
    entry · entry 20 (`tile/entries/000`): the entry is not the one in the tree
    "#);
    // A whole subtree that fits itself and nothing above is told when the walk has come to its end.
    let mut log = Log::of(&forge(10).entries);
    let tile = Object::Hashes { level: 0, span: Span::full(0) };
    log.change(20, "alice", "malic");
    let leaves = log.objects[&log.bundle(0)].clone();
    let texts = halligan_log::bundle::read(&leaves, 256).unwrap();
    let own = halligan_log::Edge::default()
        .grow(texts.iter().map(|text| halligan_log::Leaf { entry: text.to_vec(), personal: None }.into()))
        .unwrap();
    log.objects.insert(tile, own.objects.iter().find(|(object, _)| *object == tile).unwrap().1.clone());
    let report = log.verify().await;
    assert_eq!(
        (report.first().unwrap().index, report.first().unwrap().code()),
        (Some(0), "range"),
        "{}",
        words(&report)
    );
}

#[tokio::test]
async fn who_touched_a_key_is_told_and_the_original_is_verified() {
    let (story, _) = nights(100);
    let mut log = Log::of(&story.entries);
    let bundle = log.bundle(300);
    log.touched.insert(bundle, Tampering::Hidden);
    log.touched.insert(Object::Hashes { level: 1, span: Span { n: 0, width: 2 } }, Tampering::Overwritten);
    // Erasing hides first, and is nobody's fault.
    log.touched.insert(Object::Personal(Span::full(0)), Tampering::Hidden);
    log.touched.insert(Object::Personal(Span::full(1)), Tampering::Overwritten);
    let report = log.verify().await;
    insta::assert_snapshot!(words(&report), @r"
    overwritten · entry 0 (`tile/1/000.p/2`): other bytes were written over it: what was first written was read, and is verified
    hidden · entry 256 (`tile/entries/001`): a delete marker hides it: what was first written was read, and is verified
    overwritten · entry 256 (`personal/001`): other bytes were written over it: what was first written was read, and is verified
    ");
    assert_eq!((report.entries, report.grants, report.personal), (700, 100, 200));
}

#[tokio::test]
async fn a_checkpoint_counts_or_nothing_does() {
    let (story, _) = nights(2);
    let log = Log::of(&story.entries);
    let judged = async |terms: Terms, note: Option<Vec<u8>>| {
        let mut log = Log { objects: log.objects.clone(), ..Log::default() };
        match note {
            Some(note) => drop(log.objects.insert(Object::Checkpoint, note)),
            None => drop(log.objects.remove(&Object::Checkpoint)),
        }
        let report = verify(&log, &terms, |_| {}).await.unwrap();
        assert!(!report.is_sound() && report.first().unwrap().index.is_none());
        words(&report)
    };
    let note = log.objects[&Object::Checkpoint].clone();
    insta::assert_snapshot!(judged(terms(), None).await, @"missing · `checkpoint`: it is missing");
    insta::assert_snapshot!(judged(terms(), Some(b"hello".to_vec())).await, @"checkpoint · `checkpoint`: it is no signed checkpoint");
    let stranger = Trust { keys: vec![key(2).verifier(Kind::Log)], ..trust() };
    insta::assert_snapshot!(judged(Terms { trust: stranger, ..terms() }, Some(note.clone())).await, @"checkpoint · `checkpoint`: none of the log's keys signed it");
    let watched = Trust { witnesses: vec![key(3).verifier(Kind::Cosigner)], quorum: 1, ..trust() };
    insta::assert_snapshot!(judged(Terms { trust: watched, ..terms() }, Some(note.clone())).await, @"quorum · `checkpoint`: 0 of the witnesses cosigned it: expected 1");
    let checkpoint = SignedCheckpoint::parse(&note).unwrap().checkpoint().clone();
    let other = Checkpoint { origin: ORIGIN.to_owned(), root: Hash([7; 32]), ..checkpoint.clone() };
    insta::assert_snapshot!(judged(terms(), Some(sign(other, signed_at()).to_bytes())).await, @"root · `checkpoint`: the tree has the root X2bzTFI302QnE21EzvV/PL5CEBvrAYtVe5mAYRM7LW4=: the checkpoint says BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    let fresh = |now| Terms { fresh: Some(Fresh { now, within: SignedDuration::from_mins(10) }), ..terms() };
    insta::assert_snapshot!(judged(fresh(at(100_601)), Some(note.clone())).await, @"stale · `checkpoint`: the log was last signed at 2026-03-02T06:46:40Z, 10m 1s ago: expected at most 10m");
    insta::assert_snapshot!(judged(fresh(at(99_000)), Some(note.clone())).await, @"early · `checkpoint`: the log was signed at 2026-03-02T06:46:40Z, which has not come: expected an earlier time");
    for (now, fresh) in [(at(100_600), true), (at(99_700), true), (at(999_999), false)] {
        let within = SignedDuration::from_mins(10);
        let terms = Terms { fresh: fresh.then_some(Fresh { now, within }), ..terms() };
        assert!(verify(&log, &terms, |_| {}).await.unwrap().is_sound(), "{now}");
    }
}

#[tokio::test]
async fn a_larger_tree_that_was_begun_is_told() {
    let (story, _) = nights(2);
    let mut log = Log::of(&story.entries);
    let begun = |size| Successor { size, root: Hash([1; 32]) };
    log.objects.insert(Object::Successor { size: 14, attempt: 0 }, begun(15).to_bytes());
    log.objects.insert(Object::Successor { size: 14, attempt: 1 }, begun(20).to_bytes());
    let report = log.verify().await;
    assert!(report.is_sound());
    assert_eq!(report.succession, Some(Succession::Begun(begun(20))));
}

#[tokio::test]
async fn what_cannot_be_read_is_no_finding() {
    let (story, _) = nights(80);
    let mut log = Log::of(&story.entries);
    log.broken = Some(log.bundle(300));
    let error = verify(&log, &terms(), |_| {}).await.unwrap_err();
    assert!(matches!(error, AuditError::Archive { .. }));
    insta::assert_snapshot!(error, @"`tile/entries/001` of memory can't be read");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "told to fail");
}
