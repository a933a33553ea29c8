//! What the chapters do, and what is noted of it for the end.

use std::cell::{Ref, RefCell};
use std::time::Duration;

use halligan_aws::{Attempt, Seen, StaticCredentials, Visitor};
use halligan_server::views::{
    AcknowledgeBody, CredentialsView, GrantView, IncidentRefView, ReasonBody, RequestBody, TargetView,
};
use jiff::SignedDuration;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::log;
use super::policy::Told;
use crate::client::failure::Failure;
use crate::demo::narrate::Narrator;
use crate::demo::observe::now;
use crate::demo::people::subject;
use crate::demo::world::{OPEN_INCIDENT, PROVIDER, ROLE, World};

const SETTLED_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// The world, and what happened in it.
pub struct Scene<'a> {
    pub world: World,
    pub narrator: &'a Narrator,
    refusals: RefCell<Vec<Refusal>>,
    mints: RefCell<Vec<Mint>>,
    secrets: RefCell<Vec<SecretString>>,
}

/// Something that must be refused.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    /// What was tried.
    pub attempt: &'static str,
    /// Under which login.
    pub login: String,
    /// The problem that should answer.
    pub expected: &'static str,
    /// The problem that answered.
    pub answered: String,
    /// What it said of policies.
    #[serde(skip)]
    pub by_policy: Told,
}

impl Refusal {
    /// Whether it was refused, for its reason.
    pub fn is_right(&self) -> bool {
        self.answered == self.expected
    }
}

/// Credentials that were issued.
#[derive(Debug, Clone, Serialize)]
pub struct Mint {
    /// The grant.
    pub grant: String,
    /// Whether the archive held the intent when they arrived.
    pub intended_before: bool,
}

/// Credentials of a grant, and what can be done with them.
#[derive(Debug, Clone)]
pub struct Held {
    /// The grant.
    pub grant: String,
    pub visitor: Visitor,
}

impl<'a> Scene<'a> {
    pub fn new(world: World, narrator: &'a Narrator) -> Self {
        let (refusals, mints, secrets) = Default::default();
        Self { world, narrator, refusals, mints, secrets }
    }

    /// What was noted.
    pub fn into_notes(self) -> (Vec<Refusal>, Vec<Mint>) {
        (self.refusals.into_inner(), self.mints.into_inner())
    }

    /// What was refused so far.
    pub fn refusals(&self) -> Ref<'_, Vec<Refusal>> {
        self.refusals.borrow()
    }

    /// Every secret that was issued so far.
    pub fn secrets(&self) -> Ref<'_, Vec<SecretString>> {
        self.secrets.borrow()
    }

    /// How many mints there were.
    pub fn mint_count(&self) -> usize {
        self.mints.borrow().len()
    }

    /// Somebody asks.
    pub async fn ask(&self, login: &str, body: &RequestBody) -> Result<GrantView, Failure> {
        self.world.people.post(login, &["v1", "grants"], body).await
    }

    /// Somebody says yes.
    pub async fn acknowledge(&self, login: &str, grant: &GrantView) -> Result<GrantView, Failure> {
        let body = AcknowledgeBody { request_hash: grant.request_hash.clone(), signature: None };
        self.world.people.post(login, &["v1", "grants", &grant.id, "acknowledge"], &body).await
    }

    /// Somebody ends it.
    pub async fn revoke(&self, login: &str, grant: &str) -> Result<GrantView, Failure> {
        let body = ReasonBody { reason: "the demo ends this one".to_owned() };
        self.world.people.post(login, &["v1", "grants", grant, "revoke"], &body).await
    }

    /// The requester gets credentials, and the logging account is looked into at once.
    pub async fn mint(&self, login: &str, grant: &str) -> anyhow::Result<Held> {
        let credentials: CredentialsView =
            self.world.people.secret(login, &["v1", "grants", grant, "credentials"]).await?;
        let entries = self.world.archive.entries().await?;
        let before = self.mints.borrow().iter().filter(|mint| mint.grant == grant).count();
        let intended_before = log::intents_of(&entries, grant) > before;
        self.mints.borrow_mut().push(Mint { grant: grant.to_owned(), intended_before });
        let CredentialsView { access_key_id, secret_access_key, session_token, .. } = credentials;
        self.secrets.borrow_mut().extend([secret_access_key.clone(), session_token.clone()]);
        let keys = StaticCredentials { access_key_id, secret_access_key, session_token: Some(session_token) };
        Ok(Held { grant: grant.to_owned(), visitor: Visitor::new(&self.world.accounts, &keys) })
    }

    /// The grant as the API has it now.
    pub async fn read(&self, grant: &str) -> Result<GrantView, Failure> {
        self.world.people.get("carol", &["v1", "grants", grant]).await
    }

    /// The grant, once it is over, or when that takes too long: the worker that
    /// writes it down may have just begun.
    pub async fn settled(&self, grant: &str) -> Result<GrantView, Failure> {
        let deadline = now() + SETTLED_WITHIN;
        loop {
            let grant = self.read(grant).await?;
            if grant.state.is_over() || now() >= deadline {
                return Ok(grant);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// AWS is asked for something that it should allow, or should not.
    pub async fn try_out(&self, held: &Held, attempt: Attempt<'_>, allowed: bool, what: &str) -> Seen {
        let seen = held.visitor.attempt(attempt).await;
        let good = match &seen {
            Seen::Allowed => allowed,
            Seen::Denied { .. } => !allowed,
            Seen::Unclear(_) => false,
        };
        self.narrator.asked(what, &seen, good);
        seen
    }

    /// Somebody posts what must be refused.
    pub async fn refuse(
        &self,
        login: &str,
        attempt: &'static str,
        expected: &'static str,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<(), Failure> {
        let answer = self.world.people.post::<Value>(login, path, body).await;
        self.note_refusal(login, attempt, expected, answer.map(drop))
    }

    /// Somebody asks for credentials that they must not get.
    pub async fn refuse_mint(
        &self,
        login: &str,
        attempt: &'static str,
        expected: &'static str,
        grant: &str,
    ) -> Result<(), Failure> {
        let answer = self.world.people.secret::<Value>(login, &["v1", "grants", grant, "credentials"]).await;
        self.note_refusal(login, attempt, expected, answer.map(drop))
    }

    fn note_refusal(
        &self,
        login: &str,
        attempt: &'static str,
        expected: &'static str,
        answer: Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (answered, by_policy) = match answer {
            Ok(()) => ("not refused".to_owned(), Told::default()),
            Err(Failure::Refused(refused)) => {
                let problem = refused.problem;
                let answered = problem.slug().unwrap_or(&problem.kind).to_owned();
                (answered, Told { rules: problem.rules, unmet: problem.unmet })
            }
            Err(failure) => return Err(failure),
        };
        let refusal = Refusal { attempt, login: subject(login).to_owned(), expected, answered, by_policy };
        self.narrator.seen(refusal.is_right(), attempt, &refusal.answered);
        self.refusals.borrow_mut().push(refusal);
        Ok(())
    }
}

/// A request for the demo's role, on the occasion of the open incident.
pub fn request(seconds: i64) -> RequestBody {
    RequestBody {
        target: TargetView::role(ROLE),
        scope: None,
        incident: IncidentRefView { provider: PROVIDER.to_owned(), id: OPEN_INCIDENT.to_owned() },
        reason: "checkout answers 500".to_owned(),
        duration_seconds: seconds,
        emergency: false,
    }
}

/// The same, with a field that is the broker's to decide.
pub fn request_with(field: &str, value: &str) -> Value {
    let mut body = json!(request(600));
    if let Some(fields) = body.as_object_mut() {
        fields.insert(field.to_owned(), json!(value));
    }
    body
}
