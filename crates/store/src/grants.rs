//! Grants.

use async_trait::async_trait;
use halligan_core::id::{GrantId, RoleId};
use halligan_engine::ports::{Change, Committed, DueGrant, Filter, GrantStore, Page, StoreError, Versioned};
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::fields::Fields;
use crate::grant_row::{decode, select_grants};
use crate::instants;
use crate::open::Database;
use crate::writing::Failure;

#[async_trait]
impl GrantStore for Database {
    async fn grant(&self, id: GrantId) -> Result<Option<Versioned>, StoreError> {
        let query = sqlx::query(select_grants!("WHERE id = $1")).bind(id.to_string());
        let row = query.fetch_optional(self.pool()).await.map_err(Failure::from)?;
        row.as_ref().map(decode).transpose()
    }

    async fn grants(&self, filter: &Filter, limit: u32) -> Result<Page, StoreError> {
        let Conditions { mut sql, texts } = Conditions::of(filter);
        sql.push_str(&format!(" ORDER BY id DESC LIMIT ${}", texts.len().saturating_add(1)));
        // Fixed fragments and numbered placeholders: no text of anybody's is in it.
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for text in texts {
            query = query.bind(text);
        }
        // One more than asked for tells whether there is another page.
        let query = query.bind(i64::from(limit).saturating_add(1));
        let rows = query.fetch_all(self.pool()).await.map_err(Failure::from)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let grants = rows.iter().take(limit).map(decode).collect::<Result<Vec<_>, _>>()?;
        let next = if rows.len() > limit { grants.last().map(|last| last.grant.request.id) } else { None };
        Ok(Page { grants, next })
    }

    async fn next_due(&self, limit: u32) -> Result<Vec<DueGrant>, StoreError> {
        let query = sqlx::query("SELECT id, due_at FROM grants WHERE due_at IS NOT NULL ORDER BY due_at, id LIMIT $1");
        let rows = query.bind(i64::from(limit)).fetch_all(self.pool()).await.map_err(Failure::from)?;
        rows.iter().map(due).collect()
    }

    async fn enforceable(&self, role: &RoleId, now: Timestamp) -> Result<Vec<Versioned>, StoreError> {
        let query = sqlx::query(select_grants!("WHERE role = $1 AND enforce_until > $2 ORDER BY id"));
        let query = query.bind(role.as_str()).bind(instants::floor(now));
        let rows = query.fetch_all(self.pool()).await.map_err(Failure::from)?;
        rows.iter().map(decode).collect()
    }

    async fn commit(&self, change: Change, now: Timestamp) -> Result<Committed, StoreError> {
        self.commit_change(&change, now).await
    }
}

fn due(row: &AnyRow) -> Result<DueGrant, StoreError> {
    let row = Fields::new("grants", &["id"], row)?;
    let id = row.text("id")?.parse().map_err(|_| row.corrupt("id", "it is no grant id"))?;
    Ok(DueGrant { id, due_at: row.instant("due_at")? })
}

/// A query that a filter makes.
struct Conditions {
    sql: String,
    texts: Vec<String>,
}

impl Conditions {
    fn of(filter: &Filter) -> Self {
        let Filter { phases, role, incident, requester, before } = filter;
        let mut conditions = Self { sql: select_grants!("WHERE 1 = 1").to_owned(), texts: Vec::new() };
        if !phases.is_empty() {
            conditions.sql.push_str(" AND phase IN (");
            for (index, phase) in phases.iter().enumerate() {
                conditions.and(if index == 0 { "" } else { ", " }, phase.as_str());
            }
            conditions.sql.push(')');
        }
        if let Some(role) = role {
            conditions.and(" AND role = ", role.as_str());
        }
        if let Some(incident) = incident {
            conditions.and(" AND incident_provider = ", incident.provider.as_str());
            conditions.and(" AND incident_id = ", incident.id.as_str());
        }
        if let Some(requester) = requester {
            conditions.and(" AND requester = ", requester.as_str());
        }
        if let Some(before) = before {
            conditions.and(" AND id < ", &before.to_string());
        }
        conditions
    }

    fn and(&mut self, fragment: &'static str, text: &str) {
        self.texts.push(text.to_owned());
        self.sql.push_str(&format!("{fragment}${}", self.texts.len()));
    }
}
