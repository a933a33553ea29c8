//! Since when what people show counts.

use std::collections::BTreeSet;

use async_trait::async_trait;
use halligan_core::actor::Principal;
use halligan_core::entry::Draft;
use halligan_core::id::PersonId;
use halligan_engine::ports::{SignOuts, StoreError};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::entries::append;
use crate::fields::Fields;
use crate::instants;
use crate::open::Database;
use crate::sessions::end_of;
use crate::writing::{Failure, insist};

#[async_trait]
impl SignOuts for Database {
    async fn signed_out(&self, person: &PersonId) -> Result<Option<Timestamp>, StoreError> {
        let query = sqlx::query("SELECT person, before_ns FROM sign_outs WHERE person = $1").bind(person.as_str());
        let Some(row) = query.fetch_optional(self.pool()).await.map_err(Failure::from)? else { return Ok(None) };
        let row = Fields::new("sign_outs", &["person"], &row)?;
        let instant = Timestamp::from_nanosecond(i128::from(row.integer("before_ns")?));
        instant.map(Some).map_err(|error| row.corrupt("before_ns", error.to_string()))
    }

    async fn sign_out(
        &self,
        person: &PersonId,
        before: Timestamp,
        principals: &BTreeSet<Principal>,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = sign_out(&mut writing, (person, before), principals, &entries, now).await;
            writing.end(outcome).await
        })
        .await
    }
}

async fn sign_out(
    connection: &mut AnyConnection,
    (person, before): (&PersonId, Timestamp),
    principals: &BTreeSet<Principal>,
    entries: &[Draft],
    now: Timestamp,
) -> Result<u64, Failure> {
    out_since(connection, person, before).await?;
    let ended = end_of(connection, principals).await?;
    append(connection, entries, now).await?;
    Ok(ended)
}

/// What the log says, in the order of the keys. The later word holds, the store's or the log's.
pub async fn learn(connection: &mut AnyConnection, sign_outs: &[(PersonId, Timestamp)]) -> Result<(), Failure> {
    let mut sign_outs: Vec<_> = sign_outs.iter().collect();
    sign_outs.sort();
    for (person, before) in sign_outs {
        out_since(connection, person, *before).await?;
    }
    Ok(())
}

async fn out_since(connection: &mut AnyConnection, person: &PersonId, before: Timestamp) -> Result<(), Failure> {
    let query = sqlx::query(
        "INSERT INTO sign_outs (person, before_ns) VALUES ($1, $2) ON CONFLICT (person) DO UPDATE \
         SET before_ns = CASE WHEN sign_outs.before_ns < $2 THEN $2 ELSE sign_outs.before_ns END",
    );
    query.bind(person.as_str()).bind(instants::nanoseconds(before)).execute(connection).await?;
    Ok(())
}
