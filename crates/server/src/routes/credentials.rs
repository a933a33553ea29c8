//! Credentials and console sign-ins: each call is a new, logged issuance.

use axum::Json;
use axum::extract::State;

use super::work::finished;
use crate::App;
use crate::call::{FreshCall, Named};
use crate::openapi::MintRefusals;
use crate::problem::ApiProblem;
use crate::views::{ConsoleView, CredentialsView, EmptyBody};

/// Mint credentials
///
/// For the requester of an active grant. The answer is what `credential_process` takes. No
/// `Idempotency-Key`: each call is a new issuance, and no answer is kept.
#[utoipa::path(
    post,
    path = "/grants/{id}/credentials",
    tag = "credentials",
    params(("id" = String, Path, description = "The grant")),
    request_body(content = Option<EmptyBody>, description = "`{}` or nothing"),
    responses((status = 200, description = "Credentials: a secret", body = CredentialsView), MintRefusals)
)]
pub(super) async fn credentials(
    State(app): State<App>,
    Named(id): Named<String>,
    FreshCall { caller }: FreshCall,
) -> Result<Json<CredentialsView>, ApiProblem> {
    let minted = finished(async move { app.broker().mint(&caller, &id).await }).await?;
    Ok(Json(minted.into()))
}

/// Mint a console sign-in
///
/// A URL that signs in once. No `Idempotency-Key`: each call is a new issuance, and no answer is kept.
#[utoipa::path(
    post,
    path = "/grants/{id}/console",
    tag = "credentials",
    params(("id" = String, Path, description = "The grant")),
    request_body(content = Option<EmptyBody>, description = "`{}` or nothing"),
    responses((status = 200, description = "A sign-in URL: a secret", body = ConsoleView), MintRefusals)
)]
pub(super) async fn console(
    State(app): State<App>,
    Named(id): Named<String>,
    FreshCall { caller }: FreshCall,
) -> Result<Json<ConsoleView>, ApiProblem> {
    let sign_in = finished(async move { app.broker().console(&caller, &id).await }).await?;
    Ok(Json(sign_in.into()))
}
