//! Which management events a trail's selectors let through.

use std::collections::BTreeSet;

use aws_sdk_cloudtrail::types::{AdvancedEventSelector, AdvancedFieldSelector, EventSelector, ReadWriteType};

/// What selectors take of the management events.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    reading: Half,
    writing: Half,
}

/// Reading or writing events: what is left out of them. None: all of them.
#[derive(Debug, Default)]
struct Half(Option<BTreeSet<String>>);

impl Half {
    /// One more selector that takes this half, but for what it leaves out: an event
    /// is recorded if any selector takes it.
    fn take(&mut self, without: &BTreeSet<String>) {
        self.0 = Some(match self.0.take() {
            Some(already) => already.intersection(without).cloned().collect(),
            None => without.clone(),
        });
    }
}

impl Coverage {
    pub(super) fn of(basic: &[EventSelector], advanced: &[AdvancedEventSelector]) -> Self {
        let mut coverage = Self::default();
        for selector in basic {
            coverage.basic(selector);
        }
        for selector in advanced {
            coverage.advanced(selector.field_selectors());
        }
        coverage
    }

    fn basic(&mut self, selector: &EventSelector) {
        // Both have defaults: all management events.
        if selector.include_management_events() == Some(false) {
            return;
        }
        let without = selector.exclude_management_event_sources().iter().map(|source| events_of(source)).collect();
        match selector.read_write_type() {
            Some(ReadWriteType::ReadOnly) => self.reading.take(&without),
            Some(ReadWriteType::WriteOnly) => self.writing.take(&without),
            _ => self.both(&without),
        }
    }

    fn advanced(&mut self, fields: &[AdvancedFieldSelector]) {
        let is = |field: &AdvancedFieldSelector, name: &str, value: &str| {
            field.field() == name && field.equals().iter().eq([value])
        };
        if !fields.iter().any(|field| is(field, "eventCategory", "Management")) {
            return;
        }
        let (mut reading, mut writing, mut without) = (true, true, BTreeSet::new());
        for field in fields {
            match field.field() {
                "eventCategory" => {}
                "readOnly" if is(field, "readOnly", "true") => writing = false,
                "readOnly" if is(field, "readOnly", "false") => reading = false,
                "eventSource" if excludes_only(field) => {
                    without.extend(field.not_equals().iter().map(|source| events_of(source)));
                }
                other => drop(without.insert(format!("what its selector on `{other}` doesn't match"))),
            }
        }
        if reading {
            self.reading.take(&without);
        }
        if writing {
            self.writing.take(&without);
        }
    }

    fn both(&mut self, without: &BTreeSet<String>) {
        self.reading.take(without);
        self.writing.take(without);
    }

    /// What isn't recorded, in words; nothing if all is.
    pub(super) fn gaps(&self) -> Vec<String> {
        match (&self.reading.0, &self.writing.0) {
            (None, None) => vec!["management events".to_owned()],
            (None, Some(without)) => gaps("reading management events", without),
            (Some(without), None) => gaps("writing management events", without),
            (Some(reading), Some(writing)) => reading.union(writing).cloned().collect(),
        }
    }
}

fn gaps(half: &str, without: &BTreeSet<String>) -> Vec<String> {
    [half.to_owned()].into_iter().chain(without.iter().cloned()).collect()
}

fn events_of(source: &str) -> String {
    format!("events of `{source}`")
}

fn excludes_only(field: &AdvancedFieldSelector) -> bool {
    let others =
        [field.equals(), field.starts_with(), field.ends_with(), field.not_starts_with(), field.not_ends_with()];
    others.iter().all(|values| values.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn basic(kind: ReadWriteType) -> EventSelector {
        EventSelector::builder().read_write_type(kind).include_management_events(true).build()
    }

    fn without_kms(selector: EventSelector) -> EventSelector {
        let sources = Some(vec!["kms.amazonaws.com".to_owned()]);
        EventSelector::builder()
            .set_read_write_type(selector.read_write_type)
            .set_exclude_management_event_sources(sources)
            .build()
    }

    fn field(name: &str) -> aws_sdk_cloudtrail::types::builders::AdvancedFieldSelectorBuilder {
        AdvancedFieldSelector::builder().field(name)
    }

    fn advanced(fields: &[AdvancedFieldSelector]) -> AdvancedEventSelector {
        AdvancedEventSelector::builder().set_field_selectors(Some(fields.to_vec())).build().unwrap()
    }

    #[test]
    fn what_selectors_leave_out_is_named() {
        use ReadWriteType::{All, ReadOnly, WriteOnly};
        const KMS: &str = "events of `kms.amazonaws.com`";
        let no_management = EventSelector::builder().include_management_events(false).build();
        let management = || field("eventCategory").equals("Management").build().unwrap();
        let data = || field("eventCategory").equals("Data").build().unwrap();
        let read_only = |value: &str| field("readOnly").equals(value).build().unwrap();
        let no_kms = || field("eventSource").not_equals("kms.amazonaws.com").build().unwrap();
        let by_name = || field("eventName").starts_with("Get").build().unwrap();
        let only_kms = || field("eventSource").equals("kms.amazonaws.com").build().unwrap();
        let expected = |gaps: &[&str]| gaps.iter().map(|&gap| gap.to_owned()).collect::<Vec<_>>();
        for (name, basic, advanced, gaps) in [
            ("everything", vec![basic(All)], vec![], vec![]),
            ("what is default", vec![EventSelector::builder().build()], vec![], vec![]),
            ("two halves", vec![basic(ReadOnly), basic(WriteOnly)], vec![], vec![]),
            ("no selector", vec![], vec![], vec!["management events"]),
            ("no management events", vec![no_management], vec![], vec!["management events"]),
            ("what is read", vec![basic(ReadOnly)], vec![], vec!["writing management events"]),
            ("what is written", vec![basic(WriteOnly)], vec![], vec!["reading management events"]),
            ("not of a service", vec![without_kms(basic(All))], vec![], vec![KMS]),
            ("of it by another selector", vec![without_kms(basic(All)), basic(All)], vec![], vec![]),
            ("half of it", vec![without_kms(basic(All)), basic(ReadOnly)], vec![], vec![KMS]),
            (
                "a half and not of a service",
                vec![without_kms(basic(WriteOnly))],
                vec![],
                vec!["reading management events", KMS],
            ),
            ("advanced, everything", vec![], vec![advanced(&[management()])], vec![]),
            ("advanced, data alone", vec![], vec![advanced(&[data()])], vec!["management events"]),
            (
                "advanced, what is written",
                vec![],
                vec![advanced(&[management(), read_only("false")])],
                vec!["reading management events"],
            ),
            (
                "advanced, two halves",
                vec![],
                vec![advanced(&[management(), read_only("false")]), advanced(&[management(), read_only("true")])],
                vec![],
            ),
            ("advanced, not of a service", vec![], vec![advanced(&[management(), no_kms()])], vec![KMS]),
            (
                "advanced, of a service alone",
                vec![],
                vec![advanced(&[management(), only_kms()])],
                vec!["what its selector on `eventSource` doesn't match"],
            ),
            (
                "advanced, by name",
                vec![],
                vec![advanced(&[management(), by_name()])],
                vec!["what its selector on `eventName` doesn't match"],
            ),
        ] {
            assert_eq!(Coverage::of(&basic, &advanced).gaps(), expected(&gaps), "{name}");
        }
    }
}
