//! OpenID Connect 1.0: people who sign in with their provider, in a browser
//! ([`OidcProvider`]) or from a command line ([`OidcClient`]), and where the issuers of
//! other tokens publish their keys ([`HttpKeySets`]).
//!
//! Every call has a deadline, reads a bounded answer, follows no redirect, and goes over
//! https or to this machine's loopback.

mod cached;
mod call;
mod client;
mod device;
mod id_token;
mod key_sets;
mod metadata;
mod no_tokens;
mod provider;
mod relying_party;

pub use client::{OidcClient, SignedIn, loopback_redirect};
pub use device::{DeviceAsk, DevicePoll};
pub use key_sets::{HttpKeySets, KeySource};
pub use provider::OidcProvider;
pub use relying_party::OidcSettings;

#[cfg(test)]
mod tests;
