//! Looking an incident up: its tool is asked each time, and answers all together only so often.

use halligan_engine::caller::Caller;
use halligan_engine::fakes::fixtures::machine;
use halligan_engine::fakes::world::caller;
use halligan_engine::problem::ProblemKind;

use crate::support::{advance, refused, world};

/// Somebody who has no part in any role learns nothing of incidents, and can't tire the tool out.
#[tokio::test]
async fn an_incident_is_shown_to_whoever_has_a_part_in_a_role() {
    let (world, groups) = world();
    groups.put("carol", &[]);
    let running = world.start();
    let look = async |who: &Caller| running.broker.incident(who, "file", "INC-219").await;
    for who in [caller("alice"), caller("bob"), Caller { party: machine(None), ..caller("alice") }] {
        look(&who).await.unwrap();
    }
    let problem = refused(&world, look(&caller("carol")).await, ProblemKind::NotPermitted);
    assert!(!problem.unmet.is_empty(), "it doesn't say what would do");
    groups.remove("alice");
    refused(&world, look(&caller("alice")).await, ProblemKind::NotPermitted);
}

/// While one loops, the others still learn whether the incident is open: without that nobody gets in.
#[tokio::test]
async fn one_who_looks_too_often_is_refused_and_nobody_else() {
    let (mut world, _) = world();
    world.rates.incident_reads = 3;
    let running = world.start();
    let look = async |name: &str| running.broker.incident(&caller(name), "file", "INC-219").await;
    for _ in 0..3 {
        look("alice").await.unwrap();
    }
    let problem = refused(&world, look("alice").await, ProblemKind::RateLimited);
    assert_eq!(problem.retry_after_seconds, Some(61));
    look("bob").await.unwrap();
    advance(&world, 60);
    look("alice").await.unwrap();
    // Names that are none are counted too, and whoever has no part in any role.
    for _ in 0..3 {
        drop(running.broker.incident(&caller("bob"), "file", "../../x").await);
    }
    refused(&world, look("bob").await, ProblemKind::RateLimited);
}
