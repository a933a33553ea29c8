//! The step before a mint: the only way to a [`Warrant`].

use jiff::Timestamp;

use super::Transition;
use super::command::Deadline;
use super::refusal::Refusal;
use super::state::{Active, Ended, Grant, State};
use super::warrant::{MintDraft, Warrant};
use crate::actor::Human;
use crate::event::{Event, Recorded};

impl Grant {
    /// Where the fence of a mint at `now` would stand.
    ///
    /// # Errors
    /// The grant isn't active, its deadline has passed, or `by` didn't ask for it.
    pub fn mint_fence(&self, by: &Human, now: Timestamp) -> Result<Timestamp, Refusal> {
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
        let active = self.mintable(by, now)?;
        let fence = active.activation.fence();
        if draft.policy.fence() != fence {
            return Err(Refusal::FenceMoved { drafted: draft.policy.fence(), fence });
        }
        let mut active = active.clone();
        let mints = &mut active.activation.mints;
        mints.count = mints.count.saturating_add(1);
        mints.tokens_until = mints.tokens_until.max(Some(draft.token_until(now)));
        let event = Recorded::plain(Event::CredentialsIntended {
            mint: draft.mint,
            session_name: draft.session_name.clone(),
            source_identity: draft.source_identity.clone(),
            fence,
            token_seconds: draft.token_seconds,
            console,
        });
        let grant = Self { state: State::Active(active), ..self.clone() };
        let warrant = Warrant::new(&grant, draft);
        Ok((Transition { grant, events: vec![event], effects: Vec::new() }, warrant))
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
