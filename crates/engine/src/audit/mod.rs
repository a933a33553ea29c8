//! Whether a log, wherever it is kept, is what its keys say: every entry, every
//! life. Nothing but read access and public keys is needed.

mod finding;
mod prove;
mod reading;
mod verify;

pub use finding::{Exception, Fault, Finding};
pub use prove::{Proof, ProveError, prove};
pub use reading::{AuditError, Progress};
pub use verify::{Fresh, Report, Terms, verify};
