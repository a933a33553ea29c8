//! The two cookies: of a session, and of a browser on its way to a provider.

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use cookie::{Cookie, CookieBuilder, SameSite};
use halligan_engine::identity::IdentitySettings;
use halligan_engine::ports::SecretText;
use secrecy::ExposeSecret as _;

/// As long as a sign-in may take.
const AWAY: Duration = Duration::from_secs(600);

/// How cookies are called and sent here.
pub(super) struct Cookies<'a> {
    settings: &'a IdentitySettings,
}

impl<'a> Cookies<'a> {
    pub(super) const fn new(settings: &'a IdentitySettings) -> Self {
        Self { settings }
    }

    /// Everywhere but on loopback, where there is no TLS: a browser would drop them.
    fn secure(&self) -> bool {
        self.settings.public_url.starts_with("https://")
    }

    /// `__Host-`: no other host and no plain page can set it.
    fn session_name(&self) -> &'static str {
        if self.secure() { "__Host-halligan" } else { "halligan" }
    }

    fn away_name(&self) -> &'static str {
        if self.secure() { "__Secure-halligan-away" } else { "halligan-away" }
    }

    /// The token of the session, if the browser has one.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<SecretText> {
        only(headers, self.session_name())
    }

    /// The secret of a browser that comes back.
    pub(super) fn away(&self, headers: &HeaderMap) -> Option<SecretText> {
        only(headers, self.away_name())
    }

    /// Keeps a session.
    pub(super) fn keep_session(&self, token: &SecretText) -> Option<HeaderValue> {
        let longest = self.settings.session_max.try_into().ok()?;
        self.set(self.session_name(), token.expose_secret(), "/", longest)
    }

    /// Forgets it.
    pub(super) fn forget_session(&self) -> Option<HeaderValue> {
        self.set(self.session_name(), "", "/", Duration::ZERO)
    }

    /// Keeps a browser's secret while it is away, for the way back alone.
    pub(super) fn keep_away(&self, provider: &str, secret: &SecretText) -> Option<HeaderValue> {
        self.set(self.away_name(), secret.expose_secret(), &way_back(provider), AWAY)
    }

    /// Forgets it.
    pub(super) fn forget_away(&self, provider: &str) -> Option<HeaderValue> {
        self.set(self.away_name(), "", &way_back(provider), Duration::ZERO)
    }

    fn set(&self, name: &'static str, value: &str, path: &str, for_at_most: Duration) -> Option<HeaderValue> {
        // `Lax`: who comes back from a provider, or by a link in a message, is still signed in.
        let cookie = CookieBuilder::new(name, value)
            .path(path)
            .secure(self.secure())
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(for_at_most.try_into().ok()?);
        let mut value = HeaderValue::from_str(&cookie.build().to_string()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn way_back(provider: &str) -> String {
    format!("/sign-in/{provider}/callback")
}

/// The value of this name. Two different ones are none: somebody has put one beside ours.
fn only(headers: &HeaderMap, name: &str) -> Option<SecretText> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = texts.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let mut values = cookies.filter(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned());
    let first = values.next().filter(|value| !value.is_empty())?;
    values.all(|value| value == first).then(|| first.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use halligan_engine::fakes::world::identity_settings;

    use super::*;

    fn settings(public_url: &str) -> IdentitySettings {
        IdentitySettings { public_url: public_url.to_owned(), ..identity_settings() }
    }

    fn text(value: Option<HeaderValue>) -> String {
        value.unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn cookies_are_for_us_alone() {
        let settings_ = settings("https://halligan.example.com");
        let cookies = Cookies::new(&settings_);
        let token = SecretText::from("0123abcd");
        insta::assert_snapshot!(text(cookies.keep_session(&token)), @"__Host-halligan=0123abcd; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=43200");
        insta::assert_snapshot!(text(cookies.forget_session()), @"__Host-halligan=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
        insta::assert_snapshot!(text(cookies.keep_away("okta", &token)), @"__Secure-halligan-away=0123abcd; HttpOnly; SameSite=Lax; Secure; Path=/sign-in/okta/callback; Max-Age=600");
        insta::assert_snapshot!(text(cookies.forget_away("okta")), @"__Secure-halligan-away=; HttpOnly; SameSite=Lax; Secure; Path=/sign-in/okta/callback; Max-Age=0");
    }

    #[test]
    fn on_loopback_there_is_no_tls() {
        let settings_ = settings("http://localhost:8080");
        let cookies = Cookies::new(&settings_);
        let token = SecretText::from("0123abcd");
        insta::assert_snapshot!(text(cookies.keep_session(&token)), @"halligan=0123abcd; HttpOnly; SameSite=Lax; Path=/; Max-Age=43200");
    }

    #[test]
    fn of_two_cookies_neither_is_believed() {
        let settings_ = settings("http://localhost:8080");
        let seen = |sent: &[&str]| {
            let mut headers = HeaderMap::new();
            for text in sent {
                headers.append(COOKIE, text.parse().unwrap());
            }
            Cookies::new(&settings_).session(&headers).map(|token| token.expose_secret().to_owned())
        };
        for (name, sent, expected) in [
            ("one", &["halligan=a"][..], Some("a")),
            ("among others", &["x=1; halligan=a; y=2"], Some("a")),
            ("the same twice", &["halligan=a; halligan=a"], Some("a")),
            ("two", &["halligan=a; halligan=b"], None),
            ("two headers", &["halligan=a", "halligan=b"], None),
            ("empty", &["halligan="], None),
            ("another's name", &["__Host-halligan=a; halligan-away=b"], None),
            ("none", &[], None),
        ] {
            assert_eq!(seen(sent).as_deref(), expected, "{name}");
        }
    }
}
