//! `halligan whoami`

use halligan_server::views::{MeView, PartyKind};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde_json::json;

use super::Context;
use super::screen::Sheet;
use crate::client::failure::Failure;
use crate::client::http::Answer;
use crate::client::identity::Lasts;
use crate::client::words;

/// Show who you are to the broker.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(Args {}: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let mut answer: Answer<MeView> = broker.get(&["v1", "me"], &[]).await?;
    let lasts = broker.identity().lasts()?;
    if let (Some(fields), Lasts::Until(end) | Lasts::RenewedUntil(end)) = (answer.json.as_object_mut(), lasts) {
        fields.insert("token_expires_at".to_owned(), json!(end));
    }
    context.ui.answer(&answer, |me| sheet(me, lasts, broker.url(), context.now()))
}

/// Who somebody is to a broker.
#[must_use]
pub fn sheet(me: &MeView, lasts: Lasts, url: &Url, now: Timestamp) -> String {
    let mut sheet = Sheet::default();
    sheet.line(
        match me.kind {
            PartyKind::Person => "person",
            PartyKind::Machine => "machine",
        },
        &me.name,
    );
    if let Some(person) = &me.on_behalf_of {
        sheet.line("acts for", person);
    }
    sheet.line("login", &format!("{} of {}", me.subject, me.issuer));
    sheet.line("groups", &if me.groups.is_empty() { "none".to_owned() } else { me.groups.join(", ") });
    if me.kind == PartyKind::Person {
        sheet.line("proof", &proof(me));
    }
    sheet.line(
        "token",
        &match lasts {
            Lasts::EachCall => "a new one for each call, signed with the profile's key".to_owned(),
            Lasts::Until(end) => format!("until {}", left(now, end)),
            Lasts::RenewedUntil(end) => format!("until {}, and renewed before that", left(now, end)),
            Lasts::Unknown => "nothing says until when".to_owned(),
        },
    );
    sheet.line("deployment", &format!("{} at {url}", me.deployment));
    sheet.line("incidents in", &me.incident_providers.join(", "));
    sheet.finish()
}

fn left(now: Timestamp, end: Timestamp) -> String {
    if end <= now {
        return format!("{} (over)", words::at(end));
    }
    format!("{} (in {})", words::at(end), words::until(now, end))
}

/// When they proved who they are, and how well: what policies ask about.
fn proof(me: &MeView) -> String {
    let ago = |seconds: i64| format!("{} ago", words::span(SignedDuration::from_secs(seconds.max(0))));
    match (me.auth_age_seconds, me.mfa_age_seconds) {
        (None, None) => "the token doesn't say when you proved who you are".to_owned(),
        (Some(auth), None) => format!("{}, without a second factor", ago(auth)),
        (Some(auth), Some(mfa)) if auth == mfa => format!("{}, with a second factor", ago(auth)),
        (None, Some(mfa)) => format!("{}, with a second factor", ago(mfa)),
        (Some(auth), Some(mfa)) => format!("{}; with a second factor {}", ago(auth), ago(mfa)),
    }
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    pub fn alice() -> MeView {
        MeView {
            kind: PartyKind::Person,
            name: "alice".into(),
            on_behalf_of: None,
            issuer: "https://login.example.com".into(),
            subject: "00u1a2b3c4".into(),
            groups: vec!["leads".into(), "on-call".into()],
            channel: "api".into(),
            auth_age_seconds: Some(95),
            mfa_age_seconds: Some(95),
            deployment: "prod".into(),
            incident_providers: vec!["incidents".into()],
        }
    }

    fn shown(me: &MeView, lasts: Lasts) -> String {
        let url = "https://halligan.example.com/".parse().unwrap();
        sheet(me, lasts, &url, "2026-03-01T02:40:00Z".parse().unwrap())
    }

    #[test]
    fn a_person() {
        let until = Lasts::RenewedUntil("2026-03-01T03:10:00Z".parse().unwrap());
        insta::assert_snapshot!(shown(&alice(), until), @"
        person        alice
        login         00u1a2b3c4 of https://login.example.com
        groups        leads, on-call
        proof         1m 35s ago, with a second factor
        token         until 2026-03-01 03:10:00 UTC (in 30m), and renewed before that
        deployment    prod at https://halligan.example.com/
        incidents in  incidents
        ");
    }

    #[test]
    fn a_machine_for_somebody() {
        let machine = MeView {
            kind: PartyKind::Machine,
            name: "deploy".into(),
            on_behalf_of: Some("alice\u{1b}".into()),
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: "repo:example/app:ref:refs/heads/main".into(),
            groups: Vec::new(),
            auth_age_seconds: None,
            mfa_age_seconds: None,
            ..alice()
        };
        let until = Lasts::Until("2026-03-01T02:30:00Z".parse().unwrap());
        insta::assert_snapshot!(shown(&machine, until), @r"
        machine       deploy
        acts for      alice\u{1b}
        login         repo:example/app:ref:refs/heads/main of https://token.actions.githubusercontent.com
        groups        none
        token         until 2026-03-01 02:30:00 UTC (over)
        deployment    prod at https://halligan.example.com/
        incidents in  incidents
        ");
    }

    #[test]
    fn how_fresh_a_proof_is() {
        let said: Vec<String> =
            [(None, None), (Some(5), None), (Some(5), Some(5)), (None, Some(5)), (Some(5), Some(4000))]
                .into_iter()
                .map(|(auth_age_seconds, mfa_age_seconds)| {
                    proof(&MeView { auth_age_seconds, mfa_age_seconds, ..alice() })
                })
                .collect();
        insta::assert_snapshot!(said.join("\n"), @"
        the token doesn't say when you proved who you are
        5s ago, without a second factor
        5s ago, with a second factor
        5s ago, with a second factor
        5s ago; with a second factor 1h 6m 40s ago
        ");
    }
}
