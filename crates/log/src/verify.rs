//! Verification of a whole log, entry by entry, in flat memory.
//!
//! [`head()`] says whether a checkpoint counts; [`Walk`] goes through the tree that it
//! names. The caller reads objects, from wherever they are, and hands them over:
//!
//! ```text
//! let mut walk = Walk::new(head.checkpoint);
//! loop {
//!     while asked.len() < 16 && let Some(object) = walk.wanted() { asked.push_back(object) }
//!     let Some(object) = asked.pop_front() else { break };
//!     if let Some(bundle) = walk.feed(object, read(object))? {
//!         let verified = walk.accept(bundle.examine())?;   // `examine` on any thread
//!         … verified.findings(), verified.entries() …
//!     }
//! }
//! let outcome = walk.finish()?;
//! ```
//!
//! Objects are wanted from the top of the tree down, so that every tile is judged
//! by the one above before what is under it is read. Entries are handed on as the
//! walk comes by; **nothing is verified before the walk ends without findings**.

mod examine;
mod finding;
mod head;
mod order;
mod plan;
mod tile;
mod walk;

pub(crate) use examine::commitment;
pub use examine::{Bundle, Entry, Examined, Personal};
pub use finding::{Finding, Flaw};
pub use head::{Head, Succession, Trust, head, succession};
pub use walk::{Outcome, Verified, Walk, WalkError};
