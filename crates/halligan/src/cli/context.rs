//! What every command works with.

use std::sync::Arc;

use halligan_engine::ports::{Clock, Entropy};
use jiff::Timestamp;

use super::Global;
use super::ui::Ui;
use crate::client::failure::Failure;
use crate::client::http::Broker;
use crate::client::identity::{Account, IdentityError};
use crate::client::machine::{MachineClock, MachineEntropy};
use crate::client::profile;
use crate::client::surroundings::Surroundings;

/// What every command works with.
pub struct Context {
    /// Where it prints.
    pub ui: Ui,
    /// What the environment says.
    pub surroundings: Surroundings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    profile: Option<String>,
}

impl Context {
    /// That of this process.
    #[must_use]
    pub fn of_process(global: Global) -> Self {
        Self {
            ui: Ui::of_process(global.json),
            surroundings: Surroundings::of_process(),
            clock: Arc::new(MachineClock),
            entropy: Arc::new(MachineEntropy),
            profile: global.profile,
        }
    }

    /// The broker that the profile or the environment names.
    ///
    /// # Errors
    /// When nobody is named, or the one who is can't be used.
    pub fn broker(&self) -> Result<Arc<Broker>, Failure> {
        let profile = self.profile.as_deref().or(self.surroundings.profile.as_deref());
        let account = Account::settle(profile, &self.surroundings)?;
        Ok(Arc::new(self.broker_as(account)?))
    }

    /// Whom the profile or the environment names, if they name anybody.
    ///
    /// # Errors
    /// When the one who is named can't be used.
    pub fn account(&self) -> Result<Option<Account>, Failure> {
        let profile = self.profile.as_deref().or(self.surroundings.profile.as_deref());
        match Account::settle(profile, &self.surroundings) {
            Ok(account) => Ok(Some(account)),
            Err(IdentityError::Nobody | IdentityError::NoUrl | IdentityError::NoToken) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The profile that is named, or the one where none is.
    #[must_use]
    pub fn profile(&self) -> &str {
        self.profile.as_deref().or(self.surroundings.profile.as_deref()).unwrap_or(profile::DEFAULT)
    }

    /// Whether the environment's token calls where nothing names a profile, as now.
    #[must_use]
    pub fn token_goes_first(&self) -> bool {
        let Surroundings { profile, token, token_file, .. } = &self.surroundings;
        self.profile.is_none() && profile.is_none() && (token.is_some() || token_file.is_some())
    }

    /// Calls of whoever that is, or of nobody.
    ///
    /// # Errors
    /// When this machine can't call.
    pub fn broker_as(&self, account: Account) -> Result<Broker, Failure> {
        Broker::new(account, self.clock.clone(), self.entropy.clone())
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A command for the same person to type next.
    #[must_use]
    pub fn command(&self, rest: &str) -> String {
        // A profile name is made of harmless characters, or no broker was found by it.
        match &self.profile {
            Some(profile) => format!("halligan --profile {profile} {rest}"),
            None => format!("halligan {rest}"),
        }
    }
}
