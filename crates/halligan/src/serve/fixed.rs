//! What of the configuration holds for as long as the process lives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use halligan_core::catalogue::{Access, Catalogue, Role};
use halligan_core::id::{GroupId, RoleId};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::config::Loaded;
use crate::config::log::{Log, Override};

/// The settings by name, and what each says, by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed(Vec<(&'static str, String)>);

impl Fixed {
    /// Of this configuration. A secret is part of its section, wherever it is kept.
    pub fn of(loaded: &Loaded) -> Self {
        let Catalogue { deployment, roles } = &loaded.catalogue;
        let certificate =
            loaded.server.tls.as_ref().map(|tls| [&tls.certificate_file, &tls.key_file].map(fs::read).map(Result::ok));
        let roles: Vec<Role> = roles.values().map(without_lists).collect();
        let settings = [
            ("deployment", deployment.to_string()),
            ("state_directory", format!("{:?}", loaded.state_directory)),
            ("server", format!("{:?} {certificate:?}", loaded.server)),
            ("store", loaded.store.url.expose_secret().to_owned()),
            ("log", format!("{:?}", without_groups(&loaded.log))),
            ("aws", format!("{:?}", loaded.aws)),
            ("limits", format!("{:?}", loaded.limits)),
            ("sessions", format!("{:?}", loaded.sessions)),
            ("passkeys", format!("{:?}", loaded.passkeys)),
            ("mail", loaded.mail.is_some().to_string()),
            ("incidents", format!("{:?}", loaded.incidents)),
            ("roles", format!("{roles:?}")),
        ];
        let digest = |(name, says): (&'static str, String)| {
            let own = |setting: &&String| setting.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
            let secrets = loaded.secrets.iter().filter(|(setting, _)| own(setting) && name != "mail");
            (name, hex::encode(Sha256::digest(format!("{says} {:?}", secrets.collect::<Vec<_>>()))))
        };
        Self(settings.into_iter().map(digest).collect())
    }

    /// The settings that say something else in `other`.
    pub fn otherwise(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0);
        pairs.filter(|(one, other)| one != other).map(|((name, _), _)| *name).collect()
    }
}

/// Who may do what with a role is swapped with the rules.
fn without_lists(role: &Role) -> Role {
    Role { access: Access::default(), ..role.clone() }
}

/// The lists of the roles of `running`, once `file` is in force, where those of `held` were. A role that
/// is otherwise changed in the file is still what it was: nobody gets into a list of it before a restart
/// makes it what they are meant for, and who is taken out is out at once. Of a role that is gone from the
/// file nobody gets anything, and who could end a grant of it still can.
pub fn lists(running: &Catalogue, held: &BTreeMap<RoleId, Access>, file: &Catalogue) -> BTreeMap<RoleId, Access> {
    let of = |role: &Role| {
        let held = held.get(&role.id).unwrap_or(&role.access);
        let Some(next) = file.roles.get(&role.id) else {
            return Access { revokers: held.revokers.clone(), ..Access::default() };
        };
        if without_lists(next) == without_lists(role) {
            return next.access.clone();
        }
        let both = |list: fn(&Access) -> &BTreeSet<GroupId>| list(held) & list(&next.access);
        Access {
            requesters: both(|access| &access.requesters),
            acknowledgers: both(|access| &access.acknowledgers),
            emergency_starters: both(|access| &access.emergency_starters),
            revokers: next.access.revokers.clone(),
        }
    };
    running.roles.values().map(|role| (role.id.clone(), of(role))).collect()
}

/// Who reads the log and who overrides it is swapped with the rules.
fn without_groups(log: &Log) -> Log {
    let overriding = log.overriding.clone().map(|rules| Override { granters: Default::default(), ..rules });
    Log { readers: Default::default(), overriding, ..log.clone() }
}
