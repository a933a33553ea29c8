//! A tree as RFC 9162 has it, written down once more: the slow and obvious way.

use halligan_log::key::Kind;
use halligan_log::{Checkpoint, Hash, SignedCheckpoint, SigningKey};
use sha2::{Digest as _, Sha256};

use super::ORIGIN;

#[derive(Debug, Clone)]
pub struct Tree {
    origin: String,
    leaves: Vec<[u8; 32]>,
}

impl Tree {
    /// The first so many entries of the log.
    pub fn of(size: u64) -> Self {
        Self::named(ORIGIN, size)
    }

    pub fn named(origin: &str, size: u64) -> Self {
        let leaves = (0..size).map(|n| Sha256::digest([&[0], n.to_string().as_bytes()].concat()).into()).collect();
        Self { origin: origin.to_owned(), leaves }
    }

    /// With another entry there.
    pub fn but(mut self, index: usize) -> Self {
        self.leaves[index] = [0xff; 32];
        self
    }

    pub fn size(&self) -> u64 {
        self.leaves.len().try_into().unwrap()
    }

    /// The proof that it extends its own first `old` entries.
    pub fn consistency(&self, old: u64) -> Vec<Hash> {
        let old = usize::try_from(old).unwrap();
        if old == 0 || old >= self.leaves.len() {
            return Vec::new();
        }
        proof(old, &self.leaves, true).into_iter().map(Hash).collect()
    }

    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { origin: self.origin.clone(), size: self.size(), root: Hash(root(&self.leaves)) }
    }

    pub fn signed(&self, key: &SigningKey) -> SignedCheckpoint {
        let mut note = SignedCheckpoint::unsigned(self.checkpoint());
        note.sign(&key.verifier(Kind::Log), key.sign(self.checkpoint().body().as_bytes()));
        note
    }
}

/// The largest power of two below `size`.
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            Sha256::digest([&[1][..], &root(left), &root(right)].concat()).into()
        }
    }
}

fn proof(old: usize, leaves: &[[u8; 32]], whole: bool) -> Vec<[u8; 32]> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = if old <= left.len() {
        (proof(old, left, whole), root(right))
    } else {
        (proof(old - left.len(), right, false), root(left))
    };
    path.push(sibling);
    path
}
