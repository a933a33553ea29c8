//! Policies: the defaults, bad input, and what must hold of any.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod bad_days;
mod comparing;
mod defaults;
mod doubts;
mod explaining;
mod files;
mod loading;
mod properties;
mod world;
