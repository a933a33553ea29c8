//! The step before a mint: the only way to a [`Warrant`].

use jiff::Timestamp;

use super::Transition;
use super::command::Deadline;
use super::hash::RequestHash;
use super::refusal::Refusal;
use super::state::{Active, Ended, Grant, State};
use super::warrant::{MintDraft, Warrant, token_until};
use crate::actor::Human;
use crate::event::{Event, Recorded};

impl Grant {
    /// Where the fence of a mint at `now` would stand.
    ///
    /// # Errors
    /// The grant isn't active, its deadline has passed, `by` didn't ask for it, or
    /// the request is no longer the one that was acknowledged.
    pub fn mint_fence(&self, by: &Human, now: Timestamp) -> Result<Timestamp, Refusal> {
        self.makes_its_hash()?;
        self.mintable(by, now).map(|active| active.activation.fence())
    }

    /// Records that credentials are about to be minted, and gives the right to.
    ///
    /// # Errors
    /// As [`Grant::mint_fence`]; or the draft's fence is not the grant's.
    pub fn intend_mint(
        &self,
        by: &Human,
        draft: MintDraft,
        console: bool,
        now: Timestamp,
    ) -> Result<(Transition, Warrant), Refusal> {
        self.makes_its_hash()?;
        let fence = draft.policy.fence();
        let grant = self.with_mint_intended(by, fence, draft.token_seconds, now)?;
        let event = Recorded::plain(Event::CredentialsIntended {
            mint: draft.mint,
            session_name: draft.session_name.clone(),
            source_identity: draft.source_identity.clone(),
            fence,
            token_seconds: draft.token_seconds,
            console,
        });
        let warrant = Warrant::new(&grant, draft);
        Ok((Transition { grant, events: vec![event], effects: Vec::new() }, warrant))
    }

    /// What an intended mint makes of the grant, without the right to mint: for
    /// whoever rebuilds a grant from its record.
    ///
    /// # Errors
    /// The grant isn't active, its deadline has passed, `by` didn't ask for it, or
    /// `fence` is not the grant's.
    pub fn with_mint_intended(
        &self,
        by: &Human,
        fence: Timestamp,
        token_seconds: u32,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let active = self.mintable(by, now)?;
        if fence != active.activation.fence() {
            return Err(Refusal::FenceMoved { drafted: fence, fence: active.activation.fence() });
        }
        let mut active = active.clone();
        let mints = &mut active.activation.mints;
        mints.count = mints.count.saturating_add(1);
        mints.tokens_until = mints.tokens_until.max(Some(token_until(token_seconds, now)));
        Ok(Self { state: State::Active(active), ..self.clone() })
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

    fn mintable(&self, by: &Human, now: Timestamp) -> Result<&Active, Refusal> {
        match &self.state {
            State::Active(active) => {
                if !self.is_requester(&by.person) {
                    return Err(Refusal::NotRequester { command: "mint under" });
                }
                match self.due(now) {
                    Some(deadline) if deadline != Deadline::ExtensionLapse => Err(Refusal::Overdue(deadline)),
                    _ => Ok(active),
                }
            }
            State::Pending(_) | State::Dropped(_) | State::Ended(Ended { .. }) => {
                Err(Refusal::WrongState { command: "mint under", phase: self.phase() })
            }
        }
    }
}
