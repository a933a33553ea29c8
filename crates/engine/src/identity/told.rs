//! Refusals of coming in, told to the log: with the name of whoever is known, in a count otherwise.

use std::net::IpAddr;

use halligan_core::actor::Human;
use halligan_core::entry::Subject;

use super::Identity;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::refusals::Tried;

impl Identity {
    /// What came of what a caller tried.
    pub(super) async fn told<T>(
        &self,
        caller: &Caller,
        action: &str,
        subject: &str,
        outcome: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        match outcome.await {
            Ok(done) => Ok(done),
            Err(problem) => {
                Err(self.recorder.refuse(Tried::by(caller, action, Subject::broker(subject)), problem).await)
            }
        }
    }

    /// What came of what a stranger tried. Where they were recognised on the way, it is told already.
    pub(super) async fn told_of_a_stranger<T>(
        &self,
        outcome: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        outcome.await.map_err(|problem| self.recorder.refuse_stranger(problem))
    }

    /// What came of what somebody tried who has just proved who they are.
    pub(super) async fn told_at_the_door<T>(
        &self,
        human: &Human,
        action: &str,
        address: Option<IpAddr>,
        outcome: Result<T, Problem>,
    ) -> Result<T, Problem> {
        match outcome {
            Ok(done) => Ok(done),
            Err(problem) => Err(self.recorder.refuse(Tried::at_the_door(human, action, address), problem).await),
        }
    }
}
