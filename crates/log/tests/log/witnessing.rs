//! What a witness cosigns, and what it never does.

use halligan_log::key::Kind;
use halligan_log::proof::Consistency;
use halligan_log::witness::{Declined, Refusal, Request, SIZE_TYPE, read_answer};
use halligan_log::{Checkpoint, Hash, SignedCheckpoint, SigningKey};

use crate::support::*;

const NOW: u64 = 1_772_700_000;

/// A witness of one log, that keeps what it has seen.
#[derive(Default)]
struct Witness {
    seen: Option<Checkpoint>,
}

impl Witness {
    /// Answers a request as over HTTP: status, content type, body.
    fn post(&mut self, body: &[u8]) -> (u16, &'static str, Vec<u8>) {
        let key = &witness_keys()[0];
        let decide = |request: Request| {
            let known = if request.origin() == ORIGIN { trust().keys } else { Vec::new() };
            request.decide(&known, self.seen.as_ref())
        };
        match Request::parse(body).and_then(decide) {
            Ok(accepted) => {
                self.seen = Some(accepted.checkpoint().clone());
                let signature = key.sign(accepted.message(NOW).as_bytes());
                (200, "text/plain", accepted.answer(&key.verifier(Kind::Cosigner), NOW, &signature))
            }
            Err(refusal) => (refusal.status(), refusal.content_type(), refusal.body().into_bytes()),
        }
    }

    /// Shows it the log as it is now, from `old` on.
    fn show(&mut self, log: &Log, old: u64) -> Result<Vec<u8>, Declined> {
        let (status, content_type, body) = self.post(&request(log, old, &log.note()));
        read_answer(old, status, Some(content_type), &body)
    }
}

fn request(log: &Log, old: u64, note: &SignedCheckpoint) -> Vec<u8> {
    let Checkpoint { size, root, .. } = *note.checkpoint();
    let proof = Consistency::plan(old.min(size), size, size).unwrap();
    let proof = proof
        .prove(root, |object| log.archive.get(&object).cloned())
        .map_or_else(|_| Vec::new(), |prefix| prefix.proof);
    Request::new(old, proof, note.clone()).to_bytes()
}

fn signed_by(key: &SigningKey, checkpoint: &Checkpoint) -> SignedCheckpoint {
    let mut signed = SignedCheckpoint::unsigned(checkpoint.clone());
    signed.sign(&key.verifier(Kind::Log), key.sign(checkpoint.body().as_bytes()));
    signed
}

#[test]
fn a_log_that_grows_is_cosigned() {
    let (mut witness, mut log, mut old) = (Witness::default(), Log::new(0), 0);
    let cosigner = witness_keys()[0].verifier(Kind::Cosigner);
    for more in [0, 1, 1, 254, 1, 0, 700] {
        log.append((log.edge.size()..log.edge.size() + more).map(leaf));
        let mut note = signed_by(&log_key(), &log.checkpoint());
        let lines = witness.show(&log, old).unwrap();
        assert_eq!(note.add_cosignature(&lines, &cosigner), Ok(NOW), "size {}", log.edge.size());
        assert_eq!(note.cosigned(&cosigner), Ok(Some(NOW)));
        assert!(lines.starts_with("— witness.example.com/w1 ".as_bytes()) && lines.ends_with(b"\n"));
        old = log.edge.size();
    }
    assert_eq!(witness.seen, Some(log.checkpoint()));
}

#[test]
fn who_does_not_know_what_it_saw_is_told() {
    let mut witness = Witness::default();
    witness.show(Log::shared(257), 0).unwrap();
    for old in [0, 3, 256, 300] {
        assert_eq!(witness.show(Log::shared(1_000), old), Err(Declined::OtherSize { size: 257 }), "from {old}");
    }
    witness.show(Log::shared(1_000), 257).unwrap();
    let (status, content_type, body) = witness.post(&request(Log::shared(1_000), 0, &Log::shared(1_000).note()));
    assert_eq!((status, content_type, body.as_slice()), (409, SIZE_TYPE, &b"1000\n"[..]));
}

/// Another log of the same name, that differs from entry 200 on.
fn fork(size: u64) -> Log {
    Log::of((0..size).map(|index| if index == 200 { leaf(5_000) } else { leaf(index) }))
}

#[test]
fn what_contradicts_is_never_cosigned() {
    let (all, mid) = (Log::shared(1_000), Log::shared(257));
    let stranger = key("another.example.com", 7);
    let foreign = Checkpoint { origin: "another.example.com".into(), ..all.checkpoint() };
    let zero = Checkpoint { size: 0, root: Hash([1; 32]), ..all.checkpoint() };
    let huge = Checkpoint { size: u64::MAX, ..all.checkpoint() };
    let plain = |size: u64, note: &SignedCheckpoint, proof: &[Hash]| {
        Request::new(size, proof.to_vec(), note.clone()).to_bytes()
    };
    let good = Consistency::plan(257, 1_000, 1_000).unwrap();
    let good = good.prove(all.edge.root(), |object| all.archive.get(&object).cloned()).unwrap().proof;
    let mut flipped = good.clone();
    flipped[0].0[0] ^= 1;
    let mut forged = all.note();
    forged.sign(&log_key().verifier(Kind::Log), vec![7; 64]);
    let timed = {
        // A cosignature of the log's own is no signature as a log.
        let mut note = SignedCheckpoint::unsigned(all.checkpoint());
        let signature = log_key().sign(all.checkpoint().timed_body(NOW).as_bytes());
        note.cosign(&log_key().verifier(Kind::Log), NOW, &signature);
        note
    };
    let forks = (fork(257), fork(1_000));
    let cases: [(&str, Vec<u8>, u16); 17] = [
        ("an older tree", request(mid, 255, &Log::shared(255).note()), 409),
        ("an older tree, with what was seen", request(mid, 257, &Log::shared(255).note()), 400),
        ("another tree of the same size", request(&forks.0, 257, &forks.0.note()), 409),
        ("a tree that doesn't extend", request(&forks.1, 257, &forks.1.note()), 422),
        ("a tree that doesn't extend, with a true proof", plain(257, &forks.1.note(), &good), 422),
        ("no proof", plain(257, &all.note(), &[]), 422),
        ("half a proof", plain(257, &all.note(), &good[1..]), 422),
        ("too much of a proof", plain(257, &all.note(), &[good.clone(), vec![Hash([0; 32])]].concat()), 422),
        ("a changed proof", plain(257, &all.note(), &flipped), 422),
        ("a proof where nothing is to be proved", plain(257, &mid.note(), &good), 422),
        ("from nothing again", plain(0, &all.note(), &[]), 409),
        ("a forged signature", plain(257, &forged, &good), 403),
        ("no signature", plain(257, &timed, &good), 403),
        ("a stranger's signature", plain(257, &signed_by(&key(ORIGIN, 9), &all.checkpoint()), &good), 403),
        ("a log that isn't known", plain(257, &signed_by(&stranger, &foreign), &good), 404),
        ("a tree without entries", plain(0, &signed_by(&log_key(), &zero), &[]), 409),
        ("a tree beyond all sizes", plain(257, &signed_by(&log_key(), &huge), &good), 400),
    ];
    let mut witness = Witness::default();
    witness.show(mid, 0).unwrap();
    for (name, body, expected) in cases {
        let (status, content_type, answer) = witness.post(&body);
        assert_eq!(status, expected, "{name}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(content_type == SIZE_TYPE, status == 409, "{name}");
        assert_eq!(witness.seen, Some(mid.checkpoint()), "{name}: nothing was kept");
    }
    witness.show(mid, 257).expect("the same again is cosigned again");
    witness.show(all, 257).expect("what extends is cosigned");
}

#[test]
fn the_first_tree_needs_no_proof_and_takes_none() {
    let log = Log::shared(257);
    let proof = vec![Hash([0; 32])];
    assert_eq!(Witness::default().post(&Request::new(0, proof, log.note()).to_bytes()).0, 422);
    assert_eq!(Witness::default().post(&request(log, 5, &log.note())).0, 409);
    let zero = Checkpoint { size: 0, root: Hash([1; 32]), ..log.checkpoint() };
    assert_eq!(
        Witness::default().post(&Request::new(0, vec![], sign(&zero)).to_bytes()).0,
        409,
        "nothing has one root"
    );
}

#[test]
fn the_state_of_another_log_is_never_used() {
    let log = Log::shared(257);
    let other = Checkpoint { origin: "another.example.com".into(), size: 0, root: log.edge.root() };
    let request = Request::new(0, vec![], log.note());
    assert!(matches!(request.decide(&trust().keys, Some(&other)), Err(Refusal::UnknownLog(_))));
}

#[test]
fn a_key_that_signed_before_is_known_beside_the_new_one() {
    let log = Log::shared(257);
    let former = key(ORIGIN, 9);
    let keys = [log_key().verifier(Kind::Log), former.verifier(Kind::Log)];
    let request = Request::new(0, vec![], signed_by(&former, &log.checkpoint()));
    assert!(request.decide(&keys, None).is_ok());
}

#[test]
fn a_request_reads_so() {
    let log = Log::new(3);
    let body = String::from_utf8(request(&log, 2, &log.note())).unwrap();
    insta::assert_snapshot!(body.lines().take(6).collect::<Vec<_>>().join("\n"), @"
    old 2
    rSi3rZPbUWKGSyGcF1cXDxqj7OAQH7R9ql4xnixYNBo=

    log.example.com/test
    3
    1A6Cr7eNxKNyahQxCzVMyNnQU+gLQ2sMqW8Xj8FPiU4=
    ");
    assert_eq!(Request::parse(body.as_bytes()).unwrap().to_bytes(), body.as_bytes());
}

#[test]
fn what_is_no_request_is_refused() {
    let log = Log::new(3);
    let good = String::from_utf8(request(&log, 2, &log.note())).unwrap();
    let lines = |count: usize| {
        let (first, rest) = good.split_once('\n').unwrap();
        let (_, note) = rest.split_once("\n\n").unwrap();
        format!("{first}\n{}\n{note}", format!("{}\n", Hash([0; 32])).repeat(count))
    };
    let cases = [
        ("nothing", String::new()),
        ("one line", "old 2".into()),
        ("no checkpoint", "old 2\n\n".into()),
        ("no size", good.replacen("old 2", "old", 1)),
        ("a sign", good.replacen("old 2", "old +2", 1)),
        ("a leading zero", good.replacen("old 2", "old 02", 1)),
        ("a negative size", good.replacen("old 2", "old -2", 1)),
        ("two spaces", good.replacen("old 2", "old  2", 1)),
        ("a size too large", good.replacen("old 2", "old 18446744073709551616", 1)),
        ("a hash that is none", good.replacen('\n', "\nAAAA\n", 1)),
        ("64 hashes", lines(64)),
        ("no empty line", good.replacen("\n\n", "\n", 1)),
        ("a carriage return", good.replacen("old 2\n", "old 2\r\n", 1)),
        ("no signature", good.split('—').next().unwrap().to_owned()),
    ];
    for (name, body) in cases {
        let refusal = Request::parse(body.as_bytes()).unwrap_err();
        assert_eq!(refusal.status(), 400, "{name}");
        assert_eq!(Witness::default().post(body.as_bytes()).0, 400, "{name}");
    }
    assert!(Request::parse(lines(63).as_bytes()).is_ok());
    for at in 0..good.len() {
        let mut changed = good.clone().into_bytes();
        changed[at] ^= 0x80;
        let _ = Request::parse(&changed);
        let _ = Request::parse(&good.as_bytes()[..at]);
    }
}

#[test]
fn answers_are_read_as_they_are_meant() {
    let size = Some("text/x.tlog.size; charset=utf-8");
    let read = |status, content_type, body: &str| read_answer(5, status, content_type, body.as_bytes());
    assert_eq!(read(200, None, "— w x\n"), Ok("— w x\n".into()));
    assert_eq!(read(409, size, "7\n"), Err(Declined::OtherSize { size: 7 }));
    for (status, content_type, body) in [
        (409, size, "5\n"),
        (409, size, "07\n"),
        (409, size, "7"),
        (409, size, ""),
        (409, None, "7\n"),
        (400, None, "no"),
        (403, None, ""),
        (404, None, ""),
        (422, None, ""),
        (301, None, ""),
        (204, None, ""),
    ] {
        assert!(matches!(read(status, content_type, body), Err(Declined::Refused(_))), "{status} {body:?}");
    }
    for status in [429, 500, 502, 503] {
        assert_eq!(read(status, None, ""), Err(Declined::Unavailable { status }));
    }
    let long = read(400, None, &"x".repeat(1_000_000)).unwrap_err().to_string();
    assert!(long.len() < 300);
}
