//! Waiting for a second person, with a countdown where somebody looks.

use std::time::Duration;

use halligan_core::id::GrantId;
use halligan_server::views::{GrantState, GrantView};
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};

use super::{Context, screen};
use crate::client::credentials::{Issuer, Tries, fence_of};
use crate::client::failure::Failure;
use crate::client::words;

/// How often the countdown moves.
const TICK: Duration = Duration::from_secs(1);
/// How many ticks from one question to the next.
const TICKS_A_QUESTION: u32 = 2;
/// How long a silent broker is asked past the deadline: it may be starting again.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// Waits until the request, or the emergency start, is answered or over.
///
/// # Errors
/// When the broker refuses to tell, or is silent past the deadline; on Ctrl-C.
pub async fn for_answer(issuer: &dyn Issuer, asked: &GrantView, context: &Context) -> Result<GrantView, Failure> {
    // Draws on stderr, and nothing at all when that is no terminal.
    let bar = ProgressBar::new_spinner();
    let shown = |text: &str| {
        bar.set_message(text.to_owned());
        bar.tick();
    };
    if bar.is_hidden() {
        context.ui.note(&format!("waiting for {} …", screen::awaited(asked)));
    }
    let now = || context.now();
    let waiting = poll(issuer, asked, &now, &shown);
    let answered = tokio::select! {
        answered = waiting => answered,
        _ = tokio::signal::ctrl_c() => {
            let take_back = context.command(&format!("withdraw {}", words::inline(&asked.id)));
            Err(Failure::Interrupted(format!("no longer waiting; the request still stands: `{take_back}` takes it back")))
        }
    };
    bar.finish_and_clear();
    answered
}

async fn poll(
    issuer: &dyn Issuer,
    asked: &GrantView,
    now: &(dyn Fn() -> Timestamp + Sync),
    show: &(dyn Fn(&str) + Sync),
) -> Result<GrantView, Failure> {
    let id: GrantId = asked.id.parse().map_err(|_| Failure::Usage("the broker's answer names no grant".into()))?;
    let mut known = asked.clone();
    loop {
        let Some(deadline) = deadline(&known) else { return Ok(known) };
        let mut trouble = String::new();
        match issuer.grant(id, Tries::One).await {
            Ok(grant) => known = grant,
            Err(failure) if failure.is_passing() && now() < deadline + GRACE => {
                trouble = format!(" ({}; asking again)", words::inline(&failure.chain()));
            }
            Err(failure) => return Err(failure),
        }
        if self::deadline(&known).is_none() {
            return Ok(known);
        }
        for _ in 0..TICKS_A_QUESTION {
            let whom = screen::awaited(&known);
            show(&format!("waiting for {whom}: {} left{trouble}", words::until(now(), deadline)));
            tokio::time::sleep(TICK).await;
        }
    }
}

/// Until when an answer is waited for; `None` when there is one, or none can come.
fn deadline(grant: &GrantView) -> Option<Timestamp> {
    match grant.state {
        GrantState::Pending => grant.acknowledge_by.or(Some(Timestamp::MAX)),
        GrantState::Active if grant.ack_due.is_some() => fence_of(grant),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Mutex;

    use async_trait::async_trait;
    use halligan_server::views::CredentialsView;

    use super::*;
    use crate::client::credentials::tests::{active, problem};

    /// Answers one after the other, the last one for ever.
    struct Answers(Mutex<Vec<Result<GrantView, u16>>>);

    #[async_trait]
    impl Issuer for Answers {
        async fn grant(&self, _: GrantId, _: Tries) -> Result<GrantView, Failure> {
            let mut answers = self.0.lock().unwrap();
            let answer = if answers.len() > 1 { answers.remove(0) } else { answers.first().unwrap().clone() };
            answer.map_err(problem)
        }

        async fn mint(&self, _: GrantId) -> Result<CredentialsView, Failure> {
            Err(problem(500))
        }
    }

    fn start() -> Timestamp {
        "2026-03-01T02:40:00Z".parse().unwrap()
    }

    fn pending() -> GrantView {
        let mut grant = active(start(), start());
        grant.state = GrantState::Pending;
        grant.acknowledge_by = Some(start() + SignedDuration::from_mins(15));
        grant
    }

    async fn wait(asked: GrantView, answers: Vec<Result<GrantView, u16>>) -> (Result<GrantView, Failure>, Vec<String>) {
        let shown = Mutex::new(Vec::new());
        let begun = tokio::time::Instant::now();
        // The test's clock follows the runtime's, which stands still but for sleeps.
        let now = || start() + SignedDuration::try_from(begun.elapsed()).unwrap();
        let show = |text: &str| shown.lock().unwrap().push(text.to_owned());
        let answered = poll(&Answers(Mutex::new(answers)), &asked, &now, &show).await;
        (answered, shown.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_the_wait_and_the_countdown_moves() {
        let yes = active(start(), start());
        let (answered, shown) = wait(pending(), vec![Ok(pending()), Ok(pending()), Ok(yes)]).await;
        assert_eq!(answered.unwrap().state, GrantState::Active);
        let expected =
            ["15m", "14m 59s", "14m 58s", "14m 57s"].map(|left| format!("waiting for a second person: {left} left"));
        assert_eq!(shown, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_ends_the_wait() {
        let mut no = pending();
        no.state = GrantState::Lapsed;
        assert_eq!(wait(pending(), vec![Ok(no)]).await.0.unwrap().state, GrantState::Lapsed);
    }

    #[tokio::test(start_paused = true)]
    async fn an_emergency_start_waits_for_its_acknowledgement() {
        let mut started = active(start(), start() + SignedDuration::from_mins(30));
        started.ack_due = Some(start() + SignedDuration::from_mins(5));
        let mut acknowledged = started.clone();
        acknowledged.ack_due = None;
        let (answered, shown) = wait(started.clone(), vec![Ok(started), Ok(acknowledged)]).await;
        assert!(answered.unwrap().ack_due.is_none());
        assert_eq!(shown.first().unwrap(), "waiting for a second person: 5m left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_is_away_is_asked_again_and_not_for_ever() {
        let yes = active(start(), start());
        let (answered, shown) = wait(pending(), vec![Err(503), Err(503), Ok(yes)]).await;
        assert!(answered.is_ok());
        assert!(shown.iter().all(|text| text.contains("asking again")), "{shown:?}");

        let (gone, shown) = wait(pending(), vec![Err(503)]).await;
        assert!(gone.unwrap_err().is_passing());
        assert_eq!(shown.len(), 16 * 60, "to the deadline and a minute more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_the_wait() {
        assert!(!wait(pending(), vec![Err(404)]).await.0.unwrap_err().is_passing());
    }
}
