//! Probe sessions: opened before a deny is written, asked until it bites.

use std::sync::Arc;

use halligan_core::actor::Actor;
use halligan_core::catalogue::Role;
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Baseline, Grant};
use halligan_core::iam::{SessionName, probe_policy};
use halligan_core::id::GrantId;
use jiff::{SignedDuration, Timestamp};

use crate::ports::{CallOutcome, Clock, Entropy, ProbeSession, ProbeSpec, Probes};
use crate::recorder::Recorder;

/// The probe's own fence: later than any observation takes.
const PROBE_LIFE: SignedDuration = SignedDuration::from_mins(15);
/// The deny waits no longer than this for the probe: ending comes before seeing.
pub(super) const OPENING_MAX: std::time::Duration = std::time::Duration::from_secs(3);

/// A probe and its control: two sessions that differ in their tag alone.
pub(super) struct Pair {
    pub probe: Box<dyn ProbeSession>,
    pub control: Box<dyn ProbeSession>,
    pub baseline: Baseline,
}

/// Opens probe sessions.
pub(super) struct Prober {
    pub probes: Arc<dyn Probes>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub recorder: Arc<Recorder>,
}

impl Prober {
    /// Opens a pair for `grant` and sees what it can do before the deny, within
    /// [`OPENING_MAX`]. `denied` says whether the role's policy denies the grant already.
    pub async fn open(&self, role: &Role, grant: &Grant, denied: bool) -> Result<Pair, String> {
        let opening = self.open_pair(role, grant, denied);
        tokio::time::timeout(OPENING_MAX, opening)
            .await
            .map_err(|_| "the probe could not be opened in time".to_owned())?
    }

    async fn open_pair(&self, role: &Role, grant: &Grant, denied: bool) -> Result<Pair, String> {
        let control = GrantId::new(self.entropy.uuid_v7(self.clock.now()));
        let (probe, control) = futures::try_join!(
            self.session(role, grant, grant.request.id, Some(grant.request.id)),
            self.session(role, grant, control, None),
        )?;
        let region = role.regions.first().map_or("", String::as_str);
        let (before, beside) = tokio::join!(probe.call(region), control.call(region));
        let baseline = match (before, beside) {
            (CallOutcome::Allowed, CallOutcome::Allowed) => Baseline::Allowed,
            (CallOutcome::Denied(_), CallOutcome::Allowed) if denied => Baseline::AlreadyDenied,
            (probe, control) => {
                return Err(format!(
                    "the probe must succeed before the deny and did not: probe {probe}, control {control}"
                ));
            }
        };
        Ok(Pair { probe, control, baseline })
    }

    async fn session(
        &self,
        role: &Role,
        grant: &Grant,
        tag: GrantId,
        tagged: Option<GrantId>,
    ) -> Result<Box<dyn ProbeSession>, String> {
        let fence: Timestamp = self.clock.now() + PROBE_LIFE;
        let spec = ProbeSpec {
            session_name: SessionName::new(self.entropy.bytes()),
            tag,
            policy: probe_policy(role.probe, fence),
        };
        let event =
            Event::ProbeIntended { session_name: spec.session_name.clone(), tagged, fence: spec.policy.fence() };
        let subject = Subject::target(&grant.request.target);
        self.recorder.record(Actor::SYSTEM, subject, Recorded::plain(event)).await;
        self.probes.open(role, &spec).await.map_err(|error| format!("no probe session: {error}"))
    }
}
