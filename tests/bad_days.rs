//! AWS refuses, is slow, answers nonsense; the log can't be written: nothing leaves
//! that shouldn't, whoever waits learns why, and it goes on when the trouble is over.

use std::fs;

use halligan_aws::Seen;
use serde_json::{Value, json};

use crate::support::proxy::Trouble;
use crate::support::{DENIED, World, eventually, list};

fn id(grant: &Value) -> &str {
    grant["id"].as_str().unwrap()
}

#[tokio::test]
async fn nothing_is_handed_out_while_sts_fails() {
    let world = World::new().await;
    let throttled = || Trouble::error(400, "Throttling", "Rate exceeded");
    let html = "<html>sign in to the hotel's network</html>".to_owned();
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n<AssumeRoleResponse><AssumeRoleResult>".to_vec();
    let table = [
        ("it refuses", Trouble::error(403, "AccessDenied", "not authorized"), 502, "aws-refused", false),
        ("the policy is too large", Trouble::error(400, "PackedPolicyTooLarge", "101%"), 502, "aws-refused", false),
        ("the Region is off", Trouble::error(403, "RegionDisabledException", "off"), 502, "aws-refused", false),
        ("it throttles", throttled(), 503, "aws-unavailable", false),
        ("it fails", Trouble::error(500, "InternalFailure", "oops"), 503, "aws-unavailable", false),
        ("it is silent", Trouble::Silence, 504, "aws-outcome-unknown", true),
        ("its answer is lost", Trouble::Reset, 504, "aws-outcome-unknown", true),
        ("another answers", Trouble::Answer(200, html), 504, "aws-outcome-unknown", true),
        ("it breaks off", Trouble::Bytes(half), 504, "aws-outcome-unknown", true),
    ];
    let tried = table.map(async |(name, trouble, status, slug, unknown)| {
        let grant = world.active(600).await;
        // Each mint carries its grant's id as a tag.
        world.proxy.trouble(id(&grant), usize::MAX, trouble);
        let reply = world.mint(id(&grant)).await;
        assert_eq!(reply.status, status, "{name}: {reply:#?}");
        reply.problem(slug);
        let failed =
            world.logged(name, |entry| entry.kind() == "credentials.failed" && entry.grant() == Some(id(&grant))).await;
        assert_eq!(failed.data()["outcome_unknown"], unknown, "{name}: {failed:?}");
        let attempts = world.proxy.seen(id(&grant)).len();
        assert!((1..=3).contains(&attempts), "{name}: {attempts} attempts");
        if unknown {
            assert_eq!(world.grant(id(&grant)).await["credentials_issued"], 1, "{name}: it counts as issued");
        }
        grant
    });
    let grants = futures::future::join_all(tried).await;
    world.proxy.peace();
    for grant in &grants {
        let visitor = world.visitor(&world.mint(id(grant)).await.ok());
        assert_eq!(list(&visitor).await, Seen::Allowed);
    }

    // What was minted and lost on the way is ended with its grant.
    let lost = &grants[6];
    let issued = world.proxy.issued(id(lost));
    assert!(issued.len() > 1, "an answer was lost, and later one was not");
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    world.contained(id(lost)).await;
    for issued in issued {
        let keys = json!({
            "AccessKeyId": issued.access_key_id,
            "SecretAccessKey": issued.secret_access_key,
            "SessionToken": issued.session_token,
        });
        assert_eq!(list(&world.visitor(&keys)).await, DENIED);
    }
    world.done().await;
}

#[tokio::test]
async fn an_end_that_cannot_be_enforced_is_visible_and_tried_again() {
    let world = World::new().await;
    let (refused, unseen) = (world.active(600).await, world.active(600).await);
    let reason = json!({"reason": "over"});
    let mut visitors = Vec::new();
    for grant in [&refused, &unseen] {
        visitors.push(world.visitor(&world.mint(id(grant)).await.ok()));
    }

    // The revoker may not write: the end is not there yet, and everybody can see so.
    world.proxy.trouble("Action=PutRolePolicy", usize::MAX, Trouble::error(403, "AccessDenied", "not authorized"));
    world.post("carol", &format!("/v1/grants/{}/revoke", id(&refused)), &reason).await.ok();
    let failed = world.logged("the failure", |entry| entry.kind() == "revocation.failed").await;
    assert!(failed.data()["because"].as_str().unwrap().contains("AccessDenied"), "{failed:?}");
    assert_eq!(world.grant(id(&refused)).await["containment"]["state"], "enforcing");
    let shown = world.cli("carol", &["show", id(&refused)]).await.ok().stdout;
    assert!(shown.contains("revoked") && !shown.contains("observed after"), "{shown}");
    assert_eq!(list(&visitors[0]).await, Seen::Allowed, "it is not glossed over");
    world.mint(id(&refused)).await.problem("wrong-state");
    world.proxy.peace();
    world.contained(id(&refused)).await;
    assert_eq!(list(&visitors[0]).await, DENIED);

    // The deny is written, and no probe can be opened to see it bite.
    world.proxy.trouble("SourceIdentity=halligan-probe", usize::MAX, Trouble::error(403, "AccessDenied", "no probes"));
    world.post("carol", &format!("/v1/grants/{}/revoke", id(&unseen)), &reason).await.ok();
    let stuck = eventually("the end to be stuck", async || {
        let grant = world.grant(id(&unseen)).await;
        (grant["containment"]["state"] == "stuck").then_some(grant)
    })
    .await;
    assert!(stuck["containment"]["because"].as_str().unwrap().contains("no probe session"), "{stuck}");
    let shown = world.cli("carol", &["show", id(&unseen)]).await.ok().stdout;
    assert!(shown.contains("stuck") && shown.contains("no probe session"), "{shown}");
    assert_eq!(list(&visitors[1]).await, DENIED, "ending comes before seeing");
    world.proxy.peace();
    world.contained(id(&unseen)).await;
    world.done().await;
}

#[tokio::test]
async fn without_a_log_no_credentials_leave() {
    let world = World::new().await;
    let grant = world.active(600).await;
    world.mint(id(&grant)).await.ok();
    let away = world.directory().join("log.away");
    // Somebody moves the directory, and something else stands in its place.
    fs::rename(world.log_directory(), &away).unwrap();
    fs::write(world.log_directory(), "not a directory").unwrap();
    let reply = world.mint(id(&grant)).await;
    assert_eq!(reply.status, 503, "{reply:#?}");
    let detail = reply.problem("log-not-durable").body["detail"].as_str().unwrap();
    assert!(detail.contains("none were handed out") && detail.contains("another directory"), "{detail}");
    assert!(reply.headers.contains_key("retry-after"));
    let cli = world.cli("alice", &["credentials", id(&grant), "--json"]).await;
    assert_eq!((cli.code, &cli.json()["type"]), (1, &"urn:halligan:problem:log-not-durable".into()));
    let ready = world.send(world.http().get(format!("{}/readyz", world.broker.url))).await;
    assert_eq!(ready.status, 503);
    assert!(!ready.body.to_string().contains("directory"), "strangers learn no paths: {ready:#?}");
    // What needs no record before it happens goes on: an end above all.
    world.post("alice", &format!("/v1/grants/{}/return", id(&grant)), &json!({})).await.ok();
    let ended = eventually("the containment", async || {
        let grant = world.grant(id(&grant)).await;
        (grant["containment"]["state"] == "contained").then_some(grant)
    })
    .await;
    assert_eq!(ended["state"], "returned");

    fs::remove_file(world.log_directory()).unwrap();
    fs::rename(&away, world.log_directory()).unwrap();
    world.logged("all that had waited", |entry| entry.kind() == "containment.observed").await;
    let discarded: Vec<_> = world.log().into_iter().filter(|entry| entry.kind() == "credentials.discarded").collect();
    assert_eq!(discarded.len(), 2, "both were minted beside the log, and thrown away");
    let again = world.active(600).await;
    world.mint(id(&again)).await.ok();
    world.post("alice", &format!("/v1/grants/{}/return", id(&again)), &json!({})).await.ok();
    world.done().await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_stops_mints_and_no_end() {
    let world = World::new().await;
    let grant = world.active(600).await;
    let visitor = world.visitor(&world.mint(id(&grant)).await.ok());
    world.proxy.trouble_all(Trouble::Date(60));
    let reply = eventually("the clocks to be compared", async || {
        let reply = world.mint(id(&grant)).await;
        (reply.status == 503).then_some(reply)
    })
    .await;
    reply.problem("clock-skewed");
    let skewed = world.logged("the skew", |entry| entry.kind() == "clock.skewed").await;
    assert_eq!(skewed.data()["stopped"], true);
    assert!(world.broker.trace().iter().any(|line| line["alarm"] == "clock.skewed"));
    world.post("alice", &format!("/v1/grants/{}/return", id(&grant)), &json!({})).await.ok();
    world.contained(id(&grant)).await;
    assert_eq!(list(&visitor).await, DENIED);
    world.done().await;
}
