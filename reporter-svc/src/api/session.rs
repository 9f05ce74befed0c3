//! Browser sessions: opened with a token, shown, ended. What they are stands in `service_kit::auth`.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use service_kit::auth::{Caller, Identity, Proof, role, set_cookie};
use service_kit::http::{ApiError, Json, Query};
use shared_types::Timestamp;
use utoipa::{IntoParams, ToSchema};

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    pub name: String,
    /// All that they may act as; where no tokens are configured, whatever people can be.
    pub roles: Vec<String>,
    pub how: Proof,
    /// When they have to sign in again; null: not by themselves.
    pub expires_at: Option<Timestamp>,
}

impl Session {
    fn of(caller: &Caller, expires_at: Option<Timestamp>) -> Self {
        let Identity { name, .. } = &caller.identity;
        let known =
            role::KNOWN.iter().filter(|named| !role::is_service(named)).map(|named| (*named).to_owned());
        let mut roles: Vec<String> = known.filter(|named| caller.identity.holds(named)).collect();
        // A policy's own roles, and those of services.
        roles.extend(
            caller.identity.roles.iter().filter(|held| !roles.contains(held)).cloned().collect::<Vec<_>>(),
        );
        Self { name: name.clone(), roles, how: caller.identity.proof(), expires_at }
    }
}

/// Open a browser session with a token or a JWT: sets the cookie that the page's calls then carry.
#[utoipa::path(
    post, path = "/v1/session", tag = "session", operation_id = "open_session",
    security(("bearer" = [])),
    responses((status = 200, description = "Signed in; where no tokens are configured no cookie is set or needed",
               body = Session, headers(("Set-Cookie" = String, description = "`phasegate_session`, not for scripts"))))
)]
pub(super) async fn open(caller: Caller, headers: HeaderMap) -> Response {
    match caller.open_session(&headers) {
        Some((cookie, ends)) => {
            ([(SET_COOKIE, cookie)], Json(Session::of(&caller, Some(ends)))).into_response()
        }
        None => show(caller).await.into_response(),
    }
}

/// Who calls, by whatever proof.
#[utoipa::path(
    get, path = "/v1/session", tag = "session", operation_id = "get_session",
    security(("bearer" = [])),
    responses((status = 200, description = "Signed in", body = Session))
)]
pub(super) async fn show(caller: Caller) -> Json<Session> {
    Json(Session::of(&caller, caller.expires_at))
}

/// Which sessions end.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(super) struct SignOut {
    /// All of this person's, on every device.
    #[serde(default)]
    everywhere: bool,
}

/// Sign out: ends the session for every copy of its cookie, and takes the cookie away
#[utoipa::path(
    delete, path = "/v1/session", tag = "session", operation_id = "end_session",
    security(("bearer" = [])),
    params(SignOut),
    responses((status = 204, description = "Signed out"))
)]
pub(super) async fn end(
    caller: Caller,
    Query(sign_out): Query<SignOut>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.end_session(sign_out.everywhere).await?;
    let cookie = set_cookie("", Duration::ZERO, &headers);
    Ok((axum::http::StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}
