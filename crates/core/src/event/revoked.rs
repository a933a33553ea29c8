//! By whom or what access was taken.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::PersonId;

/// The `cause` of a revocation, without its free text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevokedBy {
    /// A person with that right.
    Person(PersonId),
    /// A second person who declined an emergency start.
    Declined(PersonId),
    /// Its incident closed.
    IncidentClosed,
    /// AWS's record says that it was ended before: the store had been restored.
    FoundEnded,
    /// Nobody acknowledged an emergency start in time.
    AcknowledgementOverdue,
}
