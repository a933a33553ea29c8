//! Looks at a page's text as a reader of pages would: enough HTML for what we write.

use std::collections::BTreeSet;

/// A tag as it opens: its name, and its attributes as they stand.
pub(super) struct Tag<'a> {
    pub name: &'a str,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        let (_, after) = self.rest.split_once(&format!(" {name}=\""))?;
        Some(after.split_once('"')?.0)
    }

    pub fn is(&self, attribute: &str) -> bool {
        self.rest.split_ascii_whitespace().any(|word| word == attribute)
    }

    /// The names of its attributes.
    pub fn attributes(&self) -> BTreeSet<&'a str> {
        let words = self.rest.split('"').step_by(2).flat_map(str::split_ascii_whitespace);
        words.map(|word| word.trim_end_matches('=')).collect()
    }
}

/// Every tag that opens on this page.
pub(super) fn tags(html: &str) -> Vec<Tag<'_>> {
    let opened = html.split('<').skip(1).filter(|text| text.starts_with(|c: char| c.is_ascii_alphabetic()));
    let opened = opened.filter_map(|text| text.split_once('>'));
    opened
        .map(|(tag, _)| {
            let end = tag.find(|c: char| c.is_ascii_whitespace()).unwrap_or(tag.len());
            let (name, rest) = tag.split_at(end);
            Tag { name, rest }
        })
        .collect()
}

/// What anybody who can't see, can't use a mouse, or has no script would stumble over.
#[track_caller]
pub(super) fn is_for_everybody(page: &str, html: &str) {
    let tags = tags(html);
    let named = |name: &str| tags.iter().filter(|tag| tag.name == name).collect::<Vec<_>>();
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{page}");
    assert_eq!(named("title").len(), 1, "{page}");
    assert_eq!(named("h1").len(), 1, "{page}: one page, one heading");
    assert_eq!(named("main").len(), 1, "{page}");
    let ids: Vec<&str> = tags.iter().filter_map(|tag| tag.attribute("id")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{page}: an id is there twice: {ids:?}");
    let skip = named("a")[0];
    assert_eq!((skip.attribute("class"), skip.attribute("href")), (Some("skip"), Some("#content")), "{page}");
    assert!(named("main")[0].attribute("id") == Some("content"), "{page}");

    let labels: BTreeSet<&str> = named("label").iter().filter_map(|label| label.attribute("for")).collect();
    for field in named("input").into_iter().chain(named("textarea")) {
        let is_hidden = field.attribute("type") == Some("hidden");
        assert!(
            is_hidden || field.attribute("id").is_some_and(|id| labels.contains(id)),
            "{page}: a field has no label"
        );
    }
    for tag in &tags {
        for attribute in ["aria-describedby", "aria-labelledby"] {
            let refers = tag.attribute(attribute);
            assert!(refers.is_none_or(|id| ids.contains(&id)), "{page}: {attribute} leads nowhere: {refers:?}");
        }
    }
    let mut level = 0;
    for tag in tags.iter().filter(|tag| tag.name.len() == 2 && tag.name.starts_with('h') && tag.name != "hr") {
        let this = tag.name[1..].parse::<u32>().unwrap();
        assert!(this <= level + 1, "{page}: a heading of level {this} follows one of {level}");
        level = this;
    }
    for form in named("form") {
        assert_eq!(form.attribute("method"), Some("post"), "{page}");
        assert!(form.attribute("action").is_some_and(|action| action.starts_with('/')), "{page}");
    }
    for button in named("button") {
        assert_eq!(button.attribute("type"), Some("submit"), "{page}");
    }
}

/// What the Content-Security-Policy would refuse.
#[track_caller]
pub(super) fn has_nothing_inline(page: &str, html: &str) {
    for tag in tags(html) {
        assert!(tag.name != "style", "{page}: a style element");
        assert!(tag.name != "script" || tag.attribute("src").is_some(), "{page}: a script without a file");
        for attribute in tag.attributes() {
            assert!(attribute != "style", "{page}: a style on <{}>", tag.name);
            assert!(!attribute.starts_with("on"), "{page}: {attribute} on <{}>", tag.name);
        }
        for address in ["src", "href"].iter().filter_map(|name| tag.attribute(name)) {
            let leaves = address.contains("//") && !(page.starts_with("away") && tag.name == "a");
            assert!(!leaves && !address.starts_with("javascript"), "{page}: {address} is not ours");
        }
    }
}

#[test]
fn the_reader_reads() {
    let html = "<p class=\"a b\">x &lt;b&gt;<input id=\"i\" required><br></p>";
    let tags = tags(html);
    assert_eq!(tags.iter().map(|tag| tag.name).collect::<Vec<_>>(), ["p", "input", "br"]);
    assert_eq!(tags[0].attribute("class"), Some("a b"));
    assert!(tags[1].is("required") && !tags[1].is("id"));
    assert_eq!(tags[1].attributes(), BTreeSet::from(["id", "required"]));
}
