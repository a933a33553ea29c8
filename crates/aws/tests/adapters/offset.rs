use halligan_engine::ports::{ClockOffset as _, Minter as _};
use jiff::SignedDuration;

use crate::proxy::Trouble;
use crate::world::World;

/// Whether `skew` is `seconds`, as closely as a header of whole seconds tells.
fn is_about(skew: SignedDuration, seconds: i64) -> bool {
    (skew - SignedDuration::from_secs(seconds)).abs() < SignedDuration::from_millis(1_500)
}

#[tokio::test]
async fn clocks_that_agree_are_found_to() {
    let world = World::new().await;
    let offset = world.aws.clock_offset().offset().await.unwrap();
    assert!(is_about(offset.skew, 0), "{offset:?}");
}

#[tokio::test]
async fn a_clock_that_is_off_is_found_out() {
    for (moved, skew) in [(30, -30), (-5, 5)] {
        let world = World::new().await;
        world.proxy.trouble_all(Trouble::Date(moved));
        let offset = world.aws.clock_offset().offset().await.unwrap();
        assert!(is_about(offset.skew, skew), "{moved}: {offset:?}");
    }
    let world = World::new().await;
    world.clock.advance(SignedDuration::from_secs(12));
    let offset = world.aws.clock_offset().offset().await.unwrap();
    assert!(is_about(offset.skew, 12), "{offset:?}");
}

#[tokio::test]
async fn every_answer_is_a_measurement_and_lasts_a_minute() {
    let world = World::new().await;
    let offset = world.aws.clock_offset();
    world.proxy.trouble("Action=AssumeRole", 1, Trouble::Date(3));
    world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap();
    let asked = || world.proxy.seen("Action=GetCallerIdentity").len();

    assert!(is_about(offset.offset().await.unwrap().skew, -3));
    world.clock.advance(SignedDuration::from_secs(55));
    assert!(is_about(offset.offset().await.unwrap().skew, -3));
    assert_eq!(asked(), 0, "a mint's answer was enough");

    world.clock.advance(SignedDuration::from_secs(6));
    assert!(is_about(offset.offset().await.unwrap().skew, 61), "the test moved our clock alone");
    assert_eq!(asked(), 1);
    world.clock.advance(SignedDuration::from_secs(-61));
    assert!(is_about(offset.offset().await.unwrap().skew, 0));
    assert_eq!(asked(), 2, "what was measured in the future is worth nothing");
}

#[tokio::test]
async fn many_who_ask_at_once_cause_one_call() {
    let world = World::new().await;
    let offset = world.aws.clock_offset();
    let (a, b, c) = tokio::join!(offset.offset(), offset.offset(), offset.offset());
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(b.unwrap(), c.unwrap());
    assert_eq!(world.proxy.seen("Action=GetCallerIdentity").len(), 1);
}

#[tokio::test]
async fn a_refusal_has_a_date_too() {
    let world = World::new().await;
    // The stand-in refuses keys that it doesn't know, as AWS refuses a signature of another day.
    let other = halligan_aws::StaticCredentials {
        access_key_id: "ASIAEXAMPLEEXAMPLE00".to_owned(),
        secret_access_key: "unknown".into(),
        session_token: Some("unknown".into()),
    };
    let settings = halligan_aws::Settings {
        endpoint_url: Some(world.proxy.url()),
        credentials: Some(other),
        limits: crate::world::limits(),
        ..halligan_aws::Settings::in_region(crate::world::REGION)
    };
    let aws = halligan_aws::Aws::connect(&settings, world.clock.clone()).await;
    let offset = aws.clock_offset().offset().await.unwrap();
    assert!(is_about(offset.skew, 0), "{offset:?}");
    let refused = aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap_err();
    assert!(matches!(refused, halligan_engine::ports::MintError::Refused(_)), "{refused:?}");
}

#[tokio::test]
async fn an_aws_that_does_not_answer_says_nothing_of_clocks() {
    let world = World::new().await;
    world.proxy.trouble_all(Trouble::Silence);
    assert_eq!(world.aws.clock_offset().offset().await, None);
    world.proxy.peace();
    world.proxy.trouble_all(Trouble::Answer(200, "no date".to_owned()));
    assert_eq!(world.aws.clock_offset().offset().await, None);
}
