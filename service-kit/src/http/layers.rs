//! The layers around every route, one function each; their order stands in [`super::serve`].

use std::any::Any;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::HttpBody as _;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::story::figures::format_duration;
use shared_types::problem::ProblemCode;
use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span, field};
use uuid::Uuid;

use super::{ApiError, HttpOptions};
use crate::auth::{
    Access, Authenticator, Caller, Identity, Lookup, Presented, Rule, Unauthorized, is_loopback_host,
    same_origin,
};
use crate::{ServiceName, telemetry};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What [`observe`] needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    pub(super) service: ServiceName,
    pub(super) untraced: &'static [&'static str],
}

/// Request id, span with the caller's trace as parent, metrics by route, one log line a call.
pub(super) async fn observe(State(observed): State<Observed>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let matched = request.extensions().get::<MatchedPath>();
    // Never the path itself: labels must stay bounded.
    let route = matched.map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let method = known_method(request.method());
    let span = request_span(observed, &request, method, &route, &id);
    let mut response = next.run(request).instrument(span.clone()).await;

    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    span.record("http.response.status_code", status);
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    span.in_scope(|| tracing::debug!(status, elapsed_ms = elapsed.as_secs_f64() * 1000.0, "answered"));
    let service = observed.service.as_str();
    metrics::counter!("phasegate_http_requests_total", "service" => service, "method" => method,
        "route" => route.clone(), "status" => status.to_string())
    .increment(1);
    metrics::histogram!("phasegate_http_request_seconds", "service" => service, "method" => method,
        "route" => route)
    .record(elapsed.as_secs_f64());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The caller's id if it is a sane one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
    })
}

/// A label from a closed set: anybody can send any word as a method.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn request_span(
    observed: Observed,
    request: &Request,
    method: &'static str,
    route: &str,
    id: &HeaderValue,
) -> Span {
    let path = request.uri().path();
    // Probes and scrapes would drown the rest. An OTLP intake that traced itself would never end.
    if !is_versioned(path) || observed.untraced.iter().any(|prefix| path.starts_with(prefix)) {
        return Span::none();
    }
    let span = tracing::info_span!(
        "http",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        service = observed.service.as_str(),
        http.request.method = method,
        http.route = route,
        url.path = path,
        http.response.status_code = field::Empty,
        request_id = id.to_str().unwrap_or_default(),
        trace_id = field::Empty,
    );
    telemetry::trace::join(&span, request.headers());
    span
}

fn is_versioned(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Who may call what.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// `None`: whoever reaches the loopback listener may do everything.
    pub(super) tokens: Option<Arc<Authenticator>>,
    pub(super) access: Arc<Access>,
}

/// With tokens configured, every `/v1` call needs a valid proof of somebody who holds a role that the OpenAPI
/// document names for it; who it is goes into the extensions.
pub(super) async fn authenticate(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match guard.admit(&parts).await {
        Ok(caller) => {
            request = Request::from_parts(parts, body);
            request.extensions_mut().insert(caller.identity.clone());
            request.extensions_mut().insert(caller);
        }
        Err(refused) => return *refused,
    }
    next.run(request).await
}

impl Guard {
    async fn admit(&self, call: &Parts) -> Result<Caller, Box<Response>> {
        let versioned = is_versioned(call.uri.path());
        let Some(tokens) = &self.tokens else {
            if versioned && !is_local_call(call) {
                let detail =
                    "without tokens only calls to localhost are answered, and none from other web sites";
                return Err(refusal(ApiError::forbidden(detail)));
            }
            return Ok(Caller::unproven(Identity::local()));
        };
        if !versioned {
            return Ok(Caller::unproven(Identity::anonymous()));
        }
        let route = call.extensions.get::<MatchedPath>();
        let lookup = route.map(|route| self.access.lookup(&call.method, route.as_str()));
        if lookup == Some(Lookup::Found(&Rule::Signed)) {
            return Ok(Caller::unproven(Identity::anonymous()));
        }
        let session = matches!(lookup, Some(Lookup::Found(Rule::Roles { session: true, .. })));
        let peer = call.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let presented = Presented { method: &call.method, headers: &call.headers, peer, session };
        let verified = tokens.verify(presented).await.map_err(|why| refusal(unauthorized(&why)))?;
        match lookup {
            // Whoever is known may learn that there is nothing here.
            None => {}
            Some(Lookup::Found(rule)) if rule.allows(&verified.identity) => {}
            Some(Lookup::Found(rule)) => return Err(refusal(role_missing(rule, &verified.identity))),
            Some(Lookup::OtherMethods(allow)) => return Err(Box::new(other_methods(&allow))),
            Some(Lookup::Unknown) => {
                return Err(refusal(role_missing(&Rule::Undeclared, &verified.identity)));
            }
        }
        Ok(Caller::proven(Arc::clone(tokens), verified))
    }
}

fn refusal(error: ApiError) -> Box<Response> {
    Box::new(error.into_response())
}

fn other_methods(allow: &str) -> Response {
    let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

fn unauthorized(why: &Unauthorized) -> ApiError {
    match why {
        Unauthorized::TooMany(wait) => ApiError::too_many_requests(why.to_string(), *wait),
        Unauthorized::ForeignPage => ApiError::forbidden(why.to_string()),
        Unauthorized::NoKeys | Unauthorized::NotSaid => {
            ApiError::unavailable(why.to_string(), Duration::from_secs(5))
        }
        Unauthorized::Missing
        | Unauthorized::Unknown
        | Unauthorized::Expired
        | Unauthorized::Jwt(_)
        | Unauthorized::SessionEnded => ApiError::unauthorized(why.to_string()),
    }
}

/// 403 that names the roles of which one is missing.
fn role_missing(rule: &Rule, identity: &Identity) -> ApiError {
    let list = |roles: &BTreeSet<String>| match roles.len() {
        0 => "none".to_owned(),
        _ => roles.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    };
    let (name, held) = (&identity.name, list(&identity.roles));
    let asked = match rule {
        Rule::Roles { any, .. } if any.len() > 1 => format!("one of the roles {}", list(any)),
        Rule::Roles { any, .. } => format!("the role {}", list(any)),
        Rule::Signed | Rule::Undeclared => "a role that nobody holds".to_owned(),
    };
    ApiError::forbidden(format!("this needs {asked}; the roles of `{name}`: {held}"))
}

/// A web page elsewhere can make this machine's browser call loopback, by a cross-site request or by a name
/// of its own that resolves to 127.0.0.1; one on another port of this machine even counts as the same site.
/// Its browser says so.
fn is_local_call(call: &Parts) -> bool {
    let text = |name: HeaderName| call.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let foreign = match text(HeaderName::from_static("sec-fetch-site")) {
        Some("cross-site") => true,
        Some("same-site") => !same_origin::is_safe(&call.method),
        _ => false,
    };
    !foreign && text(HOST).is_none_or(is_loopback_host)
}

/// What calls share: slots and bytes, those that carry data in bulk apart from the others, so that a flood of
/// telemetry leaves room for the directive that stops it.
#[derive(Debug)]
pub(super) struct Pools {
    control: Pool,
    bulk: Pool,
    bulk_calls: &'static [&'static str],
}

#[derive(Debug)]
struct Pool {
    slots: Arc<Semaphore>,
    /// In KiB.
    bytes: Arc<Semaphore>,
}

impl Pools {
    pub(super) fn new(options: &HttpOptions) -> Self {
        let pool = |slots: usize, bytes: usize| Pool {
            slots: Arc::new(Semaphore::new(slots)),
            bytes: Arc::new(Semaphore::new(bytes.div_ceil(1024))),
        };
        Self {
            control: pool(options.in_flight, options.body_budget),
            bulk: pool(options.bulk.in_flight, options.bulk.body_budget),
            bulk_calls: options.bulk.calls,
        }
    }

    fn of(&self, path: &str) -> &Pool {
        let is_bulk = self.bulk_calls.iter().any(|ending| path.ends_with(ending));
        if is_bulk { &self.bulk } else { &self.control }
    }

    /// The slots of which a call takes one once its body has come.
    pub(super) fn slots_for(&self, path: &str) -> Arc<Semaphore> {
        Arc::clone(&self.of(path).slots)
    }

    /// The budget that a call's body takes its share of.
    pub(super) fn bytes_for(&self, path: &str) -> Arc<Semaphore> {
        Arc::clone(&self.of(path).bytes)
    }
}

/// Refuses calls beyond the number that may be under way; probes always come through. One whose body has still to come takes its
/// slot when it has ([`super::bodies`]): what is only promised holds nothing.
pub(super) async fn bound_in_flight(
    State(pools): State<Arc<Pools>>,
    request: Request,
    next: Next,
) -> Response {
    if !is_versioned(request.uri().path()) {
        return next.run(request).await;
    }
    let slots = &pools.of(request.uri().path()).slots;
    let is_whole = request.body().is_end_stream();
    let slot = slots.try_acquire();
    if slot.is_err() {
        return too_many_calls().into_response();
    }
    let _slot = slot.ok().filter(|_| is_whole);
    next.run(request).await
}

pub(super) fn too_many_calls() -> ApiError {
    ApiError::unavailable("too many calls at once; nothing was done", Duration::from_secs(1))
}

/// Answers 408 when a handler (reading the body included) takes too long.
pub(super) async fn bound_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!("not done within {}; it may still take effect", format_duration(limit));
        ApiError::new(StatusCode::REQUEST_TIMEOUT, ProblemCode::Timeout, detail).into_response()
    })
}

/// Turns every error that is not ours (axum's rejections, 404, 405) into problem+json.
pub(super) async fn only_problems(request: Request, next: Next) -> Response {
    let call = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || !is_plain(response.headers()) {
        return with_retry_after(response);
    }
    let allow = response.headers().get(ALLOW).cloned();
    let text = axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let (code, standard) = match status {
        StatusCode::NOT_FOUND => (ProblemCode::NotFound, format!("there is nothing at `{call}`")),
        StatusCode::METHOD_NOT_ALLOWED => {
            (ProblemCode::MethodNotAllowed, format!("`{call}` is not possible here"))
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            (ProblemCode::TooLarge, "the body is larger than the limit".to_owned())
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            (ProblemCode::UnsupportedMediaType, "unsupported body".to_owned())
        }
        status if status.is_server_error() => (ProblemCode::Internal, "the service failed".to_owned()),
        _ => (ProblemCode::BadRequest, "the request cannot be read".to_owned()),
    };
    let detail = if text.trim().is_empty() { standard } else { text.trim().to_owned() };
    let mut response = ApiError::new(status, code, detail).into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, allow);
    }
    with_retry_after(response)
}

fn is_plain(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_none_or(|kind| kind.starts_with(b"text/plain"))
}

/// 429 and 503 always say when to come back.
fn with_retry_after(mut response: Response) -> Response {
    let waits = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if waits && !response.headers().contains_key(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A panic in a handler is a 500 like any other bug.
#[expect(clippy::needless_pass_by_value, reason = "the signature that tower-http's panic layer calls")]
pub(super) fn on_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    ApiError::internal(anyhow::anyhow!("handler panicked: {text}")).into_response()
}
