//! Killed anywhere: nothing is lost, nothing stays open, nothing that was ended comes back.

use halligan_aws::Seen;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::proxy::Trouble;
use crate::support::{DENIED, World, eventually, list};

fn id(grant: &Value) -> &str {
    grant["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_kill_amid_a_mint_and_an_end_leaves_nothing_open() {
    let mut world = World::with(|config| {
        config["roles"]["prod-admin"]["emergency_acknowledge_within"] = "12s".into();
    })
    .await;
    let (minting, ended, kept) = (world.active(600).await, world.active(600).await, world.active(600).await);
    let short = world.active(12).await;
    let mut body = world.asking(600);
    body["emergency"] = json!(true);
    let emergency = world.post("alice", "/v1/grants", &body).await.ok();
    let mut visitors = Vec::new();
    for grant in [&ended, &kept, &short, &emergency] {
        visitors.push(world.visitor(&world.mint(id(grant)).await.ok()));
        assert_eq!(list(visitors.last().unwrap()).await, Seen::Allowed);
    }
    let [ended_visitor, kept_visitor, short_visitor, emergency_visitor] = &visitors[..] else { unreachable!() };

    // One AssumeRole is under way, one deny is on its way, when the broker dies.
    world.proxy.trouble("SourceIdentity=alice", usize::MAX, Trouble::Silence);
    world.proxy.trouble("Action=PutRolePolicy", usize::MAX, Trouble::Silence);
    let revoke = format!("/v1/grants/{}/revoke", id(&ended));
    world.post("carol", &revoke, &json!({"reason": "wrong account"})).await.ok();
    let path = format!("{}/v1/grants/{}/credentials", world.broker.url, id(&minting));
    let mint = world.http().post(path).bearer_auth(world.person("alice").token()).send();
    let mint = tokio::spawn(mint);
    eventually("both calls", async || {
        let seen = |needle: &str| !world.proxy.seen(needle).is_empty();
        (seen(id(&minting)) && seen("Action=PutRolePolicy")).then_some(())
    })
    .await;
    assert_eq!(list(ended_visitor).await, Seen::Allowed, "the deny isn't there yet");
    world.broker.kill().await;
    assert!(mint.await.unwrap().is_err(), "nothing was handed out");
    world.proxy.peace();

    // Nobody is alive, and both ends come all the same.
    for (grant, visitor, end) in [(&short, short_visitor, "ends_at"), (&emergency, emergency_visitor, "ack_due")] {
        let end: Timestamp = grant[end].as_str().unwrap().parse().unwrap();
        let (before, refused) = eventually("the fence", async || {
            let before = crate::support::now();
            let outcome = list(visitor).await;
            (outcome == DENIED).then(|| (before, crate::support::now()))
        })
        .await;
        assert!(refused >= end && before.duration_since(end).as_secs() < 2, "{end}: {before} {refused}");
    }

    world.broker.start().await;
    // An intent without an outcome counts as issued, and stands in the way of nothing.
    assert_eq!(world.grant(id(&minting)).await["credentials_issued"], 1);
    let fresh = eventually("a mint", async || {
        let reply = world.mint(id(&minting)).await;
        (reply.status == 200).then_some(reply.body)
    })
    .await;
    assert_eq!(list(&world.visitor(&fresh)).await, Seen::Allowed);
    for (grant, state) in [(&short, "expired"), (&emergency, "revoked"), (&ended, "revoked"), (&kept, "active")] {
        eventually(state, async || (world.grant(id(grant)).await["state"] == state).then_some(())).await;
    }
    world.contained(id(&ended)).await;
    let outcomes = futures::future::join_all(visitors.iter().map(list)).await;
    assert_eq!(outcomes, [DENIED, Seen::Allowed, DENIED, DENIED]);
    assert_eq!(list(kept_visitor).await, Seen::Allowed);

    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    world.mint(id(&ended)).await.problem("wrong-state");
    world.done().await;
}

/// Kills at many moments of a busy time, and after each what was answered is still so.
#[tokio::test]
async fn whatever_was_answered_before_a_kill_holds_after_it() {
    let mut world = World::new().await;
    let mut answered: Vec<(String, &str)> = Vec::new();
    for round in 0..8_u64 {
        let moment = tokio::time::sleep(std::time::Duration::from_millis(20 + 35 * round));
        let busy = async {
            let token = |login| world.person(login).token();
            let post = async |login, path: String, body: Value| {
                let url = format!("{}{path}", world.broker.url);
                let answer = world.http().post(url).bearer_auth(token(login)).json(&body).send().await.ok()?;
                let success = answer.status().is_success();
                let body: Value = answer.json().await.ok()?;
                world.remember_secrets_of(&body.to_string());
                success.then_some(body)
            };
            let mut done = Vec::new();
            loop {
                let Some(asked) = post("alice", "/v1/grants".into(), world.asking(600)).await else { return done };
                let path = format!("/v1/grants/{}", id(&asked));
                done.push((id(&asked).to_owned(), "pending"));
                let hash = json!({"request_hash": asked["request_hash"]});
                let Some(_) = post("bob", format!("{path}/acknowledge"), hash).await else { return done };
                done.push((id(&asked).to_owned(), "active"));
                post("alice", format!("{path}/credentials"), json!({})).await;
                let Some(_) = post("alice", format!("{path}/return"), json!({})).await else { return done };
                done.push((id(&asked).to_owned(), "returned"));
            }
        };
        let killed = async {
            moment.await;
            world.broker.shoot();
        };
        let (done, ()) = tokio::join!(busy, killed);
        answered.extend(done);
        world.broker.kill().await;
        world.broker.start().await;
        let order = ["pending", "active", "returned"];
        let rank = |state: &str| order.iter().position(|known| *known == state).unwrap();
        for (grant, state) in &answered {
            let now = world.grant(grant).await;
            assert!(rank(now["state"].as_str().unwrap()) >= rank(state), "{grant} was {state}, and is {now}");
        }
    }
    assert!(answered.iter().any(|(_, state)| *state == "returned"), "the kills came too early to show anything");
    world.done().await;
}
