//! `halligan list`

use halligan_server::views::{GrantPage, GrantView};

use super::parse::{self, IncidentArg};
use super::{Context, request, screen};
use crate::client::failure::Failure;
use crate::client::http::{Answer, Broker};
use crate::client::words;

/// List grants, newest first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Those in this state: pending, active, declined, withdrawn, cancelled,
    /// lapsed, expired, revoked, returned
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    which: Which,
    /// How many at most
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: Option<u32>,
    /// Go on where the last page ended
    #[arg(long)]
    cursor: Option<String>,
}

/// Which grants.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct Which {
    /// Those of this role
    #[arg(long)]
    pub role: Option<String>,
    /// Those on the occasion of this incident
    #[arg(long, value_name = "[PROVIDER:]ID", value_parser = parse::incident)]
    pub incident: Option<IncidentArg>,
    /// Those that this person asked for
    #[arg(long, value_name = "PERSON")]
    pub requester: Option<String>,
}

/// What is asked for, in the words of the API.
#[derive(Debug, Default)]
pub struct Query {
    pairs: Vec<(&'static str, String)>,
}

impl Query {
    /// The grants that fit.
    ///
    /// # Errors
    /// When the incident's tool has to be said.
    pub async fn of(which: Which, broker: &Broker) -> Result<Self, Failure> {
        let mut query = Self::default();
        query.add("target", which.role);
        if let Some(incident) = which.incident {
            let incident = request::named(incident, broker).await?;
            query.add("incident", Some(format!("{}:{}", incident.provider, incident.id)));
        }
        query.add("requester", which.requester);
        Ok(query)
    }

    /// Narrows it.
    pub fn add(&mut self, name: &'static str, value: Option<String>) {
        self.pairs.extend(value.map(|value| (name, value)));
    }

    /// One page.
    ///
    /// # Errors
    /// When the broker refuses, or doesn't answer.
    pub async fn page(&self, broker: &Broker) -> Result<Answer<GrantPage>, Failure> {
        let pairs: Vec<_> = self.pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        broker.get(&["v1", "grants"], &pairs).await
    }

    /// Every page.
    ///
    /// # Errors
    /// When the broker refuses, or doesn't answer.
    pub async fn all(mut self, broker: &Broker) -> Result<Vec<GrantView>, Failure> {
        let mut grants = Vec::new();
        loop {
            let page = self.page(broker).await?.value;
            grants.extend(page.grants);
            let Some(next) = page.next else { return Ok(grants) };
            self.pairs.retain(|(name, _)| *name != "cursor");
            self.add("cursor", Some(next));
        }
    }
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let mut query = Query::of(args.which, &broker).await?;
    query.add("state", args.state);
    query.add("limit", args.limit.map(|limit| limit.to_string()));
    query.add("cursor", args.cursor);
    let page = query.page(&broker).await?;
    if let (Some(next), false) = (&page.value.next, context.ui.json) {
        context.ui.note(&format!("there are more: add --cursor {}", words::inline(next)));
    }
    context.ui.answer(&page, |page| screen::grants(&page.grants, context.now(), context.ui))
}
