//! Enrolling a passkey takes a fresh proof at the provider: a browser that was left open, or a
//! stolen session, makes no key that lasts.

use halligan_engine::caller::Caller;
use halligan_engine::fakes::world::caller;
use halligan_engine::ports::{Clock as _, Obligation, SecretText, SignInMethod};
use halligan_engine::problem::{Problem, ProblemKind};
use jiff::SignedDuration;

use crate::passkeys::{answer, enrolled, key};
use crate::sign_ins::{Doors, back, doors};

/// What they are told, and that the page leads them to their provider.
#[track_caller]
fn is_sent_to_the_provider(problem: &Problem) {
    assert_eq!((problem.kind, &problem.obligations[..]), (ProblemKind::NotPermitted, &[Obligation::StepUp][..]));
    assert!(problem.unmet[0].contains("15m"), "{problem:?}");
}

async fn who(doors: &Doors, token: &SecretText) -> Caller {
    doors.running.broker.identity().session(token, None).await.unwrap().0
}

#[tokio::test]
async fn a_session_enrols_for_a_quarter_of_an_hour_after_its_proof_at_the_provider() {
    let (doors, _) = enrolled().await;
    let identity = doors.running.broker.identity();
    let alice = doors.sign_in("alice", true).await.token;
    doors.world.clock.advance(SignedDuration::from_mins(15));
    identity.challenge_to_enrol(&who(&doors, &alice).await).await.unwrap();
    doors.world.clock.advance(SignedDuration::from_secs(1));
    let late = who(&doors, &alice).await;
    is_sent_to_the_provider(&identity.challenge_to_enrol(&late).await.unwrap_err());
    is_sent_to_the_provider(&identity.may_enrol(&late).map(drop).unwrap_err());

    // A passkey proves it for whatever else wants a fresh proof, and not for this.
    let asked = identity.challenge_to_step_up(&late).await.unwrap();
    let (_, session) = identity.session(&alice, None).await.unwrap();
    identity.step_up_by_passkey(&late, &session, &answer(&key(1), &asked)).await.unwrap();
    let stepped_up = who(&doors, &alice).await;
    assert_eq!(stepped_up.shown.fresh.mfa_age_seconds, Some(0));
    is_sent_to_the_provider(&identity.challenge_to_enrol(&stepped_up).await.unwrap_err());

    let away = doors.send_away(Some(&alice)).await;
    let asked = doors.provider.asked().unwrap();
    let code = doors.provider.signs_in(&asked.nonce, "alice", doors.world.clock.now(), false).into();
    doors.take_back("id", &back(&code, &asked.state, &away.browser)).await.unwrap();
    identity.challenge_to_enrol(&who(&doors, &alice).await).await.unwrap();
}

/// What nobody said is not fresh.
#[tokio::test]
async fn a_proof_that_nobody_tells_of_is_none() {
    let doors = doors();
    let identity = doors.running.broker.identity();
    let untold = Caller { provider_proof_age: None, ..caller("alice") };
    is_sent_to_the_provider(&identity.challenge_to_enrol(&untold).await.unwrap_err());
    // No proof at the provider helps whom it doesn't vouch for: they aren't sent there.
    let by_key = Caller { method: Some(SignInMethod::Passkey), ..caller("alice") };
    let problem = identity.challenge_to_enrol(&by_key).await.unwrap_err();
    assert_eq!((problem.kind, &problem.obligations[..]), (ProblemKind::NotPermitted, &[][..]));
}

#[tokio::test]
async fn a_notice_says_when_the_passkey_counts_and_a_refusal_promises_no_notice_that_nobody_sends() {
    let (doors, notices) = enrolled().await;
    let told = notices.told();
    assert!(told.iter().all(|(_, text)| text.contains("from 24h after this message on")), "{told:?}");
    let refused = async |doors: &Doors| {
        let identity = doors.running.broker.identity();
        crate::passkeys::enrol(identity, &caller("bob"), &key(21)).await.unwrap();
        let bob = doors.sign_in("bob", false).await.token;
        let (who, session) = identity.session(&bob, None).await.unwrap();
        let asked = identity.challenge_to_step_up(&who).await.unwrap();
        identity.step_up_by_passkey(&who, &session, &answer(&key(21), &asked)).await.unwrap_err().detail
    };
    let with_mail = refused(&doors).await;
    assert!(with_mail.ends_with("to confirm it, or 24h to pass after the notice of it"), "{with_mail}");
    let silent = crate::sign_ins::doors();
    assert!(!silent.running.broker.identity().tells_of_enrolments());
    let without = refused(&silent).await;
    assert!(without.ends_with("to confirm it"), "{without}");
}
