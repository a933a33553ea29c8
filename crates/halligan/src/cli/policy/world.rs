//! Everybody and everything that policies are asked about: from a configuration, or from the
//! tests beside the policies.

use std::path::Path;

use halligan_policy::testing::TestFile;
use halligan_policy::{Broker, Known, LoadError, Log, Machine, Person, World};

use crate::client::failure::Failure;
use crate::config::{Config, Loaded};

/// The configuration of a broker, found good as a whole but for secrets, which reviewers don't have.
///
/// # Errors
/// It isn't.
pub fn configuration(file: &Path) -> Result<Loaded, Failure> {
    Ok(Config::load_elsewhere(file)?)
}

/// Whom and what a configuration knows. Groups that tokens say are not known here.
#[must_use]
pub fn of_configuration(loaded: &Loaded) -> World {
    let rules = &loaded.rules;
    let people = rules
        .people
        .iter()
        .map(|(id, person)| (id.clone(), Person { groups: person.groups.clone(), ..Person::default() }));
    let machines = rules.machines.iter();
    let machines = machines.map(|(id, groups)| (id.clone(), Machine { groups: groups.clone(), ..Machine::default() }));
    World {
        people: people.collect(),
        machines: machines.collect(),
        roles: loaded.catalogue.roles.clone(),
        log: Log { readers: rules.office.readers.clone(), overriders: rules.office.overriders.clone() },
        broker: Broker { administrators: rules.office.administrators.clone() },
    }
}

/// What policies may name in a deployment: also the groups that nobody is in but by what a token says.
#[must_use]
pub fn known_of_configuration(loaded: &Loaded) -> Known {
    let mut known = of_configuration(loaded).known();
    let said = loaded.rules.issuers.iter().filter_map(|rules| rules.groups.as_ref());
    known.groups.extend(said.flat_map(|claim| claim.map.values().cloned()));
    known
}

/// All of these together. What has the same name in two of them is as the first has it.
#[must_use]
pub fn together(worlds: impl IntoIterator<Item = World>) -> World {
    let mut all = World::default();
    for world in worlds {
        for (id, person) in world.people {
            all.people.entry(id).or_insert(person);
        }
        for (id, machine) in world.machines {
            all.machines.entry(id).or_insert(machine);
        }
        for (id, role) in world.roles {
            all.roles.entry(id).or_insert(role);
        }
        all.log.readers.extend(world.log.readers);
        all.log.overriders.extend(world.log.overriders);
        all.broker.administrators.extend(world.broker.administrators);
    }
    all
}

/// What policies may name: whatever any of these worlds has. For tests alone.
#[must_use]
pub fn known(worlds: &[World]) -> Known {
    let mut all = Known::default();
    for world in worlds {
        let Known { persons, machines, groups, roles, gates } = world.known();
        all.persons.extend(persons);
        all.machines.extend(machines);
        all.groups.extend(groups);
        all.roles.extend(roles);
        all.gates.extend(gates);
    }
    all
}

/// Files of tests that can be read, and what is wrong with the others.
#[must_use]
pub fn tests(sources: &[halligan_policy::Source]) -> (Vec<(String, TestFile)>, Vec<LoadError>) {
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    for source in sources {
        match TestFile::parse(source) {
            Ok(file) => files.push((source.name.clone(), file)),
            Err(errors) => wrong.extend(errors),
        }
    }
    (files, wrong)
}
