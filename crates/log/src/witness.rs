//! The protocol of [C2SP tlog-witness](https://c2sp.org/tlog-witness): what a witness
//! decides, and what a log asks and reads. Bytes only: who serves it keeps the state
//! and the clock, who calls it the connection.

mod client;
mod server;

pub use client::{Declined, read_answer};
pub use server::{Cosignable, Refusal, Request, SIZE_TYPE};
