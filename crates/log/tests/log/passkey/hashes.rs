//! What is signed: the vectors that the documentation shows how to make.

use std::collections::BTreeSet;

use halligan_log::passkey::{Algorithm, PublicKey, Verb, challenge, enrolment_hash, person_hash};
use proptest::prelude::*;

#[test]
fn the_hashes_are_those_of_the_documentation() {
    let key = PublicKey { algorithm: Algorithm::EdDSA, spki: "BAUG".to_owned() };
    let hashes = Verb::ALL.map(|verb| challenge(verb, &[7; 32], &[9; 32]));
    let hashes = hashes.into_iter().chain([person_hash("alice"), enrolment_hash("alice", "AQID", &key)]);
    let hashes: Vec<_> = hashes.map(hex::encode).collect();
    insta::assert_snapshot!(hashes.join("\n"), @r"
    5c63f3675359a65a09027dc0d07a9ae68f4ca372e3ef9dbc8bf4f734b29012c6
    61f6b3922fed2c4006fdf8c1a0838241c42a3e7dfee1dbd7eea3b08cce967005
    4159bda16e8d1c83e8de4a1b2888106b7ac82e0cde7748953eee3f70c8ebf8d7
    2973ed681531943b9386fb570f1ce839c6c271b8ec0ca47bdd2c94ffbb52cc9e
    8f06003881fb28ebd65f827fac490d1eacfa9bb4279a0d58db6afaeab137a70a
    6be68308dc02f9bfcaacd078ec8c41920db0f2a3d1758f306ce095f582236976
    57936327e947c3a23af37d36b6aebbd855b93649e4e247ff26370173e7196e48
    ");
}

#[test]
fn a_verb_is_written_as_it_is_hashed() {
    for verb in Verb::ALL {
        assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str(), "{verb}");
    }
    for algorithm in Algorithm::ALL {
        assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str(), "{algorithm}");
    }
}

proptest! {
    /// Each field ends where it says: what moves from one to the next changes the hash.
    #[test]
    fn no_two_enrolments_have_one_hash(text in "[a-z]{4,12}", first in 0usize..4, second in 0usize..4) {
        let (a, b) = (first.min(second), first.max(second));
        let key = |spki: &str| PublicKey { algorithm: Algorithm::ES256, spki: spki.to_owned() };
        let mut seen = BTreeSet::new();
        for (a, b) in [(a, b), (a, b + 1), (a + 1, b + 1)] {
            seen.insert(enrolment_hash(&text[..a], &text[a..b], &key(&text[b..])));
        }
        prop_assert_eq!(seen.len(), 3);
    }
}
