//! The occasions that are tried.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::mentions::Mentions;
use crate::question::Action;
use crate::world::{Incident, Occasion};

/// What an axis of the occasions is about, and the values on it that a difference needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Condition {
    /// `incident.severity`, `signed`, …: as policies name it.
    pub attribute: String,
    /// The values, as a person reads them.
    pub values: Vec<String>,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.attribute, self.values.join(" or "))
    }
}

/// One value on an axis, and what it does to an occasion.
struct Value {
    shown: String,
    set: Box<dyn Fn(&mut Occasion)>,
}

struct Axis {
    /// What policies read.
    attribute: &'static str,
    /// Where it stands in the context.
    path: &'static str,
    values: Vec<Value>,
    /// The only action that it is about.
    only: Option<Action>,
}

/// All axes that policies read.
pub(super) struct Axes {
    axes: Vec<Axis>,
    occasion: Occasion,
}

/// One occasion, and where on each axis it lies.
pub(super) struct Cell {
    pub at: Vec<usize>,
    pub occasion: Occasion,
}

impl Axes {
    pub fn new(mentions: &Mentions, severities: &BTreeSet<String>, occasion: &Occasion) -> Self {
        let all = [
            severity(mentions, severities),
            Axis {
                path: "incident.known",
                ..axis(
                    "known",
                    vec![value("true", |o| incident(o).known = true), value("false", |o| incident(o).known = false)],
                )
            },
            axis(
                "mfaAgeSeconds",
                vec![value("missing", |o| o.mfa_age_seconds = None), value("0", |o| o.mfa_age_seconds = Some(0))],
            ),
            durations(mentions),
            Axis {
                only: Some(Action::Acknowledge),
                ..axis("signed", vec![value("false", |o| o.signed = false), value("true", |o| o.signed = true)])
            },
            Axis { only: Some(Action::SignIn), ..sign_ins() },
            axis(
                "providerDown",
                vec![
                    value("false", |o| o.provider_down = Some(false)),
                    value("true", |o| o.provider_down = Some(true)),
                ],
            ),
        ];
        let axes = all.into_iter().filter(|axis| mentions.reads(axis.attribute) && axis.values.len() > 1).collect();
        Self { axes, occasion: occasion.clone() }
    }

    /// Every combination that the action can make a difference with.
    pub fn cells(&self, action: Action) -> Vec<Cell> {
        let mut cells = vec![Cell { at: Vec::new(), occasion: self.occasion.clone() }];
        for axis in &self.axes {
            let about = axis.only.is_none_or(|only| only == action);
            cells = cells
                .into_iter()
                .flat_map(|cell| {
                    let values = axis.values.iter().enumerate().take(if about { axis.values.len() } else { 1 });
                    values.map(move |(n, value)| {
                        let mut occasion = cell.occasion.clone();
                        if about {
                            (value.set)(&mut occasion);
                        }
                        Cell { at: [cell.at.as_slice(), &[n]].concat(), occasion }
                    })
                })
                .collect();
        }
        cells
    }

    /// How far the cells of an action reach on each axis.
    pub fn reach(&self, action: Action) -> Vec<usize> {
        self.axes
            .iter()
            .map(|axis| if axis.only.is_none_or(|only| only == action) { axis.values.len() } else { 1 })
            .collect()
    }

    /// These values on this axis.
    pub fn condition(&self, axis: usize, values: &BTreeSet<usize>) -> Option<Condition> {
        let axis = self.axes.get(axis)?;
        let shown = values.iter().filter_map(|n| axis.values.get(*n)).map(|value| value.shown.clone());
        Some(Condition { attribute: axis.path.to_owned(), values: shown.collect() })
    }
}

fn axis(attribute: &'static str, values: Vec<Value>) -> Axis {
    Axis { attribute, path: attribute, values, only: None }
}

fn value(shown: impl Into<String>, set: impl Fn(&mut Occasion) + 'static) -> Value {
    Value { shown: shown.into(), set: Box::new(set) }
}

fn incident(occasion: &mut Occasion) -> &mut Incident {
    occasion.incident.get_or_insert_default()
}

fn severity(mentions: &Mentions, severities: &BTreeSet<String>) -> Axis {
    let all: BTreeSet<String> =
        severities.iter().cloned().chain(mentions.texts("severity").map(str::to_owned)).collect();
    let named =
        all.into_iter().map(|severity| value(severity.clone(), move |o| incident(o).severity = Some(severity.clone())));
    let missing = value("missing", |o| incident(o).severity = None);
    Axis { path: "incident.severity", ..axis("severity", named.chain([missing]).collect()) }
}

/// On both sides of each limit.
fn durations(mentions: &Mentions) -> Axis {
    let near = mentions.numbers("durationSeconds").flat_map(|n| [n, n.saturating_add(1)]);
    let seconds: BTreeSet<u32> = near.filter_map(|n| u32::try_from(n).ok()).collect();
    let values = seconds.into_iter().map(|n| value(n.to_string(), move |o| o.duration_seconds = Some(n)));
    axis("durationSeconds", values.collect())
}

fn sign_ins() -> Axis {
    use crate::question::SignInMethod::{Passkey, Provider};
    let methods = [Provider, Passkey].map(|method| value(method.as_str(), move |o| o.sign_in_method = Some(method)));
    axis("signInMethod", methods.into())
}
