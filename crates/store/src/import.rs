//! What the log has and the store lacks.

use async_trait::async_trait;
use halligan_core::entry::Sealed;
use halligan_engine::ports::{Import, LogRestore, QueuedEntry, StoreError};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::commit::{ask_for, replace_grant, stored};
use crate::entries::{insert, read};
use crate::fields::Fields;
use crate::open::Database;
use crate::writing::{Failure, insist};
use crate::{cursors, instants, log, passkeys, personal, sign_outs};

#[async_trait]
impl LogRestore for Database {
    async fn import(&self, import: Import, now: Timestamp) -> Result<(), StoreError> {
        if let Some(flaw) = import.flaw().or_else(|| import.entries.iter().find_map(unlike)) {
            return Err(StoreError::Unavailable(format!("nothing was imported: {flaw}")));
        }
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = write_import(&mut writing, &import, now).await;
            writing.end(outcome).await
        })
        .await
    }
}

/// How an entry's bytes are not what was read of them: nobody could read the row.
fn unlike(QueuedEntry { position, sealed, leaf }: &QueuedEntry) -> Option<String> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned());
    let again = || {
        let personal = leaf.personal.as_deref().map(text).transpose()?;
        read(text(&leaf.entry)?, personal).map_err(|unreadable| unreadable.because)
    };
    match again() {
        Ok(again) if again == *sealed => None,
        Ok(_) => Some(format!("the bytes of entry {position} say something else than was read of them")),
        Err(because) => Some(format!("entry {position} could not be read again: {because}")),
    }
}

async fn write_import(connection: &mut AnyConnection, import: &Import, now: Timestamp) -> Result<(), Failure> {
    let Import { after, last, known, entries, tail, grants, effects, passkeys, sign_outs, head } = import;
    // In the order of their keys, and before the head, as every commit does.
    let mut grants: Vec<_> = grants.iter().collect();
    grants.sort_by_key(|grant| grant.request.id);
    for grant in grants {
        replace_grant(connection, grant).await?;
    }
    ask_for(connection, effects, now).await?;
    passkeys::learn(connection, passkeys).await?;
    sign_outs::learn(connection, sign_outs).await?;
    forget_logins(connection).await?;

    let query = sqlx::query("UPDATE entries_head SET position = position RETURNING position");
    let row = query.fetch_one(&mut *connection).await?;
    let found: u64 = Fields::numbered("entries_head", "position", &row)?.count("position")?;
    if found != *last {
        return Err(StoreError::Conflict.into());
    }
    // Two that import at once would each take the other's entries for the store's own.
    if let Some(known) = known
        && log::known(connection).await? != *known
    {
        return Err(StoreError::Conflict.into());
    }
    personal::back_to(connection, *after).await?;
    let query = sqlx::query("DELETE FROM entries WHERE position > $1").bind(stored(*after));
    query.execute(&mut *connection).await?;
    insert(connection, entries).await?;

    let before = match entries.last() {
        Some(entry) => entry.sealed.entry.time,
        None if *after == 0 => Timestamp::MIN,
        None => personal::recorded_at(connection, *after).await?,
    };
    let tail = renumbered(tail, head.size, before);
    insert(connection, &tail).await?;
    let time = tail.last().map_or(before, |entry| entry.sealed.entry.time);
    let end = tail.last().map_or(head.size, |entry| entry.position);
    let query =
        sqlx::query("UPDATE entries_head SET position = $1, time_ns = CASE WHEN time_ns < $2 THEN $2 ELSE time_ns END");
    query.bind(stored(end)).bind(instants::nanoseconds(time)).execute(&mut *connection).await?;

    // Last, what no commit waits for.
    let query = sqlx::query("UPDATE entries_published SET position = $1 WHERE position > $1").bind(stored(*after));
    query.execute(&mut *connection).await?;
    cursors::back_to(connection, *after).await?;
    log::replace_head(connection, *head).await
}

/// Some of them ended after the store was saved, and nothing tells which.
async fn forget_logins(connection: &mut AnyConnection) -> Result<(), Failure> {
    for all in ["DELETE FROM sessions", "DELETE FROM ceremonies", "DELETE FROM login_groups"] {
        sqlx::query(all).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The store's own entries behind those of the log: written anew, since their times may be others.
fn renumbered(tail: &[Sealed], after: u64, before: Timestamp) -> Vec<QueuedEntry> {
    let mut time = before;
    let renumber = |(position, Sealed { entry, personal }): (u64, &Sealed)| {
        time = time.max(entry.time);
        let sealed = Sealed { entry: entry.clone().recorded_at(time), personal: personal.clone() };
        QueuedEntry::new(position, sealed)
    };
    (after.saturating_add(1)..).zip(tail).map(renumber).collect()
}
