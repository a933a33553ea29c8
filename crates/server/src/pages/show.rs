//! How things are said on pages.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::{SignedDuration, Timestamp};

/// An instant, with how far it is from now.
#[derive(Template)]
#[template(source = r#"<time datetime="{{ at }}">{{ text }}</time> ({{ from_now }})"#, ext = "html")]
pub(super) struct Moment {
    at: String,
    pub text: String,
    from_now: String,
}

// It escapes what it is made of.
impl HtmlSafe for Moment {}

impl Moment {
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let second = Timestamp::from_second(at.as_second()).unwrap_or(at);
        let distance = at.duration_since(now);
        let from_now = match (distance.is_negative(), Span(distance.abs())) {
            (_, Span(span)) if span.as_secs() == 0 => "now".to_owned(),
            (true, span) => format!("{span} ago"),
            (false, span) => format!("in {span}"),
        };
        Self { at: second.to_string(), text: second.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(), from_now }
    }
}

/// A duration in at most two units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span(pub SignedDuration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs().max(0);
        let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        let units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")];
        let mut shown = 0;
        for (count, unit) in units.into_iter().skip_while(|(count, _)| *count == 0).take(2) {
            if count != 0 {
                write!(f, "{}{count} {unit}", if shown == 0 { "" } else { " " })?;
                shown += 1;
            }
        }
        if shown == 0 { f.write_str("0 s") } else { Ok(()) }
    }
}

/// Words of ours, in which what stands in backticks is somebody else's.
#[derive(Template)]
#[template(
    source = "{% for part in parts %}{% if loop.index0 % 2 == 1 %}<code>{{ part }}</code>{% else %}{{ part }}{% endif %}{% endfor %}",
    ext = "html"
)]
pub(super) struct Words<'a> {
    parts: Vec<&'a str>,
}

// It escapes what it is made of.
impl HtmlSafe for Words<'_> {}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let parts: Vec<&str> = text.split('`').collect();
        // One too many is no pair.
        Self { parts: if parts.len() % 2 == 1 { parts } else { vec![text] } }
    }
}

/// The first digits of a hash, in groups that can be read out.
pub(super) fn fingerprint(hash: &str) -> String {
    let digits: Vec<char> = hash.chars().take(24).collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn spans_are_short() {
        for (seconds, expected) in [
            (0, "0 s"),
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (1_800, "30 min"),
            (3_661, "1 h 1 min"),
            (3_601, "1 h"),
            (86_400, "1 d"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(Span(SignedDuration::from_secs(seconds)).to_string(), expected);
        }
    }

    #[test]
    fn moments_say_how_far_they_are() {
        let now: Timestamp = "2026-11-21T03:00:00.25Z".parse().unwrap();
        let later = now + SignedDuration::from_secs(90);
        insta::assert_snapshot!(Moment::new(later, now), @r#"<time datetime="2026-11-21T03:01:30Z">2026-11-21 03:01:30 UTC</time> (in 1 min 30 s)"#);
        insta::assert_snapshot!(Moment::new(now, later), @r#"<time datetime="2026-11-21T03:00:00Z">2026-11-21 03:00:00 UTC</time> (1 min 30 s ago)"#);
    }

    #[test]
    fn words_of_others_are_marked() {
        let shown = |text: &str| Words::new(text).to_string();
        assert_eq!(shown("`bob` may not <read> `a&b`"), "<code>bob</code> may not &#60;read&#62; <code>a&#38;b</code>");
        assert_eq!(shown("an odd ` stays"), "an odd ` stays");
    }

    #[test]
    fn fingerprints_can_be_read_out() {
        assert_eq!(fingerprint("0123456789abcdef0123456789abcdef"), "0123 4567 89ab cdef 0123 4567");
    }
}
