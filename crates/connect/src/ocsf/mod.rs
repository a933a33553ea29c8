//! A sink for SIEMs: events of [OCSF](https://schema.ocsf.io/1.8.0), one a line, at the
//! end of a file.
//!
//! What an event is follows from its entry alone, by a mapping that has a version of
//! its own ([`MAPPING_VERSION`], which each event names). The entry stands in it whole, byte by
//! byte, as `raw_data`; of its personal part there is nothing.

mod document;
mod file;
mod mapping;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use halligan_engine::ports::{QueuedEntry, Sink, SinkError};

pub use document::SCHEMA_VERSION;
pub use mapping::MAPPING_VERSION;

use file::{EventFile, Line};

/// Appends to a file that somebody else reads, moves away and deletes.
///
/// The file is opened anew for each batch, so whatever rotates it needs no signal:
/// what was moved away is complete, and the next batch makes a new file (0600). A
/// batch is on the disk when [`Sink::send`] returns. A torn last line is cut off before
/// anything is written behind it, and what the end of the file has already is not written again.
#[derive(Debug, Clone)]
pub struct OcsfFile {
    name: String,
    file: Arc<EventFile>,
}

impl OcsfFile {
    /// The sink of this name, at `path`. Nothing is opened yet.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), file: Arc::new(EventFile::new(path.into())) }
    }
}

#[async_trait]
impl Sink for OcsfFile {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, entries: &[QueuedEntry]) -> Result<(), SinkError> {
        let lines: Vec<Line> = entries.iter().map(line).collect();
        let file = Arc::clone(&self.file);
        // A disk may hang: it is never waited for on a worker thread.
        let done = tokio::task::spawn_blocking(move || file.append(&lines)).await;
        done.unwrap_or_else(|error| Err(SinkError::Unavailable(format!("writing was cut short: {error}"))))
    }
}

fn line(entry: &QueuedEntry) -> Line {
    Line { id: entry.sealed.entry.id, text: format!("{}\n", document::event(entry)) }
}

#[cfg(test)]
mod tests;
