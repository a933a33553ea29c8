//! What the environment says about this client. Read once, passed on.

use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::SecretString;

/// Directories, and who to be where no profile says it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where profiles are; none when there is no home directory either.
    pub home: Option<PathBuf>,
    /// Where credentials are cached.
    pub cache: Option<PathBuf>,
    /// `HALLIGAN_PROFILE`.
    pub profile: Option<String>,
    /// `HALLIGAN_URL`.
    pub url: Option<String>,
    /// `HALLIGAN_TOKEN`.
    pub token: Option<SecretString>,
    /// `HALLIGAN_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
    /// Whether a browser on this machine would be seen by whoever sits in front of it.
    pub has_browser: bool,
}

impl Surroundings {
    /// From the process's environment.
    #[must_use]
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var_os(name))
    }

    /// From any environment. An empty variable is one that isn't set.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let path = |name: &str| set(name).map(PathBuf::from);
        let below = |xdg: &str, fallback: &str| {
            path(xdg)
                .or_else(|| path("HOME").map(|home| home.join(fallback)))
                .map(|directory| directory.join("halligan"))
        };
        let own = path("HALLIGAN_HOME");
        Self {
            cache: own.as_ref().map(|home| home.join("cache")).or_else(|| below("XDG_CACHE_HOME", ".cache")),
            home: own.or_else(|| below("XDG_CONFIG_HOME", ".config")),
            profile: text("HALLIGAN_PROFILE"),
            url: text("HALLIGAN_URL"),
            token: text("HALLIGAN_TOKEN").map(SecretString::from),
            token_file: path("HALLIGAN_TOKEN_FILE"),
            // Over SSH it would open where nobody sits.
            has_browser: set("SSH_CONNECTION").is_none()
                && (cfg!(target_os = "macos") || set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Surroundings {
        Surroundings::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn one_variable_moves_profiles_and_cache() {
        let plain = read(&[("HOME", "/home/alice")]);
        assert_eq!(plain.home, Some("/home/alice/.config/halligan".into()));
        assert_eq!(plain.cache, Some("/home/alice/.cache/halligan".into()));
        let own = read(&[("HOME", "/home/alice"), ("HALLIGAN_HOME", "/tmp/h")]);
        assert_eq!((own.home, own.cache), (Some("/tmp/h".into()), Some("/tmp/h/cache".into())));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let read = read(&[("HALLIGAN_URL", ""), ("HALLIGAN_TOKEN", ""), ("HALLIGAN_TOKEN_FILE", "")]);
        assert!(!read.has_browser);
        assert!(read.url.is_none() && read.token.is_none() && read.token_file.is_none() && read.home.is_none());
    }
}
