#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use halligan_core::actor::Principal;
use halligan_core::catalogue::{Access, Catalogue, Role};
use halligan_core::id::{GroupId, RoleId};
use halligan_engine::fakes::store::Fault;
use halligan_engine::fakes::world::{FakeWorld, Running};
use halligan_engine::ports::{Clock as _, IdentityProvider};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::config::tests::SOUND;
use crate::serve::identity;

const CAROL: &str = "\n[people.carol]\ngroups = [\"leads\"]\nmail = \"carol@example.com\"\n\
                     principals = [{ issuer = \"halligan:bob\", subject = \"carol\" }]\n";
const POLICY: &str = "@id(\"leads-may-ask\")\npermit (\n  principal in Halligan::Group::\"leads\",\n  \
                      action == Halligan::Action::\"request\",\n  resource\n);\n";

/// A configuration in a directory of its own, and a broker over fakes that keeps to it.
struct Desk {
    files: TempDir,
    world: FakeWorld,
    _running: Running,
    addresses: Arc<Addresses>,
    asked: Arc<Asked>,
    reloading: Reloading,
}

impl Desk {
    fn new() -> Self {
        Self::with("")
    }

    /// With these settings beside the sound ones.
    fn with(more: &str) -> Self {
        Self::within(TempDir::new().unwrap(), more)
    }

    fn within(files: TempDir, more: &str) -> Self {
        fs::write(files.path().join("token"), "Token halligan-test-secret").unwrap();
        fs::create_dir(files.path().join("policies")).unwrap();
        fs::write(files.path().join("policies/ask.cedar"), POLICY).unwrap();
        let file = files.path().join("halligan.toml");
        fs::write(&file, format!("{}{more}", sound())).unwrap();
        let loaded = Config::load(&file).unwrap();
        let mut world = FakeWorld::new(loaded.rules.access());
        world.catalogue = Arc::new(loaded.catalogue.clone());
        let running = world.start();
        let recorder = running.broker.recorder().clone();
        let reload = Reload::new(world.access.clone(), world.store.clone(), recorder, world.clock.clone());
        let (addresses, asked) = (Arc::new(Addresses::new(loaded.rules.mail())), Arc::new(Asked::default()));
        let mailer = identity::mailer(loaded.mail.as_ref(), &addresses).unwrap();
        let vouching = Vouching::new(&loaded, &running.broker, mailer, world.clock.clone()).unwrap();
        let reloading = Reloading::new(
            (file.clone(), Fingerprint::of(&file)),
            Fixed::of(&loaded),
            reload,
            vouching,
            addresses.clone(),
            asked.clone(),
        );
        Self { files, world, _running: running, addresses, asked, reloading }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.files.path().join(name), text).unwrap();
    }

    /// So many looks; returns how often something else was put in force.
    async fn look(&self, times: u32) -> u32 {
        let mut changed = 0;
        for _ in 0..times {
            let status = self.reloading.tick(self.world.clock.now()).await.unwrap();
            assert_eq!(status.next, Some(self.world.clock.now() + LOOK_EVERY));
            changed += status.done;
        }
        changed
    }

    /// Whether carol is anybody.
    fn knows_carol(&self) -> bool {
        let login = Principal { issuer: "halligan:bob".to_owned(), subject: "carol".to_owned() };
        self.world.access.now().directory.person(&login).is_ok()
    }

    fn entries(&self) -> Vec<Value> {
        let entries = self.world.store.entries().into_iter();
        entries.map(|entry| serde_json::to_value(&entry.sealed.entry).unwrap()).collect()
    }

    fn types(&self) -> Vec<String> {
        self.entries().iter().map(|entry| entry["type"].as_str().unwrap().to_owned()).collect()
    }
}

fn sound() -> String {
    SOUND.replace("{ env = \"TOOL_TOKEN\" }", "{ file = \"token\" }")
}

#[tokio::test]
async fn what_doesn_t_change_is_not_read_again() {
    let desk = Desk::new();
    assert_eq!(desk.look(5).await, 0);
    // Another text that says the same.
    desk.write("halligan.toml", &format!("{}# the same\n", sound()));
    assert_eq!(desk.look(5).await, 0);
    assert_eq!(desk.types(), [""; 0]);
}

#[tokio::test]
async fn people_come_and_go_without_a_restart() {
    let desk = Desk::new();
    assert!(!desk.knows_carol());
    desk.write("halligan.toml", &format!("{}{CAROL}", sound()));
    assert_eq!(desk.look(1).await, 0, "it may be half written");
    assert!(!desk.knows_carol());
    assert_eq!(desk.look(1).await, 1);
    assert!(desk.knows_carol());
    assert!(format!("{:?}", desk.addresses).contains("carol"));
    desk.write("halligan.toml", &sound());
    assert_eq!(desk.look(3).await, 1);
    assert!(!desk.knows_carol());
    assert!(!format!("{:?}", desk.addresses).contains("carol"));
    assert_eq!(desk.types(), ["policy.changed", "policy.changed"]);
    let (first, second) = (&desk.entries()[0]["data"], &desk.entries()[1]["data"]);
    assert_eq!((&first["before"], &first["after"]), (&second["after"], &second["before"]));
}

#[tokio::test]
async fn a_file_that_is_being_written_is_waited_for() {
    let desk = Desk::new();
    let whole = format!("{}{CAROL}", sound());
    for end in (sound().len()..whole.len()).step_by(20) {
        if !whole.is_char_boundary(end) || end == sound().len() {
            continue;
        }
        desk.write("halligan.toml", &whole[..end]);
        assert_eq!(desk.look(1).await, 0);
    }
    desk.write("halligan.toml", &whole);
    assert_eq!(desk.look(2).await, 1);
    assert_eq!(desk.types(), ["policy.changed"], "no half of it was read");
}

#[tokio::test]
async fn policies_are_read_again_file_by_file() {
    let desk = Desk::with("[policy]\ndirectory = \"policies\"\n");
    let rules = || desk.world.access.now().policies.ids().iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(rules(), ["leads-may-ask"]);
    desk.write("policies/more.cedar", &POLICY.replace("leads-may-ask", "more"));
    assert_eq!(desk.look(2).await, 1);
    assert_eq!(rules(), ["leads-may-ask", "more"]);
    fs::remove_file(desk.files.path().join("policies/more.cedar")).unwrap();
    assert_eq!(desk.look(2).await, 1);
    assert_eq!(rules(), ["leads-may-ask"]);
    // What is no policy decides nothing.
    desk.write("policies/notes.md", "none");
    desk.write("policies/.ask.cedar.swp", "none");
    desk.write("policies/.hidden.cedar", "none");
    assert_eq!(desk.look(3).await, 0);
    assert_eq!(desk.types(), ["policy.changed", "policy.changed"]);
}

#[tokio::test]
async fn what_is_faulty_keeps_what_was_good() {
    let desk = Desk::with("[policy]\ndirectory = \"policies\"\n");
    let before = desk.world.access.now().sha256.clone();
    for (name, file, text, expected) in [
        ("syntax", "policies/ask.cedar", POLICY.replace(");", "}"), "policies/ask.cedar:6:1: "),
        ("an unknown group", "policies/ask.cedar", POLICY.replace("leads\"", "leaders\""), "policies/ask.cedar:3:16: "),
        ("no text", "policies/more.cedar", "\u{0}".to_owned(), "policies/more.cedar:1:1: "),
        ("no TOML", "halligan.toml", "[people".to_owned(), "configuration: TOML parse error at line 1, column 8: "),
        ("a setting", "halligan.toml", sound().replace("people = true", "people = false"), "issuers"),
        ("a file that is gone", "halligan.toml", String::new(), "missing field `deployment`"),
    ] {
        let kept = fs::read(desk.files.path().join(file)).ok();
        let told = desk.types().len();
        desk.write(file, &text);
        assert_eq!(desk.look(4).await, 0, "{name}");
        assert_eq!(desk.world.access.now().sha256, before, "{name}");
        assert_eq!(desk.types().len(), told + 1, "{name}: told once");
        let entry = desk.entries().pop().unwrap();
        assert_eq!((&entry["type"], &entry["data"]["kept"]), (&json!("policy.rejected"), &json!(before)), "{name}");
        assert!(entry["data"]["because"].to_string().contains(expected), "{name}: {}", entry["data"]);
        match kept {
            Some(text) => fs::write(desk.files.path().join(file), text).unwrap(),
            None => fs::remove_file(desk.files.path().join(file)).unwrap(),
        }
        assert_eq!(desk.look(4).await, 0, "{name}: as it was");
    }
}

#[tokio::test]
async fn on_a_signal_files_are_read_at_once() {
    let desk = Desk::new();
    desk.write("halligan.toml", &format!("{}{CAROL}", sound()));
    desk.asked.ask();
    assert_eq!(desk.look(1).await, 1);
    assert!(desk.knows_carol());
    // What is faulty is told as often as somebody asks.
    desk.write("halligan.toml", "[people");
    for _ in 0..2 {
        desk.asked.ask();
        assert_eq!(desk.look(3).await, 0);
    }
    assert_eq!(desk.types(), ["policy.changed", "policy.rejected", "policy.rejected"]);
    assert!(desk.knows_carol());
}

#[tokio::test]
async fn the_signal_is_heard() {
    let asked = Asked::listen().unwrap();
    assert!(!asked.take());
    let own = rustix::process::getpid();
    rustix::process::kill_process(own, rustix::process::Signal::HUP).unwrap();
    asked.wake().notified().await;
    assert!(asked.take() && !asked.take());
}

#[tokio::test]
async fn what_can_t_be_written_down_is_tried_again() {
    let desk = Desk::new();
    desk.write("halligan.toml", &format!("{}{CAROL}", sound()));
    desk.world.store.fail_write(0, Fault::NotDone);
    assert_eq!(desk.look(1).await, 0);
    desk.reloading.tick(desk.world.clock.now()).await.unwrap_err();
    assert!(!desk.knows_carol(), "nothing happens unlogged");
    assert_eq!(desk.look(1).await, 1);
    assert!(desk.knows_carol());
    assert_eq!(desk.types(), ["policy.changed"]);
}

#[test]
fn what_needs_a_restart_is_known_by_its_setting() {
    let files = TempDir::new().unwrap();
    fs::write(files.path().join("token"), "Token halligan-test-secret").unwrap();
    let file = files.path().join("halligan.toml");
    let fixed = |text: &str| {
        fs::write(&file, text).unwrap();
        Fixed::of(&Config::load(&file).unwrap())
    };
    let before = fixed(&sound());
    let with = |old: &str, new: &str| {
        let text = sound();
        assert!(text.contains(old), "there is no {old} to replace");
        before.otherwise(&fixed(&text.replacen(old, new, 1)))
    };
    for (old, new, expected) in [
        ("[aws]", "[server]\nlisten = \"127.0.0.1:9090\"\n[aws]", vec!["server"]),
        ("[aws]", "[store]\nurl = \"sqlite:other.db\"\n[aws]", vec!["store"]),
        ("[aws]", "[log]\nheartbeat = \"5m\"\n[aws]", vec!["log"]),
        ("[aws]", "[sessions]\nidle = \"5m\"\n[passkeys]\nwait = \"48h\"\n[aws]", vec!["sessions", "passkeys"]),
        ("eu-central-1", "eu-west-1", vec!["aws"]),
        ("role/admin\"", "role/another\"", vec!["roles"]),
        ("[aws]", MAIL, vec!["mail"]),
        // These are swapped while it serves.
        ("audience = \"halligan\"", "audience = \"other\"", vec![]),
        ("requesters = [\"oncall\"]", "requesters = [\"leads\", \"oncall\"]", vec![]),
        ("[aws]", "[log]\nreaders = [\"leads\"]\n[aws]", vec![]),
        ("[\"oncall\", \"leads\"]", "[\"leads\"]", vec![]),
    ] {
        assert_eq!(with(old, new), expected, "{new}");
    }
    // A secret in the same place, which is another.
    fs::write(files.path().join("token"), "Token halligan-other-secret").unwrap();
    assert_eq!(before.otherwise(&fixed(&sound())), ["incidents"]);
}

const MAIL: &str = "[mail]\nserver = \"127.0.0.1:25\"\nsecurity = \"none\"\nfrom = \"halligan@example.com\"\n[aws]";

/// A provider that people sign in with, whose secret is in a file.
const PROVIDER: &str = r#"
[[issuers]]
issuer = "https://id.example.com"
audience = "halligan"
people = true
discovery = true
[issuers.sign_in]
name = "work"
client_id = "halligan-web"
client_secret = { file = "secret" }
command_line_client_id = "halligan-cli"
"#;

impl Desk {
    fn with_provider() -> Self {
        let files = TempDir::new().unwrap();
        fs::write(files.path().join("secret"), "first-halligan-secret").unwrap();
        Self::within(files, PROVIDER)
    }

    /// What people sign in with, by which version of its settings.
    fn provider(&self) -> (String, Arc<dyn IdentityProvider>) {
        self.reloading.vouching.provider("work").unwrap()
    }
}

#[tokio::test]
async fn a_secret_that_is_another_in_its_place_is_taken_and_nothing_else_is_forgotten() {
    let desk = Desk::with_provider();
    let (version, provider) = desk.provider();
    desk.write("halligan.toml", &format!("{}{PROVIDER}{CAROL}", sound()));
    assert_eq!(desk.look(3).await, 1);
    let (same, kept) = desk.provider();
    assert!(same == version && Arc::ptr_eq(&kept, &provider), "what it fetched is kept");

    // Seen by itself. Nothing that decides is another, so nothing is written down.
    desk.write("secret", "second-halligan-secret");
    assert_eq!(desk.look(3).await, 0);
    let (other, renewed) = desk.provider();
    assert!(other != version && !Arc::ptr_eq(&renewed, &provider));
    assert_eq!(desk.types(), ["policy.changed"]);
    let told = format!("{:?}", desk.entries());
    assert!(!told.contains(&other) && !told.contains(&version), "what hashes a secret is shown to nobody");
    // A secret that can't be read keeps the one from before.
    fs::remove_file(desk.files.path().join("secret")).unwrap();
    desk.asked.ask();
    assert_eq!(desk.look(1).await, 0);
    assert!(Arc::ptr_eq(&desk.provider().1, &renewed));
    assert_eq!(desk.types(), ["policy.changed", "policy.rejected"]);
}

#[tokio::test]
async fn how_tokens_are_checked_is_written_down_like_who_is_who() {
    for (name, old, new) in [
        ("an audience", "audience = \"halligan\"", "audience = \"other\""),
        ("a lifetime", "people = true", "people = true\nmax_lifetime = \"10m\""),
        ("a key", "keys = [{ pem", "keys = [{ kid = \"laptop\", pem"),
        ("another client", "halligan-web", "halligan-pages"),
        ("another way to the keys", "discovery = true", "jwks_url = \"https://id.example.com/keys\""),
        ("an algorithm", "discovery = true", "discovery = true\nalgorithms = [\"ES256\"]"),
        ("a list of a role", "requesters = [\"oncall\"]", "requesters = [\"oncall\", \"leads\"]"),
    ] {
        let desk = Desk::with_provider();
        let text = format!("{}{PROVIDER}", sound());
        assert!(text.contains(old), "{name}");
        desk.write("halligan.toml", &text.replacen(old, new, 1));
        assert_eq!(desk.look(3).await, 1, "{name}");
        assert_eq!(desk.types(), ["policy.changed"], "{name}");
    }
}

#[test]
fn lists_of_a_role_that_is_otherwise_changed_get_no_longer() {
    let list =
        |names: &str| -> BTreeSet<GroupId> { names.split_whitespace().map(|name| name.parse().unwrap()).collect() };
    let access = |requesters: &str, acknowledgers: &str, revokers: &str, starters: &str| Access {
        requesters: list(requesters),
        acknowledgers: list(acknowledgers),
        revokers: list(revokers),
        emergency_starters: list(starters),
    };
    let files = TempDir::new().unwrap();
    fs::write(files.path().join("token"), "Token halligan-test-secret").unwrap();
    let file = files.path().join("halligan.toml");
    fs::write(&file, sound()).unwrap();
    let running = Config::load(&file).unwrap().catalogue;
    let admin: RoleId = "admin".parse().unwrap();
    let held = access("a b", "c d", "e", "a");
    let next = access("b x", "d x", "f", "x");
    let of = |change: fn(&mut Role)| {
        let mut file = running.clone();
        let role = file.roles.get_mut(&admin).unwrap();
        role.access = next.clone();
        change(role);
        fixed::lists(&running, &BTreeMap::from([(admin.clone(), held.clone())]), &file)[&admin].clone()
    };
    assert_eq!(of(|_| ()), next);
    for (name, change) in [
        ("another role of AWS", (|role| role.arn = role.revoker.clone()) as fn(&mut Role)),
        ("longer", |role| role.duration_max = role.total_max),
        ("a console", |role| role.console = true),
        ("another scope", |role| role.scopes.clear()),
    ] {
        assert_eq!(of(change), access("b", "d", "f", ""), "{name}");
    }
    let gone = Catalogue { roles: BTreeMap::new(), ..running.clone() };
    let lists = fixed::lists(&running, &BTreeMap::from([(admin.clone(), held)]), &gone);
    assert_eq!(lists[&admin], access("", "", "e", ""));
    // What the broker doesn't know yet has no lists.
    assert_eq!(fixed::lists(&gone, &BTreeMap::new(), &running), BTreeMap::new());
}
