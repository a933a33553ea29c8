//! One walk through a log: objects are read ahead, bundles are hashed on other
//! threads, and what comes of it is looked at in the order of the log.

use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use halligan_log::verify::{Outcome, Verified, Walk, WalkError};
use halligan_log::{Checkpoint, Object};
use tokio::task::JoinError;

use super::finding::{Fault, Finding, Findings, first_index};
use crate::ports::{ArchiveError, LogReader, Stored, Tampering};

/// So many objects are asked for at a time: over a network the way is the longest part.
const READS_AHEAD: usize = 32;
/// So many bundles are hashed at a time, or wait for their turn.
const BUNDLES_AHEAD: usize = 16;

/// How far a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// So many entries were looked at.
    pub entries: u64,
    /// Of so many.
    pub size: u64,
}

/// Why a log could not be read to its end. It says nothing about the log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// An object could not be read.
    #[error("`{object}` of {archive} can't be read")]
    Archive {
        /// Whose.
        archive: String,
        /// Which.
        object: Object,
        /// Why not.
        #[source]
        source: ArchiveError,
    },
    /// The walk was led wrongly: a defect of this program.
    #[error("the walk went astray: {0}")]
    Walk(#[from] WalkError),
    /// The program is being stopped.
    #[error("it was interrupted: {0}")]
    Interrupted(#[from] JoinError),
}

/// Reads what was first written under an object's key.
pub(super) async fn read(reader: &dyn LogReader, object: Object) -> Result<Option<Stored>, AuditError> {
    let failed = |source| AuditError::Archive { archive: reader.name().to_owned(), object, source };
    reader.read(object).await.map_err(failed)
}

/// Walks through the tree of `checkpoint`; `look` sees the bundles in their order.
pub(super) async fn walk(
    reader: &dyn LogReader,
    checkpoint: Checkpoint,
    findings: &mut Findings,
    mut look: impl FnMut(&Verified, &mut Findings) + Send,
) -> Result<Outcome, AuditError> {
    let mut walk = Walk::new(checkpoint);
    let (mut reads, mut bundles) = (FuturesOrdered::new(), FuturesOrdered::new());
    loop {
        while reads.len() < READS_AHEAD && bundles.len() < BUNDLES_AHEAD {
            let Some(object) = walk.wanted() else { break };
            reads.push_back(async move { (object, read(reader, object).await) });
        }
        tokio::select! {
            // What is done is looked at first: it holds the most memory.
            biased;
            Some(examined) = bundles.next() => {
                let verified = walk.accept(examined?)?;
                verified.findings().iter().cloned().for_each(|finding| findings.add(finding));
                look(&verified, findings);
            }
            Some((object, stored)) = reads.next() => {
                let bytes = stored?.map(|stored| touched(object, stored, findings));
                if let Some(bundle) = walk.feed(object, bytes)? {
                    bundles.push_back(tokio::task::spawn_blocking(|| bundle.examine()));
                }
            }
            else => break,
        }
    }
    let outcome = walk.finish()?;
    outcome.findings.iter().cloned().for_each(|finding| findings.add(finding));
    Ok(outcome)
}

/// The bytes that were first written, and a finding if somebody touched their key since.
fn touched(object: Object, stored: Stored, findings: &mut Findings) -> Vec<u8> {
    let finding = |how| Finding { index: first_index(&object), object: Some(object), fault: Fault::Touched(how) };
    match stored.tampering {
        // What can be erased is hidden first, by those who have the right to.
        Some(Tampering::Hidden) if object.is_personal() => {}
        Some(how) => findings.add(finding(how)),
        None => {}
    }
    stored.bytes
}
