//! Write transactions, and what their failures mean.

use std::future::Future;
use std::ops::{Deref, DerefMut};

use halligan_core::text::printable;
use halligan_engine::ports::StoreError;
use sqlx::{Any, AnyConnection, Transaction};
use tokio::sync::MutexGuard;

use crate::open::Database;

/// How often a transaction is tried that the database gave up for another's sake.
const TRIES: usize = 5;

/// A transaction that may write. Dropped without an end, it is rolled back.
pub struct Writing<'a> {
    transaction: Transaction<'static, Any>,
    // After the transaction, so that it is let go later.
    _turn: Option<MutexGuard<'a, ()>>,
}

impl Database {
    /// Begins to write.
    pub(crate) async fn write(&self) -> Result<Writing<'_>, Failure> {
        let turn = self.turn().await;
        let transaction = self.pool().begin_with(self.engine().begin()).await?;
        Ok(Writing { transaction, _turn: turn })
    }
}

impl Writing<'_> {
    /// Commits if all went well, and rolls back otherwise.
    pub async fn end<T>(self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        match outcome {
            Ok(value) => {
                self.transaction.commit().await?;
                Ok(value)
            }
            Err(failure) => {
                // What went wrong before is what the caller must know; a connection
                // that can't roll back is closed, which does.
                let _ = self.transaction.rollback().await;
                Err(failure)
            }
        }
    }
}

impl Deref for Writing<'_> {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.transaction
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}

/// Why a transaction came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// Something that the port has a word for.
    Known(StoreError),
    /// Whatever the database said.
    Sql(sqlx::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Known(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Known(error) => error,
            Failure::Sql(error) if gave_way(&error) || is_taken(&error) => Self::Conflict,
            // sqlx tells its causes in its own text. Values of ours are not in it.
            Failure::Sql(error) => Self::Unavailable(printable(&error.to_string(), 300)),
        }
    }
}

/// Does `attempt` again while the database gives it up for another's sake.
pub async fn insist<T, F: Future<Output = Result<T, Failure>>>(
    mut attempt: impl FnMut() -> F,
) -> Result<T, StoreError> {
    for _ in 1..TRIES {
        match attempt().await {
            Err(Failure::Sql(error)) if gave_way(&error) => {}
            outcome => return Ok(outcome?),
        }
    }
    Ok(attempt().await?)
}

/// PostgreSQL's `serialization_failure` and `deadlock_detected`: rolled back, and
/// nothing but the others' presence was wrong.
fn gave_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// A key that somebody else has inserted meanwhile.
fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}
