//! The entries on their way to the journal of the version before.

use async_trait::async_trait;
use halligan_core::id::GrantId;
use halligan_engine::ports::{LogQueue, LogStore, QueuedEntry, StoreError};

use crate::commit::stored;
use crate::entries::decode;
use crate::fields::Fields;
use crate::open::Database;
use crate::writing::Failure;

#[async_trait]
impl LogQueue for Database {
    async fn unpublished(&self, limit: u32) -> Result<Vec<QueuedEntry>, StoreError> {
        // One statement, so that both tables are seen at one instant.
        let query = sqlx::query(
            "SELECT e.position, e.id, e.grant_id, e.entry, e.personal, p.position AS published \
             FROM entries_published p JOIN entries e ON e.position > p.position ORDER BY e.position LIMIT $1",
        );
        let rows = query.bind(i64::from(limit)).fetch_all(self.pool()).await.map_err(Failure::from)?;
        let mut waiting = Vec::with_capacity(rows.len());
        let mut expected = None;
        for row in &rows {
            let fields = Fields::numbered("entries", "position", row)?;
            let next = expected.unwrap_or(fields.count::<u64>("published")?.saturating_add(1));
            let entry = decode(row)?;
            if entry.position != next {
                // Publishing on would close the gap for ever.
                return Err(fields.corrupt("position", format!("{next} should come before it, and isn't there")));
            }
            expected = Some(next.saturating_add(1));
            waiting.push(entry);
        }
        Ok(waiting)
    }

    async fn mark_published(&self, position: u64) -> Result<(), StoreError> {
        // Never back, and never beyond what there is: that would hide what comes next.
        let query = sqlx::query(
            "UPDATE entries_published SET position = \
             (SELECT CASE WHEN h.position < $1 THEN h.position ELSE $1 END FROM entries_head h) WHERE position < $1",
        );
        let mut writing = self.write().await?;
        let outcome = query.bind(stored(position)).execute(&mut *writing).await;
        Ok(writing.end(outcome.map(drop).map_err(Failure::from)).await?)
    }

    async fn published(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT position FROM entries_published")
            .fetch_one(self.pool())
            .await
            .map_err(Failure::from)?;
        Fields::numbered("entries_published", "position", &row)?.count("position")
    }

    async fn timeline(&self, grant: GrantId) -> Result<Vec<QueuedEntry>, StoreError> {
        LogStore::timeline(self, grant).await
    }
}
