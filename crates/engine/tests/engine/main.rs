//! The use cases and reconcilers over fakes: conditions, ends, bad days, crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod conditions;
mod crash;
mod ends;
mod extending;
mod forwarding;
mod machines;
mod passkeys;
mod policies;
mod publishing;
mod recovering;
mod reloading;
mod sign_ins;
mod support;
mod watching;
