//! The store over a database: a SQLite file, or PostgreSQL for replicas. One set
//! of queries and migrations; what a port promises is in `halligan_engine::ports`,
//! and one contract suite holds both databases and the fake to it.
//!
//! A row is decoded into what the domain allows or fails with its table, column
//! and key: the columns beside a body are copies for queries, and are compared
//! with it on every read.
//!
//! Locks are always taken in the order of [`GrantStore::commit`]: the grant, its
//! idempotency key, work by its key, and the head of the entries last; passkeys,
//! sign-outs and sessions, in this order, come before the head too, and ceremonies have no part in it. Behind the head
//! comes only what an import replaces, and no commit touches. A transaction that follows
//! it never waits for one that waits for it; two that delete several rows may, and one
//! of them is tried again.
//!
//! [`GrantStore::commit`]: halligan_engine::ports::GrantStore::commit

mod ceremonies;
mod commit;
mod cursors;
mod entries;
mod examine;
mod facts;
mod fields;
mod grant_row;
mod grants;
mod idempotency;
mod import;
mod instants;
mod leases;
mod log;
mod login_groups;
mod migrations;
mod open;
mod passkeys;
mod personal;
mod roles;
mod sessions;
mod sign_outs;
mod work;
mod writing;

pub use examine::{Found, examine};
pub use open::{Database, OpenError, migrate};
