//! The rest of the outside: where the log is written to and read from, its
//! witnesses, the tools that hold incidents, the providers that people sign in with, and
//! the mail that they are told things by. The broker's outgoing HTTP is here, but for AWS's.

pub mod directory_archive;
pub mod http_log;
pub mod incidents;
pub mod mail;
pub mod ocsf;
pub mod oidc;
pub mod witness;

mod http;
mod objects;
#[cfg(test)]
mod test_server;

pub use directory_archive::{DirectoryArchive, DirectoryLog};
pub use http_log::HttpLog;
pub use ocsf::OcsfFile;
pub use witness::HttpWitness;
