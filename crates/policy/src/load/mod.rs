//! From texts to policies that were found good as a whole, or to all that is wrong with them.

mod annotations;
mod error;
mod literals;
mod text;

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{Policy, PolicyId, PolicySet as CedarPolicies, ValidationError, ValidationMode, Validator};
use halligan_core::id::{GroupId, MachineId, PersonId, RoleId};
use miette::Diagnostic;
use sha2::{Digest as _, Sha256};

pub use error::LoadError;
pub(crate) use literals::near;
pub(crate) use text::Text;

use crate::mentions::Mentions;
use crate::question::Action;
use crate::set::{PolicySet, Rule};
use crate::stack;
use crate::vocabulary::{SCHEMA, Vocabulary};

/// The policies of a deployment that has none of its own.
pub const DEFAULT: &str = include_str!("../../../../policies/default.cedar");
const DEFAULT_NAME: &str = "default.cedar";

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, for messages.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// A text of this name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// Whom and what the configuration knows. A policy that names somebody else is refused:
/// more likely a slip of the pen than a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The persons.
    pub persons: BTreeSet<PersonId>,
    /// The machines.
    pub machines: BTreeSet<MachineId>,
    /// The groups, of the configuration and of the catalogue's lists.
    pub groups: BTreeSet<GroupId>,
    /// The roles of the catalogue.
    pub roles: BTreeSet<RoleId>,
    /// The gates of the catalogue.
    pub gates: BTreeSet<RoleId>,
}

impl PolicySet {
    /// What holds while a deployment has no policies of its own: the catalogue's lists.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the text is part of the program, and every test loads it")]
    pub fn defaults() -> Self {
        Self::load(&[], &Known::default()).expect("the default policies are good")
    }

    /// Reads policies; no sources at all are the default. The schema is the program's.
    ///
    /// # Errors
    /// All that is wrong, each with file, line and column: syntax; templates; an `@id`
    /// that is missing, not kebab-case or used twice; a forbid without `@satisfiedBy`;
    /// an annotation or a place in a text that means nothing; somebody or something that
    /// isn't in `known`; conditions that are nested too deep; whatever the strict validator refuses.
    pub fn load(sources: &[Source], known: &Known) -> Result<Self, Vec<LoadError>> {
        stack::with_much(|| Self::load_with_room(sources, known))
    }

    fn load_with_room(sources: &[Source], known: &Known) -> Result<Self, Vec<LoadError>> {
        let default = [Source::new(DEFAULT_NAME, DEFAULT)];
        let sources = if sources.is_empty() { &default } else { sources };
        let mut loading = Loading::default();
        let texts: Vec<Text<'_>> = sources.iter().map(Text::new).collect();
        for (n, text) in texts.iter().enumerate() {
            loading.read(n, text, known);
        }
        let warnings = loading.validate(&texts);
        if !loading.errors.is_empty() {
            loading.errors.sort();
            return Err(loading.errors);
        }
        let rules = loading.rules.into_iter().map(|(rule, _)| rule).collect();
        Self::new(rules, digest(sources), warnings).map_err(|error| vec![LoadError::of_all(error)])
    }
}

/// What the schema has for later.
const REVIEW_DEBT: &str = "reviewDebt";

/// Where a policy stands: which file, and from which byte on.
#[derive(Debug, Clone, Copy)]
struct Place {
    file: usize,
    offset: usize,
}

#[derive(Default)]
struct Loading {
    rules: Vec<(Rule, Place)>,
    places: HashMap<PolicyId, Place>,
    errors: Vec<LoadError>,
}

impl Loading {
    fn read(&mut self, file: usize, text: &Text<'_>, known: &Known) {
        if let Some(offset) = stack::too_deep(text.text()) {
            let expected = "write several policies instead of one";
            self.errors.push(text.error(offset, "the conditions are nested too deep").expecting(expected));
            return;
        }
        let parsed = match text.text().parse::<CedarPolicies>() {
            Ok(parsed) => parsed,
            Err(errors) => return self.errors.extend(errors.iter().map(|error| text.refused_by_cedar(error))),
        };
        for template in parsed.templates() {
            let offset = text.text().find(&template.to_string()).unwrap_or_default();
            let expected = "write a policy without `?principal` and `?resource`: nothing here would fill them";
            self.errors.push(text.error(offset, "a template is no policy").expecting(expected));
        }
        let mut from = 0;
        for policy in in_order(&parsed) {
            let written = policy.to_string();
            let offset = text.text().get(from..).and_then(|rest| rest.find(&written)).map_or(from, |at| from + at);
            from = offset + written.len();
            self.take(policy, &written, Place { file, offset }, text, known);
        }
    }

    fn take(&mut self, policy: &Policy, written: &str, place: Place, text: &Text<'_>, known: &Known) {
        let before = self.errors.len();
        self.errors.extend(literals::unknown(policy, known).into_iter().map(|unknown| {
            let at = written.find(&unknown.written).unwrap_or_default();
            text.error(place.offset + at, unknown.message).expecting(unknown.expected)
        }));
        let notes = match annotations::read(policy) {
            Ok(notes) => notes,
            Err(wrong) => {
                self.errors.extend(wrong.into_iter().map(|wrong| {
                    let at = wrong.annotation.and_then(|name| written.find(&format!("@{name}"))).unwrap_or_default();
                    text.error(place.offset + at, wrong.message).expecting(wrong.expected)
                }));
                return;
            }
        };
        let policy = policy.new_id(PolicyId::new(&notes.id));
        if let Some(first) = self.places.get(policy.id()) {
            let message = format!("two policies have the id `{}`", notes.id);
            let elsewhere = if first.file == place.file { "above" } else { "in another file" };
            let expected = format!("give this one an id of its own: the first stands {elsewhere}");
            self.errors.push(text.error(place.offset, message).expecting(expected));
            return;
        }
        self.places.insert(policy.id().clone(), place);
        if self.errors.len() == before {
            let rule = Rule::new(self.rules.len(), policy, notes.satisfied_by, notes.obliges);
            self.rules.push((rule, place));
        }
    }

    /// Strict validation of all that was read; returns the warnings.
    fn validate(&mut self, texts: &[Text<'_>]) -> Vec<String> {
        let mut all = CedarPolicies::new();
        for (rule, _) in &self.rules {
            if let Err(error) = all.add(rule.policy.clone()) {
                self.errors.push(LoadError::of_all(error.to_string()));
            }
        }
        let result = Validator::new(Vocabulary::get().schema.clone()).validate(&all, ValidationMode::Strict);
        let located = |id: &PolicyId, diagnostic: &dyn Diagnostic| {
            let place = self.places.get(id)?;
            Some(texts.get(place.file)?.refused_in(place.offset, diagnostic))
        };
        let errors: Vec<LoadError> = result
            .validation_errors()
            .filter_map(|error| {
                let mut located = located(error.policy_id(), error)?;
                if let ValidationError::UnrecognizedEntityType(_) = error {
                    located.expected = Some(Vocabulary::get().kinds());
                }
                Some(located)
            })
            .collect();
        let warnings: Vec<LoadError> =
            result.validation_warnings().filter_map(|warning| located(warning.policy_id(), warning)).collect();
        if errors.is_empty() && !result.validation_passed() {
            self.errors.push(LoadError::of_all("the validator refuses the policies and doesn't say where"));
        }
        self.errors.extend(once_a_place(errors));
        let warnings = once_a_place(warnings).into_iter().chain(self.not_kept_yet(texts));
        warnings.map(|warning| warning.to_string()).chain(self.locked_out()).collect()
    }

    /// The policies that read what the schema has and the program doesn't know yet: good, and
    /// not what their authors may take them for.
    fn not_kept_yet(&self, texts: &[Text<'_>]) -> Vec<LoadError> {
        let read = self.rules.iter().filter(|(rule, _)| Mentions::of_one(&rule.policy).reads(REVIEW_DEBT));
        let told = read.filter_map(|(rule, place)| {
            let text = texts.get(place.file)?;
            let within = text.text().get(place.offset..)?.find(REVIEW_DEBT).unwrap_or_default();
            let message = format!("`{}` goes by `{REVIEW_DEBT}`, which is 0 for everybody", rule.id);
            Some(text.error(place.offset + within, message).expecting("no reviews are kept yet"))
        });
        told.collect()
    }

    /// The actions that everybody is refused, whatever the configuration says: easily
    /// forgotten by whoever writes policies of their own.
    fn locked_out(&self) -> impl Iterator<Item = String> {
        let permits: Vec<&Rule> = self.rules.iter().map(|(rule, _)| rule).filter(|rule| rule.is_permit()).collect();
        if permits.is_empty() && !self.rules.is_empty() {
            let all = "nothing here permits anything: put a copy of the built-in policies, `default.cedar`, beside these limits";
            return vec![all.to_owned()].into_iter();
        }
        let forgotten =
            Action::ALL.into_iter().filter(move |action| !permits.iter().any(|rule| rule.is_about(*action)));
        forgotten
            .map(|action| format!("nothing permits `{action}`: everybody is refused it"))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// The validator looks at a policy once for each action and each kind of principal and
/// resource, and says the same of each: told once.
fn once_a_place(mut errors: Vec<LoadError>) -> Vec<LoadError> {
    errors.sort();
    errors.dedup_by(|one, other| {
        one.file == other.file && (one.line, one.column) == (other.line, other.column) && one.expected == other.expected
    });
    errors
}

/// As they stand in the file: the parser numbers them so.
fn in_order(parsed: &CedarPolicies) -> Vec<&Policy> {
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    policies.sort_by_key(|policy| {
        let id: &str = policy.id().as_ref();
        id.strip_prefix("policy").and_then(|n| n.parse::<usize>().ok())
    });
    policies
}

/// Each part with its length, so that no two ways of cutting the same bytes agree.
fn digest(sources: &[Source]) -> String {
    let parts = sources.iter().flat_map(|source| [source.name.as_str(), source.text.as_str()]);
    let mut hash = Sha256::new();
    for part in [SCHEMA].into_iter().chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
