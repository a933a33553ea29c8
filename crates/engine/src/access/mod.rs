//! Who is who, and who may do what: read from files, swapped as a whole, asked anew at each check.

mod directory;
mod judge;
mod membership;
mod outage;
mod reload;
mod rules;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use halligan_core::catalogue::{self, Role};
use halligan_core::id::{GroupId, RoleId};
use halligan_policy::PolicySet;

pub use directory::{CREATOR, Directory, Member, UnknownLogin};
pub use judge::{Asker, Judge, Matter, Occasion};
pub use outage::ProvidersSeen;
pub use reload::{Applied, Reload};
pub use rules::{GroupsClaim, IssuerKind, IssuerRules, Login, LoginFault, LoginKind, MachineRule, MfaSigns, Unlinked};

/// One state of all of it.
#[derive(Debug, Clone)]
pub struct Access {
    /// Who is who.
    pub directory: Directory,
    /// Who may do what.
    pub policies: PolicySet,
    /// The groups that policies know the log and the broker by.
    pub office: Office,
    /// The lists of roles, in place of those that the catalogue began with.
    pub roles: BTreeMap<RoleId, catalogue::Access>,
    /// SHA-256 over the files that it was read from.
    pub sha256: String,
}

impl Access {
    /// A role of the catalogue with its lists as they are now. No grant has them in what was
    /// acknowledged: who may do something is asked each time.
    #[must_use]
    pub fn listed<'a>(&self, role: &'a Role) -> Cow<'a, Role> {
        match self.roles.get(&role.id) {
            Some(access) if *access != role.access => Cow::Owned(Role { access: access.clone(), ..role.clone() }),
            Some(_) | None => Cow::Borrowed(role),
        }
    }
}

/// The groups that have a part in the broker itself.
#[derive(Debug, Clone, Default)]
pub struct Office {
    /// May read the log.
    pub readers: BTreeSet<GroupId>,
    /// May let credentials leave without an archive's confirmation.
    pub overriders: BTreeSet<GroupId>,
    /// May run the broker.
    pub administrators: BTreeSet<GroupId>,
}

/// What is in force now.
#[derive(Debug)]
pub struct AccessInForce(RwLock<Arc<Access>>);

impl AccessInForce {
    /// From the beginning.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self(RwLock::new(Arc::new(access)))
    }

    /// For one check, or several that belong together.
    #[must_use]
    pub fn now(&self) -> Arc<Access> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on; returns what was in force before.
    pub fn replace(&self, access: Access) -> Arc<Access> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut held, Arc::new(access))
    }
}
