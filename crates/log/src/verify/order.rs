//! What can be judged of an entry only beside those before it.

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use uuid::Uuid;

use super::examine::{Examined, Part};
use super::finding::{Finding, Flaw};

/// An id is compared with those of so many entries before it.
const WINDOW: usize = 8_192;

/// The entries so far, as far as the next ones need them.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) last: Option<Timestamp>,
    pub(super) personal: u64,
    pub(super) erased: u64,
    ids: HashSet<Uuid>,
    recent: VecDeque<Uuid>,
}

impl Order {
    /// Takes the next bundle's entries.
    pub(super) fn follow(&mut self, examined: &Examined, findings: &mut Vec<Finding>) {
        for fact in &examined.facts {
            let mut found = |flaw| {
                let index = Some(examined.index(fact));
                findings.push(Finding { index, object: examined.object(), flaw, more: 0 });
            };
            if let Some(before) = self.last.replace(fact.time)
                && fact.time < before
            {
                found(Flaw::TimeBack { time: fact.time, before });
            }
            if !self.is_new(fact.id) {
                found(Flaw::SameId);
            }
            self.personal += u64::from(fact.personal == Part::Kept);
            self.erased += u64::from(fact.personal == Part::Erased);
        }
    }

    fn is_new(&mut self, id: Uuid) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.recent.push_back(id);
        if self.recent.len() > WINDOW
            && let Some(oldest) = self.recent.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}
