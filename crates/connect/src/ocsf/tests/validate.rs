//! Whether an event is what `docs/ocsf/classes.json` says of its class.

use serde_json::{Map, Value};

pub struct Classes(Value);

impl Classes {
    pub fn read() -> Self {
        let classes: Value = serde_json::from_str(include_str!("../../../../../docs/ocsf/classes.json")).unwrap();
        assert_eq!(classes["version"], super::SCHEMA_VERSION);
        Self(classes)
    }

    /// Everything that is wrong with an event.
    pub fn faults(&self, event: &Value) -> Vec<String> {
        let class = &self.0["classes"][event["class_uid"].to_string()];
        if class.is_null() {
            return vec![format!("/class_uid: {} is not described", event["class_uid"])];
        }
        let mut faults = Vec::new();
        self.object(class, event, "", &mut faults);
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        if number("type_uid") != number("class_uid") * 100 + number("activity_id") {
            faults.push("/type_uid: it is not class_uid * 100 + activity_id".into());
        }
        for (field, expected) in
            [("category_uid", "category_uid"), ("category_name", "category_name"), ("class_name", "name")]
        {
            if event[field] != class[expected] {
                faults.push(format!("/{field}: expected {}", class[expected]));
            }
        }
        faults
    }

    fn object(&self, described: &Value, found: &Value, at: &str, faults: &mut Vec<String>) {
        let Some(found) = found.as_object() else {
            return faults.push(format!("{at}: expected an object"));
        };
        let attributes = described["attributes"].as_object().unwrap();
        for (name, attribute) in attributes {
            match found.get(name) {
                Some(value) => self.value(attribute["type"].as_str().unwrap(), value, &format!("{at}/{name}"), faults),
                None if attribute["requirement"] == "required" => faults.push(format!("{at}/{name}: it is required")),
                None => {}
            }
        }
        let strangers = found.keys().filter(|name| !attributes.contains_key(*name));
        faults.extend(strangers.map(|name| format!("{at}/{name}: there is no such attribute")));
        enums(described, found, at, faults);
        constraints(described, found, at, faults);
    }

    fn value(&self, form: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(form) = form.strip_suffix("[]") {
            let Some(items) = value.as_array() else { return faults.push(format!("{at}: expected a list")) };
            let all = items.iter().enumerate();
            return all.for_each(|(n, item)| self.value(form, item, &format!("{at}/{n}"), faults));
        }
        let fits = match form {
            "string_t" | "username_t" | "url_t" | "file_hash_t" => value.as_str().is_some_and(|text| !text.is_empty()),
            "uuid_t" => value.as_str().is_some_and(|text| text.parse::<uuid::Uuid>().is_ok()),
            "integer_t" | "long_t" => value.is_i64() || value.is_u64(),
            // Milliseconds since 1970: a time in seconds or microseconds is not of this century.
            "timestamp_t" => value.as_i64().is_some_and(|ms| (1_000_000_000_000..5_000_000_000_000).contains(&ms)),
            "boolean_t" => value.is_boolean(),
            "object" => value.is_object(),
            object => return self.object(&self.0["objects"][object], value, at, faults),
        };
        if !fits {
            faults.push(format!("{at}: {value} is no {form}"));
        }
    }
}

/// A number that has names is one of them, and the name beside it fits.
fn enums(described: &Value, found: &Map<String, Value>, at: &str, faults: &mut Vec<String>) {
    for (name, values) in described["enums"].as_object().into_iter().flatten() {
        let Some(number) = found.get(name) else { continue };
        let Some(caption) = values[number.to_string()].as_str() else {
            faults.push(format!("{at}/{name}: {number} is none of its values"));
            continue;
        };
        let sibling = match name.as_str() {
            "activity_id" => "activity_name",
            other => other.strip_suffix("_id").unwrap(),
        };
        // Where it is Other, the source has a word of its own.
        if found.get(sibling).is_none_or(|word| caption != "Other" && word != caption) {
            faults.push(format!("{at}/{sibling}: expected `{caption}`"));
        }
    }
}

fn constraints(described: &Value, found: &Map<String, Value>, at: &str, faults: &mut Vec<String>) {
    let there =
        |names: &Value| names.as_array().unwrap().iter().filter(|n| found.contains_key(n.as_str().unwrap())).count();
    for (constraint, names) in described["constraints"].as_object().into_iter().flatten() {
        let (holds, words) = match constraint.as_str() {
            "at_least_one" => (there(names) > 0, "at least one"),
            "just_one" => (there(names) == 1, "just one"),
            other => panic!("{other}"),
        };
        if !holds {
            faults.push(format!("{at}/: {words} of {names} is expected"));
        }
    }
}
