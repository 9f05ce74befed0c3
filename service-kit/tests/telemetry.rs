//! Traces leave the process: over OTLP to a real receiver, over HTTP headers to the next service. One test
//! only, because subscriber and exporter are the process's.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use service_kit::ServiceName;
use service_kit::client::Neighbour;
use service_kit::http::{HttpOptions, Json, Readiness, ServiceParts, openapi, serve};
use service_kit::telemetry::{self, TelemetryOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::{InfoBuilder, OpenApi, PathsBuilder};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

type Received = Arc<Mutex<Vec<Span>>>;

async fn receiver() -> (String, Received) {
    let received = Received::default();
    let spans = Arc::clone(&received);
    let take = move |body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

/// A service with these routes; its client-side name.
async fn service(router: Router) -> Neighbour {
    let document = OpenApi::new(InfoBuilder::new().build(), PathsBuilder::new().build());
    let parts = ServiceParts {
        service: ServiceName::Collector,
        router,
        openapi: openapi::finish(document, ServiceName::Collector),
        readiness: Readiness::new(),
        tokens: None,
        options: HttpOptions { untraced: &["/v1/traces"], ..HttpOptions::default() },
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(serve(parts, listener, CancellationToken::new()));
    Neighbour::new(base, None, Duration::from_secs(5)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_joins_caller_service_and_the_service_behind_it() {
    let (url, received) = receiver().await;
    let options = TelemetryOptions {
        name: "collector-svc",
        format: None,
        // A quiet log must not cost the traces.
        filter: "off".parse().unwrap(),
        otlp_endpoint: Some(url),
    };
    telemetry::init(&options).unwrap();
    telemetry::init(&options).unwrap();

    let seen = |headers: HeaderMap| async move { Json(headers["traceparent"].to_str().unwrap().to_owned()) };
    let quiet = || async { Json(service_kit::trace_context::trace_parent()) };
    let second = service(Router::new().route("/v1/second", get(seen)).route("/v1/traces", get(quiet))).await;
    let behind = second.clone();
    let forward = move || async move { Json(behind.get_json::<String>("/v1/second").await.unwrap()) };
    let first = service(Router::new().route("/v1/first", get(forward))).await;

    let traced = reqwest::Client::new()
        .get(format!("{}/v1/first", first.base()))
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .send();
    let traceparent: String = traced.await.unwrap().json().await.unwrap();
    assert_eq!(
        second.get_json::<Option<String>>("/v1/traces").await.unwrap(),
        None,
        "the intake has no span"
    );
    telemetry::flush().await;

    let spans = received.lock().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (first, second) = (named("GET /v1/first"), named("GET /v1/second"));
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert_eq!(hex(&first.trace_id), TRACE);
    assert_eq!(hex(&first.parent_span_id), CALLER);
    let attribute =
        |key: &str| format!("{:?}", first.attributes.iter().find(|pair| pair.key == key).unwrap().value);
    let status = attribute("http.response.status_code");
    assert!(status.contains("200"), "{status}");
    assert!(attribute("http.route").contains("/v1/first"));
    assert!(attribute("trace_id").contains(TRACE), "for the log lines");
    assert_eq!(hex(&second.trace_id), TRACE);
    assert_eq!(second.parent_span_id, first.span_id);
    assert_eq!(traceparent, format!("00-{TRACE}-{}-01", hex(&first.span_id)));
}
