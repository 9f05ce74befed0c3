//! The audit log, and whether it is whole (GO-4).

use axum::extract::State;
use axum::http::StatusCode;
use domain::audit::AuditDraft;
use serde::Deserialize;
use serde_json::json;
use service_kit::http::acts::text;
use service_kit::http::{ApiError, Cursor, Json, PageQuery, Query};
use shared_types::audit::{AuditSeal, AuditVerification, CollectorAct};
use shared_types::problem::ProblemCode;
use shared_types::{Actor, AuditEntry, Page, TargetName, Timestamp, Via};
use utoipa::IntoParams;

use super::App;
use crate::audit;
use crate::store::{AuditAfter, AuditFilter};

/// Which rows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    #[param(value_type = Option<String>)]
    target: Option<TargetName>,
    /// A target, or `@service` for acts that belong to none.
    stream: Option<String>,
    /// A name, as it stands in `actor.name`.
    actor: Option<String>,
    /// `rollout.promote`, `incident.acknowledged`, `command.failed`, …
    action: Option<String>,
    /// An incident, decision, transition or effect.
    subject: Option<String>,
    /// Of this time or later.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
}

/// Rows of the audit log, newest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", operation_id = "list_audit", params(Filter, PageQuery),
    responses((status = 200, description = "A page of rows", body = Page<AuditEntry>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<AuditAfter>()?);
    let Filter { target, stream, actor, action, subject, from, to } = filter;
    let target = target.map(|it| it.to_string());
    if let (Some(target), Some(stream)) = (&target, &stream)
        && target != stream
    {
        return Err(ApiError::bad_request(
            ProblemCode::InvalidQuery,
            "query: `target` and `stream` name two streams",
        ));
    }
    let filter = AuditFilter { stream: target.or(stream), actor, action, subject, from, to };
    let found = app.reporter.store.audit(&filter, after.as_ref(), limit + 1).await?;
    let key = |it: &AuditEntry| (it.at.as_millis(), it.stream.clone(), it.seq);
    Ok(Json(Cursor::page(found, limit, key)))
}

/// Take an act at a collector into the log (CO-7, GO-4). Told again, it is one row all the same.
#[utoipa::path(
    post, path = "/v1/audit/acts", tag = "audit", operation_id = "tell_act",
    security(("bearer" = ["service:collector"])),
    request_body = CollectorAct,
    responses((status = 204, description = "It is in the log"))
)]
pub(super) async fn tell(
    State(app): State<App>,
    Json(act): Json<CollectorAct>,
) -> Result<StatusCode, ApiError> {
    // The collector vouches for who it was, not for another way than its own.
    let name = text("actor.name", &act.actor.name)?;
    let draft = AuditDraft {
        actor: Actor { name, via: Via::Collector, ..act.actor },
        action: act.kind.deed(),
        subject: Some(act.id.to_string()),
        detail: json!({ "at": act.at, "paused_until": act.paused_until }),
    };
    app.reporter.store.note_once(Some(&act.target), draft, app.reporter.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which streams to verify.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Streams {
    /// Only this one: a target, or `@service`.
    stream: Option<String>,
}

/// Walk the streams' chains, beside this reporter's archive; of each the first row that is wrong, if one is.
#[utoipa::path(
    get, path = "/v1/audit/verification", tag = "audit", operation_id = "verify_audit",
    params(Streams, PageQuery),
    responses((status = 200, description = "A page of streams, by name", body = AuditVerification))
)]
pub(super) async fn verify(
    State(app): State<App>,
    Query(streams): Query<Streams>,
    Query(page): Query<PageQuery>,
) -> Result<Json<AuditVerification>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<String>()?.unwrap_or_default());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let now = app.reporter.clock.now();
    let begun = audit::Verifying::begin(&app.reporter.store, &app.keeper, now).await;
    let verifying = begun.map_err(failed)?;
    let items = match streams.stream {
        Some(stream) => verifying.one(&checked(stream)?).await.map(|it| vec![it]),
        None => verifying.page(&after, limit).await,
    };
    let items = items.map_err(failed)?;
    let more = items.len() == limit;
    let next = items.last().filter(|_| more).map(|last| Cursor::encode(&last.stream));
    Ok(Json(AuditVerification { ok: items.iter().all(|it| it.ok), verified_at: now, items, next }))
}

/// Of which rows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Sealing {
    /// Of this time or later.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
}

/// First and last row of each stream, signed if the reporter has a key (OP-9): by it a bundle shows that nothing was cut off.
#[utoipa::path(
    get, path = "/v1/audit/seal", tag = "audit", operation_id = "seal_audit", params(Sealing),
    responses((status = 200, description = "The heads, as they are now", body = AuditSeal))
)]
pub(super) async fn seal(
    State(app): State<App>,
    Query(span): Query<Sealing>,
) -> Result<Json<AuditSeal>, ApiError> {
    Ok(Json(app.keeper.seal_of(span.from, span.to).await?))
}

/// A stream's name is part of a file's.
fn checked(stream: String) -> Result<String, ApiError> {
    if stream == shared_types::audit::SERVICE_STREAM || TargetName::parse(&stream).is_ok() {
        return Ok(stream);
    }
    Err(ApiError::bad_request(ProblemCode::InvalidQuery, "query: `stream` is neither a target nor @service"))
}

fn failed(error: audit::KeepError) -> ApiError {
    match error {
        audit::KeepError::Database(error) => error.into(),
        audit::KeepError::Archive(error) => ApiError::internal(error),
    }
}
