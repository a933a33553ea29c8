//! Many answers that differ, in few lines.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answers, Axes, Condition, Difference};
use crate::question::Action;

/// How two answers differ: whether it may be done now, and who decided before and now.
type Way = (bool, Vec<String>, Vec<String>);

/// The differences of one question, over its occasions.
pub(super) fn of_question(
    who: &[String],
    action: Action,
    target: &str,
    axes: &Axes,
    answers: Vec<Answers>,
) -> Vec<Difference> {
    let mut ways: BTreeMap<Way, BTreeSet<Vec<usize>>> = BTreeMap::new();
    for Answers { before, now, cell } in answers {
        if before.0 != now.0 {
            ways.entry((now.0, before.1, now.1)).or_default().insert(cell.at);
        }
    }
    let reach = axes.reach(action);
    let mut differences = Vec::new();
    for ((allowed_now, before, now), cells) in ways {
        for when in boxes(axes, &reach, cells) {
            differences.push(Difference {
                allowed_now,
                action,
                who: who.to_vec(),
                targets: vec![target.to_owned()],
                when,
                before: before.clone(),
                now: now.clone(),
            });
        }
    }
    differences
}

/// Covers the cells by boxes: along each axis some values, or all. Grown from the first
/// cell that nothing covers, axis by axis; not always the fewest, always exact.
fn boxes(axes: &Axes, reach: &[usize], cells: BTreeSet<Vec<usize>>) -> Vec<Vec<Condition>> {
    let mut left = cells.clone();
    let mut boxes = Vec::new();
    while let Some(seed) = left.first().cloned() {
        let mut sides: Vec<BTreeSet<usize>> = seed.iter().map(|n| BTreeSet::from([*n])).collect();
        for (axis, reach) in reach.iter().enumerate() {
            for n in 0..*reach {
                let mut wider = sides.clone();
                if let Some(side) = wider.get_mut(axis) {
                    side.insert(n);
                }
                if inside(&wider).iter().all(|cell| cells.contains(cell)) {
                    sides = wider;
                }
            }
        }
        for cell in inside(&sides) {
            left.remove(&cell);
        }
        let needed = sides.iter().zip(reach).enumerate().filter(|(_, (side, reach))| side.len() < **reach);
        boxes.push(needed.filter_map(|(axis, (side, _))| axes.condition(axis, side)).collect());
    }
    boxes
}

/// The cells of a box.
fn inside(sides: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    sides.iter().fold(vec![Vec::new()], |cells, side| {
        cells.iter().flat_map(|cell| side.iter().map(|n| [cell.as_slice(), &[*n]].concat())).collect()
    })
}

/// What differs in the same way for several people is one difference, and so for several targets.
pub(super) fn together(differences: Vec<Difference>) -> Vec<Difference> {
    let people = merged(differences, |difference| &mut difference.who);
    let mut all = merged(people, |difference| &mut difference.targets);
    // What is permitted that wasn't comes first: it is what a reviewer must not miss.
    all.sort_by(|one, other| {
        let key = |difference: &Difference| (!difference.allowed_now, difference.action);
        key(one).cmp(&key(other)).then_with(|| one.targets.cmp(&other.targets)).then_with(|| one.who.cmp(&other.who))
    });
    all
}

/// Merges those that are equal but for one list.
fn merged(differences: Vec<Difference>, list: impl Fn(&mut Difference) -> &mut Vec<String>) -> Vec<Difference> {
    let mut merged: Vec<(Difference, BTreeSet<String>)> = Vec::new();
    for mut difference in differences {
        let names = std::mem::take(list(&mut difference));
        match merged.iter_mut().find(|(like, _)| *like == difference) {
            Some((_, all)) => all.extend(names),
            None => merged.push((difference, names.into_iter().collect())),
        }
    }
    let restored = merged.into_iter().map(|(mut difference, names)| {
        *list(&mut difference) = names.into_iter().collect();
        difference
    });
    restored.collect()
}
