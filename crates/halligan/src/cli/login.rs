//! `halligan login`

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use halligan_connect::oidc::{OidcClient, SignedIn};
use halligan_engine::ports::ProviderError;
use halligan_server::views::{MeView, SignInList};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::first::First;
use super::confirm::{confirm, has_terminal};
use super::{Context, whoami};
use crate::client::failure::Failure;
use crate::client::http::Answer;
use crate::client::identity::{Account, Lasts, broker_url};
use crate::client::profile::{Profile, ProfileError, SignInProfile, file_of};
use crate::client::sign_in::kept::{TokenFile, Tokens};
use crate::client::sign_in::{self, SignInError, browser, choice, device, loopback};
use crate::client::words;

/// Sign in with the identity provider that the broker names.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The broker, the first time: the profile remembers it
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Which of the broker's identity providers, where it names several
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Sign in on another device: shows a page and a code, and needs no browser here
    #[arg(long)]
    device: bool,
    /// Prove who you are now, even if the provider still knows you: what a policy may ask for
    #[arg(long)]
    fresh: bool,
    /// Don't ask whether the broker, and the provider that it names, are yours: for scripts
    #[arg(long)]
    yes: bool,
}

/// The provider's clock may be so far from ours.
const CLOCKS_DIFFER_SECONDS: i64 = 5;

/// Whoever sits in front of this machine; in a test, a browser without eyes.
#[async_trait]
pub trait Companion: Sync {
    /// Whether to sign in there, where nobody has with this profile.
    ///
    /// # Errors
    /// They say no, or there is nobody to ask.
    fn agree(&self, first: &First) -> Result<(), Failure>;
    /// Shows what to do.
    fn show(&self, step: &Step);
    /// Lets time pass before the provider is asked again.
    async fn pause(&self, length: Duration);
}

/// The person at the terminal.
struct Terminal<'a>(&'a Context);

#[async_trait]
impl Companion for Terminal<'_> {
    fn agree(&self, first: &First) -> Result<(), Failure> {
        if has_terminal() { confirm(&first.question(), false) } else { Err(first.unasked()) }
    }

    fn show(&self, step: &Step) {
        let opened = match step {
            Step::Open(page) => self.0.surroundings.has_browser && browser::open(page),
            Step::Elsewhere { .. } => false,
        };
        self.0.ui.note(&told(step, opened));
    }

    async fn pause(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }
}

/// What the person has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Open this page on this machine.
    Open(String),
    /// Open this page anywhere, and see that the code is the same or type it.
    Elsewhere {
        /// The page.
        page: String,
        /// The page with the code filled in.
        complete: Option<String>,
        /// The code.
        code: String,
        /// How long there is for it, in minutes.
        minutes: u64,
    },
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    signed_in(&args, context, &Terminal(context)).await
}

/// Signs in, and shows who that is.
async fn signed_in(args: &Args, context: &Context, companion: &dyn Companion) -> Result<(), Failure> {
    let (profile, tokens) = sign_in(args, context, companion).await?;
    // It shows that the broker takes the token, and who that is there.
    let account = Account::settle(Some(context.profile()), &context.surroundings)?;
    let me: Result<Answer<MeView>, Failure> = context.broker_as(account)?.get(&["v1", "me"], &[]).await;
    let me = me.map_err(|failure| {
        context.ui.note(&format!(
            "signed in at {} as `{}`, which is kept; the broker does not take it:",
            words::inline(&profile.issuer),
            words::inline(&tokens.subject)
        ));
        not_again(failure)
    })?;
    if context.token_goes_first() {
        context.ui.warn("a token is set in the environment, and goes before this profile unless --profile names it");
    }
    let lasts = lasts(&tokens);
    if context.ui.json {
        return context.ui.print_json(&as_json(context.profile(), &profile, &tokens, me.json));
    }
    let sheet = whoami::sheet(&me.value, lasts, &broker_url(&profile.url)?, context.now());
    context.ui.print(&format!("Signed in.\n\n{sheet}"))
}

/// Whoever has just signed in is not told to sign in.
fn not_again(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(mut refused) if refused.problem.status == 401 => {
            refused.advice = Some("tell the operators: it takes a change of the broker's configuration".to_owned());
            Failure::Refused(refused)
        }
        failure => failure,
    }
}

fn as_json(name: &str, profile: &SignInProfile, tokens: &Tokens, me: Value) -> Value {
    json!({
        "profile": name,
        "provider": profile.provider,
        "token_expires_at": tokens.expires_at,
        "renewed": tokens.refresh_token.is_some(),
        "me": me,
    })
}

const fn lasts(tokens: &Tokens) -> Lasts {
    match tokens.refresh_token {
        Some(_) => Lasts::RenewedUntil(tokens.expires_at),
        None => Lasts::Until(tokens.expires_at),
    }
}

/// Signs in, and keeps profile and tokens.
///
/// # Errors
/// As the broker, the provider, the person or this machine have it: then what was kept
/// before is kept.
pub async fn sign_in(
    args: &Args,
    context: &Context,
    companion: &dyn Companion,
) -> Result<(SignInProfile, Tokens), Failure> {
    let (name, home) = (context.profile(), context.surroundings.home.as_deref());
    let file = file_of(home, name)?.display().to_string();
    let known = known(name, home)?;
    let url = which_broker(args.url.as_deref(), known.as_ref(), context)?;
    let broker = context.broker_as(Account::nobody(&url)?)?;
    let named: Answer<SignInList> = broker.get(&["v1", "sign-in"], &[]).await?;
    let chosen = choice::choose(&named.value.providers, args.provider.as_deref(), known.as_ref())?;
    let profile = choice::pinned(name, &file, &url, chosen, known.as_ref())?;
    // The first time nothing but the person can tell: before anybody is sent anywhere, and
    // before this machine asks an address that the broker chose.
    if known.is_none() {
        let first = First::new(name, &profile, home);
        if args.yes { context.ui.note(&first.told()) } else { companion.agree(&first)? }
    }
    let client = sign_in::client(&profile, &chosen.scopes)?;
    let begun = context.now();
    let signed_in = if args.device {
        on_another_device(&client, context, companion).await?
    } else {
        let show = |page: &str| companion.show(&Step::Open(page.to_owned()));
        let ports = (context.clock.as_ref(), context.entropy.as_ref());
        loopback::sign_in(&client, args.fresh, loopback::WITHIN, ports, show).await?
    };
    // By way of another device nothing can be demanded; it shows only here.
    let stale = args.fresh && !is_proven_since(&signed_in, begun);
    let tokens = Tokens::of(&profile, signed_in);
    let file = TokenFile::of(home, name)?;
    let turn = file.turn().await?;
    // The profile first: tokens that no profile names are found by nobody.
    profile.save(home, name)?;
    file.write(&turn, &tokens)?;
    if stale {
        return Err(SignInError::Stale { profile: name.to_owned() }.into());
    }
    Ok((profile, tokens))
}

/// The profile that is there, if it is one to sign in with.
fn known(name: &str, home: Option<&Path>) -> Result<Option<SignInProfile>, Failure> {
    match Profile::load(home, name) {
        Ok(Profile::SignIn(known)) => Ok(Some(known)),
        Ok(Profile::Key(_)) => Err(Failure::Usage(format!(
            "the profile `{name}` has a key of its own, which signs a token for each call: sign in with another one, such as --profile {name}-sso"
        ))),
        Err(ProfileError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The broker's address, as a profile keeps it.
fn which_broker(said: Option<&str>, known: Option<&SignInProfile>, context: &Context) -> Result<String, Failure> {
    let from = said.or(known.map(|known| known.url.as_str())).or(context.surroundings.url.as_deref());
    let Some(from) = from else {
        let add = "--url, such as `halligan login --url https://halligan.example.com`";
        return Err(Failure::Usage(format!(
            "there is no profile `{}` yet, so the broker has to be said: add {add}",
            context.profile()
        )));
    };
    let url = broker_url(from)?;
    match known {
        // Its tokens and what is known of its provider belong to that broker.
        Some(known) if broker_url(&known.url)? != url => Err(Failure::Usage(format!(
            "the profile `{}` is for the broker {}: sign in to {url} with another one, by --profile",
            context.profile(),
            words::inline(&known.url)
        ))),
        Some(_) | None => Ok(url.into()),
    }
}

async fn on_another_device(
    client: &OidcClient,
    context: &Context,
    companion: &dyn Companion,
) -> Result<SignedIn, SignInError> {
    let ask = client.begin_device().await.map_err(|error| match error {
        ProviderError::Refused(because) => SignInError::Refused(format!("{because}; without --device it may go")),
        ProviderError::Unavailable(because) => SignInError::Unavailable { renewing: false, because },
    })?;
    companion.show(&Step::Elsewhere {
        page: ask.verification_uri.clone(),
        complete: ask.verification_uri_complete.clone(),
        code: ask.user_code.clone(),
        minutes: ask.expires_in.as_secs() / 60,
    });
    let pause = async |length| companion.pause(length).await;
    let poll = async || client.poll_device(&ask, context.now()).await;
    device::wait(ask.interval, ask.expires_in, context.clock.as_ref(), pause, poll).await
}

/// Whether the provider saw the person prove who they are since then, or a moment before:
/// its clock is not ours.
fn is_proven_since(signed_in: &SignedIn, begun: Timestamp) -> bool {
    let at = signed_in.claims.get("auth_time").and_then(Value::as_i64);
    at.is_some_and(|second| second >= begun.as_second() - CLOCKS_DIFFER_SECONDS)
}

fn told(step: &Step, opened: bool) -> String {
    match step {
        Step::Open(page) if opened => {
            format!(
                "Your browser should show the sign-in now. If it doesn't, open this page on this machine:\n\n  {page}\n"
            )
        }
        Step::Open(page) => format!(
            "Open this page on this machine to sign in (where there is no browser, stop and add --device):\n\n  {page}\n"
        ),
        Step::Elsewhere { page, complete, code, minutes } => {
            let page = complete.as_ref().unwrap_or(page);
            format!(
                "Open this page on any device, within {minutes} minutes, and go on only if it shows this code or asks for it:\n\n  {page}\n\n  code  {code}\n"
            )
        }
    }
}

mod first;
#[cfg(test)]
mod tests;
