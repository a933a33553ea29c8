//! Its endpoints.

use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::book::{Code, DEVICE_LIFE, Handed, SignedIn};
use super::{Account, Shared, pages};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Seconds between two questions of a command line that waits.
const INTERVAL_SECONDS: u32 = 1;
/// What no two people confuse, and that makes no words.
const LETTERS: &[u8; 16] = b"BCDFGHJKLMNPQRST";

type It = State<Arc<Shared>>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(describe))
        .route("/jwks", get(async |State(it): It| Json(it.key.set())))
        .route("/authorize", get(ask).post(answer))
        .route("/token", post(token))
        .route("/revoke", post(revoke))
        .route("/device_authorization", post(begin_device))
        .route("/device", get(ask_device).post(answer_device))
        .with_state(shared)
}

/// [OpenID Connect Discovery 1.0, 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)
async fn describe(State(it): It) -> Json<Value> {
    let at = |path: &str| format!("{}/{path}", it.issuer);
    Json(json!({
        "issuer": it.issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "revocation_endpoint": at("revoke"),
        "device_authorization_endpoint": at("device_authorization"),
        "jwks_uri": at("jwks"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", DEVICE_GRANT],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": ["openid"],
    }))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Asked {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    scope: String,
    state: Option<String>,
    nonce: Option<String>,
    prompt: String,
    code_challenge: String,
    code_challenge_method: String,
}

impl Asked {
    /// Who asks, if people may be sent back there at all.
    fn client(&self, it: &Shared) -> Result<&'static str, Response> {
        let refused = |text| pages::said(StatusCode::BAD_REQUEST, text);
        let client = it.client(&self.client_id).ok_or_else(|| refused("No such client is registered here."))?;
        if !client.may_redirect_to(&self.redirect_uri) {
            return Err(refused("The client may not send people there (redirect_uri)."));
        }
        Ok(client.id)
    }

    /// What is wrong with the rest.
    fn problem(&self) -> Option<&'static str> {
        // The hash of a verifier is 32 bytes.
        let challenged = self.code_challenge_method == "S256" && self.code_challenge.len() == 43;
        if self.response_type != "code" {
            Some("unsupported_response_type")
        } else if !self.scope.split(' ').any(|scope| scope == "openid") {
            Some("invalid_scope")
        } else if !challenged {
            Some("invalid_request")
        } else if self.prompt == "none" {
            // It remembers nobody.
            Some("login_required")
        } else {
            None
        }
    }

    /// Back to the client, with an answer.
    fn back(&self, it: &Shared, name: &str, value: &str) -> Response {
        let Ok(mut url) = Url::parse(&self.redirect_uri) else {
            return pages::said(StatusCode::BAD_REQUEST, "The client is nowhere (redirect_uri).");
        };
        url.query_pairs_mut().append_pair(name, value).append_pair("iss", &it.issuer);
        if let Some(state) = &self.state {
            url.query_pairs_mut().append_pair("state", state);
        }
        ([(header::CACHE_CONTROL, "no-store")], Redirect::to(url.as_str())).into_response()
    }
}

async fn ask(State(it): It, Query(asked): Query<Asked>) -> Response {
    match (asked.client(&it), asked.problem()) {
        (Err(refused), _) => refused,
        (Ok(_), Some(problem)) => asked.back(&it, "error", problem),
        (Ok(client), None) => pages::who(it.accounts, client),
    }
}

#[derive(Deserialize)]
struct Chosen {
    account: String,
}

async fn answer(State(it): It, Query(asked): Query<Asked>, Form(chosen): Form<Chosen>) -> Response {
    let client = match (asked.client(&it), asked.problem()) {
        (Err(refused), _) => return refused,
        (Ok(_), Some(problem)) => return asked.back(&it, "error", problem),
        (Ok(client), None) => client,
    };
    let Some(account) = it.account(&chosen.account) else { return asked.back(&it, "error", "access_denied") };
    let (code, now) = (it.secret(), it.clock.now());
    let signed_in = SignedIn { account, client, auth_time: now, nonce: asked.nonce.clone() };
    let (redirect_uri, challenge) = (asked.redirect_uri.clone(), asked.code_challenge.clone());
    it.book().write(code.clone(), Code { signed_in, redirect_uri, challenge }, now);
    asked.back(&it, "code", &code)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Handing {
    grant_type: String,
    client_id: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
    device_code: String,
    refresh_token: String,
}

async fn token(State(it): It, Form(form): Form<Handing>) -> Response {
    let Some(client) = it.client(&form.client_id) else { return refused("invalid_client") };
    let handed = match form.grant_type.as_str() {
        "authorization_code" => {
            Handed::Code { code: &form.code, redirect_uri: &form.redirect_uri, verifier: &form.code_verifier }
        }
        "refresh_token" => Handed::Refresh(&form.refresh_token),
        DEVICE_GRANT => Handed::Device(&form.device_code),
        _ => return refused("unsupported_grant_type"),
    };
    let now = it.clock.now();
    let redeemed = it.book().redeem(client.id, &handed, now);
    match redeemed.map(|signed_in| it.tokens(&signed_in)) {
        Ok(Ok(tokens)) => unkept(StatusCode::OK, tokens),
        Ok(Err(_)) => refused("server_error"),
        Err(problem) => refused(problem),
    }
}

#[derive(Deserialize)]
struct Revoked {
    token: String,
}

/// [RFC 7009](https://www.rfc-editor.org/rfc/rfc7009): what it doesn't know is useless already.
async fn revoke(State(it): It, Form(Revoked { token }): Form<Revoked>) -> StatusCode {
    it.book().revoke(&token);
    StatusCode::OK
}

#[derive(Deserialize)]
struct Begun {
    client_id: String,
}

/// [RFC 8628, 3.1](https://www.rfc-editor.org/rfc/rfc8628#section-3.1)
async fn begin_device(State(it): It, Form(Begun { client_id }): Form<Begun>) -> Response {
    let Some(client) = it.client(&client_id).filter(|client| client.is_native()) else {
        return refused("unauthorized_client");
    };
    let letter = |byte: u8| LETTERS.get(usize::from(byte) % LETTERS.len()).copied().unwrap_or(b'X');
    let letters = it.entropy.bytes::<8>().map(|byte| char::from(letter(byte)));
    let (first, last) = letters.split_at(4);
    let user_code = format!("{}-{}", first.iter().collect::<String>(), last.iter().collect::<String>());
    let (device_code, now) = (it.secret(), it.clock.now());
    it.book().wait(device_code.clone(), user_code.clone(), client.id, now);
    let page = format!("{}/device", it.issuer);
    let answer = json!({
        "device_code": device_code, "user_code": user_code, "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": DEVICE_LIFE.as_secs(), "interval": INTERVAL_SECONDS,
    });
    unkept(StatusCode::OK, answer)
}

#[derive(Deserialize)]
struct Shown {
    user_code: Option<String>,
}

async fn ask_device(State(it): It, Query(Shown { user_code }): Query<Shown>) -> Response {
    let Some(user_code) = user_code else { return pages::type_code(false) };
    let now = it.clock.now();
    if it.book().waits(&user_code, now) {
        return pages::device(it.accounts, &user_code);
    }
    pages::type_code(true)
}

#[derive(Deserialize)]
struct Decided {
    user_code: String,
    account: String,
}

async fn answer_device(State(it): It, Form(Decided { user_code, account }): Form<Decided>) -> Response {
    let account: Option<Account> = it.account(&account);
    let now = it.clock.now();
    if !it.book().decide(&user_code, account, now) {
        return pages::type_code(true);
    }
    let said = match account {
        Some(account) => format!("Your command line is {} now. You can close this page.", account.name),
        None => "The command line was told no.".to_owned(),
    };
    pages::said(StatusCode::OK, &said)
}

fn refused(problem: &str) -> Response {
    unkept(StatusCode::BAD_REQUEST, json!({ "error": problem }))
}

/// For whoever asked, and no cache.
fn unkept(status: StatusCode, body: Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
