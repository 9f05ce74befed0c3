//! `POST /v1/targets/{target}/events`: telemetry pushed by an application.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use service_kit::http::{ApiError, Body, BodyShare, IdempotencyKey, Json, Path};
use shared_types::TargetName;
use shared_types::problem::ProblemCode;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_128;

use super::Api;
use super::app::{COMMIT_PATIENCE, committed};
use crate::sources::{Push, PushReply};
use events::EventSpecs;
use events::records::Records;

/// Takes events in: one JSON object a line, or a JSON array of objects. The answer comes when they are stored.
///
/// A body of which no line is an event of a name that the policy uses is 422 (`no_event_accepted`) with the first reasons; its
/// lines are counted as malformed and unknown all the same. Duplicates and late events are events: 202.
#[utoipa::path(
    post, path = "/v1/targets/{target}/events", tag = "telemetry", operation_id = "push_events",
    security(("bearer" = ["service:telemetry"])),
    params(
        ("target" = TargetName, Path, description = "A target of the policy"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters; a repeat within 48 h gets the first answer"),
    ),
    request_body(description = "NDJSON or a JSON array; gzip and zstd are understood",
        content((String = "application/x-ndjson"), (Vec<serde_json::Value> = "application/json"))),
    responses(
        (status = 202, description = "Stored", body = Push),
        (status = 200, description = "Stored before under this key; the first answer", body = Push),
    ),
)]
pub(super) async fn push_events(
    State(api): State<Api>,
    Path(target): Path<TargetName>,
    IdempotencyKey(key): IdempotencyKey,
    share: BodyShare,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let entry = api.target(&target)?;
    let key = key.map(|key| (key, format!("{:032x}", xxh3_128(&body))));
    let specs = entry.worker.specs();
    let read_with = Arc::clone(&specs);
    let records = api.parsed(body.len(), move || parse(&body, &specs)).await??;
    let reply = entry.queue.push(records, read_with, key, share);
    let unsure = "not stored in time; it may still be: repeat it with the same Idempotency-Key";
    match committed(reply, Instant::now() + COMMIT_PATIENCE, unsure).await? {
        PushReply::Committed(push) => {
            refuse(&push)?;
            Ok((StatusCode::ACCEPTED, Json(push)).into_response())
        }
        PushReply::Repeated(answer) => {
            serde_json::from_str(&answer).map_or(Ok(()), |push| refuse(&push))?;
            Ok(([(CONTENT_TYPE, "application/json")], answer).into_response())
        }
        PushReply::KeyReused => Err(ApiError::unprocessable(
            ProblemCode::IdempotencyKeyReused,
            "this Idempotency-Key was used with another body",
        )),
    }
}

/// Whoever takes a 2xx as success must not get one for what counts for nothing. It is in the intake counts all the same.
fn refuse(push: &Push) -> Result<(), ApiError> {
    let refusal = push.refusal().map(|why| ApiError::unprocessable(ProblemCode::NoEventAccepted, why));
    refusal.map_or(Ok(()), Err)
}

fn parse(body: &[u8], specs: &EventSpecs) -> Result<Records, ApiError> {
    Records::of_body(body, specs)
        .map_err(|error| ApiError::bad_request(ProblemCode::MalformedJson, format!("the array: {error}")))
}
