//! A broker whose people sign in with the provider, and `halligan login` with a browser
//! that is a program.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use toml::Table;

use super::World;
use super::browser::{Browser, Page};
use super::provider::{CLI, Provider, WEB};
use super::stand_in::free_port;

/// Longer than anything that a person does takes.
const WITHIN: Duration = Duration::from_secs(60);

/// A PKCE verifier, and its challenge: S256.
const VERIFIER: &str = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv";
const CHALLENGE: &str = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM";

/// Where the broker is to browsers, and where the provider will be.
pub struct Place {
    pub url: String,
    provider_port: u16,
}

impl Place {
    /// Of the world's broker. Passkeys need a host that has a name.
    pub fn new(world: &World) -> Self {
        let (_, port) = world.broker.url.rsplit_once(':').unwrap();
        Self { url: format!("http://localhost:{port}"), provider_port: free_port() }
    }

    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.provider_port)
    }

    /// The provider; `more` settings as its script describes them.
    pub fn provider(&self, more: Value) -> Provider {
        let mut settings = json!({
            "port": self.provider_port,
            "redirect_uris": [format!("{}/sign-in/example/callback", self.url)],
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Provider::with(&settings)
    }

    /// The broker trusts it, in the browser and on the command line, and each of these people has these subjects there.
    pub fn configure(&self, world: &mut World, people: &[(&str, &[&str])]) {
        let issuer = self.issuer();
        let section = format!(
            r#"
            issuer = "{issuer}"
            audience = "halligan-api"
            people = true
            discovery = true
            algorithms = ["ES256", "RS256"]
            [sign_in]
            name = "example"
            client_id = "{}"
            client_secret = {{ env = "HALLIGAN_TEST_CLIENT_SECRET" }}
            scopes = ["offline_access"]
            command_line_client_id = "{CLI}"
            "#,
            WEB.0
        );
        world.broker.set("HALLIGAN_TEST_CLIENT_SECRET", WEB.1);
        world.remember_secret(WEB.1);
        let config = &mut world.config;
        config["issuers"].as_array_mut().unwrap().push(section.parse::<Table>().unwrap().into());
        for (person, subjects) in people {
            let principals = config["people"][person]["principals"].as_array_mut().unwrap();
            for subject in *subjects {
                let login = format!("issuer = \"{issuer}\"\nsubject = \"{subject}\"");
                principals.push(login.parse::<Table>().unwrap().into());
            }
        }
        config["server"].as_table_mut().unwrap().insert("public_url".into(), self.url.clone().into());
    }

    /// Whoever has this subject signs in at the broker's pages, and sees the page that they wanted.
    pub async fn browse(&self, browser: &mut Browser, subject: &str, path: &str) -> Page {
        let choose = browser.open(&format!("{}{path}", self.url), "-").await;
        assert_eq!(choose.url.path(), "/sign-in", "{}", choose.text);
        let login = browser.submit(&choose, &[], "-").await;
        browser.submit(&login, &[("login", subject), ("mfa", "yes")], "-").await
    }

    /// What the provider says of whoever has this subject to one of its clients, by its id and secret.
    pub async fn id_token_for(&self, (client, secret): (&str, &str), subject: &str) -> String {
        let redirect = format!("{}/sign-in/example/callback", self.url);
        let mut authorize = Url::parse(&format!("{}/auth", self.issuer())).unwrap();
        authorize.query_pairs_mut().extend_pairs([
            ("client_id", client),
            ("redirect_uri", &redirect),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let mut browser = Browser::new();
        let login = browser.open(authorize.as_str(), "-").await;
        let back = browser.submit(&login, &[("login", subject)], &redirect).await;
        let code = back.parameter("code").unwrap_or_else(|| panic!("{}", back.url));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &redirect),
            ("code_verifier", VERIFIER),
        ];
        let call = http.post(format!("{}/token", self.issuer())).basic_auth(client, Some(secret)).form(&form);
        let answer: Value = call.send().await.unwrap().json().await.unwrap();
        answer["id_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

impl World {
    /// `halligan login` by loopback redirect; whoever has this subject sits in front of it. What it prints.
    pub async fn login(&self, profile: &str, subject: &str) -> Value {
        let mut command = self.command(profile, &["login", "--url", &self.broker.url, "--yes", "--json"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let page = loop {
            line.clear();
            let read = tokio::time::timeout(WITHIN, told.read_line(&mut line)).await.expect("a page to open").unwrap();
            assert!(read > 0, "it ended and named no page");
            self.remember_told(&line);
            if line.trim().starts_with("http") {
                break line.trim().to_owned();
            }
        };
        let mut browser = Browser::new();
        let login = browser.open(&page, "-").await;
        let back = browser.submit(&login, &[("login", subject), ("mfa", "yes")], "-").await;
        assert!(back.text.contains("Back to your terminal"), "{} {}", back.url, back.text);
        let output = tokio::time::timeout(WITHIN, child.wait_with_output()).await.expect("it ends").unwrap();
        let mut rest = String::new();
        told.read_to_string(&mut rest).await.unwrap();
        self.remember_told(&rest);
        assert!(output.status.success(), "{rest}");
        let kept = self.tokens(profile);
        for token in kept.values() {
            self.remember_secret(token);
        }
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the command line shows to the broker.
    pub fn id_token(&self, profile: &str) -> String {
        self.tokens(profile)["id_token"].clone()
    }

    fn tokens(&self, profile: &str) -> BTreeMap<String, String> {
        let file = self.home().join(format!("profiles/{profile}.sign-in.json"));
        let mut kept: BTreeMap<String, String> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        kept.retain(|name, _| name.ends_with("_token"));
        kept
    }
}
