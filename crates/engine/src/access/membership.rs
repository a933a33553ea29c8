//! Which groups somebody is in, as far as anybody knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use halligan_core::actor::{Party, Principal};
use halligan_core::id::{GroupId, PersonId};
use jiff::{SignedDuration, Timestamp};

use super::{Access, Directory};
use crate::ports::{LoginGroups, StoreError};

/// Somebody's groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Membership {
    /// Those that the configuration has them in, and those that their providers last said.
    pub groups: BTreeSet<GroupId>,
    /// Those that a provider of theirs could say and has not said lately: nobody knows.
    pub possible: BTreeSet<GroupId>,
}

/// Looks them up.
pub(super) struct Memberships {
    said: Arc<dyn LoginGroups>,
    /// So long what a provider last said counts.
    kept: SignedDuration,
}

impl Memberships {
    pub fn new(said: Arc<dyn LoginGroups>, kept: SignedDuration) -> Self {
        Self { said, kept }
    }

    /// Of whoever uses this login of an issuer.
    pub async fn of(&self, access: &Access, party: &Party, now: Timestamp) -> Result<Membership, StoreError> {
        let directory = &access.directory;
        let groups = directory.configured_groups(party);
        self.with_said(directory, groups, directory.logins_with_groups(party), now).await
    }

    /// Of a person who is not the one who asks.
    pub async fn of_person(
        &self,
        access: &Access,
        person: &PersonId,
        now: Timestamp,
    ) -> Result<Membership, StoreError> {
        let directory = &access.directory;
        let Some(member) = directory.people().get(person) else { return Ok(Membership::default()) };
        let logins = directory.with_groups(member.principals.clone());
        self.with_said(directory, member.groups.clone(), logins, now).await
    }

    async fn with_said(
        &self,
        directory: &Directory,
        mut groups: BTreeSet<GroupId>,
        logins: BTreeSet<Principal>,
        now: Timestamp,
    ) -> Result<Membership, StoreError> {
        if logins.is_empty() {
            return Ok(Membership { groups, possible: BTreeSet::new() });
        }
        let mut said = self.said.groups_of(&logins, now - self.kept).await?;
        let mut possible = BTreeSet::new();
        for login in &logins {
            match said.remove(login) {
                Some(said) => groups.extend(said),
                None => possible.extend(directory.groups_said_by(&login.issuer).cloned()),
            }
        }
        possible.retain(|group| !groups.contains(group));
        Ok(Membership { groups, possible })
    }
}
