//! The span of an activation, and the fence that stands at its end.

use jiff::{SignedDuration, Timestamp};

use super::state::{Activation, Mints, Standing};
use crate::event::{Event, Recorded};

impl Activation {
    /// Starts the clock.
    pub(super) fn begin(now: Timestamp, duration: SignedDuration, standing: Standing) -> Self {
        let ends_at = crate::floor_second(now + duration);
        Self { activated_at: now, ends_at, standing, extended: Vec::new(), mints: Mints::default() }
    }

    /// From this instant on no credentials of this activation work: the end,
    /// or what an emergency start has before its acknowledgement.
    #[must_use]
    pub fn fence(&self) -> Timestamp {
        match self.standing {
            Standing::Unacknowledged { ack_due } => ack_due.min(self.ends_at),
            Standing::Acknowledged(_) => self.ends_at,
        }
    }

    /// How long it lasts in all.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        self.ends_at.duration_since(self.activated_at)
    }

    /// Until when a token of this activation could be refused only by a deny.
    #[must_use]
    pub fn deny_until(&self) -> Option<Timestamp> {
        self.mints.tokens_until
    }

    pub(super) fn event(&self) -> Recorded {
        let ack_due = match self.standing {
            Standing::Unacknowledged { ack_due } => Some(ack_due),
            Standing::Acknowledged(_) => None,
        };
        Recorded::plain(Event::GrantActivated { activated_at: self.activated_at, ends_at: self.ends_at, ack_due })
    }
}
