//! Lists that fit into an entry.

/// So many bytes of a list, in JSON, fit into an entry with two others and all the rest of it.
const LIST_BYTES_MAX: usize = 1_000;
/// Rules stand beside more: a passkey's signature, hashes, a role's ARN.
const RULES_BYTES_MAX: usize = 400;
const TEXT_CHARACTERS_MAX: usize = 400;

/// A list of texts that fits into an entry: what is too much is counted.
#[must_use]
pub fn bounded(texts: Vec<String>) -> Vec<String> {
    bounded_to(LIST_BYTES_MAX, texts)
}

/// The rules that decided, as they fit into an entry.
#[must_use]
pub fn bounded_rules(rules: Vec<String>) -> Vec<String> {
    bounded_to(RULES_BYTES_MAX, rules)
}

fn bounded_to(mut left: usize, texts: Vec<String>) -> Vec<String> {
    // A text alone fills no list.
    let (all, each) = (texts.len(), left / 2);
    let mut kept = Vec::new();
    for text in texts {
        let mut text = crate::text::printable(&text, TEXT_CHARACTERS_MAX);
        while json_bytes(&text) > each {
            text.pop();
        }
        let Some(rest) = left.checked_sub(json_bytes(&text)) else { break };
        left = rest;
        kept.push(text);
    }
    if kept.len() < all {
        kept.push(format!("… and {} more", all - kept.len()));
    }
    kept
}

/// With its quotes and the comma behind.
fn json_bytes(text: &str) -> usize {
    // A text can always be written.
    serde_json::to_string(text).map_or(0, |json| json.len() + 1)
}
