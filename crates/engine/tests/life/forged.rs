//! Lives that nobody lived: each forged entry is found, by its index and its reason.

use halligan_core::actor::{Actor, Freshness};
use halligan_core::entry::Sealed;
use halligan_core::event::{Event, Recorded, RevokedBy};
use halligan_core::grant::{Command, Deadline, Grant};
use halligan_core::id::{GrantId, MintId, Nonce};
use halligan_engine::fakes::fixtures::{self, Asking, at, human, reason};
use halligan_engine::life::{Illegal, Lives};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::story::{Story, api, erased, id, issued, judge};

/// alice asks, bob acknowledges, alice mints; then it goes on as told.
///
/// 0 requested, 1 acknowledged, 2 activated, 3 intended, 4 issued
/// What a forger does to an entry.
type Edit = fn(&mut Value);

fn active() -> (Story, Grant) {
    let mut story = Story::default();
    let grant = story.tell(&api("alice"), Asking::new(1).open(), at(0));
    let grant = story.tell(&api("bob"), fixtures::acknowledge(&grant, "bob", at(60)), at(60));
    let grant = story.mint(&grant, 7, at(70));
    story.issued(&grant, 7, at(71));
    (story, grant)
}

/// 0 requested, 1 activated
fn emergency() -> (Story, Grant) {
    let mut story = Story::default();
    let grant = story.tell(&api("alice"), Asking::new(1).emergency().open(), at(0));
    (story, grant)
}

/// As [`active`], then 5 extension requested.
fn extended() -> (Story, Grant) {
    let (mut story, grant) = active();
    let grant = story.act(&grant, &api("alice"), extension(600), at(80));
    (story, grant)
}

/// As [`active`], then 5 revoked.
fn revoked() -> (Story, Grant) {
    let (mut story, grant) = active();
    let grant = story.tell(&api("carol"), fixtures::revoke(&grant, "carol", at(90)), at(90));
    (story, grant)
}

fn extension(seconds: i64) -> Command {
    Command::RequestExtension {
        by: human("alice"),
        duration: SignedDuration::from_secs(seconds),
        reason: reason("it takes longer"),
        nonce: Nonce([7; 32]),
        rules: Vec::new(),
    }
}

impl Story {
    /// Writes an entry that no lifecycle wrote.
    fn forge(mut self, grant: &Grant, actor: &Actor, event: Event, seconds: i64) -> Vec<Sealed> {
        self.add(grant, actor, Recorded::plain(event), at(seconds));
        self.entries
    }

    /// Changes an entry where it stands.
    fn edit(self, index: usize, edit: impl FnOnce(&mut Value)) -> Vec<Sealed> {
        let mut entries = self.entries;
        let mut json = serde_json::to_value(&entries[index].entry).unwrap();
        edit(&mut json);
        entries[index].entry = serde_json::from_value(json).unwrap();
        entries
    }

    fn without(self, index: usize) -> Vec<Sealed> {
        let mut entries = self.entries;
        entries.remove(index);
        entries
    }
}

/// What is found at the end of a story that has just been forged.
fn found(entries: &[Sealed]) -> String {
    judge(entries).map(|_| "nothing".to_owned()).unwrap_or_else(|illegal| illegal.to_string())
}

/// As [`found`], without the words that all of these share.
fn because(entries: &[Sealed]) -> String {
    let illegal = judge(entries).expect_err("the life was taken for legal");
    format!("{}: {}", illegal.index, illegal.because)
}

#[test]
fn a_finding_says_where_what_and_whose() {
    let (story, grant) = revoked();
    let entries = story.forge(&grant, &api("alice"), issued(8), 100);
    insta::assert_snapshot!(found(&entries), @"entry 6, `credentials.issued` of grant 032aA1NyQoZHnfM5cJ46Hx, makes no legal life: nobody intended the mint 019ca756-a788-7000-8000-000000000008");
}

#[test]
fn nothing_is_wrong_with_the_stories() {
    for (story, grant) in [active(), emergency(), extended(), revoked()] {
        assert_eq!(judge(&story.entries).unwrap().grant(id(&grant)), Some(&grant));
    }
}

#[test]
fn the_second_person_is_another_person() {
    let acknowledged = |person: &str, subject: &str| {
        active().0.edit(1, |entry| {
            entry["actor"]["person"] = json!(person);
            entry["actor"]["principal"]["subject"] = json!(subject);
        })
    };
    // The owed entries are by the same actor, so the forger changes them too.
    insta::assert_snapshot!(because(&acknowledged("alice", "alice")), @"1: at the time of its decision, the requester can't acknowledge their own grant: another person must");
    insta::assert_snapshot!(because(&acknowledged("alice", "alice-phone")), @"1: at the time of its decision, the requester can't acknowledge their own grant: another person must");
    insta::assert_snapshot!(because(&acknowledged("carol", "carol")), @"2: expected `grant.activated`, which the entry before it of this grant brings with it");
    let nobody = active().0.edit(1, |entry| entry["actor"] = json!({"channel": "system"}));
    insta::assert_snapshot!(because(&nobody), @"1: nobody did it: expected a person");
    let (story, grant) = emergency();
    let by_self = story.forge(&grant, &api("alice"), said_yes(&grant), 9);
    insta::assert_snapshot!(because(&by_self), @"2: at the time of its decision, the requester can't acknowledge their own grant: another person must");
    let (story, grant) = extended();
    let Event::ExtensionRequested { extension_hash, .. } = story.entries[5].entry.event else { panic!() };
    let ends_at = at(2_460);
    let by_self = story.forge(
        &grant,
        &api("alice"),
        Event::ExtensionAcknowledged {
            extension_hash,
            ends_at,
            signed: None,
            rules: Vec::new(),
            fresh: Freshness::default(),
        },
        90,
    );
    insta::assert_snapshot!(because(&by_self), @"6: at the time of its decision, the requester can't acknowledge an extension of their own grant: another person must");
}

#[test]
fn an_activation_has_its_acknowledgement_and_its_times() {
    insta::assert_snapshot!(because(&active().0.without(1)), @"1: `grant.activated` follows only from what stands before it, and does not here");
    insta::assert_snapshot!(because(&active().0.without(2)), @"2: expected `grant.activated`, which the entry before it of this grant brings with it");
    let longer = active().0.edit(2, |entry| entry["data"]["ends_at"] = json!("2026-03-01T09:00:00Z"));
    insta::assert_snapshot!(because(&longer), @r#"2: `ends_at` is "2026-03-01T09:00:00Z": expected "2026-03-01T03:31:00Z""#);
    let other = active().0.edit(1, |entry| entry["data"]["request_hash"] = json!("00".repeat(32)));
    insta::assert_snapshot!(because(&other), @"1: at the time of its decision, the hash is not that of what is to be acknowledged: read the grant again and acknowledge what it says now");
    let late = active().0.edit(1, |entry| entry["time"] = json!("2026-03-01T03:15:00Z"));
    insta::assert_snapshot!(because(&late), @"1: at the time of its decision, the grant's deadline has passed");
    let longer = emergency().0.edit(1, |entry| entry["data"]["ack_due"] = json!("2026-03-01T03:20:00Z"));
    insta::assert_snapshot!(because(&longer), @r#"1: `ack_due` is "2026-03-01T03:20:00Z": expected "2026-03-01T03:05:00Z""#);
    let never_due = emergency().0.edit(1, |entry| entry["data"]["ack_due"] = Value::Null);
    insta::assert_snapshot!(because(&never_due), @r#"1: `ack_due` is null: expected "2026-03-01T03:05:00Z""#);
    let (story, grant) = active();
    let twice = story.forge(&grant, &api("carol"), said_yes(&grant), 80);
    insta::assert_snapshot!(because(&twice), @"5: at the time of its decision, can't acknowledge a grant that is active");
}

#[test]
fn a_request_is_what_its_hash_says() {
    let edits: [(&str, Edit); 9] = [
        ("a longer duration", |entry| entry["data"]["duration_seconds"] = json!(3_600)),
        ("longer than its limit", |entry| entry["data"]["duration_seconds"] = json!(999_999)),
        ("no duration", |entry| entry["data"]["duration_seconds"] = json!(0)),
        ("another role", |entry| entry["data"]["role_arn"] = json!("arn:aws:iam::123456789012:role/root")),
        ("another requester", |entry| entry["actor"]["person"] = json!("carol")),
        ("nobody", |entry| entry["actor"] = json!({"channel": "system"})),
        ("no incident", |entry| entry["incident"] = Value::Null),
        ("no reason", |entry| entry["personal_sha256"] = Value::Null),
        ("something else than a role", |entry| entry["subject"]["kind"] = json!("gate")),
    ];
    let mut words = String::new();
    for (name, edit) in edits {
        words.push_str(&format!("{name} = {}\n", because(&active().0.edit(0, edit))));
    }
    insta::assert_snapshot!(words, @r#"
    a longer duration = 0: `request_hash` is "0556a2243eabc8993998d2d504114cc04ff67b3664f4ef8a321633660f9697ef": expected "cc5d135dcad19afb322ddafbe29e4e0050932476f2ebf1de2cce9bee350d1821"
    longer than its limit = 0: the access would last 277h 46m 39s: expected at least a second and at most 4h
    no duration = 0: the access would last 0s: expected at least a second and at most 4h
    another role = 0: `request_hash` is "0556a2243eabc8993998d2d504114cc04ff67b3664f4ef8a321633660f9697ef": expected "bc0e4044624328602bf2de4942a05f66d6402d50f8ef90e9631d739b62e32f6f"
    another requester = 0: `links.requester` is "alice": expected "carol"
    nobody = 0: nobody did it: expected a person
    no incident = 0: it names no incident: expected one
    no reason = 0: it commits to no reason: expected one
    something else than a role = 0: `subject` is {"kind":"gate","id":"prod-admin"}: expected {"kind":"aws-role","id":"a role's name"}
    "#);
    let (mut story, _) = active();
    story.entries[0].personal.as_mut().unwrap().fields.0.insert("reason".to_owned(), "another".to_owned());
    insta::assert_snapshot!(because(&story.entries), @r#"0: `request_hash` is "0556a2243eabc8993998d2d504114cc04ff67b3664f4ef8a321633660f9697ef": expected "efb249e9bb9ab6da3da2f467557932f95748e08442e7657cf823e860a620663f""#);
    let (mut story, _) = active();
    story.entries[0].personal.as_mut().unwrap().fields.0.insert("reason".to_owned(), "\u{202e}".to_owned());
    insta::assert_snapshot!(because(&story.entries), @"0: its reason can't be one: a reason is empty: expected 1 to 1000 characters that tell a reviewer why");
    let (mut story, _) = active();
    story.entries[0].personal.as_mut().unwrap().fields.0.clear();
    insta::assert_snapshot!(because(&story.entries), @"0: it commits to no reason: expected one");
}

#[test]
fn a_grant_is_asked_for_once_and_first() {
    insta::assert_snapshot!(because(&active().0.without(0)), @"0: nobody asked for this grant, or it was over too long ago to be known");
    let (story, _) = active();
    let again = [story.entries.clone(), vec![story.entries[0].clone()]].concat();
    insta::assert_snapshot!(because(&again), @"5: the grant was asked for before");
    let mut story = Story::default();
    story.tell(&api("alice"), Asking::new(1).at(at(86_400)).open(), at(86_400));
    insta::assert_snapshot!(because(&story.entries), @"0: the grant's id was not made when it was asked for, but 23h 59m 59s 999ms apart: expected a new one");
    let nameless = active().0.edit(3, |entry| entry["links"] = json!({}));
    insta::assert_snapshot!(because(&nameless), @"3: it names no grant");
}

#[test]
fn every_entry_of_a_life_is_about_the_same() {
    let edits: [(&str, Edit); 4] = [
        ("subject", |entry| entry["subject"]["id"] = json!("prod-reader")),
        ("incident", |entry| entry["incident"]["id"] = json!("INC-1")),
        ("no incident", |entry| entry["incident"] = Value::Null),
        ("requester", |entry| entry["links"]["requester"] = json!("carol")),
    ];
    let mut words = String::new();
    for index in 1..6 {
        for (name, edit) in edits {
            words.push_str(&format!("{name} = {}\n", because(&revoked().0.edit(index, edit))));
        }
    }
    let (first, rest) = words.split_at(words.match_indices('\n').nth(3).unwrap().0);
    insta::assert_snapshot!(first, @r#"
    subject = 1: `subject` is {"kind":"aws-role","id":"prod-reader"}: expected {"kind":"aws-role","id":"prod-admin"}
    incident = 1: `incident` is {"provider":"file","id":"INC-1"}: expected {"provider":"file","id":"INC-219"}
    no incident = 1: `incident` is null: expected {"provider":"file","id":"INC-219"}
    requester = 1: `links.requester` is "carol": expected "alice"
    "#);
    assert!(rest.contains("5: `links.requester`"), "{rest}");
}

#[test]
fn credentials_belong_to_an_active_grant_and_its_requester() {
    let by_bob = |entry: &mut Value| entry["actor"]["person"] = json!("bob");
    insta::assert_snapshot!(because(&active().0.edit(3, by_bob)), @"3: at the time of its decision, only the requester can mint under a grant");
    insta::assert_snapshot!(because(&active().0.edit(4, by_bob)), @"4: at the time of its decision, only the requester can mint under a grant");
    let longer = active().0.edit(3, |entry| entry["data"]["fence"] = json!("2026-03-01T09:00:00Z"));
    insta::assert_snapshot!(because(&longer), @"3: at the time of its decision, the mint's fence 2026-03-01T09:00:00Z is not the grant's fence 2026-03-01T03:31:00Z");
    let somebody = |entry: &mut Value| entry["data"]["source_identity"] = json!("alice-000000000000");
    insta::assert_snapshot!(because(&active().0.edit(3, somebody)), @r#"3: `source_identity` is "alice-000000000000": expected "alice-0db8d1fd53e1""#);
    let after_its_end = active().0.edit(3, |entry| entry["time"] = json!("2026-03-01T03:31:00Z"));
    insta::assert_snapshot!(because(&after_its_end), @"3: at the time of its decision, the grant's deadline has passed");
    let (story, grant) = revoked();
    let mut after = story.entries[3].entry.event.clone();
    if let Event::CredentialsIntended { mint, .. } = &mut after {
        *mint = MintId(fixtures::uuid(8));
    }
    insta::assert_snapshot!(because(&story.forge(&grant, &api("alice"), after, 100)), @"6: at the time of its decision, can't mint under a grant that is revoked");
    let (mut story, grant) = active();
    let pending = story.tell(&api("alice"), Asking::new(2).at(at(80)).open(), at(80));
    let event = story.entries[3].entry.event.clone();
    insta::assert_snapshot!(because(&story.forge(&pending, &api("alice"), event, 81)), @"6: at the time of its decision, can't mint under a grant that is pending");
    let (story, _) = active();
    let twice = story.entries[3].entry.event.clone();
    insta::assert_snapshot!(because(&story.forge(&grant, &api("alice"), twice, 80)), @"5: the mint 019ca756-a787-7000-8000-000000000007 was intended before");
}

#[test]
fn an_outcome_belongs_to_one_intent() {
    let (story, grant) = active();
    insta::assert_snapshot!(because(&story.forge(&grant, &api("alice"), issued(8), 80)), @"5: nobody intended the mint 019ca756-a788-7000-8000-000000000008");
    let (story, grant) = active();
    let Event::CredentialsIssued { mint, .. } = story.entries[4].entry.event else { panic!() };
    let event = Event::CredentialsFailed { mint, because: "it never left".to_owned(), outcome_unknown: false };
    insta::assert_snapshot!(because(&story.forge(&grant, &api("alice"), event, 80)), @"5: the mint 019ca756-a787-7000-8000-000000000007 has an outcome already");
    let mut swapped = active().0.entries;
    swapped.swap(3, 4);
    insta::assert_snapshot!(because(&swapped), @"3: nobody intended the mint 019ca756-a787-7000-8000-000000000007");
    // What was issued before an end may be told after it.
    let (mut story, grant) = active();
    let grant = story.mint(&grant, 8, at(80));
    let grant = story.tell(&api("carol"), fixtures::revoke(&grant, "carol", at(90)), at(90));
    story.issued(&grant, 8, at(91));
    assert_eq!(judge(&story.entries).unwrap().grant(id(&grant)), Some(&grant));
}

#[test]
fn a_deadline_passes_in_its_time_by_itself() {
    let lapsed = |seconds, actor: &Actor| {
        let mut story = Story::default();
        let grant = story.tell(&api("alice"), Asking::new(1).open(), at(0));
        story.forge(&grant, actor, Event::GrantLapsed {}, seconds)
    };
    insta::assert_snapshot!(because(&lapsed(899, &Actor::SYSTEM)), @"1: at the time of its decision, the grant has no such deadline now");
    insta::assert_snapshot!(because(&lapsed(900, &api("bob"))), @"1: a person did it: expected the broker itself");
    assert_eq!(found(&lapsed(900, &Actor::SYSTEM)), "nothing");
    let expired = |seconds, end| {
        let (story, grant) = active();
        story.forge(&grant, &Actor::SYSTEM, Event::GrantExpired { ends_at: at(end) }, seconds)
    };
    insta::assert_snapshot!(because(&expired(1_859, 1_860)), @"5: at the time of its decision, the grant has no such deadline now");
    insta::assert_snapshot!(because(&expired(1_860, 1_800)), @r#"5: `ends_at` is "2026-03-01T03:30:00Z": expected "2026-03-01T03:31:00Z""#);
    assert_eq!(found(&expired(1_860, 1_860)), "nothing");
    let (story, grant) = active();
    let overdue = Event::GrantRevoked { cause: RevokedBy::AcknowledgementOverdue, rules: Vec::new() };
    insta::assert_snapshot!(because(&story.forge(&grant, &Actor::SYSTEM, overdue, 400)), @"5: at the time of its decision, the grant has no such deadline now");
    let (mut story, grant) = active();
    let elapsed = fixtures::apply(&grant, Command::Elapse(Deadline::Expire), at(2_000));
    let grant = story.tell(&Actor::SYSTEM, elapsed, at(2_000));
    let contained = Event::ContainmentObserved(fixtures::evidence(at(2_001)));
    insta::assert_snapshot!(because(&story.forge(&grant, &Actor::SYSTEM, contained, 2_001)), @"6: at the time of its decision, can't contain a grant that is expired");
}

#[test]
fn answers_and_ends_are_by_whom_they_can_be() {
    let pending = |actor: &str, event: Event| {
        let mut story = Story::default();
        let grant = story.tell(&api("alice"), Asking::new(1).open(), at(0));
        story.add(&grant, &api(actor), Recorded::with_reason(event, &reason("no")), at(10));
        because(&story.entries)
    };
    insta::assert_snapshot!(pending("alice", Event::GrantDeclined { rules: Vec::new() }), @"1: at the time of its decision, the requester can't decline their own grant: another person must");
    insta::assert_snapshot!(pending("bob", Event::GrantWithdrawn {}), @"1: at the time of its decision, only the requester can withdraw a grant");
    insta::assert_snapshot!(pending("bob", Event::GrantCancelled {}), @"1: a person did it: expected the broker itself");
    insta::assert_snapshot!(pending("alice", Event::GrantReturned {}), @"1: at the time of its decision, can't return a grant that is pending");
    let ended = |actor: &Actor, event: Event| {
        let (mut story, grant) = active();
        story.add(&grant, actor, Recorded::with_reason(event, &reason("no")), at(80));
        because(&story.entries)
    };
    let revoked_by = |cause| Event::GrantRevoked { cause, rules: Vec::new() };
    let carol = || human("carol").person;
    insta::assert_snapshot!(ended(&api("bob"), Event::GrantReturned {}), @"5: at the time of its decision, only the requester can return a grant");
    insta::assert_snapshot!(ended(&api("bob"), revoked_by(RevokedBy::Person(carol()))), @r#"5: `cause` is {"person":"carol"}: expected {"person":"bob"}"#);
    insta::assert_snapshot!(ended(&Actor::SYSTEM, revoked_by(RevokedBy::Person(carol()))), @"5: nobody did it: expected a person");
    insta::assert_snapshot!(ended(&api("carol"), revoked_by(RevokedBy::IncidentClosed)), @"5: a person did it: expected the broker itself");
    insta::assert_snapshot!(ended(&api("carol"), revoked_by(RevokedBy::Declined(carol()))), @"5: at the time of its decision, can't decline a grant that is active");
    let (story, grant) = active();
    let silent = story.forge(&grant, &api("carol"), revoked_by(RevokedBy::Person(carol())), 80);
    insta::assert_snapshot!(because(&silent), @"5: it commits to no reason: expected one");
}

#[test]
fn what_is_over_stays_over() {
    let (story, grant) = revoked();
    let again = Event::GrantRevoked { cause: RevokedBy::FoundEnded, rules: Vec::new() };
    insta::assert_snapshot!(because(&story.forge(&grant, &Actor::SYSTEM, again, 100)), @"6: at the time of its decision, can't find ended a grant that is revoked");
    let (story, grant) = revoked();
    let active_again = Event::GrantActivated { activated_at: at(100), ends_at: at(1_900), ack_due: None };
    insta::assert_snapshot!(because(&story.forge(&grant, &api("bob"), active_again, 100)), @"6: `grant.activated` follows only from what stands before it, and does not here");
    let (story, grant) = active();
    let contained = Event::ContainmentObserved(fixtures::evidence(at(80)));
    insta::assert_snapshot!(because(&story.forge(&grant, &Actor::SYSTEM, contained, 80)), @"5: at the time of its decision, can't contain a grant that is active");
    let (mut story, grant) = revoked();
    let contained = fixtures::apply(&grant, Command::Contain(fixtures::evidence(at(95))), at(95));
    let grant = story.tell(&Actor::SYSTEM, contained, at(95));
    let stuck = Event::ContainmentStuck { because: "it isn't".to_owned() };
    insta::assert_snapshot!(because(&story.forge(&grant, &Actor::SYSTEM, stuck, 100)), @"7: at the time of its decision, can't contain a grant that is revoked");
}

#[test]
fn extensions_are_bounded_and_void_with_their_grant() {
    let (story, _) = extended();
    let longer = story.edit(5, |entry| entry["data"]["duration_seconds"] = json!(601));
    insta::assert_snapshot!(because(&longer), @r#"5: `extension_hash` is "b1d2059bd0aa38b80db322f3fee07d51b61d04b4ae3e6f3905a7d5fad371de93": expected "434950804252a892bcef63a281ffefc97187eafd3c7593a6bfce345e50d29771""#);
    let (story, _) = extended();
    insta::assert_snapshot!(because(&story.edit(5, |entry| entry["data"]["duration_seconds"] = json!(99_999))), @"5: at the time of its decision, the access would last PT28H16M39S: expected at most PT4H in all");
    let (mut story, grant) = extended();
    let Event::ExtensionRequested { extension_hash, .. } = story.entries[5].entry.event else { panic!() };
    let event = Event::ExtensionAcknowledged {
        extension_hash,
        ends_at: at(9_999),
        signed: None,
        rules: Vec::new(),
        fresh: Freshness::default(),
    };
    insta::assert_snapshot!(because(&story.clone().forge(&grant, &api("bob"), event, 90)), @r#"6: `ends_at` is "2026-03-01T05:46:39Z": expected "2026-03-01T03:41:00Z""#);
    let again = story.entries[5].entry.event.clone();
    story.add(&grant, &api("alice"), Recorded::with_reason(again, &reason("it takes longer")), at(90));
    insta::assert_snapshot!(because(&story.entries), @"6: at the time of its decision, an extension is already waiting for a second person");
    let (mut story, grant) = extended();
    story.tell(&api("carol"), fixtures::revoke(&grant, "carol", at(90)), at(90));
    let mut silent = story.entries.clone();
    silent.pop();
    let (grant, contained) = (judge(&silent).unwrap(), Event::ContainmentObserved(fixtures::evidence(at(95))));
    let grant = grant.grants().next().unwrap().clone();
    let silent = Story { entries: silent, ..Story::default() }.forge(&grant, &Actor::SYSTEM, contained, 95);
    insta::assert_snapshot!(because(&silent), @"7: expected `extension.void`, which the entry before it of this grant brings with it");
    let (story, grant) = active();
    let void = Event::ExtensionVoid { extension_hash };
    insta::assert_snapshot!(because(&story.forge(&grant, &Actor::SYSTEM, void, 90)), @"5: at the time of its decision, the grant has no such deadline now");
}

/// The publisher had published the first of the two entries when everything was lost.
#[test]
fn what_was_lost_between_two_entries_is_owed_and_excused_by_an_import() {
    let (story, grant) = active();
    let (cut, rest) = story.entries.split_at(2);
    let mut lives = judge(cut).unwrap();
    assert_eq!(lives.grant(id(&grant)).unwrap().phase(), halligan_core::grant::Phase::Active);
    let owed = lives.settle();
    assert_eq!((owed.len(), owed[0].grant, owed[0].decided_at), (1, id(&grant), at(60)));
    assert_eq!(owed[0].events[0].event, rest[0].entry.event);
    assert_eq!(owed[0].actor, api("bob"));

    let imported =
        Event::LogImported { archive: "a".to_owned(), from: 0, size: 2, renumbered: 0, set_aside: 0, forked: false };
    let import = |entries: &[Sealed]| {
        let mut story = Story { entries: entries.to_vec(), ..Story::default() };
        story.add(&grant, &Actor::SYSTEM, Recorded::plain(imported.clone()), at(65));
        story.entries
    };
    let goes_on = [import(cut), rest[1..].to_vec()].concat();
    assert_eq!(judge(&goes_on).unwrap().grant(id(&grant)), Some(&grant));
    let made_good = [import(cut), rest.to_vec()].concat();
    assert_eq!(judge(&made_good).unwrap().grant(id(&grant)), Some(&grant));
    insta::assert_snapshot!(because(&[cut, &rest[1..]].concat()), @"2: expected `grant.activated`, which the entry before it of this grant brings with it");
}

#[test]
fn the_first_illegal_entry_of_a_life_is_the_one_that_is_told() {
    let (mut story, grant) = active();
    story.add(&grant, &api("alice"), Recorded::plain(issued(8)), at(80));
    story.add(&grant, &api("alice"), Recorded::plain(issued(9)), at(81));
    let other = story.tell(&api("bob"), Asking::new(2).by("bob").at(at(82)).open(), at(82));
    let mut lives = Lives::new(fixtures::catalogue().deployment);
    let told: Vec<Illegal> = story
        .entries
        .iter()
        .enumerate()
        .filter_map(|(index, sealed)| lives.enter(index as u64, sealed).err())
        .collect();
    assert_eq!(told.iter().map(|illegal| illegal.index).collect::<Vec<_>>(), [5]);
    assert_eq!(lives.grant(id(&grant)), Some(&grant), "a life stays as it was before");
    assert_eq!(lives.grant(id(&other)), Some(&other), "another life goes on");
}

#[test]
fn entries_that_concern_no_life_are_not_looked_into() {
    let mut lives = Lives::new(fixtures::catalogue().deployment);
    let strange = br#"{"v":1,"type":"something.newer","data":{"a":[1,{"b":"}"}]},"links":{"grant":"x"}}"#;
    assert_eq!(lives.enter_bytes(0, strange, Some(b"anything")), Ok(()));
    // A refusal about a grant that is over long since, an entry that was set aside: nobody's life.
    let grant = Asking::new(1).grant();
    let mut story = Story::default();
    let aside = Event::LogEntrySetAside {
        id: fixtures::uuid(3),
        kind: "grant.acknowledged".to_owned(),
        sha256: "00".repeat(32),
    };
    let refused = Event::ActionRefused {
        action: "mint".to_owned(),
        problem: "x".to_owned(),
        rules: Vec::new(),
        unmet: Vec::new(),
    };
    for event in [aside, refused] {
        story.add(&grant, &api("alice"), Recorded::plain(event), at(5));
    }
    assert_eq!(judge(&story.entries).unwrap().grants().count(), 0);
}

#[test]
fn what_cannot_be_read_is_found() {
    let mut lives = Lives::new(fixtures::catalogue().deployment);
    let (story, _) = active();
    let json = String::from_utf8(story.entries[1].entry.to_json()).unwrap();
    let mut words = String::new();
    let hash = json.find("request_hash").unwrap() + 15;
    let cases = [
        ("cut", json[..json.len() - 1].to_owned()),
        ("nothing", String::new()),
        ("not an object", "[]".to_owned()),
        ("no data", r#"{"v":1,"type":"grant.lapsed"}"#.to_owned()),
        ("no hash", format!("{}x{}", &json[..hash], &json[hash + 1..])),
        ("twice", json.replace(r#""actor":"#, r#""actor":{"channel":"system"},"actor":"#)),
    ];
    for (name, text) in cases {
        let illegal = lives.enter_bytes(3, text.as_bytes(), None).expect_err(name);
        words.push_str(&format!("{name} = {illegal}\n"));
    }
    insta::assert_snapshot!(words, @r"
    cut = entry 3, `?`, makes no legal life: it can't be read: EOF while parsing an object at line 1 column 461
    nothing = entry 3, `?`, makes no legal life: it can't be read: EOF while parsing a value at line 1 column 0
    not an object = entry 3, `?`, makes no legal life: it can't be read: invalid type: sequence, expected struct Entry at line 1 column 0
    no data = entry 3, `?`, makes no legal life: it can't be read: missing field `id` at line 1 column 29
    no hash = entry 3, `?`, makes no legal life: it can't be read: `x556a2243eabc8993998d2d504114cc04ff67b36…` is not a hash: expected 64 hexadecimal digits at line 1 column 462
    twice = entry 3, `?`, makes no legal life: it can't be read: duplicate field `actor` at line 1 column 236
    ");
    // In another order, and with escapes that nobody needs: slower, and the same.
    let mut value: Value = serde_json::from_slice(&story.entries[0].entry.to_json()).unwrap();
    let kind = value.as_object_mut().unwrap().remove("type").unwrap();
    let text = value.to_string().replace("prod-admin", "prod\\u002dadmin");
    let text = format!(r#"{},"type":{kind}}}"#, text.strip_suffix('}').unwrap());
    let personal = story.entries[0].personal.as_ref().unwrap().to_json();
    lives.enter_bytes(0, text.as_bytes(), Some(&personal)).unwrap();
    assert_eq!(lives.grants().next(), Some(&Asking::new(1).grant()));
}

#[test]
fn a_grant_that_is_forgotten_is_over() {
    let mut lives = Lives::new(fixtures::catalogue().deployment);
    let tell = |lives: &mut Lives, entries: &[Sealed]| {
        entries.iter().try_for_each(|sealed| lives.enter(0, sealed)).map_err(|illegal| illegal.because.to_string())
    };
    let (mut story, grant) = revoked();
    let minted = story.mint(&active().1, 9, at(75)).clone();
    let intent = story.entries.pop().unwrap();
    story.entries.insert(5, intent);
    let contained = fixtures::apply(&grant, Command::Contain(fixtures::evidence(at(95))), at(95));
    story.tell(&Actor::SYSTEM, contained, at(95));
    tell(&mut lives, &story.entries).unwrap();
    assert!(lives.grant(id(&minted)).is_some());
    for hours in [1, 2, 200] {
        lives.forget(at(hours * 3_600 + 100));
    }
    assert_eq!(lives.grant(id(&minted)), None);
    let late = |actor: &str, event: Event| {
        let mut story = Story::default();
        story.add(&grant, &api(actor), Recorded::plain(event), at(10_000));
        story.entries
    };
    assert_eq!(tell(&mut lives, &late("alice", issued(9))), Ok(()), "what came of a mint may be told late");
    insta::assert_snapshot!(tell(&mut lives, &late("alice", issued(9))).unwrap_err(), @"nobody intended the mint 019ca756-a789-7000-8000-000000000009");
    insta::assert_snapshot!(tell(&mut lives, &late("bob", Event::GrantReturned {})).unwrap_err(), @"the grant is over, with nothing left to come of it");
    insta::assert_snapshot!(tell(&mut lives, &story.entries[..1]).unwrap_err(), @"the grant was asked for before");
}

#[test]
fn memory_stays_flat() {
    // A life of two entries, lived again and again. Without its reason the hash is the one that is told.
    let mut story = Story::default();
    let grant = story.tell(&api("alice"), Asking::new(1).emergency().open(), at(0));
    story.act(&grant, &api("alice"), Command::Return { by: human("alice").into() }, at(0));
    let [requested, activated, returned] = &story.entries.iter().map(erased).collect::<Vec<_>>()[..] else { panic!() };
    let relived = |sealed: &Sealed, number: u64| {
        let mut sealed = sealed.clone();
        sealed.entry.time = at(number as i64 * 2);
        sealed.entry.links.grant = Some(GrantId::new(fixtures::uuid(number * 2_000)));
        if let Event::GrantActivated { activated_at, ends_at, ack_due } = &mut sealed.entry.event {
            let later = |time: Timestamp| time + SignedDuration::from_secs(number as i64 * 2);
            (*activated_at, *ends_at, *ack_due) = (later(*activated_at), later(*ends_at), ack_due.map(later));
        }
        sealed
    };
    let contained = Event::ContainmentObserved(fixtures::evidence(at(9)));
    let mut contained = Story::default().forge(&grant, &Actor::SYSTEM, contained, 0).remove(0);
    contained.personal = None;
    let mut lives = Lives::new(fixtures::catalogue().deployment);
    let mut most = 0;
    for number in 0..70_000 {
        let over: &[&Sealed] = if number == 17 { &[] } else { &[returned, &contained] };
        for sealed in [requested, activated].into_iter().chain(over.iter().copied()) {
            lives.enter(number, &relived(sealed, number)).unwrap();
        }
        lives.forget(at(number as i64 * 2));
        most = most.max(lives.grants().count());
    }
    // What happened within an hour, doubled: nothing is looked at for each entry.
    assert!(most < 4_000, "{most}");
    for known in [69_999, 30_000, 17, 0] {
        let twice = lives.enter(0, &relived(requested, known)).unwrap_err();
        assert_eq!(twice.because.to_string(), "the grant was asked for before", "{known}");
    }
}

fn said_yes(grant: &Grant) -> Event {
    let (request_hash, fresh) = (grant.request_hash, Freshness::default());
    Event::GrantAcknowledged {
        request_hash,
        remaining: 0,
        signed: None,
        rules: Vec::new(),
        incident_unknown: false,
        fresh,
    }
}
