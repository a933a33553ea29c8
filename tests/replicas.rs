//! Two brokers on one PostgreSQL: either does the other's work, and neither does it twice.

use std::path::PathBuf;

use pgtemp::{PgTempDB, PgTempDBBuilder};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::proxy::Trouble;
use crate::support::stand_in::free_port;
use crate::support::{Broker, DENIED, Reply, World, eventually, list};

/// A PostgreSQL server, with the programs in `HALLIGAN_PG_BIN` or on the path.
pub async fn postgres() -> PgTempDB {
    let mut builder = PgTempDBBuilder::new()
        .with_initdb_arg("encoding", "UTF8")
        .with_initdb_arg("locale", "C.UTF-8")
        // Nobody reads its pipe: a server that has much to say would wait for ever.
        .with_config_param("log_min_messages", "panic");
    if let Some(bin) = std::env::var_os("HALLIGAN_PG_BIN") {
        builder = builder.with_bin_path(PathBuf::from(bin));
    }
    builder.start_async().await
}

/// Both up.
pub struct Two {
    pub world: World,
    pub other: Broker,
    _postgres: PgTempDB,
}

impl Two {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// With another configuration.
    pub async fn with(change: impl FnOnce(&mut World)) -> Self {
        let (mut world, postgres) = tokio::join!(World::without_broker(), postgres());
        change(&mut world);
        let url = postgres.connection_uri();
        world.remember_secret(&url);
        world
            .config
            .insert("store".into(), "url_from = { env = \"STORE_URL\" }".parse::<toml::Table>().unwrap().into());
        world.configure();
        world.broker.set("STORE_URL", &url);
        world.broker.start().await;

        let port = free_port();
        let mut config = world.config.clone();
        config["server"]["listen"] = format!("127.0.0.1:{port}").into();
        // Each its own, and one log.
        config["state_directory"] = "other-state".into();
        let shared =
            "key = { file = \"state/log.key\" }\narchives = { local = { kind = \"directory\", path = \"state/log\" } }";
        let shared: toml::Table = shared.parse().unwrap();
        config["log"].as_table_mut().unwrap().extend(shared);
        let file = world.directory().join("other.toml");
        std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        let mut other = world.broker.beside(&format!("http://127.0.0.1:{port}"), &file);
        other.start().await;
        Self { world, other, _postgres: postgres }
    }

    async fn post_other(&self, login: &str, path: &str, body: &Value) -> Reply {
        let world = &self.world;
        let request = world.http().request(Method::POST, format!("{}{path}", self.other.url));
        world.send(request.bearer_auth(world.person(login).token()).json(body)).await
    }
}

fn path(grant: &Value, action: &str) -> String {
    format!("/v1/grants/{}/{action}", grant["id"].as_str().unwrap())
}

#[tokio::test]
async fn one_takes_what_the_other_left_and_nothing_happens_twice() {
    let mut two = Two::new().await;
    let world = &two.world;

    // Asked here, acknowledged there, minted at both.
    let asked = world.post("alice", "/v1/grants", &world.asking(600)).await.ok();
    let hash = json!({"request_hash": asked["request_hash"]});
    two.post_other("bob", &path(&asked, "acknowledge"), &hash).await.ok();
    let (mint, nothing) = (path(&asked, "credentials"), json!({}));
    let (here, there) = tokio::join!(world.post("alice", &mint, &nothing), two.post_other("alice", &mint, &nothing));
    let visitors = [world.visitor(&here.ok()), world.visitor(&there.ok())];

    // Both say yes at once: one is the second person.
    for _ in 0..5 {
        let asked = world.post("alice", "/v1/grants", &world.asking(600)).await.ok();
        let hash = json!({"request_hash": asked["request_hash"]});
        let acknowledge = path(&asked, "acknowledge");
        let (bob, carol) =
            tokio::join!(world.post("bob", &acknowledge, &hash), two.post_other("carol", &acknowledge, &hash));
        let mut statuses = [bob.status, carol.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{bob:#?} {carol:#?}");
        let by = if bob.status == 200 { "bob" } else { "carol" };
        assert_eq!(world.grant(asked["id"].as_str().unwrap()).await["acknowledged_by"], by);
    }

    // The same call to both, as a client does that lost the first answer: one grant.
    let send = |url: &str| {
        let call = world.http().post(format!("{url}/v1/grants")).bearer_auth(world.person("alice").token());
        world.send(call.header("Idempotency-Key", "once").json(&world.asking(600)))
    };
    let (here, there) = tokio::join!(send(&world.broker.url), send(&two.other.url));
    let ids: Vec<_> = [&here, &there].into_iter().filter(|reply| reply.status == 201).map(|r| &r.body["id"]).collect();
    match ids[..] {
        [one, same] => assert_eq!(one, same),
        [_] => assert!(here.status == 409 || there.status == 409, "{here:#?} {there:#?}"),
        _ => panic!("{here:#?} {there:#?}"),
    }
    let pending = world.get("carol", "/v1/grants?state=pending").await.ok();
    assert_eq!(pending["grants"].as_array().unwrap().len(), 1);

    // One dies at a revocation: the other finishes it, and the log goes on.
    world.proxy.trouble("Action=PutRolePolicy", usize::MAX, Trouble::Silence);
    two.post_other("carol", &path(&asked, "revoke"), &json!({"reason": "wrong account"})).await.ok();
    eventually("the deny to be on its way", async || {
        (!world.proxy.seen("Action=PutRolePolicy").is_empty()).then_some(())
    })
    .await;
    two.other.kill().await;
    let world = &two.world;
    world.proxy.peace();
    world.contained(asked["id"].as_str().unwrap()).await;
    for visitor in &visitors {
        assert_eq!(list(visitor).await, DENIED);
    }
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    two.world.done().await;
}
