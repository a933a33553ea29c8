//! The archives: whether they can be read, whose log they hold, how new it is, and
//! what protects it.

use std::sync::Arc;

use halligan_core::id::PlaceId;
use halligan_engine::ports::{Archive, ArchiveError, Stored, Tampering};
use halligan_log::checkpoint::CheckpointError;
use halligan_log::{Object, SignedCheckpoint, VerifierKey};
use jiff::{SignedDuration, Timestamp};

use super::check::Check;
use super::{NOT_YET, shown};
use crate::client::words;
use crate::config::log::{self, Log};

const MEND_S3: &str =
    "correct the archive's settings, or deploy deploy/aws/logging-account.yaml, and let the broker assume its reader";
const MEND_DIRECTORY: &str = "put the directory back, and run doctor as the broker's user";
const MEND_KEY: &str = "if the key was changed, add the one that signed before to `log.key.former`; if not, somebody else signs: run `halligan log verify`";
const MEND_ORIGIN: &str = "set `log.key.origin` and the key to those of the log that this archive holds, or give this log an archive of its own";
const MEND_UNTIMED: &str = "something else than a broker wrote it: run `halligan log verify`";
const MEND_SILENCE: &str = "start the broker, or look into its trace for why nothing is published";

/// What was seen of an archive.
#[derive(Debug)]
pub struct Looked {
    name: String,
    pub checks: Vec<Check>,
    /// Its newest checkpoint. Nobody has looked at its signatures yet.
    pub newest: Option<SignedCheckpoint>,
}

/// Opens an archive and looks at it. One that nobody has made yet isn't made here; `entries` is how
/// many the store holds.
pub async fn look<Opened>(
    name: &PlaceId,
    settings: &log::Archive,
    entries: u64,
    open: impl FnOnce() -> Opened,
) -> Looked
where
    Opened: Future<Output = Result<Arc<dyn Archive>, ArchiveError>>,
{
    let mut looked = Looked { name: name.to_string(), checks: Vec::new(), newest: None };
    let check = Check::of("archive", name);
    let mend = match settings {
        log::Archive::Directory { path } if matches!(path.try_exists(), Ok(false)) => {
            let lost = format!("{} is not there, and the store holds {entries} entries", path.display());
            looked.checks.push(match entries {
                0 => check.skipped(NOT_YET),
                _ => check.failed(lost, Some(MEND_DIRECTORY)),
            });
            return looked;
        }
        log::Archive::Directory { .. } => MEND_DIRECTORY,
        log::Archive::S3(_) => MEND_S3,
    };
    match open().await {
        Ok(archive) => looked.at(archive.as_ref(), entries, mend).await,
        Err(error) => looked.checks.push(check.failed(shown(&error.to_string()), Some(mend))),
    }
    looked
}

impl Looked {
    async fn at(&mut self, archive: &dyn Archive, entries: u64, mend: &str) {
        let (read, weaknesses) = futures::join!(archive.read(Object::Checkpoint), archive.weaknesses());
        let check = Check::of("archive", &self.name);
        let check = match read {
            Ok(None) if entries == 0 => check.ok("it can be read, and nothing was published yet"),
            Ok(None) => check.failed(format!("it is empty, and the store holds {entries} entries"), Some(MEND_SILENCE)),
            Ok(Some(stored)) => self.checkpoint(&stored),
            Err(error) => check.failed(shown(&error.to_string()), Some(mend)),
        };
        self.checks.push(check);
        match weaknesses {
            Ok(none) if none.is_empty() => {
                self.checks.push(Check::of("protection", &self.name).ok("its settings protect what they should"));
            }
            Ok(weaknesses) => self.checks.extend(weaknesses.into_iter().map(|weakness| {
                let finding = format!("{}: {}", weakness.setting, shown(&weakness.finding));
                Check::of("protection", &self.name).failed(finding, None)
            })),
            Err(error) => {
                self.checks.push(Check::of("protection", &self.name).failed(shown(&error.to_string()), Some(mend)));
            }
        }
    }

    fn checkpoint(&mut self, stored: &Stored) -> Check {
        let check = Check::of("archive", &self.name);
        let touched = "find in CloudTrail who did; `halligan log verify` says whether more was touched";
        match stored.tampering {
            Some(Tampering::Hidden) => return check.failed("a delete marker hides its checkpoint", Some(touched)),
            Some(Tampering::Overwritten) => return check.failed("its checkpoint was overwritten", Some(touched)),
            None => {}
        }
        match SignedCheckpoint::parse(&stored.bytes) {
            Ok(note) => {
                let size = note.checkpoint().size;
                self.newest = Some(note);
                check.ok(format!("it can be read, and has {size} entries"))
            }
            Err(error) => check.failed(format!("its checkpoint can't be read: {error}"), Some(touched)),
        }
    }

    /// Whether its checkpoint is this log's, and new.
    pub fn judged(&self, key: Option<&VerifierKey>, log: &Log, now: Timestamp) -> Vec<Check> {
        let Some(note) = &self.newest else { return Vec::new() };
        let check = Check::of("checkpoint", &self.name);
        let Some(key) = key else { return vec![check.skipped("the log's key isn't known")] };
        let keys: Vec<VerifierKey> = [key].into_iter().chain(&log.key.former).cloned().collect();
        let signer = match note.signer(&keys) {
            Ok(signer) => signer,
            Err(error @ CheckpointError::Origin { .. }) => return vec![check.failed(told(&error), Some(MEND_ORIGIN))],
            Err(error) => return vec![check.failed(told(&error), Some(MEND_KEY))],
        };
        let by = if signer == key { "the log's key" } else { "a former key: the next one is signed by the log's key" };
        vec![check.ok(format!("it is signed by {by}")), self.heartbeat(note, signer, log.heartbeat, now)]
    }

    /// Twice as long as there may be none: one may be on its way.
    fn heartbeat(
        &self,
        note: &SignedCheckpoint,
        signer: &VerifierKey,
        heartbeat: SignedDuration,
        now: Timestamp,
    ) -> Check {
        let check = Check::of("heartbeat", &self.name);
        let time = match note.cosigned(signer) {
            Ok(Some(seconds)) => i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()),
            Ok(None) => None,
            Err(error) => return check.failed(told(&error), Some(MEND_UNTIMED)),
        };
        let Some(time) = time else {
            return check.failed("its checkpoint doesn't say when it was signed", Some(MEND_UNTIMED));
        };
        let age = now.duration_since(time).max(SignedDuration::ZERO);
        if age > heartbeat.saturating_mul(2) {
            let finding = format!(
                "the newest checkpoint is of {}, {} ago: expected one at least every {}",
                words::at(time),
                words::span(age),
                words::span(heartbeat)
            );
            return check.failed(finding, Some(MEND_SILENCE));
        }
        check.ok(format!("the newest checkpoint is of {}", words::at(time)))
    }
}

fn told(error: &CheckpointError) -> String {
    shown(&format!("the newest checkpoint is not this log's: {error}"))
}
