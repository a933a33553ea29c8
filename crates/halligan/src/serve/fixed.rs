//! What of the configuration holds for as long as the process lives.

use halligan_core::catalogue::Catalogue;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::config::Loaded;
use crate::config::log::{Log, Override};

/// The settings by name, and what each says, by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed(Vec<(&'static str, String)>);

impl Fixed {
    /// Of this configuration. A secret that is another, in a place that is the same, is not seen.
    pub fn of(loaded: &Loaded) -> Self {
        let Catalogue { deployment, roles } = &loaded.catalogue;
        let settings = [
            ("deployment", deployment.to_string()),
            ("state_directory", format!("{:?}", loaded.state_directory)),
            ("server", format!("{:?}", loaded.server)),
            ("store", loaded.store.url.expose_secret().to_owned()),
            ("log", format!("{:?}", without_groups(&loaded.log))),
            ("aws", format!("{:?}", loaded.aws)),
            ("limits", format!("{:?}", loaded.limits)),
            ("issuers", format!("{:?}", loaded.issuers)),
            ("sessions", format!("{:?}", loaded.sessions)),
            ("passkeys", format!("{:?}", loaded.passkeys)),
            ("mail", format!("{:?}", loaded.mail)),
            ("incidents", format!("{:?}", loaded.incidents)),
            ("roles", format!("{roles:?}")),
        ];
        Self(settings.into_iter().map(|(name, says)| (name, hex::encode(Sha256::digest(says)))).collect())
    }

    /// The settings that say something else in `other`.
    pub fn otherwise(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0);
        pairs.filter(|(one, other)| one != other).map(|((name, _), _)| *name).collect()
    }
}

/// Who reads the log and who overrides it is swapped with the rules.
fn without_groups(log: &Log) -> Log {
    let overriding = log.overriding.clone().map(|rules| Override { granters: Default::default(), ..rules });
    Log { readers: Default::default(), overriding, ..log.clone() }
}
