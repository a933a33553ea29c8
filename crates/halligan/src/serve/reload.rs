//! Looks whether the files that decide who is who, who vouches for them and who may do what
//! have changed, and puts what they say in force: as a whole, or not at all.
//!
//! By looking at the files themselves, every few seconds and on SIGHUP: that works on
//! volumes of any kind. A change counts when two looks in a row see the same, so that a
//! file that is being written is not half read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use async_trait::async_trait;
use halligan_connect::mail::Addresses;
use halligan_engine::access::{Applied, Reload};
use halligan_engine::problem::{Problem, ProblemKind};
use halligan_engine::reconcile::{Reconciler, Status};
use jiff::{SignedDuration, Timestamp};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, Notify};

use super::fixed::{self, Fixed};
use super::vouching::Vouching;
use crate::config::{Config, Fingerprint, Loaded};

/// From one look to the next.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(3);

/// Somebody asked for it, by SIGHUP.
#[derive(Default)]
pub struct Asked {
    asked: AtomicBool,
    wake: Arc<Notify>,
}

impl Asked {
    /// Listens from now on: without it the signal would end the process.
    pub fn listen() -> anyhow::Result<Arc<Self>> {
        let mut hangups = signal(SignalKind::hangup()).context("can't listen for SIGHUP")?;
        let asked = Arc::new(Self::default());
        let told = Arc::downgrade(&asked);
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                let Some(told) = told.upgrade() else { return };
                told.ask();
            }
        });
        Ok(asked)
    }

    fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// Rings when somebody has.
    pub fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    fn take(&self) -> bool {
        self.asked.swap(false, Ordering::SeqCst)
    }
}

/// Keeps what is in force what the files say.
pub struct Reloading {
    file: PathBuf,
    reload: Reload,
    vouching: Vouching,
    addresses: Arc<Addresses>,
    asked: Arc<Asked>,
    state: Mutex<State>,
}

struct State {
    /// The files as they were when they were last read, for better or worse.
    read: Fingerprint,
    /// As they were at the last look.
    seen: Fingerprint,
    /// What the process was started with, and what of it was said to be otherwise by now.
    fixed: Fixed,
    told: Vec<&'static str>,
}

impl Reloading {
    /// Of the configuration at `file`, which was read when it was `read`.
    pub fn new(
        (file, read): (PathBuf, Fingerprint),
        fixed: Fixed,
        reload: Reload,
        vouching: Vouching,
        addresses: Arc<Addresses>,
        asked: Arc<Asked>,
    ) -> Self {
        let state = State { seen: read.clone(), read, fixed, told: Vec::new() };
        Self { file, reload, vouching, addresses, asked, state: Mutex::new(state) }
    }

    /// Reads the files, and puts what they say in force; returns whether that is something else.
    async fn read(&self, state: &mut State) -> Result<bool, Problem> {
        match off_thread(&self.file, Config::load).await? {
            Ok(mut loaded) => {
                let next = match self.vouching.prepared(&loaded) {
                    Ok(next) => next,
                    Err(error) => {
                        self.reload.reject(vec![format!("issuers: {error:#}")]).await;
                        return Ok(false);
                    }
                };
                let mail = loaded.rules.mail();
                let held = &self.vouching.access().roles;
                loaded.rules.roles = fixed::lists(self.vouching.catalogue(), held, &loaded.catalogue);
                let applied = self.reload.apply(loaded.rules.access()).await.map_err(|error| {
                    let told = "other rules, people or issuers can't be written down: those from before still decide";
                    tracing::error!(alarm = "policy.not_written", %error, told);
                    error
                })?;
                // Secrets too, which are no part of what was written down.
                self.vouching.replace(next);
                self.tell(state, &loaded);
                // Whoever moved is reached at the new address: that is part of what was written down.
                self.addresses.replace(mail);
                Ok(applied != Applied::Unchanged)
            }
            Err(error) => {
                let problems = error.problems();
                for problem in &problems {
                    tracing::warn!(%problem, "the configuration can't be used");
                }
                let reasons = problems.iter().map(ToString::to_string).collect();
                self.reload.reject(reasons).await;
                Ok(false)
            }
        }
    }

    /// Says of what is otherwise in the file that it needs a restart, once.
    fn tell(&self, state: &mut State, loaded: &Loaded) {
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "the configuration works and is likely a mistake");
        }
        let otherwise = state.fixed.otherwise(&Fixed::of(loaded));
        if otherwise != state.told && !otherwise.is_empty() {
            let settings = otherwise.join(", ");
            tracing::warn!(settings, "these settings are other than at the start, and need a restart to count");
        }
        state.told = otherwise;
    }
}

#[async_trait]
impl Reconciler for Reloading {
    fn name(&self) -> &'static str {
        "configuration"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        let mut state = self.state.lock().await;
        let asked = self.asked.take();
        let found = off_thread(&self.file, Fingerprint::of).await?;
        let settled = found == state.seen && found != state.read;
        state.seen = found.clone();
        let mut done = 0;
        if asked || settled {
            match self.read(&mut state).await {
                Ok(changed) => {
                    state.read = found;
                    done = changed.into();
                }
                Err(problem) => {
                    // Not read: it is tried again.
                    self.asked.asked.store(true, Ordering::SeqCst);
                    return Err(problem);
                }
            }
        }
        Ok(Status { done, next: Some(now + LOOK_EVERY) })
    }
}

/// Files may be on a slow volume.
async fn off_thread<T: Send + 'static>(
    file: &Path,
    read: impl FnOnce(&Path) -> T + Send + 'static,
) -> Result<T, Problem> {
    let file = file.to_owned();
    let read = tokio::task::spawn_blocking(move || read(&file)).await;
    read.map_err(|_| Problem::new(ProblemKind::Internal, "reading the configuration panicked"))
}

#[cfg(test)]
mod tests;
