//! Ports, use cases and reconcilers: what Halligan does, without knowing with what.

pub mod access;
pub mod audit;
pub mod broker;
pub mod caller;
pub mod changes;
pub mod fakes;
pub mod identity;
pub mod life;
pub mod ports;
pub mod problem;
pub mod publish;
pub mod rate;
pub mod reconcile;
pub mod recorder;
pub mod refusals;
pub mod skew;
pub mod wake;
