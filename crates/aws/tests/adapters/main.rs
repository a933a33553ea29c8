//! The adapters against a stand-in of AWS that enforces IAM, with a proxy in
//! front of it that makes trouble.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod archive;
mod cloudwatch;
mod console;
mod mint;
mod offset;
mod probe;
#[allow(dead_code, reason = "the end-to-end tests use more of it")]
#[path = "../../../../tests/support/proxy.rs"]
mod proxy;
mod revoker;
mod secrets;
mod signer;
#[path = "../../../../tests/support/stand_in.rs"]
mod stand_in;
mod trails;
mod world;
