//! Other people's text, times and ends, put into words that a terminal can show.

use halligan_server::views::GrantView;
use jiff::{SignedDuration, Timestamp};

/// A text of somebody else in one line: what would act on the display instead of
/// standing on it (escapes, overrides, invisible characters) is shown by its number.
#[must_use]
pub fn inline(text: &str) -> String {
    escaped(text, false)
}

/// The same, with its line breaks left in.
#[must_use]
pub fn lines(text: &str) -> String {
    escaped(text, true)
}

fn escaped(text: &str, keep_lines: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if keep_lines => shown.push('\n'),
            '\'' | '"' | '\\' => shown.push(c),
            // The standard library knows which characters print. Behind a letter it
            // leaves combining marks alone, which most scripts need.
            _ => shown.extend(format!("x{c}").escape_debug().skip(1)),
        }
    }
    shown
}

/// An instant, to the second.
#[must_use]
pub fn at(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// An instant of today or thereabouts, to the second.
#[must_use]
pub fn time(instant: Timestamp) -> String {
    instant.strftime("%H:%M:%S UTC").to_string()
}

/// A length of time, as `--duration` takes it, in whole seconds.
#[must_use]
pub fn span(length: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(length.as_secs()))
}

/// From one instant to a later one, at least nothing.
#[must_use]
pub fn until(now: Timestamp, then: Timestamp) -> String {
    span(then.duration_since(now).max(SignedDuration::ZERO))
}

/// How a grant ended, for a sentence that begins with it.
#[must_use]
pub fn ending(grant: &GrantView) -> String {
    let mut text = format!("grant {} is over: {}", inline(&grant.id), grant.state);
    if let Some(ended_at) = grant.ended_at {
        text.push_str(&format!(" at {}", at(ended_at)));
    }
    if let Some(person) = &grant.ended_by {
        text.push_str(&format!(" by {}", inline(person)));
    }
    if let Some(because) = &grant.ended_because {
        text.push_str(&format!(" ({})", inline(because)));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn nothing_in_a_text_acts_on_the_terminal() {
        assert_eq!(inline("a\u{1b}[2Jb\u{9b}1mc\r\u{8}"), r"a\u{1b}[2Jb\u{9b}1mc\r\u{8}");
        assert_eq!(inline("evil \u{202e}txt\u{200b}\u{2028}"), r"evil \u{202e}txt\u{200b}\u{2028}");
        assert_eq!(inline("one\ntwo\t3"), r"one\ntwo\t3");
        assert_eq!(lines("one\ntwo\u{7}"), "one\ntwo\\u{7}");
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["it's \"quoted\" \\ back", "Größe, e\u{301}t\u{e9}, 日本, हिन्दी, 🚒", "<b>html</b>"]
        {
            assert_eq!(inline(text), text);
        }
    }

    #[test]
    fn lengths_read_as_they_are_typed() {
        let now: Timestamp = "2026-03-01T02:40:00Z".parse().unwrap();
        assert_eq!(until(now, now + SignedDuration::from_millis(5_430_900)), "1h 30m 30s");
        assert_eq!(until(now, now - SignedDuration::from_secs(5)), "0s");
        assert_eq!(at(now), "2026-03-01 02:40:00 UTC");
    }
}
