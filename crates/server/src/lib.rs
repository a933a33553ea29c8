//! The HTTP API, JSON under `/v1`, bearer tokens, problem+json; and the pages.
//!
//! The engine decides; this crate reads requests, tells callers apart, and
//! writes answers. It knows no store and no AWS.

pub mod auth;
mod call;
pub mod client;
mod context;
mod guard;
pub mod openapi;
mod pages;
mod present;
pub mod problem;
mod routes;
pub mod serve;
pub mod views;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::HeaderMap;
use halligan_engine::broker::Broker;
use halligan_engine::ports::{Clock, Entropy};
use ipnet::IpNet;

use crate::auth::Authenticator;
use crate::views::SignInView;

pub use call::BODY_BYTES_MAX;
pub use routes::router;

/// What the handlers share.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the API is made of.
pub struct Parts {
    /// What decides.
    pub broker: Arc<Broker>,
    /// What tells callers of `/v1` apart.
    pub authenticator: Arc<Authenticator>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The metrics, where there are any.
    pub metrics: Option<Metrics>,
    /// The providers that command lines sign in with.
    pub sign_in: Arc<SignIns>,
}

/// The providers that command lines sign in with, in the order of the configuration; swapped as a whole.
pub struct SignIns(RwLock<Vec<SignInView>>);

impl SignIns {
    /// These.
    #[must_use]
    pub fn new(providers: Vec<SignInView>) -> Arc<Self> {
        Arc::new(Self(RwLock::new(providers)))
    }

    /// These from now on.
    pub fn replace(&self, providers: Vec<SignInView>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = providers;
    }

    fn now(&self) -> Vec<SignInView> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The metrics, and who may read them beside this machine.
pub struct Metrics {
    /// Writes them in Prometheus' text format.
    pub render: Box<dyn Fn() -> String + Send + Sync>,
    /// Whose requests are answered.
    pub networks: Vec<IpNet>,
}

impl App {
    /// The API over these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_ref()
    }

    pub(crate) fn broker(&self) -> &Arc<Broker> {
        &self.0.broker
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.0.authenticator
    }

    pub(crate) fn sign_in(&self) -> Vec<SignInView> {
        self.0.sign_in.now()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    pub(crate) fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.0.entropy
    }

    pub(crate) fn trusted_proxies(&self) -> &[IpNet] {
        &self.0.trusted_proxies
    }

    pub(crate) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        client::address(peer, headers, self.trusted_proxies())
    }
}
