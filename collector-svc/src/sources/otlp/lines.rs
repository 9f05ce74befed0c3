//! Log records and spans as lines of events (TE-1), to be counted as those that are pushed.

use std::sync::Arc;

use domain::sources::otlp::{Logs, Otlp, Span as Meant};
use events::EventSpecs;
use events::map::{Map, NO_CODE, Rules, TimeFormat, Unit};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Map as Object, Value as Json, json};
use shared_types::Timestamp;

use super::attributes::{fit, object, text};
use super::refused::Refused;

/// The event that tells an error's kind.
const EXCEPTION: &str = "exception";

/// The records for a target with these settings as lines, and whether any of the request's resources is its. Without a map a
/// record that has no event's name is an app's ordinary log, and left out.
pub(crate) fn of_logs(
    request: &ExportLogsServiceRequest,
    settings: &Otlp,
    specs: &EventSpecs,
) -> Option<Vec<u8>> {
    let mut lines = None;
    for of_resource in request.resource_logs.iter().filter(|it| is_of(it.resource.as_ref(), settings)) {
        let lines = lines.get_or_insert_with(Vec::new);
        let Some(Logs { scope: wanted }) = &settings.logs else { continue };
        let name = |scope: Option<&InstrumentationScope>| scope.map(|it| it.name.clone()).unwrap_or_default();
        let is_wanted = |scope| wanted.as_ref().is_none_or(|wanted| *wanted == name(scope));
        for of_scope in of_resource.scope_logs.iter().filter(|it| is_wanted(it.scope.as_ref())) {
            for record in &of_scope.log_records {
                line_of(record, specs).into_iter().for_each(|line| write(lines, &line));
            }
        }
    }
    lines
}

fn line_of(record: &LogRecord, specs: &EventSpecs) -> Option<Object<String, Json>> {
    let mut line = object(&record.attributes);
    let body = record.body.as_ref();
    if let Some(Value::KvlistValue(fields)) = body.and_then(|it| it.value.as_ref()) {
        line.extend(object(&fields.values));
    }
    let said = body.and_then(text).unwrap_or_default();
    let (has_name, is_event) = (!record.event_name.is_empty(), specs.find(&said).is_some());
    if !has_name && !is_event && specs.map().is_none() {
        return None;
    }
    let name = if has_name { record.event_name.clone() } else { said };
    let nanos =
        if record.time_unix_nano > 0 { record.time_unix_nano } else { record.observed_time_unix_nano };
    line.insert("name".to_owned(), Json::from(name));
    line.insert("ts".to_owned(), Json::from(at(nanos).to_string()));
    Some(line)
}

/// The spans for a target with these settings as lines, and whether any of the request's resources is its. They are read with
/// [`span_specs`].
pub(crate) fn of_spans(
    request: &ExportTraceServiceRequest,
    settings: &Otlp,
    refused: &mut Refused,
) -> Option<Vec<u8>> {
    let mut lines = None;
    for of_resource in request.resource_spans.iter().filter(|it| is_of(it.resource.as_ref(), settings)) {
        let lines = lines.get_or_insert_with(Vec::new);
        for span in of_resource.scope_spans.iter().flat_map(|it| &it.spans) {
            let Some(meant) = settings.spans.get(&span.name) else { continue };
            if is_sampled(&span.trace_state) {
                let why = "is sampled, and stands for more than itself: count by a metric, or sample after it is sent";
                refused.add(1, format!("the span `{}` {why}", span.name));
                continue;
            }
            line_of_span(span, meant).into_iter().for_each(|line| write(lines, &line));
        }
    }
    lines
}

fn line_of_span(span: &Span, meant: &Meant) -> Option<Object<String, Json>> {
    let failed = span.status.as_ref().is_some_and(|it| it.code == StatusCode::Error as i32);
    let event = if failed { meant.error.as_ref() } else { meant.completed.as_ref() }?;
    let nanos = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
    let named = |of: &[KeyValue], key: &str| {
        of.iter().find(|it| it.key == key).and_then(|it| text(it.value.as_ref()?))
    };
    let exception = span.events.iter().rev().find(|it| it.name == EXCEPTION);
    let code = exception
        .and_then(|it| named(&it.attributes, "exception.type"))
        .or_else(|| named(&span.attributes, "error.type"));
    let mut line = Object::new();
    let fields = [
        ("ts", Json::from(at(span.end_time_unix_nano).to_string())),
        ("name", Json::from(event.as_str())),
        ("duration", json!(nanos as f64 / 1e6)),
        ("code", Json::from(code.unwrap_or_else(|| NO_CODE.to_owned()))),
        ("event_id", Json::from(format!("{}{}", hex(&span.trace_id), hex(&span.span_id)))),
    ];
    line.extend(fields.map(|(field, value)| (field.to_owned(), value)));
    if let Some(session) = named(&span.attributes, "session.id") {
        line.insert("session".to_owned(), Json::from(session));
    }
    Some(line)
}

/// What the lines of spans are read with: they say nothing of whether an error can be tried again.
pub(crate) fn span_specs(specs: &EventSpecs) -> EventSpecs {
    let rules = Rules {
        ts: Some(("ts".to_owned(), TimeFormat::Rfc3339)),
        name: "name".to_owned(),
        others_are_unknown: true,
        duration: Some(("duration".to_owned(), Unit::Milliseconds)),
        code: Some("code".to_owned()),
        event_id: Some("event_id".to_owned()),
        session: Some("session".to_owned()),
        ..Rules::default()
    };
    specs.clone().with_map(Map::new(rules).ok().map(Arc::new))
}

/// Whether a probability says how many spans it stands for (<https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/>).
fn is_sampled(trace_state: &str) -> bool {
    let members = trace_state.split(',').filter_map(|member| member.trim().strip_prefix("ot="));
    // A threshold of 0 lets every span through.
    let thresholds =
        members.flat_map(|values| values.split(';')).filter_map(|value| value.strip_prefix("th:"));
    thresholds.into_iter().any(|threshold| !threshold.trim_matches('0').is_empty())
}

fn is_of(resource: Option<&Resource>, settings: &Otlp) -> bool {
    fit(resource.map(|it| it.attributes.as_slice()).unwrap_or_default(), &settings.of_resource)
}

fn write(lines: &mut Vec<u8>, line: &Object<String, Json>) {
    lines.extend_from_slice(domain::stored::plain_text(line).as_bytes());
    lines.push(b'\n');
}

fn at(nanos: u64) -> Timestamp {
    super::streams::millis(nanos)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use events::EventSpec;
    use events::records::Records;
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};

    use super::*;

    #[test]
    fn a_probability_is_found_in_the_trace_state() {
        let found = ["", "ot=th:8", "a=1,ot=rv:0123;th:c8", "ot=th:0", "other=th:8"].map(is_sampled);
        assert_eq!(found, [false, true, true, false, false]);
    }

    /// TE-7: an app's own records, sent on as they are, are read by the map.
    #[test]
    fn records_are_read_by_the_map() {
        let said = |text: &str| AnyValue { value: Some(Value::StringValue(text.to_owned())) };
        let took = AnyValue { value: Some(Value::IntValue(250)) };
        let attribute =
            |key: &str, value| KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() };
        let record = |text: &str| LogRecord {
            time_unix_nano: 1_795_341_600_000_000_000,
            body: Some(said(text)),
            attributes: vec![attribute("res.took", took.clone())],
            ..LogRecord::default()
        };
        let log_records = vec![record("payment ok"), record("listening")];
        let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
        let resource = Some(Resource { attributes: vec![attribute("a", said("b"))], ..Resource::default() });
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }],
        };
        let settings = Otlp {
            of_resource: [("a".to_owned(), "b".to_owned())].into(),
            phase: None,
            counters: Default::default(),
            spans: Default::default(),
            logs: Some(Logs { scope: None }),
        };
        let rules = Rules {
            ts: Some(("ts".to_owned(), TimeFormat::Rfc3339)),
            name: "name".to_owned(),
            events: vec![("payment ok".parse().unwrap(), "paid".to_owned())],
            duration: Some(("res.took".to_owned(), Unit::Milliseconds)),
            ..Rules::default()
        };
        let specs = EventSpecs::new([EventSpec::timed("paid", "ms")]).unwrap();
        let specs = specs.with_map(Some(Arc::new(Map::new(rules).unwrap())));
        let records = Records::of_lines(&of_logs(&request, &settings, &specs).unwrap(), &specs);
        assert_eq!((records.events.len(), records.ignored, records.malformed), (1, 1, 0));
        assert!((records.events[0].duration_ms - 250.0).abs() < 1.0);
    }
}
