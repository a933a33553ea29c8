//! `halligan revoke`

use clap::ArgGroup;
use halligan_core::id::GrantId;
use halligan_server::views::{GrantView, ReasonBody, RevocationBody, RevokedGrants, TargetView};

use super::confirm::confirm;
use super::list::{Query, Which};
use super::{Context, request, screen};
use crate::client::failure::Failure;
use crate::client::http::Answer;

/// End access now: one grant, or all that fit.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["grant", "all", "role", "incident", "requester"])))]
pub struct Args {
    /// The grant's id, 22 characters
    #[arg(conflicts_with_all = ["all", "role", "incident", "requester"])]
    grant: Option<GrantId>,
    /// Every active grant
    #[arg(long, conflicts_with_all = ["role", "incident", "requester"])]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// Why, for the people concerned and the reviewer
    #[arg(long)]
    reason: String,
    /// Don't ask; one grant is ended without a question anyway
    #[arg(long)]
    yes: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.grant {
        Some(grant) => one(grant, args.reason, context).await,
        None => many(args, context).await,
    }
}

async fn one(grant: GrantId, reason: String, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let id = grant.to_string();
    let path = ["v1", "grants", &id, "revoke"];
    let answer: Answer<GrantView> = broker.post(&path, &ReasonBody { reason }).await?;
    context.ui.answer(&answer, |grant| {
        let sheet = screen::sheet(grant, context.now(), context.ui);
        format!("Revoked. It is over when it is observed to be: {}\n\n{sheet}", context.command(&format!("show {id}")))
    })
}

async fn many(args: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let incident = match args.which.incident.clone() {
        Some(incident) => Some(request::named(incident, &broker).await?),
        None => None,
    };
    if !args.yes {
        let mut query = Query::of(args.which.clone(), &broker).await?;
        query.add("state", Some("active".into()));
        let concerned = query.all(&broker).await?;
        context.ui.note(&screen::grants(&concerned, context.now(), context.ui.on_stderr()));
        // Also when none is shown: what was activated since would be ended too.
        confirm(&format!("\nEnd these {}, and any like them that begins meanwhile?", concerned.len()), args.yes)?;
    }
    let body = RevocationBody {
        target: args.which.role.map(TargetView::role),
        incident,
        requester: args.which.requester,
        all: args.all,
        reason: args.reason,
    };
    let answer: Answer<RevokedGrants> = broker.post(&["v1", "revocations"], &body).await?;
    context.ui.answer(&answer, |ended| {
        format!("Revoked: {}\n\n{}", ended.grants.len(), screen::grants(&ended.grants, context.now(), context.ui))
    })
}
