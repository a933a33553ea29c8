//! Who somebody is, by the real parts: tokens of a provider that nobody here wrote, by
//! `halligan login` and in a browser, while its keys change and when it is gone; and that
//! one human is one, however they come.

use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use reqwest::Method;
use serde_json::{Value, json};

use crate::replicas::Two;
use crate::support::browser::{Browser, Page};
use crate::support::clock::Clock;
use crate::support::log::Entry;
use crate::support::provider::{HS256, OTHER, WEB};
use crate::support::sign_in::Place;
use crate::support::{Reply, World, encode, eventually, now};

/// A little more than the broker lets pass from one look at an issuer's keys to the next.
const LOOK_EVERY: i64 = 31;
/// Whoever waits for a provider waits longer.
const AT_ONCE: Duration = Duration::from_secs(5);

fn id(grant: &Value) -> &str {
    grant["id"].as_str().unwrap()
}

/// What the log says of who did it.
fn actor(person: &str, issuer: &str, subject: &str, channel: &str) -> Value {
    json!({
        "person": person,
        "principal": {"issuer": issuer, "subject": subject},
        "channel": channel,
    })
}

impl World {
    async fn me(&self, token: &str) -> Reply {
        self.send(self.call(Method::GET, "/v1/me", token)).await
    }

    /// A refusal of this problem, of this action.
    async fn refused(&self, action: &str, problem: &str) -> Vec<Entry> {
        eventually("a refusal", async || {
            let mut log = self.log();
            let about = |entry: &Entry| entry.data()["action"] == action && entry.data()["problem"] == problem;
            log.retain(|entry| entry.kind() == "action.refused" && about(entry));
            (!log.is_empty()).then_some(log)
        })
        .await
    }

    /// Has the broker read its configuration for the nth time, from 0 on; the entry of it.
    async fn reload(&self, nth: usize) -> Entry {
        self.configure();
        self.broker.hang_up();
        // The entry comes before the change counts, this after it.
        eventually("a change to count", async || {
            let changes = self.broker.trace().into_iter().filter(|line| line["alarm"] == "policy.changed");
            (changes.count() > nth).then_some(())
        })
        .await;
        eventually("the entry of a change", async || {
            self.log().into_iter().filter(|entry| entry.kind() == "policy.changed").nth(nth)
        })
        .await
    }

    /// How many refusals of strangers were counted.
    fn counted(&self, problem: &str) -> u64 {
        let counted = self.log().into_iter().filter(|entry| entry.kind() == "refusals.counted");
        counted.filter_map(|entry| entry.data()["counts"][problem].as_u64()).sum()
    }
}

/// Tokens as the provider's, signed with a key that it has never had.
struct Forger {
    issuer: String,
    key: EncodingKey,
}

impl Forger {
    fn new(issuer: String) -> Self {
        let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        Self { issuer, key: EncodingKey::from_ec_pem(pem.as_bytes()).unwrap() }
    }

    fn token(&self, kid: &str) -> String {
        let now = now().as_second();
        let claims =
            json!({"iss": self.issuer, "sub": "alice", "aud": "halligan-cli", "iat": now - 1, "exp": now + 300});
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        encode(&header, &claims, &self.key)
    }
}

#[tokio::test]
async fn the_providers_tokens_count_while_its_keys_do_and_when_it_is_gone() {
    let mut world = World::without_broker().await;
    let place = Place::new(&world);
    place.configure(&mut world, &[("alice", &["alice"]), ("bob", &["bob"])]);
    world.configure();
    let directory = world.directory().to_owned();
    let clock = Clock::of(&mut world.broker, &directory);
    let provider = place.provider(json!({}));
    world.broker.start().await;

    // Both sign in through a browser on their machines, and a role is had by those tokens alone.
    let signed_in = world.login("alice-sso", "alice").await;
    assert_eq!((&signed_in["provider"], &signed_in["me"]["name"]), (&json!("example"), &json!("alice")));
    let me = world.cli("alice-sso", &["whoami", "--json"]).await.ok().json();
    assert_eq!((&me["issuer"], &me["subject"]), (&json!(place.issuer()), &json!("alice")), "{me:#}");
    assert!(me["mfa_age_seconds"].as_i64().is_some_and(|age| (0..60).contains(&age)), "{me:#}");
    let about =
        ["prod-admin", "--incident", "INC-1", "--reason", "checkout answers 500", "--duration", "15m", "--json"];
    let asked = world.cli("alice-sso", &[&["request"], &about[..]].concat()).await.ok().json();
    world.login("bob-sso", "bob").await;
    let active = world.cli("bob-sso", &["ack", id(&asked), "--yes", "--json"]).await.ok().json();
    assert_eq!((&active["state"], &active["acknowledged_by"]), (&json!("active"), &json!("bob")));
    world.cli("alice-sso", &["credentials", id(&asked), "--json"]).await.ok();
    world.cli("alice-sso", &["return", id(&asked), "--json"]).await.ok();
    world.contained(id(&asked)).await;
    for (kind, who) in [("grant.requested", "alice"), ("grant.acknowledged", "bob"), ("credentials.intended", "alice")]
    {
        let entry = world.logged(kind, |entry| entry.kind() == kind).await;
        assert_eq!(entry.entry["actor"], actor(who, &place.issuer(), who, "api"), "{entry:?}");
        if kind != "credentials.intended" {
            assert!(entry.data()["fresh"]["mfa_age_seconds"].is_i64(), "{entry:?}");
        }
    }

    // What the provider says to others is nothing that the broker takes, though it has signed it.
    let (mut unknown, mut unavailable) = (0, 0);
    for (name, client, told) in [
        ("to the pages", WEB, "for another audience"),
        ("to another program", OTHER, "for another audience"),
        ("under a secret that two have", HS256, "not signed by a configured key"),
    ] {
        let reply = world.me(&place.id_token_for(client, "bob").await).await;
        let detail = reply.problem("unauthenticated").body["detail"].as_str().unwrap();
        assert!(detail.contains(told), "{name}: {detail}");
        unknown += 1;
    }

    // Its keys are others from one moment to the next. Whoever comes with a new one has the
    // broker look for it, and then the old one is good for nothing.
    let old = world.id_token("alice-sso");
    world.me(&old).await.ok();
    provider.rotate_keys(false).await;
    clock.ahead(LOOK_EVERY);
    world.login("bob-again", "bob").await;
    let new = world.id_token("bob-again");
    assert_eq!(world.me(&new).await.ok()["name"], "bob");
    let reply = world.me(&old).await;
    reply.problem("unauthenticated");
    assert!(reply.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"), "{reply:#?}");
    unknown += 1;

    // Names that nobody has heard of don't get it asked once each.
    clock.ahead(2 * LOOK_EVERY);
    let forger = Forger::new(place.issuer());
    let asked = provider.asked("/jwks").await;
    let storm = (0..20).map(async |number| world.me(&forger.token(&format!("unknown-{number}"))).await);
    for reply in futures::future::join_all(storm).await {
        reply.problem("unauthenticated");
        unknown += 1;
    }
    let asked = provider.asked("/jwks").await - asked;
    assert!((1..=2).contains(&asked), "{asked}");

    // A set without keys takes nothing away, and says nothing about names.
    provider.behave(&json!({"empty_key_set": true})).await;
    clock.ahead(3 * LOOK_EVERY);
    let reply = world.me(&forger.token("unknown")).await;
    assert_eq!(reply.status, 503, "{reply:#?}");
    assert!(reply.problem("provider-unavailable").headers.contains_key("retry-after"));
    unavailable += 1;
    world.me(&new).await.ok();
    let alarm = |line: &Value| line["alarm"] == "issuer.keys_unavailable" && line["issuer"] == place.issuer().as_str();
    let alarms = world.broker.trace().into_iter().filter(alarm).collect::<Vec<_>>();
    assert!(alarms[0]["because"].as_str().unwrap().contains("empty"), "{alarms:#?}");

    // While it hangs, and when it is gone, nobody waits but those whom only it could help.
    provider.behave(&json!({"hold": true})).await;
    clock.ahead(4 * LOOK_EVERY);
    let asked = provider.asked("/.well-known/openid-configuration").await;
    let waits = async {
        unavailable += 1;
        world.me(&forger.token("unknown")).await.problem("provider-unavailable").status
    };
    let meanwhile = async {
        eventually("the broker to ask", async || {
            (provider.asked("/.well-known/openid-configuration").await > asked).then_some(())
        })
        .await;
        let begun = Instant::now();
        world.me(&new).await.ok();
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        drop(provider);
    };
    assert_eq!(tokio::join!(waits, meanwhile).0, 503);
    clock.ahead(5 * LOOK_EVERY);
    let begun = Instant::now();
    let storm = (0..20).map(async |number| world.me(&forger.token(&format!("later-{number}"))).await);
    for reply in futures::future::join_all(storm).await {
        reply.problem("provider-unavailable");
        unavailable += 1;
    }
    let grant = world.send(world.call(Method::POST, "/v1/grants", &new).json(&world.asking(600))).await.ok();
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    world.logged("a request without the provider", |entry| entry.grant() == Some(id(&grant))).await;
    world.send(world.call(Method::POST, &format!("/v1/grants/{}/withdraw", id(&grant)), &new)).await.ok();

    // Whoever starts meanwhile has no keys and takes nobody's word, but that of people with keys of their own.
    assert!(world.broker.stop().await.success());
    world.broker.start().await;
    let reply = world.me(&new).await;
    assert_eq!(reply.status, 503, "{reply:#?}");
    assert!(reply.problem("provider-unavailable").headers.contains_key("retry-after"));
    world.get("alice", "/v1/me").await.ok();
    // Each refusal is counted, also those of the window that the stop cut short.
    eventually("all refusals to be counted", async || {
        let counted = [world.counted("unauthenticated"), world.counted("provider-unavailable")];
        (counted == [unknown, unavailable]).then_some(())
    })
    .await;
    world.done().await;
}

/// What a page's form for this path sends, as the person who looks at it does.
async fn press(browser: &mut Browser, page: &Page, path: &str, fields: &[(&str, &str)]) -> Page {
    let url = page.url.join(path).unwrap();
    browser.fetch(url.as_str(), fields).await
}

#[tokio::test]
async fn one_human_is_one_by_every_client_and_every_subject_and_counts_while_they_are_linked() {
    let mut world = World::without_broker().await;
    let place = Place::new(&world);
    place.configure(&mut world, &[("alice", &["alice", "alice-at-work"]), ("bob", &["bob"])]);
    // A group of a role must not be left without anybody.
    world.config["people"]["carol"]["groups"].as_array_mut().unwrap().push("leads".into());
    world.configure();
    let people = json!({"people": {"alice": {}, "alice-at-work": {}, "bob": {}}});
    let _provider = place.provider(people);
    world.broker.start().await;

    world.login("alice-sso", "alice").await;
    world.login("alice-at-work", "alice-at-work").await;
    let me = world.cli("alice-at-work", &["whoami", "--json"]).await.ok().json();
    assert_eq!((&me["name"], &me["subject"]), (&json!("alice"), &json!("alice-at-work")), "{me:#}");
    let token = world.id_token("alice-sso");
    let asked = world.send(world.call(Method::POST, "/v1/grants", &token).json(&world.asking(900))).await.ok();
    let path = format!("/grants/{}", id(&asked));

    // With the second subject, by the command line.
    let other = world.cli("alice-at-work", &["ack", id(&asked), "--yes", "--json"]).await;
    assert_eq!((other.code, &other.json()["type"]), (4, &json!("urn:halligan:problem:same-person")), "{other:?}");
    // With the same subject, by the provider's other client: the one of the pages.
    let mut browser = Browser::new();
    let page = place.browse(&mut browser, "alice", &path).await;
    assert!(page.text.contains("Signed in as <strong>alice</strong>"), "{}", page.text);
    let hash = [("request_hash", asked["request_hash"].as_str().unwrap())];
    let refused = press(&mut browser, &page, &format!("{path}/acknowledge"), &hash).await;
    let problem: Value = serde_json::from_str(&refused.text).unwrap();
    assert_eq!(problem["type"], "urn:halligan:problem:same-person", "{problem:#}");
    let entries = eventually("both refusals", async || {
        let entries = world.refused("acknowledge", "same-person").await;
        (entries.len() == 2).then_some(entries)
    })
    .await;
    let actors: Vec<_> = entries.iter().map(|entry| entry.entry["actor"].clone()).collect();
    let issuer = place.issuer();
    assert_eq!(actors, [actor("alice", &issuer, "alice-at-work", "api"), actor("alice", &issuer, "alice", "web")]);
    assert!(entries.iter().all(|entry| entry.grant() == Some(id(&asked))), "{entries:?}");
    assert_eq!(world.grant(id(&asked)).await["state"], "pending");

    // bob is another human, and says yes in a browser.
    let mut bobs = Browser::new();
    let page = place.browse(&mut bobs, "bob", &path).await;
    press(&mut bobs, &page, &format!("{path}/acknowledge"), &hash).await;
    assert_eq!(world.grant(id(&asked)).await["acknowledged_by"], "bob");
    let entry = world.logged("his yes", |entry| entry.kind() == "grant.acknowledged").await;
    assert_eq!(entry.entry["actor"], actor("bob", &issuer, "bob", "web"));

    // Then he is nobody any more. What he said yes to counts no more either.
    let before = world.config.clone();
    world.config["people"].as_table_mut().unwrap().remove("bob");
    let changed = world.reload(0).await;
    let mint = format!("/v1/grants/{}/credentials", id(&asked));
    let reply = world.send(world.call(Method::POST, &mint, &token).json(&json!({}))).await;
    reply.problem("unlinked-principal");
    let entries = world.refused("mint", "unlinked-principal").await;
    assert!(entries[0].position > changed.position, "{entries:?}");
    assert_eq!(entries[0].entry["actor"], actor("alice", &issuer, "alice", "api"));
    assert_eq!(entries[0].grant(), Some(id(&asked)));
    let page = bobs.open(&format!("{}{path}", place.url), "-").await;
    assert_eq!(page.status, 403, "{}", page.text);
    assert!(page.text.contains("belongs to no person any more"), "{}", page.text);
    assert!(!world.log().iter().any(|entry| entry.kind() == "credentials.intended"));

    // It was a mistake: he is back, with his session, and so is his yes.
    world.config = before;
    let back = world.reload(1).await;
    assert_eq!((&back.data()["before"], &back.data()["after"]), (&changed.data()["after"], &changed.data()["before"]));
    world.send(world.call(Method::POST, &mint, &token).json(&json!({}))).await.ok();
    assert!(bobs.open(&format!("{}{path}", place.url), "-").await.status.is_success());
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    world.contained(id(&asked)).await;
    world.done().await;
}

#[tokio::test]
async fn a_session_is_everywhere_and_over_everywhere() {
    let mut place = None;
    let two = Two::with(|world| {
        let at = Place::new(world);
        at.configure(world, &[("alice", &["alice"]), ("bob", &["bob"])]);
        // Its keys are looked at when they start.
        let provider = at.provider(json!({}));
        place = Some((at, provider));
    })
    .await;
    let (world, (place, _provider)) = (&two.world, place.unwrap());
    let (here, there) = (place.url.as_str(), two.other.url.replace("127.0.0.1", "localhost"));

    // He is sent to the provider by one, comes back to the other, and is signed in at both.
    let mut browser = Browser::new();
    let choose = browser.open(&format!("{here}/sign-in?back_to=/passkeys"), "-").await;
    let login = browser.submit(&choose, &[], "-").await;
    let back = browser.submit(&login, &[("login", "bob")], &format!("{here}/sign-in/example/callback")).await;
    browser.carry(here, &there);
    let page = browser.open(&back.url.as_str().replace(here, &there), "-").await;
    assert_eq!(page.url.as_str(), format!("{there}/passkeys"));
    browser.carry(&there, here);
    for url in [here, &there] {
        let page = browser.open(&format!("{url}/"), "-").await;
        assert!(page.text.contains("Signed in as <strong>bob</strong>"), "{url}: {}", page.text);
    }
    let opened = world.logged("the session", |entry| entry.kind() == "session.opened").await;
    assert_eq!(opened.entry["actor"], actor("bob", &place.issuer(), "bob", "web"));
    assert_eq!((&opened.data()["method"], &opened.data()["mfa"]), (&json!("provider"), &json!(false)));

    // He says yes at the one that neither he nor the request came in by.
    let asked = world.post("alice", "/v1/grants", &world.asking(900)).await.ok();
    let path = format!("/grants/{}", id(&asked));
    let page = browser.open(&format!("{there}{path}"), "-").await;
    let hash = [("request_hash", asked["request_hash"].as_str().unwrap())];
    press(&mut browser, &page, &format!("{path}/acknowledge"), &hash).await;
    let yes = world.logged("his yes", |entry| entry.kind() == "grant.acknowledged").await;
    assert_eq!(yes.entry["actor"], actor("bob", &place.issuer(), "bob", "web"));

    // Signed out at one, he is out at both, with the cookie that he had.
    let mut thief = browser.clone();
    browser.fetch(&format!("{there}/sign-out"), &[]).await;
    for url in [here, &there] {
        let page = thief.clone().open(&format!("{url}{path}"), "-").await;
        assert_eq!(page.url.path(), "/sign-in", "{url}: {}", page.text);
        let refused = thief.fetch(&format!("{url}{path}/decline"), &hash).await;
        assert_eq!(refused.status, 401, "{url}: {}", refused.text);
    }
    let ended = world.logged("the end", |entry| entry.kind() == "session.ended").await;
    assert_eq!(ended.data()["session"], opened.data()["session"]);
    let sessions = world.log().into_iter().filter(|entry| entry.kind().starts_with("session."));
    assert_eq!(sessions.count(), 2, "one was opened, and ended once");

    // Signed out everywhere, he is out on the command line, too, at both.
    world.login("bob-sso", "bob").await;
    let token = world.id_token("bob-sso");
    place.browse(&mut browser, "bob", "/").await;
    browser.carry(here, &there);
    let at_both = async |browser: &Browser| {
        let mut shown = Vec::new();
        for url in [here, &there] {
            let page = browser.clone().open(&format!("{url}/passkeys"), "-").await;
            let me = world.send(world.http().get(format!("{url}/v1/me")).bearer_auth(&token)).await;
            shown.push((page.url.path().to_owned(), me.status));
        }
        shown
    };
    assert_eq!(at_both(&browser).await, [("/passkeys".to_owned(), 200), ("/passkeys".to_owned(), 200)]);
    world.cli("bob-sso", &["logout", "--everywhere", "--json"]).await.ok();
    assert_eq!(at_both(&browser).await, [("/sign-in".to_owned(), 401), ("/sign-in".to_owned(), 401)]);
    let out = world.logged("the end of all", |entry| entry.kind() == "person.signed_out").await;
    assert_eq!(out.entry["actor"], actor("bob", &place.issuer(), "bob", "api"));
    assert_eq!(out.data()["person"], "bob");
    let page = place.browse(&mut browser, "bob", "/").await;
    assert!(page.text.contains("Signed in as <strong>bob</strong>"), "{}", page.text);
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    two.world.done().await;
}
