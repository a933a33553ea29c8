//! The tests of the whole: one binary, so that it is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod architecture;
mod bad_days;
mod bad_input;
mod browser;
mod configuration;
mod containers;
mod crash;
mod demo;
mod doctor;
mod documents;
mod identity;
mod laws;
mod log_archives;
mod log_conditions;
mod log_format;
mod log_keys;
mod log_restored;
mod login;
mod main_job;
mod python_sdk;
mod redaction;
mod reloading;
mod replicas;
#[allow(dead_code, reason = "shared with the tests of `aws`")]
mod support;
mod witness;
