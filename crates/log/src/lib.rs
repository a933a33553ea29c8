//! The transparency log of [C2SP tlog-tiles](https://c2sp.org/tlog-tiles): bytes in, bytes out.
//!
//! Nothing here reads a clock, a file or a socket, and nothing knows what an
//! entry means beyond the fields that verification is about. `docs/log-format.md`
//! is the specification.

pub mod bundle;
pub mod checkpoint;
pub mod edge;
pub mod key;
pub mod object;
pub mod passkey;
pub mod proof;
pub mod successor;
pub mod verify;
pub mod witness;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use edge::{Edge, Growth, Leaf};
pub use key::{SigningKey, VerifierKey};
pub use object::{Object, Span};
pub use successor::Successor;
/// A node of the tree: SHA-256, as RFC 6962 has it.
pub use tlog_tiles::Hash;
