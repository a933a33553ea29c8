//! `halligan policy explain`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use halligan_core::actor::Channel;
use halligan_core::catalogue::Role;
use halligan_core::id::{GroupId, MachineId, PersonId, ProviderId, ScopeId};
use halligan_core::incident::{IncidentRef, IncidentStatus};
use halligan_engine::access::Directory;
use halligan_engine::ports::Incidents;
use halligan_policy::explain::{Alternatives, Explanation};
use halligan_policy::{Action, Incident, Known, Occasion, PolicySet, SignInMethod, Who, World};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::files::Files;
use super::world;
use crate::cli::parse::{self, IncidentArg};
use crate::cli::{Context, screen};
use crate::client::failure::Failure;
use crate::client::words;

/// Said where no duration is: as long as people ask for.
const DURATION: SignedDuration = SignedDuration::from_mins(30);

/// Say whether somebody may do something, and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who: a person or a machine of the configuration
    #[arg(long = "as", value_name = "NAME")]
    who: String,
    /// What
    #[arg(long, value_parser = action())]
    action: Action,
    /// To what: a role, `log` or `broker`
    #[arg(long, value_name = "ROLE")]
    target: String,
    /// The broker's configuration: people, machines, groups, roles, incident tools, policies
    #[arg(long, env = "HALLIGAN_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Other policies than those of the configuration: a directory, or one file
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    occasion: OccasionArgs,
}

/// The occasion, as far as it is said.
#[derive(Debug, Default, clap::Args)]
struct OccasionArgs {
    /// A group that their token says they are in, beside those of the configuration; may be given again
    #[arg(long, value_name = "GROUP")]
    group: Vec<GroupId>,
    /// The scope, where it isn't the role's default
    #[arg(long)]
    scope: Option<ScopeId>,
    /// The incident: its tool is asked now, as the broker would
    #[arg(long, value_name = "[PROVIDER:]ID", value_parser = parse::incident)]
    incident: Option<IncidentArg>,
    /// How bad the incident is, in its tool's word
    #[arg(long, value_name = "WORD")]
    severity: Option<String>,
    /// How long the grant is to last; 30m, or the role's longest where that is less
    #[arg(long, value_parser = parse::duration)]
    duration: Option<SignedDuration>,
    /// It is, or began as, an emergency start
    #[arg(long)]
    emergency: bool,
    /// Who asked for the grant, where it isn't they themselves
    #[arg(long, value_name = "NAME")]
    requester: Option<String>,
    /// For whom the machine acts that --as or --requester names
    #[arg(long, value_name = "PERSON")]
    on_behalf_of: Option<PersonId>,
    /// The acknowledgement is signed with a passkey
    #[arg(long)]
    signed: bool,
    /// How long ago they proved who they are
    #[arg(long, value_name = "LENGTH", value_parser = parse::duration)]
    auth_age: Option<SignedDuration>,
    /// How long ago they did so with a second factor
    #[arg(long, value_name = "LENGTH", value_parser = parse::duration)]
    mfa_age: Option<SignedDuration>,
    /// They signed in with a passkey, and not with the identity provider
    #[arg(long)]
    passkey: bool,
    /// The identity provider is down
    #[arg(long)]
    provider_down: bool,
    /// In a browser, and not by the command line
    #[arg(long)]
    web: bool,
    /// When, where it isn't now: 2026-03-01T02:40:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

fn action() -> impl clap::builder::TypedValueParser<Value = Action> {
    PossibleValuesParser::new(Action::ALL.map(Action::as_str)).try_map(|text| {
        let named = Action::ALL.into_iter().find(|action| action.as_str() == text);
        named.ok_or("no such action")
    })
}

/// The answer, and what it rests on.
#[derive(Debug)]
pub struct Explained {
    /// Of the policies.
    pub explanation: Explanation,
    /// What the program refuses, whatever policies say.
    pub fixed: Vec<String>,
    /// The incident, if one was named.
    pub incident: Option<String>,
    /// What was asked.
    pub occasion: Occasion,
    /// What isn't known here, and could matter.
    pub remarks: Vec<String>,
}

/// Prints it. That it was explained is what counts: the exit code is 0 for a refusal, too.
pub async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let explained = explain(args, context).await?;
    if context.ui.json {
        let Explained { explanation, fixed, incident: _, occasion, remarks } = &explained;
        let allow = explanation.decision.allow && fixed.is_empty();
        context.ui.print_json(&json!({
            "allow": allow,
            "refused_by_the_program": fixed,
            "explanation": explanation,
            "occasion": occasion,
            "remarks": remarks,
        }))?;
    } else {
        context.ui.print(&told(&explained))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks as the broker asks.
///
/// # Errors
/// The configuration or the policies can't be used; somebody or something isn't there.
pub async fn explain(args: &Args, context: &Context) -> Result<Explained, Failure> {
    let mut loaded = world::configuration(&args.config)?;
    let mut world = world::of_configuration(&loaded);
    let known = world::known_of_configuration(&loaded);
    let said = &args.occasion;
    if let Some(strange) = said.group.iter().find(|group| !known.groups.contains(*group)) {
        let there: Vec<String> = known.groups.iter().map(|group| format!("`{group}`")).collect();
        return Err(Failure::Usage(format!("there is no group `{strange}`: expected one of {}", there.join(", "))));
    }
    is_asked_of(args.action, &args.target, &world)?;
    let directory = loaded.rules.access().directory;
    introduce(&args.who, said, &directory, &mut world)?;
    let mut remarks = Vec::new();
    if loaded.rules.issuers.iter().any(|rules| rules.groups.is_some()) && said.group.is_empty() {
        remarks.push("tokens say groups, too, which are not known here: name them by --group. While the broker doesn't know them either, what refuses a member refuses whoever may be one".to_owned());
    }
    let policies = match &args.policies {
        Some(path) => other_policies(path, &known)?,
        None => loaded.rules.policies.clone(),
    };
    let role = world.roles.iter().find(|(id, _)| id.as_str() == args.target).map(|(_, role)| role.clone());
    let tools = loaded.take_incident_tools();
    let mut fixed = Vec::new();
    let incident = match &role {
        Some(_) => Some(incident(said, &tools, &directory, context.now(), &mut fixed, &mut remarks).await?),
        None => None,
    };
    let machine = |name: &str| world.machines.keys().any(|id| id.as_str() == name);
    let by_machine = machine(&args.who) || said.requester.as_deref().is_some_and(machine);
    if by_machine && said.on_behalf_of.is_none() {
        remarks.push("the machine is taken to act for nobody: say for whom by --on-behalf-of".to_owned());
    }
    let is_person = matches!(world.who(&args.who).map_err(Failure::Usage)?, Who::Person(_));
    let occasion = said.occasion(args, role.as_ref(), incident, is_person, context.now())?;
    let question = world.question(&args.who, args.action, &args.target, &occasion).map_err(Failure::Usage)?;
    fixed.extend(of_the_program(args.action, &question, role.as_ref(), &occasion));
    let alternatives =
        Alternatives { groups: known.groups, severities: said.severity.iter().cloned().collect::<BTreeSet<_>>() };
    let explanation = policies.explain(&question, &alternatives);
    let incident = said.incident.as_ref().and(occasion.incident.as_ref());
    let incident = incident.zip(said.incident.as_ref()).map(|(tool, named)| format!("{}:{}", tool.provider, named.id));
    Ok(Explained { explanation, fixed, incident, occasion, remarks })
}

/// Each action is one of some targets. Whether there is such a target at all is looked at elsewhere.
fn is_asked_of(action: Action, target: &str, world: &World) -> Result<(), Failure> {
    let others: &[&str] = match action {
        Action::Read => &["log"],
        Action::Administer => &["log", "broker"],
        Action::SignIn => &["broker"],
        _ => &[],
    };
    let of_roles = !matches!(action, Action::Administer | Action::SignIn);
    let is_role = world.roles.keys().any(|role| role.as_str() == target);
    let is_there = is_role || matches!(target, "log" | "broker");
    if !is_there || (is_role && of_roles) || (!is_role && others.contains(&target)) {
        return Ok(());
    }
    let role = of_roles.then(|| "a role".to_owned());
    let all: Vec<String> = role.into_iter().chain(others.iter().map(|other| format!("`{other}`"))).collect();
    Err(Failure::Usage(format!(
        "`{action}` is never asked of `{}`: expected --target to name {}",
        words::inline(target),
        all.join(" or ")
    )))
}

fn other_policies(path: &Path, known: &Known) -> Result<PolicySet, Failure> {
    let files = Files::read(path)?;
    PolicySet::load(&files.policies, known).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(|error| words::lines(&error.to_string())).collect();
        Failure::Usage(format!("the policies can't be used:\n{}", errors.join("\n")))
    })
}

/// Puts what is said of who asks into the world.
fn introduce(name: &str, said: &OccasionArgs, directory: &Directory, world: &mut World) -> Result<(), Failure> {
    if let Some(person) = &said.on_behalf_of {
        let acts = |id: &MachineId| id.as_str() == name || Some(id.as_str()) == said.requester.as_deref();
        let mut machines = world.machines.iter_mut().filter(|(id, _)| acts(id)).peekable();
        if machines.peek().is_none() {
            return Err(Failure::Usage(format!("no machine acts for `{person}` here: --as or --requester names one")));
        }
        machines.for_each(|(_, machine)| machine.on_behalf_of = Some(person.clone()));
    }
    if let Some((_, machine)) = world.machines.iter_mut().find(|(id, _)| id.as_str() == name) {
        machine.groups.extend(said.group.iter().cloned());
        return Ok(());
    }
    let Ok(id) = name.parse::<PersonId>() else { return Ok(()) };
    // Whom the configuration doesn't name can be somebody all the same, where logins are admitted.
    if directory.has(&id) {
        world.people.entry(id).or_default().groups.extend(said.group.iter().cloned());
    }
    Ok(())
}

/// The incident, as its tool has it now, or as it is said.
async fn incident(
    said: &OccasionArgs,
    tools: &dyn Incidents,
    directory: &Directory,
    now: Timestamp,
    fixed: &mut Vec<String>,
    remarks: &mut Vec<String>,
) -> Result<Incident, Failure> {
    let providers = tools.providers();
    let Some(named) = &said.incident else {
        let mut incident = Incident { severity: said.severity.clone(), ..Incident::default() };
        if let [only] = providers.as_slice() {
            incident.provider = only.clone();
        }
        if said.severity.is_none() {
            remarks.push(
                "an open incident of no known severity is assumed: name one by --incident or --severity".to_owned(),
            );
        }
        return Ok(incident);
    };
    let provider = which_tool(named, &providers)?;
    let reference = format!("{provider}:{}", words::inline(&named.id));
    let id = named.id.clone().try_into();
    let wrong = |error| Failure::Usage(format!("`{}` is no incident's id: {error}", words::inline(&named.id)));
    let asked = IncidentRef { provider: provider.clone(), id: id.map_err(wrong)? };
    let mut incident = Incident { provider: provider.clone(), known: false, ..Incident::default() };
    match tools.check(&asked).await {
        IncidentStatus::Open(open) => {
            incident.known = true;
            incident.creator = open.creator.as_deref().and_then(|name| directory.creator(&provider, name)).cloned();
            incident.creator_name = open.creator;
            incident.severity = open.severity;
            let age = open.opened_at.map(|at| now.duration_since(at).as_secs());
            incident.age_seconds = age.map(|seconds| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX));
        }
        IncidentStatus::Closed { known } => {
            incident.known = true;
            let why = if known { "is closed" } else { "is not there" };
            fixed.push(format!("the incident `{reference}` {why}: name one that is open"));
        }
        IncidentStatus::Unknown { reason } => {
            remarks.push(format!("nobody knows whether the incident `{reference}` is open: {reason}"));
        }
    }
    if said.severity.is_some() {
        incident.severity.clone_from(&said.severity);
    }
    Ok(incident)
}

fn which_tool(named: &IncidentArg, providers: &[ProviderId]) -> Result<ProviderId, Failure> {
    let all = || providers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (&named.provider, providers) {
        (Some(name), _) => {
            let found = providers.iter().find(|provider| provider.as_str() == name);
            found
                .cloned()
                .ok_or_else(|| Failure::Usage(format!("there is no incident tool `{name}`: expected one of {}", all())))
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Failure::Usage(format!(
            "say which incident tool, as PROVIDER:{}: one of {}",
            words::inline(&named.id),
            all()
        ))),
    }
}

impl OccasionArgs {
    /// What the broker would ask on.
    fn occasion(
        &self,
        args: &Args,
        role: Option<&Role>,
        incident: Option<Incident>,
        is_person: bool,
        now: Timestamp,
    ) -> Result<Occasion, Failure> {
        let seconds = |length: SignedDuration| u32::try_from(length.as_secs()).unwrap_or(u32::MAX);
        // A passkey signs in nobody but browsers.
        let web = self.web || self.passkey;
        let mut occasion = Occasion {
            time: self.at.unwrap_or(now),
            channel: if web { Channel::Web } else { Channel::Api },
            sign_in_method: is_person.then_some(if self.passkey {
                SignInMethod::Passkey
            } else {
                SignInMethod::Provider
            }),
            // The broker looks once a minute: that it is up is known.
            provider_down: Some(self.provider_down),
            auth_age_seconds: self.auth_age.map(seconds),
            mfa_age_seconds: self.mfa_age.map(seconds),
            signed: self.signed,
            ..Occasion::default()
        };
        let Some(role) = role else { return Ok(occasion) };
        if let Some(scope) = self.scope.as_ref().filter(|scope| !role.scopes.contains_key(*scope)) {
            let there: Vec<String> = role.scopes.keys().map(|scope| format!("`{scope}`")).collect();
            return Err(Failure::Usage(format!(
                "the role `{}` has no scope `{scope}`: expected one of {}",
                role.id,
                there.join(", ")
            )));
        }
        let own = matches!(args.action, Action::Request | Action::StartEmergency | Action::Mint | Action::Extend);
        occasion.scope = Some(self.scope.clone().unwrap_or_else(|| role.default_scope.clone()));
        occasion.duration_seconds = Some(seconds(self.duration.unwrap_or(DURATION.min(role.duration_max))));
        occasion.emergency = Some(self.emergency || args.action == Action::StartEmergency);
        occasion.requester = self.requester.clone().or_else(|| own.then(|| args.who.clone()));
        occasion.incident = incident;
        Ok(occasion)
    }
}

/// What no policy lifts.
fn of_the_program(
    action: Action,
    question: &halligan_policy::Question<'_>,
    role: Option<&Role>,
    occasion: &Occasion,
) -> Vec<String> {
    let mut refused = Vec::new();
    let behind = |who: &Who<'_>| match who {
        Who::Person(person) => Some(person.id.clone()),
        Who::Machine(machine) => machine.on_behalf_of.map(|person| person.id.clone()),
    };
    let requester = question.context.requester.as_ref().and_then(behind);
    if matches!(action, Action::Acknowledge | Action::Decline | Action::Review)
        && requester == behind(&question.principal)
        && requester.is_some()
    {
        refused.push("nobody answers for a grant that they asked for, or that a machine asked for on their behalf: let another person do it".to_owned());
    }
    let longest = role.map(|role: &Role| if action == Action::Extend { role.total_max } else { role.duration_max });
    let asked = occasion.duration_seconds.map(|seconds| SignedDuration::from_secs(seconds.into()));
    if let (Action::Request | Action::StartEmergency | Action::Extend, Some(longest), Some(asked)) =
        (action, longest, asked)
        && asked > longest
    {
        refused.push(format!(
            "{} is longer than the role takes: ask for at most {}",
            words::span(asked),
            words::span(longest)
        ));
    }
    refused
}

fn told(explained: &Explained) -> String {
    let Explained { explanation, fixed, incident, occasion, remarks } = explained;
    let mut text = String::new();
    for refused in fixed {
        text.push_str(&format!("The broker refuses it, whatever policies say: {}\n\n", words::inline(refused)));
    }
    if !fixed.is_empty() {
        text.push_str("By the policies alone: ");
    }
    text.push_str(&words::lines(&explanation.to_string()));
    text.push_str(&format!("\nAsked {}\n", asked(occasion, incident.as_deref())));
    for remark in remarks {
        text.push_str(&format!("Note: {}\n", words::inline(remark)));
    }
    text.trim_end().to_owned()
}

/// The occasion in a line.
fn asked(occasion: &Occasion, named: Option<&str>) -> String {
    let mut parts = vec![format!("for {}", words::at(occasion.time))];
    if let Some(scope) = &occasion.scope {
        parts.push(format!("scope {scope}"));
    }
    if let Some(seconds) = occasion.duration_seconds {
        parts.push(screen::length(seconds.into()));
    }
    if occasion.emergency == Some(true) {
        parts.push("an emergency start".to_owned());
    }
    if let Some(incident) = &occasion.incident {
        let which =
            named.map_or_else(|| "an open incident".to_owned(), |named| format!("incident {}", words::inline(named)));
        let severity = incident.severity.as_ref().map(|word| format!(" of severity {}", words::inline(word)));
        let unknown = if incident.known { "" } else { ", whose tool does not answer" };
        parts.push(format!("{which}{}{unknown}", severity.unwrap_or_default()));
    }
    if let Some(requester) = &occasion.requester {
        parts.push(format!("requested by {}", words::inline(requester)));
    }
    let ago = |what: &str, seconds: Option<u32>| {
        seconds.map(|seconds| format!("{what} {} ago", screen::length(seconds.into())))
    };
    parts.extend(ago("proved", occasion.auth_age_seconds));
    parts.extend(ago("with a second factor", occasion.mfa_age_seconds));
    if occasion.signed {
        parts.push("signed".to_owned());
    }
    if occasion.channel == Channel::Web {
        parts.push("in a browser".to_owned());
    }
    if occasion.sign_in_method == Some(SignInMethod::Passkey) {
        parts.push("signed in with a passkey".to_owned());
    }
    if occasion.provider_down == Some(true) {
        parts.push("the identity provider down".to_owned());
    }
    parts.join(", ")
}

#[cfg(test)]
pub async fn shown(args: &[&str], context: &Context) -> String {
    match explain(&super::tests::parsed(args), context).await {
        Ok(explained) => told(&explained),
        Err(failure) => failure.chain(),
    }
}
