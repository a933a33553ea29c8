//! `log verify`.

use halligan_core::entry::Sealed;
use halligan_core::id::DeploymentId;
use halligan_log::verify::{Flaw, Head, Succession, Trust, Verified, head, succession};
use halligan_log::{Object, SignedCheckpoint, verify};
use jiff::{SignedDuration, Timestamp};

use super::finding::{Fault, Finding, Findings};
use super::reading::{AuditError, Progress, read, walk};
use crate::life::{Keyring, Lives, Unsound};
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
    /// How many entries there are.
    pub entries: u64,
    /// How many personal parts are there.
    pub personal: u64,
    /// How many personal parts were erased.
    pub erased: u64,
    /// How many grants were asked for.
    pub grants: u64,
    /// From this entry on no life was followed: it, or one that it stands on, isn't there.
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
/// part, the order of times, and that the entries of each grant make a legal life.
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
        findings: findings.into_kept(),
        entries: outcome.entries,
        personal: outcome.personal,
        erased: outcome.erased,
        grants: follower.lives.begun(),
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
        entries: 0,
        personal: 0,
        erased: 0,
        grants: 0,
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
    entries: u64,
    until: Option<u64>,
}

impl Follower {
    fn new(terms: &Terms) -> Self {
        let lives = terms.deployment.clone().map_or_else(Lives::of_any_deployment, Lives::new);
        Self { lives, keyring: Keyring::default(), entries: 0, until: None }
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
            if let Err(unsound) = self.keys(entry.bytes, personal) {
                findings.add(Finding { index: Some(entry.index), object: None, fault: Fault::Passkey(unsound) });
            }
        }
        if let Some(last) = last {
            self.lives.forget(last);
        }
    }
}

impl Follower {
    /// Follows passkeys, and checks what they signed. What can't be read is a life's finding,
    /// or of a type that isn't known here.
    fn keys(&mut self, entry: &[u8], personal: Option<&[u8]>) -> Result<(), Unsound> {
        if !may_concern_passkeys(entry) {
            return Ok(());
        }
        let Ok(entry) = serde_json::from_slice(entry) else { return Ok(()) };
        let personal = personal.and_then(|part| serde_json::from_slice(part).ok());
        self.keyring.enter(&Sealed { entry, personal })
    }
}

/// Passes over nearly all entries without reading them, in whichever way they are written.
fn may_concern_passkeys(entry: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "type")]
        kind: std::borrow::Cow<'a, str>,
    }
    const BEFORE: &[u8] = br#""type":""#;
    // As our writer writes it the type stands before all data: what is quoted there is no text of anybody.
    let head = entry.get(..HEAD_BYTES.min(entry.len())).unwrap_or_default();
    let typed = head.windows(BEFORE.len()).position(|bytes| bytes == BEFORE);
    if let (true, Some(at)) = (entry.starts_with(br#"{"v":1,"id":""#), typed) {
        let kind = head.get(at + BEFORE.len()..).unwrap_or_default();
        return kind.starts_with(b"passkey.")
            || kind.starts_with(b"grant.acknowledged")
            || kind.starts_with(b"extension.acknowledged");
    }
    serde_json::from_slice::<Typed<'_>>(entry).is_ok_and(|typed| Keyring::concerns(&typed.kind))
}

/// So far into an entry its type stands.
const HEAD_BYTES: usize = 192;

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
