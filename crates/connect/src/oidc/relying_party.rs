//! What a client of a provider is and does, whether in a browser or not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use halligan_engine::ports::{AuthorizeAsk, Claims, ProviderError, Returned, SecretText};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{CoreAuthPrompt, CoreClient, CoreJsonWebKeySet, CoreResponseType, CoreTokenResponse};
use openidconnect::{
    AuthUrl, AuthenticationContextClass, AuthenticationFlow, AuthorizationCode, AuthorizationRequest, ClientId,
    ClientSecret, CsrfToken, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse as _,
    TokenUrl,
};
use reqwest::Url;
use secrecy::ExposeSecret as _;

use crate::http::{self, Patience};

use super::cached::{Cached, REFRESH_PAUSE};
use super::call::{Caller, Endpoint};
use super::id_token::{self, Expected, Wrong};
use super::metadata::{Metadata, discover};
use super::no_tokens::{TOKEN_ENDPOINT, TokenError, of_token_endpoint};

/// Endpoints don't move often.
const METADATA_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// So long is a key trusted after its provider has withdrawn it.
const KEYS_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Whether it answers may be asked by anybody, as often as they like.
const ANSWERS_LIFETIME: Duration = Duration::from_secs(2);

/// One client that was registered with one provider.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// The issuer, to the letter: `https://example.okta.com`.
    pub issuer: String,
    /// The client id.
    pub client_id: String,
    /// The client's secret, sent by HTTP basic authentication. None: a public client.
    pub client_secret: Option<SecretText>,
    /// Scopes to ask for beside `openid`.
    pub scopes: Vec<String>,
    /// What the provider calls a proof with a second factor (`acr_values`): preferred where somebody
    /// proves again who they are.
    pub acr: Vec<String>,
    /// PEM of the only authorities that may vouch for the provider. None: those of this machine.
    pub ca_file: Option<PathBuf>,
}

/// Tokens that were verified.
pub(super) struct Tokens {
    pub(super) id_token: SecretText,
    pub(super) refresh_token: Option<SecretText>,
    pub(super) claims: Claims,
    pub(super) expires_at: Timestamp,
}

#[derive(Debug)]
pub(super) struct RelyingParty {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<SecretText>,
    scopes: Vec<String>,
    acr: Vec<String>,
    caller: Caller,
    metadata: Cached<Metadata>,
    keys: Cached<CoreJsonWebKeySet>,
    answers: Cached<()>,
}

type TokenClient =
    CoreClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointNotSet>;

impl RelyingParty {
    /// # Errors
    /// A text for people: the setting, what is wrong with it.
    pub(super) fn new(settings: OidcSettings, patience: Patience) -> Result<Self, String> {
        let OidcSettings { issuer, client_id, client_secret, mut scopes, acr, ca_file } = settings;
        let url = issuer_url(&issuer)?;
        http::check(&url).map_err(|problem| format!("issuer: {problem}"))?;
        let caller = match ca_file {
            Some(file) => Caller::trusting(&url, patience, &file).map_err(|problem| format!("ca_file: {problem}"))?,
            None => Caller::new(&url, patience).map_err(|problem| format!("issuer: {problem}"))?,
        };
        if client_id.is_empty() {
            return Err("client_id: is empty: expected the id that the provider gave to this client".to_owned());
        }
        if client_secret.as_ref().is_some_and(|secret| secret.expose_secret().is_empty()) {
            return Err("client_secret: is empty: expected the secret that the provider gave to this client".to_owned());
        }
        if let Some(scope) = scopes.iter().find(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
            return Err(format!("scopes: `{scope}` is no scope: expected one word such as `email`"));
        }
        scopes.retain(|scope| scope != "openid");
        Ok(Self {
            issuer: IssuerUrl::new(issuer).map_err(|error| format!("issuer: is not a URL ({error})"))?,
            client_id: ClientId::new(client_id),
            client_secret,
            scopes,
            acr,
            caller,
            metadata: Cached::new(METADATA_LIFETIME),
            keys: Cached::new(KEYS_LIFETIME),
            answers: Cached::with_failures(ANSWERS_LIFETIME, ANSWERS_LIFETIME),
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().cloned().map(Scope::new)
    }

    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        self.metadata.get(discover(&self.caller, &self.issuer)).await
    }

    /// Whether it describes itself and publishes keys: nothing that was known counts.
    pub(super) async fn answers(&self) -> Result<(), ProviderError> {
        let asks = async {
            let metadata = discover(&self.caller, &self.issuer).await?;
            self.keys_of(&metadata).await.map(drop)
        };
        self.answers.get(asks).await.map(|_| ())
    }

    /// Where to send a browser.
    pub(super) async fn authorize(&self, ask: &AuthorizeAsk<'_>) -> Result<String, ProviderError> {
        let metadata = self.metadata().await?;
        let endpoint = metadata.endpoint("authorization_endpoint", metadata.authorization_endpoint.as_deref())?;
        let endpoint = AuthUrl::new(endpoint.to_owned()).map_err(no_url)?;
        let (state, nonce) = (CsrfToken::new(ask.state.to_owned()), Nonce::new(ask.nonce.to_owned()));
        let client = self.client().set_auth_uri(endpoint).set_redirect_uri(redirect(ask.redirect_uri)?);
        let mut request = client
            .authorize_url(AuthenticationFlow::<CoreResponseType>::AuthorizationCode, || state, || nonce)
            .add_scopes(self.scopes())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier(ask.verifier)?));
        if let Some(max_age) = ask.max_age {
            request = request.set_max_age(Duration::try_from(max_age).unwrap_or_default());
            let acr = self.acr.iter().cloned().map(AuthenticationContextClass::new);
            request = acr.fold(request, AuthorizationRequest::add_auth_context_value);
            // The same by the letter of OpenID Connect, and some know only one of the two.
            if max_age <= SignedDuration::ZERO {
                request = request.add_prompt(CoreAuthPrompt::Login);
            }
        }
        Ok(request.url().0.to_string())
    }

    /// What a code is good for.
    pub(super) async fn exchange(&self, returned: &Returned<'_>, now: Timestamp) -> Result<Tokens, ProviderError> {
        let metadata = self.metadata().await?;
        self.check_sender(&metadata, returned.issuer)?;
        let client = self.token_client(&metadata)?.set_redirect_uri(redirect(returned.redirect_uri)?);
        let answer = client
            .exchange_code(AuthorizationCode::new(returned.code.expose_secret().to_owned()))
            .set_pkce_verifier(verifier(returned.verifier)?)
            .request_async(&self.endpoint(TOKEN_ENDPOINT))
            .await;
        let expected = Expected { nonce: Some(returned.nonce), proven_since: returned.proven_since, ..self.expected() };
        match answer {
            Ok(answer) => self.verified(&answer, &expected, now).await,
            Err(error) => Err(self.token_error(&metadata, error).await),
        }
    }

    /// New tokens for a refresh token, of the same person.
    pub(super) async fn refresh(
        &self,
        refresh_token: &SecretText,
        subject: &str,
        now: Timestamp,
    ) -> Result<Tokens, ProviderError> {
        let metadata = self.metadata().await?;
        // Before the token is spent: whoever can't verify what it is good for would lose both.
        self.keys.get(self.fetch_keys()).await?;
        let token = RefreshToken::new(refresh_token.expose_secret().to_owned());
        let client = self.token_client(&metadata)?;
        let answer = client.exchange_refresh_token(&token).request_async(&self.endpoint(TOKEN_ENDPOINT)).await;
        let expected = Expected { subject: Some(subject), ..self.expected() };
        match answer {
            Ok(answer) => self.verified(&answer, &expected, now).await,
            Err(error) => Err(self.token_error(&metadata, error).await),
        }
    }

    /// The tokens of an answer, once the ID token holds.
    pub(super) async fn verified(
        &self,
        answer: &CoreTokenResponse,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Tokens, ProviderError> {
        let token = answer.id_token().ok_or_else(|| {
            ProviderError::Refused(
                "its token endpoint gave no ID token: expected one for the scope `openid`".to_owned(),
            )
        })?;
        let keys = self.keys.get(self.fetch_keys()).await?;
        let verified = match id_token::verify(token, &keys, expected, now) {
            Err(Wrong::UnknownKey) => {
                let Some(keys) = self.keys.other_than(&keys, self.fetch_keys()).await? else {
                    return Err(ProviderError::Unavailable(format!(
                        "the ID token is signed with a key that wasn't in its key set, which is looked at for new keys \
                         once in {REFRESH_PAUSE:?}"
                    )));
                };
                id_token::verify(token, &keys, expected, now)
            }
            other => other,
        };
        let (claims, expires_at) = verified.map_err(|wrong| {
            ProviderError::Refused(match wrong {
                Wrong::UnknownKey => "the ID token is signed with a key that is not in its key set".to_owned(),
                Wrong::Refused(reason) => reason,
            })
        })?;
        Ok(Tokens {
            id_token: token.to_string().into(),
            refresh_token: answer.refresh_token().map(|token| token.secret().as_str().into()),
            claims,
            expires_at,
        })
    }

    pub(super) fn expected(&self) -> Expected<'_> {
        Expected { issuer: &self.issuer, client_id: &self.client_id, nonce: None, proven_since: None, subject: None }
    }

    /// One of its endpoints; `whose` names it in errors.
    pub(super) fn endpoint(&self, whose: &'static str) -> Endpoint<'_> {
        Endpoint { caller: &self.caller, whose }
    }

    /// The answer must come from whom the browser was sent to.
    fn check_sender(&self, metadata: &Metadata, issuer: Option<&str>) -> Result<(), ProviderError> {
        match issuer {
            Some(issuer) if issuer == self.issuer.as_str() => Ok(()),
            Some(_) => Err(ProviderError::Refused(format!(
                "it comes from another issuer than the one that was asked (`iss`): expected `{}`",
                self.issuer.as_str()
            ))),
            None if metadata.authorization_response_iss_parameter_supported => Err(ProviderError::Refused(format!(
                "it doesn't say which issuer it comes from: expected `iss` to be `{}`",
                self.issuer.as_str()
            ))),
            None => Ok(()),
        }
    }

    pub(super) fn client(&self) -> CoreClient {
        let client = CoreClient::new(self.client_id.clone(), self.issuer.clone(), CoreJsonWebKeySet::default());
        match &self.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
            None => client,
        }
    }

    fn token_client(&self, metadata: &Metadata) -> Result<TokenClient, ProviderError> {
        let endpoint = metadata.endpoint("token_endpoint", metadata.token_endpoint.as_deref())?;
        Ok(self.client().set_token_uri(TokenUrl::new(endpoint.to_owned()).map_err(no_url)?))
    }

    async fn fetch_keys(&self) -> Result<CoreJsonWebKeySet, ProviderError> {
        let metadata = self.metadata().await?;
        self.keys_of(&metadata).await
    }

    async fn keys_of(&self, metadata: &Metadata) -> Result<CoreJsonWebKeySet, ProviderError> {
        let document = self.caller.document("its key set", &metadata.jwks_uri, None).await?;
        let keys: CoreJsonWebKeySet = serde_json::from_slice(&document)
            .map_err(|_| ProviderError::Refused("its key set is no JWK set: expected JSON with `keys`".to_owned()))?;
        if keys.keys().is_empty() {
            return Err(ProviderError::Unavailable("its key set holds no key that can be used".to_owned()));
        }
        Ok(keys)
    }

    /// What went wrong at the token endpoint. Unless it spoke OAuth, it may have moved.
    async fn token_error(&self, metadata: &Arc<Metadata>, error: TokenError) -> ProviderError {
        if !matches!(error, RequestTokenError::ServerResponse(_)) {
            self.metadata.forget(metadata).await;
        }
        of_token_endpoint(error)
    }
}

/// # Errors
/// A text for people: what is wrong with it.
pub(super) fn issuer_url(issuer: &str) -> Result<Url, String> {
    let expected = "expected the provider's issuer, such as `https://example.okta.com`";
    let url = Url::parse(issuer).map_err(|error| format!("issuer: is not a URL ({error}): {expected}"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("issuer: has a query or a fragment: {expected}"));
    }
    Ok(url)
}

fn redirect(uri: &str) -> Result<RedirectUrl, ProviderError> {
    RedirectUrl::new(uri.to_owned()).map_err(no_url)
}

fn no_url(error: openidconnect::url::ParseError) -> ProviderError {
    ProviderError::Refused(format!("an address of the sign-in is not a URL ({error})"))
}

/// The library panics on others.
fn verifier(verifier: &SecretText) -> Result<PkceCodeVerifier, ProviderError> {
    let text = verifier.expose_secret();
    if !(43..=128).contains(&text.len()) {
        return Err(ProviderError::Refused("the PKCE verifier has a wrong length: expected 43 to 128".to_owned()));
    }
    Ok(PkceCodeVerifier::new(text.to_owned()))
}
