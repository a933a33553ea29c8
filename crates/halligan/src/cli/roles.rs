//! `halligan roles`

use halligan_server::views::RoleList;

use super::{Context, screen};
use crate::client::failure::Failure;
use crate::client::http::Answer;
use crate::client::words;

/// List the roles that you have a part in.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(Args {}: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let answer: Answer<RoleList> = broker.get(&["v1", "roles"], &[]).await?;
    context.ui.answer(&answer, |list| in_words(list, context))
}

fn in_words(list: &RoleList, context: &Context) -> String {
    if list.roles.is_empty() {
        return "no roles".to_owned();
    }
    let mut rows = screen::table(&["role", "account", "scopes", "longest", "you may", "what it is"], context.ui);
    for role in &list.roles {
        let default_first = |scope: &String| match *scope == role.default_scope {
            true => format!("{scope} (default)"),
            false => scope.clone(),
        };
        let scopes: Vec<_> = role.scopes.iter().map(default_first).collect();
        let cells = [
            role.target.id.clone(),
            role.account.clone(),
            scopes.join(", "),
            screen::length(role.duration_seconds_max),
            role.may.iter().map(|action| in_a_word(action)).collect::<Vec<_>>().join(", "),
            role.description.clone(),
        ];
        rows.add_row(cells.iter().map(|cell| words::inline(cell)));
    }
    screen::text(&rows)
}

fn in_a_word(action: &str) -> &str {
    match action {
        "startEmergency" => "start emergencies",
        other => other,
    }
}
