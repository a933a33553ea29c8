//! Who is who and who may do what, as the settings were found to be usable.

use std::collections::{BTreeMap, BTreeSet};

use halligan_connect::mail::MailAddress;
use halligan_connect::oidc::{KeySource, OidcSettings};
use halligan_core::actor::Principal;
use halligan_core::catalogue;
use halligan_core::id::{GroupId, MachineId, PersonId, PlaceId, RoleId};
use halligan_engine::access::{Access, Directory, IssuerRules, Member, Office};
use halligan_policy::PolicySet;
use sha2::{Digest as _, Sha256};

/// Who vouches for callers.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// How its tokens are checked.
    pub tokens: halligan_server::auth::Issuer,
    /// Where it publishes its keys, if they don't stand in the configuration.
    pub published: Option<KeySource>,
    /// How people sign in with it.
    pub sign_in: Option<SignIn>,
}

/// An OpenID provider that people sign in with.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// What it is called here.
    pub name: PlaceId,
    /// The broker, as the provider knows it.
    pub client: OidcSettings,
    /// Command lines, as the provider knows them.
    pub command_line_client_id: Option<String>,
    /// SHA-256 over all of it, its secret and what its `ca_file` holds among it: not to be shown.
    pub version: String,
}

/// One human.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The groups that the configuration has them in.
    pub groups: BTreeSet<GroupId>,
    /// Their logins.
    pub principals: BTreeSet<Principal>,
    /// What machines' tokens and incident tools call them: by whom, by which claim, how.
    pub named: BTreeSet<(String, String, String)>,
    /// Where notices go.
    pub mail: Option<MailAddress>,
}

/// Everything that can be swapped while the broker serves.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who vouches for callers, as the file has them.
    pub issuers: Vec<IssuerRules>,
    /// The people.
    pub people: BTreeMap<PersonId, Person>,
    /// The machines, and their groups.
    pub machines: BTreeMap<MachineId, BTreeSet<GroupId>>,
    /// Who may do what.
    pub policies: PolicySet,
    /// The groups that have a part in the broker itself.
    pub office: Office,
    /// The lists of each role.
    pub roles: BTreeMap<RoleId, catalogue::Access>,
    /// SHA-256 over how tokens are checked, and over who signs people in and writes to them.
    pub vouching: String,
}

impl Rules {
    /// As the engine takes it.
    #[must_use]
    pub fn access(&self) -> Access {
        let member = |(id, person): (&PersonId, &Person)| {
            let Person { groups, principals, named, mail: _ } = person.clone();
            (id.clone(), Member { groups, principals, named })
        };
        let people = self.people.iter().map(member).collect();
        Access {
            directory: Directory::new(self.issuers.clone(), people, self.machines.clone()),
            policies: self.policies.clone(),
            office: self.office.clone(),
            roles: self.roles.clone(),
            sha256: self.sha256(),
        }
    }

    /// Of all that it says, and not of how the file says it.
    fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let mail = self.mail();
        let mail: Vec<(&PersonId, &str)> = mail.iter().map(|(person, address)| (person, address.expose())).collect();
        for part in [
            format!("{:?}", self.issuers),
            format!("{:?}", self.people),
            format!("{mail:?}"),
            format!("{:?}", self.machines),
            format!("{:?}", self.office),
            format!("{:?}", self.roles),
            self.vouching.clone(),
            self.policies.sha256().to_owned(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hex::encode(hash.finalize())
    }

    /// Where people are reached.
    #[must_use]
    pub fn mail(&self) -> BTreeMap<PersonId, MailAddress> {
        let reached = |(id, person): (&PersonId, &Person)| Some((id.clone(), person.mail.clone()?));
        self.people.iter().filter_map(reached).collect()
    }
}
