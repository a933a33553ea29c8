//! What `PutLogEvents` takes at once.

use halligan_engine::ports::QueuedEntry;
use jiff::{SignedDuration, Timestamp};

/// In bytes of UTF-8, with [`EVENT_BYTES`] for each event.
pub(super) const BATCH_BYTES_MAX: usize = 1_048_576;
pub(super) const EVENT_BYTES: usize = 26;
pub(super) const BATCH_EVENTS_MAX: usize = 10_000;
const SPAN_MAX: SignedDuration = SignedDuration::from_hours(24);

/// How far back and ahead an event may be.
const BACK_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(2);
/// The shortest retention of a log group: what is older is rejected too.
const RETENTION_MIN: SignedDuration = SignedDuration::from_hours(24);
/// Clocks differ, and a call takes its time.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// An entry as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at_ms: i64,
    pub(super) text: String,
}

impl Event {
    const fn bytes(&self) -> usize {
        self.text.len() + EVENT_BYTES
    }
}

/// The timestamps that are taken now, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    oldest_ms: i64,
    newest_ms: i64,
}

impl Window {
    /// `short`: the group has a shorter retention than events may be old.
    pub(super) fn at(now: Timestamp, short: bool) -> Self {
        let back = if short { RETENTION_MIN } else { BACK_MAX } - MARGIN;
        let milliseconds = |duration: SignedDuration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let now_ms = now.as_millisecond();
        Self {
            oldest_ms: now_ms.saturating_sub(milliseconds(back)),
            newest_ms: now_ms.saturating_add(milliseconds(AHEAD_MAX - MARGIN)),
        }
    }
}

/// The entries as events in chronological order, each with a timestamp that is
/// taken: its own, or the nearest to it.
pub(super) fn events(entries: &[QueuedEntry], window: Window) -> Vec<Event> {
    let mut newest_ms = window.oldest_ms;
    let event = |entry: &QueuedEntry| {
        // Entries are in order and their times don't go back; were it otherwise, the order holds.
        newest_ms = entry.sealed.entry.time.as_millisecond().min(window.newest_ms).max(newest_ms);
        // An entry is JSON, and so UTF-8. What is hashed and proved stands in the archive.
        let text = String::from_utf8_lossy(&entry.leaf.entry);
        Event { at_ms: newest_ms, text: format!(r#"{{"index":{},"entry":{text}}}"#, entry.index()) }
    };
    entries.iter().map(event).collect()
}

/// As few batches as can be, none larger than is taken, in the same order.
pub(super) fn batches(events: Vec<Event>) -> Vec<Vec<Event>> {
    let mut batches: Vec<Vec<Event>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let fits = batches.last().is_some_and(|batch| {
            let span_ms = batch.first().map_or(0, |first| event.at_ms.saturating_sub(first.at_ms));
            batch.len() < BATCH_EVENTS_MAX
                && bytes + event.bytes() <= BATCH_BYTES_MAX
                && i128::from(span_ms) < SPAN_MAX.as_millis()
        });
        match batches.last_mut() {
            Some(batch) if fits => {
                bytes += event.bytes();
                batch.push(event);
            }
            _ => {
                bytes = event.bytes();
                batches.push(vec![event]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use halligan_core::event::{Event, Recorded};
    use halligan_engine::fakes::fixtures;
    use proptest::prelude::*;

    use super::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, EVENT_BYTES, QueuedEntry, Timestamp, Window, batches, events};

    const HOUR_MS: i64 = 3_600_000;
    const NOW_MS: i64 = 1_772_000_000_000;

    fn now() -> Timestamp {
        Timestamp::from_millisecond(NOW_MS).unwrap()
    }

    fn event(at_ms: i64, bytes: usize) -> super::Event {
        super::Event { at_ms, text: "x".repeat(bytes) }
    }

    fn sizes(events: Vec<super::Event>) -> Vec<usize> {
        batches(events).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_batch_is_as_large_as_may_be() {
        let full = BATCH_BYTES_MAX - 2 * EVENT_BYTES;
        let day = 24 * HOUR_MS;
        for (name, events, expected) in [
            ("nothing", vec![], vec![]),
            ("one", vec![event(0, 10)], vec![1]),
            ("to the byte", vec![event(0, 10), event(0, full - 10)], vec![2]),
            ("a byte more", vec![event(0, 10), event(0, full - 9)], vec![1, 1]),
            ("the next is counted from nothing", vec![event(0, full), event(0, 100), event(0, 100)], vec![1, 2]),
            ("as many as may be", vec![event(0, 1); BATCH_EVENTS_MAX], vec![BATCH_EVENTS_MAX]),
            ("one more", vec![event(0, 1); BATCH_EVENTS_MAX + 1], vec![BATCH_EVENTS_MAX, 1]),
            ("not quite a day", vec![event(0, 1), event(day - 1, 1)], vec![2]),
            ("a day", vec![event(0, 1), event(day, 1), event(day + 1, 1)], vec![1, 2]),
        ] {
            assert_eq!(sizes(events), expected, "{name}");
        }
    }

    fn entry(position: u64, at_ms: i64) -> QueuedEntry {
        let refused = Event::ActionRefused {
            action: "mint".to_owned(),
            problem: "not-yours".to_owned(),
            rules: vec![],
            unmet: vec![],
        };
        let recorded = Recorded::with_reason(refused, &fixtures::reason("alice's own words"));
        let time = Timestamp::from_millisecond(at_ms).unwrap();
        let sealed = fixtures::draft(&fixtures::Asking::new(1).grant(), recorded, position).seal(time, time);
        QueuedEntry::new(position, sealed)
    }

    #[test]
    fn an_event_is_the_entry_as_it_was_written_with_its_index() {
        let entry = entry(7, NOW_MS);
        let [event] = events(std::slice::from_ref(&entry), Window::at(now(), false)).try_into().unwrap();
        let written = String::from_utf8(entry.leaf.entry.clone()).unwrap();
        assert_eq!(event, super::Event { at_ms: NOW_MS, text: format!(r#"{{"index":6,"entry":{written}}}"#) });
        assert!(!event.text.contains("own words"), "the personal part stays where it can be erased");
    }

    #[test]
    fn a_timestamp_is_the_entrys_or_the_nearest_that_is_taken() {
        const MINUTE_MS: i64 = 60_000;
        let (oldest, newest) = (-14 * 24 * HOUR_MS + 10 * MINUTE_MS, 2 * HOUR_MS - 10 * MINUTE_MS);
        let oldest_kept = -24 * HOUR_MS + 10 * MINUTE_MS;
        for (name, short, times, expected) in [
            ("its own", false, vec![-HOUR_MS, 0, MINUTE_MS], vec![-HOUR_MS, 0, MINUTE_MS]),
            ("too old", false, vec![-400 * 24 * HOUR_MS, 0], vec![oldest, 0]),
            ("older than the group keeps", true, vec![-2 * 24 * HOUR_MS, 0], vec![oldest_kept, 0]),
            ("too far ahead", false, vec![0, 3 * HOUR_MS], vec![0, newest]),
            ("back in time", false, vec![HOUR_MS, 0, 2 * MINUTE_MS], vec![HOUR_MS, HOUR_MS, HOUR_MS]),
        ] {
            let entries: Vec<_> = (1..).zip(times).map(|(position, ms)| entry(position, NOW_MS + ms)).collect();
            let found: Vec<_> =
                events(&entries, Window::at(now(), short)).iter().map(|event| event.at_ms - NOW_MS).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn batches_hold_everything_in_order_and_are_never_too_large(
            sizes in prop::collection::vec((0..20 * HOUR_MS, prop_oneof![9 => 0..3_000_usize, 1 => 0..900_000_usize]), 0..60)
        ) {
            let mut at_ms = 0;
            let all: Vec<_> = sizes.iter().map(|&(later, bytes)| { at_ms += later; event(at_ms, bytes) }).collect();
            let batches = batches(all.clone());
            prop_assert_eq!(batches.concat(), all);
            let bytes = |batch: &[super::Event]| batch.iter().map(super::Event::bytes).sum::<usize>();
            for batch in &batches {
                prop_assert!(!batch.is_empty() && batch.len() <= BATCH_EVENTS_MAX);
                prop_assert!(bytes(batch) <= BATCH_BYTES_MAX);
                prop_assert!(batch.last().unwrap().at_ms - batch[0].at_ms < 24 * HOUR_MS);
            }
        }

        #[test]
        fn events_are_in_order_and_in_the_window(times in prop::collection::vec(-500 * 24 * HOUR_MS..500 * 24 * HOUR_MS, 0..20)) {
            let entries: Vec<_> = (1..).zip(&times).map(|(position, ms)| entry(position, NOW_MS + ms)).collect();
            let events = events(&entries, Window::at(now(), false));
            prop_assert!(events.is_sorted_by_key(|event| event.at_ms));
            let window = -14 * 24 * HOUR_MS..=2 * HOUR_MS;
            prop_assert!(events.iter().all(|event| window.contains(&(event.at_ms - NOW_MS))));
        }
    }
}
