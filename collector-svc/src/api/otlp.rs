//! `POST /v1/metrics`, `/v1/logs` and `/v1/traces`: telemetry of the `OpenTelemetry` SDKs and collectors.
//!
//! Senders drop what is answered 400, 413 or 500 and repeat what is answered 503: own trouble is always 503, and what cannot be
//! counted is named in the partial success of a 200 (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::kinds::Chosen;
use domain::sources::SourceSettings;
use domain::sources::otlp::Otlp;
use domain::stored::plain;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_kit::http::{ApiError, Body, BodyShare, Json};
use service_kit::seldom;
use shared_types::problem::ProblemCode;
use tokio::sync::oneshot;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_128;

use super::Api;
use super::app::{COMMIT_PATIENCE, TargetEntry, committed};
use crate::sources::otlp::{Refused, of_logs, of_spans, readings, span_specs};
use crate::sources::{Push, PushReply};
use events::EventSpecs;
use events::records::Records;

/// What of a request is not counted, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotCounted(String);

/// How a request is written, and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

/// Takes data points of metrics. The answer comes when they are stored; what cannot be counted is named in it.
#[utoipa::path(
    post, path = "/v1/metrics", tag = "telemetry", operation_id = "push_metrics",
    security(("bearer" = ["service:telemetry"])),
    request_body(description = "`ExportMetricsServiceRequest` of OTLP; gzip and zstd are understood",
        content((Vec<u8> = "application/x-protobuf"), (serde_json::Value = "application/json"))),
    responses((status = 200, description = "`ExportMetricsServiceResponse`, written as the request is",
        content((Vec<u8> = "application/x-protobuf"), (serde_json::Value = "application/json")))),
)]
pub(super) async fn push_metrics(
    State(api): State<Api>,
    headers: HeaderMap,
    share: BodyShare,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let deadline = Instant::now() + COMMIT_PATIENCE;
    let form = form(&headers)?;
    let request: ExportMetricsServiceRequest = decoded(&api, form, &body).await?;
    let mut refused = Refused::default();
    let (mut is_for_nobody, mut answers) = (true, Vec::new());
    for (source, entry) in receivers(&api) {
        let Some(settings) = source.of_kind::<Otlp>() else { continue };
        let Some(readings) = readings(&request, settings, &mut refused) else { continue };
        is_for_nobody = false;
        if !readings.is_empty() {
            answers.push(entry.queue.deliver(readings, source.clone(), share.clone()));
        }
    }
    if is_for_nobody {
        let metrics =
            request.resource_metrics.iter().flat_map(|it| &it.scope_metrics).map(|it| it.metrics.len());
        refused.add(metrics.sum(), nobody(&api));
    }
    let waiting = Answers { api: &api, share: &share, deadline };
    for answer in answers {
        refused.merge(waiting.committed(answer).await?);
    }
    let partial_success = told(&refused).map(|(rejected_data_points, error_message)| {
        ExportMetricsPartialSuccess { rejected_data_points, error_message }
    });
    Ok(answer(form, &ExportMetricsServiceResponse { partial_success }))
}

/// Takes log records, each of which is an event by its event name or its text. The answer comes when they are stored.
#[utoipa::path(
    post, path = "/v1/logs", tag = "telemetry", operation_id = "push_logs",
    security(("bearer" = ["service:telemetry"])),
    request_body(description = "`ExportLogsServiceRequest` of OTLP; gzip and zstd are understood",
        content((Vec<u8> = "application/x-protobuf"), (serde_json::Value = "application/json"))),
    responses((status = 200, description = "`ExportLogsServiceResponse`, written as the request is",
        content((Vec<u8> = "application/x-protobuf"), (serde_json::Value = "application/json")))),
)]
pub(super) async fn push_logs(
    State(api): State<Api>,
    headers: HeaderMap,
    share: BodyShare,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let deadline = Instant::now() + COMMIT_PATIENCE;
    let form = form(&headers)?;
    let request: ExportLogsServiceRequest = decoded(&api, form, &body).await?;
    let records = request.resource_logs.iter().flat_map(|it| &it.scope_logs).map(|it| it.log_records.len());
    let answers = Answers { api: &api, share: &share, deadline };
    let refused = answers.of_lines(records.sum(), |settings, entry, _| {
        let specs = entry.worker.specs();
        let text = of_logs(&request, settings, &specs)?;
        Some(Lines { text, specs, key: Some(key_of(&body, settings)) })
    });
    let refused = refused.await?;
    let partial_success = told(&refused).map(|(rejected_log_records, error_message)| {
        ExportLogsPartialSuccess { rejected_log_records, error_message }
    });
    Ok(answer(form, &ExportLogsServiceResponse { partial_success }))
}

/// Takes spans, those of a name that the policy has being events. The answer comes when they are stored.
#[utoipa::path(
    post, path = "/v1/traces", tag = "telemetry", operation_id = "push_traces",
    security(("bearer" = ["service:telemetry"])),
    request_body(description = "`ExportTraceServiceRequest` of OTLP; gzip and zstd are understood",
        content((Vec<u8> = "application/x-protobuf"), (serde_json::Value = "application/json"))),
    responses((status = 200, description = "`ExportTraceServiceResponse`, written as the request is",
        content((Vec<u8> = "application/x-protobuf"), (serde_json::Value = "application/json")))),
)]
pub(super) async fn push_traces(
    State(api): State<Api>,
    headers: HeaderMap,
    share: BodyShare,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let deadline = Instant::now() + COMMIT_PATIENCE;
    let form = form(&headers)?;
    let request: ExportTraceServiceRequest = decoded(&api, form, &body).await?;
    let spans = request.resource_spans.iter().flat_map(|it| &it.scope_spans).map(|it| it.spans.len());
    let answers = Answers { api: &api, share: &share, deadline };
    let refused = answers.of_lines(spans.sum(), |settings, entry, refused| {
        let text = of_spans(&request, settings, refused)?;
        let specs = entry.worker.specs();
        let specs = if text.is_empty() { specs } else { Arc::new(span_specs(&specs)) };
        Some(Lines { text, specs, key: None })
    });
    let refused = refused.await?;
    let partial_success = told(&refused)
        .map(|(rejected_spans, error_message)| ExportTracePartialSuccess { rejected_spans, error_message });
    Ok(answer(form, &ExportTraceServiceResponse { partial_success }))
}

/// Lines of events for a target, and what they are read with.
struct Lines {
    text: Vec<u8>,
    specs: Arc<EventSpecs>,
    /// By which the same request is known again; none where each event has its own id.
    key: Option<String>,
}

/// A log record has no id: the same request again is known by its bytes, for each of the settings that read it.
fn key_of(body: &[u8], settings: &Otlp) -> String {
    format!("otlp/logs/{:032x}/{:032x}", xxh3_128(body), xxh3_128(settings.words().as_bytes()))
}

/// What the answers to a request are waited for with.
struct Answers<'a> {
    api: &'a Api,
    share: &'a BodyShare,
    /// One for all of them: whoever waits longer is told a 408, which senders do not repeat.
    deadline: Instant,
}

impl Answers<'_> {
    async fn committed<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, ApiError> {
        committed(answer, self.deadline, "not stored in time").await
    }

    /// Has the lines that a request of so many items makes for each target stored, and says what was refused.
    async fn of_lines(
        &self,
        items: usize,
        mut lines_of: impl FnMut(&Otlp, &TargetEntry, &mut Refused) -> Option<Lines>,
    ) -> Result<Refused, ApiError> {
        let (mut refused, mut is_for_nobody, mut answers) = (Refused::default(), true, Vec::new());
        for (source, entry) in receivers(self.api) {
            let Some(settings) = source.of_kind::<Otlp>() else { continue };
            let Some(Lines { text, specs, key }) = lines_of(settings, &entry, &mut refused) else { continue };
            is_for_nobody = false;
            if !text.is_empty() {
                let (records, key) = (Records::of_lines(&text, &specs), key.map(|key| (key.clone(), key)));
                let share = self.share.clone();
                answers.push(entry.queue.push_of(Some(source.clone()), records, specs, key, share));
            }
        }
        if is_for_nobody {
            refused.add(items, nobody(self.api));
        }
        for answer in answers {
            let push: Option<Push> = match self.committed(answer).await? {
                PushReply::Committed(push) => Some(push),
                PushReply::Repeated(answer) => serde_json::from_str(&answer).ok(),
                // The key is of the very bytes.
                PushReply::KeyReused => None,
            };
            let Some(push) = push else { continue };
            for error in &push.errors {
                refused.add(0, error.reason.clone());
            }
            for name in push.unknown_names.keys() {
                refused.add(0, format!("`{name}` is no event of the policy"));
            }
            refused.items += push.malformed + push.unknown;
        }
        Ok(refused)
    }
}

/// The targets that take OTLP, with their settings: one of two versions, where windows of both are open.
fn receivers(api: &Api) -> Vec<(Chosen<dyn SourceSettings>, TargetEntry)> {
    let takes = |entry: &TargetEntry| {
        let sources = entry.worker.sources().into_iter();
        sources.filter(|it| it.of_kind::<Otlp>().is_some()).collect::<Vec<_>>()
    };
    let all = api.targets.all().into_iter();
    all.flat_map(|(_, entry)| takes(&entry).into_iter().map(move |it| (it, entry.clone()))).collect()
}

/// Targets that such an answer names.
const TOLD: usize = 5;

/// What to say of a request that no target takes.
fn nobody(api: &Api) -> String {
    let wanted = receivers(api).into_iter().filter_map(|(source, _)| Some(source.of_kind::<Otlp>()?.whose()));
    let mut wanted: Vec<String> = wanted.collect();
    let more = wanted.len().saturating_sub(TOLD);
    wanted.truncate(TOLD);
    let wanted = wanted.join("; ");
    match (wanted.is_empty(), more) {
        (true, _) => "no target of the policy takes OTLP: `source: { otlp: … }`".to_owned(),
        (false, 0) => format!("no target's `match` fits the resource; there are {wanted}"),
        (false, more) => format!("no target's `match` fits the resource; there are {wanted} and {more} more"),
    }
}

fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let said = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    match said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" => Ok(Form::Protobuf),
        "application/json" => Ok(Form::Json),
        _ => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ProblemCode::UnsupportedMediaType,
            "expected `Content-Type: application/x-protobuf` or `application/json`",
        )),
    }
}

async fn decoded<T>(api: &Api, form: Form, body: &Bytes) -> Result<T, ApiError>
where
    T: Message + Default + DeserializeOwned + 'static,
{
    let (body, length) = (body.clone(), body.len());
    let read = move || match form {
        Form::Protobuf => T::decode(body).map_err(|error| error.to_string()),
        Form::Json => serde_json::from_slice(&body).map_err(|error| error.to_string()),
    };
    let read = api.parsed(length, read).await?;
    read.map_err(|error| {
        ApiError::bad_request(ProblemCode::UnreadableBody, format!("no OTLP request: {error}"))
    })
}

fn answer<T: Message + Serialize>(form: Form, answer: &T) -> Response {
    match form {
        Form::Protobuf => {
            ([(CONTENT_TYPE, "application/x-protobuf")], answer.encode_to_vec()).into_response()
        }
        Form::Json => {
            let mut answer = plain(answer);
            // What is not set is not there.
            answer.as_object_mut().into_iter().for_each(|it| it.retain(|_, value| !value.is_null()));
            Json(answer).into_response()
        }
    }
}

/// What the partial success says, if anything was refused. Not all senders show it to anybody.
fn told(refused: &Refused) -> Option<(i64, String)> {
    let words = refused.words();
    if !words.is_empty() {
        seldom!(warn, "not all that is sent by OTLP counts", &NotCounted(words.clone()));
    }
    let items = i64::try_from(refused.items).unwrap_or(i64::MAX);
    (refused.items > 0 || !words.is_empty()).then_some((items, words))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// TE-5, PO-2: a request is known again, but for each version's settings by itself: in the windows of one it counts as well as
    /// in those of the other.
    #[test]
    fn a_request_of_logs_is_known_again_for_each_of_the_settings() {
        let settings = |service: &str| Otlp {
            of_resource: BTreeMap::from([("service.name".to_owned(), service.to_owned())]),
            phase: None,
            counters: BTreeMap::new(),
            spans: BTreeMap::new(),
            logs: None,
        };
        let key = key_of(b"body", &settings("a"));
        assert_eq!(key, key_of(b"body", &settings("a")));
        assert_ne!(key, key_of(b"other", &settings("a")));
        assert_ne!(key, key_of(b"body", &settings("b")));
    }
}
