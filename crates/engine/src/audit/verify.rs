//! `log verify`.

use halligan_core::entry::{Entry, Sealed};
use halligan_core::event::Event;
use halligan_core::id::DeploymentId;
use halligan_log::verify::{Flaw, Head, Succession, Trust, Verified, head, succession};
use halligan_log::{Object, SignedCheckpoint, verify};
use jiff::{SignedDuration, Timestamp};

use super::finding::{Exception, Fault, Finding, Findings};
use super::reading::{AuditError, Progress, read, walk};
use crate::life::{Keyring, Lives};
use crate::ports::LogReader;

/// Signers' clocks may be ahead of ours by so much.
const EARLY_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What a log is held to.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Whose signatures count.
    pub trust: Trust,
    /// Whose log it is: part of every request's hash. Where it isn't known, the hashes are
    /// taken as they are told.
    pub deployment: Option<DeploymentId>,
    /// How young its newest signature must be; none: of any age.
    pub fresh: Option<Fresh>,
}

/// Silence is a finding, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fresh {
    /// The time of day.
    pub now: Timestamp,
    /// How old the newest signature may be.
    pub within: SignedDuration,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What the log's keys say; none if its checkpoint doesn't count, and then nothing else was looked at.
    pub head: Option<Head>,
    /// When the log signed it.
    pub signed_at: Option<Timestamp>,
    /// Whether a larger tree was begun: its checkpoint is about to be signed, or this one is an older one.
    pub succession: Option<Succession>,
    /// What is wrong, in the order of the log; one about the checkpoint comes first. Empty: nothing is.
    pub findings: Vec<Finding>,
    /// How many findings there were, kept or not.
    pub found: u64,
    /// How many of them are a passkey's: the log is what it signed, and somebody's touch is missing.
    pub exceptions: u64,
    /// How many entries there are.
    pub entries: u64,
    /// How many personal parts are there.
    pub personal: u64,
    /// How many personal parts were erased.
    pub erased: u64,
    /// How many grants were asked for.
    pub grants: u64,
    /// How often a second person said yes, to a request or an extension.
    pub acknowledged: u64,
    /// How many of those yeses a passkey signed that counted.
    pub signed: u64,
    /// From this entry on no life and no passkey was followed: it, or one that it stands on, isn't there.
    pub lives_until: Option<u64>,
    /// When the last entry was recorded.
    pub last: Option<Timestamp>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.found == 0
    }

    /// The finding that decides: that of the lowest index.
    #[must_use]
    pub fn first(&self) -> Option<&Finding> {
        self.findings.first()
    }
}

/// Verifies a whole log: its checkpoint's signatures, every entry, tile and personal
/// part, the order of times, that the entries of each grant make a legal life, and that
/// what passkeys are said to have signed they did.
/// In flat memory, and on as many threads as there are.
///
/// # Errors
/// It could not be read. That it is wrong is no error, but in the report.
pub async fn verify(
    reader: &dyn LogReader,
    terms: &Terms,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Report, AuditError> {
    let mut findings = Findings::default();
    let head = match trusted(reader, &terms.trust).await? {
        Ok((head, _)) => head,
        Err(finding) => return Ok(Report { findings: vec![finding], found: 1, ..Report::NOTHING }),
    };
    let signed_at = i64::try_from(head.signed_at).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let checkpoint = head.checkpoint.clone();
    check_age(signed_at.unwrap_or(Timestamp::MAX), terms.fresh, &mut findings);
    let succession = succession(&checkpoint, successor(reader, checkpoint.size).await?.as_deref());

    let mut follower = Follower::new(terms);
    let size = checkpoint.size;
    let outcome = walk(reader, checkpoint, &mut findings, |verified, findings| {
        follower.look(verified, findings);
        progress(Progress { entries: follower.entries, size });
    })
    .await?;
    Ok(Report {
        head: Some(head),
        signed_at,
        succession: Some(succession),
        found: findings.found(),
        exceptions: follower.exceptions,
        findings: findings.into_kept(),
        entries: outcome.entries,
        personal: outcome.personal,
        erased: outcome.erased,
        grants: follower.lives.begun(),
        acknowledged: follower.acknowledged,
        signed: follower.signed,
        lives_until: follower.until,
        last: outcome.last,
    })
}

impl Report {
    const NOTHING: Self = Self {
        head: None,
        signed_at: None,
        succession: None,
        findings: Vec::new(),
        found: 0,
        exceptions: 0,
        entries: 0,
        personal: 0,
        erased: 0,
        grants: 0,
        acknowledged: 0,
        signed: 0,
        lives_until: None,
        last: None,
    };
}

/// The newest checkpoint, if it counts; a finding, if not.
pub(super) async fn trusted(
    reader: &dyn LogReader,
    trust: &Trust,
) -> Result<Result<(Head, SignedCheckpoint), Finding>, AuditError> {
    let refused = |flaw| verify::Finding { index: None, object: Object::Checkpoint, flaw, more: 0 };
    let Some(note) = read(reader, Object::Checkpoint).await? else {
        return Ok(Err(refused(Flaw::Missing).into()));
    };
    let signed = || SignedCheckpoint::parse(&note.bytes).map_err(|error| refused(error.into()));
    Ok(head(&note.bytes, trust).and_then(|head| Ok((head, signed()?))).map_err(Finding::from))
}

/// The last attempt to follow the tree of `size`.
async fn successor(reader: &dyn LogReader, size: u64) -> Result<Option<Vec<u8>>, AuditError> {
    let mut last = None;
    for attempt in 0..=u16::MAX {
        match read(reader, Object::Successor { size, attempt }).await? {
            Some(stored) => last = Some(stored.bytes),
            None => break,
        }
    }
    Ok(last)
}

fn check_age(signed_at: Timestamp, fresh: Option<Fresh>, findings: &mut Findings) {
    let Some(Fresh { now, within }) = fresh else { return };
    let age = now.duration_since(signed_at);
    let fault = if age > within {
        Fault::Stale { signed_at, age, within }
    } else if age < -EARLY_MAX {
        Fault::Early { signed_at }
    } else {
        return;
    };
    findings.add(Finding { index: None, object: Some(Object::Checkpoint), fault });
}

/// Follows the lives, as far as every entry is there.
struct Follower {
    lives: Lives,
    keyring: Keyring,
    acknowledged: u64,
    signed: u64,
    exceptions: u64,
    entries: u64,
    until: Option<u64>,
}

impl Follower {
    fn new(terms: &Terms) -> Self {
        let lives = terms.deployment.clone().map_or_else(Lives::of_any_deployment, Lives::new);
        let keyring = Keyring::default();
        Self { lives, keyring, acknowledged: 0, signed: 0, exceptions: 0, entries: 0, until: None }
    }

    fn look(&mut self, verified: &Verified, findings: &mut Findings) {
        let gaps = verified.findings().iter().filter(|finding| leaves_out(finding)).filter_map(|found| found.index);
        self.until = self.until.into_iter().chain(gaps).min();
        let mut last = None;
        for entry in verified.entries() {
            self.entries = entry.index.saturating_add(1);
            last = Some(entry.time);
            if self.until.is_some_and(|until| entry.index >= until) {
                // What comes after a gap would only tell of the gap, again and again.
                continue;
            }
            let personal = match entry.personal {
                verify::Personal::Kept(part) => Some(part),
                verify::Personal::None | verify::Personal::Erased => None,
            };
            if let Err(illegal) = self.lives.enter_timed(entry.index, Some(entry.time), entry.bytes, personal) {
                findings.add(illegal);
            }
            if let Some(exception) = self.keys(entry.kind, entry.bytes) {
                self.exceptions = self.exceptions.saturating_add(1);
                findings.add(Finding { index: Some(entry.index), object: None, fault: Fault::Passkey(exception) });
            }
        }
        if let Some(last) = last {
            self.lives.forget(last);
        }
    }
}

impl Follower {
    /// Follows passkeys, and checks what they signed.
    fn keys(&mut self, kind: &str, bytes: &[u8]) -> Option<Exception> {
        if !Keyring::concerns(kind) {
            return None;
        }
        let entry: Entry = match serde_json::from_slice(bytes) {
            Ok(entry) => entry,
            // Of a grant's entry its life tells so already.
            Err(error) => {
                return kind.starts_with("passkey.").then(|| Exception::unreadable(kind, &error));
            }
        };
        let yes = yes(&entry.event);
        // A passkey's label is all that its personal part has: nothing is checked with that.
        let sealed = Sealed { entry, personal: None };
        let checked = self.keyring.enter(&sealed);
        if let Some(signed) = yes {
            self.acknowledged = self.acknowledged.saturating_add(1);
            self.signed = self.signed.saturating_add(u64::from(signed && checked.is_ok()));
        }
        checked.err().map(|unsound| Exception::of(kind, &sealed.entry, unsound))
    }
}

/// Whether a yes was signed; none if it is no yes.
const fn yes(event: &Event) -> Option<bool> {
    match event {
        Event::GrantAcknowledged { signed, .. } | Event::ExtensionAcknowledged { signed, .. } => Some(signed.is_some()),
        _ => None,
    }
}

/// Whether an entry that belongs to the log is not there because of this.
fn leaves_out(finding: &verify::Finding) -> bool {
    match finding.flaw {
        Flaw::Entry | Flaw::Range { .. } | Flaw::Envelope(_) | Flaw::Version(_) => true,
        Flaw::Missing | Flaw::Cut => matches!(finding.object, Object::Entries(_)),
        Flaw::Checkpoint(_)
        | Flaw::Quorum { .. }
        | Flaw::Untimed
        | Flaw::Root { .. }
        | Flaw::Surplus
        | Flaw::Tile
        | Flaw::TooLong { .. }
        | Flaw::SameId
        | Flaw::TimeBack { .. }
        | Flaw::Personal
        | Flaw::Uncommitted => false,
    }
}
