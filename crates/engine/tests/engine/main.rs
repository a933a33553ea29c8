//! The use cases and reconcilers over fakes: conditions, ends, bad days, crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod conditions;
mod crash;
mod ends;
mod enrolling;
mod extending;
mod forwarding;
mod incidents;
mod limits;
mod machines;
mod passkeys;
mod policies;
mod providers;
mod publishing;
mod recovering;
mod refusals;
mod reloading;
mod sign_ins;
mod signing_out;
mod support;
mod unknown;
mod watching;
