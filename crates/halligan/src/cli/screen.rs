//! Grants, for people.

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use halligan_server::views::{
    ContainmentState, ContainmentView, ExtendedView, ExtensionView, GrantState, GrantView, PartyKind, TimelineEntry,
};
use jiff::{SignedDuration, Timestamp};

use super::ui::Ui;
use crate::client::credentials::fence_of;
use crate::client::words;

/// Labels on the left, values on the right, other people's text harmless.
#[derive(Debug, Default)]
pub struct Sheet(String);

const LABEL: usize = 14;

impl Sheet {
    /// One line. Line breaks of the value are shown as such, and can't begin
    /// a line that looks like one of ours.
    pub fn line(&mut self, label: &str, value: &str) -> &mut Self {
        self.raw(label, &words::inline(value))
    }

    /// A text of several lines, set off so that none of them looks like ours.
    pub fn text(&mut self, label: &str, value: &str) -> &mut Self {
        let shown = words::lines(value);
        let mut lines = shown.lines();
        self.raw(label, lines.next().unwrap_or_default());
        for line in lines {
            self.0.push_str(&format!("{:LABEL$}| {line}\n", ""));
        }
        self
    }

    fn raw(&mut self, label: &str, value: &str) -> &mut Self {
        self.0.push_str(&format!("{label:<LABEL$}{value}\n"));
        self
    }

    /// All of it, without the last line break.
    #[must_use]
    pub fn finish(&self) -> String {
        self.0.trim_end().to_owned()
    }
}

/// A grant in full.
#[must_use]
pub fn sheet(grant: &GrantView, now: Timestamp, ui: Ui) -> String {
    let mut sheet = Sheet::default();
    sheet.line("grant", &grant.id);
    sheet.raw("state", &standing(grant, now, ui));
    what(&mut sheet, grant);
    sheet.line("requested", &words::at(grant.requested_at));
    if let Some(activated_at) = grant.activated_at {
        sheet.line("active since", &words::at(activated_at));
    }
    acknowledgement_lines(&mut sheet, grant);
    if let Some(extension) = &grant.extension {
        extension_lines(&mut sheet, extension, now);
    }
    if grant.state.is_over() {
        if let Some(person) = &grant.ended_by {
            sheet.line("ended by", person);
        }
        if let Some(because) = &grant.ended_because {
            sheet.text("because", because);
        }
    }
    if let Some(containment) = &grant.containment {
        sheet.line("containment", &contained(containment));
    }
    if grant.credentials_issued > 0 {
        let times = if grant.credentials_issued == 1 {
            "once".to_owned()
        } else {
            format!("{} times", grant.credentials_issued)
        };
        sheet.line("credentials", &format!("issued {times}"));
    }
    sheet.line("request hash", &grant.request_hash);
    sheet.finish()
}

/// What somebody is about to say yes to: all that the hash names.
#[must_use]
pub fn question(grant: &GrantView, now: Timestamp) -> String {
    let mut sheet = Sheet::default();
    sheet.line("grant", &grant.id);
    what(&mut sheet, grant);
    if grant.requester_kind == PartyKind::Machine {
        acknowledgement_lines(&mut sheet, grant);
    }
    match &grant.extension {
        Some(extension) => {
            extension_lines(&mut sheet, extension, now);
            if let Some(end) = grant.ends_at {
                sheet.line("ends now", &words::at(end));
                sheet.line("would end", &words::at(later(end, extension.duration_seconds)));
            }
            sheet.line("hash", &extension.hash);
        }
        None => {
            if grant.emergency {
                let due = grant.ack_due.map(|due| format!(", over at {} unless acknowledged", words::at(due)));
                sheet.line("emergency", &format!("it is active already{}", due.unwrap_or_default()));
            }
            sheet.line("request hash", &grant.request_hash);
        }
    }
    sheet.finish()
}

/// Every yes, and how many are missing where it needs two.
fn acknowledgement_lines(sheet: &mut Sheet, grant: &GrantView) {
    for given in &grant.acknowledgements {
        let signed = if given.signed { ", signed with a passkey" } else { "" };
        sheet.line("acknowledged", &format!("by {} at {}{signed}", given.by, words::at(given.at)));
    }
    for ExtendedView { yes, ends_at } in &grant.extended {
        let signed = if yes.signed { ", signed with a passkey" } else { "" };
        let to = words::at(*ends_at);
        sheet.line("extended", &format!("to {to} by {} at {}{signed}", yes.by, words::at(yes.at)));
    }
    if let (Some(person), []) = (&grant.acknowledged_by, grant.acknowledgements.as_slice()) {
        let when = grant.acknowledged_at.map(|at| format!(" at {}", words::at(at))).unwrap_or_default();
        sheet.line("acknowledged", &format!("by {person}{when}"));
    }
    if grant.requester_kind == PartyKind::Machine && grant.acknowledgements_needed > 0 {
        let but = grant.on_behalf_of.as_ref().map(|person| format!(", neither of them {person}")).unwrap_or_default();
        let given = grant.acknowledgements.len();
        let all = given + usize::from(grant.acknowledgements_needed);
        sheet.line("needs", &format!("{all} people{but}: {given} of {all} said yes"));
    }
}

/// Who asked: a name, what it is, and for whom.
#[must_use]
pub fn requester(grant: &GrantView) -> String {
    let name = &grant.requester;
    match (grant.requester_kind, &grant.on_behalf_of) {
        (PartyKind::Person, _) => name.clone(),
        (PartyKind::Machine, None) => format!("{name} (machine)"),
        (PartyKind::Machine, Some(person)) => format!("{name} (machine, for {person})"),
    }
}

/// Who has to answer still.
#[must_use]
pub const fn awaited(grant: &GrantView) -> &'static str {
    match (grant.requester_kind, grant.acknowledgements_needed) {
        (PartyKind::Person, _) => "a second person",
        (PartyKind::Machine, 0 | 1) => "one more person",
        (PartyKind::Machine, _) => "two people",
    }
}

fn what(sheet: &mut Sheet, grant: &GrantView) {
    sheet.line("requester", &requester(grant));
    sheet.line("role", &format!("{} ({})", grant.target.id, grant.role_arn));
    sheet.line("scope", &grant.scope);
    sheet.line("incident", &format!("{}:{}", grant.incident.provider, grant.incident.id));
    sheet.line("duration", &length(grant.duration_seconds));
    sheet.text("reason", &grant.reason);
}

fn extension_lines(sheet: &mut Sheet, extension: &ExtensionView, now: Timestamp) {
    let wait = words::until(now, extension.acknowledge_by);
    sheet.line(
        "extension",
        &format!("of {}, waits {wait} more for a second person", length(extension.duration_seconds)),
    );
    sheet.text("its reason", &extension.reason);
}

/// Seconds, as `--duration` takes them.
#[must_use]
pub fn length(seconds: i64) -> String {
    words::span(SignedDuration::from_secs(seconds))
}

fn later(end: Timestamp, seconds: i64) -> Timestamp {
    end.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// The state, and until when.
fn standing(grant: &GrantView, now: Timestamp, ui: Ui) -> String {
    let state = match ui.colours {
        true => format!("\u{1b}[{}m{}\u{1b}[0m", shade(grant.state).1, grant.state),
        false => grant.state.to_string(),
    };
    match next_deadline(grant) {
        Some((what, when)) => {
            let what = what.replace("{}", awaited(grant));
            format!("{state}, {what} {} (in {})", words::at(when), words::until(now, when))
        }
        None => match grant.ended_at {
            Some(ended_at) => format!("{state} at {}", words::at(ended_at)),
            None => state,
        },
    }
}

/// What comes next by itself, and when.
fn next_deadline(grant: &GrantView) -> Option<(&'static str, Timestamp)> {
    match grant.state {
        GrantState::Pending => grant.acknowledge_by.map(|by| ("waits for {} until", by)),
        GrantState::Active if grant.ack_due.is_some() => {
            fence_of(grant).map(|due| ("over unless acknowledged by", due))
        }
        GrantState::Active => fence_of(grant).map(|end| ("ends at", end)),
        GrantState::Declined
        | GrantState::Withdrawn
        | GrantState::Cancelled
        | GrantState::Lapsed
        | GrantState::Expired
        | GrantState::Revoked
        | GrantState::Returned => None,
    }
}

/// The colour of a state, for tables and for lines.
const fn shade(state: GrantState) -> (Color, u8) {
    match state {
        GrantState::Pending => (Color::Yellow, 33),
        GrantState::Active => (Color::Green, 32),
        GrantState::Declined | GrantState::Revoked => (Color::Red, 31),
        GrantState::Withdrawn
        | GrantState::Cancelled
        | GrantState::Lapsed
        | GrantState::Expired
        | GrantState::Returned => (Color::DarkGrey, 90),
    }
}

fn contained(view: &ContainmentView) -> String {
    let state = match view.state {
        ContainmentState::Fenced => "by the fence in every session",
        ContainmentState::Enforcing => "being enforced",
        ContainmentState::Contained => "observed",
        ContainmentState::Stuck => "STUCK, and tried again",
    };
    let mut text = state.to_owned();
    if let Some(seconds) = view.seconds {
        text.push_str(&format!(" after {seconds:.1} s"));
    }
    if let Some(regions) = &view.regions {
        text.push_str(&format!(" in {}", regions.join(", ")));
    }
    if let Some(because) = &view.because {
        text.push_str(&format!(": {because}"));
    }
    text
}

/// An empty table in the house style.
#[must_use]
pub fn table(header: &[&str], ui: Ui) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().map(|title| title.to_uppercase()));
    if ui.colours {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        // For a pipe: one grant a line, whatever its length, and no escapes.
        table.force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// A table in text, without the blanks that end its lines.
#[must_use]
pub fn text(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().trim_start_matches(' ').to_owned()).collect::<Vec<_>>().join("\n")
}

/// Grants, one a line.
#[must_use]
pub fn grants(grants: &[GrantView], now: Timestamp, ui: Ui) -> String {
    if grants.is_empty() {
        return "no grants".to_owned();
    }
    let mut rows = table(&["grant", "state", "role", "scope", "requester", "incident", "requested", "left"], ui);
    for grant in grants {
        let left = next_deadline(grant).map(|(_, when)| words::until(now, when)).unwrap_or_default();
        let unacknowledged = if grant.state == GrantState::Active && grant.ack_due.is_some() { "!" } else { "" };
        rows.add_row(vec![
            Cell::new(words::inline(&grant.id)),
            Cell::new(format!("{}{unacknowledged}", grant.state)).fg(shade(grant.state).0),
            Cell::new(words::inline(&grant.target.id)),
            Cell::new(words::inline(&grant.scope)),
            Cell::new(words::inline(&requester(grant))),
            Cell::new(words::inline(&format!("{}:{}", grant.incident.provider, grant.incident.id))),
            Cell::new(words::at(grant.requested_at)),
            Cell::new(left),
        ]);
    }
    text(&rows)
}

/// What happened, one entry a line.
#[must_use]
pub fn timeline(entries: &[TimelineEntry], ui: Ui) -> String {
    let mut rows = table(&["time", "what", "who", "details"], ui);
    for entry in entries {
        let details = entry.reason.iter().map(|reason| format!("\"{}\"", words::inline(reason)));
        let details: Vec<_> = details.chain(scalars(&entry.data)).collect();
        rows.add_row(vec![
            words::at(entry.time),
            words::inline(&entry.kind),
            words::inline(entry.actor.as_deref().unwrap_or("-")),
            details.join(" "),
        ]);
    }
    text(&rows)
}

/// The plain values of an entry. Hashes and nonces say nothing to people; `--json` has them.
fn scalars(data: &serde_json::Value) -> Vec<String> {
    let fields = data.as_object().into_iter().flatten();
    let plain = fields.filter(|(key, _)| !key.contains("hash") && !key.contains("nonce"));
    let shown = plain.filter_map(|(key, value)| match value {
        serde_json::Value::String(text) => {
            // An instant as everywhere else, without its nanoseconds.
            let instant: Option<Timestamp> = text.parse().ok();
            Some(format!("{key}={}", instant.map_or_else(|| text.clone(), words::at)))
        }
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => Some(format!("{key}={value}")),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    });
    shown.map(|pair| words::inline(&pair)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use halligan_server::views::AcknowledgementView;
    use serde_json::json;

    use super::*;
    use crate::client::credentials::tests::active;

    const PLAIN: Ui = Ui { json: false, colours: false };

    fn now() -> Timestamp {
        "2026-03-01T02:40:00Z".parse().unwrap()
    }

    fn grant() -> GrantView {
        active(now(), now() + SignedDuration::from_mins(30))
    }

    #[test]
    fn a_grant_in_full() {
        let mut grant = grant();
        grant.extension = Some(ExtensionView {
            hash: "7c".repeat(32),
            duration_seconds: 900,
            reason: "the restore takes longer".into(),
            acknowledge_by: now() + SignedDuration::from_mins(10),
        });
        grant.extended = vec![ExtendedView {
            yes: AcknowledgementView { by: "carol".into(), at: now(), signed: true },
            ends_at: now() + SignedDuration::from_mins(30),
        }];
        insta::assert_snapshot!(sheet(&grant, now(), PLAIN), @"
        grant         02z5IjAP8ychUMTu3yGwJV
        state         active, ends at 2026-03-01 03:10:00 UTC (in 30m)
        requester     alice
        role          prod-admin (arn:aws:iam::123456789012:role/break-glass)
        scope         read-only
        incident      incidents:INC-219
        duration      30m
        reason        checkout answers 500
        requested     2026-03-01 02:40:00 UTC
        active since  2026-03-01 02:40:00 UTC
        acknowledged  by bob at 2026-03-01 02:40:00 UTC
        extended      to 2026-03-01 03:10:00 UTC by carol at 2026-03-01 02:40:00 UTC, signed with a passkey
        extension     of 15m, waits 10m more for a second person
        its reason    the restore takes longer
        request hash  6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b
        ");
        insta::assert_snapshot!(question(&grant, now()), @"
        grant         02z5IjAP8ychUMTu3yGwJV
        requester     alice
        role          prod-admin (arn:aws:iam::123456789012:role/break-glass)
        scope         read-only
        incident      incidents:INC-219
        duration      30m
        reason        checkout answers 500
        extension     of 15m, waits 10m more for a second person
        its reason    the restore takes longer
        ends now      2026-03-01 03:10:00 UTC
        would end     2026-03-01 03:25:00 UTC
        hash          7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c
        ");
    }

    #[test]
    fn a_machine_asks_and_two_people_answer() {
        let mut grant = grant();
        grant.state = GrantState::Pending;
        grant.activated_at = None;
        grant.ends_at = None;
        grant.acknowledged_by = None;
        grant.acknowledged_at = None;
        grant.acknowledgements = Vec::new();
        grant.acknowledge_by = Some(now() + SignedDuration::from_mins(15));
        grant.requester = "deploy".into();
        grant.requester_kind = PartyKind::Machine;
        grant.on_behalf_of = Some("alice".into());
        grant.acknowledgements_needed = 2;
        insta::assert_snapshot!(sheet(&grant, now(), PLAIN), @"
        grant         02z5IjAP8ychUMTu3yGwJV
        state         pending, waits for two people until 2026-03-01 02:55:00 UTC (in 15m)
        requester     deploy (machine, for alice)
        role          prod-admin (arn:aws:iam::123456789012:role/break-glass)
        scope         read-only
        incident      incidents:INC-219
        duration      30m
        reason        checkout answers 500
        requested     2026-03-01 02:40:00 UTC
        needs         2 people, neither of them alice: 0 of 2 said yes
        request hash  6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b
        ");
        grant.acknowledgements = vec![AcknowledgementView { by: "bob".into(), at: now(), signed: true }];
        grant.acknowledgements_needed = 1;
        insta::assert_snapshot!(question(&grant, now()), @"
        grant         02z5IjAP8ychUMTu3yGwJV
        requester     deploy (machine, for alice)
        role          prod-admin (arn:aws:iam::123456789012:role/break-glass)
        scope         read-only
        incident      incidents:INC-219
        duration      30m
        reason        checkout answers 500
        acknowledged  by bob at 2026-03-01 02:40:00 UTC, signed with a passkey
        needs         2 people, neither of them alice: 1 of 2 said yes
        request hash  6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b
        ");
        insta::assert_snapshot!(standing(&grant, now(), PLAIN), @"pending, waits for one more person until 2026-03-01 02:55:00 UTC (in 15m)");
        insta::assert_snapshot!(grants(&[grant], now(), PLAIN), @"
        GRANT                   STATE    ROLE        SCOPE      REQUESTER                    INCIDENT           REQUESTED                LEFT
        02z5IjAP8ychUMTu3yGwJV  pending  prod-admin  read-only  deploy (machine, for alice)  incidents:INC-219  2026-03-01 02:40:00 UTC  15m
        ");
    }

    #[test]
    fn what_others_wrote_can_neither_act_nor_pose_as_ours() {
        let mut grant = grant();
        grant.reason = "all fine\nscope         read-only\n\u{1b}[1Aevil".into();
        grant.requester = "alice\nrole bob".into();
        let shown = question(&grant, now());
        assert!(!shown.contains('\u{1b}'), "{shown}");
        let scopes = shown.lines().filter(|line| line.starts_with("scope")).count();
        assert_eq!(scopes, 1, "{shown}");
        assert!(shown.contains("alice\\nrole bob"), "{shown}");
    }

    #[test]
    fn grants_one_a_line() {
        let mut ended = grant();
        ended.state = GrantState::Revoked;
        insta::assert_snapshot!(grants(&[grant(), ended], now(), PLAIN), @"
        GRANT                   STATE    ROLE        SCOPE      REQUESTER  INCIDENT           REQUESTED                LEFT
        02z5IjAP8ychUMTu3yGwJV  active   prod-admin  read-only  alice      incidents:INC-219  2026-03-01 02:40:00 UTC  30m
        02z5IjAP8ychUMTu3yGwJV  revoked  prod-admin  read-only  alice      incidents:INC-219  2026-03-01 02:40:00 UTC
        ");
        assert_eq!(grants(&[], now(), PLAIN), "no grants");
    }

    #[test]
    fn a_timeline() {
        let entry = |kind: &str, actor: Option<&str>, data| TimelineEntry {
            position: 1,
            time: now(),
            kind: kind.into(),
            actor: actor.map(str::to_owned),
            reason: actor.map(|_| "checkout answers 500".into()),
            data,
        };
        let entries = [
            entry(
                "grant.requested",
                Some("alice"),
                json!({ "duration_seconds": 1800, "request_hash": "6b", "rules": [] }),
            ),
            entry("grant.expired", None, json!({ "note": "a\u{1b}b" })),
        ];
        insta::assert_snapshot!(timeline(&entries, PLAIN), @r#"
        TIME                     WHAT             WHO    DETAILS
        2026-03-01 02:40:00 UTC  grant.requested  alice  "checkout answers 500" duration_seconds=1800
        2026-03-01 02:40:00 UTC  grant.expired    -      note=a\u{1b}b
        "#);
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let coloured = Ui { json: false, colours: true };
        assert!(sheet(&grant(), now(), coloured).contains("\u{1b}[32mactive"));
        assert!(!sheet(&grant(), now(), PLAIN).contains('\u{1b}'));
    }
}
