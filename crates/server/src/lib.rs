//! The HTTP API: JSON under `/v1`, bearer tokens, problem+json.

pub mod views;
