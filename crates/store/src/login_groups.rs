//! The groups that providers said logins are in.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use halligan_core::actor::Principal;
use halligan_core::id::GroupId;
use halligan_engine::ports::{LoginGroups, StoreError};
use jiff::Timestamp;

use crate::commit::json;
use crate::fields::Fields;
use crate::instants;
use crate::open::Database;
use crate::writing::{Failure, insist};

#[async_trait]
impl LoginGroups for Database {
    async fn saw_groups(
        &self,
        principal: &Principal,
        groups: &BTreeSet<GroupId>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let names = json(groups)?;
        insist(|| async {
            let query = sqlx::query(
                "INSERT INTO login_groups (issuer, subject, said_ns, names) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (issuer, subject) DO UPDATE SET said_ns = $3, names = $4 WHERE login_groups.said_ns <= $3",
            );
            let query = query.bind(&principal.issuer).bind(&principal.subject);
            let query = query.bind(instants::nanoseconds(at)).bind(&names);
            let mut writing = self.write().await?;
            let outcome = query.execute(&mut *writing).await;
            writing.end(outcome.map(drop).map_err(Failure::from)).await
        })
        .await
    }

    async fn groups_of(
        &self,
        principals: &BTreeSet<Principal>,
        since: Timestamp,
    ) -> Result<BTreeMap<Principal, BTreeSet<GroupId>>, StoreError> {
        let mut said = BTreeMap::new();
        for principal @ Principal { issuer, subject } in principals {
            let query = sqlx::query(
                "SELECT issuer, subject, names FROM login_groups WHERE issuer = $1 AND subject = $2 AND said_ns >= $3",
            );
            let query = query.bind(issuer).bind(subject).bind(instants::nanoseconds(since));
            if let Some(row) = query.fetch_optional(self.pool()).await.map_err(Failure::from)? {
                let row = Fields::new("login_groups", &["issuer", "subject"], &row)?;
                said.insert(principal.clone(), row.json::<BTreeSet<GroupId>>("names")?);
            }
        }
        Ok(said)
    }

    async fn forget_groups(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        insist(|| async {
            // The condition is there twice: one that was seen meanwhile stays.
            let query = sqlx::query(
                "DELETE FROM login_groups WHERE said_ns < $1 AND (issuer, subject) IN \
                 (SELECT g.issuer, g.subject FROM login_groups g WHERE g.said_ns < $1 \
                 ORDER BY g.said_ns, g.issuer, g.subject LIMIT $2)",
            );
            let query = query.bind(instants::nanoseconds(before)).bind(i64::from(limit));
            let mut writing = self.write().await?;
            let outcome = query.execute(&mut *writing).await;
            writing.end(outcome.map(|gone| gone.rows_affected()).map_err(Failure::from)).await
        })
        .await
    }
}
