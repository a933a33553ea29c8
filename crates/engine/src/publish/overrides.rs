//! The way round when no archive can be reached: granted by somebody for a few
//! hours, written down, paged, and only with another place confirming instead.

use std::sync::Arc;

use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded, bounded};
use halligan_core::id::PersonId;
use halligan_core::text::Reason;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::ports::{Cursors, Facts, StoreError};
use crate::problem::{Problem, ProblemKind};
use crate::recorder::Recorder;

const FACT: &str = "log.override";
/// Between two looks at what a sink has confirmed.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

/// Whether there may be such a thing, and on which terms.
#[derive(Debug, Clone, Default)]
pub struct OverrideRules {
    /// The sinks that must confirm, all of them. None: there is no override.
    pub confirmed_by: Vec<String>,
    /// The longest that it lasts.
    pub longest: SignedDuration,
}

/// An override that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Who granted it: they mint nothing under it.
    pub by: PersonId,
    /// Until when.
    pub until: Timestamp,
    /// The sinks that must confirm, all of them.
    pub confirmed_by: Vec<String>,
}

/// Grants and ends them.
pub struct Overrides {
    rules: OverrideRules,
    facts: Arc<dyn Facts>,
    cursors: Arc<dyn Cursors>,
    recorder: Arc<Recorder>,
}

impl Overrides {
    /// On these terms.
    pub fn new(
        rules: OverrideRules,
        facts: Arc<dyn Facts>,
        cursors: Arc<dyn Cursors>,
        recorder: Arc<Recorder>,
    ) -> Self {
        Self { rules, facts, cursors, recorder }
    }

    /// The override that is in force at `now`.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn current(&self, now: Timestamp) -> Result<Option<Override>, StoreError> {
        if self.rules.confirmed_by.is_empty() {
            return Ok(None);
        }
        Ok(self.last().await?.1.filter(|granted| granted.until > now))
    }

    async fn last(&self) -> Result<(Option<String>, Option<Override>), StoreError> {
        let known = self.facts.fact(FACT).await?;
        // What can't be read is no permission.
        let granted = known.as_deref().and_then(|text| serde_json::from_str(text).ok());
        Ok((known, granted))
    }

    /// Lets credentials leave for `length` although no archive confirms. The caller may, by these `rules` of
    /// the policy.
    ///
    /// # Errors
    /// The configuration knows no override, or it is too long.
    pub async fn grant(
        &self,
        caller: &Caller,
        length: SignedDuration,
        reason: &Reason,
        rules: Vec<String>,
        now: Timestamp,
    ) -> Result<Override, Problem> {
        let person = &caller.human("override the log's confirmation")?.person;
        if self.rules.confirmed_by.is_empty() {
            let detail = "the configuration knows no override of the log's confirmation";
            return Err(Problem::new(ProblemKind::NotPermitted, detail).unmet(vec!["`[log.override]`".to_owned()]));
        }
        if length < SignedDuration::from_secs(1) || length > self.rules.longest {
            let longest = self.rules.longest;
            let detail =
                format!("{length:#} is too long or nothing: expected at most {longest:#} (log.override.longest)");
            return Err(Problem::invalid("duration_seconds", detail));
        }
        let confirmed_by = self.rules.confirmed_by.clone();
        let granted = Override { by: person.clone(), until: now + length, confirmed_by: confirmed_by.clone() };
        let event = Event::LogOverrideGranted { until: granted.until, confirmed_by: bounded(confirmed_by), rules };
        self.learn(Some(&granted), Recorded::with_reason(event, reason), caller, now).await?;
        tracing::error!(alarm = "log.override_granted", until = %granted.until, "credentials may leave without an archive's confirmation");
        Ok(granted)
    }

    /// Ends it early.
    ///
    /// # Errors
    /// None is in force.
    pub async fn end(&self, caller: &Caller, rules: Vec<String>, now: Timestamp) -> Result<(), Problem> {
        if self.current(now).await?.is_none() {
            return Err(Problem::new(ProblemKind::NotFound, "no override of the log is in force"));
        }
        self.learn(None, Recorded::plain(Event::LogOverrideEnded { rules }), caller, now).await
    }

    async fn learn(
        &self,
        granted: Option<&Override>,
        recorded: Recorded,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let (known, _) = self.last().await?;
        let value = granted.map_or(Ok(String::new()), serde_json::to_string).unwrap_or_default();
        let draft = self.recorder.draft(caller.actor(), Subject::broker("log"), recorded);
        self.recorder.learn(self.facts.as_ref(), FACT, known.as_deref(), &value, vec![draft], now).await?;
        Ok(())
    }

    /// Waits until the sinks have confirmed everything up to `position` in the archives' stead.
    ///
    /// # Errors
    /// A text for people: no override is in force for this caller, or a sink didn't confirm.
    pub async fn confirmed(
        &self,
        caller: &Caller,
        position: u64,
        now: Timestamp,
        within: SignedDuration,
    ) -> Result<(), String> {
        let current = self.current(now).await.map_err(|error| error.to_string())?;
        let Some(granted) = current else { return Err("no override of the log is in force".to_owned()) };
        // Who opens this way round doesn't walk it: a second person has looked.
        if caller.stands_for(&granted.by) {
            return Err("you granted the override of the log yourself: expected somebody else to".to_owned());
        }
        let deadline = tokio::time::Instant::now() + within.unsigned_abs();
        loop {
            let mut missing = Vec::new();
            for name in &granted.confirmed_by {
                if !self.cursors.cursor(name).await.is_ok_and(|cursor| cursor.position >= position) {
                    missing.push(name.as_str());
                }
            }
            // With nobody to confirm, nothing is confirmed.
            if missing.is_empty() && !granted.confirmed_by.is_empty() {
                return Ok(());
            }
            if tokio::time::timeout_at(deadline, tokio::time::sleep(LOOK_AGAIN)).await.is_err() {
                return Err(format!("{} has not confirmed either", missing.join(", ")));
            }
        }
    }
}
