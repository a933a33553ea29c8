//! `halligan logout`

use serde_json::json;

use super::Context;
use crate::client::failure::Failure;
use crate::client::profile::{Profile, SignInProfile};
use crate::client::sign_in::kept::TokenFile;
use crate::client::sign_in::{self, SignInError};

/// Sign out.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(Args {}: Args, context: &Context) -> Result<(), Failure> {
    let name = context.profile();
    let home = context.surroundings.home.as_deref();
    let Profile::SignIn(profile) = Profile::load(home, name)? else {
        return Err(Failure::Usage(format!(
            "the profile `{name}` has a key of its own, and nobody is signed in with it: remove the key's file to end that"
        )));
    };
    let tokens = TokenFile::of(home, name)?;
    let gone = sign_out(&profile, &tokens).await?;
    if context.ui.json {
        return context.ui.print_json(&json!({
            "profile": name,
            "was_signed_in": gone != Gone::Nothing,
            "revoked": gone == Gone::Revoked,
        }));
    }
    context.ui.print(match gone {
        Gone::Nothing => "Nobody was signed in.",
        Gone::Revoked => "Signed out: the tokens are removed, and the identity provider renews them no more.",
        Gone::Removed => {
            "Signed out: the tokens are removed from this machine. The identity provider has no way to be told."
        }
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
