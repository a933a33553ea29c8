//! What a provider says of itself ([OpenID Connect Discovery 1.0](https://openid.net/specs/openid-connect-discovery-1_0.html)).

use halligan_core::text::printable;
use halligan_engine::ports::ProviderError;
use serde::Deserialize;

use super::call::Caller;

const NAME_CHARACTERS_MAX: usize = 200;

/// As much of it as is used here. Issuers of workload tokens have no endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) jwks_uri: String,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) device_authorization_endpoint: Option<String>,
    pub(super) revocation_endpoint: Option<String>,
    /// Each answer by way of the browser names the issuer
    /// ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// An endpoint that there must be.
    pub(super) fn endpoint<'a>(&self, name: &str, endpoint: Option<&'a str>) -> Result<&'a str, ProviderError> {
        endpoint.ok_or_else(|| {
            ProviderError::Refused(format!("`{}` names no {name} in its description of itself", self.issuer))
        })
    }
}

/// Asks `issuer` for it. Its issuer must be the same text: another's keys would
/// vouch for this one's people.
pub(super) async fn discover(caller: &Caller, issuer: &str) -> Result<Metadata, ProviderError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = caller.document("its description of itself", &url, None).await?;
    let metadata: Metadata = serde_json::from_slice(&document).map_err(|error| {
        ProviderError::Refused(format!(
            "its description of itself makes no sense (line {}, column {}): expected JSON with issuer and jwks_uri",
            error.line(),
            error.column()
        ))
    })?;
    if metadata.issuer != issuer {
        return Err(ProviderError::Refused(format!(
            "it describes itself as the issuer `{}`: expected `{issuer}`, to the letter",
            printable(&metadata.issuer, NAME_CHARACTERS_MAX)
        )));
    }
    for (name, url) in [
        ("its key set", Some(&metadata.jwks_uri)),
        ("its authorization endpoint", metadata.authorization_endpoint.as_ref()),
        ("its token endpoint", metadata.token_endpoint.as_ref()),
        ("its device authorization endpoint", metadata.device_authorization_endpoint.as_ref()),
        ("its revocation endpoint", metadata.revocation_endpoint.as_ref()),
    ] {
        if let Some(url) = url {
            caller.allowed(name, url)?;
        }
    }
    Ok(metadata)
}
