//! Which objects the tree of a size has, in the order in which they are judged.

use std::collections::VecDeque;

use crate::object::{FULL, Object, Span};

/// A tile's hashes, in bits of an index.
const TILE_BITS: u32 = 8;
/// So many levels of tiles cover every size.
const LEVELS: u8 = 8;

/// How many hashes the tree of `size` has at a level of tiles.
pub(super) fn count(size: u64, level: u8) -> u64 {
    size.checked_shr(TILE_BITS * u32::from(level)).unwrap_or(0)
}

/// The first entry under the hash `at` of the tile `n`.
pub(super) fn first_index(level: u8, n: u64, at: u64) -> u64 {
    let hash = n.saturating_mul(FULL.into()).saturating_add(at);
    hash.saturating_mul(1 << (TILE_BITS * u32::from(level).min(7)))
}

/// The tiles of the right edge, from the top down; then bundle by bundle what is
/// full, each tile before what is under it; then the rightmost bundle.
#[derive(Debug)]
pub(super) struct Plan {
    size: u64,
    bundle: u64,
    next: VecDeque<Object>,
}

impl Plan {
    pub(super) fn new(size: u64) -> Self {
        Self { size, bundle: 0, next: Self::edge(size).into() }
    }

    /// The partial tiles, from the top down.
    pub(super) fn edge(size: u64) -> Vec<Object> {
        let partial = |level| Some(Object::Hashes { level, span: Span::partial(count(size, level))? });
        (0..LEVELS).rev().filter_map(partial).collect()
    }

    /// The full tiles that begin with this bundle, from the top down.
    fn tiles(size: u64, bundle: u64) -> impl Iterator<Item = Object> {
        let begins = move |level: &u8| bundle.is_multiple_of(1 << (TILE_BITS * u32::from(*level)));
        let mut levels: Vec<u8> = (0..LEVELS - 1).take_while(begins).collect();
        levels.reverse();
        levels.into_iter().filter_map(move |level| {
            let n = count(bundle, level);
            (n < count(size, level + 1)).then_some(Object::Hashes { level, span: Span::full(n) })
        })
    }
}

impl Iterator for Plan {
    type Item = Object;

    fn next(&mut self) -> Option<Object> {
        if self.next.is_empty() {
            let (bundle, full) = (self.bundle, count(self.size, 1));
            let span = if bundle < full { Span::full(bundle) } else { Span::partial(self.size)? };
            if bundle > full {
                return None;
            }
            if bundle < full {
                self.next.extend(Self::tiles(self.size, bundle));
            }
            self.next.extend([Object::Entries(span), Object::Personal(span)]);
            self.bundle += 1;
        }
        self.next.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(size: u64) -> String {
        Plan::new(size).map(|object| object.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_tile_comes_before_what_is_under_it() {
        insta::assert_snapshot!(keys(0), @"");
        insta::assert_snapshot!(keys(3), @"tile/0/000.p/3 tile/entries/000.p/3 personal/000.p/3");
        insta::assert_snapshot!(keys(256), @"tile/1/000.p/1 tile/0/000 tile/entries/000 personal/000");
        insta::assert_snapshot!(
            keys(257),
            @"tile/1/000.p/1 tile/0/001.p/1 tile/0/000 tile/entries/000 personal/000 tile/entries/001.p/1 personal/001.p/1"
        );
        let all: Vec<_> = Plan::new(65_536 * 2 + 1).collect();
        assert_eq!(all.len(), 2 + 2 + 512 * 3 + 2);
        insta::assert_snapshot!(
            all.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(" "),
            @"tile/2/000.p/2 tile/0/512.p/1 tile/1/000 tile/0/000 tile/entries/000"
        );
    }

    #[test]
    fn every_object_of_an_archive_is_asked_for_once() {
        for size in [1_u64, 255, 256, 257, 1_000, 65_535, 65_536, 65_537, 66_000, 200_000] {
            let all: std::collections::BTreeSet<_> = Plan::new(size).collect();
            assert_eq!(all.len(), Plan::new(size).count(), "size {size}");
            let bundles = size.div_ceil(256);
            let mut tiles = 0;
            let mut hashes = size;
            while hashes > 0 {
                tiles += hashes.div_ceil(256);
                hashes /= 256;
            }
            assert_eq!(all.len() as u64, tiles + 2 * bundles, "size {size}");
        }
    }
}
