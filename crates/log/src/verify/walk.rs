//! The order in which a log is read, and what has to be judged in that order.

use jiff::Timestamp;

use crate::checkpoint::Checkpoint;
use crate::object::Object;

use super::examine::{Bundle, Entry, Examined};
use super::finding::Finding;

/// One walk through the tree of a checkpoint.
#[derive(Debug)]
pub struct Walk {
    checkpoint: Checkpoint,
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
        Self { checkpoint }
    }

    /// The next object to read. Ask again and again to read ahead; none if everything was asked for,
    /// or what comes next depends on an answer that is still out.
    pub fn wanted(&mut self) -> Option<Object> {
        None
    }

    /// Takes an object's bytes, or that it isn't there, in the order in which [`Walk::wanted`]
    /// gave them out. Returns a bundle when it is complete.
    ///
    /// # Errors
    /// It was not this object's turn.
    pub fn feed(&mut self, object: Object, bytes: Option<Vec<u8>>) -> Result<Option<Bundle>, WalkError> {
        let _ = bytes;
        Err(WalkError::OutOfTurn(object))
    }

    /// Takes the bundles back, in the order in which [`Walk::feed`] gave them out.
    ///
    /// # Errors
    /// It was not this bundle's turn.
    pub fn accept(&mut self, examined: Examined) -> Result<Verified, WalkError> {
        Err(WalkError::OutOfTurn(Object::Entries(examined.span)))
    }

    /// Ends the walk.
    ///
    /// # Errors
    /// Something was not handed over yet.
    pub fn finish(self) -> Result<Outcome, WalkError> {
        let _ = self.checkpoint;
        Err(WalkError::Unfinished)
    }
}
