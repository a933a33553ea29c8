//! Minting credentials: conditions, intent, AssumeRole beside the log, answer.

use halligan_core::actor::Party;
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Grant, MintDraft, Refusal, Transition, Warrant};
use halligan_core::iam::{SessionName, SourceIdentity, session_policy};
use halligan_core::id::{MintId, PartyName};
use jiff::Timestamp;

use super::Broker;
use super::conditions::{about, together};
use super::step::Taken;
use crate::caller::{Caller, ConsoleSignIn, Minted};
use crate::ports::{Action, Change, Credentials, MintError};
use crate::problem::{Problem, ProblemKind};

/// From here on people are told, before AWS refuses.
const PACKED_ALARM_PERCENT: i32 = 80;

impl Broker {
    /// Mints credentials under an active grant, for its requester. Each call is a new mint.
    ///
    /// # Errors
    /// Which condition is missing, or what the log or AWS could not do. Whatever
    /// was minted then is discarded: no credentials leave with an error.
    pub async fn mint(&self, caller: &Caller, grant: &str) -> Result<Minted, Problem> {
        let found = self.named(caller, Action::Mint.as_str(), grant).await?.grant;
        let outcome = self.mint_found(caller, &found, false).await;
        self.told(caller, Action::Mint.as_str(), &found, outcome).await
    }

    /// As [`Broker::mint`], traded for a URL that signs in to the console once.
    ///
    /// # Errors
    /// As [`Broker::mint`]; or the role has no console.
    pub async fn console(&self, caller: &Caller, grant: &str) -> Result<ConsoleSignIn, Problem> {
        let found = self.named(caller, Action::Mint.as_str(), grant).await?.grant;
        let outcome = self.console_found(caller, &found).await;
        self.told(caller, Action::Mint.as_str(), &found, outcome).await
    }

    async fn console_found(&self, caller: &Caller, grant: &Grant) -> Result<ConsoleSignIn, Problem> {
        let role = self.role_of(grant)?;
        let Some(console) = self.ports.console.as_ref().filter(|_| role.console) else {
            let detail = format!("the role `{}` has no console sign-in: use credentials", role.id);
            return Err(Problem::new(ProblemKind::NoConsole, detail));
        };
        let minted = self.mint_found(caller, grant, true).await?;
        let url = console.sign_in(&minted.credentials).await?;
        Ok(ConsoleSignIn { url, expires_at: minted.expires_at })
    }

    async fn mint_found(&self, caller: &Caller, grant: &Grant, console: bool) -> Result<Minted, Problem> {
        let rules = self.conditions_hold(caller, grant).await?;
        let epoch = self.publisher.epoch();
        let Taken { grant, committed, with: warrant } = self.intend(caller, grant, console, rules).await?;
        // No credentials leave before the record of them is durable. Each mint
        // appends an entry, so there is always a position to wait for.
        let position = committed.position.unwrap_or(u64::MAX);
        let (durable, minted) = tokio::join!(self.durable(caller, position, epoch), self.ports.minter.mint(&warrant));
        let credentials = self.outcome(caller, &grant, &warrant, minted).await?;
        if let Err(because) = durable {
            self.discard(caller, &grant, &warrant, &credentials, "the record was not durable").await;
            let detail = format!(
                "the record of these credentials could not be made durable, so none were handed out: {because}"
            );
            return Err(Problem::new(ProblemKind::LogNotDurable, detail).retry_after(5));
        }
        self.still_warranted(caller, &warrant, &credentials).await?;
        if let Some(percent) = credentials.packed_policy_percent.filter(|percent| *percent >= PACKED_ALARM_PERCENT) {
            let scope = &grant.request.resolved.scope;
            tracing::warn!(%scope, percent, "the session policy nearly fills what AWS packs: mints will fail at 100");
        }
        let issued = Event::CredentialsIssued {
            mint: warrant.draft().mint,
            access_key_id: credentials.access_key_id.clone(),
            packed_policy_percent: credentials.packed_policy_percent,
        };
        self.append(caller, &grant, issued).await?;
        let expires_at = credentials.token_expires_at.min(warrant.draft().policy.fence());
        Ok(Minted { credentials, expires_at, grant })
    }

    /// Waits until the record is durable: in enough archives or, where somebody has
    /// granted that for a while, in another place.
    async fn durable(&self, caller: &Caller, position: u64, epoch: u64) -> Result<(), String> {
        let within = self.settings.log_wait;
        self.publisher.wake_followers();
        let mut archived = std::pin::pin!(self.publisher.make_durable(position, epoch, within));
        let mut instead = std::pin::pin!(self.overrides.confirmed(caller, position, self.ports.clock.now(), within));
        let mut refused = None;
        loop {
            tokio::select! {
                biased;
                outcome = &mut archived => match (outcome, refused) {
                    (Ok(()), _) => return Ok(()),
                    (Err(because), Some(_)) => return Err(because),
                    (Err(because), None) if self.publisher.is_forked() => return Err(because),
                    (Err(because), None) => return instead.await.map_err(|_| because),
                },
                outcome = &mut instead, if refused.is_none() => match outcome {
                    // Of two logs nobody knows which is right: there is no way round that.
                    Ok(()) if self.publisher.is_forked() => refused = Some("the log has gone two ways".to_owned()),
                    Ok(()) => return Ok(()),
                    Err(because) => refused = Some(because),
                },
            }
        }
    }

    /// Everything that must be true again at each mint.
    async fn conditions_hold(&self, caller: &Caller, grant: &Grant) -> Result<Vec<String>, Problem> {
        let now = self.ports.clock.now();
        // Deadlines that have passed are acted on by the step; here only who and what.
        match grant.mint_fence(&caller.party, now) {
            Ok(_) | Err(Refusal::Overdue(_)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
        if let Err(seconds) = self.mint_rate.take(&grant.request.id, now) {
            let detail = format!("this grant has minted {} times within a minute", self.settings.mints_per_minute);
            return Err(Problem::new(ProblemKind::RateLimited, detail).retry_after(seconds));
        }
        self.time_can_be_told().await?;
        let role = self.catalogue_unchanged(grant)?;
        let asked = self.incident_still_open(grant).await?;
        if asked.is_unknown() {
            tracing::warn!(grant = %grant.request.id, "minting on the incident's last known state");
        }
        let incident = asked.open.unwrap_or_else(|| self.last_seen(&grant.request.incident));
        let incident = Some(&incident);
        let rules = self.permitted(caller.asker(), Action::Mint, role, about(grant, incident)).await?;
        Ok(together([rules, self.acknowledgers_still_may(grant, role, incident).await?]))
    }

    /// Appends the intent, and takes the right to mint from the lifecycle.
    async fn intend(
        &self,
        caller: &Caller,
        grant: &Grant,
        console: bool,
        rules: Vec<String>,
    ) -> Result<Taken<Warrant>, Problem> {
        let role = self.role_of(grant)?;
        let scope = role.scopes.get(&grant.request.resolved.scope).ok_or_else(|| {
            Problem::new(
                ProblemKind::CatalogueChanged,
                "the scope of this grant is no longer in the catalogue: ask again",
            )
        })?;
        let principal = caller.party.principal();
        let step = |grant: &Grant, now: Timestamp| -> Result<(Transition, Warrant), Refusal> {
            let fence = grant.mint_fence(&caller.party, now)?;
            let draft = MintDraft {
                mint: MintId(self.ports.entropy.uuid_v7(now)),
                role_arn: role.arn.clone(),
                external_id: role.external_id.clone(),
                session_name: SessionName::new(self.ports.entropy.bytes()),
                source_identity: SourceIdentity::new(caller.party.as_str(), &principal.issuer, &principal.subject),
                policy: session_policy(scope, fence)?,
                token_seconds: MintDraft::token_seconds(now, fence, role.session_max),
                rules: rules.clone(),
            };
            grant.intend_mint(&caller.party, draft, console, now)
        };
        self.step(&caller.actor(), grant.request.id, None, step).await
    }

    /// Records what came of AssumeRole, if nothing did.
    async fn outcome(
        &self,
        caller: &Caller,
        grant: &Grant,
        warrant: &Warrant,
        minted: Result<Credentials, MintError>,
    ) -> Result<Credentials, Problem> {
        match minted {
            Ok(credentials) => Ok(credentials),
            Err(error) => {
                let outcome_unknown = matches!(error, MintError::OutcomeUnknown(_));
                let because = error.to_string();
                self.append(
                    caller,
                    grant,
                    Event::CredentialsFailed { mint: warrant.draft().mint, because, outcome_unknown },
                )
                .await?;
                Err(error.into())
            }
        }
    }

    /// The right is read again after AssumeRole and before the answer, and who still is there.
    async fn still_warranted(
        &self,
        caller: &Caller,
        warrant: &Warrant,
        credentials: &Credentials,
    ) -> Result<(), Problem> {
        let found = self.ports.grants.grant(warrant.grant()).await?;
        let Some(grant) = found.map(|found| found.grant) else {
            return Err(Problem::new(ProblemKind::RightLost, "the grant is gone"));
        };
        let because = if grant.still_warrants(warrant, self.ports.clock.now()) {
            match self.gone_meanwhile(caller, &grant).await? {
                Some(gone) => format!("`{gone}` is no longer linked to the login that was used"),
                None => return Ok(()),
            }
        } else {
            format!("the grant is {}", grant.phase())
        };
        self.discard(caller, &grant, warrant, credentials, &because).await;
        let detail = format!("{because}: what was minted meanwhile was discarded");
        Err(Problem::new(ProblemKind::RightLost, detail))
    }

    /// Whoever of those that the mint rests on has lost the login that was used.
    async fn gone_meanwhile(&self, caller: &Caller, grant: &Grant) -> Result<Option<PartyName>, Problem> {
        let acknowledgers = grant.rests_on().map(|(acknowledged, _)| Party::from(acknowledged.by.clone()));
        for party in acknowledgers.chain([caller.party.clone()]) {
            if !self.judge.still(&party).await? {
                return Ok(Some(party.name()));
            }
        }
        Ok(None)
    }

    async fn discard(
        &self,
        caller: &Caller,
        grant: &Grant,
        warrant: &Warrant,
        credentials: &Credentials,
        because: &str,
    ) {
        let event = Event::CredentialsDiscarded {
            mint: warrant.draft().mint,
            access_key_id: credentials.access_key_id.clone(),
            because: because.to_owned(),
        };
        if let Err(problem) = self.append(caller, grant, event).await {
            tracing::error!(grant = %grant.request.id, %problem, "a discarded mint could not be recorded");
        }
    }

    async fn append(&self, caller: &Caller, grant: &Grant, event: Event) -> Result<(), Problem> {
        let draft = self.recorder.draft_about(grant, caller.actor(), Recorded::plain(event));
        self.recorder.commit(Change { entries: vec![draft], ..Change::default() }).await?;
        Ok(())
    }
}
