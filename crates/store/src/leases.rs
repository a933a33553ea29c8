//! Leases. A row stays when its lease is given back: the token only grows.

use async_trait::async_trait;
use halligan_engine::ports::{Lease, Leases, StoreError};
use jiff::{SignedDuration, Timestamp};
use sqlx::AnyConnection;

use crate::commit::stored;
use crate::fields::Fields;
use crate::instants;
use crate::open::Database;
use crate::writing::Failure;

#[async_trait]
impl Leases for Database {
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        length: SignedDuration,
    ) -> Result<Option<Lease>, StoreError> {
        let until = now.saturating_add(length).unwrap_or(now);
        // The row is held from the comparison to the commit: of two, one is second.
        let query = sqlx::query(
            "INSERT INTO leases (name, holder, token, until) VALUES ($1, $2, 1, $3) \
             ON CONFLICT (name) DO UPDATE SET holder = $2, token = leases.token + 1, until = $3 \
             WHERE leases.until <= $4 OR leases.holder = $2 RETURNING name, token",
        );
        let query = query.bind(name).bind(holder).bind(instants::ceil(until)).bind(instants::floor(now));
        let mut writing = self.write().await?;
        let outcome = query.fetch_optional(&mut *writing).await;
        let row = writing.end(outcome.map_err(Failure::from)).await?;
        let lease = |row| {
            Ok(Lease { name: name.to_owned(), token: Fields::new("leases", &["name"], row)?.count("token")?, until })
        };
        row.as_ref().map(lease).transpose()
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE leases SET until = $3 WHERE name = $1 AND token = $2");
        let query = query.bind(&lease.name).bind(stored(lease.token)).bind(i64::MIN);
        let mut writing = self.write().await?;
        let outcome = query.execute(&mut *writing).await;
        Ok(writing.end(outcome.map(drop).map_err(Failure::from)).await?)
    }
}

/// Holds the lease's row until the commit, if the lease is still held at `now`:
/// nobody else can acquire it in between.
pub async fn is_held(connection: &mut AnyConnection, lease: &Lease, now: Timestamp) -> Result<bool, Failure> {
    let query = sqlx::query("UPDATE leases SET token = token WHERE name = $1 AND token = $2 AND until > $3");
    let query = query.bind(&lease.name).bind(stored(lease.token)).bind(instants::floor(now));
    Ok(query.execute(connection).await?.rows_affected() == 1)
}
