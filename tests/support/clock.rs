//! A broker's clock, which a test moves.

use std::fs;
use std::path::{Path, PathBuf};

use super::Broker;

/// Only what it takes for the time of day. What it waits for goes on as ever, and so does every other clock.
pub struct Clock(PathBuf);

impl Clock {
    /// Of a broker that has not been started.
    pub fn of(broker: &mut Broker, directory: &Path) -> Self {
        let clock = Self(directory.join("clock"));
        clock.ahead(0);
        broker.set("LD_PRELOAD", &std::env::var("HALLIGAN_FAKETIME").expect("set HALLIGAN_FAKETIME or run tests/run"));
        broker.set("FAKETIME_TIMESTAMP_FILE", clock.0.to_str().unwrap());
        broker.set("FAKETIME_NO_CACHE", "1");
        broker.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        // The times of files are what they are.
        broker.set("NO_FAKE_STAT", "1");
        clock
    }

    /// From now on it is so far ahead.
    pub fn ahead(&self, seconds: i64) {
        // In one step, since it is read at each look at the clock.
        let fresh = self.0.with_extension("new");
        fs::write(&fresh, format!("+{seconds}\n")).unwrap();
        fs::rename(fresh, &self.0).unwrap();
    }
}
