//! The keys of issuers whose tokens are presented here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use halligan_engine::ports::{KeySets, ProviderError, SecretText};
use reqwest::Url;
use serde_json::Value;

use crate::http;

use super::call::{Caller, PATIENCE};
use super::metadata::discover;
use super::relying_party::issuer_url;

/// An issuer, and where its keys are.
#[derive(Debug, Clone, Default)]
pub struct KeySource {
    /// Its `iss`, to the letter.
    pub issuer: String,
    /// Its JWK set. None: its description of itself says where
    /// (`/.well-known/openid-configuration`).
    pub jwks_uri: Option<String>,
    /// PEM of the only authorities that may vouch for the host: a cluster's own. None:
    /// those of this machine.
    pub ca_file: Option<PathBuf>,
    /// A token that is shown to the host, read anew each time: a Kubernetes API server
    /// hides its keys from strangers.
    pub bearer_file: Option<PathBuf>,
}

#[derive(Debug)]
struct Source {
    caller: Caller,
    jwks_uri: Option<String>,
    bearer_file: Option<PathBuf>,
}

/// Key sets over HTTP. Nothing is kept.
#[derive(Debug)]
pub struct HttpKeySets(BTreeMap<String, Source>);

impl HttpKeySets {
    /// Checks the sources; nothing is asked yet.
    ///
    /// # Errors
    /// A text for people: the issuer, the setting that can't be used, and what was expected.
    pub fn new(sources: impl IntoIterator<Item = KeySource>) -> Result<Self, String> {
        let mut map = BTreeMap::new();
        for source in sources {
            let issuer = source.issuer.clone();
            let source = checked(source).map_err(|problem| format!("issuer `{issuer}`: {problem}"))?;
            if map.insert(issuer.clone(), source).is_some() {
                return Err(format!("issuer `{issuer}`: is there twice"));
            }
        }
        Ok(Self(map))
    }
}

fn checked(source: KeySource) -> Result<Source, String> {
    let KeySource { issuer, jwks_uri, ca_file, bearer_file } = source;
    // With its keys elsewhere, an issuer is only a name: `kubernetes/serviceaccount` was one.
    let (setting, url) = match &jwks_uri {
        Some(uri) => ("jwks_uri", Url::parse(uri).map_err(|error| format!("jwks_uri: is not a URL ({error})"))?),
        None => ("issuer", issuer_url(&issuer)?),
    };
    http::check(&url).map_err(|problem| format!("{setting}: {problem}"))?;
    let caller = match ca_file {
        Some(file) => Caller::trusting(&url, PATIENCE, &file).map_err(|problem| format!("ca_file: {problem}"))?,
        None => Caller::new(&url, PATIENCE).map_err(|problem| format!("{setting}: {problem}"))?,
    };
    Ok(Source { caller, jwks_uri, bearer_file })
}

#[async_trait]
impl KeySets for HttpKeySets {
    async fn key_set(&self, issuer: &str) -> Result<String, ProviderError> {
        let source = self
            .0
            .get(issuer)
            .ok_or_else(|| ProviderError::Refused("the issuer is not among those whose tokens are taken".to_owned()))?;
        let uri = match &source.jwks_uri {
            Some(uri) => uri.clone(),
            None => discover(&source.caller, issuer).await?.jwks_uri,
        };
        let bearer = match &source.bearer_file {
            Some(file) => Some(SecretText::from(read_bearer(file).await?)),
            None => None,
        };
        let document = source.caller.document("its key set", &uri, bearer.as_ref()).await?;
        let wrong = || ProviderError::Refused("its key set is no JWK set: expected JSON with `keys`".to_owned());
        let text = String::from_utf8(document).map_err(|_| wrong())?;
        let set: Value = serde_json::from_str(&text).map_err(|_| wrong())?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or_else(wrong)?;
        if keys.iter().any(|key| key.get("kty").and_then(Value::as_str).is_none()) {
            return Err(wrong());
        }
        if keys.is_empty() {
            return Err(ProviderError::Unavailable("its key set is empty".to_owned()));
        }
        Ok(text)
    }
}

async fn read_bearer(file: &std::path::Path) -> Result<String, ProviderError> {
    let text = tokio::fs::read_to_string(file).await.map_err(|error| {
        ProviderError::Unavailable(format!("the token to show to it can't be read from `{}`: {error}", file.display()))
    })?;
    Ok(text.trim().to_owned())
}
