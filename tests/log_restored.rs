//! A store that was restored, a log that went two ways: what had ended stays ended,
//! and nothing is minted before somebody has looked.

use std::fs;
use std::path::Path;

use halligan_aws::Seen;
use serde_json::{Value, json};

use crate::support::bucket::Bucket;
use crate::support::{DENIED, Output, World, eventually, list};

fn id(grant: &Value) -> &str {
    grant["id"].as_str().unwrap()
}

/// The files of the store of a broker that is stopped.
fn store(state: &Path) -> Vec<String> {
    let names = fs::read_dir(state).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("halligan.db")).collect()
}

fn copy_store(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in store(to) {
        fs::remove_file(to.join(name)).unwrap();
    }
    let files = store(from);
    assert!(files.contains(&"halligan.db".to_owned()), "{files:?}");
    for name in files {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy_all(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}

impl World {
    async fn stop(&mut self) {
        let stopped = self.broker.stop().await;
        assert!(stopped.success(), "{stopped}: {}", self.broker.trace_text());
    }

    async fn recover(&self, arguments: &[&str]) -> Output {
        let file = self.directory().join("halligan.toml");
        let mut command = self.command("alice", &["log", "recover", "--config", file.to_str().unwrap()]);
        command.args(arguments).envs(self.broker.environment().iter().map(|(name, value)| (name, value)));
        self.run(command).await
    }
}

#[tokio::test]
async fn what_had_ended_before_the_store_was_restored_is_ended() {
    let mut world = World::without_broker().await;
    let bucket = Bucket::new(&mut world).await;
    world.configure();
    world.broker.start().await;
    let (state, old) = (world.directory().join("state"), world.directory().join("old"));
    let (ended, kept) = (world.active(3_600).await, world.active(3_600).await);
    let visitor = world.visitor(&world.mint(id(&ended)).await.ok());
    world.mint(id(&kept)).await.ok();
    world.stop().await;
    copy_store(&state, &old);

    world.broker.start().await;
    world.post("carol", &format!("/v1/grants/{}/revoke", id(&ended)), &json!({"reason": "wrong account"})).await.ok();
    world.contained(id(&ended)).await;
    let (later, pending) =
        (world.active(3_600).await, world.post("alice", "/v1/grants", &world.asking(600)).await.ok());
    world.mint(id(&later)).await.ok();
    bucket.logged(&world, "the containment", |entry| entry.kind() == "containment.observed").await;
    world.stop().await;
    let before = bucket.log(&world).await;

    copy_store(&old, &state);
    world.broker.start().await;
    // From the first answer on.
    world.mint(id(&ended)).await.problem("wrong-state");
    assert_eq!(list(&visitor).await, DENIED);
    for (grant, expected) in [(&ended, "revoked"), (&kept, "active"), (&later, "active"), (&pending, "pending")] {
        assert_eq!(world.grant(id(grant)).await["state"], expected, "{grant}");
    }
    assert_eq!(world.grant(id(&later)).await["credentials_issued"], 1);
    let imported = bucket.logged(&world, "the import", |entry| entry.kind() == "log.imported").await;
    assert_eq!((&imported.data()["archive"], &imported.data()["forked"]), (&"logging".into(), &false.into()));
    assert_eq!(imported.data()["size"].as_u64().unwrap(), before.len() as u64, "{imported:?}");
    assert!(imported.data()["from"].as_u64().unwrap() < before.len() as u64, "{imported:?}");
    for grant in [&kept, &later] {
        let visitor = world.visitor(&world.mint(id(grant)).await.ok());
        assert_eq!(list(&visitor).await, Seen::Allowed);
    }
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    for grant in [&ended, &kept, &later] {
        world.contained(id(grant)).await;
    }

    // It went on where it was, and nothing of it has changed.
    let after = bucket.log(&world).await;
    assert!(after.len() > before.len());
    for (then, now) in before.iter().zip(&after) {
        assert_eq!(then.entry, now.entry);
    }
    bucket.whole(&world, &[]).await;
    world.done().await;
}

#[tokio::test]
async fn a_fork_stops_mints_until_somebody_has_looked_at_it() {
    let mut world = World::new().await;
    let (state, early, other) =
        (world.directory().join("state"), world.directory().join("early"), world.directory().join("other-log"));
    let (ended, kept) = (world.active(3_600).await, world.active(3_600).await);
    let visitor = world.visitor(&world.mint(id(&ended)).await.ok());
    world.stop().await;
    copy_all(&state, &early);

    // One of two brokers with the same key, which know nothing of each other.
    world.broker.start().await;
    world.post("carol", &format!("/v1/grants/{}/revoke", id(&ended)), &json!({"reason": "wrong account"})).await.ok();
    world.contained(id(&ended)).await;
    world.logged("the containment", |entry| entry.kind() == "containment.observed").await;
    world.stop().await;
    fs::rename(world.log_directory(), &other).unwrap();
    let right = world.directory().join("right-log");
    copy_all(&other, &right);

    // The other.
    fs::remove_dir_all(&state).unwrap();
    copy_all(&early, &state);
    world.broker.start().await;
    // Unless it sees first what the role's policy says.
    let reply = world.mint(id(&ended)).await;
    assert!([200, 409].contains(&reply.status), "{reply:#?}");
    let lost = world.active(3_600).await;
    world.mint(id(&lost)).await.ok();
    world.stop().await;

    fs::remove_dir_all(world.log_directory()).unwrap();
    fs::rename(&other, world.log_directory()).unwrap();
    world.broker.spawn();
    eventually("the alarm", async || world.broker.trace().iter().any(|line| line["alarm"] == "log.fork").then_some(()))
        .await;
    let ready = eventually("an answer", async || {
        let answer = world.http().get(format!("{}/readyz", world.broker.url)).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    })
    .await;
    assert_eq!(ready, 503);
    for grant in [&ended, &kept, &lost] {
        let reply = world.mint(id(grant)).await;
        assert_eq!(reply.status, 503, "{reply:#?}");
    }
    world.stop().await;

    let looked = world.recover(&[]).await;
    assert_eq!(looked.code, 1, "{looked:?}");
    assert!(looked.stdout.contains("other ones than the store from"), "{looked:?}");
    assert_eq!(
        fs::read(world.log_directory().join("checkpoint")).unwrap(),
        fs::read(right.join("checkpoint")).unwrap()
    );
    assert_ne!(world.recover(&["--trust", "nowhere", "--yes"]).await.code, 0);
    let mended = world.recover(&["--trust", "local", "--yes"]).await.ok();
    assert!(mended.stdout.contains("the store follows the archive from entry"), "{mended:?}");

    world.broker.start().await;
    world.mint(id(&ended)).await.problem("wrong-state");
    assert_eq!(list(&visitor).await, DENIED);
    let visitor = world.visitor(&world.mint(id(&kept)).await.ok());
    assert_eq!(list(&visitor).await, Seen::Allowed);
    let imported = world.logged("the import", |entry| entry.kind() == "log.imported").await;
    assert_eq!(imported.data()["forked"], true);
    let log = world.log();
    let before = crate::support::log::read(&right);
    assert!(before.iter().zip(&log).all(|(then, now)| then.entry == now.entry), "the archive's entries stay");
    let aside = log.iter().filter(|entry| entry.kind() == "log.entry_set_aside").count();
    assert!(aside > 0, "what contradicts the archive is told of");

    // The grant that only the other one knew comes behind, with its credentials.
    assert_eq!(world.grant(id(&lost)).await["credentials_issued"], 1);
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    for grant in [&ended, &kept, &lost] {
        world.contained(id(grant)).await;
    }
    world.stop().await;
    world.recover(&[]).await.ok();
    world.done().await;
}
