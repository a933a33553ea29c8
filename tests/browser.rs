//! People with phones: a real browser, a real OpenID provider, a real mail server, and
//! passkeys. The pages are left as pictures under `target/pages`.

use std::fs;

use halligan_log::passkey::Algorithm;
use halligan_log::passkey::soft::SoftAuthenticator;
use reqwest::header::{ACCEPT, COOKIE, ORIGIN};
use serde_json::{Value, json};
use toml::Table;

use crate::support::browser::Browser;
use crate::support::bucket;
use crate::support::chromium::{Chromium, Seen};
use crate::support::log::Entry;
use crate::support::mail::MailServer;
use crate::support::sign_in::Place;
use crate::support::{Broker, World, root};

/// A passkey counts a day after its notice. Hers was enrolled some time before that.
const SECONDS_AGO: i64 = 25 * 3_600;

const POLICY: &str = r#"
@id("admins-are-signed-for")
@satisfiedBy("sign the acknowledgement with a passkey")
@obliges("sign")
forbid (principal, action == Halligan::Action::"acknowledge", resource == Halligan::Role::"prod-admin")
unless { context.signed };
"#;

/// alice, bob and carol have logins there, a mail address each, and a policy that demands signatures.
fn configure(world: &mut World, place: &Place, mail: &MailServer) {
    place.configure(world, &[("alice", &["alice"]), ("bob", &["bob"]), ("carol", &["carol"])]);
    for name in ["alice", "bob", "carol"] {
        let person = world.config["people"][name].as_table_mut().unwrap();
        person.insert("mail".into(), format!("{name}@example.com").into());
    }
    let more = format!(
        "[mail]\nserver = \"127.0.0.1:{}\"\nsecurity = \"none\"\nfrom = \"Halligan <halligan@example.com>\"\n\
         [policy]\ndirectory = \"policies\"\n",
        mail.port
    );
    world.config.extend(more.parse::<Table>().unwrap());
}

/// carol, whose browser and passkey are programs.
struct Carol<'a> {
    url: &'a str,
    browser: Browser,
    key: SoftAuthenticator,
}

impl<'a> Carol<'a> {
    fn new(url: &'a str) -> Self {
        let key = SoftAuthenticator::from_seed(Algorithm::ES256, [3; 32], "localhost", url).unwrap();
        Self { url, browser: Browser::new(), key }
    }

    async fn sign_in(&mut self) {
        let choose = self.browser.open(&format!("{}/sign-in", self.url), "-").await;
        let login = self.browser.submit(&choose, &[], "-").await;
        let home = self.browser.submit(&login, &[("login", "carol"), ("mfa", "yes")], "-").await;
        assert!(home.text.contains("Signed in as <strong>carol</strong>"), "{}", home.text);
    }

    /// The challenge for this, and its nonce.
    async fn challenge(&mut self, path: &str, fields: &[(&str, &str)]) -> ([u8; 32], Value) {
        let asked = self.browser.fetch(&format!("{}{path}", self.url), fields).await;
        let ask: Value = serde_json::from_str(&asked.text).unwrap_or_else(|_| panic!("{}", asked.text));
        let mut challenge = [0; 32];
        hex::decode_to_slice(ask["challenge"].as_str().unwrap_or_else(|| panic!("{ask}")), &mut challenge).unwrap();
        (challenge, ask["nonce"].clone())
    }

    async fn enrol(&mut self) {
        let (challenge, nonce) = self.challenge("/passkeys/challenge", &[("label", "red key")]).await;
        let mut answer = serde_json::to_value(self.key.register(&challenge).unwrap()).unwrap();
        answer["nonce"] = nonce;
        let fields = [("label", "red key"), ("answer", &answer.to_string())];
        let page = self.browser.fetch(&format!("{}/passkeys", self.url), &fields).await;
        assert!(page.text.contains("red key"), "{}", page.text);
    }

    async fn confirm(&mut self, credential: &str) {
        let fields = [("credential", credential)];
        let (challenge, nonce) = self.challenge("/passkeys/confirm/challenge", &fields).await;
        let mut answer = serde_json::to_value(self.key.assert(&challenge).unwrap()).unwrap();
        answer["nonce"] = nonce;
        let fields = [("credential", credential), ("answer", &answer.to_string())];
        let page = self.browser.fetch(&format!("{}/passkeys/confirm", self.url), &fields).await;
        assert!(page.text.contains("None waits"), "{}", page.text);
    }
}

#[track_caller]
fn has(seen: &Seen, words: &[&str]) {
    for words in words {
        assert!(seen.text.contains(words), "{words} is not in {seen:?}");
    }
}

fn is_session(entry: &Entry, kind: &str, person: &str) -> bool {
    entry.kind() == kind && entry.person() == Some(person)
}

async fn picture(chromium: &mut Chromium, who: &str, name: &str) {
    let directory = root().join("target/pages");
    fs::create_dir_all(&directory).unwrap();
    chromium.screenshot(who, &directory.join(format!("e2e-{name}.png"))).await;
}

async fn sign_in(chromium: &mut Chromium, who: &str, url: &str, until: &str) {
    chromium.begin(who, json!({})).await;
    chromium.open(who, url).await;
    chromium.press(who, "Sign in with example", "with a second factor").await;
    chromium.fill(who, "Name", who).await;
    let seen = chromium.press(who, "Sign in", until).await;
    assert_eq!(seen.url, url);
    has(&seen, &[&format!("Signed in as {who}")]);
}

#[tokio::test]
async fn two_phones_and_two_passkeys_make_an_acknowledgement_that_anybody_can_check() {
    let mut world = World::without_broker().await;
    let place = Place::new(&world);
    let mut mail = MailServer::start().await;
    configure(&mut world, &place, &mail);
    let log_key = bucket::key(&world).await;
    let log = world.config["log"].as_table_mut().unwrap();
    log.extend("key.file = \"log.key\"".parse::<Table>().unwrap());
    world.configure();
    let policies = world.directory().join("policies");
    fs::create_dir(&policies).unwrap();
    fs::copy(root().join("policies/default.cedar"), policies.join("default.cedar")).unwrap();
    fs::write(policies.join("signed.cedar"), POLICY).unwrap();

    // Yesterday, carol enrolled her passkey, and was told so by mail.
    let mut carol = Carol::new(&place.url);
    {
        let _provider = place.provider(json!({"seconds_ago": SECONDS_AGO}));
        let mut yesterday: Broker = world.broker.beside(&world.broker.url, &world.directory().join("halligan.toml"));
        let library = std::env::var("HALLIGAN_FAKETIME").expect("set HALLIGAN_FAKETIME or run tests/run");
        yesterday.set("LD_PRELOAD", &library);
        yesterday.set("FAKETIME", &format!("-{SECONDS_AGO}"));
        yesterday.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        yesterday.start().await;
        carol.sign_in().await;
        carol.enrol().await;
        let told = mail.mail().await;
        assert_eq!(told["to"], json!(["carol@example.com"]));
        assert!(told["data"].as_str().unwrap().contains("red key"), "{told}");
        world.logged("the notice", |entry| entry.kind() == "passkey.noticed").await;
        assert!(yesterday.stop().await.success(), "{}", yesterday.trace_text());
    }

    // Today bob enrols his, and carol vouches for it.
    let provider = place.provider(json!({}));
    world.broker.start().await;
    let mut chromium = Chromium::start();
    sign_in(&mut chromium, "bob", &format!("{}/passkeys", place.url), "You have none yet").await;
    chromium.fill("bob", "Name", "blue key").await;
    let seen = chromium.press("bob", "Enrol a passkey", "blue key, enrolled").await;
    has(&seen, &["Doesn't count yet"]);
    assert_eq!(mail.mail().await["to"], json!(["bob@example.com"]));
    let enrolled = world
        .logged("his passkey", |entry| entry.kind() == "passkey.enrolled" && entry.entry["actor"]["person"] == "bob");
    let credential = enrolled.await.data()["credential"].as_str().unwrap().to_owned();

    // It signs nothing before.
    let body = json!({
        "target": {"kind": "aws-role", "id": "prod-admin"},
        "incident": {"provider": "files", "id": "INC-1"},
        "reason": "checkout answers 500 since 02:40",
        "duration_seconds": 900,
    });
    let grant = world.post("alice", "/v1/grants", &body).await.ok();
    let url = format!("{}/grants/{}", place.url, grant["id"].as_str().unwrap());
    let seen = chromium.open("bob", &url).await;
    has(&seen, &["checkout answers 500", "Your answer"]);
    picture(&mut chromium, "bob", "grant").await;
    let seen = chromium.press("bob", "Acknowledge", "The policy does not permit it").await;
    has(&seen, &["sign the acknowledgement with a passkey", "admins-are-signed-for"]);
    picture(&mut chromium, "bob", "refused").await;
    let seen = chromium.press("bob", "Acknowledge, signed with a passkey", "The passkey was refused").await;
    has(&seen, &["doesn't count yet"]);

    carol.sign_in().await;
    carol.confirm(&credential).await;
    chromium.open("bob", &url).await;
    let seen = chromium.press("bob", "Acknowledge, signed with a passkey", "grant.activated").await;
    has(&seen, &["active", "Signed with a passkey"]);
    picture(&mut chromium, "bob", "acknowledged").await;
    let seen = chromium.open("bob", &format!("{}/passkeys", place.url)).await;
    has(&seen, &["Counts. Confirmed by carol"]);
    picture(&mut chromium, "bob", "passkeys").await;
    let faults = chromium.faults("bob").await;
    let faults: Vec<_> = faults.iter().filter(|fault| !fault.contains("Failed to load resource")).collect();
    assert!(faults.is_empty(), "{faults:#?}");

    // The session is over for good, also for whoever has a copy of its cookie.
    let cookie = chromium.cookies("bob").await;
    world.remember_secret(cookie.split_once('=').unwrap().1);
    chromium.press("bob", "Sign out", "Sign in with example").await;
    let seen = chromium.open("bob", &url).await;
    assert!(seen.url.starts_with(&format!("{}/sign-in?back_to=", place.url)), "{seen:?}");
    has(&seen, &["Sign in"]);
    let replayed = world.http().get(&url).header(COOKIE, &cookie).send().await.unwrap();
    assert_eq!(replayed.url().path(), "/sign-in");
    let replayed = world.http().post(format!("{url}/decline")).header(COOKIE, &cookie).header(ORIGIN, &place.url);
    let replayed = world.send(replayed.header(ACCEPT, "application/json").form(&[("reason", "none")])).await;
    assert_eq!(replayed.status, 401, "{replayed:#?}");
    replayed.problem("unauthenticated");
    let opened = world.logged("his session", |entry| is_session(entry, "session.opened", "bob")).await;
    let ended = world.logged("its end", |entry| is_session(entry, "session.ended", "bob")).await;
    assert_eq!(ended.data()["session"], opened.data()["session"]);

    // While the provider is there, nobody comes in past it.
    let sign_in = format!("{}/sign-in", place.url);
    chromium.open("bob", &sign_in).await;
    let seen = chromium.press("bob", "Sign in with a passkey", "The policy does not permit it").await;
    has(&seen, &["wait until the identity provider is known to be down"]);
    let refused = world.logged("his refusal", |entry| {
        entry.kind() == "action.refused" && entry.data()["action"] == "sign_in" && entry.person() == Some("bob")
    });
    assert_eq!(refused.await.data()["problem"], "not-permitted");
    drop(provider);
    assert!(world.broker.stop().await.success());
    world.broker.start().await;
    world.logged("the replay, counted", |entry| entry.data()["counts"]["unauthenticated"] == 1).await;
    chromium.open("bob", &format!("{}/sign-in?back_to=/passkeys", place.url)).await;
    let seen = chromium.press("bob", "Sign in with a passkey", "past the identity provider").await;
    assert_eq!(seen.url, format!("{}/passkeys", place.url));
    has(&seen, &["Signed in as bob", "This was reported", "can't enrol another"]);
    picture(&mut chromium, "bob", "past-provider").await;
    assert_eq!(chromium.barriers("bob").await, [""; 0]);
    let opened = world.logged("his way in", |entry| entry.data()["method"] == "passkey").await;
    assert_eq!((opened.kind(), opened.person()), ("session.opened", Some("bob")));
    assert_eq!(opened.data()["rules"], json!(["sign-in-by-passkey-while-provider-is-down"]));
    let by_passkey = json!({"issuer": "halligan:passkey", "subject": credential});
    assert_eq!(opened.entry["actor"]["principal"], by_passkey);
    let alarms = world.broker.trace().into_iter().filter(|line| line["alarm"] == "session.opened_by_passkey");
    let alarms: Vec<_> = alarms.map(|line| (line["level"].clone(), line["session"].clone())).collect();
    assert_eq!(alarms, [(json!("ERROR"), opened.data()["session"].clone())]);

    // There he does what he is there for.
    let grant = world.post("alice", "/v1/grants", &body).await.ok();
    chromium.open("bob", &format!("{}/grants/{}", place.url, grant["id"].as_str().unwrap())).await;
    let seen = chromium.press("bob", "Acknowledge, signed with a passkey", "grant.activated").await;
    has(&seen, &["past the identity provider", "Signed with a passkey"]);
    let entry = world.logged("his second yes", |entry| {
        entry.kind() == "grant.acknowledged" && entry.grant() == grant["id"].as_str()
    });
    assert_eq!(entry.await.entry["actor"]["principal"], by_passkey);

    let entry = world.logged("the acknowledgement", |entry| entry.kind() == "grant.acknowledged").await;
    assert_eq!(entry.data()["signed"]["credential"], credential);
    assert_eq!(entry.entry["actor"]["channel"], "web");

    // Nobody needs to trust the broker for any of it.
    let log = world.log_directory();
    let arguments =
        ["log", "verify", "--deployment", "test", "--dir", log.to_str().unwrap(), "--key", &log_key, "--json"];
    let report = world.cli("alice", &arguments).await.ok().json();
    assert_eq!(report["sound"], true, "{report:#}");
    world.done().await;
}

/// One instant ends what browsers and command lines have, whoever asks from where.
#[tokio::test]
async fn signing_out_everywhere_on_the_command_line_ends_the_browser() {
    let mut world = World::without_broker().await;
    let place = Place::new(&world);
    place.configure(&mut world, &[("alice", &["alice"]), ("bob", &["bob"]), ("carol", &["carol"])]);
    world.configure();
    let _provider = place.provider(json!({}));
    world.broker.start().await;
    let mut chromium = Chromium::start();
    let url = format!("{}/sessions", place.url);
    sign_in(&mut chromium, "bob", &url, "Sign out everywhere").await;
    let seen = chromium.open("bob", &url).await;
    has(&seen, &["This browser", "from 127.0.0.1"]);
    picture(&mut chromium, "bob", "sessions").await;
    assert_eq!(chromium.barriers("bob").await, [""; 0]);
    let listed = world.get("bob", "/v1/me/sessions").await.ok();
    let opened = world.logged("his session", |entry| is_session(entry, "session.opened", "bob")).await;
    assert_eq!(listed["sessions"][0]["id"], opened.data()["session"], "{listed}");
    assert_eq!(world.get("alice", "/v1/me/sessions").await.ok()["sessions"], json!([]));

    let out = world.cli("bob", &["logout", "--everywhere", "--json"]).await.ok().json();
    assert_eq!(out["sessions_ended"], 1, "{out}");
    let seen = chromium.open("bob", &url).await;
    assert!(seen.url.starts_with(&format!("{}/sign-in", place.url)), "{seen:?}");
    let entry = world.logged("his sign-out", |entry| is_session(entry, "person.signed_out", "bob")).await;
    assert_eq!(entry.data()["person"], "bob");
    assert_eq!(entry.entry["actor"]["channel"], "api");
    world.done().await;
}
