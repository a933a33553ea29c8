//! Lives rebuilt from their entries are the lives that were lived, and no others are legal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod audit;
mod broker;
mod forged;
mod log;
mod passkeys;
mod prove;
mod random;
mod story;
