//! The answers of calls with an idempotency key.

use async_trait::async_trait;
use halligan_core::grant::Grant;
use halligan_engine::ports::{Begun, Idempotency, IdempotencyKey, IdempotencyStore, StoreError};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::fields::Fields;
use crate::grant_row::illegal;
use crate::instants;
use crate::open::Database;
use crate::writing::Failure;

#[async_trait]
impl IdempotencyStore for Database {
    async fn begin(&self, key: &IdempotencyKey, body_sha256: &str, now: Timestamp) -> Result<Begun, StoreError> {
        let mut writing = self.write().await?;
        let outcome = begin(&mut writing, key, body_sha256, now).await;
        Ok(writing.end(outcome).await?)
    }

    async fn abandon(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        let IdempotencyKey { person, route, key } = key;
        let query = sqlx::query(
            "DELETE FROM idempotency WHERE person = $1 AND route = $2 AND idempotency_key = $3 AND answer IS NULL",
        );
        let mut writing = self.write().await?;
        let outcome = query.bind(person.as_str()).bind(route).bind(key).execute(&mut *writing).await;
        Ok(writing.end(outcome.map(drop).map_err(Failure::from)).await?)
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let query = sqlx::query("DELETE FROM idempotency WHERE begun_at < $1").bind(instants::floor(before));
        let mut writing = self.write().await?;
        let outcome = query.execute(&mut *writing).await;
        let gone = writing.end(outcome.map_err(Failure::from)).await?;
        Ok(gone.rows_affected())
    }
}

async fn begin(
    connection: &mut AnyConnection,
    key: &IdempotencyKey,
    body_sha256: &str,
    now: Timestamp,
) -> Result<Begun, Failure> {
    let IdempotencyKey { person, route, key } = key;
    let dead_if_begun = now.saturating_sub(Idempotency::IN_FLIGHT).unwrap_or(Timestamp::MIN);
    // Of two calls at once, the second waits here for the first to commit.
    let take = sqlx::query(
        "INSERT INTO idempotency (person, route, idempotency_key, body_sha256, begun_at, answer) \
         VALUES ($1, $2, $3, $4, $5, NULL) \
         ON CONFLICT (person, route, idempotency_key) DO UPDATE SET begun_at = $5 \
         WHERE idempotency.answer IS NULL AND idempotency.body_sha256 = $4 AND idempotency.begun_at <= $6",
    );
    let take = take.bind(person.as_str()).bind(route).bind(key).bind(body_sha256);
    let taken = take.bind(instants::ceil(now)).bind(instants::floor(dead_if_begun)).execute(&mut *connection).await?;
    if taken.rows_affected() == 1 {
        return Ok(Begun::Fresh);
    }
    let find = sqlx::query(
        "SELECT person, route, idempotency_key, body_sha256, answer FROM idempotency \
         WHERE person = $1 AND route = $2 AND idempotency_key = $3",
    );
    let found = find.bind(person.as_str()).bind(route).bind(key).fetch_optional(connection).await?;
    match found {
        Some(row) => Ok(known(&row, body_sha256)?),
        // PostgreSQL alone: it was abandoned between the two statements. Whoever
        // asks again finds the key free.
        None => Ok(Begun::InFlight),
    }
}

fn known(row: &AnyRow, body_sha256: &str) -> Result<Begun, StoreError> {
    let row = Fields::new("idempotency", &["person", "route", "idempotency_key"], row)?;
    if row.text("body_sha256")? != body_sha256 {
        return Ok(Begun::OtherBody);
    }
    match row.json_or_null::<Grant>("answer")? {
        None => Ok(Begun::InFlight),
        Some(grant) => match illegal(&grant) {
            None => Ok(Begun::Answered(Box::new(grant))),
            Some(because) => Err(row.corrupt("answer", because)),
        },
    }
}

/// Records the answer of a call that is in flight; returns how many there were.
pub async fn complete(connection: &mut AnyConnection, key: &IdempotencyKey, answer: &str) -> Result<u64, Failure> {
    let IdempotencyKey { person, route, key } = key;
    let query = sqlx::query(
        "UPDATE idempotency SET answer = $4 \
         WHERE person = $1 AND route = $2 AND idempotency_key = $3 AND answer IS NULL",
    );
    let done = query.bind(person.as_str()).bind(route).bind(key).bind(answer).execute(connection).await?;
    Ok(done.rows_affected())
}
