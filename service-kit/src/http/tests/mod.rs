//! The HTTP rules, proven on the whole application as [`super::serve`] puts it together.

mod access;
mod bodies;
mod connections;
mod document;
mod errors;
mod limits;
mod operations;
mod server;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use shared_types::TargetName;
use tower::ServiceExt as _;
use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{HttpMethod, InfoBuilder, OpenApi, PathItem, PathsBuilder};

use super::{ApiError, HttpOptions, Json, PageQuery, Path, Query, Readiness, ServiceParts, app};
use crate::ServiceName;
use crate::auth::{Authenticator, Identity, TokenFile, Tokens};
use crate::clock::SystemClock;

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    target: TargetName,
    count: u64,
}

/// A service with one route a rule.
fn parts() -> ServiceParts {
    let router = Router::new()
        .route("/v1/orders", post(|Json(order): Json<Order>| async { Json(order) }))
        .route("/v1/raw", post(|super::Body(bytes): super::Body| async move { bytes.len().to_string() }))
        .route("/v1/targets/{target}", get(|Path(target): Path<TargetName>| async { Json(target) }))
        .route("/v1/list", get(list))
        .route("/v1/me", get(|me: Identity| async move { format!("{} {:?}", me.name, me.roles) }))
        .route("/v1/webhooks/pager", post(|me: Identity| async move { me.name }))
        .route("/v1/panic", get(panics))
        .route("/v1/busy", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/v1/keep", post(keep))
        .route("/v1/x/events", post(keep))
        .route("/v1/never", get(std::future::pending::<()>))
        .route("/v1/bug", get(|| async { ApiError::internal(std::io::Error::other("secret cause")) }));
    let me = OperationBuilder::new().security(SecurityRequirement::new("bearer", ["dev-lead", "viewer"]));
    let webhook = OperationBuilder::new();
    let paths = PathsBuilder::new()
        .path("/v1/me", PathItem::new(HttpMethod::Get, me))
        .path("/v1/orders", PathItem::new(HttpMethod::Post, governed()))
        .path("/v1/webhooks/pager", PathItem::new(HttpMethod::Post, webhook));
    let document = OpenApi::new(InfoBuilder::new().build(), paths.build());
    ServiceParts {
        service: ServiceName::Analyzer,
        router,
        openapi: super::openapi::finish(document, ServiceName::Analyzer),
        readiness: Readiness::new(),
        tokens: None,
        options: HttpOptions { body_limit: 1 << 20, ..HttpOptions::default() },
    }
}

/// An operation for `governance` and `release-ops`.
fn governed() -> OperationBuilder {
    OperationBuilder::new().security(SecurityRequirement::new("bearer", ["governance", "release-ops"]))
}

async fn list(Query(page): Query<PageQuery>) -> Result<String, ApiError> {
    Ok(format!("{} {:?}", page.limit()?, page.after::<(i64, String)>()?))
}

async fn panics() -> StatusCode {
    panic!("secret cause")
}

/// Reads the body and keeps it.
async fn keep(super::Body(body): super::Body) {
    std::future::pending::<()>().await;
    drop(body);
}

/// `alice` (roles dev-lead, sre) has the token `opensesame`.
fn tokens() -> Arc<Authenticator> {
    let line = format!("alice sre,dev-lead {}", crate::auth::hash_of("opensesame"));
    let tokens = Tokens::parse(&line, std::path::Path::new("tokens")).unwrap();
    Arc::new(Authenticator::new(Some(TokenFile::fixed(tokens)), None, Arc::new(SystemClock)))
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// `status code: detail`, having checked that it is a problem document through and through.
    fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem: shared_types::Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        let code = problem.kind.strip_prefix("urn:phasegate:problem:").unwrap();
        format!("{} {code}: {}", problem.status, problem.detail)
    }
}

async fn send(app: Router, request: Request<Body>) -> Answer {
    Answer::of(app.oneshot(request).await.unwrap()).await
}

async fn call(method: &str, path: &str) -> Answer {
    send(app(parts()), Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
}

async fn post_bytes(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app(parts()), request.body(body.into()).unwrap()).await
}

async fn post_json(body: &str) -> Answer {
    post_bytes("/v1/orders", &[("content-type", "application/json")], body.to_owned()).await
}
