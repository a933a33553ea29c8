//! The step before a mint: the only way to a [`Warrant`].

use jiff::Timestamp;

use super::Transition;
use super::command::Deadline;
use super::hash::RequestHash;
use super::refusal::Refusal;
use super::state::{Active, Ended, Grant, State};
use super::warrant::{MintDraft, Warrant, token_until};
use crate::actor::Party;
use crate::event::{Event, Recorded};

impl Grant {
    /// Where the fence of a mint at `now` would stand.
    ///
    /// # Errors
    /// The grant isn't active, its deadline has passed, `by` didn't ask for it, or
    /// the request is no longer the one that was acknowledged.
    pub fn mint_fence(&self, by: &Party, now: Timestamp) -> Result<Timestamp, Refusal> {
        let fence = self.mintable(by, now)?.activation.fence();
        self.makes_its_hash()?;
        Ok(fence)
    }

    /// Records that credentials are about to be minted, and gives the right to.
    ///
    /// # Errors
    /// As [`Grant::mint_fence`]; or the draft's fence is not the grant's.
    pub fn intend_mint(
        &self,
        by: &Party,
        draft: MintDraft,
        console: bool,
        now: Timestamp,
    ) -> Result<(Transition, Warrant), Refusal> {
        let fence = draft.policy.fence();
        self.mintable(by, now)?;
        self.makes_its_hash()?;
        let mut grant = self.clone();
        grant.count_mint(fence, draft.token_seconds, now)?;
        let event = Recorded::plain(Event::CredentialsIntended {
            mint: draft.mint,
            session_name: draft.session_name.clone(),
            source_identity: draft.source_identity.clone(),
            fence,
            token_seconds: draft.token_seconds,
            console,
            rules: draft.rules.clone(),
        });
        let warrant = Warrant::new(&grant, draft);
        Ok((Transition { grant, events: vec![event], effects: Vec::new() }, warrant))
    }

    /// Counts an intended mint, without giving the right to it: for whoever rebuilds
    /// a grant from its record, and has seen there that its requester asked.
    ///
    /// # Errors
    /// The grant isn't active, its deadline has passed, or `fence` is not the
    /// grant's. Nothing is counted.
    pub fn count_mint(&mut self, fence: Timestamp, token_seconds: u32, now: Timestamp) -> Result<(), Refusal> {
        let expected = self.in_time(now)?.activation.fence();
        if fence != expected {
            return Err(Refusal::FenceMoved { drafted: fence, fence: expected });
        }
        if let State::Active(active) = &mut self.state {
            let mints = &mut active.activation.mints;
            mints.count = mints.count.saturating_add(1);
            mints.tokens_until = mints.tokens_until.max(Some(token_until(token_seconds, now)));
        }
        Ok(())
    }

    /// Whether what `warrant` minted may still be handed out at `now`: the grant
    /// is active, and its end has not moved to before the warrant's fence.
    #[must_use]
    pub fn still_warrants(&self, warrant: &Warrant, now: Timestamp) -> bool {
        match &self.state {
            State::Active(active) => {
                matches!(self.due(now), None | Some(Deadline::ExtensionLapse))
                    && self.request.id == warrant.grant()
                    && active.activation.fence() >= warrant.draft().policy.fence()
            }
            State::Pending(_) | State::Dropped(_) | State::Ended(_) => false,
        }
    }

    /// What was acknowledged is what is there: a grant that was rebuilt without
    /// its reason, which was erased, can't be shown to be.
    fn makes_its_hash(&self) -> Result<(), Refusal> {
        if RequestHash::of(&self.request) == self.request_hash { Ok(()) } else { Err(Refusal::RequestChanged) }
    }

    fn mintable(&self, by: &Party, now: Timestamp) -> Result<&Active, Refusal> {
        if matches!(self.state, State::Active(_)) && !self.request.requester.is(by) {
            return Err(Refusal::NotRequester { command: "mint under" });
        }
        self.in_time(now)
    }

    /// The activation, while credentials may be minted under it.
    fn in_time(&self, now: Timestamp) -> Result<&Active, Refusal> {
        match &self.state {
            State::Active(active) => match self.due(now) {
                Some(deadline) if deadline != Deadline::ExtensionLapse => Err(Refusal::Overdue(deadline)),
                _ => Ok(active),
            },
            State::Pending(_) | State::Dropped(_) | State::Ended(Ended { .. }) => {
                Err(Refusal::WrongState { command: "mint under", phase: self.phase() })
            }
        }
    }
}
