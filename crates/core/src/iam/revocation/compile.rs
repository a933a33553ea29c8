//! From what should be so to the policy that fits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::policy::{Cut, Generation, RevocationPolicy};
use super::room::{INLINE_CHARACTERS_MAX, OTHER_POLICIES_CHARACTERS_MAX, Room, characters};
use crate::floor_second;
use crate::id::GrantId;

/// A short id, its quotes and a comma.
const ID_CHARACTERS: usize = 25;
/// Everything else of a policy with a list and a cut, at its longest.
pub(super) const FRAME_CHARACTERS_MAX: usize = 512;

/// The most grants that may be active on one role at a time. The engine keeps it.
///
/// With no more of them, and no more of other policies than
/// [`OTHER_POLICIES_CHARACTERS_MAX`], a cut can always exempt every active grant
/// and still list as many that have just ended: all of them may end at once.
pub const ACTIVE_GRANTS_MAX: usize =
    (INLINE_CHARACTERS_MAX - OTHER_POLICIES_CHARACTERS_MAX - FRAME_CHARACTERS_MAX) / ID_CHARACTERS / 2;

/// Of the room, in per cent: where people are told, and what optional entries stay under.
const ALARM_PERCENT: usize = 80;

/// How far the broker's clock may be from AWS's: beyond it nothing is minted or
/// ended. A token that was issued before a grant's end may be dated this much later.
const CLOCK_SECONDS_MAX: i64 = 10;

/// A grant that ended before its fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub grant: GrantId,
    /// When, by the broker's clock; for an adopted one, when it was adopted.
    pub ended_at: Timestamp,
    /// Whether its sessions were seen dead. Until then its probes, issued later
    /// than any cut, need it in the list.
    pub contained: bool,
}

/// What a role's revocation policy should bring about. Whoever builds it leaves
/// out what is over: grants whose last fence and token have passed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desired {
    /// Ended early: they must be denied.
    pub ended_early: Vec<Ended>,
    /// Ended by their fence, and when: denied too while there is room.
    pub expired: Vec<(GrantId, Timestamp)>,
    /// Grants that a policy on the role listed and that the store doesn't know to
    /// have ended (it was restored from a backup), and when that was found: kept
    /// for the longest token life.
    pub adopted: BTreeMap<GrantId, Timestamp>,
    /// The cut of a policy on the role that is newer than the store: kept until
    /// the longest token life after it. It stands for grants that the store may
    /// take for active, so no grant from before it is exempt that it didn't exempt.
    pub adopted_cut: Option<Cut>,
    /// Active: they must not be denied. With the instant of their activation.
    pub active: BTreeMap<GrantId, Timestamp>,
}

/// How the policy does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Every grant that ended, early or not, is listed.
    Listed,
    /// Some that expired had no room: their fence holds alone.
    ListedWithoutExpired,
    /// The oldest that ended early are covered by a cut.
    Cut,
}

/// A policy to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// What it says.
    pub policy: RevocationPolicy,
    /// Its document as it is sent to IAM.
    pub json: String,
    /// How it does it.
    pub mode: Mode,
    /// What it may take.
    pub room: Room,
    /// Active grants that it denies nevertheless, with tokens from before the
    /// cut: those that an adopted cut calls into doubt, and those beyond
    /// [`ACTIVE_GRANTS_MAX`] or a crowded role's room. A new mint works for them.
    pub unexempted: BTreeSet<GrantId>,
}

/// The role's other inline policies leave no room for the shortest policy that
/// would end what must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the role's revocation policy needs {needed} characters, its other inline policies leave {}: \
     remove some of those", room.characters()
)]
pub struct NoRoom {
    /// Characters of the shortest policy.
    pub needed: usize,
    /// What there is.
    pub room: Room,
}

impl Compiled {
    /// The document's characters, as IAM counts them.
    #[must_use]
    pub fn used_characters(&self) -> usize {
        characters(&self.json)
    }

    /// How much of the room that is.
    #[must_use]
    pub fn fill_percent(&self) -> usize {
        self.used_characters() * 100 / self.room.characters().max(1)
    }

    /// Whether people must make room: at 80 %, under a cut, or when other
    /// policies crowd the role. Expired grants alone never bring it about.
    #[must_use]
    pub fn alarming(&self) -> bool {
        self.fill_percent() >= ALARM_PERCENT || self.mode == Mode::Cut || self.room.is_crowded()
    }
}

impl Desired {
    /// The policy that brings this about within `room`; none when there is
    /// nothing to deny, and the policy is to be deleted.
    ///
    /// What ended early is denied before all else. First it is listed; then the
    /// oldest give way to a cut, which denies by issue time and exempts the
    /// active grants; then, on a role where even those don't fit, the longest
    /// active are not exempted ([`Compiled::unexempted`]) and have to mint anew.
    ///
    /// Tokens issued at or after the cut's instant are not touched by it. It lies
    /// up to 11 s after the latest end that it covers, for the clocks: a grant
    /// that is activated sooner than that needs the policy written again, and a
    /// control session has to be younger than the cut.
    ///
    /// # Errors
    /// [`NoRoom`] when the other policies leave less than a cut without exemptions takes.
    pub fn compile(&self, generation: Generation, room: Room) -> Result<Option<Compiled>, NoRoom> {
        let ended = self.must_end();
        let expired = self.may_be_listed(&ended);
        let (exempt, doubted) = self.exemptable(&ended, &expired);
        let kept = self.adopted_cut.as_ref().map(|cut| cut.before);

        let all = policy(generation, &ended, kept, &exempt);
        let needed = !all.listed.is_empty() || all.cut.is_some();
        if needed && size(&all) > room.characters() {
            return cut(generation, room, &ended, kept, &exempt, doubted).map(Some);
        }
        let with = |count: usize| {
            let mut policy = all.clone();
            policy.listed.extend(expired.iter().take(count));
            policy
        };
        let optional = most(expired.len(), |count| size(&with(count)) * 100 < room.characters() * ALARM_PERCENT);
        let mode = match kept {
            Some(_) => Mode::Cut,
            None if optional < expired.len() => Mode::ListedWithoutExpired,
            None => Mode::Listed,
        };
        // Optional entries alone may find no room for one of them.
        let some = needed || optional > 0;
        Ok(some.then(|| compiled(with(optional), mode, room, doubted)))
    }

    /// Ended early or adopted, each once, in the order in which they keep their
    /// place in the list: the uncontained, then the latest ended.
    fn must_end(&self) -> Vec<Ended> {
        let adopted = self.adopted.iter().map(|(&grant, &ended_at)| Ended { grant, ended_at, contained: true });
        let mut each: BTreeMap<GrantId, Ended> = BTreeMap::new();
        for ended in self.ended_early.iter().copied().chain(adopted) {
            let known = each.entry(ended.grant).or_insert(ended);
            known.ended_at = known.ended_at.max(ended.ended_at);
            known.contained &= ended.contained;
        }
        let mut ended: Vec<Ended> = each.into_values().collect();
        ended.sort_by_key(|e| (e.contained, Reverse(e.ended_at), e.grant));
        ended
    }

    /// Expired, the latest first: their tokens live longest.
    fn may_be_listed(&self, ended: &[Ended]) -> Vec<GrantId> {
        let taken: BTreeSet<GrantId> = ended.iter().map(|e| e.grant).collect();
        let mut expired: Vec<_> = self.expired.iter().filter(|(grant, _)| !taken.contains(grant)).collect();
        expired.sort_by_key(|(grant, at)| (Reverse(*at), *grant));
        let mut seen = BTreeSet::new();
        expired.into_iter().map(|(grant, _)| *grant).filter(|grant| seen.insert(*grant)).collect()
    }

    /// The active grants that a cut may exempt, the latest activated first, and
    /// those that it may not. What is known to have ended is never exempt: an
    /// older store may take for active what the role's policy had ended.
    fn exemptable(&self, ended: &[Ended], expired: &[GrantId]) -> (Vec<GrantId>, BTreeSet<GrantId>) {
        let over: BTreeSet<GrantId> = ended.iter().map(|e| e.grant).chain(expired.iter().copied()).collect();
        let mut active: Vec<_> = self.active.iter().filter(|(grant, _)| !over.contains(grant)).collect();
        active.sort_by_key(|(grant, at)| (Reverse(**at), **grant));
        let (exempt, doubted): (Vec<_>, Vec<_>) = active.into_iter().partition(|(grant, at)| {
            self.adopted_cut.as_ref().is_none_or(|cut| **at >= cut.before || cut.exempt.contains(grant))
        });
        let grants = |pairs: Vec<(&GrantId, _)>| pairs.into_iter().map(|(grant, _)| *grant).collect::<Vec<_>>();
        (grants(exempt), grants(doubted).into_iter().collect())
    }
}

/// The policy of a role whose list, beside the cut that is `kept`, has outgrown its room.
fn cut(
    generation: Generation,
    room: Room,
    ended: &[Ended],
    kept: Option<Timestamp>,
    exempt: &[GrantId],
    doubted: BTreeSet<GrantId>,
) -> Result<Compiled, NoRoom> {
    let fits = |policy: &RevocationPolicy| size(policy) <= room.characters();
    let with = |listed: usize, exempted: usize| {
        let (listed, dropped) = ended.split_at_checked(listed).unwrap_or((ended, &[]));
        let before = dropped.iter().map(|e| after_every_token(e.ended_at)).chain(kept).max();
        policy(generation, listed, before, exempt.get(..exempted).unwrap_or(exempt))
    };
    let shortest = with(0, 0);
    if !fits(&shortest) {
        return Err(NoRoom { needed: size(&shortest), room });
    }
    // An active grant goes before the observation of one that ended.
    let exempted = most(exempt.len(), |count| fits(&with(0, count)));
    let listed = most(ended.len(), |count| fits(&with(count, exempted)));
    let mut unexempted = doubted;
    unexempted.extend(exempt.iter().skip(exempted));
    Ok(compiled(with(listed, exempted), Mode::Cut, room, unexempted))
}

/// The first second in which no token of a grant that ended at `end` can have
/// been issued, by AWS's clock, which dates tokens in whole seconds.
fn after_every_token(end: Timestamp) -> Timestamp {
    let later = SignedDuration::from_secs(1 + CLOCK_SECONDS_MAX);
    floor_second(end).checked_add(later).unwrap_or(Timestamp::MAX)
}

fn policy(generation: Generation, listed: &[Ended], before: Option<Timestamp>, exempt: &[GrantId]) -> RevocationPolicy {
    let cut = before.map(|before| Cut { before, exempt: exempt.iter().copied().collect() });
    RevocationPolicy { generation, listed: listed.iter().map(|e| e.grant).collect(), cut }
}

fn compiled(policy: RevocationPolicy, mode: Mode, room: Room, unexempted: BTreeSet<GrantId>) -> Compiled {
    let json = policy.document().to_json();
    Compiled { policy, json, mode, room, unexempted }
}

fn size(policy: &RevocationPolicy) -> usize {
    characters(&policy.document().to_json())
}

/// The greatest count up to `all` that still fits, 0 if none does; what fits
/// with more fits with fewer.
fn most(all: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut least, mut beyond) = (0, all + 1);
    while beyond - least > 1 {
        let middle = usize::midpoint(least, beyond);
        if fits(middle) {
            least = middle;
        } else {
            beyond = middle;
        }
    }
    least
}
