//! The entries as the log takes them, and how far it has them.

use async_trait::async_trait;
use halligan_core::id::GrantId;
use halligan_engine::ports::{Head, LogStore, QueuedEntry, StoreError};
use halligan_log::Hash;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::commit::stored;
use crate::entries::{decode, missing};
use crate::fields::Fields;
use crate::open::Database;
use crate::writing::Failure;

#[async_trait]
impl LogStore for Database {
    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<QueuedEntry>, StoreError> {
        // One statement, so that both tables are seen at one instant.
        let query = sqlx::query(
            "SELECT position, id, grant_id, entry, personal, (SELECT h.position FROM entries_head h) AS last \
             FROM entries WHERE position >= $1 ORDER BY position LIMIT $2",
        );
        let query = query.bind(stored(from)).bind(i64::from(limit));
        let rows = query.fetch_all(self.pool()).await.map_err(Failure::from)?;
        let Some(row) = rows.last() else {
            self.ends_before(from).await?;
            return Ok(Vec::new());
        };
        let last = Fields::numbered("entries", "position", row)?.count("last")?;
        let mut expected = from.max(1);
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let entry = decode(row)?;
            if entry.position != expected {
                return Err(missing(expected));
            }
            expected = expected.saturating_add(1);
            entries.push(entry);
        }
        // They end early where there are no more.
        let whole = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        if whole || expected > last { Ok(entries) } else { Err(missing(expected)) }
    }

    async fn last(&self) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT position FROM entries_head");
        let row = query.fetch_one(self.pool()).await.map_err(Failure::from)?;
        Fields::numbered("entries_head", "position", &row)?.count("position")
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let query = sqlx::query("SELECT size, root FROM log_head");
        let row = query.fetch_one(self.pool()).await.map_err(Failure::from)?;
        decode_head(&row)
    }

    async fn advance(&self, head: Head) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let outcome = advance(&mut writing, head).await;
        Ok(writing.end(outcome).await?)
    }

    async fn timeline(&self, grant: GrantId) -> Result<Vec<QueuedEntry>, StoreError> {
        let query = sqlx::query(
            "SELECT position, id, grant_id, entry, personal FROM entries WHERE grant_id = $1 ORDER BY position",
        );
        let rows = query.bind(grant.to_string()).fetch_all(self.pool()).await.map_err(Failure::from)?;
        rows.iter().map(decode).collect()
    }
}

impl Database {
    /// That no entry from `from` on was ever written. One that is there by now has
    /// come since the caller looked.
    async fn ends_before(&self, from: u64) -> Result<(), StoreError> {
        let query = sqlx::query(
            "SELECT position, COALESCE((SELECT MAX(e.position) FROM entries e), 0) AS found FROM entries_head",
        );
        let row = query.fetch_one(self.pool()).await.map_err(Failure::from)?;
        let row = Fields::numbered("entries_head", "position", &row)?;
        let (last, found): (u64, u64) = (row.count("position")?, row.count("found")?);
        if last >= from.max(1) && found < last { Err(missing(found.saturating_add(1))) } else { Ok(()) }
    }
}

async fn advance(connection: &mut AnyConnection, head: Head) -> Result<(), Failure> {
    let forward = sqlx::query("UPDATE log_head SET size = $1, root = $2 WHERE size < $1");
    forward.bind(stored(head.size)).bind(head.root.to_string()).execute(&mut *connection).await?;
    // After the row is ours, so that no import comes in between.
    let query = sqlx::query("SELECT l.size, l.root, h.position AS last FROM log_head l CROSS JOIN entries_head h");
    let row = query.fetch_one(connection).await?;
    let known = decode_head(&row)?;
    let last: u64 = Fields::numbered("log_head", "size", &row)?.count("last")?;
    let forked = known.size == head.size && known.root != head.root;
    if forked || head.size > last { Err(StoreError::Conflict.into()) } else { Ok(()) }
}

/// The tree that is known to be durable, and no other until this transaction ends.
pub async fn known(connection: &mut AnyConnection) -> Result<Head, Failure> {
    let query = sqlx::query("UPDATE log_head SET size = size RETURNING size, root");
    Ok(decode_head(&query.fetch_one(connection).await?)?)
}

/// Whatever was there before: an import knows better.
pub async fn replace_head(connection: &mut AnyConnection, head: Head) -> Result<(), Failure> {
    let query = sqlx::query("UPDATE log_head SET size = $1, root = $2");
    query.bind(stored(head.size)).bind(head.root.to_string()).execute(connection).await?;
    Ok(())
}

fn decode_head(row: &AnyRow) -> Result<Head, StoreError> {
    let row = Fields::numbered("log_head", "size", row)?;
    let root = row.text("root")?;
    let root = Hash::parse_hash(&root).map_err(|_| row.corrupt("root", "it is no SHA-256 in base64"))?;
    Ok(Head { size: row.count("size")?, root })
}
