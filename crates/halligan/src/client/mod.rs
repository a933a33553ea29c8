//! The command line's side of the API: who calls, how, and what it keeps on this machine.

pub mod cache;
pub mod credentials;
pub mod failure;
pub mod http;
pub mod identity;
pub mod lock;
pub mod machine;
pub mod private;
pub mod profile;
pub mod sign_in;
pub mod surroundings;
pub mod token;
pub mod words;
