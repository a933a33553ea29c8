//! Tells people of their enrolments on a channel that the browser has no part in: whoever
//! enrols a passkey with a stolen session can't keep its owner from hearing of it.

use halligan_core::event::{Event, Recorded};

use super::passkey::enrolment_of;
use super::{Identity, passkey_subject};
use crate::ports::{Notices, Passkey, StoreError};

/// So many at a time.
const BATCH: u32 = 10_000;

impl Identity {
    /// Whether anybody is told of enrolments: without, each counts only once another person has confirmed it.
    #[must_use]
    pub const fn tells_of_enrolments(&self) -> bool {
        self.ports.notices.is_some()
    }

    /// Tells of every enrolment that has not been told. What nobody takes is told again next time.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn tell_of_enrolments(&self) -> Result<u32, StoreError> {
        let Some(notices) = &self.ports.notices else { return Ok(0) };
        let mut told = 0;
        let waiting = self.ports.passkeys.unconfirmed(BATCH).await?;
        for passkey in waiting.into_iter().filter(|passkey| passkey.noticed_at.is_none()) {
            match self.tell(notices.as_ref(), &passkey).await {
                Ok(()) => told += 1,
                Err(error) => {
                    tracing::error!(alarm = "passkey.notice_failed", person = %passkey.person, error, "an enrolment could not be told");
                }
            }
        }
        Ok(told)
    }

    async fn tell(&self, notices: &dyn Notices, passkey: &Passkey) -> Result<(), String> {
        let text = format!(
            "The passkey \"{}\" was enrolled for {} at {}, on {}.\n\nIf that was not you, tell your security team now: \
             from {:#} after this message on it can sign acknowledgements. You can remove it at {}/passkeys.\n",
            passkey.label,
            passkey.person,
            self.settings.public_url,
            passkey.enrolled_at,
            self.settings.enrolment_wait,
            self.settings.public_url
        );
        notices.notify(&passkey.person, "A passkey was enrolled for you", &text).await?;
        let now = self.clock.now();
        let Passkey { credential, person, .. } = passkey.clone();
        let event = Event::PasskeyNoticed { credential, person, channel: notices.channel().to_owned() };
        let draft = self.draft(None, passkey_subject(&enrolment_of(passkey)), Recorded::plain(event));
        let noticed = Passkey { noticed_at: Some(now), ..passkey.clone() };
        let kept = self.ports.passkeys.keep(&noticed, Some(passkey), vec![draft], now).await;
        kept.map_err(|error| error.to_string())?;
        self.recorder.wake();
        Ok(())
    }
}
