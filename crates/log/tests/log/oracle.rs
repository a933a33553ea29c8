//! Where an archive that was tampered with first differs from what it was: what a
//! walk has to find, told by comparison.

use halligan_log::{Object, Span};

use crate::support::Archive;

/// The first entry that is concerned; none if all of what is left is as it was.
pub fn first_difference(before: &Archive, after: &Archive) -> Option<u64> {
    let objects = before.keys().filter(|object| **object != Object::Checkpoint);
    objects.filter_map(|object| differs(*object, &before[object], after.get(object))).min()
}

fn differs(object: Object, before: &[u8], after: Option<&Vec<u8>>) -> Option<u64> {
    match (object, after) {
        (Object::Hashes { level, span }, after) => {
            let chunks = |bytes: &[u8]| bytes.chunks(32).map(<[u8]>::to_vec).collect::<Vec<_>>();
            let at = first(&chunks(before), &chunks(after.map_or(&[], Vec::as_slice)), |_| false)?;
            Some((span.n * 256 + at) * 256_u64.pow(level.into()))
        }
        (Object::Entries(Span { n, .. }), after) => {
            let after = with_rest(after.map_or(&[], Vec::as_slice));
            Some(n * 256 + first(&texts(before), &after, |_| false)?)
        }
        // What is not there was erased: the object, or a part of it.
        (Object::Personal(Span { n, .. }), Some(after)) => {
            Some(n * 256 + first(&texts(before), &with_rest(after), <[u8]>::is_empty)?)
        }
        (Object::Personal(_) | Object::Checkpoint | Object::Successor { .. }, _) => None,
    }
}

/// The texts of a bundle, as far as they are whole.
pub fn texts(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((text, rest)) = rest.split_at_checked(length) else { break };
        texts.push(text.to_vec());
        bytes = rest;
    }
    texts
}

/// The texts, and what is behind the last whole one as a text that no other is equal to.
fn with_rest(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut texts = texts(bytes);
    if texts.iter().map(|text| text.len() + 2).sum::<usize>() < bytes.len() {
        texts.push(vec![0; 70_000]);
    }
    texts
}

fn first(before: &[Vec<u8>], after: &[Vec<u8>], is_erased: impl Fn(&[u8]) -> bool) -> Option<u64> {
    let both = before.iter().zip(after);
    let at = both.enumerate().find(|(_, (before, after))| before != after && !is_erased(after)).map(|(at, _)| at);
    let shorter = || (before.len() != after.len()).then(|| before.len().min(after.len()));
    at.or_else(shorter).map(|at| at as u64)
}
