//! The entries, in the order of commits, byte by byte as they were first written.

use std::sync::Arc;

use halligan_core::entry::{Draft, Entry, SaltedPersonal, Sealed, VERSION};
use halligan_engine::ports::{QueuedEntry, StoreError};
use halligan_log::Leaf;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::commit::stored;
use crate::fields::{Fields, parsed};
use crate::instants;
use crate::writing::Failure;

/// So many rows go into one statement.
const ROWS: usize = 32;

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
    let entries = (first..).zip(drafts).map(|(at, draft)| QueuedEntry::new(at, draft.clone().seal(now, time)));
    insert(connection, &entries.collect::<Vec<_>>()).await?;
    Ok(Some(last))
}

/// Writes entries, byte by byte. The head is the caller's.
pub async fn insert(connection: &mut AnyConnection, entries: &[QueuedEntry]) -> Result<(), Failure> {
    for entries in entries.chunks(ROWS) {
        let mut sql = "INSERT INTO entries (position, id, grant_id, entry, personal) VALUES ".to_owned();
        for row in 0..entries.len() {
            let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(|column| row.saturating_mul(5).saturating_add(column));
            let comma = if row == 0 { "" } else { ", " };
            sql.push_str(&format!("{comma}(${a}, ${b}, ${c}, ${d}, ${e})"));
        }
        // Numbered placeholders: no text of anybody's is in it.
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for QueuedEntry { position, sealed: Sealed { entry, .. }, leaf } in entries {
            let grant = entry.links.grant.map(|grant| grant.to_string());
            query = query.bind(stored(*position)).bind(entry.id.to_string()).bind(grant);
            query = query.bind(text(&leaf.entry)?).bind(leaf.personal.as_deref().map(text).transpose()?);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes)
        .map_err(|_| StoreError::Unavailable("an entry was not written: it is no text".to_owned()))
}

/// What is wrong with an entry's bytes.
#[derive(Debug)]
pub struct Unreadable {
    pub column: &'static str,
    pub because: String,
}

/// What an entry's bytes say, and those of its personal part.
pub fn read(entry: &str, personal: Option<&str>) -> Result<Sealed, Unreadable> {
    let unreadable = |column| move |because: String| Unreadable { column, because };
    let entry: Entry = parsed(entry).map_err(unreadable("entry"))?;
    if entry.v != VERSION {
        let because = format!("its envelope is of version {}, and this program reads {VERSION}", entry.v);
        return Err(unreadable("entry")(because));
    }
    // One that isn't there was erased, or there never was one.
    let Some(personal) = personal else { return Ok(Sealed { entry, personal: None }) };
    // Of the bytes, and before anything is made of them.
    if entry.personal_sha256 != Some(hex::encode(Sha256::digest(personal))) {
        return Err(unreadable("personal")("it is not what the entry commits to".to_owned()));
    }
    let personal: SaltedPersonal = parsed(personal).map_err(unreadable("personal"))?;
    Ok(Sealed { entry, personal: Some(personal) })
}

/// The entry of a row of `position, id, grant_id, entry, personal`.
pub fn decode(row: &AnyRow) -> Result<QueuedEntry, StoreError> {
    let row = Fields::numbered("entries", "position", row)?;
    let (entry, personal) = (row.text("entry")?, row.text_or_null("personal")?);
    let sealed =
        read(&entry, personal.as_deref()).map_err(|Unreadable { column, because }| row.corrupt(column, because))?;
    row.agrees("id", row.text("id")?, sealed.entry.id.to_string())?;
    let grant = sealed.entry.links.grant.map(|grant| grant.to_string());
    row.agrees("grant_id", row.text_or_null("grant_id")?, grant)?;
    let leaf = Leaf { entry: entry.into_bytes(), personal: personal.map(String::into_bytes) };
    Ok(QueuedEntry { position: row.count("position")?, sealed, leaf: Arc::new(leaf) })
}

/// That an entry isn't there which was written.
pub fn missing(position: u64) -> StoreError {
    let because = "it was written, and isn't there".to_owned();
    StoreError::Corrupt { table: "entries", column: "position", row: position.to_string(), because }
}
