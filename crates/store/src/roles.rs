//! What we know of the roles' revocation policies.

use async_trait::async_trait;
use halligan_core::entry::Draft;
use halligan_core::id::RoleId;
use halligan_engine::ports::{Committed, Lease, RoleLedger, RoleRecord, StoreError};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::commit::json;
use crate::entries::append;
use crate::fields::Fields;
use crate::leases::is_held;
use crate::open::Database;
use crate::writing::{Failure, insist};

#[async_trait]
impl RoleLedger for Database {
    async fn record(&self, role: &RoleId) -> Result<RoleRecord, StoreError> {
        let query = sqlx::query("SELECT role, record FROM roles WHERE role = $1").bind(role.as_str());
        match query.fetch_optional(self.pool()).await.map_err(Failure::from)? {
            Some(row) => Fields::new("roles", &["role"], &row)?.json("record"),
            None => Ok(RoleRecord::default()),
        }
    }

    async fn save(
        &self,
        role: &RoleId,
        record: &RoleRecord,
        entries: Vec<Draft>,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
        let record = json(record)?;
        insist(|| async {
            let mut writing = self.write().await?;
            let outcome = replace(&mut writing, role, &record, &entries, lease, now).await;
            writing.end(outcome).await
        })
        .await
    }
}

async fn replace(
    connection: &mut AnyConnection,
    role: &RoleId,
    record: &str,
    entries: &[Draft],
    lease: &Lease,
    now: Timestamp,
) -> Result<Committed, Failure> {
    if !is_held(connection, lease, now).await? {
        return Err(StoreError::Conflict.into());
    }
    let query =
        sqlx::query("INSERT INTO roles (role, record) VALUES ($1, $2) ON CONFLICT (role) DO UPDATE SET record = $2");
    query.bind(role.as_str()).bind(record).execute(&mut *connection).await?;
    Ok(Committed { version: None, position: append(connection, entries, now).await? })
}
