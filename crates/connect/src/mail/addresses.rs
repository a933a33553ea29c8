//! Where people are reached.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use halligan_core::id::PersonId;

/// A mail address. It is personal: nothing shows it by accident.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MailAddress(pub(super) lettre::Address);

impl FromStr for MailAddress {
    type Err = String;

    /// # Errors
    /// A text that follows the name of the setting.
    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().map_err(|_| "is no mail address: expected such as `alice@example.com`");
        address.map(Self).map_err(str::to_owned)
    }
}

impl MailAddress {
    /// The address, for whoever must write it down.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_ref()
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailAddress(…)")
    }
}

/// Who is reached where: swapped as a whole.
#[derive(Debug, Default)]
pub struct Addresses(RwLock<BTreeMap<PersonId, MailAddress>>);

impl Addresses {
    /// From the beginning.
    #[must_use]
    pub fn new(people: BTreeMap<PersonId, MailAddress>) -> Self {
        Self(RwLock::new(people))
    }

    /// From now on.
    pub fn replace(&self, people: BTreeMap<PersonId, MailAddress>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = people;
    }

    /// Where this person is reached.
    pub(super) fn of(&self, person: &PersonId) -> Option<MailAddress> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(person).cloned()
    }
}
