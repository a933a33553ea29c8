//! `halligan log tail`

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use halligan_engine::audit::AuditError;
use halligan_engine::ports::{ArchiveError, LogReader};
use halligan_log::object::FULL;
use halligan_log::proof::Consistency;
use halligan_log::verify::{Trust, head};
use halligan_log::{Checkpoint, Edge, Leaf, Object, SignedCheckpoint, Span, VerifierKey, bundle};

use super::line::{self, Written};
use super::place::{self, Place, Witnesses};
use crate::cli::Context;
use crate::client::failure::Failure;
use crate::client::words;

/// So many entries are shown at first, where nothing else is asked for.
const SHOWN_FIRST: u64 = 10;
/// So many entries are kept back until they are known to be what was signed.
const HELD_MAX: usize = 8_192;
/// From one look to the next, as long as there is news.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// And when there has been none for a while.
const PAUSE_MAX: Duration = Duration::from_secs(8);

const HELP: &str = "\
One line an entry: index, time, what, who, on what, the incident, the grant, and the reason while
it is kept. With --key the checkpoints' signatures are checked; in any case entries must make the
tree that the checkpoint names, and each tree must begin with the one before. Where they don't,
it ends with exit code 1: run `halligan log verify`.

--json prints each entry as it was written, one a line.";

/// Show the newest entries, and those that come.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The log's public key, NAME+ID+BASE64, from somebody you trust; once more for each key that signed before
    #[arg(long = "key", value_name = "KEY", value_parser = place::log_key)]
    keys: Vec<VerifierKey>,
    #[command(flatten)]
    witnesses: Witnesses,
    /// Begin with this entry; the first one is 0
    #[arg(long, value_name = "INDEX")]
    from: Option<u64>,
    /// Show what is there, and end
    #[arg(long)]
    once: bool,
}

/// Follows the log until it is stopped, or whoever reads has seen enough.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let trust = place::trust(&args.keys, &args.witnesses)?;
    let trust = if args.keys.is_empty() {
        if trust.quorum > 0 {
            return Err(Failure::Usage("--witness needs the log's own --key".to_owned()));
        }
        context.ui.warn("no signature is checked: no --key says whose log it is");
        None
    } else {
        Some(trust)
    };
    let reader = args.place.open(context).await?;
    let mut follower = Follower { reader, trust, json: context.ui.json, edge: None };
    let mut pause = PAUSE_FIRST;
    loop {
        let looked = follower.look(args.from, &mut io::stdout()).await;
        pause = match looked {
            Ok(Seen::Enough) => return Ok(()),
            Ok(Seen::Nothing) if args.once && follower.edge.is_none() => {
                return Err(unsound(format!("`{}` is missing", Object::Checkpoint)));
            }
            Ok(_) if args.once => return Ok(()),
            Ok(Seen::News) => PAUSE_FIRST,
            Ok(Seen::Nothing) => longer(pause),
            Err(failure) if !args.once && is_passing(&failure) => {
                context.ui.warn(&format!("{} (asking again)", words::lines(&failure.chain())));
                longer(pause)
            }
            Err(failure) => return Err(failure),
        };
        tokio::time::sleep(pause).await;
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(PAUSE_MAX)
}

fn is_passing(failure: &Failure) -> bool {
    matches!(failure, Failure::Unread(AuditError::Archive { source: ArchiveError::Unavailable(_), .. }))
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// There were new entries.
    News,
    /// There were none.
    Nothing,
    /// Whoever reads is gone.
    Enough,
}

/// Knows what it has shown.
struct Follower {
    reader: Arc<dyn LogReader>,
    /// None: signatures are passed over.
    trust: Option<Trust>,
    json: bool,
    /// The tree up to there; none before there was a checkpoint.
    edge: Option<Edge>,
}

impl Follower {
    /// Shows what is new.
    async fn look(&mut self, from: Option<u64>, out: &mut (dyn Write + Send)) -> Result<Seen, Failure> {
        let Some(checkpoint) = self.checkpoint().await? else {
            // A log that is about to begin can be waited for.
            return Ok(Seen::Nothing);
        };
        let edge = match &self.edge {
            Some(edge) => edge.clone(),
            None => self.begin(from, &checkpoint).await?,
        };
        let (before, size) = (edge.size(), checkpoint.size);
        if size < before {
            return Err(unsound(format!("the log has {size} entries, and had {before}")));
        }
        if size == before {
            let other = edge.root() != checkpoint.root;
            self.edge = Some(edge);
            return if other { Err(other_tree(before, size)) } else { Ok(Seen::Nothing) };
        }
        self.grow(edge, &checkpoint, out).await
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, Failure> {
        let Some(note) = self.read(Object::Checkpoint).await? else { return Ok(None) };
        Ok(Some(match &self.trust {
            Some(trust) => head(&note, trust).map_err(unsound)?.checkpoint,
            None => SignedCheckpoint::parse(&note).map_err(unsound)?.checkpoint().clone(),
        }))
    }

    /// The tree before the first entry that is shown; the tiles prove that the log begins with it.
    async fn begin(&self, from: Option<u64>, checkpoint: &Checkpoint) -> Result<Edge, Failure> {
        let size = checkpoint.size;
        let from = from.unwrap_or(size.saturating_sub(SHOWN_FIRST));
        if from > size {
            return Err(Failure::Usage(format!("--from {from}: the log has {size} entries")));
        }
        if from == 0 {
            return Ok(Edge::default());
        }
        let consistency = Consistency::plan(from, size, size).map_err(unsound)?;
        let mut objects = HashMap::new();
        for object in consistency.objects().into_iter().chain(Edge::parts(from, size)) {
            if !objects.contains_key(&object)
                && let Some(bytes) = self.covering(object).await?
            {
                objects.insert(object, bytes);
            }
        }
        let prefix = consistency.prove(checkpoint.root, |object| objects.get(&object).cloned()).map_err(unsound)?;
        Edge::restore(from, prefix.root, size, |object| objects.get(&object).cloned()).map_err(unsound)
    }

    /// Reads and shows what the log has beyond `edge`. What is more than can be kept back is shown
    /// before it is known to be what was signed.
    async fn grow(
        &mut self,
        mut edge: Edge,
        checkpoint: &Checkpoint,
        out: &mut (dyn Write + Send),
    ) -> Result<Seen, Failure> {
        let (before, size) = (edge.size(), checkpoint.size);
        let mut held: Vec<String> = Vec::new();
        while edge.size() < size {
            let index = edge.size();
            let leaves = self.bundle(index, size).await?;
            held.extend((index..).zip(&leaves).map(|(index, leaf)| self.shown(index, leaf)));
            edge = edge.grow(leaves.into_iter().map(Arc::new)).map_err(unsound)?.edge;
            if held.len() > HELD_MAX {
                if !show(out, &mut held)? {
                    return Ok(Seen::Enough);
                }
                // Not to be shown again, should the next bundle be out of reach.
                self.edge = Some(edge.clone());
            }
        }
        if edge.root() != checkpoint.root {
            return Err(other_tree(before, size));
        }
        let shown = show(out, &mut held)?;
        self.edge = Some(edge);
        Ok(if shown { Seen::News } else { Seen::Enough })
    }

    fn shown(&self, index: u64, leaf: &Leaf) -> String {
        if self.json {
            return line::json(&leaf.entry);
        }
        line::line(Written { index, entry: &leaf.entry, personal: leaf.personal.as_deref() })
    }

    /// The entries from `index` to the end of its bundle.
    async fn bundle(&self, index: u64, size: u64) -> Result<Vec<Leaf>, Failure> {
        let n = index / u64::from(FULL);
        let span = Span::partial(size).filter(|partial| partial.n == n).unwrap_or(Span::full(n));
        let (entries, personal) = (Object::Entries(span), Object::Personal(span));
        let malformed = |object: Object, error| unsound(format!("`{object}`: {error}"));
        let bytes = self.covering(entries).await?.ok_or_else(|| unsound(format!("`{entries}`: it is missing")))?;
        let texts = bundle::read(&bytes, span.width.into()).map_err(|error| malformed(entries, error))?;
        let parts = self.covering(personal).await?;
        let parts = parts.as_deref().map(|bytes| bundle::read(bytes, span.width.into()));
        let parts = parts.transpose().map_err(|error| malformed(personal, error))?.unwrap_or_default();
        let part = |at: usize| parts.get(at).filter(|part| !part.is_empty()).map(|part| part.to_vec());
        let known = usize::try_from(index % u64::from(FULL)).unwrap_or(0);
        let leaves = texts.into_iter().enumerate().skip(known);
        Ok(leaves.map(|(at, entry)| Leaf { entry: entry.to_vec(), personal: part(at) }).collect())
    }

    /// An object; a partial one that is no longer kept is the beginning of the full one.
    async fn covering(&self, object: Object) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(bytes) = self.read(object).await? {
            return Ok(Some(bytes));
        }
        let (span, full) = match object {
            Object::Hashes { level, span } => (span, Object::Hashes { level, span: Span::full(span.n) }),
            Object::Entries(span) => (span, Object::Entries(Span::full(span.n))),
            Object::Personal(span) => (span, Object::Personal(Span::full(span.n))),
            Object::Checkpoint | Object::Successor { .. } => return Ok(None),
        };
        if span.width == FULL {
            return Ok(None);
        }
        Ok(self.read(full).await?.map(|bytes| beginning(object, bytes, span.width.into())))
    }

    async fn read(&self, object: Object) -> Result<Option<Vec<u8>>, Failure> {
        let failed = |source| AuditError::Archive { archive: self.reader.name().to_owned(), object, source };
        Ok(self.reader.read(object).await.map_err(failed)?.map(|stored| stored.bytes))
    }
}

/// As much of a full object as a partial one has.
fn beginning(object: Object, mut bytes: Vec<u8>, width: usize) -> Vec<u8> {
    if matches!(object, Object::Hashes { .. }) {
        bytes.truncate(width.saturating_mul(32));
        return bytes;
    }
    let texts = bundle::read(&bytes, FULL.into()).map(|texts| bundle::write(texts.into_iter().take(width)));
    match texts {
        Ok(Ok(cut)) => cut,
        // Whoever reads it finds it malformed.
        Ok(Err(_)) | Err(_) => bytes,
    }
}

/// Prints what was held back; false where whoever reads has seen enough.
fn show(out: &mut (dyn Write + Send), held: &mut Vec<String>) -> Result<bool, Failure> {
    let written = held.drain(..).try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).map_err(Failure::local("write to stdout")),
    }
}

fn unsound(because: impl ToString) -> Failure {
    let because = words::inline(&because.to_string());
    Failure::Unsound(format!("{because}: `halligan log verify` says more"))
}

fn other_tree(before: u64, size: u64) -> Failure {
    let last = size.saturating_sub(1);
    unsound(format!("the entries from {} to {last} are not those of the checkpoint", before.min(last)))
}

#[cfg(test)]
mod tests;
