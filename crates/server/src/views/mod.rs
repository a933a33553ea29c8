//! The JSON of the API, as the server writes and the command line reads it.
//!
//! Bodies of requests ref

mod answer;
mod body;
mod catalogue;
mod grant;
mod log;
mod secret;

pub use answer::{ProblemView, StatusView};
pub use body::{
    AcknowledgeBody, EmptyBody, ExtendBody, IncidentRefView, ReasonBody, RequestBody, RevocationBody, TargetKind,
    TargetView,
};
pub use catalogue::{IncidentState, IncidentView, MeView, RoleList, RoleView};
pub use grant::{
    ContainmentState, ContainmentView, ExtensionView, GrantPage, GrantState, GrantView, GrantWithTimeline,
    RevokedGrants, TimelineEntry,
};
pub use log::{LogEntryView, OverrideBody, OverrideView};
pub use secret::{ConsoleView, CredentialsView};
