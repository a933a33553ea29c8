//! A URL with room for an incident's id, which can't leave its place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

const PLACE: &str = "{id}";
/// Everything but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `https://host/path/{id}?query={id}`.
#[derive(Debug, Clone)]
pub(super) struct UrlTemplate {
    text: String,
    /// The URL of an id that is one letter: what every other must look like.
    example: Url,
}

impl UrlTemplate {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected a URL such as `https://tool.example.com/incidents/{id}`";
        if !text.contains(PLACE) {
            return Err(format!("has no `{PLACE}`: {expected}"));
        }
        if text.replace(PLACE, "").contains(['{', '}']) {
            return Err(format!("has braces that are not `{PLACE}`: {expected}"));
        }
        let parse = |id: &str| {
            Url::parse(&text.replace(PLACE, id)).map_err(|error| format!("is not a URL ({error}): {expected}"))
        };
        let (example, other) = (parse("x")?, parse("y")?);
        crate::http::check(&example)?;
        if example.origin() != other.origin() || example.fragment().is_some() {
            return Err(format!("has `{PLACE}` in its host, or a fragment: expected it in the path or the query"));
        }
        Ok(Self { text: text.to_owned(), example })
    }

    /// A URL like those that are asked.
    pub(super) const fn example(&self) -> &Url {
        &self.example
    }

    /// The URL of this incident; none if the id would stand anywhere but in its place.
    pub(super) fn fill(&self, id: &str) -> Option<Url> {
        let encoded = utf8_percent_encode(id, ENCODED).to_string();
        let url = Url::parse(&self.text.replace(PLACE, &encoded)).ok()?;
        let segments = |url: &Url| url.path_segments().map_or(0, Iterator::count);
        let pairs = |url: &Url| url.query_pairs().count();
        // INVARIANT: encoding and the grammar of ids see to it; whatever becomes
        // of either, another host or another call is never asked.
        let in_place = url.origin() == self.example.origin()
            && segments(&url) == segments(&self.example)
            && pairs(&url) == pairs(&self.example)
            && url.fragment().is_none()
            && url.username().is_empty();
        in_place.then_some(url)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn filled(template: &str, id: &str) -> String {
        UrlTemplate::parse(template).unwrap().fill(id).unwrap().to_string()
    }

    #[test]
    fn an_id_is_one_path_segment_or_one_query_value() {
        let path = "https://tool.example.com/v2/incidents/{id}.json?full=true";
        let query = "https://tool.example.com/find?number={id}&limit=1";
        for (id, encoded) in [
            ("INC-219", "INC-219"),
            ("example/api#12", "example%2Fapi%2312"),
            ("a@evil.example.com", "a%40evil.example.com"),
            ("a:b", "a%3Ab"),
            ("a=b+c", "a%3Db%2Bc"),
        ] {
            assert_eq!(filled(path, id), format!("https://tool.example.com/v2/incidents/{encoded}.json?full=true"));
            assert_eq!(filled(query, id), format!("https://tool.example.com/find?number={encoded}&limit=1"));
        }
    }

    /// The grammar of ids refuses these; the template holds without it.
    #[test]
    fn a_hostile_id_reaches_no_other_host_and_no_other_path() {
        let path = UrlTemplate::parse("https://tool.example.com/incidents/{id}/status").unwrap();
        let query = UrlTemplate::parse("https://tool.example.com/find?number={id}&limit=1").unwrap();
        for id in [
            "../admin",
            "a/../../b",
            "https://evil.example.com/",
            "//evil.example.com",
            "@evil.example.com",
            "a?x=y&z",
            "a#b",
            "a\\b",
            "%2e%2e",
            "a\r\nb",
        ] {
            let url = path.fill(id).unwrap();
            let segments: Vec<&str> = url.path_segments().unwrap().collect();
            assert!(matches!(segments[..], ["incidents", _, "status"]), "{url}");
            let asked = query.fill(id).unwrap();
            let pairs: Vec<_> = asked.query_pairs().into_owned().collect();
            assert_eq!(pairs, [("number".to_owned(), id.to_owned()), ("limit".to_owned(), "1".to_owned())]);
            for url in [url, asked] {
                assert_eq!((url.host_str(), url.query().is_some()), (Some("tool.example.com"), url.path() == "/find"));
            }
        }
        // The URL standard takes dots out of a path even where they are encoded.
        assert_eq!((path.fill(".."), path.fill(".")), (None, None));
    }

    #[test]
    fn a_template_that_could_go_astray_is_refused() {
        let refusal = |text: &str| UrlTemplate::parse(text).unwrap_err();
        for (text, because) in [
            ("https://tool.example.com/incidents", "has no `{id}`"),
            ("https://tool.example.com/{team}/{id}", "has braces"),
            ("tool.example.com/{id}", "is not a URL"),
            ("https://{id}.example.com/", "in its host"),
            ("https://tool.example.com/{id}#top", "a fragment"),
            ("https://tool.example.com/#{id}", "a fragment"),
            ("https://halligan:secret@tool.example.com/{id}", "holds a user name or password"),
            ("http://tool.example.com/{id}", "is not https"),
            ("file:///incidents/{id}", "is not https"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(because) && !refusal.contains("secret@"), "{text}: {refusal}");
        }
        for text in ["http://127.0.0.1:8000/{id}", "http://[::1]:8000/{id}", "http://localhost/{id}"] {
            assert!(UrlTemplate::parse(text).is_ok(), "{text}");
        }
    }
}
