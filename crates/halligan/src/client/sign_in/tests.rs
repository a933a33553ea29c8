//! A sign-in that lasts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::join_all;
use halligan_connect::oidc::SignedIn;
use halligan_engine::ports::{Clock as _, SecretText};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tempfile::TempDir;

use super::kept::{TokenFile, Tokens};
use super::renewal::{ProviderLogin, Renewer};
use super::*;
use crate::client::credentials::tests::Moved;
use crate::client::failure::{Exit, Failure};

fn profile() -> SignInProfile {
    SignInProfile {
        url: "https://halligan.example.com/".into(),
        provider: "okta".into(),
        issuer: "https://id.example.com".into(),
        client_id: "halligan-command-line".into(),
    }
}

fn tokens(id_token: &str, refresh_token: Option<&str>, expires_at: Timestamp) -> SignedIn {
    let claims = json!({ "sub": "00u1" }).as_object().unwrap().clone();
    SignedIn { id_token: id_token.into(), refresh_token: refresh_token.map(Into::into), claims, expires_at }
}

/// A provider whose refresh tokens are good for one use: a second use ends them all.
#[derive(Default)]
struct Rotating {
    used: Mutex<BTreeSet<String>>,
    answer: Mutex<Option<ProviderError>>,
    /// It gives no new refresh token, and takes the same again.
    lasting: bool,
}

impl Rotating {
    fn times(&self) -> usize {
        self.used.lock().unwrap().len()
    }

    fn answer(&self, error: Option<ProviderError>) {
        *self.answer.lock().unwrap() = error;
    }
}

#[async_trait]
impl Renewer for Rotating {
    async fn renew(&self, refresh: &SecretText, subject: &str, now: Timestamp) -> Result<SignedIn, ProviderError> {
        assert_eq!(subject, "00u1");
        // Lets everybody else in: a race shows.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        if let Some(error) = self.answer.lock().unwrap().clone() {
            return Err(error);
        }
        let refresh = refresh.expose_secret();
        let fresh = self.used.lock().unwrap().insert(refresh.to_owned());
        if !fresh && !self.lasting {
            return Err(ProviderError::Refused("its token endpoint said `invalid_grant`".into()));
        }
        let next = (!self.lasting).then(|| format!("{refresh}+"));
        Ok(tokens("id-2", next.as_deref(), now + SignedDuration::from_mins(10)))
    }
}

struct Kept {
    home: TempDir,
    clock: Arc<Moved>,
    provider: Arc<Rotating>,
}

impl Kept {
    /// Alice signed in for ten minutes.
    async fn signed_in(refresh_token: Option<&str>, provider: Rotating) -> Self {
        let clock = Moved::at("2026-03-01T02:40:00Z");
        let kept = Self { home: tempfile::tempdir().unwrap(), clock, provider: Arc::new(provider) };
        let signed_in = tokens("id-1", refresh_token, kept.clock.now() + SignedDuration::from_mins(10));
        let file = kept.file();
        file.write(&file.turn().await.unwrap(), &Tokens::of(&profile(), signed_in)).unwrap();
        kept
    }

    fn file(&self) -> TokenFile {
        TokenFile::of(Some(self.home.path()), "alice").unwrap()
    }

    fn path(&self) -> std::path::PathBuf {
        self.home.path().join("profiles/alice.sign-in.json")
    }

    /// As another process would have it.
    fn login(&self) -> ProviderLogin {
        ProviderLogin::new("alice", profile(), self.file(), self.provider.clone())
    }

    async fn bearer(&self) -> Result<String, SignInError> {
        let token = self.login().bearer(self.clock.as_ref()).await?;
        Ok(token.expose_secret().to_owned())
    }
}

fn exit(error: SignInError) -> Exit {
    Failure::from(error).exit()
}

#[tokio::test]
async fn a_token_that_lasts_is_shown_as_it_is() {
    let kept = Kept::signed_in(Some("r"), Rotating::default()).await;
    assert_eq!(kept.bearer().await.unwrap(), "id-1");
    kept.clock.advance(8.minutes());
    assert_eq!((kept.bearer().await.unwrap(), kept.provider.times()), ("id-1".to_owned(), 0));
}

#[tokio::test]
async fn of_many_at_once_one_renews_it() {
    let kept = Kept::signed_in(Some("r"), Rotating::default()).await;
    kept.clock.advance(9.minutes());
    let shown = join_all((0..20).map(|_| kept.bearer())).await;
    assert!(shown.into_iter().all(|token| token.unwrap() == "id-2"));
    assert_eq!(kept.provider.times(), 1);

    kept.clock.advance(1.hours());
    join_all((0..20).map(|_| kept.bearer())).await.into_iter().for_each(|token| drop(token.unwrap()));
    let used: Vec<String> = kept.provider.used.lock().unwrap().iter().cloned().collect();
    assert_eq!(used, ["r", "r+"], "each refresh token once, the new one after the old one");
}

#[tokio::test]
async fn a_provider_that_gives_no_new_refresh_token_means_the_one_there_is() {
    let kept = Kept::signed_in(Some("r"), Rotating { lasting: true, ..Rotating::default() }).await;
    for _ in 0..3 {
        kept.clock.advance(1.hours());
        assert_eq!(kept.bearer().await.unwrap(), "id-2");
    }
}

#[tokio::test]
async fn a_provider_that_is_away_ends_nothing() {
    let kept = Kept::signed_in(Some("r"), Rotating::default()).await;
    kept.provider.answer(Some(ProviderError::Unavailable("its token endpoint gave no answer within 4s".into())));
    kept.clock.advance(9.minutes().seconds(30));
    assert_eq!(kept.bearer().await.unwrap(), "id-1", "as long as it is good");
    kept.clock.advance(1.minutes());
    let error = Failure::from(kept.bearer().await.unwrap_err());
    assert!(error.is_passing());
    assert_eq!(error.exit(), Exit::Unreachable);
    insta::assert_snapshot!(error.chain(), @"the sign-in has to be renewed, and the identity provider can't be reached: its token endpoint gave no answer within 4s; try again in a moment");
    kept.provider.answer(None);
    assert_eq!(kept.bearer().await.unwrap(), "id-2");
}

#[tokio::test]
async fn a_provider_that_refuses_wants_a_new_sign_in() {
    let kept = Kept::signed_in(Some("r"), Rotating::default()).await;
    kept.provider.answer(Some(ProviderError::Refused("its token endpoint said `invalid_grant`".into())));
    kept.clock.advance(1.hours());
    let error = kept.bearer().await.unwrap_err();
    insta::assert_snapshot!(error, @"the sign-in is over, since the identity provider doesn't renew it (its token endpoint said `invalid_grant`): sign in again with `halligan login --profile alice`");
    assert_eq!(exit(error), Exit::NoAccess);
}

#[tokio::test]
async fn without_a_refresh_token_it_ends_when_the_token_does() {
    let kept = Kept::signed_in(None, Rotating::default()).await;
    kept.clock.advance(9.minutes().seconds(59));
    assert_eq!(kept.bearer().await.unwrap(), "id-1");
    kept.clock.advance(1.seconds());
    let error = kept.bearer().await.unwrap_err();
    insta::assert_snapshot!(error, @"the sign-in is over, and the identity provider gave nothing to renew it with: sign in again with `halligan login --profile alice`");
    assert_eq!(exit(error), Exit::NoAccess);
}

#[tokio::test]
async fn what_is_kept_is_for_its_owner_alone() {
    let kept = Kept::signed_in(Some("r3fresh"), Rotating::default()).await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&kept.path()), mode(kept.path().parent().unwrap())), (0o600, 0o700));
    kept.clock.advance(1.hours());
    kept.bearer().await.unwrap();
    assert_eq!(mode(&kept.path()), 0o600, "renewed, too");
    let shown = format!("{:?} {:?}", kept.login(), kept.login().kept().unwrap());
    assert!(!shown.contains("r3fresh") && !shown.contains("id-2"), "{shown}");

    fs::set_permissions(kept.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let error = kept.bearer().await.unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn a_spoilt_file_is_not_quoted() {
    let kept = Kept::signed_in(Some("r"), Rotating::default()).await;
    crate::client::private::replace(&kept.path(), b"{\"refresh_token\": \"s3cret\"}").unwrap();
    let error = kept.bearer().await.unwrap_err().to_string();
    assert!(error.contains("alice.sign-in.json") && !error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn tokens_go_to_nobody_else_than_whom_they_were_got_for() {
    let kept = Kept::signed_in(Some("r"), Rotating::default()).await;
    for other in [
        SignInProfile { url: "https://other.example.com/".into(), ..profile() },
        SignInProfile { issuer: "https://other.example.com".into(), ..profile() },
        SignInProfile { client_id: "other".into(), ..profile() },
    ] {
        let login = ProviderLogin::new("alice", other, kept.file(), kept.provider.clone());
        let error = login.bearer(kept.clock.as_ref()).await.unwrap_err();
        assert!(matches!(error, SignInError::SignedOut { .. }), "{error}");
    }
    let renamed = SignInProfile { provider: "sso".into(), ..profile() };
    let login = ProviderLogin::new("alice", renamed, kept.file(), kept.provider.clone());
    assert!(login.bearer(kept.clock.as_ref()).await.is_ok(), "what the broker calls it is nothing to it");
}

#[tokio::test]
async fn nobody_is_signed_in_at_first() {
    let home = tempfile::tempdir().unwrap();
    let file = TokenFile::of(Some(home.path()), DEFAULT).unwrap();
    let error = file.read(&profile()).unwrap_err();
    insta::assert_snapshot!(error, @"nobody is signed in with the profile `default`: run `halligan login`");
    assert_eq!(exit(error), Exit::NoAccess);
}
