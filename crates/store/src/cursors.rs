//! How far each sink is.

use async_trait::async_trait;
use halligan_engine::ports::{Cursors, StoreError};
use sqlx::AnyConnection;

use crate::commit::stored;
use crate::fields::Fields;
use crate::open::Database;
use crate::writing::Failure;

#[async_trait]
impl Cursors for Database {
    async fn cursor(&self, sink: &str) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT sink, position FROM log_cursors WHERE sink = $1").bind(sink);
        match query.fetch_optional(self.pool()).await.map_err(Failure::from)? {
            Some(row) => Fields::new("log_cursors", &["sink"], &row)?.count("position"),
            None => Ok(0),
        }
    }

    async fn move_cursor(&self, sink: &str, position: u64) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO log_cursors (sink, position) VALUES ($1, $2) \
             ON CONFLICT (sink) DO UPDATE SET position = $2 WHERE log_cursors.position < $2",
        );
        let mut writing = self.write().await?;
        let outcome = query.bind(sink).bind(stored(position)).execute(&mut *writing).await;
        Ok(writing.end(outcome.map(drop).map_err(Failure::from)).await?)
    }
}

/// What comes behind `after` is other than what the sinks may have kept.
pub async fn back_to(connection: &mut AnyConnection, after: u64) -> Result<(), Failure> {
    let query = sqlx::query("UPDATE log_cursors SET position = $1 WHERE position > $1");
    query.bind(stored(after)).execute(connection).await?;
    Ok(())
}
