//! A sink and trails in memory, with bad days.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use halligan_core::catalogue::Role;

use crate::ports::{QueuedEntry, Sink, SinkError, TrailError, Trails};

/// A sink that keeps what it is given.
#[derive(Debug)]
pub struct FakeSink {
    name: String,
    kept: Mutex<(Vec<QueuedEntry>, bool)>,
}

impl FakeSink {
    /// An empty sink of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), kept: Mutex::default() }
    }

    /// Makes every call fail, or none any more.
    pub fn set_down(&self, down: bool) {
        self.kept().1 = down;
    }

    /// The positions of what it holds.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.kept().0.iter().map(|entry| entry.position).collect()
    }

    fn kept(&self) -> MutexGuard<'_, (Vec<QueuedEntry>, bool)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sink for FakeSink {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, entries: &[QueuedEntry]) -> Result<(), SinkError> {
        let mut kept = self.kept();
        if kept.1 {
            return Err(SinkError::Unavailable("told to fail".to_owned()));
        }
        kept.0.extend_from_slice(entries);
        Ok(())
    }
}

/// Trails that miss what they are told to.
#[derive(Debug, Default)]
pub struct FakeTrails(Mutex<Option<String>>);

impl FakeTrails {
    /// What is missing from now on.
    pub fn set_missing(&self, missing: Option<&str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = missing.map(str::to_owned);
    }
}

#[async_trait]
impl Trails for FakeTrails {
    async fn missing(&self, _role: &Role) -> Result<Option<String>, TrailError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
