//! Tests beside policies: who, what, on which occasion, and what the policies must say.

mod file;
mod run;

pub use file::{Expected, RoleFixture, Test, TestFile};
pub use run::{Outcome, run, undecided};
