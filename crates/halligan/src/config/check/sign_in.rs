//! How people sign in with an issuer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use halligan_connect::oidc::{OidcProvider, OidcSettings};

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::{Findings, places};
use crate::config::access::{Issuer, SignIn};
use crate::config::model;

/// The pages have `/sign-in/passkey` already.
const PASSKEY: &str = "passkey";

pub(super) fn sign_in(
    at: &str,
    sign_in: &model::SignIn,
    issuer: &model::Issuer,
    ca_file: Option<PathBuf>,
    found: &mut Findings<'_>,
) -> Option<SignIn> {
    // What can't be read has been said already.
    if ca_file.as_ref().is_some_and(|file| !file.exists()) {
        return None;
    }
    let model::SignIn { name, client_id, client_secret, scopes, command_line_client_id } = sign_in;
    let inner = format!("{at}.sign_in");
    places::secure_url(&format!("{at}.issuer"), &issuer.issuer, found)?;
    command_line(&inner, sign_in, issuer, found);
    if name.as_str() == PASSKEY {
        let problem = "is what the way in by passkeys is called: expected another name";
        found.refuse(format!("{inner}.name"), problem);
    }
    let secret = |reference| found.secret(&format!("{inner}.client_secret"), reference);
    let client_secret = match client_secret.as_ref().map(secret) {
        Some(secret) => Some(secret?),
        None => None,
    };
    let client = OidcSettings {
        issuer: issuer.issuer.clone(),
        client_id: client_id.clone(),
        client_secret,
        scopes: scopes.clone(),
        acr: issuer.mfa.iter().flat_map(|mfa| mfa.acr.clone()).collect(),
        ca_file,
    };
    // Whoever speaks with the provider knows best what can be spoken with.
    if let Err(problem) = OidcProvider::new(client.clone()) {
        match problem.split_once(": ") {
            Some((setting @ ("issuer" | "ca_file"), problem)) => found.refuse(format!("{at}.{setting}"), problem),
            Some((setting, problem)) => found.refuse(format!("{inner}.{setting}"), problem),
            None => found.refuse(inner, problem),
        }
        return None;
    }
    let command_line_client_id = command_line_client_id.clone();
    let version = version(&client);
    Some(SignIn { name: name.clone(), client, command_line_client_id, version })
}

fn version(client: &OidcSettings) -> String {
    let OidcSettings { issuer, client_id, client_secret, scopes, acr, ca_file } = client;
    let authority = ca_file.as_deref().map(super::issuers::sha256_of);
    let mut hash = Sha256::new().chain_update(format!("{issuer:?} {client_id:?} {scopes:?} {acr:?} {authority:?}"));
    if let Some(secret) = client_secret {
        hash.update(secret.expose_secret());
    }
    hex::encode(hash.finalize())
}

/// The ID tokens of command lines are taken as bearer tokens, and those of browsers never.
fn command_line(at: &str, sign_in: &model::SignIn, issuer: &model::Issuer, found: &mut Findings<'_>) {
    let field = format!("{at}.command_line_client_id");
    match sign_in.command_line_client_id.as_deref() {
        Some("") => found.refuse(field, "is empty: expected the id that the provider gave to command lines"),
        Some(client) if client == sign_in.client_id => {
            let problem = "is the broker's own client, whose ID tokens would be taken as bearer tokens: expected a public client of its own";
            found.refuse(field, problem);
        }
        Some(_) | None => {}
    }
    if issuer.audience == sign_in.client_id {
        let problem = "is the `client_id` of `sign_in`, so the ID tokens of browsers would be taken as bearer tokens: expected an audience of its own";
        found.refuse(format!("{}.audience", at.trim_end_matches(".sign_in")), problem);
    }
}

/// Each has redirect URIs of its own.
pub(super) fn names(issuers: &[Issuer], found: &mut Findings<'_>) {
    let mut owners = BTreeMap::new();
    for issuer in issuers {
        let Some(sign_in) = &issuer.sign_in else { continue };
        if let Some(other) = owners.insert(&sign_in.name, &issuer.tokens.issuer) {
            let problem = format!(
                "`{}` is what `{other}` is called too, and an answer of one would pass for the other's: expected a name of its own for each",
                sign_in.name
            );
            found.refuse("issuers", problem);
        }
    }
}
