//! The ports without their outside: ordinary code, shared by the contract suites,
//! the fault injection and whoever wants to see the broker run alone.

pub mod archive;
pub mod aws;
pub mod environment;
pub mod fixtures;
pub mod identity;
pub mod outside;
pub mod sink;
pub mod store;
pub mod world;
