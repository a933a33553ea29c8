//! What is left of grants that are over: that they were.

use std::collections::BTreeMap;

use halligan_core::id::{GrantId, MintId};

use super::illegal::Because;
use super::one::Life;
use super::step::Told;

/// So many are known by name: the newest.
const NAMES_MAX: usize = 65_536;
/// So many mints of one of them may still come to something.
const OPEN_MINTS_MAX: usize = 16;

/// The grants that are over.
#[derive(Debug, Default)]
pub(super) struct Afterlife {
    names: BTreeMap<GrantId, Box<[MintId]>>,
    /// No name up to this one is new: ids sort by age.
    forgotten: Option<GrantId>,
}

impl Afterlife {
    /// Takes a grant that is over.
    pub(super) fn admit(&mut self, id: GrantId, life: &Life) {
        let open = life.open_mints();
        let newest = open.len().saturating_sub(OPEN_MINTS_MAX);
        self.names.insert(id, open.into_iter().skip(newest).collect());
        if self.names.len() > NAMES_MAX {
            self.forgotten = self.names.pop_first().map(|(id, _)| id).max(self.forgotten);
        }
    }

    /// Whether a grant of this name can be asked for.
    pub(super) fn check_new(&self, id: GrantId) -> Result<(), Because> {
        let known = self.names.contains_key(&id) || self.forgotten.is_some_and(|forgotten| id <= forgotten);
        if known { Err(Because::RequestedTwice) } else { Ok(()) }
    }

    /// Follows an entry about a grant that is over: what came of a mint may be told late.
    pub(super) fn follow(&mut self, id: GrantId, told: &Told<'_>) -> Result<(), Because> {
        let Some(open) = self.names.get_mut(&id) else { return Err(Because::NeverRequested) };
        let Told::Came { mint, .. } = told else { return Err(Because::Over) };
        if !open.contains(mint) {
            return Err(Because::NotIntended(*mint));
        }
        *open = open.iter().filter(|known| *known != mint).copied().collect();
        Ok(())
    }
}
