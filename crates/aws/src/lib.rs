//! STS, IAM and provisioning: the only crate that speaks to AWS.
//!
//! [`Aws`] is connected once; the adapters of the engine's ports are made from it.

pub mod provision;

mod archive;
mod assume;
mod client;
mod cloudwatch;
mod console;
mod failure;
mod mint;
mod observe;
mod offset;
mod partition;
mod probe;
mod revoker;
mod session;
mod signer;
mod trails;
mod visitor;

pub use archive::{ArchiveSettings, ReaderSettings, S3Archive, S3Reader};
pub use client::{Aws, Limits, Settings, StaticCredentials};
pub use cloudwatch::{CloudWatchSettings, CloudWatchSink};
pub use console::{Federation, FederationError};
pub use mint::StsMinter;
pub use offset::AwsClock;
pub use probe::StsProbes;
pub use revoker::Revoker;
pub use session::AssumedRole;
pub use signer::{KmsSettings, KmsSigner};
pub use trails::{CloudTrails, TrailsSettings};
pub use visitor::{Attempt, Seen, Visitor};
