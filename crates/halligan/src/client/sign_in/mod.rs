//! Signing in with an identity provider, as the person at this machine: through a browser
//! here or on another device, kept in a private file, and renewed before it ends.

pub mod browser;
pub mod choice;
pub mod device;
pub mod kept;
pub mod loopback;
pub mod renewal;

use halligan_connect::oidc::{OidcClient, OidcSettings};
use halligan_engine::ports::ProviderError;

use super::private::PrivateError;
use super::profile::{DEFAULT, SignInProfile};

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Nobody has, or for another broker or provider than the profile's.
    #[error("nobody is signed in with the profile `{profile}`: run `{}`", login(profile))]
    SignedOut {
        /// Whose.
        profile: String,
    },
    /// The provider gives no new token, or there is nothing to ask it with.
    #[error("the sign-in is over, {because}: sign in again with `{}`", login(profile))]
    Over {
        /// Whose.
        profile: String,
        /// What the provider said, or what is missing.
        because: String,
    },
    /// Nobody has decided anything: the same may work later.
    #[error(
        "{}the identity provider can't be reached: {because}; try again in a moment",
        if *renewing { "the sign-in has to be renewed, and " } else { "" }
    )]
    Unavailable {
        /// Whether for a renewal.
        renewing: bool,
        /// What the provider did instead of an answer.
        because: String,
    },
    /// Signed out here, and not there.
    #[error(
        "the tokens are removed from this machine, and the identity provider could not be told ({because}): if somebody may have copied them, end your sessions on its own page"
    )]
    NotRevoked {
        /// What it said, or didn't.
        because: String,
    },
    /// The provider's answer to a sign-in is not good enough.
    #[error("the sign-in came to nothing: {0}")]
    Refused(String),
    /// The person signed in, and the provider didn't make them prove who they are.
    #[error(
        "you are signed in, and the identity provider did not ask for a new proof of who you are: sign out of it in that browser, or use a private window, and run `{} --fresh` again",
        login(profile)
    )]
    Stale {
        /// Whose.
        profile: String,
    },
    /// The person, or the provider, said no.
    #[error("the identity provider let nobody in{}: begin again with `halligan login`", of(.0))]
    Denied(Option<String>),
    /// Nobody finished it in time.
    #[error("nobody signed in within {minutes} minutes: begin again with `halligan login`")]
    TimedOut {
        /// How long it had.
        minutes: u128,
    },
    /// A broker may not send somebody to another provider than the one they know.
    #[error(
        "the broker now names another identity provider than the one that the profile `{profile}` was made with, so nothing was sent:\n  \
         known:  issuer `{known_issuer}`, client `{known_client}`\n  \
         named:  issuer `{issuer}`, client `{client}`\n\
         Ask the operators, by another way than this broker. If it is so, remove `{file}` and sign in again"
    )]
    Moved {
        /// Whose.
        profile: String,
        /// The profile's file.
        file: String,
        /// As the profile has it.
        known_issuer: String,
        /// As the profile has it.
        known_client: String,
        /// As the broker names it.
        issuer: String,
        /// As the broker names it.
        client: String,
    },
    /// What was asked for isn't there to choose.
    #[error("{0}")]
    Choice(String),
    /// The profile, or the broker, names a provider that can't be used.
    #[error("the identity provider can't be used: {0}")]
    Provider(String),
    /// Another process renews the sign-in, and doesn't come to an end.
    #[error("the sign-in can't be renewed now: {0}")]
    Busy(String),
    /// The tokens' file.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The tokens' file says something else. The parser's message could quote it, and it is a secret.
    #[error("`{file}` is not what this version keeps: remove it and run `{}`", login(profile))]
    Spoilt {
        /// Whose.
        profile: String,
        /// The file.
        file: String,
    },
    /// Something else on this machine.
    #[error("can't {doing}")]
    Local {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl SignInError {
    /// What a provider's answer to a sign-in comes to.
    fn of_provider(error: ProviderError) -> Self {
        match error {
            ProviderError::Unavailable(because) => Self::Unavailable { renewing: false, because },
            ProviderError::Refused(because) => Self::Refused(because),
        }
    }
}

fn of(code: &Option<String>) -> String {
    code.as_ref().map_or_else(String::new, |code| format!(" (`{code}`)"))
}

/// The command that signs in.
#[must_use]
pub fn login(profile: &str) -> String {
    // A profile's name is made of harmless characters.
    if profile == DEFAULT { "halligan login".to_owned() } else { format!("halligan login --profile {profile}") }
}

/// The public client that command lines are.
///
/// # Errors
/// The issuer or the client is none that can be used.
pub fn client(profile: &SignInProfile, scopes: &[String]) -> Result<OidcClient, SignInError> {
    let settings = OidcSettings {
        issuer: profile.issuer.clone(),
        client_id: profile.client_id.clone(),
        client_secret: None,
        scopes: scopes.to_vec(),
        acr: Vec::new(),
        ca_file: None,
    };
    OidcClient::new(settings).map_err(SignInError::Provider)
}

#[cfg(test)]
mod tests;
