//! Why an answer is what it is, and what would make it another.

mod change;
mod search;
mod why;

use std::collections::BTreeSet;
use std::fmt;

use halligan_core::id::GroupId;
use serde::Serialize;

pub use change::{Bound, Change};

use crate::decide::Decision;
use crate::doubt::Doubt;
use crate::mentions::Mentions;
use crate::question::{Action, Question};
use crate::set::{PolicySet, Rule};
use crate::stack;
use crate::translate::{Translated, translate};
use search::Search;

/// What to try beside what the policies mention themselves.
#[derive(Debug, Clone, Default)]
pub struct Alternatives {
    /// The groups that there are.
    pub groups: BTreeSet<GroupId>,
    /// The severities that the incident tools have.
    pub severities: BTreeSet<String>,
}

/// What a policy says to the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// A permit that is satisfied.
    Permits,
    /// A permit that isn't.
    DoesNotPermit,
    /// A forbid that is satisfied.
    Refuses,
    /// It can't be evaluated: a permit doesn't count, a forbid refuses.
    CannotBeEvaluated,
}

/// One policy's part in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// Its id.
    pub id: String,
    /// What it says.
    pub verdict: Verdict,
    /// The conditions that make it say so, as the policy has them.
    pub why: Vec<String>,
    /// What would satisfy it, if it stands in the way.
    pub satisfied_by: Option<String>,
}

/// Why the answer is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who.
    pub who: String,
    /// What.
    pub action: Action,
    /// To what.
    pub target: String,
    /// The answer.
    pub decision: Decision,
    /// The policies that decided, and where nothing permits, those that could have.
    pub rules: Vec<RuleReport>,
    /// Forbids that are about such a question and don't refuse it.
    pub passed: Vec<String>,
    /// Changes each of which alone would turn the answer.
    pub alone: Vec<Change>,
    /// Changes that would turn a refusal together, where none does alone.
    pub together: Vec<Change>,
}

impl PolicySet {
    /// Explains the answer to a question, and looks for what would turn it by asking
    /// again with one thing changed: groups and severities of `alternatives`, and the
    /// values that the policies themselves compare with.
    #[must_use]
    pub fn explain(&self, question: &Question<'_>, alternatives: &Alternatives) -> Explanation {
        stack::with_much(|| self.explain_with_room(question, alternatives))
    }

    fn explain_with_room(&self, question: &Question<'_>, alternatives: &Alternatives) -> Explanation {
        let decision = self.decide(question);
        let mentions = Mentions::of(self);
        let search = Search {
            policies: self,
            question,
            decision: &decision,
            groups: &alternatives.groups,
            severities: &alternatives.severities,
            mentions: &mentions,
        };
        let alone = search.alone();
        let together = if alone.is_empty() && !decision.allow { search.together() } else { Vec::new() };
        let (rules, passed) = match translate(question) {
            Ok(translated) => self.reports(question, &translated),
            Err(_) => (Vec::new(), Vec::new()),
        };
        Explanation {
            who: question.principal.as_str().to_owned(),
            action: question.action,
            target: question.resource.name().to_owned(),
            decision,
            rules,
            passed,
            alone,
            together,
        }
    }

    fn reports(&self, question: &Question<'_>, translated: &Translated) -> (Vec<RuleReport>, Vec<String>) {
        let Ok(answered) = self.answer(question, translated) else { return (Vec::new(), Vec::new()) };
        let found = [&answered.permits, &answered.forbids];
        let permitted = !answered.permits.satisfied.is_empty();
        let mut reports = Vec::new();
        let mut passed = Vec::new();
        for rule in self.about_such(question, &translated.request) {
            let id = rule.policy.id();
            let satisfied = found.iter().any(|found| found.satisfied.contains(id));
            let erring = found.iter().any(|found| found.erring.iter().any(|(erring, _)| erring == id));
            let doubts = answered.may_forbid.get(id).or(answered.may_not_permit.get(id));
            let verdict = match (erring, rule.is_permit(), satisfied, doubts) {
                (true, ..) => Verdict::CannotBeEvaluated,
                (_, true, true, _) => Verdict::Permits,
                (_, true, false, _) if permitted => continue,
                (_, true, false, _) => Verdict::DoesNotPermit,
                (_, false, true, _) | (_, false, false, Some(_)) => Verdict::Refuses,
                (_, false, false, None) => {
                    passed.push(rule.id.clone());
                    continue;
                }
            };
            reports.push(match doubts {
                Some(doubts) => rule.doubted(verdict, doubts),
                None => rule.report(verdict, question, translated),
            });
        }
        (reports, passed)
    }
}

impl Rule {
    fn report(&self, verdict: Verdict, question: &Question<'_>, translated: &Translated) -> RuleReport {
        let satisfied = matches!(verdict, Verdict::Permits | Verdict::Refuses);
        let why = match verdict {
            Verdict::CannotBeEvaluated => Vec::new(),
            _ => why::why(&self.policy, translated, satisfied),
        };
        let satisfied_by = (verdict != Verdict::Permits).then(|| self.unmet(question));
        RuleReport { id: self.id.clone(), verdict, why, satisfied_by }
    }

    /// Of a rule that stands in the way because nobody knows somebody's groups.
    fn doubted(&self, verdict: Verdict, doubts: &[Doubt]) -> RuleReport {
        let satisfied_by = doubts.iter().map(Doubt::unmet).collect::<Vec<_>>().join("; ");
        let why = doubts.iter().map(Doubt::why).collect();
        RuleReport { id: self.id.clone(), verdict, why, satisfied_by: Some(satisfied_by) }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let may = if self.decision.allow { "may" } else { "may not" };
        writeln!(f, "{} {may} {} on {}", self.who, self.action, self.target)?;
        for rule in &self.rules {
            let verdict = match rule.verdict {
                Verdict::Permits => "permits it",
                Verdict::DoesNotPermit => "does not permit it",
                Verdict::Refuses => "refuses it",
                Verdict::CannotBeEvaluated => "can't be evaluated, so it counts against",
            };
            writeln!(f, "\n  `{}` {verdict}", rule.id)?;
            for why in &rule.why {
                writeln!(f, "    because {why}")?;
            }
            if let Some(satisfied_by) = &rule.satisfied_by {
                writeln!(f, "    satisfied by: {satisfied_by}")?;
            }
        }
        if self.rules.is_empty() {
            for unmet in &self.decision.unmet {
                writeln!(f, "\n  {unmet}")?;
            }
        }
        for error in &self.decision.errors {
            writeln!(f, "\n  {error}")?;
        }
        if !self.passed.is_empty() {
            writeln!(f, "\n  asked and not in the way: {}", self.passed.join(", "))?;
        }
        self.changes(f)
    }
}

impl Explanation {
    fn changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turned = if self.decision.allow { "refuse" } else { "permit" };
        if !self.together.is_empty() {
            writeln!(f, "\nWhat would {turned} it, all together:")?;
        } else if self.alone.is_empty() {
            return writeln!(f, "\nNothing that was tried would {turned} it.");
        } else {
            writeln!(f, "\nWhat would {turned} it, each alone:")?;
        }
        for change in self.alone.iter().chain(&self.together) {
            writeln!(f, "  - {change}")?;
        }
        Ok(())
    }
}
