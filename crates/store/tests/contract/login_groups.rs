//! What providers say of logins' groups: the last word holds, for a while.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::actor::Principal;
use halligan_core::id::GroupId;
use halligan_engine::fakes::fixtures::at;
use jiff::{SignedDuration, Timestamp};

use crate::places::{Store, properties};
use crate::sessions::login;

properties!(
    Store: the_last_word_holds,
    a_word_holds_for_a_while,
    who_is_in_no_group_is_known,
    a_persons_groups_are_those_of_all_their_logins,
    words_at_once_end_with_the_last,
    what_was_said_long_ago_is_forgotten_and_nothing_else,
);

fn groups(names: &[&str]) -> BTreeSet<GroupId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

async fn say(store: &Store, subject: &str, names: &[&str], at: Timestamp) {
    store.groups.saw_groups(&login(subject), &groups(names), at).await.unwrap();
}

async fn said(store: &Store, subjects: &[&str], since: Timestamp) -> BTreeSet<GroupId> {
    words(store, subjects, since).await.into_values().flatten().collect()
}

/// What was said of each.
async fn words(store: &Store, subjects: &[&str], since: Timestamp) -> BTreeMap<Principal, BTreeSet<GroupId>> {
    let logins = subjects.iter().map(|subject| login(subject)).collect();
    store.groups.groups_of(&logins, since).await.unwrap()
}

/// To be in no group is something else than that nobody knows.
async fn who_is_in_no_group_is_known(store: Store) {
    say(&store, "alice", &[], at(10)).await;
    say(&store, "bob", &["leads"], at(10)).await;
    let all = ["alice", "bob", "carol"];
    let known = [(login("alice"), groups(&[])), (login("bob"), groups(&["leads"]))];
    assert_eq!(words(&store, &all, at(10)).await, BTreeMap::from(known));
    assert_eq!(words(&store, &all, at(11)).await, BTreeMap::new());
}

async fn the_last_word_holds(store: Store) {
    assert_eq!(said(&store, &["alice"], at(0)).await, groups(&[]));
    let exact = at(20) + SignedDuration::from_nanos(2);
    let steps: [(&[&str], Timestamp, &[&str]); 6] = [
        (&["on-call", "leads"], at(10), &["on-call", "leads"]),
        (&["leads"], exact, &["leads"]),
        (&["admins"], at(20), &["leads"]),
        (&["on-call"], exact, &["on-call"]),
        (&[], at(30), &[]),
        (&["on-call"], at(29), &[]),
    ];
    for (names, at_time, known) in steps {
        say(&store, "alice", names, at_time).await;
        assert_eq!(said(&store, &["alice"], at(0)).await, groups(known), "{names:?} at {at_time}");
    }
}

async fn a_word_holds_for_a_while(store: Store) {
    say(&store, "alice", &["on-call"], at(10)).await;
    for (since, holds) in [(9, true), (10, true), (11, false)] {
        assert_eq!(!said(&store, &["alice"], at(since)).await.is_empty(), holds, "since {since}");
    }
    assert!(said(&store, &["alice"], at(10) + SignedDuration::from_nanos(1)).await.is_empty());
}

async fn a_persons_groups_are_those_of_all_their_logins(store: Store) {
    say(&store, "alice", &["on-call", "leads"], at(10)).await;
    say(&store, "alice@other", &["leads", "admins"], at(20)).await;
    say(&store, "ALICE", &["security"], at(30)).await;
    assert_eq!(said(&store, &[], at(0)).await, groups(&[]));
    assert_eq!(said(&store, &["nobody", "alice"], at(0)).await, groups(&["on-call", "leads"]));
    let both = ["alice", "alice@other"];
    assert_eq!(said(&store, &both, at(0)).await, groups(&["on-call", "leads", "admins"]));
    assert_eq!(said(&store, &both, at(15)).await, groups(&["leads", "admins"]));
}

async fn words_at_once_end_with_the_last(store: Store) {
    let words = (1..=20).map(|number| {
        let store = store.clone();
        let name = format!("group{number}");
        tokio::spawn(async move { say(&store, "alice", &[&name], at(number * 8 % 21)).await })
    });
    for word in words.collect::<Vec<_>>() {
        word.await.unwrap();
    }
    assert_eq!(said(&store, &["alice"], at(0)).await, groups(&["group13"]), "13 * 8 % 21 is 20");
}

async fn what_was_said_long_ago_is_forgotten_and_nothing_else(store: Store) {
    for number in 1..=5 {
        say(&store, &format!("person{number}"), &["on-call"], at(number)).await;
    }
    say(&store, "alice", &["leads"], at(50)).await;
    for (before, limit, forgotten) in [(1, 9, 0), (3, 0, 0), (3, 9, 2), (50, 2, 2), (50, 2, 1), (50, 2, 0)] {
        assert_eq!(store.groups.forget_groups(at(before), limit).await.unwrap(), forgotten, "{limit} before {before}");
    }
    assert_eq!(said(&store, &["person5", "alice"], at(0)).await, groups(&["leads"]));
    // Its time is gone too: an older word is news again.
    say(&store, "person1", &["admins"], at(0)).await;
    assert_eq!(said(&store, &["person1"], at(0)).await, groups(&["admins"]));
}
