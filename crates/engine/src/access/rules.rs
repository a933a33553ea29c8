//! From the claims of a token to a login. ID tokens and bearer tokens go through the same rules.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::actor::Principal;
use halligan_core::id::{GroupId, MachineId};
use jiff::Timestamp;
use serde_json::Value;

use crate::ports::Claims;

/// Between the values of several subject claims. No value may hold it.
const BETWEEN: char = '/';
/// The longest subject: OpenID Connect allows as many ASCII characters.
const SUBJECT_BYTES_MAX: usize = 255;
/// More groups than anybody is in.
const GROUPS_MAX: usize = 1_000;

/// What an issuer's tokens mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerRules {
    /// Its `iss`.
    pub issuer: String,
    /// The claims that name the subject, for ever and for every client. Never empty.
    pub subject_claims: Vec<String>,
    /// Where its tokens say which groups somebody is in.
    pub groups: Option<GroupsClaim>,
    /// How its tokens say that there was a second factor.
    pub mfa: MfaSigns,
    /// Whether its tokens are believed when they say when somebody proved who they are (`auth_time`). Not where
    /// whoever it vouches for holds its key: they would write that themselves. Without a time that is believed,
    /// a second factor counts for nothing either.
    pub auth_time: bool,
    /// Whether it vouches for people.
    pub kind: IssuerKind,
}

/// Whom an issuer vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerKind {
    /// Humans.
    People(Unlinked),
    /// Pipelines, workloads, incident tools: the first that fits.
    Machines(Vec<MachineRule>),
}

/// What becomes of a login that no person is linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    /// It is nobody's.
    Refuse,
    /// Each is a person of its own. Only where it is the one issuer of people: of two,
    /// one human would be two persons.
    Admit,
}

/// A claim that lists groups, and what they are called here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupsClaim {
    /// The claim: a text or a list of texts.
    pub claim: String,
    /// Ours, by the provider's. What isn't there means nothing here.
    pub map: BTreeMap<String, GroupId>,
}

/// The values that stand for a second factor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MfaSigns {
    /// In `amr` (RFC 8176).
    pub amr: BTreeSet<String>,
    /// As `acr`.
    pub acr: BTreeSet<String>,
}

/// A machine, by what its tokens say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineRule {
    /// Which.
    pub machine: MachineId,
    /// What its tokens say, all of it, to the letter. Never empty.
    pub claims: BTreeMap<String, String>,
    /// The claim that names the human who set it off.
    pub human_claim: Option<String>,
}

/// A login, as its issuer's rules read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Who vouches, and for whom.
    pub principal: Principal,
    /// What it is.
    pub kind: LoginKind,
    /// The groups that the token says; none: it says nothing of groups.
    pub groups: Option<BTreeSet<GroupId>>,
    /// When the token was issued (`iat`).
    pub issued_at: Option<Timestamp>,
    /// When they proved who they are (`auth_time`), if its issuer is believed in that.
    pub authenticated_at: Option<Timestamp>,
    /// Whether with a second factor.
    pub mfa: bool,
}

/// What a login is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginKind {
    /// A human's.
    Person,
    /// A machine's.
    Machine {
        /// Which.
        machine: MachineId,
        /// The human that the token names: the claim and its value.
        names: Option<(String, String)>,
    },
}

/// Why claims make no login. The texts show nothing of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginFault {
    /// A claim that names the subject isn't there as a text, is empty, too long, or holds a `/` where several are joined.
    #[error("the token's `{0}` is no subject: expected 1 to 255 bytes of printable text{1}", claim, if *joined { ", without `/`" } else { "" })]
    Subject {
        /// Which claim.
        claim: String,
        /// Whether several are joined.
        joined: bool,
    },
    /// No machine is configured that says this of itself.
    #[error("the token's claims fit no machine that is configured for its issuer")]
    NoMachine,
    /// A machine's token that should name a human doesn't.
    #[error("the token's `{0}` names no human: expected a text")]
    NoHuman(String),
    /// Nobody signed in for it: whoever may register a client would be a second person.
    #[error("the token is one that a client of the issuer got for itself: expected one of somebody who signed in")]
    ClientsOwn,
    /// `groups` of another shape, or without end.
    #[error("the token's `{0}` lists no groups: expected a text or a list of at most 1,000 texts")]
    Groups(String),
    /// `auth_time` is no time.
    #[error("the token's `auth_time` is no time: expected whole seconds since 1970")]
    AuthTime,
}

impl IssuerRules {
    /// The login that these claims make.
    ///
    /// # Errors
    /// Which claim is missing or unusable: nothing is guessed.
    pub fn login(&self, claims: &Claims) -> Result<Login, LoginFault> {
        let principal = Principal { issuer: self.issuer.clone(), subject: self.subject(claims)? };
        let kind = match &self.kind {
            IssuerKind::People(_) if is_a_client_s(claims) => return Err(LoginFault::ClientsOwn),
            IssuerKind::People(_) => LoginKind::Person,
            IssuerKind::Machines(rules) => machine(rules, claims)?,
        };
        Ok(Login {
            principal,
            kind,
            groups: self.groups.as_ref().map(|groups| groups.of(claims)).transpose()?.flatten(),
            issued_at: claims.get("iat").and_then(instant),
            authenticated_at: authenticated_at(claims)?.filter(|_| self.auth_time),
            mfa: self.auth_time && self.mfa.in_claims(claims),
        })
    }

    fn subject(&self, claims: &Claims) -> Result<String, LoginFault> {
        let joined = self.subject_claims.len() > 1;
        let value = |claim: &String| {
            let text = claims.get(claim).and_then(Value::as_str).filter(|text| {
                let shown = halligan_core::text::printable(text, SUBJECT_BYTES_MAX);
                !text.is_empty() && shown == *text && !(joined && text.contains(BETWEEN))
            });
            text.ok_or_else(|| LoginFault::Subject { claim: claim.clone(), joined })
        };
        let values = self.subject_claims.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        let subject = values.join(&BETWEEN.to_string());
        let first = || self.subject_claims.first().cloned().unwrap_or_default();
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX {
            return Err(LoginFault::Subject { claim: first(), joined });
        }
        Ok(subject)
    }
}

/// Whether it says that it was given for a client's own credentials: Entra ID's `idtyp`, Auth0's `gty`, and,
/// by RFC 9068, a subject that is the client.
fn is_a_client_s(claims: &Claims) -> bool {
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    let client = ["client_id", "azp", "appid", "cid"].into_iter().filter_map(text);
    text("idtyp") == Some("app")
        || text("gty") == Some("client-credentials")
        || client.into_iter().any(|client| text("sub") == Some(client))
}

fn machine(rules: &[MachineRule], claims: &Claims) -> Result<LoginKind, LoginFault> {
    let says = |(claim, expected): (&String, &String)| claims.get(claim).and_then(Value::as_str) == Some(expected);
    // A rule without claims would fit every token of the issuer.
    let fits = |rule: &&MachineRule| !rule.claims.is_empty() && rule.claims.iter().all(says);
    let rule = rules.iter().find(fits).ok_or(LoginFault::NoMachine)?;
    let named = |claim: &String| match claims.get(claim).and_then(Value::as_str) {
        Some(value) if !value.is_empty() => Ok((claim.clone(), value.to_owned())),
        // Without the name, whoever set it off could acknowledge.
        Some(_) | None => Err(LoginFault::NoHuman(claim.clone())),
    };
    let names = rule.human_claim.as_ref().map(named).transpose()?;
    Ok(LoginKind::Machine { machine: rule.machine.clone(), names })
}

fn authenticated_at(claims: &Claims) -> Result<Option<Timestamp>, LoginFault> {
    claims.get("auth_time").map(|value| instant(value).ok_or(LoginFault::AuthTime)).transpose()
}

fn instant(value: &Value) -> Option<Timestamp> {
    Timestamp::from_second(value.as_i64()?).ok()
}

impl GroupsClaim {
    /// None: the token doesn't have the claim, and says nothing.
    fn of(&self, claims: &Claims) -> Result<Option<BTreeSet<GroupId>>, LoginFault> {
        let Some(value) = claims.get(&self.claim) else { return Ok(None) };
        let fault = || LoginFault::Groups(self.claim.clone());
        let texts = texts(value).filter(|texts| texts.len() <= GROUPS_MAX).ok_or_else(fault)?;
        Ok(Some(texts.into_iter().filter_map(|text| self.map.get(text).cloned()).collect()))
    }
}

impl MfaSigns {
    fn in_claims(&self, claims: &Claims) -> bool {
        let amr = claims.get("amr").and_then(texts).unwrap_or_default();
        let acr = claims.get("acr").and_then(Value::as_str);
        amr.into_iter().any(|text| self.amr.contains(text)) || acr.is_some_and(|text| self.acr.contains(text))
    }
}

/// A text, or a list of nothing but texts.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(subject_claims: &[&str]) -> IssuerRules {
        IssuerRules {
            issuer: "https://id.example.com".to_owned(),
            subject_claims: subject_claims.iter().map(|claim| (*claim).to_owned()).collect(),
            groups: Some(GroupsClaim {
                claim: "groups".to_owned(),
                map: [("theirs".to_owned(), "on-call".parse().unwrap())].into(),
            }),
            mfa: MfaSigns { amr: ["mfa".to_owned()].into(), acr: ["gold".to_owned()].into() },
            auth_time: true,
            kind: IssuerKind::People(Unlinked::Refuse),
        }
    }

    fn login(subject_claims: &[&str], claims: &Value) -> Result<Login, LoginFault> {
        rules(subject_claims).login(claims.as_object().unwrap())
    }

    /// Entra ID's `sub` is another in each application; its `tid` and `oid` are not.
    #[test]
    fn two_clients_of_a_directory_see_one_login() {
        let of = |sub: &str| login(&["tid", "oid"], &json!({"sub": sub, "tid": "t", "oid": "o"})).unwrap().principal;
        assert_eq!(of("for the web"), of("for the command line"));
        assert_eq!(of("any").subject, "t/o");
    }

    #[test]
    fn what_is_no_subject_makes_no_login() {
        let cases = [
            ("missing", json!({"tid": "t"})),
            ("a number", json!({"tid": "t", "oid": 7})),
            ("empty", json!({"tid": "t", "oid": ""})),
            ("a border that moves", json!({"tid": "t/o", "oid": "o"})),
            ("not printable", json!({"tid": "t", "oid": "o\u{202e}"})),
            ("too long", json!({"tid": "t", "oid": "o".repeat(256)})),
        ];
        for (what, claims) in cases {
            assert!(matches!(login(&["tid", "oid"], &claims), Err(LoginFault::Subject { .. })), "{what}");
        }
    }

    /// Addresses identify nobody, whatever the provider says of them.
    #[test]
    fn an_e_mail_address_verified_or_not_is_no_login() {
        for verified in [json!(true), json!(false), json!("true"), Value::Null] {
            let claims = json!({"sub": "7", "email": "Alice@example.com", "email_verified": verified});
            assert_eq!(login(&["sub"], &claims).unwrap().principal.subject, "7");
        }
        assert!(login(&["sub"], &json!({"email": "alice@example.com", "email_verified": true})).is_err());
    }

    #[test]
    fn a_client_s_own_token_is_no_person_s() {
        let own = [
            ("Entra ID", json!({"sub": "7", "idtyp": "app"})),
            ("Auth0", json!({"sub": "7@clients", "gty": "client-credentials"})),
            ("RFC 9068", json!({"sub": "7", "client_id": "7"})),
            ("Okta", json!({"sub": "7", "cid": "7"})),
        ];
        for (what, claims) in own {
            assert_eq!(login(&["sub"], &claims), Err(LoginFault::ClientsOwn), "{what}");
        }
        login(&["sub"], &json!({"sub": "7", "azp": "halligan-web", "client_id": "halligan-web"})).unwrap();
    }

    #[test]
    fn groups_are_said_in_a_text_or_a_list_or_not_at_all() {
        let of = |groups: Value| login(&["sub"], &json!({"sub": "7", "groups": groups})).map(|login| login.groups);
        let ours = Some(BTreeSet::from(["on-call".parse().unwrap()]));
        assert_eq!(of(json!("theirs")), Ok(ours.clone()));
        assert_eq!(of(json!(["others", "theirs"])), Ok(ours));
        assert_eq!(of(json!([])), Ok(Some(BTreeSet::new())));
        assert_eq!(login(&["sub"], &json!({"sub": "7"})).unwrap().groups, None);
        for other in [json!({"theirs": true}), json!([1]), json!(vec!["theirs"; 1_001]), Value::Null] {
            assert_eq!(of(other.clone()), Err(LoginFault::Groups("groups".to_owned())), "{other}");
        }
    }

    #[test]
    fn a_second_factor_and_a_time_are_believed_of_whom_they_are_asked() {
        let mut rules = rules(&["sub"]);
        let claims = json!({"sub": "7", "amr": ["pwd", "mfa"], "acr": "gold", "auth_time": 5});
        let claims = claims.as_object().unwrap();
        let login = rules.login(claims).unwrap();
        assert_eq!((login.mfa, login.authenticated_at), (true, Timestamp::from_second(5).ok()));
        rules.auth_time = false;
        let login = rules.login(claims).unwrap();
        assert_eq!((login.mfa, login.authenticated_at), (false, None), "who signs their own tokens proves nothing so");
        let text = json!({"sub": "7", "auth_time": "5"});
        assert_eq!(rules.login(text.as_object().unwrap()), Err(LoginFault::AuthTime));
    }
}
