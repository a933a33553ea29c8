//! What browsers were sent away with.

use async_trait::async_trait;
use halligan_engine::ports::{Ceremonies, Room, SecretHash, StoreError};
use jiff::Timestamp;
use sqlx::{AnyConnection, Row as _};

use crate::fields::Fields;
use crate::instants;
use crate::open::Database;
use crate::writing::{Failure, insist};

#[async_trait]
impl Ceremonies for Database {
    async fn begin(
        &self,
        key: &SecretHash,
        body: &str,
        expires_at: Timestamp,
        room: Room,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(because) = key.flaw() {
            return Err(StoreError::Unavailable(format!("a ceremony was not written: {because}")));
        }
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = begin(&mut writing, key, body, expires_at, room, now).await;
            writing.end(outcome).await
        })
        .await
    }

    async fn take(&self, key: &SecretHash, now: Timestamp) -> Result<Option<String>, StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = take(&mut writing, key, now).await;
            writing.end(outcome).await
        })
        .await
    }

    async fn forget_ceremonies(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        insist(|| async {
            let query = sqlx::query(
                "DELETE FROM ceremonies WHERE secret_sha256 IN (SELECT c.secret_sha256 FROM ceremonies c \
                 WHERE c.expires_at <= $1 ORDER BY c.secret_sha256 LIMIT $2)",
            );
            let query = query.bind(instants::floor(now)).bind(i64::from(limit));
            let mut writing = self.write().await?;
            let outcome = query.execute(&mut *writing).await;
            writing.end(outcome.map(|gone| gone.rows_affected()).map_err(Failure::from)).await
        })
        .await
    }
}

async fn begin(
    connection: &mut AnyConnection,
    key: &SecretHash,
    body: &str,
    expires_at: Timestamp,
    room: Room,
    now: Timestamp,
) -> Result<(), Failure> {
    // One after the other: each sees those that the others have begun.
    sqlx::query("UPDATE ceremonies_turn SET single = single").execute(&mut *connection).await?;
    let query = sqlx::query("DELETE FROM ceremonies WHERE expires_at <= $1").bind(instants::floor(now));
    query.execute(&mut *connection).await?;
    let query = sqlx::query(
        "INSERT INTO ceremonies (secret_sha256, expires_at, body, room) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (secret_sha256) DO NOTHING",
    );
    let query = query.bind(&key.0).bind(instants::floor(expires_at)).bind(body).bind(room.name);
    if query.execute(&mut *connection).await?.rows_affected() != 1 {
        return Err(StoreError::Conflict.into());
    }
    let query = sqlx::query("SELECT COUNT(*) AS waiting FROM ceremonies WHERE room = $1").bind(room.name);
    let over = query.fetch_one(&mut *connection).await?.try_get::<i64, _>("waiting")? - i64::from(room.max);
    if over > 0 {
        let query = sqlx::query(
            "DELETE FROM ceremonies WHERE secret_sha256 IN (SELECT c.secret_sha256 FROM ceremonies c \
             WHERE c.room = $1 AND c.secret_sha256 <> $2 ORDER BY c.expires_at, c.secret_sha256 LIMIT $3)",
        );
        query.bind(room.name).bind(&key.0).bind(over).execute(connection).await?;
    }
    Ok(())
}

async fn take(connection: &mut AnyConnection, key: &SecretHash, now: Timestamp) -> Result<Option<String>, Failure> {
    // Of two at once, the second waits for the first to commit, and finds nothing.
    let query =
        sqlx::query("DELETE FROM ceremonies WHERE secret_sha256 = $1 RETURNING secret_sha256, expires_at, body");
    let Some(row) = query.bind(&key.0).fetch_optional(connection).await? else { return Ok(None) };
    let row = Fields::new("ceremonies", &["secret_sha256"], &row)?;
    let (expires_at, body) = (row.instant("expires_at")?, row.text("body")?);
    Ok((instants::floor(now) < expires_at.as_millisecond()).then_some(body))
}
