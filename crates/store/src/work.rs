//! Work that transitions leave behind.

use async_trait::async_trait;
use halligan_core::catalogue::Target;
use halligan_core::grant::Effect;
use halligan_engine::ports::{Effort, StoreError, WorkQueue};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::commit::stored;
use crate::fields::Fields;
use crate::grant_row::target_kind;
use crate::instants;
use crate::open::Database;
use crate::writing::Failure;

/// An effect as the key of its row.
struct Key<'a> {
    effect: &'static str,
    target_kind: &'static str,
    target_id: &'a str,
}

impl<'a> Key<'a> {
    fn of(effect: &'a Effect) -> Self {
        match effect {
            Effect::Enforce(target) => {
                Self { effect: "enforce", target_kind: target_kind(target.kind), target_id: target.id.as_str() }
            }
        }
    }
}

/// Asks for `effect`, due at once. What `now` has below a millisecond is dropped:
/// whoever asks what is due with the same `now` finds it.
pub async fn ask_now(connection: &mut AnyConnection, effect: &Effect, now: Timestamp) -> Result<(), Failure> {
    ask(connection, effect, instants::floor(now)).await
}

/// One more ask, due then or when it was due already.
async fn ask(connection: &mut AnyConnection, effect: &Effect, due_at: i64) -> Result<(), Failure> {
    let Key { effect, target_kind, target_id } = Key::of(effect);
    let query = sqlx::query(
        "INSERT INTO work (effect, target_kind, target_id, ask, attempts, due_at) VALUES ($1, $2, $3, 1, 0, $4) \
         ON CONFLICT (effect, target_kind, target_id) DO UPDATE SET ask = work.ask + 1, \
         due_at = CASE WHEN work.due_at < $4 THEN work.due_at ELSE $4 END",
    );
    query.bind(effect).bind(target_kind).bind(target_id).bind(due_at).execute(connection).await?;
    Ok(())
}

#[async_trait]
impl WorkQueue for Database {
    async fn due(&self, now: Timestamp) -> Result<Vec<Effort>, StoreError> {
        let query = sqlx::query(
            "SELECT effect, target_kind, target_id, ask, attempts FROM work WHERE due_at <= $1 \
             ORDER BY due_at, effect, target_kind, target_id",
        );
        let rows = query.bind(instants::floor(now)).fetch_all(self.pool()).await.map_err(Failure::from)?;
        rows.iter().map(decode).collect()
    }

    async fn next(&self) -> Result<Option<Timestamp>, StoreError> {
        let query = sqlx::query(
            "SELECT effect, target_kind, target_id, due_at FROM work WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1",
        );
        let row = query.fetch_optional(self.pool()).await.map_err(Failure::from)?;
        row.as_ref().map(|row| fields(row)?.instant("due_at")).transpose()
    }

    async fn complete(&self, effort: &Effort) -> Result<(), StoreError> {
        let Key { effect, target_kind, target_id } = Key::of(&effort.effect);
        let query = sqlx::query(
            "UPDATE work SET due_at = NULL, attempts = 0 \
             WHERE effect = $1 AND target_kind = $2 AND target_id = $3 AND ask = $4",
        );
        let query = query.bind(effect).bind(target_kind).bind(target_id).bind(stored(effort.ask));
        let mut writing = self.write().await?;
        let outcome = query.execute(&mut *writing).await;
        Ok(writing.end(outcome.map(drop).map_err(Failure::from)).await?)
    }

    async fn postpone(&self, effort: &Effort, again_at: Timestamp) -> Result<(), StoreError> {
        let Key { effect, target_kind, target_id } = Key::of(&effort.effect);
        // Asked for again meanwhile: it stays due, and has failed once more all the same.
        let query = sqlx::query(
            "UPDATE work SET attempts = attempts + 1, due_at = CASE WHEN ask = $4 THEN $5 ELSE due_at END \
             WHERE effect = $1 AND target_kind = $2 AND target_id = $3 AND due_at IS NOT NULL",
        );
        let query = query.bind(effect).bind(target_kind).bind(target_id).bind(stored(effort.ask));
        let mut writing = self.write().await?;
        let outcome = query.bind(instants::ceil(again_at)).execute(&mut *writing).await;
        Ok(writing.end(outcome.map(drop).map_err(Failure::from)).await?)
    }

    async fn schedule(&self, effect: &Effect, due_at: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let outcome = ask(&mut writing, effect, instants::ceil(due_at)).await;
        Ok(writing.end(outcome).await?)
    }
}

fn fields(row: &AnyRow) -> Result<Fields<'_>, StoreError> {
    Fields::new("work", &["effect", "target_kind", "target_id"], row)
}

fn decode(row: &AnyRow) -> Result<Effort, StoreError> {
    let row = fields(row)?;
    let id = row.text("target_id")?.parse().map_err(|_| row.corrupt("target_id", "it is no role's name"))?;
    let effect = Effect::Enforce(Target::role(id));
    let Key { effect: name, target_kind, .. } = Key::of(&effect);
    row.agrees("effect", row.text("effect")?.as_str(), name)?;
    row.agrees("target_kind", row.text("target_kind")?.as_str(), target_kind)?;
    Ok(Effort { effect, attempts: row.count("attempts")?, ask: row.count("ask")? })
}
