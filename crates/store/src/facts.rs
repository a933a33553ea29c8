//! What was last known of things outside.

use async_trait::async_trait;
use halligan_core::entry::Draft;
use halligan_engine::ports::{Committed, Facts, StoreError};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::entries::append;
use crate::fields::Fields;
use crate::open::Database;
use crate::writing::{Failure, insist};

#[async_trait]
impl Facts for Database {
    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        let query = sqlx::query("SELECT name, value FROM facts WHERE name = $1").bind(name);
        let row = query.fetch_optional(self.pool()).await.map_err(Failure::from)?;
        row.map(|row| Fields::new("facts", &["name"], &row)?.text("value")).transpose()
    }

    async fn learn(
        &self,
        name: &str,
        known: Option<&str>,
        value: &str,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = swap(&mut writing, name, known, value, &entries, now).await;
            writing.end(outcome).await
        })
        .await
    }
}

async fn swap(
    connection: &mut AnyConnection,
    name: &str,
    known: Option<&str>,
    value: &str,
    entries: &[Draft],
    now: Timestamp,
) -> Result<Committed, Failure> {
    let query = match known {
        Some(known) => {
            sqlx::query("UPDATE facts SET value = $2 WHERE name = $1 AND value = $3").bind(name).bind(value).bind(known)
        }
        None => sqlx::query("INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(value),
    };
    if query.execute(&mut *connection).await?.rows_affected() != 1 {
        return Err(StoreError::Conflict.into());
    }
    Ok(Committed { version: None, position: append(connection, entries, now).await? })
}
