//! `halligan ack`

use halligan_core::id::GrantId;
use halligan_server::views::{AcknowledgeBody, GrantState, GrantView, GrantWithTimeline};

use super::confirm::confirm;
use super::{Context, screen};
use crate::client::failure::Failure;
use crate::client::http::Answer;
use crate::client::words;

/// Acknowledge somebody else's request, emergency start or extension.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The grant's id, 22 characters
    grant: GrantId,
    /// What you mean to acknowledge; anything else is not
    #[arg(long)]
    hash: Option<String>,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let id = args.grant.to_string();
    let read: Answer<GrantWithTimeline> = broker.get(&["v1", "grants", &id], &[]).await?;
    let grant = read.value.grant;
    let hash = hash_of(&grant);
    if let Some(meant) = args.hash.filter(|meant| meant != hash) {
        let meant = words::inline(&meant);
        return Err(Failure::Unconfirmed(format!(
            "grant {id} has nothing with the hash `{meant}`: what there is has `{hash}`, look at it again"
        )));
    }
    if waits(&grant) {
        context.ui.note(&screen::question(&grant, context.now()));
        confirm("\nAcknowledge this?", args.yes)?;
    }
    // The hash of what was shown: if it has changed since, the broker says no.
    // Where nothing waits, its no is what to show, and it goes on record. Where the policy
    // wants a passkey's signature, it says where to sign: that is done in a browser.
    let body = AcknowledgeBody { request_hash: hash.to_owned(), signature: None };
    let answer: Answer<GrantView> = broker.post(&["v1", "grants", &id, "acknowledge"], &body).await?;
    context.ui.answer(&answer, |grant| told(grant, context))
}

fn told(grant: &GrantView, context: &Context) -> String {
    let said = match grant.state {
        GrantState::Pending => format!("Acknowledged. It starts when {} has said yes, too.", screen::awaited(grant)),
        _ => "Acknowledged.".to_owned(),
    };
    format!("{said}\n\n{}", screen::sheet(grant, context.now(), context.ui))
}

/// What an acknowledgement would be bound to.
fn hash_of(grant: &GrantView) -> &str {
    grant.extension.as_ref().map_or(&grant.request_hash, |extension| &extension.hash)
}

fn waits(grant: &GrantView) -> bool {
    grant.state == GrantState::Pending
        || (grant.state == GrantState::Active && (grant.ack_due.is_some() || grant.extension.is_some()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use halligan_server::views::ExtensionView;
    use jiff::Timestamp;

    use super::*;
    use crate::client::credentials::tests::active;

    #[test]
    fn what_waits_is_what_is_acknowledged() {
        let now: Timestamp = "2026-03-01T02:40:00Z".parse().unwrap();
        let mut grant = active(now, now);
        assert!(!waits(&grant));
        grant.extension =
            Some(ExtensionView { hash: "e".into(), duration_seconds: 1, reason: "r".into(), acknowledge_by: now });
        assert!(waits(&grant));
        assert_eq!(hash_of(&grant), "e");
        grant.extension = None;
        grant.ack_due = Some(now);
        assert!(waits(&grant));
        assert_eq!(hash_of(&grant), grant.request_hash);
    }
}
