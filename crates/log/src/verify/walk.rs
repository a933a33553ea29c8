//! The order in which a log is read, and what has to be judged in that order.

use std::collections::VecDeque;

use jiff::Timestamp;
use tlog_tiles::Hash;

use crate::checkpoint::Checkpoint;
use crate::edge::{root_of, subtree_root};
use crate::object::{FULL, Object, Span};

use super::examine::{Bundle, Entry, Examined, Texts};
use super::finding::{Finding, Flaw};
use super::order::Order;
use super::plan::Plan;
use super::tile::{Above, Tile};

/// One walk through the tree of a checkpoint.
#[derive(Debug)]
pub struct Walk {
    checkpoint: Checkpoint,
    plan: Plan,
    /// Asked for and not answered yet.
    asked: VecDeque<Object>,
    /// To be asked for in place of what wasn't there.
    instead: VecDeque<Object>,
    edge: EdgeState,
    /// By level.
    levels: Vec<Level>,
    parts: Parts,
    /// Given out as bundles and not taken back yet.
    lent: VecDeque<Span>,
    order: Order,
    tally: Tally,
}

/// What is known of the right edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EdgeState {
    /// So many of its tiles aren't there yet.
    Waiting(usize),
    /// It makes the root.
    Sound,
    /// It doesn't.
    Broken,
}

/// A level of tiles.
#[derive(Debug, Default)]
struct Level {
    /// Its tile of the right edge.
    edge: Option<Tile>,
    /// What was found beneath that.
    beneath: Vec<Option<Hash>>,
    /// Its full tiles that were read, and under which the walk is not done yet.
    open: VecDeque<Open>,
}

/// A full tile, above that of level 0.
#[derive(Debug)]
struct Open {
    tile: Tile,
    above: Above,
    sound: bool,
    beneath: Vec<Option<Hash>>,
}

/// The objects of the next bundle.
#[derive(Debug, Default)]
struct Parts {
    tile: Option<(Tile, Above)>,
    entries: Option<Texts>,
    personal: Option<Texts>,
}

/// The findings so far.
#[derive(Debug, Default)]
struct Tally {
    found: u64,
    first: Option<Finding>,
}

impl Tally {
    fn count(&mut self, findings: &[Finding]) {
        for finding in findings {
            self.found += 1;
            if self.first.as_ref().is_none_or(|first| finding.index < first.index) {
                self.first = Some(finding.clone());
            }
        }
    }
}

/// The caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// An object was handed over that was not the next one.
    #[error("`{0}` was not the next object that was asked for")]
    OutOfTurn(Object),
    /// The walk was ended before everything was handed over.
    #[error("the walk is not at its end")]
    Unfinished,
}

/// A bundle in its place in the log.
#[derive(Debug)]
pub struct Verified {
    examined: Examined,
    findings: Vec<Finding>,
}

impl Verified {
    /// What was found wrong up to here since the last bundle.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The entries that are the tree's, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.examined.entries()
    }
}

/// What came of a walk.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What was found since the last bundle.
    pub findings: Vec<Finding>,
    /// How many findings there were in all.
    pub found: u64,
    /// The finding with the lowest index; one about the checkpoint comes first.
    pub first: Option<Finding>,
    /// How many entries the tree has.
    pub entries: u64,
    /// How many personal parts are there.
    pub personal: u64,
    /// How many personal parts were erased.
    pub erased: u64,
    /// The time of the last entry.
    pub last: Option<Timestamp>,
}

impl Walk {
    /// A walk through the tree of `checkpoint`, which [`super::head()`] believed.
    #[must_use]
    pub fn new(checkpoint: Checkpoint) -> Self {
        let size = checkpoint.size;
        let mut walk = Self {
            checkpoint,
            plan: Plan::new(size),
            asked: VecDeque::new(),
            instead: VecDeque::new(),
            edge: EdgeState::Waiting(Plan::edge(size).len()),
            levels: Vec::new(),
            parts: Parts::default(),
            lent: VecDeque::new(),
            order: Order::default(),
            tally: Tally::default(),
        };
        walk.levels.resize_with(9, Level::default);
        walk.settle();
        walk
    }

    /// The next object to read. Ask again and again to read ahead; none if everything was asked for,
    /// or what comes next depends on an answer that is still out.
    pub fn wanted(&mut self) -> Option<Object> {
        let open = matches!(self.edge, EdgeState::Waiting(tiles) if tiles <= self.asked.len());
        let next = self.instead.pop_front().or_else(|| if open { None } else { self.plan.next() })?;
        self.asked.push_back(next);
        Some(next)
    }

    /// Takes an object's bytes, or that it isn't there, in the order in which [`Walk::wanted`]
    /// gave them out. Returns a bundle when it is complete.
    ///
    /// A partial object that isn't there is no finding: once it is full, it need not be kept.
    /// The full one is wanted then.
    ///
    /// # Errors
    /// It was not this object's turn.
    pub fn feed(&mut self, object: Object, bytes: Option<Vec<u8>>) -> Result<Option<Bundle>, WalkError> {
        if self.asked.front() != Some(&object) {
            return Err(WalkError::OutOfTurn(object));
        }
        self.asked.pop_front();
        if bytes.is_none()
            && let Some(full) = full(object)
        {
            self.instead.push_back(full);
            return Ok(None);
        }
        match object {
            Object::Hashes { level, span } => self.take_tile(object, level, span, bytes.as_deref()),
            Object::Entries(span) => {
                let own = self.trimmed(span);
                let named = if bytes.is_some() { object } else { Object::Entries(own) };
                self.parts.entries = Some(Texts::read(named, own, bytes));
            }
            Object::Personal(span) => self.parts.personal = Some(Texts::read(object, self.trimmed(span), bytes)),
            Object::Checkpoint | Object::Successor { .. } => {}
        }
        Ok(self.bundle(object))
    }

    /// As much of the run as the tree has.
    fn trimmed(&self, span: Span) -> Span {
        Span::partial(self.checkpoint.size).filter(|partial| partial.n == span.n).unwrap_or(span)
    }

    fn take_tile(&mut self, object: Object, level: u8, span: Span, bytes: Option<&[u8]>) {
        if let EdgeState::Waiting(tiles) = self.edge {
            let width =
                Span::partial(super::plan::count(self.checkpoint.size, level)).map_or(span.width, |own| own.width);
            let partial = Object::Hashes { level, span: Span { width, ..span } };
            let named = if bytes.is_some() { object } else { partial };
            if let Some(own) = self.levels.get_mut(usize::from(level)) {
                own.edge = Some(Tile::read(named, width, bytes));
            }
            self.edge = EdgeState::Waiting(tiles - 1);
            self.settle();
            return;
        }
        let tile = Tile::read(object, span.width, bytes);
        let above = self.above(level, span.n);
        if level == 0 {
            self.parts.tile = Some((tile, above));
            return;
        }
        let sound = matches!(above, Above::Root(root) if tile.makes(root));
        if let Some(own) = self.levels.get_mut(usize::from(level)) {
            own.open.push_back(Open { tile, above, sound, beneath: Vec::new() });
        }
    }

    /// Once the whole right edge is there: does it make the root?
    fn settle(&mut self) {
        if self.edge != EdgeState::Waiting(0) {
            return;
        }
        let tiles = || self.levels.iter().filter_map(|level| level.edge.as_ref());
        let whole = tiles().all(|tile| tile.whole().is_some());
        let sound = whole && root_of(tiles().filter_map(Tile::whole)) == self.checkpoint.root;
        self.edge = if sound { EdgeState::Sound } else { EdgeState::Broken };
    }

    /// What the tile above says about a full tile.
    fn above(&self, level: u8, n: u64) -> Above {
        let (parent, at) = (n / u64::from(FULL), usize::try_from(n % u64::from(FULL)).unwrap_or(0));
        let Some(own) = self.levels.get(usize::from(level) + 1) else { return Above::Unknown };
        let tile = match own.open.iter().rev().find(|open| open.tile.n() == parent) {
            Some(open) => open.sound.then_some(&open.tile),
            None => own.edge.as_ref().filter(|tile| self.edge == EdgeState::Sound && tile.n() == parent),
        };
        tile.and_then(|tile| tile.whole()?.get(at)).map_or(Above::Unknown, |root| Above::Root(*root))
    }

    /// The bundle, if with this object everything of it is there.
    fn bundle(&mut self, object: Object) -> Option<Bundle> {
        let (Object::Entries(span) | Object::Personal(span)) = object else { return None };
        let Parts { entries: Some(_), personal: Some(_), .. } = &self.parts else { return None };
        let Parts { tile, entries, personal } = std::mem::take(&mut self.parts);
        let span = self.trimmed(span);
        let (tile, above) = tile.unwrap_or_else(|| self.edge_tile(span));
        self.lent.push_back(span);
        Some(Bundle { span, entries: entries?, personal: personal?, tile, above })
    }

    /// The tile of the rightmost bundle: it stays with the edge.
    fn edge_tile(&self, span: Span) -> (Tile, Above) {
        let above = if self.edge == EdgeState::Sound { Above::Edge } else { Above::Unknown };
        let stored = self.levels.first().and_then(|level| level.edge.clone());
        (stored.unwrap_or_else(|| Tile::read(Object::Hashes { level: 0, span }, span.width, None)), above)
    }

    /// Takes the bundles back, in the order in which [`Walk::feed`] gave them out.
    ///
    /// # Errors
    /// It was not this bundle's turn.
    pub fn accept(&mut self, mut examined: Examined) -> Result<Verified, WalkError> {
        if self.lent.front() != Some(&examined.span) {
            return Err(WalkError::OutOfTurn(Object::Entries(examined.span)));
        }
        self.lent.pop_front();
        let mut findings = std::mem::take(&mut examined.findings);
        self.order.follow(&examined, &mut findings);
        findings.sort_by_key(|finding| finding.index);
        self.tally.count(&findings);
        if examined.span.width < FULL {
            if let Some(level) = self.levels.first_mut() {
                level.beneath = std::mem::take(&mut examined.leaves).into_iter().map(Some).collect();
            }
        } else {
            self.rise(1, examined.span.n, examined.root, &mut findings);
        }
        Ok(Verified { examined, findings })
    }

    /// Hands the root of tile `n` to the level above, and closes what is complete by that.
    fn rise(&mut self, level: usize, n: u64, root: Option<Hash>, findings: &mut Vec<Finding>) {
        let (mut n, mut root) = (n, root);
        for own in self.levels.iter_mut().skip(level) {
            n /= u64::from(FULL);
            let Some(open) = own.open.front_mut().filter(|open| open.tile.n() == n) else {
                own.beneath.push(root);
                return;
            };
            open.beneath.push(root);
            if open.beneath.len() < usize::from(FULL) {
                return;
            }
            let Some(open) = own.open.pop_front() else { return };
            let (found, up) = open.close();
            self.tally.count(&found);
            findings.extend(found);
            root = up;
        }
    }

    /// Ends the walk.
    ///
    /// # Errors
    /// Something was not handed over yet.
    pub fn finish(mut self) -> Result<Outcome, WalkError> {
        let waiting = !self.asked.is_empty() || !self.instead.is_empty() || !self.lent.is_empty();
        if waiting || matches!(self.edge, EdgeState::Waiting(_)) || self.plan.next().is_some() {
            return Err(WalkError::Unfinished);
        }
        let findings = if self.edge == EdgeState::Broken { self.weigh_edge() } else { Vec::new() };
        self.tally.count(&findings);
        Ok(Outcome {
            findings,
            found: self.tally.found,
            first: self.tally.first,
            entries: self.checkpoint.size,
            personal: self.order.personal,
            erased: self.order.erased,
            last: self.order.last,
        })
    }

    /// The right edge didn't make the root: what of it differs from what was found beneath.
    fn weigh_edge(&self) -> Vec<Finding> {
        let (size, expected) = (self.checkpoint.size, self.checkpoint.root);
        let beneath: Option<Vec<Vec<Hash>>> =
            self.levels.iter().map(|level| level.beneath.iter().copied().collect()).collect();
        let found = beneath.map(|levels| root_of(levels.iter().map(Vec::as_slice)));
        let departs =
            self.levels.iter().filter_map(|level| level.edge.as_ref()?.departs(level.beneath.iter().copied()));
        let mut findings: Vec<Finding> = departs.collect();
        let whole = findings.is_empty() && self.tally.found == 0;
        let at = |index, flaw| Finding { index, object: Object::Checkpoint, flaw, more: 0 };
        match found {
            Some(found) if found == expected => {}
            Some(found) if whole => findings.push(at(None, Flaw::Root { found, expected })),
            // Where so much is wrong, nothing says that what comes before the first finding is right.
            _ => findings.insert(0, at(Some(0), Flaw::Range { last: size.saturating_sub(1) })),
        }
        findings
    }
}

impl Open {
    /// What the tile is worth beside what was found beneath, and its root, for the tile above.
    fn close(self) -> (Vec<Finding>, Option<Hash>) {
        let Above::Root(expected) = self.above else {
            let beneath: Option<Vec<Hash>> = self.beneath.iter().copied().collect();
            let root = beneath.as_deref().or(self.tile.whole()).map(subtree_root);
            return (Vec::from_iter(self.tile.departs(self.beneath)), root);
        };
        if self.sound {
            return (Vec::new(), Some(expected));
        }
        let beneath: Option<Vec<Hash>> = self.beneath.iter().copied().collect();
        let proven = beneath.is_some_and(|hashes| subtree_root(&hashes) == expected);
        let range = (!proven).then(|| self.tile.range());
        (range.into_iter().chain(self.tile.departs(self.beneath)).collect(), Some(expected))
    }
}

/// The full object, for a partial one.
fn full(object: Object) -> Option<Object> {
    let whole = |span: Span| (span.width < FULL).then(|| Span::full(span.n));
    match object {
        Object::Hashes { level, span } => whole(span).map(|span| Object::Hashes { level, span }),
        Object::Entries(span) => whole(span).map(Object::Entries),
        Object::Personal(span) => whole(span).map(Object::Personal),
        Object::Checkpoint | Object::Successor { .. } => None,
    }
}
