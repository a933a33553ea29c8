//! Who is who: the persons, and the logins that are theirs.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::actor::{Human, Machine, Party, Principal};
use halligan_core::id::{GroupId, MachineId, PersonId, ProviderId};
use sha2::{Digest as _, Sha256};

use crate::ports::Passkey;

use super::rules::{IssuerKind, IssuerRules, Login, LoginKind, MachineRule, Unlinked};

/// So many hexadecimal digits of a hash name a person whom nobody named.
const NAME_DIGITS: usize = 20;
const NAMED_BY_HASH: &str = "p-";

/// What an incident tool's word for a creator is called, beside the claims of tokens.
pub const CREATOR: &str = "creator";

/// A person, as the configuration has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Their groups.
    pub groups: BTreeSet<GroupId>,
    /// Their logins.
    pub principals: BTreeSet<Principal>,
    /// What machines' tokens and incident tools call them: issuer or tool, claim or [`CREATOR`], and value.
    pub named: BTreeSet<(String, String, String)>,
}

/// Who is who.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    issuers: BTreeMap<String, IssuerRules>,
    people: BTreeMap<PersonId, Member>,
    machines: BTreeMap<MachineId, BTreeSet<GroupId>>,
    links: BTreeMap<Principal, PersonId>,
    named: BTreeMap<(String, String, String), PersonId>,
}

/// Why a login is nobody's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownLogin {
    /// Nobody asked this issuer.
    #[error("`{0}` is no issuer here")]
    Issuer(String),
    /// No person is linked to it.
    #[error("the login `{subject}` of `{issuer}` belongs to no person here: ask the operators to link it")]
    Unlinked {
        /// Who vouches for it.
        issuer: String,
        /// Whom it names.
        subject: String,
    },
    /// A machine's token names a human whom nobody here is: who could acknowledge is not known.
    #[error("the token's `{claim}` names somebody who is no person here: ask the operators to name them")]
    UnknownHuman {
        /// Which claim.
        claim: String,
    },
}

impl Directory {
    /// Of these. The configuration's check has seen to it that no login and no name is two persons'.
    #[must_use]
    pub fn new(
        issuers: Vec<IssuerRules>,
        people: BTreeMap<PersonId, Member>,
        machines: BTreeMap<MachineId, BTreeSet<GroupId>>,
    ) -> Self {
        let (mut links, mut named) = (BTreeMap::new(), BTreeMap::new());
        for (id, member) in &people {
            links.extend(member.principals.iter().map(|principal| (principal.clone(), id.clone())));
            named.extend(member.named.iter().map(|name| (name.clone(), id.clone())));
        }
        let issuers = issuers.into_iter().map(|rules| (rules.issuer.clone(), rules)).collect();
        Self { issuers, people, machines, links, named }
    }

    /// What an issuer's tokens mean.
    #[must_use]
    pub fn rules(&self, issuer: &str) -> Option<&IssuerRules> {
        self.issuers.get(issuer)
    }

    /// The people that the configuration names.
    #[must_use]
    pub const fn people(&self) -> &BTreeMap<PersonId, Member> {
        &self.people
    }

    /// The machines, and their groups.
    #[must_use]
    pub const fn machines(&self) -> &BTreeMap<MachineId, BTreeSet<GroupId>> {
        &self.machines
    }

    /// Whose login it is.
    ///
    /// # Errors
    /// Nobody's.
    pub fn party(&self, login: &Login) -> Result<Party, UnknownLogin> {
        let principal = &login.principal;
        match &login.kind {
            LoginKind::Person => {
                let person = self.person(principal)?;
                Ok(Party::Human(Human { person, principal: principal.clone() }))
            }
            LoginKind::Machine { machine, names } => {
                let known = |(claim, value): &(String, String)| {
                    let name = (principal.issuer.clone(), claim.clone(), value.clone());
                    self.named.get(&name).cloned().ok_or_else(|| UnknownLogin::UnknownHuman { claim: claim.clone() })
                };
                let on_behalf_of = names.as_ref().map(known).transpose()?;
                Ok(Party::Machine(Machine { machine: machine.clone(), on_behalf_of, principal: principal.clone() }))
            }
        }
    }

    /// The person of this login of a human.
    ///
    /// # Errors
    /// It is nobody's.
    pub fn person(&self, principal: &Principal) -> Result<PersonId, UnknownLogin> {
        let Principal { issuer, subject } = principal;
        let Some(IssuerRules { kind: IssuerKind::People(unlinked), .. }) = self.issuers.get(issuer) else {
            return Err(UnknownLogin::Issuer(issuer.clone()));
        };
        match (self.links.get(principal), unlinked) {
            (Some(person), _) => Ok(person.clone()),
            (None, Unlinked::Admit) => named_by_hash(principal).ok_or_else(|| UnknownLogin::Issuer(issuer.clone())),
            (None, Unlinked::Refuse) => {
                Err(UnknownLogin::Unlinked { issuer: issuer.clone(), subject: subject.clone() })
            }
        }
    }

    /// Whose passkey it is: its person, for as long as the login that enrolled it is theirs.
    #[must_use]
    pub fn enrolled(&self, passkey: &Passkey) -> Option<PersonId> {
        self.person(&passkey.principal).ok().filter(|person| *person == passkey.person)
    }

    /// Whether there is such a person: one that the configuration names, or that anybody can be.
    #[must_use]
    pub fn has(&self, person: &PersonId) -> bool {
        let admits = |rules: &IssuerRules| rules.kind == IssuerKind::People(Unlinked::Admit);
        self.people.contains_key(person)
            || (person.as_str().starts_with(NAMED_BY_HASH) && self.issuers.values().any(admits))
    }

    /// Whom an incident's tool means by this name of its creator.
    #[must_use]
    pub fn creator(&self, provider: &ProviderId, name: &str) -> Option<&PersonId> {
        self.people
            .get_key_value(self.named.get(&(provider.to_string(), CREATOR.to_owned(), name.to_owned()))?)
            .map(|(id, _)| id)
    }

    /// Whether the login still is theirs: a person or a link that was removed is nobody's from then on.
    #[must_use]
    pub fn still(&self, party: &Party) -> bool {
        match party {
            Party::Human(human) => self.person(&human.principal).as_ref() == Ok(&human.person),
            Party::Machine(machine) => {
                let rules = self.issuers.get(&machine.principal.issuer).map(|rules| &rules.kind);
                let IssuerKind::Machines(rules) = rules.unwrap_or(&IssuerKind::People(Unlinked::Refuse)) else {
                    return false;
                };
                rules.iter().any(|rule| rule.machine == machine.machine && self.still_acts_for(machine, rule))
            }
        }
    }

    /// Whether the human for whom a machine acts is one whom its tokens can name. Which name it
    /// was is not kept: of two that somebody has there, either will do.
    fn still_acts_for(&self, machine: &Machine, rule: &MachineRule) -> bool {
        let Some(person) = &machine.on_behalf_of else { return rule.human_claim.is_none() };
        let Some(member) = self.people.get(person) else { return false };
        let says = |claim: &String| {
            member.named.iter().any(|(issuer, known, _)| *issuer == machine.principal.issuer && known == claim)
        };
        rule.human_claim.as_ref().is_none_or(says)
    }

    /// The groups that the configuration has somebody in.
    #[must_use]
    pub fn configured_groups(&self, party: &Party) -> BTreeSet<GroupId> {
        let groups = match party {
            Party::Human(human) => self.people.get(&human.person).map(|member| &member.groups),
            Party::Machine(machine) => self.machines.get(&machine.machine),
        };
        groups.cloned().unwrap_or_default()
    }

    /// The logins of whoever uses `principal`, of issuers whose tokens say groups.
    #[must_use]
    pub fn logins_with_groups(&self, party: &Party) -> BTreeSet<Principal> {
        let theirs = match party {
            Party::Human(human) => self.people.get(&human.person).map(|member| member.principals.clone()),
            Party::Machine(_) => None,
        };
        let mut principals = theirs.unwrap_or_default();
        principals.insert(party.principal().clone());
        self.with_groups(principals)
    }

    /// The groups that an issuer's tokens can say.
    pub(super) fn groups_said_by(&self, issuer: &str) -> impl Iterator<Item = &GroupId> {
        let rules = self.issuers.get(issuer);
        rules.and_then(|rules| rules.groups.as_ref()).into_iter().flat_map(|groups| groups.map.values())
    }

    /// Those of issuers whose tokens say groups.
    pub(super) fn with_groups(&self, mut principals: BTreeSet<Principal>) -> BTreeSet<Principal> {
        principals.retain(|principal| self.issuers.get(&principal.issuer).is_some_and(|rules| rules.groups.is_some()));
        principals
    }
}

/// A person whom the configuration doesn't name.
fn named_by_hash(Principal { issuer, subject }: &Principal) -> Option<PersonId> {
    let hash = Sha256::new().chain_update(issuer).chain_update([0]).chain_update(subject).finalize();
    let digits = hex::encode(hash);
    format!("{NAMED_BY_HASH}{}", digits.get(..NAME_DIGITS)?).parse().ok()
}
