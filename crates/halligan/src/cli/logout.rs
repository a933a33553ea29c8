//! `halligan logout`

use halligan_server::views::{EmptyBody, SignedOutView};
use serde_json::json;

use super::Context;
use crate::client::failure::Failure;
use crate::client::http::Answer;
use crate::client::profile::{Profile, SignInProfile};
use crate::client::sign_in::kept::TokenFile;
use crate::client::sign_in::{self, SignInError};

/// Sign out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Have the broker end all of yours first: sessions in browsers, and tokens on other machines
    #[arg(long)]
    everywhere: bool,
}

pub async fn run(Args { everywhere }: Args, context: &Context) -> Result<(), Failure> {
    // While there still is a token to ask with: where it fails, nothing is removed, and it can be tried again.
    let ended = if everywhere {
        let answer: Answer<SignedOutView> =
            context.broker()?.post(&["v1", "me", "sessions", "end"], &EmptyBody {}).await?;
        Some(answer.value.sessions)
    } else {
        None
    };
    let name = context.profile();
    let home = context.surroundings.home.as_deref();
    if ended.is_some() && context.token_goes_first() {
        return told(context, name, None, ended);
    }
    let profile = match (Profile::load(home, name)?, ended) {
        (Profile::SignIn(profile), _) => profile,
        (_, Some(sessions)) => return told(context, name, None, Some(sessions)),
        (_, None) => {
            return Err(Failure::Usage(format!(
                "the profile `{name}` has a key of its own, and nobody is signed in with it: remove the key's file to end that"
            )));
        }
    };
    let tokens = TokenFile::of(home, name)?;
    let gone = sign_out(&profile, &tokens).await?;
    told(context, name, Some(gone), ended)
}

/// Says what is over; `gone`: what became of tokens on this machine, where it keeps any.
fn told(context: &Context, name: &str, gone: Option<Gone>, ended: Option<u64>) -> Result<(), Failure> {
    if context.ui.json {
        let mut told = json!({
            "profile": name,
            "was_signed_in": gone.is_some_and(|gone| gone != Gone::Nothing),
            "revoked": gone == Some(Gone::Revoked),
        });
        if let (Some(sessions), Some(fields)) = (ended, told.as_object_mut()) {
            fields.insert("sessions_ended".to_owned(), json!(sessions));
        }
        return context.ui.print_json(&told);
    }
    if let Some(sessions) = ended {
        context.ui.print(&format!(
            "Signed out everywhere: the broker takes no token of yours that was issued until now. Sessions of browsers that are over: {sessions}."
        ))?;
    }
    context.ui.print(match gone {
        Some(Gone::Nothing) => "Nobody was signed in.",
        Some(Gone::Revoked) => "Signed out: the tokens are removed, and the identity provider renews them no more.",
        Some(Gone::Removed) => {
            "Signed out: the tokens are removed from this machine. The identity provider has no way to be told."
        }
        None => "Whatever made this token can make new ones: a profile's own key goes on until its file is removed.",
    })
}

/// What became of the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// There were none.
    Nothing,
    /// They are removed, and nothing renews them any more.
    Revoked,
    /// They are removed.
    Removed,
}

/// Removes the tokens whatever happens, and tells the provider.
///
/// # Errors
/// They can't be removed; or they are, and the provider could not be told.
pub async fn sign_out(profile: &SignInProfile, tokens: &TokenFile) -> Result<Gone, SignInError> {
    let turn = tokens.turn().await?;
    let refresh_token = match tokens.read(profile) {
        Ok(kept) => kept.refresh_token,
        Err(SignInError::SignedOut { .. } | SignInError::Spoilt { .. } | SignInError::Private(_)) => None,
        Err(error) => return Err(error),
    };
    // First: what the provider says must not keep the tokens here.
    if !tokens.remove(&turn)? {
        return Ok(Gone::Nothing);
    }
    let Some(refresh_token) = refresh_token else { return Ok(Gone::Removed) };
    match sign_in::client(profile, &[])?.revoke(&refresh_token).await {
        Ok(true) => Ok(Gone::Revoked),
        Ok(false) => Ok(Gone::Removed),
        Err(error) => Err(SignInError::NotRevoked { because: error.to_string() }),
    }
}
