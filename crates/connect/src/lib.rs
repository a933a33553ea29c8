//! The rest of the outside: where the log is written to, and the tools that
//! hold incidents. Outgoing HTTP happens only here.

pub mod directory_sink;
pub mod incidents;
