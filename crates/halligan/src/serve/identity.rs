//! How people come in: the adapters, made from the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use halligan_connect::mail::{Addresses, MailNotices};
use halligan_connect::oidc::{HttpKeySets, OidcProvider};
use halligan_core::id::PlaceId;
use halligan_engine::identity::{IdentityPorts, IdentitySettings};
use halligan_engine::ports::{Clock, IdentityProvider, KeySets, Notices};
use halligan_engine::rate::Rates;
use halligan_server::auth::Authenticator;
use halligan_server::views::SignInView;
use halligan_store::Database;

use crate::config::Loaded;
use crate::config::access::Issuer;

/// What of the outside coming in needs. Notices go where `people` says by then.
pub fn ports(loaded: &Loaded, store: &Arc<Database>, people: &Arc<Addresses>) -> anyhow::Result<IdentityPorts> {
    let notices: Option<Arc<dyn Notices>> = match &loaded.mail {
        Some(mail) => {
            Some(Arc::new(MailNotices::new(mail.clone(), people.clone()).map_err(|why| anyhow!("mail: {why}"))?))
        }
        None => None,
    };
    Ok(IdentityPorts {
        sessions: store.clone(),
        ceremonies: store.clone(),
        groups: store.clone(),
        passkeys: store.clone(),
        providers: providers(&loaded.issuers)?,
        notices,
    })
}

fn providers(issuers: &[Issuer]) -> anyhow::Result<BTreeMap<PlaceId, Arc<dyn IdentityProvider>>> {
    let mut providers: BTreeMap<PlaceId, Arc<dyn IdentityProvider>> = BTreeMap::new();
    for sign_in in issuers.iter().filter_map(|issuer| issuer.sign_in.as_ref()) {
        let provider = OidcProvider::new(sign_in.client.clone());
        let provider = provider.map_err(|why| anyhow!("the provider `{}` can't be used: {why}", sign_in.name))?;
        providers.insert(sign_in.name.clone(), Arc::new(provider));
    }
    Ok(providers)
}

/// What the configuration says of coming in.
pub fn settings(loaded: &Loaded) -> IdentitySettings {
    IdentitySettings {
        public_url: loaded.server.public_url.clone(),
        rp_id: loaded.passkeys.rp_id.clone(),
        groups_kept: loaded.sessions.groups_kept,
        session_idle: loaded.sessions.idle,
        session_max: loaded.sessions.longest,
        enrolment_wait: loaded.passkeys.wait,
        sign_ins_per_minute: loaded.limits.sign_ins_per_minute,
    }
}

/// How often somebody may ask.
pub const fn rates(loaded: &Loaded) -> Rates {
    let limits = &loaded.limits;
    Rates {
        requests_per_person: limits.requests_per_person,
        requests_per_incident: limits.requests_per_incident,
        requests_per_address: limits.requests_per_address,
        refused_acknowledgements: limits.refused_acknowledgements,
    }
}

/// What tells callers of the API apart.
pub fn authenticator(issuers: &[Issuer], clock: Arc<dyn Clock>) -> anyhow::Result<Authenticator> {
    let published = issuers.iter().filter_map(|issuer| issuer.published.clone());
    let sets: Arc<dyn KeySets> = Arc::new(HttpKeySets::new(published).map_err(|why| anyhow!("{why}"))?);
    let tokens = issuers.iter().map(|issuer| issuer.tokens.clone()).collect();
    Authenticator::new(tokens, &sets, clock).map_err(Into::into)
}

/// With whom command lines sign in, in the order of the configuration.
pub fn for_command_lines(issuers: &[Issuer]) -> Vec<SignInView> {
    let view = |issuer: &Issuer| {
        let sign_in = issuer.sign_in.as_ref()?;
        let mut scopes = vec!["openid".to_owned()];
        scopes.extend(sign_in.client.scopes.iter().filter(|scope| *scope != "openid").cloned());
        Some(SignInView {
            name: sign_in.name.to_string(),
            issuer: issuer.tokens.issuer.clone(),
            client_id: sign_in.command_line_client_id.clone()?,
            scopes,
            // They present ID tokens, which are for their client.
            audience: None,
        })
    };
    issuers.iter().filter_map(view).collect()
}
