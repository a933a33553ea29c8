//! The log as a stranger finds it: whole, tampered with, proved from and witnessed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod oracle;
mod passkey;
mod proofs;
mod support;
mod tampering;
mod walking;
mod witnessing;
