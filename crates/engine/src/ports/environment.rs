//! Time and chance, passed in.

use jiff::Timestamp;

/// The time of day.
pub trait Clock: Send + Sync {
    /// Now. It may step backwards; the store keeps entries in order all the same.
    fn now(&self) -> Timestamp;
}

/// Randomness fit for secrets.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` from the operating system's generator or one seeded by it.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy + '_ {
    /// An array of random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A UUID of version 7: sorted by `now`, unpredictable in the rest.
    pub fn uuid_v7(&self, now: Timestamp) -> uuid::Uuid {
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &self.bytes()).into_uuid()
    }
}
