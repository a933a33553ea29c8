//! The transaction: a grant's new value, its entries, its effects, and the answer
//! to the call that caused it. All of it or nothing.

use halligan_core::grant::{Effect, Grant};
use halligan_engine::ports::{Change, Committed, IdempotencyKey, StoreError, Version};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::any::AnyArguments;
use sqlx::{Any, AnyConnection};

use crate::entries::append;
use crate::grant_row::{Columns, illegal};
use crate::idempotency;
use crate::open::Database;
use crate::work;
use crate::writing::{Failure, insist};

impl Database {
    pub(crate) async fn commit_change(&self, change: &Change, now: Timestamp) -> Result<Committed, StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = write_change(&mut writing, change, now).await;
            writing.end(outcome).await
        })
        .await
    }
}

async fn write_change(connection: &mut AnyConnection, change: &Change, now: Timestamp) -> Result<Committed, Failure> {
    let Change { grant, entries, effects, answers } = change;
    let mut version = None;
    if let Some((grant, expected)) = grant {
        let body = json(grant)?;
        version = Some(write_grant(connection, grant, *expected, &body).await?);
        if let Some(key) = answers {
            answer(connection, key, &body).await?;
        }
    }
    ask_for(connection, effects, now).await?;
    // Last: every other commit waits from here on.
    let position = append(connection, entries, now).await?;
    Ok(Committed { version, position })
}

/// Work that is left behind, in the order of its keys: two transactions never wait
/// for each other.
pub async fn ask_for(connection: &mut AnyConnection, effects: &[Effect], now: Timestamp) -> Result<(), Failure> {
    let mut effects: Vec<_> = effects.iter().collect();
    effects.sort();
    for effect in effects {
        work::ask_now(connection, effect, now).await?;
    }
    Ok(())
}

/// A new grant's row, and what to do where there is one already.
macro_rules! insert_grant {
    ($rest:literal) => {
        concat!(
            "INSERT INTO grants (id, version, phase, target_kind, role, incident_provider, incident_id, requester, \
             due_at, enforce_until, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (id) ",
            $rest
        )
    };
}

/// The compare and the swap.
async fn write_grant(
    connection: &mut AnyConnection,
    grant: &Grant,
    expected: Option<Version>,
    body: &str,
) -> Result<Version, Failure> {
    let (sql, version) = match expected {
        Some(Version(expected)) => (
            "UPDATE grants SET version = $2, phase = $3, target_kind = $4, role = $5, incident_provider = $6, \
             incident_id = $7, requester = $8, due_at = $9, enforce_until = $10, body = $11 \
             WHERE id = $1 AND version = $12",
            expected.saturating_add(1),
        ),
        None => (insert_grant!("DO NOTHING"), 1),
    };
    let mut query = bound(sqlx::query(sql), grant, version, body)?;
    if let Some(Version(expected)) = expected {
        query = query.bind(stored(expected));
    }
    match query.execute(connection).await?.rows_affected() {
        1 => Ok(Version(version)),
        _ => Err(StoreError::Conflict.into()),
    }
}

/// Whatever the grant was before, it is this now.
pub async fn replace_grant(connection: &mut AnyConnection, grant: &Grant) -> Result<(), Failure> {
    let body = json(grant)?;
    let query = sqlx::query(insert_grant!(
        "DO UPDATE SET version = grants.version + 1, phase = $3, target_kind = $4, role = $5, \
         incident_provider = $6, incident_id = $7, requester = $8, due_at = $9, enforce_until = $10, body = $11"
    ));
    bound(query, grant, 1, &body)?.execute(connection).await?;
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// The columns of a grant's row, `$1` to `$11`.
fn bound<'q>(query: Query<'q>, grant: &Grant, version: u64, body: &'q str) -> Result<Query<'q>, StoreError> {
    if let Some(because) = illegal(grant) {
        // It could never be read again.
        return Err(StoreError::Unavailable(format!("the grant {} was not written: {because}", grant.request.id)));
    }
    let Columns { id, phase, target_kind, role, incident_provider, incident_id, requester, due_at, enforce_until } =
        Columns::of(grant);
    let query = query.bind(id).bind(stored(version)).bind(phase).bind(target_kind).bind(role).bind(incident_provider);
    Ok(query.bind(incident_id).bind(requester).bind(due_at).bind(enforce_until).bind(body))
}

/// The call is answered, once: whoever took it over after us finds it so, or we
/// find that they were first.
async fn answer(connection: &mut AnyConnection, key: &IdempotencyKey, body: &str) -> Result<(), Failure> {
    match idempotency::complete(connection, key, body).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict.into()),
    }
}

/// A number as a column holds it.
pub fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A value as a column holds it.
pub fn json(value: &impl Serialize) -> Result<String, StoreError> {
    // Keys are texts everywhere, so this can't fail; if it does, nothing is written.
    serde_json::to_string(value)
        .map_err(|error| StoreError::Unavailable(format!("it can't be written as JSON: {error}")))
}
