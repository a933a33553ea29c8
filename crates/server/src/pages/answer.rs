//! What a second person can say to a grant.

use halligan_core::grant::{Grant, Standing, State};

use super::visit::Visitor;
use crate::App;

/// An answer that can be given.
#[derive(Clone)]
pub(super) struct Answer {
    pub grant: String,
    /// What a yes is bound to.
    pub hash: String,
    /// It is about a later end.
    pub extension: bool,
    /// Whether passkeys have a place here.
    pub passkeys: bool,
}

/// What a grant waits for, and from whom.
pub(super) enum Waits {
    /// For nothing.
    No,
    /// For a second person, who is somebody else: why.
    ForOthers(&'static str),
    /// For a second person, who this could be, if the policy says so.
    ForThem(Answer),
}

/// What `grant` waits for, as `visitor` sees it.
pub(super) fn waits(app: &App, grant: &Grant, visitor: &Visitor) -> Waits {
    let (hash, extension, first) = match &grant.state {
        State::Pending(pending) => (grant.request_hash.to_string(), false, pending.first.as_ref()),
        State::Active(active) => match (&active.extension, &active.activation.standing) {
            (Some(extension), _) => (extension.hash.to_string(), true, None),
            (None, Standing::Unacknowledged { .. }) => (grant.request_hash.to_string(), false, None),
            (None, Standing::Acknowledged(_)) => return Waits::No,
        },
        State::Dropped(_) | State::Ended(_) => return Waits::No,
    };
    let Some(human) = visitor.caller.party.human() else { return Waits::No };
    if grant.is_requester(&human.person) {
        return Waits::ForOthers("It waits for another person: nobody acknowledges their own.");
    }
    if first.is_some_and(|first| visitor.is(&first.by.person)) {
        return Waits::ForOthers("You have acknowledged it. It waits for one more person.");
    }
    let passkeys = app.broker().identity().settings().rp_id.is_some();
    Waits::ForThem(Answer { grant: grant.request.id.to_string(), hash, extension, passkeys })
}
