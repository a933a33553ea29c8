//! The ports without their outside: ordinary code, shared by the contract suites,
//! the fault injection and whoever wants to see the broker run alone.

pub mod fixtures;
pub mod store;
