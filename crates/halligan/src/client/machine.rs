//! This machine's clock and randomness: the only place of the command line that asks for them.

use halligan_engine::ports::{Clock, Entropy};
use jiff::Timestamp;
use rand::Rng as _;

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct MachineClock;

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that passes the clock in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The thread's generator, seeded by the operating system.
#[derive(Debug, Clone, Copy)]
pub struct MachineEntropy;

impl Entropy for MachineEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that passes randomness in")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}
