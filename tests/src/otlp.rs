//! A receiver of OTLP over HTTP, so that a test can see the traces that leave the services.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A span, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSpan {
    /// `service.name` of the process it came from.
    pub service: String,
    pub name: String,
    /// In hex.
    pub trace: String,
    /// Those that are texts.
    pub attributes: BTreeMap<String, String>,
}

impl SeenSpan {
    /// Its name, with the kind of effect if it is one.
    #[must_use]
    pub fn label(&self) -> String {
        match self.attributes.get("kind") {
            Some(kind) => format!("{} {} {kind}", self.service, self.name),
            None => format!("{} {}", self.service, self.name),
        }
    }
}

/// The receiver; it ends when it is dropped.
pub struct OtlpReceiver {
    url: String,
    spans: Arc<Mutex<Vec<SeenSpan>>>,
    task: JoinHandle<()>,
}

impl OtlpReceiver {
    /// Starts on a port of its own.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start() -> Self {
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        let take = move |body: Bytes| async move {
            let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend(seen(request));
            StatusCode::OK
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let router = Router::new().route("/v1/traces", post(take));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.ok();
        });
        Self { url, spans, task }
    }

    /// What makes a process send its spans here, soon.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("OTEL_EXPORTER_OTLP_ENDPOINT", self.url.clone()), ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned())]
    }

    /// All spans so far.
    #[must_use]
    pub fn spans(&self) -> Vec<SeenSpan> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn seen(request: ExportTraceServiceRequest) -> Vec<SeenSpan> {
    let mut seen = Vec::new();
    for resource in request.resource_spans {
        let about = texts(resource.resource.map(|it| it.attributes).unwrap_or_default());
        let service = about.get("service.name").cloned().unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            seen.push(SeenSpan {
                service: service.clone(),
                name: span.name,
                trace: span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect(),
                attributes: texts(span.attributes),
            });
        }
    }
    seen
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value?.value? {
        Value::StringValue(text) => Some(text),
        _ => None,
    };
    attributes.into_iter().filter_map(|pair| Some((pair.key, text(pair.value)?))).collect()
}
