//! The entries of a grant, proved by themselves.

use halligan_core::id::GrantId;
use halligan_engine::audit::{Progress, ProveError, prove};
use halligan_engine::fakes::fixtures;
use halligan_log::proof::ProofFile;
use halligan_log::{Object, Span};

use crate::log::{Log, nights, trust};
use crate::story::id;

#[tokio::test]
async fn a_proof_holds_every_entry_of_its_grant_and_no_other() {
    let (story, grants) = nights(120);
    let log = Log::of(&story.entries);
    for night in [0_u64, 36, 119] {
        let grant = &grants[night as usize];
        let mut last = None;
        let proof = prove(&log, &trust(), id(grant), |progress| last = Some(progress)).await.unwrap();
        assert_eq!(last, Some(Progress { entries: 840, size: 840 }));
        assert_eq!((proof.entries, proof.findings.len()), (7, 0));
        let checked = ProofFile::check(&proof.bytes, &trust()).unwrap();
        assert_eq!(checked.head, proof.head);
        let indexes: Vec<u64> = checked.entries.iter().map(|entry| entry.index).collect();
        assert_eq!(indexes, (night * 7..night * 7 + 7).collect::<Vec<_>>());
        for (proved, told) in checked.entries.iter().zip(&story.entries[night as usize * 7..]) {
            assert_eq!(proved.entry.as_bytes(), told.entry.to_json());
            assert_eq!(
                proved.personal.as_deref().map(str::as_bytes),
                told.personal.as_ref().map(|p| p.to_json()).as_deref()
            );
        }
    }
}

#[tokio::test]
async fn of_what_is_not_there_is_no_proof() {
    let (story, _) = nights(5);
    let log = Log::of(&story.entries);
    let stranger = GrantId::new(fixtures::uuid(77));
    let error = prove(&log, &trust(), stranger, |_| {}).await.unwrap_err();
    assert!(matches!(error, ProveError::Unknown { size: 35, .. }), "{error}");
    let nobody = halligan_log::verify::Trust::default();
    assert!(matches!(prove(&log, &nobody, stranger, |_| {}).await.unwrap_err(), ProveError::Checkpoint(_)));
}

#[tokio::test]
async fn a_proof_stands_beside_what_is_wrong_elsewhere() {
    let (story, grants) = nights(120);
    let mut log = Log::of(&story.entries);
    log.change(8, "alice", "malic");
    // What was erased is left out.
    log.objects.remove(&Object::Personal(Span { n: 3, width: 72 }));
    let proof = prove(&log, &trust(), id(&grants[115]), |_| {}).await.unwrap();
    assert_eq!((proof.entries, proof.findings[0].index), (7, Some(8)));
    let checked = ProofFile::check(&proof.bytes, &trust()).unwrap();
    assert!(checked.entries[0].erased && checked.entries[0].personal.is_none());
    // Of the life with the gap what is there is proved.
    let proof = prove(&log, &trust(), id(&grants[1]), |_| {}).await.unwrap();
    assert_eq!(proof.entries, 6);
}

#[tokio::test]
async fn partial_tiles_that_are_no_longer_kept_are_in_the_full_ones() {
    let (story, grants) = nights(120);
    let small = Log::of(&story.entries[..700]);
    let mut grown = Log::of(&story.entries);
    grown.objects.insert(Object::Checkpoint, small.objects[&Object::Checkpoint].clone());
    // 700 entries are two bundles and 188; of the larger log there are three full ones.
    assert!(!grown.objects.contains_key(&Object::Hashes { level: 0, span: Span { n: 2, width: 188 } }));
    grown.objects.insert(
        Object::Hashes { level: 1, span: Span { n: 0, width: 2 } },
        small.objects[&Object::Hashes { level: 1, span: Span { n: 0, width: 2 } }].clone(),
    );
    let proof = prove(&grown, &trust(), id(&grants[90]), |_| {}).await.unwrap();
    assert_eq!((proof.entries, proof.findings.len(), proof.head.checkpoint.size), (7, 0, 700));
    assert_eq!(ProofFile::check(&proof.bytes, &trust()).unwrap().entries.len(), 7);
}
