//! The JSON of the API, as the server writes and the command line reads it.
//!
//! Bodies of requests ref

mod answer;
mod body;
mod catalogue;
mod grant;
mod log;
mod me;
mod secret;
mod sessions;

pub use answer::{ProblemView, StatusView};
pub use body::{
    AcknowledgeBody, ChallengeView, EmptyBody, ExtendBody, IncidentRefView, ReasonBody, RequestBody, RevocationBody,
    SignatureBody, TargetKind, TargetView,
};
pub use catalogue::{IncidentState, IncidentView, RoleList, RoleView};
pub use grant::{
    AcknowledgementView, ContainmentState, ContainmentView, ExtendedView, ExtensionView, GrantPage, GrantState,
    GrantView, GrantWithTimeline, PartyKind, RevokedGrants, TimelineEntry,
};
pub use log::{LogEntryView, OverrideBody, OverrideView};
pub use me::{MeView, SignInList, SignInView};
pub use secret::{ConsoleView, CredentialsView};
pub use sessions::{PasskeyList, PasskeyRemovalBody, PasskeyView, SessionList, SessionView, SignedOutView};
