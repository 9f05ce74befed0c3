//! Puts a service together: its own router, the operational routes, the layers in their order, and the
//! listener.

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;

use super::bodies::bound_bodies;
use super::decompress::decompress;
use super::health::Readiness;
use super::layers::{
    Guard, Observed, Pools, authenticate, bound_in_flight, bound_time, observe, on_panic, only_problems,
};
use super::options::HttpOptions;
use super::room::Room;
use super::streams::{Streams, bound_streams};
use super::unread::pass_over_unread;
use super::{Json, connection, openapi};
use crate::auth::{Access, Authenticator, check_listen};
use crate::{ServiceName, Tasks, telemetry};

/// What a service brings.
pub struct ServiceParts {
    pub service: ServiceName,
    /// Its own routes, with their state applied.
    pub router: Router,
    /// As [`openapi::finish`] made it.
    pub openapi: OpenApi,
    pub readiness: Readiness,
    /// `None`: only loopback may be listened on, and no call needs a token.
    pub tokens: Option<Arc<Authenticator>>,
    pub options: HttpOptions,
}

/// The whole application: what [`serve`] serves, for tests that need no socket.
pub fn app(parts: ServiceParts) -> Router {
    let ServiceParts { service, router, openapi, readiness, tokens, options } = parts;
    let options = options.leaving_room();
    let pools = Arc::new(Pools::new(&options));
    let streams = Arc::new(Streams::new(&options));
    let readiness = match tokens.clone() {
        Some(tokens) => readiness.check("tokens", move || std::future::ready(tokens.state())),
        None => readiness,
    };
    let guard = Guard { tokens, access: Arc::new(Access::of(&openapi)) };
    // Innermost first: a call passes these from the last line up to the first.
    router
        .merge(operational_routes(service, &openapi, readiness))
        .layer(DefaultBodyLimit::max(options.body_limit))
        .layer(from_fn_with_state((Arc::clone(&pools), options.body_timeout), bound_bodies))
        .layer(from_fn(decompress))
        .layer(from_fn_with_state(options.timeout, bound_time))
        .layer(from_fn_with_state(pools, bound_in_flight))
        .layer(from_fn_with_state(streams, bound_streams))
        .layer(from_fn_with_state(guard, authenticate))
        .layer(from_fn(pass_over_unread))
        .layer(CatchPanicLayer::custom(on_panic))
        .layer(from_fn(only_problems))
        // Made anew for each answer: what a slower level saves on the way it costs here.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(SetResponseHeaderLayer::overriding(
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(from_fn_with_state(Observed { service, untraced: options.untraced }, observe))
}

/// Serves until `shutdown`, then drains for at most [`HttpOptions::drain`].
///
/// # Errors
/// The listener is not a loopback one although no tokens are configured, or has no address; or an operation
/// of the document does not declare who may call it.
pub async fn serve(
    mut parts: ServiceParts,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listener has no address")?;
    check_listen(address, parts.tokens.is_some())?;
    let undeclared = Access::of(&parts.openapi).problems();
    anyhow::ensure!(undeclared.is_empty(), "{}", undeclared.join("; "));
    let (service, options) = (parts.service, parts.options);
    let tasks = Tasks::of(&shutdown);
    let upkeep = tasks.start("the metrics' upkeep", &shutdown, telemetry::metrics::upkeep(shutdown.clone()));
    let keeper = parts.tokens.clone().map(|tokens| {
        let stop = shutdown.clone();
        tasks.start("the tokens' keeper", &shutdown, async move { tokens.keep_current(stop).await })
    });
    let room = Room::new(service, options.connections);
    let standing = Arc::clone(&room);
    parts.readiness = parts.readiness.check("connections", move || std::future::ready(standing.state()));
    let app = app(parts);
    tracing::info!(service = service.as_str(), url = %format!("http://{address}"), "listening");
    connection::serve(listener, app, options, room, shutdown).await;
    tracing::info!(service = service.as_str(), "stopped listening");
    upkeep.abort();
    if let Some(keeper) = keeper {
        keeper.abort();
    }
    Ok(tasks.outcome()?)
}

fn operational_routes(service: ServiceName, document: &OpenApi, readiness: Readiness) -> Router {
    let text: Arc<str> = openapi::to_text(document).into();
    let openapi_json = move || async move { ([(CONTENT_TYPE, "application/json")], text.to_string()) };
    let readyz = move || async move {
        let report = readiness.report().await;
        let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(report)).into_response()
    };
    let metrics = move || async move {
        let text = telemetry::metrics::render(service);
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
    };
    let docs =
        utoipa_swagger_ui::SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json"));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi_json))
        .merge(docs)
}
