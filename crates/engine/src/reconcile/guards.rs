//! Looks whether the archives still protect what they hold, and whether the
//! target accounts still record what is done in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use halligan_core::actor::Actor;
use halligan_core::catalogue::{Catalogue, Role};
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded};
use halligan_core::text::printable;
use jiff::{SignedDuration, Timestamp};

use super::{Reconciler, Status};
use crate::ports::{Archive, Facts, Trails};
use crate::problem::Problem;
use crate::recorder::Recorder;

const EVERY: SignedDuration = SignedDuration::from_mins(15);
const FINDING_CHARACTERS_MAX: usize = 500;

/// What guarding needs.
#[expect(missing_docs, reason = "each port is documented where it is defined")]
pub struct GuardPorts {
    pub facts: Arc<dyn Facts>,
    pub archives: Vec<Arc<dyn Archive>>,
    /// None where there is no logging account that trails could deliver to.
    pub trails: Option<Arc<dyn Trails>>,
    pub catalogue: Arc<Catalogue>,
    pub recorder: Arc<Recorder>,
}

/// Looks now and then. What is found is an entry and an alarm, once.
pub struct Guards(GuardPorts);

impl Guards {
    /// Over these places.
    #[must_use]
    pub const fn new(ports: GuardPorts) -> Self {
        Self(ports)
    }

    async fn look_at_archive(&self, archive: &dyn Archive, now: Timestamp) -> Result<u32, Problem> {
        // One that doesn't answer is told by whoever writes to it.
        let Ok(weaknesses) = archive.weaknesses().await else { return Ok(0) };
        let name = archive.name();
        let found: BTreeMap<&str, String> = weaknesses.into_iter().map(|w| (w.setting, w.finding)).collect();
        let fact = format!("weaknesses {name}");
        let known = self.0.facts.fact(&fact).await?;
        let before: BTreeSet<&str> = known.as_deref().unwrap_or_default().split_whitespace().collect();
        let mut events = Vec::new();
        for (setting, finding) in &found {
            if !before.contains(setting) {
                tracing::error!(
                    alarm = "log.archive_weakened",
                    archive = name,
                    setting,
                    finding,
                    "an archive protects less than it should"
                );
                let finding = printable(finding, FINDING_CHARACTERS_MAX);
                events.push(Event::LogArchiveWeakened {
                    archive: name.to_owned(),
                    setting: (*setting).to_owned(),
                    finding,
                });
            }
        }
        for setting in before.iter().filter(|setting| !found.contains_key(*setting)) {
            events.push(Event::LogArchiveMended { archive: name.to_owned(), setting: (*setting).to_owned() });
        }
        let value = found.keys().copied().collect::<Vec<_>>().join(" ");
        self.learn(&fact, known.as_deref(), &value, Subject::broker("log"), events, now).await
    }

    async fn look_at_trail(&self, trails: &dyn Trails, role: &Role, now: Timestamp) -> Result<u32, Problem> {
        let missing = match trails.missing(role).await {
            Ok(missing) => missing,
            // Not to be able to look is no proof that it is there.
            Err(error) => Some(format!("it can't be looked at: {error}")),
        };
        let account = role.arn.account();
        let fact = format!("trail {account}");
        let known = self.0.facts.fact(&fact).await?;
        let value = if missing.is_some() { "missing" } else { "found" };
        let event = match (known.as_deref(), missing) {
            (Some("missing"), Some(_)) | (None | Some("found"), None) => None,
            (_, Some(because)) => {
                tracing::error!(
                    alarm = "trail.missing",
                    account,
                    because,
                    "what is done in a target account is not recorded"
                );
                Some(Event::TrailMissing { because: printable(&because, FINDING_CHARACTERS_MAX) })
            }
            (_, None) => Some(Event::TrailFound {}),
        };
        let subject = Subject { kind: "aws-account".to_owned(), id: account.to_owned() };
        self.learn(&fact, known.as_deref(), value, subject, event.into_iter().collect(), now).await
    }

    async fn learn(
        &self,
        fact: &str,
        known: Option<&str>,
        value: &str,
        subject: Subject,
        events: Vec<Event>,
        now: Timestamp,
    ) -> Result<u32, Problem> {
        if known == Some(value) && events.is_empty() {
            return Ok(0);
        }
        let done = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let draft = |event| self.0.recorder.draft(Actor::SYSTEM, subject.clone(), Recorded::plain(event));
        let drafts = events.into_iter().map(draft).collect();
        self.0.recorder.learn(self.0.facts.as_ref(), fact, known, value, drafts, now).await?;
        Ok(done)
    }
}

#[async_trait]
impl Reconciler for Guards {
    fn name(&self) -> &'static str {
        "guards"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        let mut done = 0_u32;
        for archive in &self.0.archives {
            done = done.saturating_add(self.look_at_archive(archive.as_ref(), now).await?);
        }
        let accounts: BTreeMap<&str, &Role> =
            self.0.catalogue.roles.values().map(|role| (role.arn.account(), role)).collect();
        if let Some(trails) = &self.0.trails {
            for role in accounts.into_values() {
                done = done.saturating_add(self.look_at_trail(trails.as_ref(), role, now).await?);
            }
        }
        Ok(Status { done, next: Some(now + EVERY) })
    }
}
