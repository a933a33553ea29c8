//! The pure heart of Halligan: what a grant is and how it lives, the IAM
//! documents that it compiles to, and the entries that it leaves.
//!
//! Nothing here reads a clock, a random number, a socket or a database: time
//! and chance come in as arguments, effects go out as values.

pub mod actor;
pub mod catalogue;
pub mod entry;
pub mod event;
pub mod grant;
pub mod iam;
pub mod id;
pub mod incident;
pub mod signed;
pub mod text;

mod time;

pub use time::{ceil_second, floor_second};
