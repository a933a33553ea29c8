//! The demo's own OpenID provider: no passwords, whoever asks picks a person. It speaks
//! OpenID Connect as real ones do (authorization code with PKCE, device code, refresh
//! tokens), so that what signs in with it is the product as it is. Nothing but the demo
//! should ever trust it.

mod book;
mod http;
mod key;
mod pages;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, bail};
use halligan_engine::ports::{Clock, Entropy};
use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use book::{Book, Client, SignedIn};
use key::Key;

/// What the broker calls it.
pub const NAME: &str = "demo";
/// The broker, as it is registered here.
pub const WEB_CLIENT: &str = "halligan";
/// Command lines, as they are registered here.
pub const COMMAND_LINE_CLIENT: &str = "halligan-command-line";

/// How long an ID token is good for.
const ID_TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// Somebody who can sign in.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// What its button says.
    pub name: &'static str,
    /// Its `sub`.
    pub subject: &'static str,
    /// What its ID tokens say of groups.
    pub groups: &'static [&'static str],
}

/// The provider. It ends with this value.
pub struct Provider {
    shared: Arc<Shared>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Provider {
    /// Starts it for a broker at `broker_url`.
    ///
    /// # Errors
    /// No free port, or no key.
    pub async fn start(
        broker_url: &str,
        accounts: &'static [Account],
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no free port for the identity provider")?;
        let port = listener.local_addr().context("no free port for the identity provider")?.port();
        let clients = vec![
            Client::web(WEB_CLIENT, format!("{broker_url}/sign-in/{NAME}/callback")),
            Client::native(COMMAND_LINE_CLIENT),
        ];
        let shared = Arc::new(Shared {
            issuer: format!("http://localhost:{port}"),
            key: Key::generate(entropy.as_ref())?,
            clients,
            accounts,
            clock,
            entropy,
            book: Mutex::default(),
        });
        let server = axum::serve(listener, http::router(shared.clone()));
        Ok(Self { shared, server: tokio::spawn(server.into_future()) })
    }

    /// Its `iss`, which is where it is.
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// What its page does for somebody who holds a code from another device in hand.
    ///
    /// # Errors
    /// Nobody waits with that code, or there is no such person.
    pub fn approve(&self, user_code: &str, name: &str) -> anyhow::Result<()> {
        let Some(account) = self.shared.account(name) else { bail!("the demo's provider knows no `{name}`") };
        if !self.shared.book().decide(user_code, Some(account), self.shared.clock.now()) {
            bail!("nobody waits with that code at the demo's provider");
        }
        Ok(())
    }

    /// What makes its key private.
    pub fn secret(&self) -> &SecretString {
        self.shared.key.secret()
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn ended(&mut self) -> anyhow::Error {
        match (&mut self.server).await {
            Ok(Err(error)) => anyhow::Error::new(error).context("the demo's identity provider ended"),
            Ok(Ok(())) | Err(_) => anyhow::anyhow!("the demo's identity provider ended"),
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What its handlers share.
struct Shared {
    issuer: String,
    key: Key,
    clients: Vec<Client>,
    accounts: &'static [Account],
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    book: Mutex<Book>,
}

impl Shared {
    fn account(&self, name: &str) -> Option<Account> {
        self.accounts.iter().copied().find(|account| account.name == name)
    }

    fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing panics while it holds the book.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody guesses it.
    fn secret(&self) -> String {
        hex::encode(self.entropy.bytes::<32>())
    }

    /// What the token endpoint answers, and the refresh token that is good for the next.
    fn tokens(&self, of: &SignedIn) -> anyhow::Result<Value> {
        let now = self.clock.now();
        let expires_at = now.checked_add(ID_TOKEN_LIFE).context("the calendar ends")?;
        let Account { subject, groups, .. } = of.account;
        let mut claims = json!({
            "iss": self.issuer, "sub": subject, "aud": of.client,
            "exp": expires_at.as_second(), "iat": now.as_second(), "auth_time": of.auth_time.as_second(),
            // It claims what the demo is to show, and asks for nothing.
            "amr": ["mfa"], "groups": groups,
        });
        if let (Some(nonce), Some(claims)) = (&of.nonce, claims.as_object_mut()) {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        let refresh_token = self.secret();
        self.book().keep(refresh_token.clone(), of.clone(), now);
        Ok(json!({
            "access_token": self.secret(), "token_type": "Bearer", "expires_in": ID_TOKEN_LIFE.as_secs(),
            "id_token": self.key.sign(&claims)?, "refresh_token": refresh_token, "scope": "openid",
        }))
    }
}

#[cfg(test)]
mod tests;
