//! The log, for those who may read it; and the way round when no archive answers.

use halligan_core::entry::Subject;
use halligan_core::event::bounded_rules;
use halligan_core::text::Reason;
use halligan_log::Object;
use jiff::SignedDuration;

use super::Broker;
use crate::access::{Matter, Occasion};
use crate::caller::Caller;
use crate::ports::{Action, QueuedEntry};
use crate::problem::{Problem, ProblemKind};
use crate::publish::Override;

impl Broker {
    /// Whether callers may be served: the store is known to hold whatever the log
    /// has, or somebody has granted to go on without.
    ///
    /// # Errors
    /// They may not, yet.
    pub async fn serving(&self) -> Result<(), Problem> {
        if self.publisher.is_synced() || self.overrides.current(self.ports.clock.now()).await?.is_some() {
            return Ok(());
        }
        let detail =
            "the broker has not read the log yet, and what it would show may have ended: ask again in a moment";
        Err(Problem::new(ProblemKind::Starting, detail).retry_after(2))
    }

    /// An object of the log, by its key: the checkpoint, a tile, a bundle.
    ///
    /// # Errors
    /// The caller may not read the log, there is no such object, or no archive answers.
    pub async fn log_object(&self, caller: &Caller, key: &str) -> Result<Vec<u8>, Problem> {
        self.may_read_log(caller).await?;
        let object: Object = key.parse().map_err(|error| Problem::invalid("key", error))?;
        let mut said = "no archive is configured".to_owned();
        // The one that holds most first.
        let mut archives = self.publisher.archives();
        archives.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        for (archive, _) in archives {
            match archive.read(object).await {
                Ok(Some(stored)) => return Ok(stored.bytes),
                Ok(None) => said = format!("the log has no `{object}`"),
                Err(error) => {
                    tracing::warn!(archive = archive.name(), %error, "an archive can't be read");
                    return Err(Problem::new(ProblemKind::LogNotDurable, "no archive answers now").retry_after(5));
                }
            }
        }
        Err(Problem::new(ProblemKind::NotFound, said).in_field("key"))
    }

    /// An entry of the log, by its index.
    ///
    /// # Errors
    /// The caller may not read the log, or it has no such entry.
    pub async fn log_entry(&self, caller: &Caller, index: u64) -> Result<QueuedEntry, Problem> {
        self.may_read_log(caller).await?;
        let log = &self.ports.publish.log;
        let size = log.head().await?.size;
        let found = if index < size { log.entries(index.saturating_add(1), 1).await?.pop() } else { None };
        let detail = || format!("the log has no entry {index}: it has {size}");
        found.ok_or_else(|| Problem::new(ProblemKind::NotFound, detail()).in_field("index"))
    }

    /// Lets credentials leave for a while although no archive confirms.
    ///
    /// # Errors
    /// The configuration or the caller's rights don't allow it, or not for so long.
    pub async fn override_log(&self, caller: &Caller, seconds: i64, reason: &str) -> Result<Override, Problem> {
        let granted = async {
            let reason = Reason::try_from(reason.to_owned()).map_err(|error| Problem::invalid("reason", error))?;
            let length = SignedDuration::from_secs(seconds);
            let rules = self.may_override_log(caller).await?;
            self.overrides.grant(caller, length, &reason, rules, self.ports.clock.now()).await
        };
        match granted.await {
            Ok(granted) => {
                self.publisher.wake_followers();
                Ok(granted)
            }
            Err(problem) => Err(self.refuse(caller, "override_log", Subject::broker("log"), problem).await),
        }
    }

    /// Ends that early.
    ///
    /// # Errors
    /// The caller may not, or none is in force.
    pub async fn end_log_override(&self, caller: &Caller) -> Result<(), Problem> {
        let ended = async {
            let rules = self.may_override_log(caller).await?;
            self.overrides.end(caller, rules, self.ports.clock.now()).await
        };
        match ended.await {
            Ok(()) => Ok(()),
            Err(problem) => Err(self.refuse(caller, "override_log", Subject::broker("log"), problem).await),
        }
    }

    /// Returns the rules that permit it, as they fit into an entry.
    async fn may_override_log(&self, caller: &Caller) -> Result<Vec<String>, Problem> {
        let permitted = self.judge.permits(caller.asker(), Action::Administer, Matter::Log, Occasion::default()).await;
        permitted.map(bounded_rules)
    }

    async fn may_read_log(&self, caller: &Caller) -> Result<(), Problem> {
        let Err(problem) = self.judge.permits(caller.asker(), Action::Read, Matter::Log, Occasion::default()).await
        else {
            return Ok(());
        };
        Err(self.refuse(caller, "read_log", Subject::broker("log"), problem).await)
    }
}
