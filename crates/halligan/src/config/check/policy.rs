//! Who may do what.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use halligan_core::catalogue::Role;
use halligan_core::id::{GroupId, RoleId};
use halligan_policy::{Known, PolicySet, Source};

use super::Findings;
use super::society::Society;
use crate::config::model;

const FIELD: &str = "policy.directory";
/// More than a thousand policies take a tenth of it.
const BYTES_MAX: u64 = 4 << 20;

/// The texts of the policies, which say what else there is to know.
pub(super) struct Texts(Vec<Source>);

impl Texts {
    /// None, if there is no directory: then the built-in policies hold.
    pub fn read(policy: &model::Policy, found: &mut Findings<'_>) -> Option<Self> {
        let Some(named) = &policy.directory else { return Some(Self(Vec::new())) };
        let directory = found.path(named);
        match files(&directory).and_then(|files| texts(named, &files)) {
            Ok(sources) if sources.is_empty() => {
                let problem = format!(
                    "{} holds no `*.cedar`, so nobody may do anything: expected policies, or no `{FIELD}`, for the built-in ones",
                    directory.display()
                );
                found.refuse(FIELD, problem);
                None
            }
            Ok(sources) => Some(Self(sources)),
            Err(problem) => {
                found.refuse(FIELD, problem);
                None
            }
        }
    }

    /// Whether a policy names this group.
    pub fn name(&self, group: &GroupId) -> bool {
        let literal = format!("Group::\"{group}\"");
        self.0.iter().any(|source| source.text.contains(&literal))
    }

    /// The policies, found good as a whole.
    pub fn load(
        &self,
        society: &Society,
        roles: &BTreeMap<RoleId, Role>,
        offices: &BTreeSet<GroupId>,
        found: &mut Findings<'_>,
    ) -> Option<PolicySet> {
        let lists = roles.values().map(|role| &role.access).flat_map(|access| {
            [&access.requesters, &access.acknowledgers, &access.revokers, &access.emergency_starters]
        });
        let groups = lists.flatten().chain(society.of_anybody()).chain(offices).cloned().collect();
        let known = Known {
            persons: society.people.keys().cloned().collect(),
            machines: society.machines.keys().cloned().collect(),
            groups,
            roles: roles.keys().cloned().collect(),
            gates: BTreeSet::new(),
        };
        match PolicySet::load(&self.0, &known) {
            Ok(policies) => {
                for warning in policies.warnings() {
                    found.warn(FIELD, warning);
                }
                Some(policies)
            }
            Err(errors) => {
                for error in errors {
                    found.refuse(FIELD, error.to_string());
                }
                None
            }
        }
    }
}

/// The policy files of a directory, in the order of their names.
///
/// # Errors
/// It can't be read.
pub(in crate::config) fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error| format!("the directory {} can't be read: {error}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // Whatever a link leads to: a mounted volume is made of them.
        if path.extension() == Some(OsStr::new("cedar")) && !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Named as the configuration names the directory: the same on each replica.
fn texts(named: &Path, files: &[PathBuf]) -> Result<Vec<Source>, String> {
    let mut bytes = 0_u64;
    let mut sources = Vec::with_capacity(files.len());
    for file in files {
        let unreadable = |error| format!("the file {} can't be read: {error}", file.display());
        bytes = bytes.saturating_add(std::fs::metadata(file).map_err(unreadable)?.len());
        if bytes > BYTES_MAX {
            return Err(format!("its policies are longer than {} MiB: expected less", BYTES_MAX >> 20));
        }
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let name = named.join(file.file_name().unwrap_or_default());
        sources.push(Source::new(name.display().to_string(), text));
    }
    Ok(sources)
}
