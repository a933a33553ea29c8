//! Entries, for people. Later brokers may write what isn't known here: it is passed over.

use halligan_core::text::printable;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cli::screen::Sheet;
use crate::client::words;

/// Longer reasons are cut in a line.
const REASON_MAX: usize = 120;

/// An entry and what is beside it, as they were written.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Its index in the log.
    pub index: u64,
    /// Its text.
    pub entry: &'a [u8],
    /// Its personal part, if that is there.
    pub personal: Option<&'a [u8]>,
}

/// What is left of a personal part.
enum Beside {
    /// There never was one.
    None,
    /// It was erased, or could not be read.
    Gone,
    /// It is not the one that the entry commits to.
    Foreign,
    /// Its fields.
    Fields(Value),
}

/// One line: index, time, what, who, on what, on what occasion, which grant, why.
pub fn line(written: Written<'_>) -> String {
    let Ok(entry) = serde_json::from_slice::<Value>(written.entry) else {
        return format!("{:>6}  (this is no JSON)", written.index);
    };
    let text = |pointer: &str| words::inline(text_at(&entry, pointer));
    let mut line = format!(
        "{:>6}  {:<20}  {:<22} {:<10} {}",
        written.index,
        time(&entry),
        text("/type"),
        words::inline(&who(&entry)),
        text("/subject/id")
    );
    for more in [incident(&entry), text_at(&entry, "/links/grant").to_owned()] {
        if !more.is_empty() {
            line.push_str(&format!("  {}", words::inline(&more)));
        }
    }
    match beside(&entry, written.personal) {
        Beside::Fields(fields) => {
            let reason = printable(text_at(&fields, "/reason"), REASON_MAX);
            if !reason.is_empty() {
                line.push_str(&format!("  \"{}\"", words::inline(&reason)));
            }
        }
        Beside::None => {}
        Beside::Gone => line.push_str("  (personal part erased)"),
        Beside::Foreign => line.push_str("  (personal part is not the entry's)"),
    }
    line
}

/// All of it, on several lines.
pub fn sheet(written: Written<'_>) -> String {
    let Ok(entry) = serde_json::from_slice::<Value>(written.entry) else { return line(written) };
    let mut sheet = Sheet::default();
    sheet.line("entry", &written.index.to_string());
    sheet.line("time", text_at(&entry, "/time"));
    sheet.line("what", text_at(&entry, "/type"));
    sheet.line("who", &login(&entry));
    sheet.line("on what", &format!("{} {}", text_at(&entry, "/subject/kind"), text_at(&entry, "/subject/id")));
    for (label, value) in [("incident", incident(&entry)), ("grant", text_at(&entry, "/links/grant").to_owned())] {
        if !value.is_empty() {
            sheet.line(label, &value);
        }
    }
    if let Some(data) = entry.get("data").and_then(Value::as_object) {
        for (field, value) in data.iter().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            sheet.line("", &format!("{field}: {value}"));
        }
    }
    match beside(&entry, written.personal) {
        Beside::Fields(fields) => {
            for (field, value) in fields.as_object().into_iter().flatten() {
                sheet.line("personal", &format!("{field}: {}", value.as_str().unwrap_or_default()));
            }
        }
        Beside::None => {}
        Beside::Gone => drop(sheet.line("personal", "erased")),
        Beside::Foreign => drop(sheet.line("personal", "not the one that the entry commits to")),
    }
    sheet.finish()
}

/// The entry's JSON in one line: as it was written, unless something in it would act on a terminal
/// or break the line. That is escaped, which means the same.
pub fn json(entry: &[u8]) -> String {
    match std::str::from_utf8(entry) {
        Ok(text) if words::inline(text) == text => text.to_owned(),
        _ => match serde_json::from_slice::<Value>(entry) {
            Ok(value) => harmless(&value.to_string()),
            Err(_) => "null".to_owned(),
        },
    }
}

fn harmless(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        let mut buffer = [0; 4];
        if words::inline(c.encode_utf8(&mut buffer)).chars().count() == 1 {
            shown.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        }
    }
    shown
}

fn text_at<'a>(entry: &'a Value, pointer: &str) -> &'a str {
    entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn time(entry: &Value) -> String {
    let text = text_at(entry, "/time");
    text.parse().map_or_else(
        |_| words::inline(text),
        |time: Timestamp| format!("{:.0}", time.round(jiff::Unit::Second).unwrap_or(time)),
    )
}

fn who(entry: &Value) -> String {
    match text_at(entry, "/actor/person") {
        "" => "the broker".to_owned(),
        person => person.to_owned(),
    }
}

fn login(entry: &Value) -> String {
    match (text_at(entry, "/actor/principal/subject"), text_at(entry, "/actor/principal/issuer")) {
        ("", _) => who(entry),
        (subject, issuer) => format!("{} (as {subject} of {issuer})", who(entry)),
    }
}

fn incident(entry: &Value) -> String {
    match (text_at(entry, "/incident/provider"), text_at(entry, "/incident/id")) {
        (_, "") => String::new(),
        (provider, id) => format!("{provider}:{id}"),
    }
}

fn beside(entry: &Value, personal: Option<&[u8]>) -> Beside {
    let committed = text_at(entry, "/personal_sha256");
    match (personal, committed) {
        (None, "") => Beside::None,
        (None, _) => Beside::Gone,
        (Some(part), committed) if hex::encode(Sha256::digest(part)) == committed => {
            let part = serde_json::from_slice::<Value>(part).unwrap_or_default();
            Beside::Fields(part.get("fields").cloned().unwrap_or_default())
        }
        (Some(_), _) => Beside::Foreign,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn entry(reason: &str) -> (Vec<u8>, Vec<u8>) {
        let personal = json!({ "salt": "00", "fields": { "reason": reason } }).to_string().into_bytes();
        let entry = json!({
            "v": 1, "time": "2026-03-01T02:40:00.25Z", "type": "grant.requested", "data": { "duration_seconds": 1800, "nothing": null },
            "actor": { "person": "alice", "principal": { "issuer": "https://idp.example.com", "subject": "a\u{1b}[2J" }, "channel": "api" },
            "subject": { "kind": "aws-role", "id": "prod-admin" }, "incident": { "provider": "pagerduty", "id": "INC-219" },
            "links": { "grant": "02z5IjAP8ychUMTu3yGwJV" }, "personal_sha256": hex::encode(Sha256::digest(&personal)), "news": [1],
        });
        (entry.to_string().into_bytes(), personal)
    }

    #[test]
    fn a_line_tells_who_did_what_on_what_and_why() {
        let (entry, personal) = entry("checkout\u{1b}]0;answers 500");
        let written = Written { index: 17, entry: &entry, personal: Some(&personal) };
        insta::assert_snapshot!(line(written), @r#"    17  2026-03-01T02:40:00Z  grant.requested        alice      prod-admin  pagerduty:INC-219  02z5IjAP8ychUMTu3yGwJV  "checkout ]0;answers 500""#);
        insta::assert_snapshot!(line(Written { personal: None, ..written }), @r"    17  2026-03-01T02:40:00Z  grant.requested        alice      prod-admin  pagerduty:INC-219  02z5IjAP8ychUMTu3yGwJV  (personal part erased)");
        insta::assert_snapshot!(line(Written { personal: Some(b"{}"), ..written }), @r"    17  2026-03-01T02:40:00Z  grant.requested        alice      prod-admin  pagerduty:INC-219  02z5IjAP8ychUMTu3yGwJV  (personal part is not the entry's)");
        insta::assert_snapshot!(sheet(written), @r"
        entry         17
        time          2026-03-01T02:40:00.25Z
        what          grant.requested
        who           alice (as a\u{1b}[2J of https://idp.example.com)
        on what       aws-role prod-admin
        incident      pagerduty:INC-219
        grant         02z5IjAP8ychUMTu3yGwJV
                      duration_seconds: 1800
        personal      reason: checkout\u{1b}]0;answers 500
        ");
    }

    #[test]
    fn what_later_brokers_write_is_passed_over() {
        for (text, expected) in [
            ("{}", "3 the broker"),
            ("[", "3 (this is no JSON)"),
            (r#"{"type":"gate.opened","actor":null,"time":"soon"}"#, "3 soon gate.opened the broker"),
        ] {
            let written = Written { index: 3, entry: text.as_bytes(), personal: None };
            let line = line(written);
            assert_eq!(line.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn json_stays_as_it_was_written_unless_it_acts_on_something() {
        for (name, text, expected) in [
            ("plain", r#"{"b":1, "a":"é \" \\ \u001b"}"#, r#"{"b":1, "a":"é \" \\ \u001b"}"#),
            ("an escape of eight bits", "{\"a\":\"\u{9b}2J\"}", r#"{"a":"\u009b2J"}"#),
            ("a line break between fields", "{\"a\":\n1}", r#"{"a":1}"#),
            ("none", "\n", "null"),
        ] {
            assert_eq!(json(text.as_bytes()), expected, "{name}");
        }
    }
}
