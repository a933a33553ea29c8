//! One role's revocation policy: read, told from tampering, written, read back.

use std::collections::BTreeSet;
use std::sync::Arc;

use halligan_core::actor::Actor;
use halligan_core::catalogue::{Role, Target};
use halligan_core::entry::{Draft, Subject};
use halligan_core::event::{Event, Recorded, bounded};
use halligan_core::grant::{Command, Containment, Ending, Grant, State};
use halligan_core::iam::revocation::{Compiled, Desired, Ended, Mode, NoRoom, RevocationPolicy, Room, policy_name};
use halligan_core::id::GrantId;
use halligan_core::text::printable;
use jiff::{SignedDuration, Timestamp};

use crate::broker::Broker;
use crate::ports::{
    Clock, GrantStore, Lease, RoleLedger, RolePolicies, RolePoliciesError, RolePolicy, RoleRecord, StoreError,
    Versioned,
};

/// No token that we mint lives longer; what is adopted stays denied for that long.
const TOKEN_LIFE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// A cut lies at most so far ahead of the end that it covers, for the clocks.
const CUT_AHEAD_MAX: SignedDuration = SignedDuration::from_secs(60);
/// More generations than any backup is behind.
const GENERATIONS_MAX: u64 = 1_000_000;
const READ_BACK_TRIES: u32 = 6;
const READ_BACK_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// The alarm, as its entry is called.
const DRIFT: &str = "revocation.drift";

/// So many ids fit into an entry of 4 kB with all the rest of it.
const IDS_PER_ENTRY: usize = 100;

/// Why a role's policy doesn't say what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum PolicyError {
    #[error(transparent)]
    Aws(#[from] RolePoliciesError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error("the revocation policy was written, and reading it back shows another")]
    NotReadBack,
}

/// What was found on the role before anything was written.
pub(super) struct Found {
    ours: Option<String>,
    /// The names of inline policies that aren't ours: nobody else should write here.
    foreign: BTreeSet<String>,
    room: Room,
    /// The grants that the policy as found denies by name.
    pub denied: BTreeSet<GrantId>,
}

/// Reads and writes revocation policies. The caller holds the role's lease.
pub(super) struct RolePolicyWriter {
    pub broker: Arc<Broker>,
    pub clock: Arc<dyn Clock>,
    pub grants: Arc<dyn GrantStore>,
    pub ledger: Arc<dyn RoleLedger>,
    pub policies: Arc<dyn RolePolicies>,
}

impl RolePolicyWriter {
    pub async fn read(&self, role: &Role) -> Result<Found, PolicyError> {
        let name = self.policy_name();
        let policies = self.policies.read(role).await?;
        let (ours, others): (Vec<_>, Vec<_>) = policies.into_iter().partition(|policy| policy.name == name);
        let foreign = others.iter().map(|policy| printable(&policy.name, 128)).collect();
        let others: Vec<String> = others.into_iter().map(|policy| policy.document).collect();
        let ours = ours.into_iter().next().map(|policy| policy.document);
        let denied = ours.as_deref().and_then(|json| RevocationPolicy::parse(json).ok()).map(|policy| policy.listed);
        Ok(Found { ours, foreign, room: Room::beside(&others), denied: denied.unwrap_or_default() })
    }

    /// Makes the policy say what `enforceable` needs; returns until when it must
    /// say so, if it says anything.
    pub async fn write(
        &self,
        role: &Role,
        lease: &Lease,
        found: Found,
        enforceable: &[Versioned],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, PolicyError> {
        let mut record = self.ledger.record(&role.id).await?;
        let mut entries = self.adopt(role, &found, &mut record, now).await?;
        entries.extend(self.foreign(role, &found, &mut record));
        let desired = desired(enforceable, &record, now);
        let until = desired_until(enforceable, &record, now);

        // Compiled at the generation that stands: the same text needs no write.
        let standing = desired.compile(record.generation, found.room)?;
        if standing.as_ref().map(|compiled| &compiled.json) == found.ours.as_ref() {
            if !entries.is_empty() {
                record.document = found.ours;
                self.ledger.save(&role.id, &record, entries, lease, self.clock.now()).await?;
            }
            return Ok(until);
        }
        record.generation = record.generation.next();
        record.previous = record.document.take();
        record.confirmed = false;
        let compiled = desired.compile(record.generation, found.room)?;
        record.document = compiled.as_ref().map(|compiled| compiled.json.clone());
        // The generation is ours before it is AWS's: a crash in between leaves a
        // policy that is older than the ledger, and is written again.
        self.ledger.save(&role.id, &record, std::mem::take(&mut entries), lease, self.clock.now()).await?;
        self.put(role, compiled.as_ref()).await?;
        record.confirmed = true;
        let written = self.entry(role, written(&record, compiled.as_ref()));
        self.ledger.save(&role.id, &record, vec![written], lease, self.clock.now()).await?;
        if compiled.as_ref().is_some_and(Compiled::alarming) {
            tracing::error!(alarm = "revocation.full", role = %role.id, "the role's revocation policy runs out of room");
        }
        for grant in compiled.iter().flat_map(|compiled| &compiled.unexempted) {
            tracing::error!(role = %role.id, %grant, "an active grant's older credentials are denied: it has to mint anew");
        }
        Ok(until)
    }

    async fn put(&self, role: &Role, compiled: Option<&Compiled>) -> Result<(), PolicyError> {
        let name = self.policy_name();
        match compiled {
            Some(compiled) => {
                let policy = RolePolicy { name: name.clone(), document: compiled.json.clone() };
                self.policies.write(role, &policy).await?;
            }
            None => self.policies.remove(role, &name).await?,
        }
        // IAM is eventually consistent: what was written is read back a little later.
        for _ in 0..READ_BACK_TRIES {
            let back = self.policies.read(role).await?.into_iter().find(|policy| policy.name == name);
            let same = match (&back, compiled) {
                (None, None) => true,
                (Some(back), Some(compiled)) => {
                    RevocationPolicy::parse(&back.document).is_ok_and(|policy| policy == compiled.policy)
                }
                (Some(_), None) | (None, Some(_)) => false,
            };
            if same {
                return Ok(());
            }
            tokio::time::sleep(READ_BACK_PAUSE).await;
        }
        Err(PolicyError::NotReadBack)
    }

    /// Tells what stands on the role from what the ledger says was written, and
    /// keeps denied what it denies that the store doesn't know to have ended.
    async fn adopt(
        &self,
        role: &Role,
        found: &Found,
        record: &mut RoleRecord,
        now: Timestamp,
    ) -> Result<Vec<Draft>, PolicyError> {
        record.adopted.retain(|_, at| now.duration_since(*at) < TOKEN_LIFE_MAX);
        if record.adopted_cut.as_ref().is_some_and(|cut| now.duration_since(cut.before) >= TOKEN_LIFE_MAX) {
            record.adopted_cut = None;
        }
        if found.ours == record.document {
            return Ok(Vec::new());
        }
        // Our own write that came late, or was lost after the ledger knew of it. That
        // a confirmed policy is gone is never ours.
        if found.ours == record.previous && (!record.confirmed || record.previous.is_some()) {
            return Ok(Vec::new());
        }
        let (what, adopted) = match found.ours.as_deref().map(RevocationPolicy::parse) {
            None => ("the policy is gone".to_owned(), BTreeSet::new()),
            Some(Err(foreign)) => (foreign.to_string(), BTreeSet::new()),
            Some(Ok(policy)) if !is_plausible(&policy, record, now) => {
                ("the policy has a cut or a generation that nobody of ours writes".to_owned(), BTreeSet::new())
            }
            Some(Ok(policy)) if policy.generation < record.generation => {
                ("the policy is older than it was".to_owned(), BTreeSet::new())
            }
            Some(Ok(policy)) => {
                let newer = policy.generation > record.generation;
                let unknown = self.unknown(&policy.listed, newer).await?;
                record.adopted.extend(unknown.iter().map(|grant| (*grant, now)));
                if newer {
                    self.end_found(&unknown).await;
                    record.adopted_cut = policy.cut;
                }
                record.generation = record.generation.max(policy.generation);
                let what = if newer { "the policy is newer than the store" } else { "the policy has been changed" };
                (what.to_owned(), unknown)
            }
        };
        tracing::error!(alarm = DRIFT, role = %role.id, found = %what, "the role's revocation policy is not what was written");
        let adopted: Vec<GrantId> = adopted.into_iter().collect();
        let mut chunks: Vec<BTreeSet<GrantId>> =
            adopted.chunks(IDS_PER_ENTRY).map(|chunk| chunk.iter().copied().collect()).collect();
        if chunks.is_empty() {
            chunks.push(BTreeSet::new());
        }
        let entry = |adopted| self.entry(role, Event::RevocationDrift { found: what.clone(), adopted });
        Ok(chunks.into_iter().map(entry).collect())
    }

    /// What a newer policy had ended is ended in an older store too: otherwise it
    /// would come back when its id leaves the list.
    async fn end_found(&self, ids: &BTreeSet<GrantId>) {
        for id in ids {
            match self.broker.command(&Actor::SYSTEM, *id, None, Command::FindEnded).await {
                Ok(_) => {
                    tracing::error!(alarm = DRIFT, grant = %id, "the role's policy had ended a grant that the store took for open");
                }
                // The store has never heard of it, or knows.
                Err(problem) => tracing::debug!(grant = %id, %problem, "nothing to end"),
            }
        }
    }

    /// An inline policy of somebody else on the role: said once, and counted against the room.
    fn foreign(&self, role: &Role, found: &Found, record: &mut RoleRecord) -> Option<Draft> {
        if found.foreign == record.foreign {
            return None;
        }
        record.foreign.clone_from(&found.foreign);
        let names: Vec<String> = bounded(found.foreign.iter().cloned().collect());
        tracing::error!(alarm = DRIFT, role = %role.id, foreign = ?names, "the role's inline policies are not ours alone");
        let what = format!("inline policies of somebody else: {}", names.join(", "));
        Some(self.entry(role, Event::RevocationDrift { found: what, adopted: BTreeSet::new() }))
    }

    /// Of `listed`, those that the store doesn't know to have ended. What a policy
    /// newer than the store lists has ended, even if the store takes it for active;
    /// in one that was merely changed it is somebody's attempt to end it.
    async fn unknown(&self, listed: &BTreeSet<GrantId>, newer: bool) -> Result<BTreeSet<GrantId>, PolicyError> {
        let mut unknown = BTreeSet::new();
        for id in listed {
            let known = match self.grants.grant(*id).await? {
                None => false,
                Some(found) => !newer || matches!(found.grant.state, State::Ended(_)),
            };
            if !known {
                unknown.insert(*id);
            }
        }
        Ok(unknown)
    }

    fn entry(&self, role: &Role, event: Event) -> Draft {
        let subject = Subject::target(&Target::role(role.id.clone()));
        self.broker.recorder().draft(Actor::SYSTEM, subject, Recorded::plain(event))
    }

    fn policy_name(&self) -> String {
        policy_name(&self.broker.catalogue().deployment)
    }
}

fn written(record: &RoleRecord, compiled: Option<&Compiled>) -> Event {
    let mode = match compiled.map(|compiled| compiled.mode) {
        None => "empty",
        Some(Mode::Listed) => "listed",
        Some(Mode::ListedWithoutExpired) => "listed_without_expired",
        Some(Mode::Cut) => "cut",
    };
    Event::RevocationWritten {
        generation: record.generation.0,
        mode: mode.to_owned(),
        listed: compiled.map_or(0, |compiled| compiled.policy.listed.len()),
        fill_percent: compiled.map_or(0, Compiled::fill_percent),
    }
}

fn desired(enforceable: &[Versioned], record: &RoleRecord, now: Timestamp) -> Desired {
    let mut desired =
        Desired { adopted: record.adopted.clone(), adopted_cut: record.adopted_cut.clone(), ..Desired::default() };
    for Versioned { grant, .. } in enforceable {
        let id = grant.request.id;
        match &grant.state {
            State::Pending(_) | State::Dropped(_) => {}
            State::Active(active) => {
                desired.active.insert(id, active.activation.activated_at);
            }
            State::Ended(ended) => match (&ended.ending, &ended.containment) {
                (Ending::Expired, _) | (_, Containment::Fenced) => desired.expired.push((id, ended.at)),
                (Ending::Revoked { .. } | Ending::Returned, containment) => {
                    let contained = matches!(containment, Containment::Contained(_));
                    desired.ended_early.push(Ended { grant: id, ended_at: ended.at, contained });
                }
            },
        }
    }
    desired
        .expired
        .retain(|(id, _)| enforceable.iter().any(|found| found.grant.request.id == *id && lives(&found.grant, now)));
    desired
}

/// Whether we could have written it: whoever may write the role's policy must not
/// be able to make us keep a deny for ever, or to use up the generations.
fn is_plausible(policy: &RevocationPolicy, record: &RoleRecord, now: Timestamp) -> bool {
    let jump = policy.generation.0.saturating_sub(record.generation.0);
    policy.cut.as_ref().is_none_or(|cut| cut.before.duration_since(now) <= CUT_AHEAD_MAX) && jump <= GENERATIONS_MAX
}

/// Whether a token of the grant may still live.
fn lives(grant: &Grant, now: Timestamp) -> bool {
    grant.activation().and_then(|activation| activation.mints.tokens_until).is_some_and(|until| until > now)
}

/// When the first of what is denied need not be any more.
fn desired_until(enforceable: &[Versioned], record: &RoleRecord, now: Timestamp) -> Option<Timestamp> {
    let tokens = enforceable.iter().filter(|found| matches!(found.grant.state, State::Ended(_)));
    let tokens = tokens.filter_map(|found| found.grant.activation()?.mints.tokens_until);
    let found = record.adopted.values().copied().chain(record.adopted_cut.as_ref().map(|cut| cut.before));
    tokens.chain(found.filter_map(|at| at.checked_add(TOKEN_LIFE_MAX).ok())).filter(|until| *until > now).min()
}
