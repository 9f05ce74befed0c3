//! One error type from every handler to the wire: RFC 9457 `application/problem+json`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use shared_types::problem::{Blocker, ProblemCode};
use shared_types::{Problem, one_line};
use utoipa::openapi::{Content, RefOr, ResponseBuilder};

use crate::db::DbError;
use crate::seldom;
use domain::stored::plain_text;

pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// What a handler answers when it cannot do what it was asked.
///
/// 4xx is the caller's fault and final, 429 and 503 say when to try again, 500 is a bug of ours.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: ProblemCode,
    detail: String,
    blockers: Vec<Blocker>,
    retry_after: Option<Duration>,
    source: Option<anyhow::Error>,
}

impl ApiError {
    /// Any status; `code` becomes the problem's stable `type`, `detail` says in one line what is wrong this time: what
    /// it quotes of a request cannot break it.
    #[must_use]
    pub fn new(status: StatusCode, code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: one_line(&detail.into()),
            blockers: Vec::new(),
            retry_after: None,
            source: None,
        }
    }

    /// 400: the request cannot be read.
    #[must_use]
    pub fn bad_request(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: no valid token (or signature).
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, ProblemCode::Unauthorized, detail)
    }

    /// 403: known, but not allowed.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, ProblemCode::Forbidden, detail)
    }

    /// 404: `detail` names what was looked for.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ProblemCode::NotFound, detail)
    }

    /// 409: what stands in the way, by name.
    #[must_use]
    pub fn conflict(code: ProblemCode, detail: impl Into<String>, blockers: Vec<Blocker>) -> Self {
        Self { blockers, ..Self::new(StatusCode::CONFLICT, code, detail) }
    }

    /// 422: readable, but it says something that cannot be.
    #[must_use]
    pub fn unprocessable(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 413: more bytes than the limit.
    #[must_use]
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ProblemCode::TooLarge, detail)
    }

    /// 429: the caller is too fast.
    #[must_use]
    pub fn too_many_requests(detail: impl Into<String>, retry_after: Duration) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, ProblemCode::TooManyRequests, detail);
        Self { retry_after: Some(retry_after), ..error }
    }

    /// 503: not now; nothing was done.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, ProblemCode::Unavailable, detail);
        Self { retry_after: Some(retry_after), ..error }
    }

    /// 503: what was asked about is not known now, by name of why. An answer and no failure: nothing is logged.
    #[must_use]
    pub fn not_known(detail: impl Into<String>, why: Vec<Blocker>, retry_after: Duration) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, ProblemCode::NotKnown, detail);
        Self { blockers: why, retry_after: Some(retry_after), ..error }
    }

    /// 500: a bug. The cause is logged, never sent.
    #[must_use]
    pub fn internal(source: impl Into<anyhow::Error>) -> Self {
        let error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ProblemCode::Internal,
            "the service failed in a way it should not; its log names the cause under this request's id",
        );
        Self { source: Some(source.into()), ..error }
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(self, source: impl Into<anyhow::Error>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// The HTTP status it will be answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body it will be answered with.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem {
            kind: format!("{}{}", Problem::NAMESPACE, self.code),
            title: title(self.code.as_str()),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            blockers: self.blockers.clone(),
        }
    }
}

/// `gate_unsatisfied` → `Gate unsatisfied`: the same for every occurrence of the type, as RFC 9457 wants it.
fn title(code: &str) -> String {
    let mut text = code.replace('_', " ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() && self.code != ProblemCode::NotKnown {
            match &self.source {
                // Callers ask again and again while it lasts.
                Some(cause) if self.status == StatusCode::SERVICE_UNAVAILABLE => {
                    seldom!(warn, "request put off", cause.as_ref(), code = %self.code, detail = %self.detail);
                }
                _ if self.status == StatusCode::SERVICE_UNAVAILABLE => {
                    tracing::warn!(code = %self.code, detail = %self.detail, "request put off");
                }
                cause => {
                    let cause = cause.as_ref().map_or_else(String::new, |cause| format!("{cause:#}"));
                    tracing::error!(code = %self.code, detail = %self.detail, cause, "request failed");
                }
            }
        }
        let body = plain_text(&self.problem());
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(after) = self.retry_after {
            // Whole seconds, rounded up: never earlier than meant.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", HeaderValue::from_static("Bearer realm=\"phasegate\""));
        }
        response
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error.passing() {
            Some(why) => {
                let detail =
                    format!("the database does not serve this now: {why}; nothing was stored, ask again");
                Self::unavailable(detail, Duration::from_secs(1)).caused_by(error)
            }
            None => Self::internal(error),
        }
    }
}

/// The answers that any call can give, for `responses(…, ErrorResponses)` of utoipa.
///
/// [`super::openapi::finish`] adds them to every operation by itself; name this only where a document is
/// used without it.
#[derive(Debug)]
pub struct ErrorResponses;

/// Status and description of the shared errors; `true`: only for calls with a body.
pub(super) const SHARED_ERRORS: [(&str, &str, bool); 12] = [
    ("400", "The request cannot be read", false),
    ("401", "No valid bearer token", false),
    ("403", "None of the caller's roles may do this", false),
    ("404", "There is no such thing", false),
    ("405", "The method is not known here", false),
    ("408", "The request took too long", false),
    ("413", "The body is larger than the limit, which counts decompressed bytes", true),
    ("415", "The body's type or encoding is not supported", true),
    ("422", "The request can be read, but says something that cannot be", false),
    ("429", "Too many wrong tokens from this address; try again after `Retry-After`", false),
    ("500", "A bug of the service", false),
    ("503", "Try again after `Retry-After`; nothing was done", false),
];

pub(super) fn problem_response(description: &str) -> utoipa::openapi::Response {
    let schema = utoipa::openapi::Ref::from_schema_name("Problem");
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, Content::new(Some(schema))).build()
}

impl utoipa::IntoResponses for ErrorResponses {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let response = |text| RefOr::T(problem_response(text));
        SHARED_ERRORS.iter().map(|(status, text, _)| ((*status).to_owned(), response(text))).collect()
    }
}
