//! How far each sink is.

use async_trait::async_trait;
use halligan_engine::ports::{Cursor, Cursors, StoreError};
use sqlx::AnyConnection;

use crate::commit::stored;
use crate::fields::Fields;
use crate::open::Database;
use crate::writing::{Failure, insist};

#[async_trait]
impl Cursors for Database {
    async fn cursor(&self, sink: &str) -> Result<Cursor, StoreError> {
        // One statement, so that both tables are seen at one instant.
        let query = sqlx::query(
            "SELECT i.single, i.count, c.position FROM log_imports i LEFT JOIN log_cursors c ON c.sink = $1",
        );
        let row = query.bind(sink).fetch_one(self.pool()).await.map_err(Failure::from)?;
        let row = Fields::numbered("log_imports", "single", &row)?;
        let position = match row.integer_or_null("position")? {
            None => 0,
            Some(_) => row.count("position")?,
        };
        Ok(Cursor { position, imports: row.count("count")? })
    }

    async fn move_cursor(&self, sink: &str, from: Cursor, position: u64) -> Result<Cursor, StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = advance(&mut writing, sink, from, position).await;
            writing.end(outcome).await
        })
        .await
    }
}

async fn advance(connection: &mut AnyConnection, sink: &str, from: Cursor, position: u64) -> Result<Cursor, Failure> {
    // Held until the commit: no import comes in between.
    let query = sqlx::query("UPDATE log_imports SET count = count RETURNING single, count");
    let row = query.fetch_one(&mut *connection).await?;
    let imports: u64 = Fields::numbered("log_imports", "single", &row)?.count("count")?;
    let moved = Cursor { position: position.max(from.position), imports };
    let query = match from.position {
        0 => sqlx::query(
            "INSERT INTO log_cursors (sink, position) VALUES ($1, $2) \
             ON CONFLICT (sink) DO UPDATE SET position = $2 WHERE log_cursors.position = $3",
        ),
        _ => sqlx::query("UPDATE log_cursors SET position = $2 WHERE sink = $1 AND position = $3"),
    };
    let query = query.bind(sink).bind(stored(moved.position)).bind(stored(from.position));
    let found = query.execute(connection).await?.rows_affected();
    if imports == from.imports && found == 1 { Ok(moved) } else { Err(StoreError::Conflict.into()) }
}

/// What comes behind `after` is other than what the sinks may have kept, and than what
/// was read for them. Whoever moves a cursor waits until the commit.
pub async fn back_to(connection: &mut AnyConnection, after: u64) -> Result<(), Failure> {
    sqlx::query("UPDATE log_imports SET count = count + 1").execute(&mut *connection).await?;
    let query = sqlx::query("UPDATE log_cursors SET position = $1 WHERE position > $1");
    query.bind(stored(after)).execute(connection).await?;
    Ok(())
}
