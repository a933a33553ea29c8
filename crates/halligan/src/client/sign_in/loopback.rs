//! A sign-in through a browser on this machine: it comes back to a listener here
//! ([RFC 8252, 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use halligan_connect::oidc::{OidcClient, SignedIn, loopback_redirect};
use halligan_core::text::printable;
use halligan_engine::ports::{Clock, Entropy, Returned, SecretText};
use jiff::SignedDuration;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::SignInError;

/// How long a person has.
pub const WITHIN: Duration = Duration::from_secs(5 * 60);
/// How long the last page has to leave.
const LINGER: Duration = Duration::from_secs(1);
const ERROR_CHARACTERS_MAX: usize = 60;

/// What the browser came back with.
#[derive(Debug)]
struct Answer {
    code: SecretText,
    issuer: Option<String>,
}

/// Signs in through a browser. `show` gets the page to open. With `fresh`, the provider
/// has to see the person prove who they are now.
///
/// # Errors
/// Nobody came back in time, or what they came back with is no sign-in.
pub async fn sign_in(
    client: &OidcClient,
    fresh: bool,
    within: Duration,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
    show: impl FnOnce(&str),
) -> Result<SignedIn, SignInError> {
    // On 127.0.0.1 alone, at any port that is free.
    let local = |doing| move |source| SignInError::Local { doing, source };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(local("listen on 127.0.0.1"))?;
    let port = listener.local_addr().map_err(local("listen on 127.0.0.1"))?.port();
    let secret = || hex::encode(entropy.bytes::<32>());
    let (state, nonce, verifier) = (secret(), secret(), SecretText::from(secret()));
    let proven_since = fresh.then(|| clock.now());
    let page = match fresh {
        true => client.begin_loopback_anew(port, &state, &nonce, &verifier, SignedDuration::ZERO).await,
        false => client.begin_loopback(port, &state, &nonce, &verifier).await,
    };
    show(&page.map_err(SignInError::of_provider)?);
    let Answer { code, issuer } = answer(listener, state, within).await?;
    let redirect_uri = loopback_redirect(port);
    let returned = Returned {
        code: &code,
        issuer: issuer.as_deref(),
        redirect_uri: &redirect_uri,
        nonce: &nonce,
        verifier: &verifier,
        proven_since,
    };
    client.finish_loopback(&returned, clock.now()).await.map_err(SignInError::of_provider)
}

type Outcome = Result<Answer, SignInError>;

/// The one answer that is waited for.
struct Waiting {
    state: String,
    answered: Mutex<Option<oneshot::Sender<Outcome>>>,
}

/// Takes one request with the right state, and refuses all others.
async fn answer(listener: TcpListener, state: String, within: Duration) -> Outcome {
    let (answered, answer) = oneshot::channel();
    let waiting = Arc::new(Waiting { state, answered: Mutex::new(Some(answered)) });
    let router = Router::new().route("/callback", get(callback)).fallback(nothing).with_state(waiting);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(server.into_future());
    let outcome = tokio::time::timeout(within, answer).await;
    let _ = stop.send(());
    // The page leaves before the program does; a browser that only keeps a connection open is not waited for.
    let abort = server.abort_handle();
    if tokio::time::timeout(LINGER, server).await.is_err() {
        abort.abort();
    }
    match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Err(SignInError::TimedOut { minutes: within.as_millis().div_ceil(60_000) }),
    }
}

async fn callback(
    method: Method,
    State(waiting): State<Arc<Waiting>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let one = |name: &str| {
        let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    };
    let expected = waiting.state.as_bytes();
    let ours = one("state").is_some_and(|state| state.as_bytes().ct_eq(expected).into());
    // Programs that look at links before a person does send HEAD.
    if method != Method::GET || !ours {
        return nothing().await;
    }
    let outcome = match (one("code"), one("error")) {
        (Some(code), None) => Ok(Answer { code: code.into(), issuer: one("iss").map(str::to_owned) }),
        (None, Some(error)) => Err(SignInError::Denied(Some(printable(error, ERROR_CHARACTERS_MAX)))),
        (_, _) => return nothing().await,
    };
    let answered = waiting.answered.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(answered) = answered else { return nothing().await };
    let shown = match &outcome {
        Ok(_) => page(
            StatusCode::OK,
            "Back to your terminal",
            "Halligan has what it asked for. You can close this page; the terminal says who you are.",
        ),
        Err(_) => page(
            StatusCode::OK,
            "You are not signed in",
            "The identity provider let nobody in. You can close this page and begin again in the terminal.",
        ),
    };
    let _ = answered.send(outcome);
    shown
}

async fn nothing() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "Nothing waits for this",
        "No sign-in with these details is under way on this machine. Begin again in the terminal.",
    )
}

fn page(status: StatusCode, title: &str, text: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title} - Halligan</title></head>\n\
         <body>\n<h1>{title}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
    );
    // The code is in this page's address: nothing may carry it on.
    let headers = [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Html(html)).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use reqwest::Client;
    use secrecy::ExposeSecret as _;
    use tokio::task::JoinHandle;

    use super::*;

    const STATE: &str = "the-right-state";

    async fn listening(within: Duration) -> (String, JoinHandle<Outcome>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (url, tokio::spawn(answer(listener, STATE.to_owned(), within)))
    }

    fn browser() -> Client {
        Client::builder().no_proxy().build().unwrap()
    }

    #[tokio::test]
    async fn one_request_with_the_right_state_is_taken_and_others_are_refused() {
        let (url, waiting) = listening(WITHIN).await;
        let browser = browser();
        for wrong in [
            "/".to_owned(),
            "/callback".to_owned(),
            "/callback?code=c".to_owned(),
            "/callback?state=the-right-stat&code=c".to_owned(),
            "/callback?state=another&code=c".to_owned(),
            format!("/callback?state=x&state={STATE}&code=c"),
            format!("/callback?state={STATE}"),
            format!("/callback?state={STATE}&code=c&code=d"),
            format!("/callback?state={STATE}&code=c&error=e"),
            format!("/other?state={STATE}&code=c"),
        ] {
            let refused = browser.get(format!("{url}{wrong}")).send().await.unwrap();
            assert_eq!(refused.status(), 404, "{wrong}");
            assert!(refused.text().await.unwrap().contains("Begin again in the terminal"), "{wrong}");
        }
        let right = format!("{url}/callback?state={STATE}&code=s3cret&iss=https%3A%2F%2Fid.example.com");
        assert_eq!(browser.head(&right).send().await.unwrap().status(), 404, "a look is no visit");
        assert_eq!(browser.post(&right).send().await.unwrap().status(), 405);

        let taken = browser.get(&right).send().await.unwrap();
        assert_eq!(taken.status(), 200);
        assert_eq!(taken.headers()["referrer-policy"], "no-referrer");
        let text = taken.text().await.unwrap();
        assert!(!text.contains("s3cret"));
        insta::assert_snapshot!(text, @r#"
        <!doctype html>
        <html lang="en">
        <head><meta charset="utf-8"><title>Back to your terminal - Halligan</title></head>
        <body>
        <h1>Back to your terminal</h1>
        <p>Halligan has what it asked for. You can close this page; the terminal says who you are.</p>
        </body>
        </html>
        "#);
        let answer = waiting.await.unwrap().unwrap();
        assert_eq!((answer.code.expose_secret(), answer.issuer.as_deref()), ("s3cret", Some("https://id.example.com")));
        assert!(!format!("{answer:?}").contains("s3cret"));
        assert!(browser.get(&right).send().await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn a_no_of_the_provider_is_told() {
        let (url, waiting) = listening(WITHIN).await;
        let page = browser().get(format!("{url}/callback?state={STATE}&error=access_denied%1b")).send().await.unwrap();
        assert!(page.text().await.unwrap().contains("You are not signed in"));
        insta::assert_snapshot!(waiting.await.unwrap().unwrap_err(), @"the identity provider let nobody in (`access_denied`): begin again with `halligan login`");
    }

    #[tokio::test]
    async fn nobody_is_waited_for_for_ever() {
        let (url, waiting) = listening(Duration::from_millis(20)).await;
        let error = waiting.await.unwrap().unwrap_err();
        assert!(matches!(error, SignInError::TimedOut { minutes: 1 }), "{error}");
        assert!(browser().get(url).send().await.is_err());
    }
}
