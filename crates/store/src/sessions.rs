//! Who is signed in, in which browser.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use async_trait::async_trait;
use halligan_core::actor::Principal;
use halligan_core::entry::Draft;
use halligan_engine::ports::{Proof, SecretHash, Session, Sessions, StoreError};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::commit::json;
use crate::entries::append;
use crate::fields::Fields;
use crate::instants;
use crate::open::Database;
use crate::writing::{Failure, insist};

#[async_trait]
impl Sessions for Database {
    async fn open(&self, session: &Session, entries: Vec<Draft>, now: Timestamp) -> Result<(), StoreError> {
        if let Some(because) = session.token.flaw() {
            return Err(StoreError::Unavailable(format!("the session {} was not written: {because}", session.id)));
        }
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = insert(&mut writing, session, &entries, now).await;
            writing.end(outcome).await
        })
        .await
    }

    async fn session(&self, token: &SecretHash) -> Result<Option<Session>, StoreError> {
        let query = sqlx::query(
            "SELECT token_sha256, issuer, subject, opened_at, seen_at, body FROM sessions WHERE token_sha256 = $1",
        );
        let row = query.bind(&token.0).fetch_optional(self.pool()).await.map_err(Failure::from)?;
        row.as_ref().map(decode).transpose()
    }

    async fn touch(&self, token: &SecretHash, proof: &Proof, at: Timestamp) -> Result<(), StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = touch(&mut writing, token, *proof, at).await;
            writing.end(outcome).await
        })
        .await
    }

    async fn end(&self, token: &SecretHash, entries: Vec<Draft>, now: Timestamp) -> Result<bool, StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = end(&mut writing, token, &entries, now).await;
            writing.end(outcome).await
        })
        .await
    }

    async fn of(&self, principals: &BTreeSet<Principal>) -> Result<Vec<Session>, StoreError> {
        let mut found = Vec::new();
        for Principal { issuer, subject } in principals {
            let query = sqlx::query(
                "SELECT token_sha256, issuer, subject, opened_at, seen_at, body FROM sessions \
                 WHERE issuer = $1 AND subject = $2",
            );
            let rows = query.bind(issuer).bind(subject).fetch_all(self.pool()).await.map_err(Failure::from)?;
            for row in &rows {
                found.push(decode(row)?);
            }
        }
        found.sort_by_key(|session| Reverse((session.opened_at, session.id)));
        Ok(found)
    }

    async fn end_of(&self, principals: &BTreeSet<Principal>) -> Result<u64, StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = end_of(&mut writing, principals).await;
            writing.end(outcome).await
        })
        .await
    }

    async fn forget(&self, opened: Timestamp, seen: Timestamp, limit: u32) -> Result<u64, StoreError> {
        insist(|| async {
            // The condition is there twice: one that was used meanwhile stays.
            let query = sqlx::query(
                "DELETE FROM sessions WHERE (opened_at < $1 OR seen_at < $2) AND token_sha256 IN \
                 (SELECT s.token_sha256 FROM sessions s WHERE s.opened_at < $1 OR s.seen_at < $2 \
                 ORDER BY s.token_sha256 LIMIT $3)",
            );
            let query = query.bind(instants::floor(opened)).bind(instants::floor(seen)).bind(i64::from(limit));
            let mut writing = self.write().await?;
            let outcome = query.execute(&mut *writing).await;
            writing.end(outcome.map(|gone| gone.rows_affected()).map_err(Failure::from)).await
        })
        .await
    }
}

async fn insert(
    connection: &mut AnyConnection,
    session: &Session,
    entries: &[Draft],
    now: Timestamp,
) -> Result<(), Failure> {
    let Columns { token_sha256, issuer, subject, opened_at, seen_at } = Columns::of(session);
    let query = sqlx::query(
        "INSERT INTO sessions (token_sha256, issuer, subject, opened_at, seen_at, body) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (token_sha256) DO NOTHING",
    );
    let query = query.bind(token_sha256).bind(issuer).bind(subject).bind(opened_at).bind(seen_at);
    if query.bind(json(session)?).execute(&mut *connection).await?.rows_affected() != 1 {
        return Err(StoreError::Conflict.into());
    }
    append(connection, entries, now).await?;
    Ok(())
}

async fn touch(connection: &mut AnyConnection, token: &SecretHash, proof: Proof, at: Timestamp) -> Result<(), Failure> {
    // Held until the commit: whoever ends it comes before or after.
    let query = sqlx::query(
        "UPDATE sessions SET seen_at = seen_at WHERE token_sha256 = $1 \
         RETURNING token_sha256, issuer, subject, opened_at, seen_at, body",
    );
    let row = query.bind(&token.0).fetch_optional(&mut *connection).await?.ok_or(StoreError::Conflict)?;
    let session = decode(&row)?.used(proof, at);
    let query = sqlx::query("UPDATE sessions SET seen_at = $2, body = $3 WHERE token_sha256 = $1");
    let query = query.bind(&token.0).bind(instants::floor(session.seen_at)).bind(json(&session)?);
    query.execute(connection).await?;
    Ok(())
}

async fn end(
    connection: &mut AnyConnection,
    token: &SecretHash,
    entries: &[Draft],
    now: Timestamp,
) -> Result<bool, Failure> {
    let query = sqlx::query("DELETE FROM sessions WHERE token_sha256 = $1").bind(&token.0);
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(false);
    }
    append(connection, entries, now).await?;
    Ok(true)
}

/// Ends every session of these logins.
pub async fn end_of(connection: &mut AnyConnection, principals: &BTreeSet<Principal>) -> Result<u64, Failure> {
    let mut ended: u64 = 0;
    for Principal { issuer, subject } in principals {
        let query = sqlx::query("DELETE FROM sessions WHERE issuer = $1 AND subject = $2").bind(issuer).bind(subject);
        ended = ended.saturating_add(query.execute(&mut *connection).await?.rows_affected());
    }
    Ok(ended)
}

/// The copies.
struct Columns<'a> {
    token_sha256: &'a str,
    issuer: &'a str,
    subject: &'a str,
    opened_at: i64,
    seen_at: i64,
}

impl<'a> Columns<'a> {
    fn of(session: &'a Session) -> Self {
        let Session { token, principal: Principal { issuer, subject }, opened_at, seen_at, .. } = session;
        // Down, as what they are compared with: nothing is forgotten too early.
        let (opened_at, seen_at) = (instants::floor(*opened_at), instants::floor(*seen_at));
        Self { token_sha256: &token.0, issuer, subject, opened_at, seen_at }
    }
}

fn decode(row: &AnyRow) -> Result<Session, StoreError> {
    let row = Fields::new("sessions", &["token_sha256"], row)?;
    let session: Session = row.json("body")?;
    let Columns { token_sha256, issuer, subject, opened_at, seen_at } = Columns::of(&session);
    row.agrees("token_sha256", row.text("token_sha256")?.as_str(), token_sha256)?;
    row.agrees("issuer", row.text("issuer")?.as_str(), issuer)?;
    row.agrees("subject", row.text("subject")?.as_str(), subject)?;
    row.agrees("opened_at", row.integer("opened_at")?, opened_at)?;
    row.agrees("seen_at", row.integer("seen_at")?, seen_at)?;
    Ok(session)
}
