//! The pages in Chromium, at the size of a phone, with passkeys that a browser made. Each
//! page is left as a picture under `target/pages`.

#[path = "../../../../../tests/support/chromium.rs"]
mod chromium;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Query;
use axum::response::{Html, Redirect};
use axum::routing::get;
use halligan_engine::access::Access;
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::world::identity_settings;
use halligan_engine::identity::IdentitySettings;
use halligan_engine::ports::{AuthorizeAsk, Claims, IdentityProvider, ProviderError, Returned};
use halligan_policy::{Known, PolicySet, Source};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::net::TcpListener;

use self::chromium::Chromium;
use super::{FakeProvider, Site, path_of};
use crate::tests::access;

const POLICIES: &str = r#"
@id("admins-are-fresh") @satisfiedBy("prove who you are again, with a second factor or a passkey") @obliges("stepUp")
forbid (principal, action == Halligan::Action::"acknowledge", resource == Halligan::Role::"prod-admin")
unless { context has mfaAgeSeconds && context.mfaAgeSeconds <= 900 };

@id("admins-are-signed-for") @satisfiedBy("sign the acknowledgement with a passkey") @obliges("sign")
forbid (principal, action == Halligan::Action::"acknowledge", resource == Halligan::Role::"prod-admin")
unless { context.signed };
"#;

/// A provider at another origin, which asks who one is and sends the browser back.
struct Elsewhere {
    address: String,
    is_down: Arc<AtomicBool>,
}

#[async_trait]
impl IdentityProvider for Elsewhere {
    fn issuer(&self) -> &str {
        fixtures::ISSUER
    }

    async fn answers(&self) -> Result<(), ProviderError> {
        FakeProvider { fails: self.is_down.load(Ordering::Relaxed) }.answers().await
    }

    async fn authorize(&self, ask: &AuthorizeAsk<'_>) -> Result<String, ProviderError> {
        self.answers().await?;
        Ok(format!("{}/authorize?state={}&back={}", self.address, ask.state, ask.redirect_uri))
    }

    async fn exchange(&self, returned: &Returned<'_>, now: Timestamp) -> Result<Claims, ProviderError> {
        FakeProvider { fails: false }.exchange(returned, now).await
    }
}

/// Its page is a form, as those of real ones are; the answer to it leads back.
async fn elsewhere() -> String {
    type Asked = Query<BTreeMap<String, String>>;
    let form = async |Query(asked): Asked| {
        let hidden = asked.iter().map(|(name, value)| format!("<input type=hidden name={name} value=\"{value}\">"));
        let people = ["alice", "bob", "carol"].map(|who| format!("<button name=code value={who}>I am {who}</button>"));
        Html(format!("<form action=/answer>{}{}</form>", hidden.collect::<String>(), people.concat()))
    };
    let answer = async |Query(asked): Asked| {
        Redirect::to(&format!("{}?code={}&state={}", asked["back"], asked["code"], asked["state"]))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/authorize", get(form)).route("/answer", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

struct Story {
    site: Arc<Site>,
    chromium: Chromium,
    url: String,
    is_down: Arc<AtomicBool>,
}

impl Story {
    async fn begin() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let address = elsewhere().await;
        let is_down = Arc::new(AtomicBool::new(false));
        let provider: Arc<dyn IdentityProvider> = Arc::new(Elsewhere { address, is_down: is_down.clone() });
        let identity =
            IdentitySettings { public_url: url.clone(), rp_id: Some("localhost".to_owned()), ..identity_settings() };
        let roles = ["prod-admin".parse().unwrap()].into();
        let sources = [Source::new("default.cedar", halligan_policy::DEFAULT), Source::new("more.cedar", POLICIES)];
        let policies = PolicySet::load(&sources, &Known { roles, ..Known::default() }).unwrap();
        let site = Site::with_providers(Access { policies, ..access() }, identity, [("okta", provider)].into());
        site.serve().await;
        let router = site.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { site: Arc::new(site), chromium: Chromium::start(), url, is_down }
    }

    async fn picture(&mut self, who: &str, name: &str) {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/pages");
        std::fs::create_dir_all(&directory).unwrap();
        self.chromium.screenshot(who, &directory.canonicalize().unwrap().join(format!("{name}.png"))).await;
        let barriers = self.chromium.barriers(who).await;
        assert!(barriers.is_empty(), "{name}: {barriers:#?}");
    }

    /// Somebody takes their phone, and signs in on the way to `path`.
    async fn sign_in(&mut self, who: &str, settings: serde_json::Value, path: &str, until: &str) {
        self.chromium.begin(who, settings).await;
        let url = format!("{}{path}", self.url);
        let seen = self.chromium.open(who, &url).await;
        assert!(seen.title.starts_with("Sign in"), "{seen:?}");
        self.picture(who, &format!("{who}-sign-in")).await;
        self.chromium.press(who, "Sign in with okta", &format!("I am {who}")).await;
        let seen = self.chromium.press(who, &format!("I am {who}"), until).await;
        assert_eq!(seen.url, url);
        assert!(seen.text.contains(&format!("Signed in as {who}")), "{seen:?}");
    }

    async fn enrol(&mut self, who: &str, label: &str) {
        self.chromium.open(who, &format!("{}/passkeys", self.url)).await;
        self.chromium.fill(who, "Name", label).await;
        self.chromium.press(who, "Enrol a passkey", &format!("{label}, enrolled")).await;
    }

    async fn credential(&self, who: &str) -> String {
        use halligan_engine::ports::Passkeys as _;
        self.site.world.store.passkeys_of(&who.parse().unwrap()).await.unwrap()[0].credential.clone()
    }

    #[track_caller]
    fn has(seen: &chromium::Seen, words: &[&str]) {
        for words in words {
            assert!(seen.text.contains(words), "{words} is not in {seen:?}");
        }
    }

    async fn nothing_was_complained_of(&mut self, people: &[&str]) {
        for who in people {
            let faults = self.chromium.faults(who).await;
            // A browser notes each refusal that it is shown.
            let faults: Vec<_> = faults.iter().filter(|fault| !fault.contains("Failed to load resource")).collect();
            assert!(faults.is_empty(), "{who}: {faults:#?}");
        }
    }
}

#[tokio::test]
async fn two_people_with_phones_and_passkeys() {
    let mut story = Story::begin().await;
    let grant = story.site.pending_because("checkout answers 500 since 02:40, need to see the queue").await;
    let path = path_of(&grant);

    // bob follows a link at 3 a.m.; carol has enrolled her passkey long ago.
    story.sign_in("carol", json!({"dark": true}), "/passkeys", "You have none yet").await;
    story.enrol("carol", "red key").await;
    let credential = story.credential("carol").await;
    story.site.count(&credential).await;
    story.sign_in("bob", json!({}), &path, "What was asked for").await;
    story.picture("bob", "grant").await;
    let refused = story.chromium.press("bob", "Acknowledge", "The policy does not permit it").await;
    Story::has(
        &refused,
        &["Prove who you are again", "Sign with a passkey", "admins-are-fresh", "admins-are-signed-for"],
    );
    story.picture("bob", "refused").await;

    // His passkey counts once carol has vouched for it.
    story.enrol("bob", "blue key").await;
    story.picture("bob", "passkeys").await;
    let seen = story.chromium.open("carol", &story.url.clone()).await;
    Story::has(&seen, &["checkout", "1 passkey of somebody else waits"]);
    story.picture("carol", "home-dark").await;
    let seen = story.chromium.follow("carol", "1 passkey of somebody else waits", "to be confirmed").await;
    Story::has(&seen, &["bob: blue key", "Fingerprint"]);
    story.picture("carol", "passkeys-dark").await;
    story.chromium.press("carol", "Confirm with my passkey: blue key of bob", "None waits").await;

    // Not touched, then not by the right person, then proved and signed.
    story.chromium.open("bob", &format!("{}/step-up?back_to={path}", story.url)).await;
    story.picture("bob", "step-up").await;
    story.chromium.touch("bob", false).await;
    let seen = story.chromium.press("bob", "Prove it with a passkey", "The passkey gave no answer").await;
    assert!(seen.url.contains("/step-up"), "{seen:?}");
    story.chromium.touch("bob", true).await;
    let seen = story.chromium.press("bob", "Prove it with a passkey", "What was asked for").await;
    assert_eq!(seen.url, format!("{}{path}", story.url));
    let seen = story.chromium.press("bob", "Acknowledge, signed with a passkey", "grant.activated").await;
    assert_eq!((story.site.state(&grant).await.as_str(), seen.text.contains("Your answer")), ("active", false));
    story.picture("bob", "acknowledged").await;
    story.nothing_was_complained_of(&["bob", "carol"]).await;
}

#[tokio::test]
async fn the_way_in_when_the_provider_is_down() {
    let mut story = Story::begin().await;
    story.sign_in("bob", json!({}), "/passkeys", "You have none yet").await;
    story.enrol("bob", "blue key").await;
    let credential = story.credential("bob").await;
    story.site.count(&credential).await;
    story.is_down.store(true, Ordering::Relaxed);
    let seen = story.chromium.press("bob", "Sign out", "Sign in with okta").await;
    assert!(!seen.text.contains("Signed in as"), "{seen:?}");
    let seen = story.chromium.press("bob", "Sign in with okta", "The identity provider is unavailable").await;
    Story::has(&seen, &["can't be reached now", "Try again in 5 s", "Other ways to sign in"]);
    story.picture("bob", "provider-down").await;
    story.chromium.follow("bob", "Other ways to sign in", "When the identity provider is down").await;
    // Who has no passkey here is told so.
    story.chromium.begin("mallory", json!({})).await;
    story.chromium.open("mallory", &format!("{}/sign-in", story.url)).await;
    story.chromium.press("mallory", "Sign in with a passkey", "The passkey gave no answer").await;
    story.picture("mallory", "no-passkey").await;

    let seen = story.chromium.press("bob", "Sign in with a passkey", "past the identity provider").await;
    Story::has(&seen, &["Signed in as bob", "This was reported"]);
    story.picture("bob", "past-the-provider").await;
    let seen = story.chromium.open("bob", &format!("{}/passkeys", story.url)).await;
    Story::has(&seen, &["past the identity provider", "can't enrol another"]);
    story.nothing_was_complained_of(&["bob", "mallory"]).await;
}

#[tokio::test]
async fn every_browser_is_signed_out_at_once_and_a_colleague_can_do_it() {
    let mut story = Story::begin().await;
    let sessions = format!("{}/sessions", story.url);
    story.sign_in("bob", json!({}), "/sessions", "Sign out everywhere").await;
    // His laptop: the same person in another browser.
    story.chromium.begin("laptop", json!({"width": 1280, "height": 800, "dark": true})).await;
    story.chromium.open("laptop", &sessions).await;
    story.chromium.press("laptop", "Sign in with okta", "I am bob").await;
    let seen = story.chromium.press("laptop", "I am bob", "Another browser").await;
    Story::has(&seen, &["This browser", "Signed in as bob"]);
    story.picture("laptop", "sessions-wide-dark").await;
    let seen = story.chromium.open("bob", &sessions).await;
    Story::has(&seen, &["This browser", "Another browser", &format!("through {}", fixtures::ISSUER)]);
    story.picture("bob", "sessions").await;
    story.site.wait(SignedDuration::from_secs(1));
    assert!(story.chromium.cookies("bob").await.contains("halligan="));
    story.chromium.press("bob", "Sign out everywhere", "Sign in with okta").await;
    assert!(!story.chromium.cookies("bob").await.contains("halligan="));
    let seen = story.chromium.open("laptop", &sessions).await;
    assert!(seen.title.starts_with("Sign in"), "{seen:?}");

    // At 3 a.m. he can't do it himself: carol does.
    story.site.wait(SignedDuration::from_secs(1));
    story.chromium.press("laptop", "Sign in with okta", "I am bob").await;
    story.chromium.press("laptop", "I am bob", "This browser").await;
    story.enrol("laptop", "blue key").await;
    story.sign_in("carol", json!({}), "/sessions", "Of others").await;
    let seen =
        story.chromium.follow("carol", "End the sessions of somebody else, or remove their passkeys", "alice").await;
    Story::has(&seen, &["alice", "bob", "carol"]);
    story.picture("carol", "people").await;
    story.chromium.follow("carol", "bob", "Sign bob out everywhere").await;
    story.picture("carol", "person").await;
    story.site.wait(SignedDuration::from_secs(1));
    story.chromium.fill("carol", "Reason to sign bob out", "his laptop was stolen").await;
    story.chromium.press("carol", "Sign bob out everywhere", "Signed out everywhere at").await;
    let seen = story.chromium.open("laptop", &sessions).await;
    assert!(seen.title.starts_with("Sign in"), "{seen:?}");
    story.chromium.fill("carol", "Reason to remove blue key", "his laptop was stolen").await;
    story.chromium.press("carol", "Remove blue key", "They have none").await;
    story.nothing_was_complained_of(&["bob", "laptop", "carol"]).await;
}

#[tokio::test]
async fn without_a_script_everything_but_passkeys_works() {
    let mut story = Story::begin().await;
    let (yes, no) =
        (story.site.asked("prod-reader", "a look").await, story.site.asked("prod-reader", "no reason").await);
    story.sign_in("bob", json!({"script": false, "dark": true}), &path_of(&yes), "What was asked for").await;
    let seen = story.chromium.open("bob", &format!("{}{}", story.url, path_of(&yes))).await;
    Story::has(&seen, &["Passkeys need JavaScript, which is off here"]);
    assert!(!seen.text.contains("signed with a passkey"), "{seen:?}");
    story.picture("bob", "grant-without-script-dark").await;
    story.chromium.press("bob", "Acknowledge", "grant.acknowledged").await;
    assert_eq!(story.site.state(&yes).await, "active");
    story.chromium.open("bob", &format!("{}{}", story.url, path_of(&no))).await;
    story.chromium.fill("bob", "Why you decline", "ask in the incident's channel first").await;
    story.chromium.press("bob", "Decline", "grant.declined").await;
    assert_eq!(story.site.state(&no).await, "declined");
    let seen = story.chromium.open("bob", &format!("{}/nothing", story.url)).await;
    Story::has(&seen, &["There is no such thing"]);
    story.picture("bob", "nothing-here-dark").await;
    story.sign_in("alice", json!({"width": 1280, "height": 800}), "/", "Nothing waits for you").await;
    story.picture("alice", "home-wide").await;
    story.chromium.press("bob", "Sign out", "Sign in with okta").await;
    story.nothing_was_complained_of(&["alice", "bob"]).await;
}
