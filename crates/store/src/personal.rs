//! Personal parts, and their end.
//!
//! What a file or a cluster still holds of an erased text is the database's: pages
//! that are free are overwritten when they are used again.

use async_trait::async_trait;
use halligan_engine::ports::{PersonalData, StoreError};
use jiff::Timestamp;
use serde::Deserialize;
use sqlx::AnyConnection;

use crate::commit::stored;
use crate::entries::missing;
use crate::fields::Fields;
use crate::open::Database;
use crate::writing::{Failure, insist};

/// So many entries a transaction: nobody who writes waits for long.
const ENTRIES: u64 = 1_000;

#[async_trait]
impl PersonalData for Database {
    async fn erase_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        let mut erased: u64 = 0;
        loop {
            let step = insist(|| async {
                let mut writing = self.write().await?;
                let outcome = erase_some(&mut writing, time).await;
                writing.end(outcome).await
            });
            let Step { parts, more } = step.await?;
            erased = erased.saturating_add(parts);
            if !more {
                return Ok(erased);
            }
        }
    }
}

struct Step {
    parts: u64,
    more: bool,
}

async fn erase_some(connection: &mut AnyConnection, time: Timestamp) -> Result<Step, Failure> {
    // Held until the commit: no import renumbers entries meanwhile.
    let query = sqlx::query(
        "UPDATE personal_erased SET position = position \
         RETURNING position, (SELECT h.position FROM entries_head h) AS last",
    );
    let row = query.fetch_one(&mut *connection).await?;
    let row = Fields::numbered("personal_erased", "position", &row)?;
    let (from, last): (u64, u64) = (row.count("position")?, row.count("last")?);
    let full = from.saturating_add(ENTRIES);
    let end = last_before(connection, time, from, full.min(last)).await?;
    if end <= from {
        return Ok(Step { parts: 0, more: false });
    }
    let query = sqlx::query(
        "UPDATE entries SET personal = NULL WHERE position > $1 AND position <= $2 AND personal IS NOT NULL",
    );
    let erased = query.bind(stored(from)).bind(stored(end)).execute(&mut *connection).await?;
    let query = sqlx::query("UPDATE personal_erased SET position = $1").bind(stored(end));
    query.execute(connection).await?;
    Ok(Step { parts: erased.rows_affected(), more: end == full })
}

/// The last position up to `end` whose entry was recorded before `time`, or `from`
/// where none of those behind it was. Times never go back: half of the rest is
/// passed over each time.
async fn last_before(connection: &mut AnyConnection, time: Timestamp, from: u64, end: u64) -> Result<u64, Failure> {
    let (mut found, mut end) = (from, end);
    // All of them, more often than not.
    let mut probe = end;
    while found < end {
        if recorded_at(connection, probe).await? < time {
            found = probe;
        } else {
            end = probe.saturating_sub(1);
        }
        probe = found.saturating_add(end.saturating_sub(found).div_ceil(2));
    }
    Ok(found)
}

/// All that has to be known of an entry here.
#[derive(Deserialize)]
struct Recorded {
    time: Timestamp,
}

/// When the entry at `position` was recorded.
pub async fn recorded_at(connection: &mut AnyConnection, position: u64) -> Result<Timestamp, Failure> {
    let query = sqlx::query("SELECT position, entry FROM entries WHERE position = $1").bind(stored(position));
    let row = query.fetch_optional(connection).await?.ok_or_else(|| missing(position))?;
    let Recorded { time } = Fields::numbered("entries", "position", &row)?.json("entry")?;
    Ok(time)
}

/// Entries behind `after` are others from here on, with personal parts of their
/// own. Whoever erases waits until the commit.
pub async fn back_to(connection: &mut AnyConnection, after: u64) -> Result<(), Failure> {
    let query = sqlx::query("UPDATE personal_erased SET position = CASE WHEN position > $1 THEN $1 ELSE position END");
    query.bind(stored(after)).execute(connection).await?;
    Ok(())
}
