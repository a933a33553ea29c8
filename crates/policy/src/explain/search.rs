//! The changes that turn the answer, found by asking again.

use std::collections::BTreeSet;

use halligan_core::actor::Channel;
use halligan_core::id::{GroupId, ScopeId};
use jiff::{SignedDuration, Timestamp};

use super::change::{Bound, Change, groups, possible, with};
use crate::decide::Decision;
use crate::mentions::Mentions;
use crate::question::{Question, Resource, SignInMethod, Who};
use crate::set::PolicySet;

/// A refusal is followed through no more steps than this.
const STEPS: usize = 6;
/// How far ahead a time is looked for.
const HOURS: i64 = 7 * 24;

pub(super) struct Search<'a> {
    pub policies: &'a PolicySet,
    pub question: &'a Question<'a>,
    pub decision: &'a Decision,
    pub groups: &'a BTreeSet<GroupId>,
    pub severities: &'a BTreeSet<String>,
    pub mentions: &'a Mentions,
}

impl Search<'_> {
    /// Each alone turns the answer. Of things that grow (lengths, ages, times) the nearest.
    pub fn alone(&self) -> Vec<Change> {
        self.ladders()
            .iter()
            .flat_map(|ladder| ladder.turning(|change| self.turns(std::slice::from_ref(change))))
            .collect()
    }

    /// Together they turn a refusal that nothing turns alone: at each step, what leaves
    /// the fewest rules unmet. Empty: there is no such way.
    pub fn together(&self) -> Vec<Change> {
        let mut steps: Vec<Change> = Vec::new();
        let mut unmet = self.decision.unmet.len();
        while steps.len() < STEPS {
            let mut best: Option<(usize, Change)> = None;
            for change in self.ladders().into_iter().flat_map(Ladder::all) {
                let tried = [steps.clone(), vec![change.clone()]].concat();
                let decision = with(self.question, &tried, |question| self.policies.decide(question));
                if decision.allow {
                    return tried;
                }
                let left = decision.unmet.len();
                if left < best.as_ref().map_or(unmet, |(least, _)| *least) {
                    best = Some((left, change));
                }
            }
            let Some((left, change)) = best else { return Vec::new() };
            unmet = left;
            steps.push(change);
        }
        Vec::new()
    }

    fn turns(&self, changes: &[Change]) -> bool {
        with(self.question, changes, |question| self.policies.decide(question).allow) != self.decision.allow
    }

    fn ladders(&self) -> Vec<Ladder> {
        let context = &self.question.context;
        let incident = context.incident.as_ref();
        let reads =
            |attribute, ladder: Ladder| if self.mentions.reads(attribute) { ladder } else { Ladder::Each(vec![]) };
        let seconds = |attribute, now: Option<SignedDuration>, change: fn(i64, Bound) -> Change| {
            reads(attribute, self.numbers(attribute, now.map(|now| now.as_secs()), change))
        };
        vec![
            self.memberships(),
            self.others(),
            reads("signed", Ladder::Each(vec![Change::Signed { signed: !context.signed }])),
            seconds("mfaAgeSeconds", context.mfa_age, |seconds, bound| Change::MfaAge { seconds, bound }),
            seconds("authAgeSeconds", context.auth_age, |seconds, bound| Change::AuthAge { seconds, bound }),
            self.severities(),
            reads(
                "known",
                Ladder::Each(vec![Change::IncidentKnown { known: !incident.is_some_and(|incident| incident.known) }]),
            ),
            seconds("ageSeconds", incident.and_then(|incident| incident.age), |seconds, bound| Change::IncidentAge {
                seconds,
                bound,
            }),
            seconds("durationSeconds", context.duration, |seconds, bound| Change::Duration { seconds, bound }),
            reads("emergency", Ladder::Each(vec![Change::Emergency { emergency: context.emergency != Some(true) }])),
            self.channels(),
            self.sign_ins(),
            self.providers(),
            reads(
                "reviewDebt",
                self.numbers("reviewDebt", Some(context.review_debt.into()), |reviews, bound| Change::ReviewDebt {
                    reviews: u32::try_from(reviews).unwrap_or(u32::MAX),
                    bound,
                }),
            ),
            self.scopes(),
            self.times(),
        ]
    }

    fn memberships(&self) -> Ladder {
        let now = groups(&self.question.principal);
        let join = self.groups.difference(now).map(|group| Change::Join { group: group.clone() });
        let leave = now.union(possible(&self.question.principal)).map(|group| Change::Leave { group: group.clone() });
        Ladder::Each(join.chain(leave).collect())
    }

    fn others(&self) -> Ladder {
        let is_person = matches!(self.question.principal, Who::Person(_));
        Ladder::Each(if is_person { vec![Change::Another] } else { Vec::new() })
    }

    fn severities(&self) -> Ladder {
        let now = self.question.context.incident.and_then(|incident| incident.severity);
        let all: BTreeSet<&str> =
            self.severities.iter().map(String::as_str).chain(self.mentions.texts("severity")).collect();
        let others = all.into_iter().filter(|severity| self.mentions.reads("severity") && Some(*severity) != now);
        Ladder::Each(others.map(|severity| Change::Severity { severity: severity.to_owned() }).collect())
    }

    fn channels(&self) -> Ladder {
        let now = self.question.context.channel;
        let others = [Channel::Api, Channel::Web].into_iter().filter(|channel| *channel != now);
        let others = others.map(|channel| Change::Channel { channel });
        Ladder::Each(others.filter(|_| self.mentions.reads("channel")).collect())
    }

    fn sign_ins(&self) -> Ladder {
        let now = self.question.context.sign_in_method;
        let others = [SignInMethod::Provider, SignInMethod::Passkey].into_iter().filter(|method| Some(*method) != now);
        let others = others.map(|method| Change::SignIn { method });
        Ladder::Each(others.filter(|_| self.mentions.reads("signInMethod")).collect())
    }

    fn providers(&self) -> Ladder {
        let now = self.question.context.provider_down;
        let others = [true, false].into_iter().filter(|down| Some(*down) != now);
        let others = others.map(|down| Change::ProviderDown { down });
        Ladder::Each(others.filter(|_| self.mentions.reads("providerDown")).collect())
    }

    fn scopes(&self) -> Ladder {
        let now = self.question.context.scope;
        let mentioned = self.mentions.texts("scope").filter_map(|scope| scope.parse::<ScopeId>().ok());
        let of_role = match self.question.resource {
            Resource::Role(role) => role.scopes.keys().cloned().collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let all: BTreeSet<ScopeId> = mentioned.chain(of_role).collect();
        let others = all.into_iter().filter(|scope| self.mentions.reads("scope") && Some(scope) != now);
        Ladder::Each(others.map(|scope| Change::Scope { scope }).collect())
    }

    /// The next full hours.
    fn times(&self) -> Ladder {
        let now = self.question.context.time;
        let hour = now.as_second().div_euclid(3_600);
        let next = (1..=HOURS).filter_map(|n| Timestamp::from_second((hour + n) * 3_600).ok());
        Ladder::First(next.map(|time| Change::Time { time }).filter(|_| self.mentions.reads("time")).collect())
    }

    /// What policies compare the attribute with, and what is next to it: the nearest to
    /// what it is now first. Where it is missing: the largest that would permit, the
    /// smallest that would refuse.
    fn numbers(&self, attribute: &str, now: Option<i64>, change: impl Fn(i64, Bound) -> Change) -> Ladder {
        let near = self.mentions.numbers(attribute).flat_map(|n| [n.saturating_sub(1), n, n.saturating_add(1)]);
        let mut all: Vec<i64> = near.chain([0]).filter(|n| *n >= 0 && Some(*n) != now).collect();
        all.sort_unstable();
        all.dedup();
        match now {
            Some(now) => all.sort_by_key(|n| n.abs_diff(now)),
            None if self.decision.allow => {}
            None => all.reverse(),
        }
        let less = |n: i64| now.map_or(!self.decision.allow, |now| n < now);
        let bound = |n| if less(n) { Bound::AtMost } else { Bound::AtLeast };
        Ladder::First(all.into_iter().map(|n| change(n, bound(n))).collect())
    }
}

/// Changes of one kind.
enum Ladder {
    /// Each says something of its own.
    Each(Vec<Change>),
    /// The first that turns the answer says it all.
    First(Vec<Change>),
}

impl Ladder {
    fn turning(&self, turns: impl Fn(&Change) -> bool) -> Vec<Change> {
        match self {
            Self::Each(changes) => changes.iter().filter(|change| turns(change)).cloned().collect(),
            Self::First(changes) => changes.iter().find(|change| turns(change)).cloned().into_iter().collect(),
        }
    }

    fn all(self) -> Vec<Change> {
        match self {
            Self::Each(changes) | Self::First(changes) => changes,
        }
    }
}
