//! Requests that must be refused, each for its reason.

use halligan_server::views::{IncidentRefView, RequestBody, TargetView};

use super::scene::{Scene, request, request_with};
use crate::client::failure::Failure;
use crate::demo::world::{CLOSED_INCIDENT, PROVIDER};

pub async fn play(scene: &Scene<'_>) -> Result<(), Failure> {
    let path = ["v1", "grants"];
    let incident = |id: &str| RequestBody {
        incident: IncidentRefView { provider: PROVIDER.to_owned(), id: id.to_owned() },
        ..request(600)
    };
    let asked = [
        ("alice", "an incident that doesn't exist", "incident-closed", incident("INC-404")),
        ("alice", "an incident that is closed", "incident-closed", incident(CLOSED_INCIDENT)),
        ("alice", "an incident id that is a path", "invalid-request", incident("../../etc/passwd")),
        ("carol", "a person who isn't on call", "not-permitted", request(600)),
        (
            "alice",
            "a role that doesn't exist",
            "unknown-role",
            RequestBody { target: TargetView::role("root"), ..request(600) },
        ),
        (
            "alice",
            "a scope that doesn't exist",
            "unknown-scope",
            RequestBody { scope: Some("everything".to_owned()), ..request(600) },
        ),
        ("alice", "three hours", "duration-out-of-bounds", request(10_800)),
    ];
    for (login, attempt, expected, body) in asked {
        scene.refuse(login, attempt, expected, &path, &body).await?;
    }
    // What the broker alone decides.
    let state = request_with("state", "active");
    scene.refuse("alice", "a body that says state: active", "invalid-request", &path, &state).await?;
    let end = request_with("ends_at", "2999-12-31T00:00:00Z");
    scene.refuse("alice", "a body that says ends_at", "invalid-request", &path, &end).await
}
