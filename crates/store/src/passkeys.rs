//! The passkeys of people.

use async_trait::async_trait;
use halligan_core::entry::Draft;
use halligan_core::id::PersonId;
use halligan_engine::ports::{Passkey, PasskeyNews, Passkeys, StoreError};
use jiff::Timestamp;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection};

use crate::commit::json;
use crate::entries::append;
use crate::fields::Fields;
use crate::instants;
use crate::open::Database;
use crate::writing::{Failure, insist};

/// A query of passkeys, by what follows the table's name.
macro_rules! select_passkeys {
    ($rest:literal) => {
        concat!("SELECT credential, person, enrolled_ns, confirmed, body FROM passkeys ", $rest)
    };
}

/// A new passkey's row, and what to do where there is one already.
macro_rules! insert_passkey {
    ($rest:literal) => {
        concat!(
            "INSERT INTO passkeys (credential, person, enrolled_ns, confirmed, body) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (credential) ",
            $rest
        )
    };
}

#[async_trait]
impl Passkeys for Database {
    async fn passkeys_of(&self, person: &PersonId) -> Result<Vec<Passkey>, StoreError> {
        let query = sqlx::query(select_passkeys!("WHERE person = $1 ORDER BY enrolled_ns, credential"));
        let rows = query.bind(person.as_str()).fetch_all(self.pool()).await.map_err(Failure::from)?;
        rows.iter().map(decode).collect()
    }

    async fn passkey(&self, credential: &str) -> Result<Option<Passkey>, StoreError> {
        let query = sqlx::query(select_passkeys!("WHERE credential = $1")).bind(credential);
        let row = query.fetch_optional(self.pool()).await.map_err(Failure::from)?;
        row.as_ref().map(decode).transpose()
    }

    async fn unconfirmed(&self, limit: u32) -> Result<Vec<Passkey>, StoreError> {
        let query = sqlx::query(select_passkeys!("WHERE confirmed = 0 ORDER BY enrolled_ns, credential LIMIT $1"));
        let rows = query.bind(i64::from(limit)).fetch_all(self.pool()).await.map_err(Failure::from)?;
        rows.iter().map(decode).collect()
    }

    async fn keep(
        &self,
        passkey: &Passkey,
        known: Option<&Passkey>,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = swap(&mut writing, passkey, known, &entries, now).await;
            writing.end(outcome).await
        })
        .await
    }

    async fn remove(&self, credential: &str, entries: Vec<Draft>, now: Timestamp) -> Result<(), StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = remove(&mut writing, credential, &entries, now).await;
            writing.end(outcome).await
        })
        .await
    }
}

/// The compare and the swap.
async fn swap(
    connection: &mut AnyConnection,
    passkey: &Passkey,
    known: Option<&Passkey>,
    entries: &[Draft],
    now: Timestamp,
) -> Result<(), Failure> {
    match known {
        None => {
            let query = sqlx::query(insert_passkey!("DO NOTHING"));
            if bound(query, passkey)?.execute(&mut *connection).await?.rows_affected() != 1 {
                return Err(StoreError::Conflict.into());
            }
        }
        Some(known) => {
            // Held until the commit. Compared as it is read, not as it is spelt: a version
            // of this program may have written it that knew less.
            let query = sqlx::query(
                "UPDATE passkeys SET confirmed = confirmed WHERE credential = $1 \
                 RETURNING credential, person, enrolled_ns, confirmed, body",
            );
            let row = query.bind(&passkey.credential).fetch_optional(&mut *connection).await?;
            if row.as_ref().map(decode).transpose()?.as_ref() != Some(known) {
                return Err(StoreError::Conflict.into());
            }
            replace(connection, passkey).await?;
        }
    }
    append(connection, entries, now).await?;
    Ok(())
}

async fn remove(
    connection: &mut AnyConnection,
    credential: &str,
    entries: &[Draft],
    now: Timestamp,
) -> Result<(), Failure> {
    if forget(connection, credential).await? != 1 {
        return Err(StoreError::Conflict.into());
    }
    append(connection, entries, now).await?;
    Ok(())
}

/// Whatever was kept before, it is as the log says from here on: in the order of the
/// keys, and for each in the log's.
pub async fn learn(connection: &mut AnyConnection, news: &[PasskeyNews]) -> Result<(), Failure> {
    let mut news: Vec<_> = news.iter().collect();
    news.sort_by_key(|news| news.credential());
    for news in news {
        match news {
            PasskeyNews::Kept(passkey) => replace(connection, passkey).await?,
            PasskeyNews::Removed(credential) => drop(forget(connection, credential).await?),
        }
    }
    Ok(())
}

async fn replace(connection: &mut AnyConnection, passkey: &Passkey) -> Result<(), Failure> {
    let query = sqlx::query(insert_passkey!("DO UPDATE SET person = $2, enrolled_ns = $3, confirmed = $4, body = $5"));
    bound(query, passkey)?.execute(connection).await?;
    Ok(())
}

async fn forget(connection: &mut AnyConnection, credential: &str) -> Result<u64, Failure> {
    let query = sqlx::query("DELETE FROM passkeys WHERE credential = $1").bind(credential);
    Ok(query.execute(connection).await?.rows_affected())
}

/// The columns of a passkey's row, `$1` to `$5`.
fn bound<'q>(
    query: Query<'q, Any, AnyArguments>,
    passkey: &'q Passkey,
) -> Result<Query<'q, Any, AnyArguments>, StoreError> {
    let Columns { credential, person, enrolled_ns, confirmed } = Columns::of(passkey);
    if let Some(because) = passkey.flaw() {
        // It could never be read again.
        return Err(StoreError::Unavailable(format!("the passkey {credential} was not written: {because}")));
    }
    Ok(query.bind(credential).bind(person).bind(enrolled_ns).bind(confirmed).bind(json(passkey)?))
}

/// The copies.
struct Columns<'a> {
    credential: &'a str,
    person: &'a str,
    enrolled_ns: i64,
    confirmed: i64,
}

impl<'a> Columns<'a> {
    fn of(passkey: &'a Passkey) -> Self {
        let Passkey { credential, person, enrolled_at, confirmed, .. } = passkey;
        let confirmed = i64::from(confirmed.is_some());
        Self { credential, person: person.as_str(), enrolled_ns: instants::nanoseconds(*enrolled_at), confirmed }
    }
}

fn decode(row: &AnyRow) -> Result<Passkey, StoreError> {
    let row = Fields::new("passkeys", &["credential"], row)?;
    let passkey: Passkey = row.json("body")?;
    let Columns { credential, person, enrolled_ns, confirmed } = Columns::of(&passkey);
    row.agrees("credential", row.text("credential")?.as_str(), credential)?;
    row.agrees("person", row.text("person")?.as_str(), person)?;
    row.agrees("enrolled_ns", row.integer("enrolled_ns")?, enrolled_ns)?;
    row.agrees("confirmed", row.integer("confirmed")?, confirmed)?;
    match passkey.flaw() {
        None => Ok(passkey),
        Some(because) => Err(row.corrupt("body", because)),
    }
}
