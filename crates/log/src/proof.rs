//! Proofs out of an archive's tiles, in two steps: which objects a proof needs, then
//! the proof out of their bytes. And proofs that stand by themselves in a file.

mod file;
mod tiles;

pub(crate) use tiles::SIZE_MAX;

pub use file::{Checked, CheckedEntry, FileError, ProofFile};
pub use tiles::{Consistency, Inclusion, Prefix, ProofError};
