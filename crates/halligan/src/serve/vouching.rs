//! Who vouches for callers, and by whom people are told: made from the configuration, and
//! swapped with the rules while the broker serves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use halligan_connect::mail::MailNotices;
use halligan_connect::oidc::{HttpKeySets, OidcProvider};
use halligan_core::catalogue::Catalogue;
use halligan_core::id::PlaceId;
use halligan_engine::access::Access;
use halligan_engine::broker::Broker;
use halligan_engine::identity::ByName;
use halligan_engine::ports::{Clock, IdentityProvider, KeySets};
use halligan_server::SignIns;
use halligan_server::auth::{Authenticator, Trust};
use halligan_server::views::SignInView;
use tokio::sync::Notify;

use super::identity::{Mailer, for_command_lines};
use crate::config::Loaded;
use crate::config::access::Issuer;

/// A provider, and which version of its settings it was made from.
type Provider = (String, Arc<dyn IdentityProvider>);

/// Those who are in force.
pub struct Vouching {
    broker: Arc<Broker>,
    authenticator: Arc<Authenticator>,
    sign_ins: Arc<SignIns>,
    mailer: Option<Arc<Mailer>>,
    /// The providers that people sign in with: what they have fetched is kept with them.
    providers: Mutex<BTreeMap<PlaceId, Provider>>,
    changed: Arc<Notify>,
}

/// Those of another configuration, found to be usable: [`Vouching::replace`] puts them in force.
pub struct Next {
    trust: Trust,
    providers: BTreeMap<PlaceId, Provider>,
    sign_ins: Vec<SignInView>,
    notices: Option<MailNotices>,
}

impl Vouching {
    /// Puts those of the configuration that a broker starts with in force. Nothing is fetched yet.
    ///
    /// # Errors
    /// An issuer, a provider or the mail server can't be used as it stands.
    pub fn new(
        loaded: &Loaded,
        broker: &Arc<Broker>,
        mailer: Option<Arc<Mailer>>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let none: Arc<dyn KeySets> = Arc::new(HttpKeySets::new([]).map_err(|why| anyhow!("{why}"))?);
        let vouching = Self {
            broker: broker.clone(),
            authenticator: Arc::new(Authenticator::new(Vec::new(), &none, clock)?),
            sign_ins: SignIns::new(Vec::new()),
            mailer,
            providers: Mutex::default(),
            changed: Arc::default(),
        };
        vouching.replace(vouching.prepared(loaded)?);
        Ok(vouching)
    }

    /// What tells callers of the API apart.
    pub const fn authenticator(&self) -> &Arc<Authenticator> {
        &self.authenticator
    }

    /// With whom command lines sign in.
    pub const fn sign_ins(&self) -> &Arc<SignIns> {
        &self.sign_ins
    }

    /// The rules that are in force.
    pub fn access(&self) -> Arc<Access> {
        self.broker.judge().access().now()
    }

    /// What the broker was started with.
    pub fn catalogue(&self) -> &Catalogue {
        self.broker.catalogue()
    }

    /// Rings when there are others.
    pub fn changed(&self) -> Arc<Notify> {
        self.changed.clone()
    }

    /// Those of another configuration. What nothing has changed of is kept, with the keys that
    /// were fetched.
    ///
    /// # Errors
    /// An issuer, a provider or the mail server can't be used as it stands.
    pub fn prepared(&self, loaded: &Loaded) -> anyhow::Result<Next> {
        let issuers = &loaded.issuers;
        let published = issuers.iter().filter_map(|issuer| issuer.published.clone());
        let sets: Arc<dyn KeySets> = Arc::new(HttpKeySets::new(published).map_err(|why| anyhow!("{why}"))?);
        let tokens = issuers.iter().map(|issuer| issuer.tokens.clone()).collect();
        let notices = match (&self.mailer, &loaded.mail) {
            (Some(mailer), Some(mail)) => Some(mailer.prepared(mail)?),
            // That people are written to at all, or no more, is known at the next start.
            (Some(_), None) | (None, _) => None,
        };
        Ok(Next {
            trust: self.authenticator.prepared(tokens, &sets)?,
            providers: self.providers(issuers)?,
            sign_ins: for_command_lines(issuers),
            notices,
        })
    }

    #[cfg(test)]
    pub fn provider(&self, name: &str) -> Option<Provider> {
        let held = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|(held, _)| held.as_str() == name).map(|(_, provider)| provider.clone())
    }

    fn providers(&self, issuers: &[Issuer]) -> anyhow::Result<BTreeMap<PlaceId, Provider>> {
        let held = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut providers = BTreeMap::new();
        for sign_in in issuers.iter().filter_map(|issuer| issuer.sign_in.as_ref()) {
            let provider = match held.get(&sign_in.name) {
                Some((version, provider)) if *version == sign_in.version => provider.clone(),
                Some(_) | None => {
                    let provider = OidcProvider::new(sign_in.client.clone());
                    Arc::new(provider.map_err(|why| anyhow!("the provider `{}` can't be used: {why}", sign_in.name))?)
                }
            };
            providers.insert(sign_in.name.clone(), (sign_in.version.clone(), provider));
        }
        Ok(providers)
    }

    /// Puts them in force, with the rules that are by now.
    pub fn replace(&self, next: Next) {
        let Next { trust, providers, sign_ins, notices } = next;
        self.authenticator.replace(trust, self.access());
        let by_name: ByName = providers.iter().map(|(name, (_, provider))| (name.clone(), provider.clone())).collect();
        *self.providers.lock().unwrap_or_else(PoisonError::into_inner) = providers;
        self.broker.identity().replace_providers(by_name);
        self.sign_ins.replace(sign_ins);
        if let (Some(mailer), Some(notices)) = (&self.mailer, notices) {
            mailer.replace(notices);
        }
        self.changed.notify_one();
    }
}
