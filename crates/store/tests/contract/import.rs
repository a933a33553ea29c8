//! Imports: a store that is older than the log becomes what the log says, with
//! what it had of its own behind.

use std::collections::BTreeSet;

use halligan_core::catalogue::Target;
use halligan_core::grant::{Effect, Grant};
use halligan_core::text::Reason;
use halligan_engine::fakes::fixtures::{self, Asking, acknowledge, at, revoke, role_id, uuid};
use halligan_engine::fakes::store::FakeStore;
use halligan_engine::ports::{Change, Head, Import, Passkey, PasskeyNews, QueuedEntry, StoreError, Version};
use halligan_log::{Edge, Hash};
use jiff::Timestamp;

use crate::passkeys::{confirmed, passkey};
use crate::places::{Store, change, explained, happened, properties, tree};
use crate::sessions::{entry, hash, login, proof, room, session};

properties!(
    Store: an_older_store_becomes_what_the_log_says,
    an_empty_store_becomes_what_the_log_says,
    what_the_store_had_of_its_own_comes_behind,
    times_never_go_back_whatever_is_imported,
    in_pieces_it_is_the_same_as_at_once,
    the_same_import_twice_is_harmless,
    more_entries_than_it_knew_of_are_a_conflict,
    what_would_leave_gaps_is_refused,
    an_id_that_is_there_already_is_a_conflict,
    a_fork_is_replaced_and_sinks_begin_where_it_began,
    a_grant_that_moved_meanwhile_is_not_moved_on,
    a_grant_whose_reason_was_erased_is_kept,
    a_cursor_read_before_an_import_is_not_moved_after_it,
    an_import_ends_every_session_and_ceremony,
    an_import_applies_what_the_log_says_of_passkeys,
    an_import_that_is_refused_ends_nothing,
    commits_beside_imports_lose_nothing,
    people_who_sign_in_beside_imports_are_in_or_out,
);

/// The import of the log's entries behind `after`, where the store has `own`.
pub fn import_of(log: &[QueuedEntry], after: u64, own: &[QueuedEntry]) -> Import {
    let behind = |entries: &[QueuedEntry]| -> Vec<QueuedEntry> {
        entries.iter().filter(|entry| entry.position > after).cloned().collect()
    };
    let known: BTreeSet<_> = log.iter().map(|entry| entry.sealed.entry.id).collect();
    let tail = behind(own).into_iter().map(|entry| entry.sealed).filter(|own| !known.contains(&own.entry.id));
    Import {
        after,
        last: own.len() as u64,
        known: None,
        entries: behind(log),
        tail: tail.collect(),
        grants: vec![],
        effects: vec![],
        passkeys: vec![],
        sign_outs: vec![],
        head: tree(log),
    }
}

/// A store whose entries are the log.
fn origin() -> Store {
    Store::over(std::sync::Arc::new(FakeStore::new()))
}

async fn version(store: &Store, grant: &Grant) -> (Grant, Version) {
    let found = store.grants.grant(grant.request.id).await.unwrap().unwrap();
    (found.grant, found.version)
}

/// Everything that a store says of its entries.
async fn state(store: &Store) -> (Vec<QueuedEntry>, u64, Head) {
    let entries = store.entries().await;
    assert_eq!(
        entries.iter().map(|entry| entry.position).collect::<Vec<_>>(),
        (1..=entries.len() as u64).collect::<Vec<_>>()
    );
    let times: Vec<Timestamp> = entries.iter().map(|entry| entry.sealed.entry.time).collect();
    assert!(times.is_sorted(), "time went back: {times:?}");
    (entries, store.log.last().await.unwrap(), store.log.head().await.unwrap())
}

async fn an_older_store_becomes_what_the_log_says(store: Store) {
    let origin = origin();
    let pending = Asking::new(1).open();
    let waiting = Asking::new(2).open();
    for both in [&origin, &store] {
        both.grants.commit(change(pending.clone(), None, 10), at(0)).await.unwrap();
        both.grants.commit(change(waiting.clone(), None, 20), at(1)).await.unwrap();
    }
    // What came after the backup: an activation, an end, another request.
    let active = acknowledge(&pending.grant, "bob", at(60));
    let ended = revoke(&active.grant, "carol", at(90));
    let later = Asking::new(3).of("prod-reader").open();
    let since = [(active, Some(Version(1)), 30), (ended.clone(), Some(Version(2)), 40), (later.clone(), None, 50)];
    for (transition, version, number) in since {
        origin.grants.commit(change(transition, version, number), at(100)).await.unwrap();
    }
    let log = origin.entries().await;
    let own = store.entries().await;
    assert_eq!(own, log[..own.len()], "it is a prefix");
    let import = Import {
        grants: vec![later.grant.clone(), ended.grant.clone()],
        effects: ended.effects.clone(),
        ..import_of(&log, own.len() as u64, &own)
    };
    store.restore.import(import, at(200)).await.unwrap();

    assert_eq!(state(&store).await, (log.clone(), log.len() as u64, tree(&log)));
    assert_eq!(version(&store, &pending.grant).await, (ended.grant, Version(2)));
    assert_eq!(version(&store, &waiting.grant).await, (waiting.grant.clone(), Version(1)));
    assert_eq!(version(&store, &later.grant).await, (later.grant.clone(), Version(1)));
    let enforceable = store.grants.enforceable(&role_id("prod-admin"), at(200)).await.unwrap();
    assert_eq!(enforceable.len(), 1, "what had been ended is ended");
    let due = store.work.due(at(200)).await.unwrap();
    assert_eq!(due.iter().map(|effort| effort.effect.clone()).collect::<Vec<_>>(), ended.effects);
    assert!(store.work.due(at(199)).await.unwrap().is_empty());
    // And life goes on.
    let committed =
        store.grants.commit(change(acknowledge(&later.grant, "bob", at(300)), Some(Version(1)), 60), at(300));
    assert_eq!(committed.await.unwrap().version, Some(Version(2)));
    assert!(state(&store).await.0.starts_with(&log));
    store.log.advance(tree(&store.entries().await)).await.unwrap();
}

async fn an_empty_store_becomes_what_the_log_says(store: Store) {
    let origin = origin();
    // More than one statement takes.
    let numbers: Vec<u64> = (1..=300).collect();
    origin.explain(&Asking::new(1).grant(), &numbers, at(5)).await.unwrap();
    let log = origin.entries().await;
    let grants = fixtures::lives(1_000).into_iter().map(|(_, grant)| grant).collect::<Vec<_>>();
    let import = Import { grants: grants.clone(), ..import_of(&log, 0, &[]) };
    store.restore.import(import, at(9)).await.unwrap();
    assert_eq!(state(&store).await, (log.clone(), 300, tree(&log)));
    for grant in &grants {
        assert_eq!(version(&store, grant).await, (grant.clone(), Version(1)));
    }
    assert_eq!(store.log.timeline(Asking::new(1).grant().request.id).await.unwrap(), log);
}

async fn what_the_store_had_of_its_own_comes_behind(store: Store) {
    let origin = origin();
    let grant = Asking::new(1).grant();
    for both in [&origin, &store] {
        both.explain(&grant, &[1, 2], at(0)).await.unwrap();
    }
    origin.explain(&grant, &[3, 4, 5], at(50)).await.unwrap();
    store.explain(&grant, &[6], at(20)).await.unwrap();
    store.note(&grant, &[7], at(10)).await.unwrap();
    store.explain(&grant, &[8], at(70)).await.unwrap();
    let (log, own) = (origin.entries().await, store.entries().await);
    store.restore.import(import_of(&log, 2, &own), at(100)).await.unwrap();

    let (entries, last, head) = state(&store).await;
    assert_eq!((last, head, &entries[..5]), (8, tree(&log), &log[..]));
    let tail: Vec<_> = entries[5..]
        .iter()
        .map(|QueuedEntry { sealed, .. }| {
            let entry = &sealed.entry;
            (entry.id, entry.time, entry.decided_at(), sealed.personal.is_some())
        })
        .collect();
    // Recorded anew, decided as they were.
    assert_eq!(
        tail,
        [(uuid(6), at(50), at(20), true), (uuid(7), at(50), at(10), false), (uuid(8), at(70), at(70), true)]
    );
    for (entry, own) in entries[5..].iter().zip(&own[2..]) {
        assert_eq!(entry.leaf.entry, entry.sealed.entry.to_json());
        assert_eq!(entry.leaf.personal, own.leaf.personal, "what was committed to");
    }
}

async fn times_never_go_back_whatever_is_imported(store: Store) {
    let grant = Asking::new(1).grant();
    store.note(&grant, &[1], at(10)).await.unwrap();
    store.note(&grant, &[2, 3], at(500)).await.unwrap();
    let own = store.entries().await;
    // The log's entries are older than what the store had, which is dropped; and a
    // tail that is in no order.
    let log = [own[0].clone(), QueuedEntry::new(2, fixtures::draft(&grant, happened(), 4).seal(at(20), at(20)))];
    let sealed = |number, seconds| explained(&grant, number).seal(at(seconds), at(seconds));
    let import = Import { tail: vec![sealed(6, 40), sealed(5, 30), sealed(7, 15)], ..import_of(&log, 1, &own) };
    store.restore.import(import, at(600)).await.unwrap();
    let times = async |store: &Store| -> Vec<Timestamp> {
        state(store).await.0.iter().map(|entry| entry.sealed.entry.time).collect()
    };
    assert_eq!(times(&store).await, [at(10), at(20), at(40), at(40), at(40)]);
    // Nothing is recorded before what was once recorded.
    store.note(&grant, &[8], at(60)).await.unwrap();
    assert_eq!(times(&store).await[5], at(500));
    // A renumbering alone, of nothing and of all.
    let own = store.entries().await;
    store.restore.import(import_of(&own[..2], 2, &own), at(600)).await.unwrap();
    assert_eq!(times(&store).await, times(&store).await);
    assert_eq!(state(&store).await.0, own);
    store.restore.import(import_of(&[], 0, &own), at(600)).await.unwrap();
    assert_eq!((state(&store).await.0, store.log.head().await.unwrap()), (own, tree(&[])));
}

async fn in_pieces_it_is_the_same_as_at_once(store: Store) {
    let origin = origin();
    let grant = Asking::new(1).grant();
    for both in [&origin, &store] {
        both.explain(&grant, &[1, 2], at(0)).await.unwrap();
    }
    store.explain(&grant, &[100, 101], at(12)).await.unwrap();
    store.note(&grant, &[102], at(45)).await.unwrap();
    for number in 3..=9_u64 {
        origin.explain(&grant, &[number], at(10 * i64::try_from(number).unwrap())).await.unwrap();
    }
    let log = origin.entries().await;
    let at_once = Store::over(std::sync::Arc::new(FakeStore::new()));
    at_once.restore.import(import_of(&store.entries().await, 0, &[]), at(0)).await.unwrap();
    at_once.restore.import(import_of(&log, 2, &at_once.entries().await), at(99)).await.unwrap();
    // After each, the process may die: what is there is a shorter prefix of the log.
    for (after, to) in [(2, 4), (4, 5), (5, 9)] {
        let own = store.entries().await;
        store.restore.import(import_of(&log[..to], after, &own), at(99)).await.unwrap();
        let (entries, last, head) = state(&store).await;
        assert_eq!((&entries[..to], last, head), (&log[..to], to as u64 + 3, tree(&log[..to])));
        store.log.advance(head).await.unwrap();
    }
    assert_eq!(state(&store).await, state(&at_once).await);
}

async fn the_same_import_twice_is_harmless(store: Store) {
    let origin = origin();
    let grant = Asking::new(1).grant();
    origin.explain(&grant, &[1, 2, 3], at(50)).await.unwrap();
    store.explain(&grant, &[4], at(20)).await.unwrap();
    let log = origin.entries().await;
    let import = Import { grants: vec![grant.clone()], ..import_of(&log, 0, &store.entries().await) };
    store.restore.import(import.clone(), at(60)).await.unwrap();
    let done = state(&store).await;
    // Its answer was lost, and there are more entries now than it knew of.
    assert!(matches!(store.restore.import(import.clone(), at(61)).await, Err(StoreError::Conflict)));
    // And where it knows of as many.
    store.restore.import(Import { last: 4, ..import }, at(62)).await.unwrap();
    assert_eq!(state(&store).await, done);
    assert_eq!(version(&store, &grant).await, (grant, Version(2)), "whoever read it before reads again");
}

async fn more_entries_than_it_knew_of_are_a_conflict(store: Store) {
    let origin = origin();
    let grant = Asking::new(1).grant();
    origin.note(&grant, &[1, 2, 3], at(0)).await.unwrap();
    store.note(&grant, &[1], at(0)).await.unwrap();
    let effects = vec![Effect::Enforce(Target::role(role_id("prod-admin")))];
    let import = import_of(&origin.entries().await, 1, &store.entries().await);
    let import = Import { grants: vec![grant.clone()], effects, ..import };
    store.note(&grant, &[4], at(0)).await.unwrap();
    let before = state(&store).await;
    for last in [1, 3] {
        let late = store.restore.import(Import { last, ..import.clone() }, at(9)).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{last}: {late:?}");
    }
    assert_eq!(state(&store).await, before);
    assert!(store.grants.grant(grant.request.id).await.unwrap().is_none(), "half of it was done");
    assert!(store.work.due(at(1_000)).await.unwrap().is_empty(), "half of it was done");
}

async fn what_would_leave_gaps_is_refused(store: Store) {
    let origin = origin();
    let grant = Asking::new(1).grant();
    origin.explain(&grant, &[1, 2, 3, 4], at(0)).await.unwrap();
    store.explain(&grant, &[1, 2], at(0)).await.unwrap();
    let log = origin.entries().await;
    let good = import_of(&log, 2, &store.entries().await);
    let before = state(&store).await;
    let head = |size| Head { size, root: Edge::default().root() };
    let mut foreign = log[3].sealed.clone();
    foreign.personal = explained(&grant, 9).seal(at(0), at(0)).personal;
    let cases = [
        ("after the end", Import { after: 3, entries: vec![log[3].clone()], ..good.clone() }),
        ("not the next", Import { entries: log[3..].to_vec(), ..good.clone() }),
        ("one twice", Import { entries: vec![log[2].clone(), log[2].clone()], ..good.clone() }),
        ("backwards", Import { entries: vec![log[3].clone(), log[2].clone()], ..good.clone() }),
        ("a tree of more", Import { head: head(5), ..good.clone() }),
        ("a tree of fewer", Import { head: head(3), ..good.clone() }),
        ("a tail that commits to something else", Import { tail: vec![foreign], ..good.clone() }),
    ];
    for (name, import) in cases {
        assert!(import.flaw().is_some(), "{name}");
        let refused = store.restore.import(import, at(9)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{name}: {refused:?}");
        assert_eq!(state(&store).await, before, "{name}");
    }
    assert_eq!(good.flaw(), None);
    store.restore.import(good, at(9)).await.unwrap();
    assert_eq!(state(&store).await.0, log);
}

async fn an_id_that_is_there_already_is_a_conflict(store: Store) {
    let grant = Asking::new(1).grant();
    store.note(&grant, &[1, 2, 3], at(0)).await.unwrap();
    let own = store.entries().await;
    let sealed = |number| fixtures::draft(&grant, happened(), number).seal(at(0), at(0));
    let entry = |position, number| QueuedEntry::new(position, sealed(number));
    let (kept, dropped) = ((1, 2), 3);
    let cases = [
        ("one that stays", vec![entry(3, kept.0)], vec![]),
        ("twice", vec![entry(3, 9), entry(4, 9)], vec![]),
        ("in the log and behind it", vec![entry(3, 9)], vec![sealed(9)]),
        ("behind it, one that stays", vec![entry(3, 9)], vec![sealed(kept.1)]),
        ("behind it, twice", vec![entry(3, 9)], vec![sealed(10), sealed(10)]),
    ];
    let import = |entries: Vec<QueuedEntry>, tail| {
        let log = [&own[..2], &entries[..]].concat();
        Import { tail, ..import_of(&log, 2, &own) }
    };
    for (name, entries, tail) in cases {
        let refused = store.restore.import(import(entries, tail), at(9)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{name}: {refused:?}");
        assert_eq!(state(&store).await.0, own, "{name}");
    }
    // One that goes may come again elsewhere, and later as well.
    store.restore.import(import(vec![entry(3, 9)], vec![sealed(dropped)]), at(9)).await.unwrap();
    store.restore.import(Import { last: 4, ..import(vec![entry(3, 10)], vec![]) }, at(9)).await.unwrap();
    assert_eq!(store.note(&grant, &[9, 3], at(9)).await.unwrap().position, Some(5));
}

async fn a_fork_is_replaced_and_sinks_begin_where_it_began(store: Store) {
    let origin = origin();
    let grant = Asking::new(1).grant();
    for both in [&origin, &store] {
        both.note(&grant, &[1, 2, 3], at(0)).await.unwrap();
    }
    origin.note(&grant, &[4, 5], at(5)).await.unwrap();
    store.note(&grant, &[6, 7, 8], at(5)).await.unwrap();
    // It was published, somewhere: and a person has decided which of the two counts.
    store.log.advance(tree(&store.entries().await)).await.unwrap();
    for (sink, position) in [("siem", 6), ("cloudwatch", 3), ("file", 1)] {
        store.move_cursor(sink, position).await;
    }
    let log = origin.entries().await;
    store.restore.import(import_of(&log, 3, &store.entries().await), at(9)).await.unwrap();
    let (entries, last, head) = state(&store).await;
    assert_eq!((&entries[..5], last, head), (&log[..], 8, tree(&log)), "the head may go back here");
    for (sink, expected) in [("siem", 3), ("cloudwatch", 3), ("file", 1), ("new", 0)] {
        assert_eq!(store.cursor(sink).await, expected, "{sink}");
    }
    // A publisher that knew the other head is behind, ahead or apart; never right.
    store.log.advance(Head { size: 4, root: Hash([4; 32]) }).await.unwrap();
    for size in [5, 9] {
        let forked = store.log.advance(Head { size, root: Hash([4; 32]) }).await;
        assert!(matches!(forked, Err(StoreError::Conflict)), "{size}: {forked:?}");
    }
    assert_eq!(store.log.head().await.unwrap(), tree(&log));
}

async fn a_grant_that_moved_meanwhile_is_not_moved_on(store: Store) {
    let pending = Asking::new(1).open();
    store.grants.commit(change(pending.clone(), None, 10), at(0)).await.unwrap();
    let own = store.entries().await;
    let active = acknowledge(&pending.grant, "bob", at(60));
    let ended = revoke(&active.grant, "carol", at(90)).grant;
    let import = Import { grants: vec![ended.clone()], ..import_of(&own, 1, &own) };
    store.restore.import(import, at(100)).await.unwrap();
    // Somebody had read it before.
    let late = store.grants.commit(change(active, Some(Version(1)), 20), at(101)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    assert_eq!(version(&store, &ended).await, (ended, Version(2)));
    let none = store.grants.commit(Change { grant: Some((pending.grant, None)), ..Change::default() }, at(102)).await;
    assert!(matches!(none, Err(StoreError::Conflict)), "{none:?}");
}

/// Its request no longer makes its hash, and it must be ended all the same.
async fn a_grant_whose_reason_was_erased_is_kept(store: Store) {
    let mut active = Asking::new(1).active();
    std::sync::Arc::make_mut(&mut active.request).reason = Reason::erased();
    let import = Import { grants: vec![active.clone()], ..import_of(&[], 0, &[]) };
    store.restore.import(import, at(60)).await.unwrap();
    assert_eq!(version(&store, &active).await, (active.clone(), Version(1)));
    let ended = revoke(&active, "carol", at(90));
    store.grants.commit(change(ended.clone(), Some(Version(1)), 10), at(90)).await.unwrap();
    let enforceable = store.grants.enforceable(&role_id("prod-admin"), at(91)).await.unwrap();
    assert_eq!(enforceable.into_iter().map(|found| found.grant).collect::<Vec<_>>(), [ended.grant]);
}

/// Whoever forwards may be at it while the entries behind its cursor become others: also
/// where the cursor itself stays where it is.
async fn a_cursor_read_before_an_import_is_not_moved_after_it(store: Store) {
    let grant = Asking::new(1).grant();
    store.note(&grant, &[1, 2, 3, 4], at(0)).await.unwrap();
    let cases = [("ahead", 3, 2), ("where they part", 2, 2), ("behind", 1, 1), ("new", 0, 0)];
    for (sink, position, _) in cases {
        store.move_cursor(sink, position).await;
    }
    let mut before = Vec::new();
    for (sink, ..) in cases {
        before.push(store.cursors.cursor(sink).await.unwrap());
    }
    let own = store.entries().await;
    store.restore.import(import_of(&own[..2], 2, &own), at(9)).await.unwrap();
    for ((sink, _, expected), from) in cases.into_iter().zip(before) {
        let late = store.cursors.move_cursor(sink, from, 4).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{sink}: {late:?}");
        let now = store.cursors.cursor(sink).await.unwrap();
        assert_eq!(now.position, expected, "{sink}");
        assert_eq!(store.cursors.move_cursor(sink, now, 4).await.unwrap().position, 4, "{sink}");
    }
}

/// Who is signed in, who is on the way, and what is known of a login's groups.
async fn signed_in(store: &Store) {
    store.sessions.open(&session(1, "alice", 0), vec![], at(0)).await.unwrap();
    store.ceremonies.begin(&hash(2), "body", at(1_000), room(9), at(0)).await.unwrap();
    store.groups.saw_groups(&login("alice"), &["leads".parse().unwrap()].into(), at(0)).await.unwrap();
}

async fn still_signed_in(store: &Store) -> (bool, bool, bool) {
    let session = store.sessions.session(&hash(1)).await.unwrap().is_some();
    let groups = store.groups.groups_of(&[login("alice")].into(), at(0)).await.unwrap();
    let ceremony = store.ceremonies.take(&hash(2), at(9)).await.unwrap().is_some();
    (session, ceremony, !groups.is_empty())
}

async fn an_import_ends_every_session_and_ceremony(store: Store) {
    let grant = Asking::new(1).grant();
    store.note(&grant, &[1, 2], at(0)).await.unwrap();
    let own = store.entries().await;
    let more = [&own[..], &[QueuedEntry::new(3, explained(&grant, 9).seal(at(5), at(5)))]].concat();
    for log in [&own[..], &more, &[]] {
        signed_in(&store).await;
        let after = if log.is_empty() { 0 } else { 2 };
        store.restore.import(import_of(log, after, &store.entries().await), at(9)).await.unwrap();
        assert_eq!(still_signed_in(&store).await, (false, false, false), "after {}", log.len());
        let late = store.sessions.touch(&hash(1), &proof(9), at(9)).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    }
    signed_in(&store).await;
    assert_eq!(still_signed_in(&store).await, (true, true, true), "people sign in again");
}

async fn an_import_applies_what_the_log_says_of_passkeys(store: Store) {
    let old = ["stays", "confirmed since", "removed since", "back since"].map(|name| passkey(name, "alice", 0));
    for passkey in &old {
        store.passkeys.keep(passkey, None, vec![], at(0)).await.unwrap();
    }
    let news = || {
        let changed = Passkey { counter: 7, ..confirmed(&old[1], "bob", 20) };
        let (new, brief) = (passkey("new", "bob", 30), passkey("brief", "bob", 35));
        let again = passkey("back since", "carol", 50);
        vec![
            PasskeyNews::Kept(confirmed(&old[1], "carol", 15)),
            PasskeyNews::Kept(changed),
            PasskeyNews::Kept(new),
            PasskeyNews::Kept(brief),
            PasskeyNews::Removed("removed since".to_owned()),
            PasskeyNews::Removed("back since".to_owned()),
            PasskeyNews::Removed("never there".to_owned()),
            PasskeyNews::Kept(again),
            PasskeyNews::Removed("brief".to_owned()),
        ]
    };
    // The same twice is harmless.
    for _ in 0..2 {
        let import = Import { passkeys: news(), ..import_of(&[], 0, &store.entries().await) };
        store.restore.import(import, at(60)).await.unwrap();
        let of = async |name| store.passkeys.passkeys_of(&fixtures::person(name)).await.unwrap();
        let changed = Passkey { counter: 7, ..confirmed(&old[1], "bob", 20) };
        assert_eq!(of("alice").await, [changed, old[0].clone()]);
        assert_eq!(of("bob").await, [passkey("new", "bob", 30)]);
        assert_eq!(of("carol").await, [passkey("back since", "carol", 50)]);
        let unconfirmed = store.passkeys.unconfirmed(9).await.unwrap();
        assert_eq!(
            unconfirmed.iter().map(|key| key.credential.as_str()).collect::<Vec<_>>(),
            ["stays", "new", "back since"]
        );
    }
}

async fn an_import_that_is_refused_ends_nothing(store: Store) {
    store.note(&Asking::new(1).grant(), &[1], at(0)).await.unwrap();
    signed_in(&store).await;
    let kept = passkey("a", "alice", 0);
    store.passkeys.keep(&kept, None, vec![], at(0)).await.unwrap();
    let own = store.entries().await;
    let removed = Import { passkeys: vec![PasskeyNews::Removed("a".to_owned())], ..import_of(&own, 1, &own) };
    let flawed = PasskeyNews::Kept(confirmed(&passkey("b", "bob", 0), "bob", 1));
    let cases = [
        ("it knew of fewer entries", Import { after: 0, last: 0, entries: own.clone(), ..removed.clone() }),
        ("it knew another tree", Import { known: Some(tree(&own)), ..removed.clone() }),
        ("an id comes twice", Import { tail: vec![own[0].sealed.clone()], ..removed.clone() }),
        ("somebody confirmed their own", Import { passkeys: vec![flawed], ..removed }),
    ];
    for (name, import) in cases {
        let refused = store.restore.import(import, at(9)).await;
        assert!(matches!(refused, Err(StoreError::Conflict | StoreError::Unavailable(_))), "{name}: {refused:?}");
        assert_eq!(store.passkeys.passkey("a").await.unwrap().as_ref(), Some(&kept), "{name}");
        assert!(store.sessions.session(&hash(1)).await.unwrap().is_some(), "{name}");
    }
    assert_eq!(still_signed_in(&store).await, (true, true, true));
}

async fn commits_beside_imports_lose_nothing(store: Store) {
    let origin = origin();
    let shared: Vec<u64> = (1..=40).collect();
    origin.explain(&Asking::new(1).grant(), &shared, at(30)).await.unwrap();
    let log = origin.entries().await;
    let writers = (0..4_u64).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let grant = Asking::new(writer + 2).grant();
            for n in 0..12 {
                let number = 1_000 + 100 * writer + 2 * n;
                // Some of them are about the grants that are imported: whoever is second says so.
                let mut about = (n % 4 == 0).then(|| (Asking::new(number).grant(), None));
                loop {
                    let entries = vec![explained(&grant, number), explained(&grant, number + 1)];
                    let change = Change { grant: about.take(), entries, ..Change::default() };
                    let had = change.grant.is_some();
                    match store.grants.commit(change, at(i64::try_from(n * 9).unwrap())).await {
                        Ok(_) => break,
                        Err(StoreError::Conflict) if had => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    // As after a restart: what the store lacks, a few entries at a time.
    let (mut done, mut conflicts) = (0_usize, 0);
    while done < log.len() {
        let own = store.entries().await;
        let to = (done + 7).min(log.len());
        let grants = vec![Asking::new(1).grant(), Asking::new(1_000 + done as u64).grant()];
        let import = Import { grants, ..import_of(&log[..to], done as u64, &own) };
        match store.restore.import(import, at(99)).await {
            Ok(()) => done = to,
            Err(StoreError::Conflict) => conflicts += 1,
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let (entries, last, head) = state(&store).await;
    assert_eq!((&entries[..40], last, head), (&log[..], 40 + 96, tree(&log)), "after {conflicts} conflicts");
    let found: BTreeSet<_> = entries.iter().map(|entry| entry.sealed.entry.id).collect();
    let written = (0..4_u64).flat_map(|writer| (0..24).map(move |n| uuid(1_000 + 100 * writer + n)));
    let expected: BTreeSet<_> = shared.into_iter().map(uuid).chain(written).collect();
    assert_eq!(found, expected);
}

/// Nothing of theirs is half done, and nothing fails but by somebody else being first.
async fn people_who_sign_in_beside_imports_are_in_or_out(store: Store) {
    let people = (1..=4_u64).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let name = ["alice", "bob", "carol", "alice"][number as usize - 1];
            let fine = |outcome: Result<(), StoreError>| match outcome {
                Ok(()) => true,
                Err(StoreError::Conflict) => false,
                Err(error) => panic!("{error}"),
            };
            let mut entered = 0;
            for round in 0..10 {
                let number = 1_000 * number + 10 * round;
                let begun = store.ceremonies.begin(&hash(number), "body", at(60), room(50), at(0)).await;
                if fine(begun) && store.ceremonies.take(&hash(number), at(1)).await.unwrap().is_some() {
                    let opened = store.sessions.open(&session(number, name, 0), vec![entry(number)], at(1)).await;
                    assert!(fine(opened), "nobody else has its token");
                    entered += 1;
                    store.groups.saw_groups(&login(name), &BTreeSet::new(), at(1)).await.unwrap();
                    fine(store.sessions.touch(&hash(number), &proof(2), at(2)).await);
                }
                let key = passkey(&format!("key{number}"), name, 0);
                assert!(fine(store.passkeys.keep(&key, None, vec![entry(number + 1)], at(1)).await));
                let changed = confirmed(&key, "dave", 3);
                if fine(store.passkeys.keep(&changed, Some(&key), vec![], at(3)).await) && round % 2 == 0 {
                    fine(store.passkeys.remove(&key.credential, vec![], at(4)).await);
                }
                let ended = match round % 3 {
                    0 => store.sessions.end(&hash(number), vec![entry(number + 2)], at(5)).await.unwrap(),
                    1 => store.sessions.end_of(&[login(name), login("bob")].into()).await.unwrap() > 0,
                    _ => store.sessions.forget(at(-1), at(-1), 5).await.unwrap() > 0,
                };
                entered += u64::from(ended && round % 3 == 0);
                entered += 1;
            }
            entered
        })
    });
    let people: Vec<_> = people.collect();
    let mut imports = 0;
    while imports < 4 || !people.iter().all(tokio::task::JoinHandle::is_finished) {
        let own = store.entries().await;
        let news = (0..40).map(|round| PasskeyNews::Removed(format!("key{}", 1_000 + 10 * round)));
        let import = Import { passkeys: news.collect(), ..import_of(&own, own.len() as u64, &own) };
        match store.restore.import(import, at(99)).await {
            Ok(()) => imports += 1,
            Err(StoreError::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
    }
    let mut entered = 0;
    for person in people {
        entered += person.await.unwrap();
    }
    assert_eq!(state(&store).await.1, entered, "an entry for each that was done");
}
