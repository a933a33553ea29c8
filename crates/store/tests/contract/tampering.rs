//! Rows that no version of this program wrote: named, and never made the best of.

use std::sync::Arc;

use halligan_core::actor::{Machine, Party};
use halligan_core::grant::{Acknowledged, Active, Extended, Grant, Standing, State};
use halligan_core::id::GrantId;
use halligan_engine::fakes::fixtures::{self, Asking, acknowledge, at, human, lives, person, role_id, uuid};
use halligan_engine::ports::{
    Ceremonies, Change, Filter, GrantStore, Head, IdempotencyKey, IdempotencyStore, Import, Leases, LogStore,
    LoginGroups, Passkeys, PersonalData, QueuedEntry, RoleLedger, RoleRecord, Sessions, StoreError, Version, WorkQueue,
};
use halligan_log::{Edge, Leaf};
use jiff::SignedDuration;

use crate::passkeys::{confirmed, passkey};
use crate::places::{Place, Store, change, explained, properties};
use crate::sessions::{hash, login, proof, room, session};

properties!(
    Place: a_grant_whose_row_was_changed_is_not_read,
    a_life_that_no_grant_has_is_not_written,
    a_grant_from_before_extensions_were_kept_is_read,
    an_entry_whose_row_was_changed_is_not_read,
    an_erased_personal_part_is_no_damage,
    a_missing_entry_stops_the_publisher,
    a_head_that_is_none_is_not_read,
    an_import_of_bytes_that_nobody_could_read_is_refused,
    work_that_nobody_knows_is_not_done,
    a_record_that_is_none_is_not_read,
    an_answer_that_is_none_is_not_given,
    a_session_whose_row_was_changed_is_nobodys,
    a_ceremony_whose_row_was_changed_is_not_given_back,
    groups_that_are_none_are_nobodys,
    a_passkey_whose_row_was_changed_counts_for_nothing,
    a_database_without_its_tables_is_unavailable,
);

/// The table, the column and the key that an error names.
fn named<T>(outcome: Result<T, StoreError>) -> (&'static str, &'static str, String) {
    match outcome {
        Ok(_) => panic!("it was read"),
        Err(StoreError::Corrupt { table, column, row, because }) => {
            assert!(!because.contains("payment queue"), "somebody's words: {because}");
            (table, column, row)
        }
        Err(error) => panic!("{error}"),
    }
}

async fn a_grant_whose_row_was_changed_is_not_read(place: Place) {
    let database = place.open().await;
    let mut cases = vec![
        ("phase", "'pending'"),
        ("phase", "'nonsense'"),
        ("target_kind", "'gate'"),
        ("role", "'prod-reader'"),
        ("incident_provider", "'other'"),
        ("incident_id", "'INC-1'"),
        ("requester", "'carol'"),
        ("due_at", "NULL"),
        ("due_at", "1"),
        ("enforce_until", "NULL"),
        ("enforce_until", "1"),
        ("body", "''"),
        ("body", "'{}'"),
        ("body", "'not JSON'"),
        ("body", "REPLACE(body, 'the payment queue is stuck', '')"),
        ("body", "REPLACE(body, '\"reason\":', '\"reason\":7,\"was\":')"),
        // Longer than what was acknowledged, and acknowledged by whoever asked.
        ("body", "REPLACE(body, '\"duration\":\"PT30M\"', '\"duration\":\"PT40M\"')"),
        ("body", "REPLACE(body, 'bob', 'alice')"),
    ];
    if place.file.is_some() {
        // Columns of SQLite take what they are given.
        cases.extend([("version", "'x'"), ("version", "1.5"), ("body", "x'00ff'"), ("due_at", "'x'"), ("phase", "7")]);
    }
    for (number, (column, value)) in (1..).zip(cases) {
        let grant = Asking::new(number).active();
        let id = grant.request.id;
        database.commit(Change { grant: Some((grant, None)), ..Change::default() }, at(0)).await.unwrap();
        assert_eq!(place.tamper(&format!("UPDATE grants SET {column} = {value} WHERE id = '{id}'")).await, 1);
        let expected = ("grants", column, id.to_string());
        assert_eq!(named(database.grant(id).await), expected, "{value}");
        // One that can't be read is not passed over in a list.
        let before = Some(GrantId::new(uuid(number + 1)));
        assert_eq!(named(database.grants(&Filter { before, ..Filter::default() }, 1).await), expected, "{value}");
        place
            .tamper(&format!(
                "UPDATE grants SET role = 'prod-admin', enforce_until = 9000000000000000 WHERE id = '{id}'"
            ))
            .await;
        assert_eq!(named(database.enforceable(&role_id("prod-admin"), at(0)).await).0, "grants");
        place.tamper(&format!("DELETE FROM grants WHERE id = '{id}'")).await;
    }
    // A row under another's key.
    let (grant, other) = (Asking::new(100).active(), GrantId::new(uuid(101)));
    Store::over(database.clone()).put(&grant, None).await.unwrap();
    place.tamper(&format!("UPDATE grants SET id = '{other}'")).await;
    assert_eq!(named(database.grant(other).await), ("grants", "id", other.to_string()));
    place.tamper("UPDATE grants SET id = 'x'").await;
    assert_eq!(named(database.next_due(1).await), ("grants", "id", "x".to_owned()));
}

/// A machine's request, which bob and then carol acknowledge.
fn of_a_machine() -> [Grant; 3] {
    let machine = Machine {
        machine: "pager".parse().unwrap(),
        on_behalf_of: Some(person("alice")),
        principal: human("pager").principal,
    };
    let mut opening = Asking::new(1).opening();
    opening.request.requester = Party::Machine(machine);
    let pending = opening.open(at(0)).grant;
    let half = acknowledge(&pending, "bob", at(10)).grant;
    let active = acknowledge(&half, "carol", at(20)).grant;
    [pending, half, active]
}

async fn a_life_that_no_grant_has_is_not_written(place: Place) {
    let store = Store::over(place.open().await);
    let human = Asking::new(1).active();
    let extended = fixtures::extended(&human, "carol", at(120));
    let [pending, half, active] = of_a_machine();
    let changed = |grant: &Grant, change: &dyn Fn(&mut Grant)| {
        let mut grant = grant.clone();
        change(&mut grant);
        grant
    };
    let only = |grant: &mut Grant| yes(grant).first = None;
    let cases = [
        (
            "longer than was acknowledged",
            changed(&human, &|grant| {
                Arc::make_mut(&mut grant.request).duration = SignedDuration::from_hours(1);
            }),
        ),
        ("acknowledged by whoever asked", changed(&human, &|grant| yes(grant).by = fixtures::human("alice"))),
        ("of one who must, by two", changed(&human, &|grant| yes(grant).first = Some(Box::new(yes(grant).clone())))),
        ("extended by whoever asked", changed(&extended, &|grant| later(grant).yes.by = fixtures::human("alice"))),
        (
            "longer than anybody extended it",
            changed(&extended, &|grant| later(grant).ends_at -= SignedDuration::from_secs(1)),
        ),
        ("of a machine, by one", changed(&active, &only)),
        ("of a machine, by one twice", changed(&active, &|grant| yes(grant).by = fixtures::human("bob"))),
        ("of a machine, by whom it acts for", changed(&active, &|grant| yes(grant).by = fixtures::human("alice"))),
        (
            "of a machine, first by whom it acts for",
            changed(&active, &|grant| {
                yes(grant).first.as_mut().unwrap().by = fixtures::human("alice");
            }),
        ),
        ("waiting for what it has", changed(&Asking::new(1).grant(), &|grant| grant.state = half.state.clone())),
    ];
    for (name, grant) in cases {
        assert!(matches!(store.put(&grant, None).await, Err(StoreError::Unavailable(_))), "{name}");
        assert!(store.grants.grant(grant.request.id).await.unwrap().is_none(), "{name}");
    }
    for (version, grant) in (0..).zip([pending, half, active]) {
        store.put(&grant, (version > 0).then_some(Version(version))).await.unwrap();
        let found = store.grants.grant(grant.request.id).await.unwrap();
        assert_eq!(found.map(|found| found.grant), Some(grant));
    }
}

/// The latest acknowledgement of a grant that is active.
fn yes(grant: &mut Grant) -> &mut Acknowledged {
    let State::Active(Active { activation, .. }) = &mut grant.state else { panic!("it isn't active") };
    let Standing::Acknowledged(acknowledged) = &mut activation.standing else { panic!("it isn't acknowledged") };
    acknowledged
}

/// The latest yes to a later end.
fn later(grant: &mut Grant) -> &mut Extended {
    let State::Active(Active { activation, .. }) = &mut grant.state else { panic!("it isn't active") };
    activation.extended.last_mut().unwrap()
}

/// Who said yes to a later end was not kept at first: such a row is read, and what is written then says it.
async fn a_grant_from_before_extensions_were_kept_is_read(place: Place) {
    let database = place.open().await;
    let extended = fixtures::extended(&Asking::new(1).active(), "carol", at(120));
    let (id, mut before) = (extended.request.id, extended.clone());
    let State::Active(Active { activation, .. }) = &mut before.state else { panic!("it isn't active") };
    activation.extended.clear();
    database.commit(Change { grant: Some((extended.clone(), None)), ..Change::default() }, at(0)).await.unwrap();
    let body = serde_json::to_string(&before).unwrap();
    assert!(!body.contains("extended"), "{body}");
    assert_eq!(place.tamper(&format!("UPDATE grants SET body = '{body}' WHERE id = '{id}'")).await, 1);
    assert_eq!(database.grant(id).await.unwrap().unwrap().grant, before);
    let again = fixtures::extended(&before, "bob", at(240));
    let written = Change { grant: Some((again.clone(), Some(Version(1)))), ..Change::default() };
    database.commit(written, at(240)).await.unwrap();
    assert_eq!(database.grant(id).await.unwrap().unwrap().grant, again);
}

async fn an_entry_whose_row_was_changed_is_not_read(place: Place) {
    let database = place.open().await;
    let cases = [
        ("entry", "'{'"),
        ("entry", "'{}'"),
        ("entry", "REPLACE(entry, '\"v\":1', '\"v\":2')"),
        ("entry", "REPLACE(entry, 'grant.requested', 'grant.given')"),
        ("id", "'0'"),
        ("grant_id", "NULL"),
        ("personal", "REPLACE(personal, 'stuck', 'fine')"),
        // The same, spelt otherwise: not what was committed to.
        ("personal", "REPLACE(personal, ':', ' : ')"),
        ("personal", "personal || ' '"),
        ("personal", "'[]'"),
        ("personal", "''"),
    ];
    for (number, (column, value)) in (1..).zip(cases) {
        database.commit(change(Asking::new(number).open(), None, number), at(0)).await.unwrap();
        assert_eq!(place.tamper(&format!("UPDATE entries SET {column} = {value} WHERE position = {number}")).await, 1);
        assert_eq!(named(database.entries(number, 1).await), ("entries", column, number.to_string()), "{value}");
    }
    let grant = GrantId::new(uuid(1));
    assert_eq!(named(database.timeline(grant).await), ("entries", "entry", "1".to_owned()));
}

async fn an_erased_personal_part_is_no_damage(place: Place) {
    let database = place.open().await;
    database.commit(change(Asking::new(1).open(), None, 1), at(0)).await.unwrap();
    let before = database.entries(1, 1).await.unwrap().remove(0);
    assert!(before.sealed.personal.is_some() && before.leaf.personal.is_some());
    place.tamper("UPDATE entries SET personal = NULL").await;
    let after = database.entries(1, 1).await.unwrap().remove(0);
    assert_eq!((after.sealed.personal, after.sealed.entry), (None, before.sealed.entry));
    assert_eq!((&after.leaf.personal, &after.leaf.entry), (&None, &before.leaf.entry));
}

async fn a_missing_entry_stops_the_publisher(place: Place) {
    let database = place.open().await;
    let store = Store::over(database.clone());
    store.note(&Asking::new(1).grant(), &[1, 2, 3, 4, 5], at(0)).await.unwrap();
    let missing = |position: u64| ("entries", "position", position.to_string());
    place.tamper("DELETE FROM entries WHERE position = 3").await;
    assert_eq!(database.entries(1, 2).await.unwrap().len(), 2);
    for (from, limit) in [(1, 3), (1, 100), (3, 1)] {
        assert_eq!(named(database.entries(from, limit).await), missing(3), "{limit} from {from}");
    }
    assert_eq!(database.entries(4, 10).await.unwrap().len(), 2);
    // At the end, where nothing comes behind it.
    place.tamper("DELETE FROM entries WHERE position = 5").await;
    assert_eq!(database.entries(4, 1).await.unwrap().len(), 1);
    for (from, limit) in [(4, 2), (5, 1), (5, 100)] {
        assert_eq!(named(database.entries(from, limit).await), missing(5), "{limit} from {from}");
    }
    assert!(database.entries(6, 10).await.unwrap().is_empty());
    // At the beginning, and everywhere.
    place.tamper("DELETE FROM entries WHERE position = 1").await;
    assert_eq!(named(database.entries(0, 10).await), missing(1));
    place.tamper("DELETE FROM entries").await;
    assert_eq!(named(database.entries(1, 10).await), missing(1));
    // What is not there can't be told the age of.
    assert_eq!(named(database.erase_before(at(9)).await), missing(5));
}

async fn a_head_that_is_none_is_not_read(place: Place) {
    let database = place.open().await;
    Store::over(database.clone()).note(&Asking::new(1).grant(), &[1, 2], at(0)).await.unwrap();
    for (column, value) in [("root", "''"), ("root", "'x'"), ("root", "'47DEQpj8HBSa+/TImW+5JA=='")] {
        place.tamper(&format!("UPDATE log_head SET {column} = {value}")).await;
        assert_eq!(named(database.head().await), ("log_head", column, "0".to_owned()), "{value}");
    }
    place.tamper("UPDATE log_head SET size = 2").await;
    let forward = Head { size: 1, root: Edge::default().root() };
    assert_eq!(named(database.advance(forward).await), ("log_head", "root", "2".to_owned()));
}

async fn an_import_of_bytes_that_nobody_could_read_is_refused(place: Place) {
    let store = Store::over(place.open().await);
    store.note(&Asking::new(1).grant(), &[1], at(0)).await.unwrap();
    let before = store.entries().await;
    let sealed = explained(&Asking::new(2).grant(), 2).seal(at(5), at(5));
    let whole = QueuedEntry::new(2, sealed.clone());
    let leaf = |change: &dyn Fn(&mut Leaf)| {
        let mut leaf = whole.leaf.as_ref().clone();
        change(&mut leaf);
        QueuedEntry { leaf: Arc::new(leaf), ..whole.clone() }
    };
    let other = QueuedEntry::new(2, explained(&Asking::new(2).grant(), 3).seal(at(5), at(5)));
    let cases = [
        ("no JSON", leaf(&|leaf| leaf.entry.push(b'}'))),
        ("no text", leaf(&|leaf| leaf.entry.push(0xff))),
        ("of another version", leaf(&|leaf| leaf.entry = replaced(&leaf.entry, "\"v\":1", "\"v\":2"))),
        ("another entry", QueuedEntry { leaf: other.leaf, ..whole.clone() }),
        ("a personal part that it doesn't commit to", leaf(&|leaf| leaf.personal = Some(b"{}".to_vec()))),
        ("a personal part that was not read", leaf(&|leaf| leaf.personal = None)),
    ];
    let import = |entry: &QueuedEntry| {
        let head = Head { size: 2, root: Edge::default().root() };
        let entries = vec![entry.clone()];
        Import {
            after: 1,
            last: 1,
            known: None,
            entries,
            tail: vec![],
            grants: vec![],
            effects: vec![],
            passkeys: vec![],
            sign_outs: vec![],
            head,
        }
    };
    for (name, entry) in cases {
        let refused = store.restore.import(import(&entry), at(9)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{name}: {refused:?}");
        assert_eq!(store.entries().await, before, "{name}");
    }
    store.restore.import(import(&whole), at(9)).await.unwrap();
    // And a grant that could never be read again.
    let mut longer: Grant = Asking::new(1).active();
    std::sync::Arc::make_mut(&mut longer.request).duration = SignedDuration::from_hours(1);
    let import = Import { last: 2, grants: vec![Asking::new(2).grant(), longer], ..import(&whole) };
    let refused = store.restore.import(import, at(9)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(store.grants.grant(GrantId::new(uuid(2))).await.unwrap().is_none(), "half of it was written");
}

fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    String::from_utf8(bytes.to_vec()).unwrap().replacen(old, new, 1).into_bytes()
}

async fn work_that_nobody_knows_is_not_done(place: Place) {
    for (column, value) in [("effect", "dance"), ("target_kind", "gate"), ("target_id", "NOT A ROLE")] {
        let database = place.open().await;
        let effects = acknowledge(&Asking::new(1).grant(), "bob", at(0)).effects;
        database.commit(Change { effects, ..Change::default() }, at(0)).await.unwrap();
        place.tamper(&format!("UPDATE work SET {column} = '{value}'")).await;
        let (table, found, row) = named(database.due(at(0)).await);
        assert_eq!((table, found), ("work", column));
        assert!(row.contains(value), "{row}");
        place.tamper("DELETE FROM work").await;
    }
}

async fn a_record_that_is_none_is_not_read(place: Place) {
    let database = place.open().await;
    let role = role_id("prod-admin");
    let lease = database.acquire("a", "b", at(0), SignedDuration::from_secs(9)).await.unwrap().unwrap();
    database.save(&role, &RoleRecord::default(), vec![], &lease, at(0)).await.unwrap();
    for value in ["{", "[]", "{\"generation\":-1}"] {
        place.tamper(&format!("UPDATE roles SET record = '{value}'")).await;
        assert_eq!(named(database.record(&role).await), ("roles", "record", "prod-admin".to_owned()), "{value}");
    }
}

async fn an_answer_that_is_none_is_not_given(place: Place) {
    let database = place.open().await;
    let key = IdempotencyKey { person: person("alice"), route: "ask".to_owned(), key: "k".to_owned() };
    IdempotencyStore::begin(&*database, &key, "body", at(0)).await.unwrap();
    let requested = change(Asking::new(1).open(), None, 1);
    database.commit(Change { answers: Some(key.clone()), ..requested }, at(0)).await.unwrap();
    for value in ["'[]'", "REPLACE(answer, 'PT30M', 'PT40M')"] {
        place.tamper(&format!("UPDATE idempotency SET answer = {value}")).await;
        let found = named(IdempotencyStore::begin(&*database, &key, "body", at(0)).await);
        assert_eq!(found, ("idempotency", "answer", "alice/ask/k".to_owned()), "{value}");
        let body = serde_json::to_string(&lives(1)[0].1).unwrap();
        place.tamper(&format!("UPDATE idempotency SET answer = '{body}'")).await;
    }
}

async fn a_session_whose_row_was_changed_is_nobodys(place: Place) {
    let database = place.open().await;
    let cases = [
        ("issuer", "'https://other.example.com'"),
        ("subject", "'bob'"),
        ("opened_at", "opened_at + 1"),
        ("seen_at", "0"),
        ("body", "'{}'"),
        ("body", "''"),
        ("body", "REPLACE(body, '\"method\":\"provider\"', '\"method\":\"word\"')"),
        // Somebody else's, all of it but the columns.
        ("issuer", "issuer || '/', body = REPLACE(body, 'alice', 'bob')"),
    ];
    for (number, (column, value)) in (1..).zip(cases) {
        Sessions::open(&*database, &session(number, "alice", 0), vec![], at(0)).await.unwrap();
        let token = &hash(number).0;
        let change = format!("UPDATE sessions SET {column} = {value} WHERE token_sha256 = '{token}'");
        assert_eq!(place.tamper(&change).await, 1);
        let expected = ("sessions", column, token.clone());
        assert_eq!(named(database.session(&hash(number)).await), expected, "{value}");
        assert_eq!(named(database.touch(&hash(number), &proof(1), at(1)).await), expected, "{value}");
        // It can be ended all the same.
        assert!(database.end(&hash(number), vec![], at(2)).await.unwrap(), "{value}");
    }
    // Under another's key.
    Sessions::open(&*database, &session(100, "alice", 0), vec![], at(0)).await.unwrap();
    place.tamper(&format!("UPDATE sessions SET token_sha256 = '{}'", hash(101).0)).await;
    assert_eq!(named(database.session(&hash(101)).await), ("sessions", "token_sha256", hash(101).0));
}

async fn a_ceremony_whose_row_was_changed_is_not_given_back(place: Place) {
    let database = place.open().await;
    Ceremonies::begin(&*database, &hash(1), "body", at(9), room(9), at(0)).await.unwrap();
    place.tamper(&format!("UPDATE ceremonies SET expires_at = {}", i64::MAX)).await;
    let found = named(database.take(&hash(1), at(0)).await);
    assert_eq!(found, ("ceremonies", "expires_at", hash(1).0));
}

async fn groups_that_are_none_are_nobodys(place: Place) {
    let database = place.open().await;
    database.saw_groups(&login("alice"), &["leads".parse().unwrap()].into(), at(0)).await.unwrap();
    for value in ["{}", "", "[\"Not A Group\"]", "[7]"] {
        place.tamper(&format!("UPDATE login_groups SET names = '{value}'")).await;
        let found = named(database.groups_of(&[login("alice")].into(), at(0)).await);
        assert_eq!(found, ("login_groups", "names", "https://id.example.com/alice".to_owned()), "{value}");
    }
}

async fn a_passkey_whose_row_was_changed_counts_for_nothing(place: Place) {
    let database = place.open().await;
    let cases = [
        ("person", "'bob'"),
        ("enrolled_ns", "enrolled_ns - 1"),
        ("confirmed", "1 - confirmed"),
        ("body", "'{}'"),
        ("body", "REPLACE(body, 'ES256', 'HS256')"),
        ("body", "REPLACE(body, '\"confirmed\":[\"bob\"', '\"confirmed\":[\"alice\"')"),
    ];
    for (number, (column, value)) in (1..).zip(cases) {
        let name = format!("key{number}");
        let key = confirmed(&passkey(&name, "alice", 0), "bob", 5);
        database.keep(&key, None, vec![], at(5)).await.unwrap();
        assert_eq!(place.tamper(&format!("UPDATE passkeys SET {column} = {value}")).await, 1);
        let expected = ("passkeys", column, name.clone());
        assert_eq!(named(database.passkey(&name).await), expected, "{value}");
        let whose = if value == "'bob'" { "bob" } else { "alice" };
        assert_eq!(named(database.passkeys_of(&person(whose)).await), expected, "{value}");
        assert_eq!(named(database.keep(&key, Some(&key), vec![], at(6)).await), expected, "{value}");
        if column == "confirmed" {
            assert_eq!(named(database.unconfirmed(9).await), expected);
        }
        // What can't be read can be removed.
        database.remove(&name, vec![], at(7)).await.unwrap();
    }
}

async fn a_database_without_its_tables_is_unavailable(place: Place) {
    let database = place.open().await;
    database.ping().await.unwrap();
    place.tamper("DROP TABLE entries_head").await;
    assert!(matches!(database.ping().await, Err(StoreError::Unavailable(_))));
    let store = Store::over(database);
    let grant = fixtures::Asking::new(1).open();
    let id = grant.grant.request.id;
    let failed = store.grants.commit(change(grant, None, 1), at(0)).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert!(store.grants.grant(id).await.unwrap().is_none(), "half of it was written");
    assert_eq!(store.put(&Asking::new(2).grant(), None).await.unwrap().version, Some(Version(1)));
}
