//! Policies and their tests, as files.

use std::path::{Path, PathBuf};

use halligan_policy::Source;

use crate::client::failure::Failure;
use crate::config::policies::{self, POLICIES, TESTS, Unreadable};

/// Where policies are, unless something else is said.
const DIRECTORY: &str = "policies";

/// The files of one directory.
#[derive(Debug, Default)]
pub struct Files {
    /// For people: the directory, or what holds without one.
    pub place: String,
    /// The policies; none: the built-in ones.
    pub policies: Vec<Source>,
    /// Their tests.
    pub tests: Vec<Source>,
}

impl Files {
    /// Those of the directory that is said; else of `[policy].directory` of the configuration
    /// file; else of `policies`.
    ///
    /// # Errors
    /// There is no such directory, or it can't be read, or holds no policies.
    pub fn of(directory: Option<&Path>, configuration: Option<&Path>) -> Result<Self, Failure> {
        match (directory, configuration) {
            (Some(directory), _) => Self::read(directory),
            (None, Some(configuration)) => match named_in(configuration)? {
                Some(directory) => Self::read(&directory),
                None => Ok(Self { place: "the built-in policies".to_owned(), ..Self::default() }),
            },
            (None, None) if Path::new(DIRECTORY).is_dir() => Self::read(Path::new(DIRECTORY)),
            (None, None) => Err(Failure::Usage(format!(
                "there is no directory `{DIRECTORY}` here: name the policies' directory, or the configuration by --config"
            ))),
        }
    }

    /// Those of a directory, or one file of policies.
    ///
    /// # Errors
    /// As [`Files::of`] has them.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let place = path.display().to_string();
        if path.is_file() {
            return Ok(Self { place, policies: vec![policies::text(path, path)?], tests: Vec::new() });
        }
        let (policies, tests) = (policies::read(path, path, POLICIES)?, policies::read(path, path, TESTS)?);
        if policies.is_empty() {
            return Err(Failure::Usage(format!("`{place}` holds no `*{POLICIES}`: expected a directory of policies")));
        }
        Ok(Self { place, policies, tests })
    }
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Directory { path, source } => {
                Self::local(format!("read the directory `{}`", path.display()))(source)
            }
            Unreadable::File { path, source } => Self::local(format!("read `{}`", path.display()))(source),
            Unreadable::TooLong { .. } => Self::Usage(unreadable.to_string()),
        }
    }
}

/// The directory that a configuration file names. Nothing else of it is looked at.
fn named_in(configuration: &Path) -> Result<Option<PathBuf>, Failure> {
    let name = configuration.display();
    let text = std::fs::read_to_string(configuration).map_err(Failure::local(format!("read `{name}`")))?;
    let fields: toml::Table = toml::from_str(&text).map_err(|error| {
        Failure::Usage(format!(
            "`{name}` can't be understood: {}",
            crate::client::words::lines(error.to_string().trim_end())
        ))
    })?;
    let directory = fields.get("policy").and_then(|policy| policy.get("directory")).and_then(toml::Value::as_str);
    let beside = configuration.parent().unwrap_or(Path::new(""));
    Ok(directory.map(|directory| beside.join(directory)))
}
