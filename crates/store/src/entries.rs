//! The entries, in the order of commits.

use async_trait::async_trait;
use halligan_core::entry::{Draft, Entry, SaltedPersonal, Sealed, VERSION};
use halligan_core::id::GrantId;
use halligan_engine::ports::{LogQueue, QueuedEntry, StoreError};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::commit::{json, stored};
use crate::fields::Fields;
use crate::instants;
use crate::open::Database;
use crate::writing::Failure;

/// Appends entries after all others: the head stays locked until the commit, so
/// positions are in the order of commits, and a reader never sees one before those
/// below it. Returns the last position.
pub async fn append(connection: &mut AnyConnection, drafts: &[Draft], now: Timestamp) -> Result<Option<u64>, Failure> {
    if drafts.is_empty() {
        return Ok(None);
    }
    let count = i64::try_from(drafts.len()).unwrap_or(i64::MAX);
    let head = sqlx::query(
        "UPDATE entries_head SET position = position + $1, time_ns = CASE WHEN time_ns < $2 THEN $2 ELSE time_ns END \
         RETURNING position, time_ns",
    );
    let head = head.bind(count).bind(instants::nanoseconds(now)).fetch_one(&mut *connection).await?;
    let head = Fields::numbered("entries_head", "position", &head)?;
    let (last, time): (u64, i64) = (head.count("position")?, head.integer("time_ns")?);
    let time = Timestamp::from_nanosecond(time.into()).map_err(|error| head.corrupt("time_ns", error.to_string()))?;
    let first = last.saturating_add(1).saturating_sub(u64::try_from(drafts.len()).unwrap_or(u64::MAX));
    for (position, draft) in (first..).zip(drafts) {
        let Sealed { entry, personal } = draft.clone().seal(now, time);
        let personal = personal.as_ref().map(json).transpose()?;
        let insert =
            sqlx::query("INSERT INTO entries (position, id, grant_id, entry, personal) VALUES ($1, $2, $3, $4, $5)");
        let insert = insert.bind(stored(position)).bind(entry.id.to_string());
        let insert = insert.bind(entry.links.grant.map(|grant| grant.to_string())).bind(json(&entry)?).bind(personal);
        insert.execute(&mut *connection).await?;
    }
    Ok(Some(last))
}

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
        let query = sqlx::query(
            "SELECT position, id, grant_id, entry, personal FROM entries WHERE grant_id = $1 ORDER BY position",
        );
        let rows = query.bind(grant.to_string()).fetch_all(self.pool()).await.map_err(Failure::from)?;
        rows.iter().map(decode).collect()
    }
}

fn decode(row: &AnyRow) -> Result<QueuedEntry, StoreError> {
    let row = Fields::numbered("entries", "position", row)?;
    let entry: Entry = row.json("entry")?;
    if entry.v != VERSION {
        return Err(
            row.corrupt("entry", format!("its envelope is of version {}, and this program reads {VERSION}", entry.v))
        );
    }
    row.agrees("id", row.text("id")?, entry.id.to_string())?;
    row.agrees("grant_id", row.text_or_null("grant_id")?, entry.links.grant.map(|grant| grant.to_string()))?;
    let personal: Option<SaltedPersonal> = row.json_or_null("personal")?;
    // One that isn't there was erased, or there never was one.
    if let Some(personal) = &personal
        && entry.personal_sha256.as_ref() != Some(&personal.sha256())
    {
        return Err(row.corrupt("personal", "it is not what the entry commits to"));
    }
    Ok(QueuedEntry::new(row.count("position")?, Sealed { entry, personal }))
}
