//! Who is on the way in, and what was handed out for it: pure, and forgetful.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use sha2::{Digest as _, Sha256};

use super::Account;

const CODE_LIFE: SignedDuration = SignedDuration::from_secs(60);
pub(super) const DEVICE_LIFE: SignedDuration = SignedDuration::from_mins(10);
const REFRESH_LIFE: SignedDuration = SignedDuration::from_hours(12);
/// More than three people need.
const ROWS_MAX: usize = 1_000;

/// Who may send people here.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: &'static str,
    /// The one redirect URI; none: any port of this machine's loopback
    /// ([RFC 8252, 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
    redirect_uri: Option<String>,
}

impl Client {
    pub(super) const fn web(id: &'static str, redirect_uri: String) -> Self {
        Self { id, redirect_uri: Some(redirect_uri) }
    }

    pub(super) const fn native(id: &'static str) -> Self {
        Self { id, redirect_uri: None }
    }

    /// Only command lines ask from another device.
    pub(super) const fn is_native(&self) -> bool {
        self.redirect_uri.is_none()
    }

    pub(super) fn may_redirect_to(&self, uri: &str) -> bool {
        if let Some(registered) = &self.redirect_uri {
            return registered == uri;
        }
        Url::parse(uri).is_ok_and(|url| {
            url.scheme() == "http"
                && url.host_str() == Some("127.0.0.1")
                && url.path() == "/callback"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        })
    }
}

/// Who came in, for whom.
#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    pub(super) account: Account,
    pub(super) client: &'static str,
    pub(super) auth_time: Timestamp,
    pub(super) nonce: Option<String>,
}

/// Somebody who said yes in a browser.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) signed_in: SignedIn,
    pub(super) redirect_uri: String,
    /// S256 of the verifier.
    pub(super) challenge: String,
}

#[derive(Debug)]
struct Device {
    client: &'static str,
    user_code: String,
    answer: Option<Answer>,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Yes(Account, Timestamp),
    No,
}

/// What is handed in for tokens.
#[derive(Debug)]
pub(super) enum Handed<'a> {
    Code { code: &'a str, redirect_uri: &'a str, verifier: &'a str },
    Device(&'a str),
    Refresh(&'a str),
}

type Rows<T> = BTreeMap<String, (T, Timestamp)>;

/// Everything that it remembers.
#[derive(Debug, Default)]
pub(super) struct Book {
    codes: Rows<Code>,
    devices: Rows<Device>,
    refresh: Rows<SignedIn>,
}

impl Book {
    pub(super) fn write(&mut self, code: String, of: Code, now: Timestamp) {
        insert(&mut self.codes, code, of, now, CODE_LIFE);
    }

    pub(super) fn keep(&mut self, refresh_token: String, of: SignedIn, now: Timestamp) {
        insert(&mut self.refresh, refresh_token, of, now, REFRESH_LIFE);
    }

    pub(super) fn revoke(&mut self, refresh_token: &str) {
        self.refresh.remove(refresh_token);
    }

    pub(super) fn wait(&mut self, device_code: String, user_code: String, client: &'static str, now: Timestamp) {
        insert(&mut self.devices, device_code, Device { client, user_code, answer: None }, now, DEVICE_LIFE);
    }

    /// Whether a device waits with that code.
    pub(super) fn waits(&mut self, user_code: &str, now: Timestamp) -> bool {
        self.waiting(user_code, now).is_some()
    }

    /// What a person says to a device's code, none being no; whether it waited for that.
    pub(super) fn decide(&mut self, user_code: &str, account: Option<Account>, now: Timestamp) -> bool {
        let Some(device) = self.waiting(user_code, now) else { return false };
        device.answer = Some(account.map_or(Answer::No, |account| Answer::Yes(account, now)));
        true
    }

    fn waiting(&mut self, user_code: &str, now: Timestamp) -> Option<&mut Device> {
        let waiting = self.devices.values_mut().find(|(device, until)| {
            *until > now && device.answer.is_none() && device.user_code.eq_ignore_ascii_case(user_code.trim())
        });
        waiting.map(|(device, _)| device)
    }

    /// Who comes in with this, once.
    ///
    /// # Errors
    /// A code of [RFC 6749, 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) or
    /// [RFC 8628, 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5).
    pub(super) fn redeem(
        &mut self,
        client: &str,
        handed: &Handed<'_>,
        now: Timestamp,
    ) -> Result<SignedIn, &'static str> {
        const NO: &str = "invalid_grant";
        match *handed {
            Handed::Code { code, redirect_uri, verifier } => {
                // Gone before it is looked at: whoever guessed wrong has no second try.
                let of = self.codes.remove(code).filter(|(_, until)| *until > now).map(|(of, _)| of).ok_or(NO)?;
                let right = of.signed_in.client == client
                    && of.redirect_uri == redirect_uri
                    && of.challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
                if right { Ok(of.signed_in) } else { Err(NO) }
            }
            Handed::Device(code) => {
                let (device, until) = self.devices.get(code).filter(|(device, _)| device.client == client).ok_or(NO)?;
                let answer = if *until > now { device.answer } else { return Err("expired_token") };
                let answer = answer.ok_or("authorization_pending")?;
                let client = device.client;
                self.devices.remove(code);
                match answer {
                    Answer::Yes(account, auth_time) => Ok(SignedIn { account, client, auth_time, nonce: None }),
                    Answer::No => Err("access_denied"),
                }
            }
            Handed::Refresh(token) => {
                let of = self.refresh.get(token).filter(|(of, until)| of.client == client && *until > now);
                let of = of.map(|(of, _)| SignedIn { nonce: None, ..of.clone() }).ok_or(NO)?;
                self.refresh.remove(token);
                Ok(of)
            }
        }
    }
}

/// What is over goes; of what is too much, whatever comes first.
fn insert<T>(rows: &mut Rows<T>, key: String, value: T, now: Timestamp, life: SignedDuration) {
    rows.retain(|_, (_, until)| *until > now);
    while rows.len() >= ROWS_MAX {
        rows.pop_first();
    }
    rows.insert(key, (value, now.saturating_add(life).unwrap_or(Timestamp::MAX)));
}
