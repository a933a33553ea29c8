//! Entries as our writer writes them, cut into their parts without being read: what
//! a life knows already is compared byte by byte.

use halligan_core::actor::Actor;
use halligan_core::entry::{Links, Subject};
use halligan_core::grant::Grant;
use halligan_core::id::GrantId;
use halligan_core::incident::IncidentRef;
use serde::Serialize;

use super::read;
use super::step::Doer;

/// A personal part's hash, as the last field.
const COMMITMENT: &str = r#","personal_sha256":""#;
const HASH_DIGITS: usize = 64;
const ID_CHARACTERS: usize = 36;
const ACTOR: &str = r#","actor":{"#;
const BROKER: &str = r#","actor":{"channel":"system"}"#;

/// An entry in its parts. Together they are the whole of it: if each is what it
/// should be, so is the entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut<'a> {
    pub kind: &'a str,
    pub time: &'a str,
    pub decided_at: Option<&'a str>,
    pub grant: GrantId,
    /// Whether it commits to a personal part.
    pub commits: bool,
    /// Its data, its actor and what it is about, as they stand behind each other.
    rest: &'a str,
}

/// What every entry of a life has at its end.
#[derive(Debug)]
pub(super) struct Ending {
    /// From the subject on.
    about: Box<str>,
    /// The requester, through the login that asked.
    requester: Box<str>,
}

impl<'a> Cut<'a> {
    /// Cuts an entry; none if it is written in another way, or names no grant.
    pub(super) fn of(entry: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(entry).ok()?;
        let text = text.strip_prefix(r#"{"v":1,"id":""#)?;
        let (id, text) = text.split_at_checked(ID_CHARACTERS)?;
        let (time, text) = quoted(text.strip_prefix(r#"","time":""#)?)?;
        let (decided_at, text) = match text.strip_prefix(r#","decided_at":""#) {
            Some(text) => quoted(text).map(|(at, text)| (Some(at), text))?,
            None => (None, text),
        };
        let (kind, text) = quoted(text.strip_prefix(r#","type":""#)?)?;
        let rest = text.strip_prefix(r#","data":"#)?.strip_suffix('}')?;
        let (commits, rest) = uncommitted(rest);
        // `…"links":{"grant":"…","requester":"…"}`
        let (links, _requester) = rest.strip_suffix(r#""}"#)?.rsplit_once('"')?;
        let links = links.strip_suffix(r#"","requester":"#)?;
        let (_, grant) = links.rsplit_once('"')?;
        Some(Self { kind, time, decided_at, grant: grant.parse().ok()?, commits, rest }).filter(|_| !id.contains('"'))
    }

    /// The data and the actor, of an entry that ends as the life's entries do.
    pub(super) fn known(&self, ending: &Ending) -> Option<(&'a str, Doer<'a>)> {
        let rest = self.rest.strip_suffix(&*ending.about)?;
        if let Some(data) = rest.strip_suffix(&*ending.requester) {
            return Some((data, Doer::Requester));
        }
        if let Some(data) = rest.strip_suffix(BROKER) {
            return Some((data, Doer::BROKER));
        }
        // In a text each of these quotes would be escaped.
        let at = rest.rfind(ACTOR)?;
        let (data, actor) = rest.split_at_checked(at)?;
        let actor = read::actor(actor.strip_prefix(r#","actor":"#)?).ok()?;
        Some((data, Doer::Some(actor)))
    }
}

/// The fields behind the actor, in the order in which they are written.
#[derive(Serialize)]
struct Behind<'a> {
    subject: Subject,
    incident: &'a IncidentRef,
    links: Links,
}

impl Ending {
    /// How our writer ends the entries of a life.
    pub(super) fn of(grant: &Grant, requester: &Actor) -> Option<Self> {
        let request = &grant.request;
        let behind =
            Behind { subject: Subject::target(&request.target), incident: &request.incident, links: Links::to(grant) };
        let about = serde_json::to_string(&behind).ok()?;
        let about = about.strip_prefix('{')?.strip_suffix('}')?;
        let actor = serde_json::to_string(requester).ok()?;
        Some(Self { about: [",", about].concat().into(), requester: [r#","actor":"#, &actor].concat().into() })
    }
}

/// A text without escapes, up to its closing quote, and what comes behind.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (quoted, rest) = text.split_once('"')?;
    (!quoted.contains('\\')).then_some((quoted, rest))
}

/// The text without the hash at its end, and whether there was one.
fn uncommitted(text: &str) -> (bool, &str) {
    let without = || {
        let (rest, hash) = text.strip_suffix('"')?.split_at_checked(text.len().checked_sub(HASH_DIGITS + 1)?)?;
        let rest = rest.strip_suffix(COMMITMENT)?;
        hash.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(rest)
    };
    without().map_or((false, text), |rest| (true, rest))
}
