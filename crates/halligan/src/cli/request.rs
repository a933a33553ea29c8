//! `halligan request`

use std::process::ExitCode;

use halligan_core::id::GrantId;
use halligan_server::views::{GrantState, GrantView, IncidentRefView, MeView, RequestBody, TargetView};
use jiff::SignedDuration;

use super::parse::{self, IncidentArg};
use super::{Context, screen, wait};
use crate::client::failure::Failure;
use crate::client::http::{Answer, Broker};
use crate::client::words;

/// Ask for a role, on the occasion of an incident.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The role, by its name in the catalogue (`halligan roles` lists them)
    role: String,
    /// The open incident; its tool may be left out where there is but one
    #[arg(long, value_name = "[PROVIDER:]ID", value_parser = parse::incident)]
    incident: IncidentArg,
    /// Why, for the second person and the reviewer
    #[arg(long)]
    reason: String,
    /// How long from activation, such as 30m or 1h30m
    #[arg(long, value_parser = parse::duration)]
    duration: SignedDuration,
    /// A narrower or wider session policy than the role's default, its narrowest
    #[arg(long)]
    scope: Option<String>,
    /// Start at once; it ends soon unless a second person acknowledges
    #[arg(long)]
    emergency: bool,
    /// Wait until a second person has answered, or nobody has in time
    #[arg(long)]
    wait: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let broker = context.broker()?;
    let body = RequestBody {
        target: TargetView::role(args.role),
        scope: args.scope,
        incident: named(args.incident, &broker).await?,
        reason: args.reason,
        duration_seconds: args.duration.as_secs(),
        emergency: args.emergency,
    };
    let asked: Answer<GrantView> = broker.post(&["v1", "grants"], &body).await?;
    if !args.wait {
        context.ui.answer(&asked, |grant| told(grant, context))?;
        return Ok(ExitCode::SUCCESS);
    }
    context.ui.note(&told(&asked.value, context));
    broker.be_quiet();
    let answered = wait::for_answer(broker.as_ref(), &asked.value, context).await?;
    let answer = Answer { json: serde_json::to_value(&answered).unwrap_or_default(), value: answered };
    context.ui.answer(&answer, |grant| told(grant, context))?;
    match answer.value.state {
        GrantState::Active => Ok(ExitCode::SUCCESS),
        _ => Ok(Failure::Over(String::new()).exit().into()),
    }
}

/// The incident with its tool, which the broker tells where there is but one.
pub async fn named(incident: IncidentArg, broker: &Broker) -> Result<IncidentRefView, Failure> {
    let IncidentArg { provider, id } = incident;
    if let Some(provider) = provider {
        return Ok(IncidentRefView { provider, id });
    }
    let me: Answer<MeView> = broker.get(&["v1", "me"], &[]).await?;
    match me.value.incident_providers.as_slice() {
        [provider] => Ok(IncidentRefView { provider: provider.clone(), id }),
        [] => Err(Failure::Usage("the broker knows no incident tool: its configuration must name one".into())),
        several => {
            let several: Vec<_> = several.iter().map(|name| words::inline(name)).collect();
            let several = several.join(", ");
            Err(Failure::Usage(format!(
                "the broker knows several incident tools ({several}): say which, as PROVIDER:{}",
                words::inline(&id)
            )))
        }
    }
}

/// How a request of one's own stands, and what to do next.
pub fn told(grant: &GrantView, context: &Context) -> String {
    let sheet = screen::sheet(grant, context.now(), context.ui);
    format!("{sheet}\n\n{}", next(grant, context))
}

fn next(grant: &GrantView, context: &Context) -> String {
    // What the broker calls an id is typed by people: only a real one is offered.
    let Ok(id) = grant.id.parse::<GrantId>() else { return String::new() };
    let own = |rest: String| format!("  {}", context.command(&rest));
    match grant.state {
        GrantState::Pending => format!(
            "Now {} must acknowledge it:\n  halligan ack {id}\nor take it back:\n{}",
            screen::awaited(grant),
            own(format!("withdraw {id}"))
        ),
        GrantState::Active => {
            let mut text = String::from("Use it:\n");
            text.push_str(&own(format!("exec {id} -- aws sts get-caller-identity")));
            text.push_str(&format!("\n  eval \"$({})\"", context.command(&format!("credentials {id} --format env"))));
            text.push_str(&format!("\nand when you are done:\n{}", own(format!("return {id}"))));
            if grant.ack_due.is_some() {
                text.push_str(&format!(
                    "\nA second person must acknowledge it, or it ends early:\n  halligan ack {id}"
                ));
            }
            text
        }
        _ => format!("{}.\nAsk again if it is still needed.", words::ending(grant)),
    }
}
