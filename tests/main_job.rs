//! Ask, acknowledge, use, and it is over: by the command line, as people do it.

use halligan_aws::provision::TARGET_ACCOUNT_ID;
use halligan_aws::{Attempt, Seen, Visitor};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{DENIED, World, eventually, list};

const ASK: [&str; 6] = ["request", "prod-admin", "--incident", "INC-1", "--reason", "checkout answers 500"];

fn id(grant: &Value) -> &str {
    grant["id"].as_str().unwrap()
}

fn time(text: &Value) -> Timestamp {
    text.as_str().unwrap().parse().unwrap()
}

async fn asked(world: &World, more: &[&str]) -> Value {
    world.cli("alice", &[&ASK, more, &["--json"]].concat()).await.ok().json()
}

async fn acknowledged(world: &World, grant: &Value) -> Value {
    world.cli("bob", &["ack", id(grant), "--yes", "--json"]).await.ok().json()
}

async fn credentials(world: &World, grant: &Value) -> Value {
    world.cli("alice", &["credentials", id(grant), "--format", "process"]).await.ok().json()
}

async fn make_bucket(world: &World) {
    let root = Visitor::root(&world.accounts, TARGET_ACCOUNT_ID);
    assert_eq!(root.create_bucket("invoices").await, Seen::Allowed);
}

#[tokio::test]
async fn a_grant_from_request_to_return() {
    let world = World::new().await;
    let waiting = world.command("alice", &[&ASK[..], &["--duration", "10m", "--wait", "--json"]].concat());
    let (waited, acknowledged) = tokio::join!(world.run(waiting), async {
        let pending = eventually("the request", async || {
            let page = world.cli("bob", &["list", "--state", "pending", "--json"]).await.ok().json();
            page["grants"].get(0).cloned()
        })
        .await;
        // Nobody is there to be asked, so nothing is sent.
        assert_eq!(world.cli("bob", &["ack", id(&pending)]).await.code, 6);
        let hash = pending["request_hash"].as_str().unwrap();
        world.cli("bob", &["ack", id(&pending), "--yes", "--hash", hash, "--json"]).await.ok().json()
    });
    let grant = waited.ok().json();
    assert_eq!((&grant["state"], &grant["acknowledged_by"]), (&"active".into(), &"bob".into()));
    assert_eq!(id(&grant), id(&acknowledged));

    let held = credentials(&world, &grant).await;
    assert_eq!((&held["Version"], &held["Expiration"]), (&1.into(), &grant["ends_at"]));
    assert_eq!(credentials(&world, &grant).await, held, "the second time from the cache");
    let visitor = world.visitor(&held);
    assert_eq!(list(&visitor).await, Seen::Allowed);
    make_bucket(&world).await;
    let put = visitor.attempt(Attempt::PutObject("invoices")).await;
    assert_eq!(put, Seen::Denied { explicitly: false }, "the scope has no such thing");

    let returned = world.cli("alice", &["return", id(&grant), "--json"]).await.ok().json();
    assert_eq!(returned["state"], "returned");
    let contained = world.contained(id(&grant)).await;
    assert_eq!(list(&visitor).await, DENIED);
    assert_eq!(contained["containment"]["regions"], json!(["eu-central-1"]));
    assert_eq!(contained["credentials_issued"], 1);
    let kinds: Vec<_> = contained["timeline"].as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
    let story = [
        "grant.requested",
        "grant.acknowledged",
        "grant.activated",
        "credentials.intended",
        "credentials.issued",
        "grant.returned",
        "containment.observed",
    ];
    assert_eq!(kinds, story);

    let shown = world.cli("bob", &["show", id(&grant)]).await.ok().stdout;
    let seconds = contained["containment"]["seconds"].as_f64().unwrap();
    assert!(shown.contains(&format!("observed after {seconds:.1} s in eu-central-1")), "{shown}");
    // What was cached is not handed out any more.
    let over = world.cli("alice", &["credentials", id(&grant)]).await;
    assert_eq!((over.code, over.stdout.as_str()), (5, ""), "{over:?}");
    world.done().await;
}

#[tokio::test]
async fn of_two_grants_on_one_role_one_is_revoked_and_the_other_stays() {
    let world = World::new().await;
    let mut grants = Vec::new();
    for _ in 0..2 {
        grants.push(acknowledged(&world, &asked(&world, &["--duration", "20m"]).await).await);
    }
    let mut visitors = Vec::new();
    for grant in &grants {
        // Two sessions of each, as from two machines.
        for _ in 0..2 {
            visitors.push(world.visitor(&world.mint(id(grant)).await.ok()));
        }
    }
    let refused = world.cli("bob", &["revoke", id(&grants[0]), "--reason", "enough", "--json"]).await;
    assert_eq!((refused.code, &refused.json()["type"]), (4, &"urn:halligan:problem:not-permitted".into()));

    let revoked =
        world.cli("carol", &["revoke", id(&grants[0]), "--reason", "wrong account", "--json"]).await.ok().json();
    assert_eq!((&revoked["state"], &revoked["ended_by"]), (&"revoked".into(), &"carol".into()));
    world.contained(id(&grants[0])).await;
    let outcomes = futures::future::join_all(visitors.iter().map(list)).await;
    assert_eq!(outcomes, [DENIED, DENIED, Seen::Allowed, Seen::Allowed]);

    // The other grant mints on, and the first never again.
    let fresh = world.visitor(&world.mint(id(&grants[1])).await.ok());
    assert_eq!(list(&fresh).await, Seen::Allowed);
    world.mint(id(&grants[0])).await.problem("wrong-state");

    // Everything at once. Nobody is there to be asked.
    assert_eq!(world.cli("carol", &["revoke", "--all", "--reason", "drill"]).await.code, 6);
    let ended = world.cli("carol", &["revoke", "--all", "--reason", "drill", "--yes", "--json"]).await.ok().json();
    assert_eq!(ended["grants"].as_array().unwrap().len(), 1);
    world.contained(id(&grants[1])).await;
    assert_eq!(list(&fresh).await, DENIED);
    world.done().await;
}

#[tokio::test]
async fn an_extension_moves_the_end_of_what_refreshes_by_itself() {
    let world = World::new().await;
    let grant = acknowledged(&world, &asked(&world, &["--duration", "10m", "--scope", "everything"]).await).await;
    let before = credentials(&world, &grant).await;
    let extended =
        world.cli("alice", &["extend", id(&grant), "--duration", "10m", "--reason", "not yet", "--json"]).await;
    let extended = extended.ok().json();
    assert_eq!(extended["ends_at"], grant["ends_at"], "nobody has acknowledged it");
    let own = world.cli("alice", &["ack", id(&grant), "--yes", "--json"]).await;
    assert_eq!((own.code, &own.json()["type"]), (4, &"urn:halligan:problem:same-person".into()));

    let moved = acknowledged(&world, &grant).await;
    let seconds = |grant: &Value| time(&grant["ends_at"]).as_second();
    assert_eq!(seconds(&moved) - seconds(&grant), 600);
    let after = credentials(&world, &grant).await;
    // A token lives for whole seconds, so it may die within the last one.
    let left = seconds(&moved) - time(&after["Expiration"]).as_second();
    assert!((0..=1).contains(&left), "{after} {moved}");
    assert_ne!(before["AccessKeyId"], after["AccessKeyId"]);
    make_bucket(&world).await;
    let put = world.visitor(&after).attempt(Attempt::PutObject("invoices")).await;
    assert_eq!(put, Seen::Allowed, "its scope is everything");

    let again = ["extend", id(&grant), "--duration", "10m", "--reason", "once more"];
    world.cli("alice", &again).await.ok();
    let declined = world.cli("bob", &["decline", id(&grant), "--reason", "no", "--json"]).await.ok().json();
    assert_eq!((&declined["state"], &declined["ends_at"]), (&"active".into(), &moved["ends_at"]));
    world.cli("alice", &["return", id(&grant)]).await.ok();
    world.done().await;
}

#[tokio::test]
async fn an_emergency_start_is_over_unless_somebody_acknowledges() {
    let world = World::with(|config| {
        config["roles"]["prod-admin"]["emergency_acknowledge_within"] = "15s".into();
    })
    .await;
    let emergency = ["--duration", "10m", "--emergency"];
    let kept = asked(&world, &emergency).await;
    let kept = acknowledged(&world, &kept).await;
    assert_eq!(kept["ack_due"], Value::Null);
    assert_eq!(credentials(&world, &kept).await["Expiration"], kept["ends_at"]);

    let declined = asked(&world, &emergency).await;
    world.cli("bob", &["decline", id(&declined), "--reason", "not needed"]).await.ok();
    // Nobody goes on by starting again and again.
    let again = world.cli("alice", &[&ASK[..], &emergency, &["--json"]].concat()).await;
    assert_eq!((again.code, &again.json()["type"]), (1, &"urn:halligan:problem:not-acknowledged".into()));

    let another = ["request", "prod-admin", "--incident", "INC-3", "--reason", "the queue is full", "--json"];
    let left = world.cli("alice", &[&another, &emergency[..]].concat()).await.ok().json();
    let fence = &left["ack_due"];
    assert_eq!(left["state"], "active");
    let held = credentials(&world, &left).await;
    assert_eq!(&held["Expiration"], fence, "the end before the acknowledgement");

    let visitor = world.visitor(&held);
    assert_eq!(list(&visitor).await, Seen::Allowed);
    let over = eventually("the end of the unacknowledged start", async || {
        let grant = world.grant(id(&left)).await;
        (grant["state"] == "revoked").then_some(grant)
    })
    .await;
    assert_eq!(list(&visitor).await, DENIED);
    assert!((0..2).contains(&time(&over["ended_at"]).duration_since(time(fence)).as_secs()), "{over}");
    assert_eq!(world.grant(id(&kept)).await["state"], "active");
    world.cli("alice", &["return", id(&kept)]).await.ok();
    world.done().await;
}

/// Who may not, and what may not be: each with its exit code and its problem.
#[tokio::test]
async fn refusals_have_exit_codes_and_say_why() {
    let world = World::new().await;
    let pending = asked(&world, &["--duration", "10m"]).await;
    let ten = ["--duration", "10m"];
    let ask = |who: &'static str, incident: &'static str| {
        (who, [&["request", "prod-admin", "--incident", incident, "--reason", "r"], &ten[..]].concat())
    };
    let table = [
        ("no such incident", ask("alice", "INC-9"), 1, "incident-closed"),
        ("a closed incident", ask("alice", "INC-2"), 1, "incident-closed"),
        ("not eligible", ask("carol", "INC-1"), 4, "not-permitted"),
        ("an unknown role", ("alice", [&["request", "nothing"], &ASK[2..], &ten].concat()), 1, "unknown-role"),
        ("too long", ("alice", [&ASK[..], &["--duration", "61m"]].concat()), 1, "duration-out-of-bounds"),
        ("one's own request", ("alice", vec!["ack", id(&pending), "--yes"]), 4, "same-person"),
        ("with another login", ("alice-phone", vec!["ack", id(&pending), "--yes"]), 4, "same-person"),
        ("not yet", ("alice", vec!["credentials", id(&pending)]), 1, "wrong-state"),
        ("somebody else's", ("bob", vec!["withdraw", id(&pending)]), 4, "not-requester"),
        ("no such grant", ("alice", vec!["show", "032aA1NyKmZOHxdbISH2N5"]), 1, "not-found"),
    ];
    for (name, (who, arguments), code, slug) in table {
        let output = world.cli(who, &[&arguments[..], &["--json"]].concat()).await;
        assert_eq!(output.code, code, "{name}: {output:?}");
        assert_eq!(output.json()["type"], format!("urn:halligan:problem:{slug}"), "{name}");
        assert!(output.stderr.contains("refused") && output.stderr.contains(slug), "{name}: {output:?}");
    }
    assert_eq!(world.grant(id(&pending)).await["state"], "pending", "nothing has changed");

    // What never reaches the broker.
    assert_eq!(world.cli("alice", &["request"]).await.code, 2);
    assert_eq!(world.cli("mallory", &["whoami"]).await.code, 4);
    let mut nobody = world.command("alice", &["--json", "whoami"]);
    nobody.env("HALLIGAN_HOME", world.directory());
    assert_eq!(world.run(nobody).await.code, 4);
    let me = world.cli("alice-phone", &["whoami", "--json"]).await.ok().json();
    assert_eq!((&me["name"], &me["issuer"]), (&"alice".into(), &"halligan:alice-phone".into()));

    let withdrawn = world.cli("alice", &["withdraw", id(&pending), "--json"]).await.ok().json();
    assert_eq!(withdrawn["state"], "withdrawn");
    world.done().await;
}

#[tokio::test]
async fn a_closed_incident_ends_what_was_granted_for_it() {
    let world = World::new().await;
    let grant = acknowledged(&world, &asked(&world, &["--duration", "10m"]).await).await;
    let waiting = asked(&world, &["--duration", "10m"]).await;
    let visitor = world.visitor(&world.mint(id(&grant)).await.ok());
    world.incident_is("closed");
    world.mint(id(&grant)).await.problem("incident-closed");
    let refused = world.cli("bob", &["ack", id(&waiting), "--yes", "--json"]).await;
    assert_eq!((refused.code, &refused.json()["type"]), (1, &"urn:halligan:problem:incident-closed".into()));
    let over = world.contained(id(&grant)).await;
    assert_eq!(over["state"], "revoked");
    assert_eq!(list(&visitor).await, DENIED);
    assert_eq!(world.grant(id(&waiting)).await["state"], "cancelled");
    world.done().await;
}

#[tokio::test]
async fn a_broker_that_is_away_is_told_from_one_that_refuses() {
    let mut world = World::new().await;
    let grant = acknowledged(&world, &asked(&world, &["--duration", "10m"]).await).await;
    let held = credentials(&world, &grant).await;
    world.broker.kill().await;
    let away = world.cli("alice", &["list", "--json"]).await;
    assert_eq!((away.code, &away.json()["type"]), (3, &"urn:halligan:client:unreachable".into()));
    // AWS needs no broker, and neither do those who hold credentials.
    assert_eq!(credentials(&world, &grant).await, held);
    assert_eq!(list(&world.visitor(&held)).await, Seen::Allowed);
    world.broker.start().await;
    world.cli("alice", &["return", id(&grant)]).await.ok();
    world.done().await;
}
