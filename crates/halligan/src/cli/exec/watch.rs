//! Tells whoever sits before a long command that its access is about to end, has
//! moved, or is gone.

use std::sync::Arc;
use std::time::Duration;

use halligan_core::id::GrantId;
use halligan_engine::ports::Clock;
use halligan_server::views::GrantView;
use jiff::{SignedDuration, Timestamp};

use crate::client::credentials::{Issuer, Tries, fence_of};
use crate::client::failure::Failure;
use crate::client::words;

/// How often the broker is asked: an end may come early.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(15);
/// How long before the end it is told.
const SOON: SignedDuration = SignedDuration::from_mins(2);

/// Watches a grant until it is over.
pub async fn watch(
    issuer: Arc<dyn Issuer>,
    grant: GrantId,
    clock: Arc<dyn Clock>,
    extend: String,
    tell: impl Fn(&str) + Send,
) {
    let mut watch = Watch { grant, extend, fence: None, warned: None, silent: false };
    loop {
        let read = issuer.grant(grant, Tries::One).await;
        let now = clock.now();
        let step = watch.step(&read, now);
        step.remarks.iter().for_each(|remark| tell(remark));
        let Some(next) = step.next else { return };
        let pause = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        tokio::time::sleep(pause.max(Duration::from_millis(250))).await;
    }
}

struct Watch {
    grant: GrantId,
    // The command that asks for more time.
    extend: String,
    // The end as it was last known.
    fence: Option<Timestamp>,
    // The end that was announced.
    warned: Option<Timestamp>,
    // Whether the broker's silence was told.
    silent: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Step {
    remarks: Vec<String>,
    // When to look again; none when it is over.
    next: Option<Timestamp>,
}

impl Watch {
    fn step(&mut self, read: &Result<GrantView, Failure>, now: Timestamp) -> Step {
        let mut remarks = Vec::new();
        let id = self.grant;
        match read {
            Ok(grant) if grant.state.is_over() => return over(remarks, words::ending(grant)),
            Ok(grant) => {
                self.silent = false;
                let fence = fence_of(grant);
                if let (Some(before), Some(after)) = (self.fence, fence)
                    && before != after
                {
                    let left = words::until(now, after);
                    remarks.push(format!("grant {id} now ends at {} (in {left})", words::time(after)));
                }
                self.fence = fence;
            }
            Err(failure) if !self.silent => {
                self.silent = true;
                remarks.push(format!("can't tell how grant {id} stands: {}", failure.chain()));
            }
            Err(_) => {}
        }
        // The end comes whether the broker can be asked or not.
        let Some(fence) = self.fence else { return Step { remarks, next: Some(now + LOOK_EVERY) } };
        if now >= fence {
            return over(remarks, format!("grant {id} is over: it ended at {}", words::time(fence)));
        }
        if now >= fence - SOON {
            if self.warned != Some(fence) {
                self.warned = Some(fence);
                let (left, end) = (words::until(now, fence), words::time(fence));
                remarks.push(format!("grant {id} ends in {left}, at {end}; to ask for more: {}", self.extend));
            }
            return Step { remarks, next: Some(fence.min(now + LOOK_EVERY)) };
        }
        Step { remarks, next: Some((fence - SOON).min(now + LOOK_EVERY)) }
    }
}

fn over(mut remarks: Vec<String>, how: String) -> Step {
    remarks.push(format!("{how}; AWS refuses its credentials, and the command goes on without them"));
    Step { remarks, next: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use halligan_server::views::GrantState;

    use super::*;
    use crate::client::credentials::tests::{active, id, problem};

    fn at(seconds: i64) -> Timestamp {
        "2026-03-01T02:40:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    fn watching() -> Watch {
        Watch { grant: id(), extend: "halligan extend …".into(), fence: None, warned: None, silent: false }
    }

    fn ends(seconds: i64) -> Result<GrantView, Failure> {
        Ok(active(at(0), at(seconds)))
    }

    #[test]
    fn the_end_is_told_two_minutes_before_once_and_when_it_comes() {
        let mut watch = watching();
        assert_eq!(watch.step(&ends(300), at(0)), Step { remarks: vec![], next: Some(at(15)) });
        assert_eq!(watch.step(&ends(300), at(170)).next, Some(at(180)), "the two minutes aren't overslept");
        let soon = watch.step(&ends(300), at(180));
        assert!(soon.remarks.first().unwrap().contains("ends in 2m, at 02:45:00 UTC"), "{soon:?}");
        assert_eq!(watch.step(&ends(300), at(195)).remarks, Vec::<String>::new());
        assert_eq!(watch.step(&ends(300), at(290)).next, Some(at(300)));
        let over = watch.step(&ends(300), at(300));
        assert!(
            over.remarks.first().unwrap().contains("is over: it ended at 02:45:00 UTC") && over.next.is_none(),
            "{over:?}"
        );
    }

    #[test]
    fn an_end_that_moves_is_told_and_announced_anew() {
        let mut watch = watching();
        watch.step(&ends(300), at(200));
        let moved = watch.step(&ends(600), at(215));
        assert_eq!(moved.remarks.len(), 1);
        assert!(moved.remarks.first().unwrap().contains("now ends at 02:50:00 UTC (in 6m 25s)"), "{moved:?}");
        assert!(watch.step(&ends(600), at(480)).remarks.first().unwrap().contains("ends in 2m"));
    }

    #[test]
    fn an_early_end_is_told() {
        let mut grant = active(at(0), at(300));
        grant.state = GrantState::Revoked;
        grant.ended_by = Some("bob".into());
        let step = watching().step(&Ok(grant), at(10));
        assert!(step.remarks.first().unwrap().contains("revoked by bob") && step.next.is_none(), "{step:?}");
    }

    #[test]
    fn a_silent_broker_is_told_once_and_the_end_comes_all_the_same() {
        let mut watch = watching();
        watch.step(&ends(300), at(0));
        assert_eq!(watch.step(&Err(problem(503)), at(15)).remarks.len(), 1);
        assert_eq!(watch.step(&Err(problem(503)), at(30)).remarks.len(), 0);
        assert!(watch.step(&Err(problem(503)), at(190)).remarks.first().unwrap().contains("ends in 1m 50s"));
        assert!(watch.step(&Err(problem(503)), at(300)).next.is_none());
    }
}
