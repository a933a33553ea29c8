//! How far the broker's clock is from AWS's.

use std::sync::Arc;

use async_trait::async_trait;
use halligan_engine::ports::{ClockOffset, Offset};
use jiff::SignedDuration;
use tokio::sync::Mutex;

use crate::observe::Dates;

const AGE_MAX: SignedDuration = SignedDuration::from_secs(60);

/// [`ClockOffset`] by the `Date` of every answer; where there was none lately, of one that is asked for.
#[derive(Debug)]
pub struct AwsClock {
    sts: aws_sdk_sts::Client,
    dates: Arc<Dates>,
    measuring: Mutex<()>,
}

impl AwsClock {
    pub(crate) fn new(sts: aws_sdk_sts::Client, dates: Arc<Dates>) -> Self {
        Self { sts, dates, measuring: Mutex::new(()) }
    }

    fn fresh(&self) -> Option<Offset> {
        let newest = self.dates.newest()?;
        // A clock that was set back makes the comparison as worthless as age does.
        let age = self.dates.now().duration_since(newest.measured_at).abs();
        (age < AGE_MAX).then_some(newest)
    }
}

#[async_trait]
impl ClockOffset for AwsClock {
    async fn offset(&self) -> Option<Offset> {
        if let Some(fresh) = self.fresh() {
            return Some(fresh);
        }
        // Many ask at once; one of them goes.
        let _turn = self.measuring.lock().await;
        if self.fresh().is_none() {
            // Whatever it answers, it answers with a date: a signature that is refused
            // for our clock's sake is the case that matters most. No policy denies this call.
            drop(self.sts.get_caller_identity().send().await);
        }
        self.fresh()
    }
}
