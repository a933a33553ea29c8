//! What the tests of the whole stand on: a stand-in of AWS that enforces IAM, a
//! proxy before it that makes trouble, people with keys, and `halligan` itself as
//! its users run it.

mod api;
mod broker;
pub mod browser;
pub mod bucket;
pub mod chromium;
mod cli;
pub mod clock;
mod configuration;
pub mod log;
pub mod mail;
mod people;
pub mod provider;
pub mod proxy;
pub mod sign_in;
pub mod stand_in;
pub mod witness;
mod world;

pub use api::Reply;
pub use broker::Broker;
pub use cli::Output;
pub use people::{Person, encode, now};
pub use world::{DENIED, World, eventually, list};

use std::path::{Path, PathBuf};

/// The binary under test.
pub const HALLIGAN: &str = env!("CARGO_BIN_EXE_halligan");

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A Python that has boto3 and cryptography.
pub fn python() -> String {
    std::env::var("HALLIGAN_PYTHON").expect("set HALLIGAN_PYTHON or run tests/run")
}
