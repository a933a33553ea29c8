//! Who vouches for callers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use halligan_connect::oidc::{HttpKeySets, KeySource};
use halligan_core::id::{GroupId, MachineId};
use halligan_engine::access::{GroupsClaim, IssuerKind, IssuerRules, MfaSigns, Unlinked};
use halligan_engine::identity::PASSKEY_ISSUER;
use halligan_server::auth::{Algorithm, Issuer as Tokens, IssuerKeys, TokenKey};
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use super::{Findings, machines, places, shown, sign_in};
use crate::config::access::Issuer;
use crate::config::model;

/// It stands in every entry of whoever comes from there.
const ISSUER_BYTES_MAX: usize = 255;
const LIFETIME_MAX: SignedDuration = SignedDuration::from_hours(24);
/// Claims that change, or that people choose: one human could become two persons, or another.
pub(super) const MUTABLE: [&str; 6] = ["email", "preferred_username", "upn", "name", "nickname", "unique_name"];

/// Issuers, as the parts of the broker take them.
#[derive(Default)]
pub(super) struct Vouching {
    /// How their tokens are checked.
    pub issuers: Vec<Issuer>,
    /// What their tokens mean.
    pub rules: Vec<IssuerRules>,
    /// The machines of all of them.
    pub machines: BTreeMap<MachineId, BTreeSet<GroupId>>,
}

pub(super) fn issuers(issuers: Vec<model::Issuer>, found: &mut Findings<'_>) -> Vouching {
    let mut names = BTreeSet::new();
    for (index, issuer) in issuers.iter().enumerate() {
        if !names.insert(issuer.issuer.as_str()) {
            let problem =
                format!("`{}` is there twice: expected each issuer once, with all its keys", shown(&issuer.issuer));
            found.refuse(format!("issuers[{index}].issuer"), problem);
        }
        if issuer.issuer == PASSKEY_ISSUER {
            let problem =
                format!("`{PASSKEY_ISSUER}` is the broker's own name for logins by passkey: expected another");
            found.refuse(format!("issuers[{index}].issuer"), problem);
        }
    }
    let of_people = issuers.iter().filter(|issuer| issuer.people).count();
    if of_people == 0 {
        let problem = "none vouches for people, so nobody could ask: expected `[[issuers]]` with `people = true`";
        found.refuse("issuers", problem);
    }
    let mut vouching = Vouching::default();
    for (index, issuer) in issuers.into_iter().enumerate() {
        let at = format!("issuers[{index}]");
        if let Some(rules) = rules(&at, &issuer, of_people, &mut vouching.machines, found) {
            vouching.rules.push(rules);
        }
        vouching.issuers.extend(checked(&at, issuer, found));
    }
    sign_in::names(&vouching.issuers, found);
    key_twice(&vouching.issuers, found);
    vouching
}

/// What its tokens mean.
fn rules(
    at: &str,
    issuer: &model::Issuer,
    of_people: usize,
    machines: &mut BTreeMap<MachineId, BTreeSet<GroupId>>,
    found: &mut Findings<'_>,
) -> Option<IssuerRules> {
    subject_claims(at, &issuer.subject_claims, found);
    let kind = if issuer.people {
        Some(IssuerKind::People(unlinked(at, issuer, of_people, found)))
    } else {
        machines_alone(at, issuer, found);
        machines::rules(at, &issuer.machines, machines, found).map(IssuerKind::Machines)
    };
    let groups = issuer.groups.as_ref().map(|groups| groups_claim(at, groups, found));
    let (mfa, auth_time) = proofs(at, issuer, found);
    Some(IssuerRules {
        issuer: issuer.issuer.clone(),
        subject_claims: issuer.subject_claims.clone(),
        groups,
        mfa,
        auth_time,
        kind: kind?,
    })
}

/// How its tokens say how and when somebody proved who they are. Whoever holds a key of `keys` says it
/// themselves, so there it counts for nothing unless somebody asks for it.
fn proofs(at: &str, issuer: &model::Issuer, found: &mut Findings<'_>) -> (MfaSigns, bool) {
    let published = issuer.keys.is_empty();
    let auth_time = issuer.auth_time.unwrap_or(published);
    let usual = || if published { ["mfa".to_owned()].into() } else { BTreeSet::new() };
    let Some(model::Mfa { amr, acr }) = &issuer.mfa else {
        return (MfaSigns { amr: usual(), ..MfaSigns::default() }, auth_time);
    };
    let signs = MfaSigns { amr: amr.clone().unwrap_or_else(usual), acr: acr.clone() };
    let field = format!("{at}.mfa");
    if signs.amr.iter().chain(&signs.acr).any(String::is_empty) {
        found.refuse(field, "holds an empty text: expected values such as `mfa`");
    } else if !auth_time && (!signs.amr.is_empty() || !signs.acr.is_empty()) {
        let problem = "is set, and counts only with a time of proof that is believed: expected `auth_time = true` beside it, which lets whoever holds a key of the issuer say both themselves, or no `mfa`";
        found.refuse(field, problem);
    }
    (signs, auth_time)
}

fn subject_claims(at: &str, claims: &[String], found: &mut Findings<'_>) {
    let field = format!("{at}.subject_claims");
    if claims.is_empty() {
        found.refuse(&field, "is empty, so no token would name anybody: expected such as `[\"sub\"]`");
    }
    for (index, claim) in claims.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if claim.is_empty() {
            found.refuse(field, "is empty: expected the name of a claim, such as `sub`");
        } else if MUTABLE.contains(&claim.as_str()) {
            let problem = format!(
                "`{claim}` changes, or is what people choose, so one human could become two persons, or somebody else: \
                 expected claims that name the same human for ever, such as `sub`"
            );
            found.refuse(field, problem);
        } else if claims.iter().take(index).any(|earlier| earlier == claim) {
            found.refuse(field, format!("`{}` is there twice: expected each claim once", shown(claim)));
        }
    }
}

fn unlinked(at: &str, issuer: &model::Issuer, of_people: usize, found: &mut Findings<'_>) -> Unlinked {
    if !issuer.machines.is_empty() {
        let problem = "is set, and the issuer vouches for people, so a machine's token could acknowledge: expected an issuer of its own with `people = false`";
        found.refuse(format!("{at}.machines"), problem);
    }
    match issuer.unlinked {
        model::Unlinked::Refuse => Unlinked::Refuse,
        model::Unlinked::Admit => {
            if of_people > 1 {
                let problem = "`admit` makes a person of each login, and there are several issuers of people: one human would be two persons, and could acknowledge what they asked for: expected `refuse`, and the logins of each human in `people.NAME.principals`";
                found.refuse(format!("{at}.unlinked"), problem);
            }
            if let Some(problem) = several_persons(issuer) {
                found.refuse(format!("{at}.unlinked"), problem);
            }
            Unlinked::Admit
        }
    }
}

/// Why one human would be several persons at this issuer, where that is known of it.
fn several_persons(issuer: &model::Issuer) -> Option<&'static str> {
    let host = issuer.issuer.strip_prefix("https://")?.split('/').next()?;
    match host {
        "gitlab.com" | "token.actions.githubusercontent.com" => Some(
            "`admit` would make a person of each of this issuer's CI jobs, whose tokens are for whatever audience their author names: expected `refuse`, and logins in `people.NAME.principals`",
        ),
        "login.microsoftonline.com" | "login.microsoftonline.us" | "login.partner.microsoftonline.cn"
            if issuer.subject_claims.iter().any(|claim| claim == "sub") =>
        {
            Some(
                "`admit` would make a person of each `sub`, which is another for each client of this issuer: expected `subject_claims = [\"tid\", \"oid\"]`",
            )
        }
        _ => None,
    }
}

/// What makes no sense of an issuer of machines.
fn machines_alone(at: &str, issuer: &model::Issuer, found: &mut Findings<'_>) {
    let mut only_of_people = |field: &str| {
        let problem = "is set, and the issuer vouches for no people: expected it with `people = true`";
        found.refuse(format!("{at}.{field}"), problem);
    };
    if issuer.sign_in.is_some() {
        only_of_people("sign_in");
    }
    if issuer.unlinked == model::Unlinked::Admit {
        only_of_people("unlinked");
    }
    if issuer.machines.is_empty() {
        let problem = "is empty, and the issuer vouches for no people either: expected what its tokens are, as `[[issuers.machines]]`";
        found.refuse(format!("{at}.machines"), problem);
    }
}

fn groups_claim(at: &str, groups: &model::GroupsClaim, found: &mut Findings<'_>) -> GroupsClaim {
    if groups.claim.is_empty() {
        found.refuse(format!("{at}.groups.claim"), "is empty: expected the name of a claim, such as `groups`");
    }
    if groups.map.is_empty() {
        let problem =
            "is empty, so what the claim says would mean nothing: expected groups here by what the issuer calls them";
        found.refuse(format!("{at}.groups.map"), problem);
    }
    GroupsClaim { claim: groups.claim.clone(), map: groups.map.clone() }
}

/// How its tokens are checked.
fn checked(at: &str, issuer: model::Issuer, found: &mut Findings<'_>) -> Option<Issuer> {
    if issuer.issuer.len() > ISSUER_BYTES_MAX {
        let problem = format!(
            "has {} bytes: expected at most {ISSUER_BYTES_MAX}, as entries of the log hold",
            issuer.issuer.len()
        );
        found.refuse(format!("{at}.issuer"), problem);
    }
    let max_lifetime = issuer.max_lifetime;
    if max_lifetime.get() > LIFETIME_MAX {
        let problem = format!("`{max_lifetime}` is longer than a token should be good for: expected at most 24h");
        found.refuse(format!("{at}.max_lifetime"), problem);
    }
    let of_use = issuer.keys.is_empty() || issuer.sign_in.is_some();
    let ca_file = issuer.ca_file.as_ref().filter(|_| of_use);
    let ca_file = ca_file.map(|path| found.readable(&format!("{at}.ca_file"), path));
    let sign_in = match &issuer.sign_in {
        Some(settings) if issuer.people => sign_in::sign_in(at, settings, &issuer, ca_file.clone(), found),
        Some(_) | None => None,
    };
    let mut audiences = vec![issuer.audience.clone()];
    let command_line = sign_in.as_ref().and_then(|sign_in| sign_in.command_line_client_id.clone());
    audiences.extend(command_line.filter(|client| !client.is_empty() && *client != issuer.audience));
    let (keys, published) = keys(at, &issuer, ca_file, found)?;
    let algorithm = if published.is_some() { Algorithm::RS256 } else { Algorithm::EdDSA };
    let algorithms = issuer.algorithms.map_or_else(|| vec![algorithm], |chosen| chosen.into_iter().collect());
    let max_lifetime = max_lifetime.get();
    let tokens = Tokens { issuer: issuer.issuer, audiences, keys, algorithms, max_lifetime };
    // Whoever checks the tokens knows best what they can be checked with.
    if let Err(error) = tokens.check() {
        found.refuse(at, error.to_string());
        return None;
    }
    Some(Issuer { tokens, published, sign_in })
}

fn keys(
    at: &str,
    issuer: &model::Issuer,
    ca_file: Option<PathBuf>,
    found: &mut Findings<'_>,
) -> Option<(IssuerKeys, Option<KeySource>)> {
    let chosen: Vec<&str> =
        [("keys", !issuer.keys.is_empty()), ("jwks_url", issuer.jwks_url.is_some()), ("discovery", issuer.discovery)]
            .into_iter()
            .filter_map(|(setting, set)| set.then_some(setting))
            .collect();
    let [chosen] = chosen[..] else {
        let problem =
            if chosen.is_empty() { "has no keys".to_owned() } else { format!("has {}", super::quoted(chosen)) };
        found.refuse(at, format!("{problem}: expected exactly one of `keys`, `jwks_url` and `discovery = true`"));
        return None;
    };
    if chosen != "keys" {
        let source = published(at, issuer, ca_file, found)?;
        let authority = source.ca_file.as_deref().map(sha256_of);
        // As it stands in the file: the same on each replica, wherever its files are.
        let way = format!("{:?} {:?} {authority:?}", issuer.jwks_url, issuer.bearer_file);
        return Some((IssuerKeys::Published(way), Some(source)));
    }
    // The provider that people sign in with may still have an authority of its own.
    let idle = [
        ("ca_file", issuer.ca_file.is_some() && issuer.sign_in.is_none()),
        ("bearer_file", issuer.bearer_file.is_some()),
    ];
    for (setting, _) in idle.into_iter().filter(|(_, set)| *set) {
        let problem = "is set, and the keys stand in this file: expected it beside `jwks_url` or `discovery`";
        found.refuse(format!("{at}.{setting}"), problem);
    }
    let read = |(index, key)| key_of(&format!("{at}.keys[{index}]"), key, found);
    let keys: Vec<TokenKey> = issuer.keys.iter().enumerate().filter_map(read).collect();
    (keys.len() == issuer.keys.len()).then_some((IssuerKeys::Fixed(keys), None))
}

fn published(
    at: &str,
    issuer: &model::Issuer,
    ca_file: Option<PathBuf>,
    found: &mut Findings<'_>,
) -> Option<KeySource> {
    let sound = match &issuer.jwks_url {
        Some(url) => places::secure_url(&format!("{at}.jwks_url"), url, found),
        None => places::secure_url(&format!("{at}.issuer"), &issuer.issuer, found),
    };
    let source = KeySource {
        issuer: issuer.issuer.clone(),
        jwks_uri: issuer.jwks_url.clone(),
        ca_file,
        bearer_file: issuer.bearer_file.as_ref().map(|path| found.readable(&format!("{at}.bearer_file"), path)),
    };
    sound?;
    // What can't be read has been said already.
    if source.ca_file.iter().chain(&source.bearer_file).any(|path| !path.exists()) {
        return None;
    }
    match HttpKeySets::new([source.clone()]) {
        Ok(_) => Some(source),
        Err(problem) => {
            found.refuse(at, problem);
            None
        }
    }
}

fn key_of(at: &str, key: &model::Key, found: &mut Findings<'_>) -> Option<TokenKey> {
    let (field, pem) = match (&key.pem, &key.file) {
        (Some(pem), None) => (format!("{at}.pem"), pem.clone()),
        (None, Some(file)) => {
            let field = format!("{at}.file");
            let pem = found.text_of(&field, file)?;
            (field, pem)
        }
        (Some(_), Some(_)) | (None, None) => {
            found.refuse(at, "expected either `pem` or `file`");
            return None;
        }
    };
    if pem.contains("PRIVATE KEY") {
        let problem = "is a private key: expected its public half, which begins with `-----BEGIN PUBLIC KEY-----`, and a new key if this file has been seen";
        found.refuse(field, problem);
        return None;
    }
    Some(TokenKey { kid: key.kid.clone(), pem })
}

/// What a file holds, by its hash: a change of it counts, and where it is doesn't.
pub(super) fn sha256_of(file: &Path) -> String {
    hex::encode(Sha256::digest(std::fs::read(file).unwrap_or_default()))
}

/// A key that two issuers have is held by somebody who can be the people of both.
fn key_twice(issuers: &[Issuer], found: &mut Findings<'_>) {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for issuer in issuers {
        let Tokens { issuer, keys: IssuerKeys::Fixed(keys), .. } = &issuer.tokens else { continue };
        for key in keys {
            let pem: String = key.pem.split_whitespace().collect();
            if let Some(other) = owners.insert(pem, issuer).filter(|other| *other != issuer) {
                let problem = format!(
                    "`{}` and `{}` have the same key, so whoever holds it could acknowledge what they asked for: expected a key of its own for each",
                    shown(other),
                    shown(issuer)
                );
                found.refuse("issuers", problem);
            }
        }
    }
}
