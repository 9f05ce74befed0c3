//! Telemetry by OTLP: data points counted once by their streams, log records and spans as events. What the SDKs send is tried
//! in `lab/sources`.

use std::collections::BTreeMap;
use std::sync::Arc;

use collector_svc::sources::SHIPPED;
use collector_svc::sources::otlp::{Refused, readings};
use domain::kinds::Chosen;
use domain::policy::Policy;
use domain::sources::otlp::{Counter, Logs, Otlp, Span as Meant};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use serde_json::json;
use service_kit::http::BodyShare;
use shared_types::Batch;
use tokio::sync::oneshot;

use crate::http::{Service, World, until};
use crate::rig::{Fault, Rig, at, autosave, directive, saved};

const CUMULATIVE: AggregationTemporality = AggregationTemporality::Cumulative;
pub(crate) const DELTA: AggregationTemporality = AggregationTemporality::Delta;

fn pairs(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn settings() -> Otlp {
    let counter = |only: &[(&str, &str)], breakdown: &[(&str, &str)]| Counter {
        metric: "saves".to_owned(),
        only: pairs(only),
        breakdown: pairs(breakdown),
        durations: None,
    };
    let (completed, error) = ("autosave.save.completed".to_owned(), "autosave.save.error".to_owned());
    let span = Meant { completed: Some(completed.clone()), error: Some(error.clone()) };
    Otlp {
        of_resource: pairs(&[("service.name", "editor")]),
        phase: None,
        counters: BTreeMap::from([
            (completed, counter(&[("outcome", "ok")], &[])),
            (error, counter(&[("outcome", "failed")], &[("code", "error.type")])),
        ]),
        spans: BTreeMap::from([("save".to_owned(), span)]),
        logs: Some(Logs { scope: Some("telemetry".to_owned()) }),
    }
}

fn attributes(of: &[(&str, &str)]) -> Vec<KeyValue> {
    let value = |value: &str| AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    let one = |(key, it): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: Some(value(it)),
        ..KeyValue::default()
    };
    of.iter().map(one).collect()
}

fn nanos(time: &str) -> u64 {
    at(time).as_millis().unsigned_abs() * 1_000_000
}

/// A point of saves with an outcome, from a time to a time.
pub(crate) fn point(outcome: &[(&str, &str)], from: &str, to: &str, count: i64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(outcome),
        start_time_unix_nano: nanos(from),
        time_unix_nano: nanos(to),
        value: Some(Number::AsInt(count)),
        ..NumberDataPoint::default()
    }
}

pub(crate) const OK: &[(&str, &str)] = &[("outcome", "ok")];
const LOCK: &[(&str, &str)] = &[("outcome", "failed"), ("error.type", "E_LOCK")];

pub(crate) fn sum(temporality: AggregationTemporality, data_points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points, aggregation_temporality: temporality as i32, is_monotonic: true };
    Metric { name: "saves".to_owned(), data: Some(Data::Sum(sum)), ..Metric::default() }
}

pub(crate) fn request(service: &str, instance: &str, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let attributes = attributes(&[("service.name", service), ("service.instance.id", instance)]);
    let resource = Some(Resource { attributes, ..Resource::default() });
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let of_resource = ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }
}

async fn rig(settings: Otlp) -> Rig {
    let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &SHIPPED).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig
}

/// Puts a request into the target's queue.
fn send(rig: &Rig, settings: &Otlp, request: &ExportMetricsServiceRequest) -> oneshot::Receiver<Refused> {
    let readings = readings(request, settings, &mut Refused::default()).unwrap();
    rig.queue.deliver(readings, Chosen(Arc::new(settings.clone())), BodyShare::default())
}

/// Sends at a time of the day, and says what was refused.
async fn sent(rig: &mut Rig, time: &str, metric: Metric) -> String {
    rig.clock.set(at(time));
    let answer = send(rig, &settings(), &request("editor", "1", vec![metric]));
    rig.turn().await;
    answer.await.unwrap().words()
}

fn counts(batch: &Batch) -> (u64, u64) {
    let count = |name: &str| batch.counters.get(name).copied().unwrap_or(0);
    (count("autosave.save.completed"), count("autosave.save.error"))
}

/// TE-5: a request that comes again, because its answer was lost or the collector was killed, counts once; what a process has
/// counted in all is counted by its differences, over its restart, and an error whose stream is born with it from zero.
#[tokio::test]
async fn a_data_point_counts_once_through_kills() {
    for temporality in [CUMULATIVE, DELTA] {
        for fault in [Fault::None, Fault::Refused, Fault::AnswerLost] {
            let settings = settings();
            let mut rig = rig(settings.clone()).await;
            // What was counted before anybody looked is of nobody's window.
            let exports = if temporality == DELTA {
                [
                    ("10:01:00", vec![point(OK, "10:00:00", "10:01:00", 40)]),
                    (
                        "10:02:00",
                        vec![point(OK, "10:01:00", "10:02:00", 2), point(LOCK, "10:01:00", "10:02:00", 9)],
                    ),
                    ("10:04:00", vec![point(OK, "10:03:00", "10:04:00", 5)]),
                ]
            } else {
                [
                    ("10:01:00", vec![point(OK, "10:00:10", "10:01:00", 40)]),
                    (
                        "10:02:00",
                        vec![point(OK, "10:00:10", "10:02:00", 42), point(LOCK, "09:00:00", "10:02:00", 9)],
                    ),
                    ("10:04:00", vec![point(OK, "10:03:00", "10:04:00", 5)]),
                ]
            };
            for (time, points) in exports {
                rig.clock.set(at(time));
                let request = request("editor", "1", vec![sum(temporality, points)]);
                rig.faults.fail_next_commit(fault);
                let _unanswered = send(&rig, &settings, &request);
                let _ = rig.worker.turn().await;
                rig.kill();
                for _ in 0..2 {
                    let answer = send(&rig, &settings, &request);
                    rig.turn().await;
                    assert_eq!(answer.await.unwrap(), Refused::default());
                }
            }
            rig.turn_at("10:15:30").await;
            let batches = rig.analyzer.batches();
            let case = format!("{temporality:?} {fault:?}");
            assert_eq!(batches.iter().map(counts).collect::<Vec<_>>(), [(47, 9)], "{case}");
            assert_eq!(batches[0].breakdowns["autosave.save.error"]["code"]["E_LOCK"], 9, "{case}");
            assert_eq!((batches[0].source.as_str(), batches[0].intake.late), ("otlp", 0), "{case}");
            rig.assert_outbox_empty().await;
        }
    }
}

/// A commit whose answer got lost is found again, and its senders are answered.
#[tokio::test]
async fn a_delivery_in_flight_is_answered_after_its_commit() {
    for fault in [Fault::Refused, Fault::AnswerLost] {
        let mut rig = rig(settings()).await;
        rig.clock.set(at("10:01:00"));
        let metric = sum(CUMULATIVE, vec![point(OK, "10:00:10", "10:01:00", 40)]);
        let answer = send(&rig, &settings(), &request("editor", "1", vec![metric]));
        rig.faults.fail_next_commit(fault);
        assert!(rig.worker.turn().await.is_err());
        rig.turn().await;
        assert_eq!(answer.await.unwrap(), Refused::default());
        rig.turn_at("10:15:30").await;
        assert_eq!(rig.analyzer.batches().iter().map(counts).collect::<Vec<_>>(), [(40, 0)], "{fault:?}");
    }
}

/// TE-3, PH-8: a point counts in the window in which it ends; one that also holds what was before its stay counts for neither,
/// one of a closed window is late, and one of the future is refused.
#[tokio::test]
async fn a_point_counts_where_it_ends() {
    let mut rig = rig(settings()).await;
    let delta = |from: &str, to: &str, count| sum(DELTA, vec![point(OK, from, to, count)]);
    for (at, from, to, count) in [
        ("10:00:30", "09:59:30", "10:00:30", 100), // begun before the stay
        ("10:01:30", "10:00:30", "10:01:30", 7),
        ("10:15:00", "10:14:00", "10:15:00", 3), // ends with the window
        ("10:15:30", "10:15:00", "10:15:30", 1),
    ] {
        assert_eq!(sent(&mut rig, at, delta(from, to, count)).await, "");
    }
    rig.turn_at("10:15:40").await;
    let mut other = delta("10:05:00", "10:06:00", 4);
    other.name = "saves".to_owned();
    let answer = send(&rig, &settings(), &request("editor", "2", vec![other]));
    rig.turn().await;
    assert_eq!(answer.await.unwrap(), Refused::default());
    let refused = sent(&mut rig, "10:16:00", delta("10:15:30", "10:40:00", 4)).await;
    assert!(refused.contains("ends 1440 s from now: the clocks differ"), "{refused}");
    rig.turn_at("10:30:30").await;
    let batches = rig.analyzer.batches();
    assert_eq!((counts(&batches[0]), batches[1].intake.late), ((10, 0), 4));
    // How much of it is of this window nobody knows.
    assert!(batches[1].intake.missing["autosave.save.completed"].contains("the clocks differ"));
}

/// CO-5: two processes that write one stream are refused by name, and what nobody knows is missing and not counted.
#[tokio::test]
async fn two_processes_with_one_stream_are_missing_and_not_counted() {
    let mut rig = rig(settings()).await;
    let of = |from: &str, to: &str, count| sum(CUMULATIVE, vec![point(OK, from, to, count)]);
    assert_eq!(sent(&mut rig, "10:01:00", of("10:00:10", "10:01:00", 40)).await, "");
    let refused = sent(&mut rig, "10:01:30", of("10:00:50", "10:01:30", 9)).await;
    assert!(refused.contains("write the stream `saves` of editor 1"), "{refused}");
    assert!(refused.contains("service.instance.id"), "{refused}");
    rig.turn_at("10:15:30").await;
    let batch = rig.analyzer.batches().remove(0);
    assert!(batch.intake.missing["autosave.save.completed"].contains("two processes"), "{:?}", batch.intake);
    assert!(!batch.counters.contains_key("autosave.save.completed"));
    assert_eq!(sent(&mut rig, "10:16:00", of("10:00:50", "10:16:00", 12)).await, "");
    rig.turn_at("10:30:30").await;
    assert_eq!(counts(&rig.analyzer.batches()[1]), (3, 0));
}

/// What is of another phase is not of this window; without a phase of its own a point has its resource's.
#[tokio::test]
async fn points_of_another_phase_are_left_out() {
    let settings = Otlp { phase: Some("phase".to_owned()), ..settings() };
    let mut rig = rig(settings.clone()).await;
    rig.clock.set(at("10:01:00"));
    let of = |phase: &str, count| {
        let labels = [OK[0], ("phase", phase)];
        point(&labels, "10:00:10", "10:01:00", count)
    };
    let points = vec![of("A", 40), of("off", 900), point(OK, "10:00:10", "10:01:00", 7)];
    let answer = send(&rig, &settings, &request("editor", "1", vec![sum(DELTA, points)]));
    rig.turn().await;
    answer.await.unwrap();
    rig.turn_at("10:15:30").await;
    assert_eq!(counts(&rig.analyzer.batches()[0]), (40, 0));
}

/// A process that has ended is forgotten, so that what is known of them stays bounded.
#[tokio::test]
async fn a_process_that_was_not_heard_of_for_long_is_forgotten() {
    let mut rig = rig(settings()).await;
    let of = |from: &str, to: &str| vec![sum(DELTA, vec![point(OK, from, to, 1)])];
    for instance in ["1", "2", "3"] {
        rig.clock.set(at("10:01:00"));
        let answer = send(&rig, &settings(), &request("editor", instance, of("10:00:10", "10:01:00")));
        rig.turn().await;
        answer.await.unwrap();
    }
    let known = async |rig: &Rig| {
        let count = "SELECT COUNT(*) FROM source_positions WHERE target = 'autosave'";
        sqlx::query_scalar::<_, i64>(count).fetch_one(rig.db.pool()).await.unwrap()
    };
    assert_eq!(known(&rig).await, 3);
    rig.turn_at("11:01:00").await;
    // While nobody was heard of, nobody has ended.
    for (from, to, left) in [("11:01:00", "11:02:00", 3), ("11:02:00", "11:03:00", 1)] {
        rig.clock.set(at(to));
        let answer = send(&rig, &settings(), &request("editor", "3", of(from, to)));
        rig.turn().await;
        assert_eq!((answer.await.unwrap(), known(&rig).await), (Refused::default(), left));
    }
}

/// PO-2: while windows of a version before are open its own source is still read, and what is known of each stays apart.
#[tokio::test]
async fn what_is_sent_leaves_the_files_of_the_version_before_alone() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.append(&saved("10:00:30", "a"));
    rig.turn_at("10:01:00").await;
    let metric = sum(DELTA, vec![point(OK, "10:00:10", "10:01:00", 40)]);
    for _ in 0..2 {
        let answer = send(&rig, &settings(), &request("editor", "1", vec![metric.clone()]));
        rig.turn().await;
        assert_eq!(answer.await.unwrap(), Refused::default());
        rig.kill();
    }
    rig.append(&saved("10:02:00", "b"));
    rig.turn_at("10:15:30").await;
    assert_eq!(rig.analyzer.batches().iter().map(counts).collect::<Vec<_>>(), [(2, 0)]);
    assert!(rig.analyzer.batches()[0].intake.lost_files.is_empty());
}

/// A histogram in seconds with the bounds that SDKs ship for milliseconds is counted, and its sender is told how to give it others;
/// what has no unit of time, or no buckets of durations, is refused.
#[test]
fn buckets_that_no_limit_can_be_judged_by_are_explained() {
    let mut settings = settings();
    let durations = Counter {
        durations: Some(None),
        only: BTreeMap::new(),
        ..settings.counters["autosave.save.completed"].clone()
    };
    settings.counters = BTreeMap::from([("autosave.save.completed".to_owned(), durations)]);
    let shipped = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000].map(f64::from);
    let read = |unit: &str, explicit_bounds: &[f64], bucket_counts: Vec<u64>| {
        let point = HistogramDataPoint {
            start_time_unix_nano: nanos("10:00:00"),
            time_unix_nano: nanos("10:01:00"),
            count: 1000,
            explicit_bounds: explicit_bounds.to_vec(),
            bucket_counts,
            ..HistogramDataPoint::default()
        };
        let histogram = Histogram { data_points: vec![point], aggregation_temporality: DELTA as i32 };
        let data = Some(Data::Histogram(histogram));
        let metric = Metric { name: "saves".to_owned(), unit: unit.to_owned(), data, ..Metric::default() };
        let mut refused = Refused::default();
        let read = readings(&request("editor", "1", vec![metric]), &settings, &mut refused).unwrap();
        (read.len(), refused.items, refused.words())
    };
    let in_first = || [vec![0, 1000], vec![0; 14]].concat();
    let (read_in_seconds, refused, said) = read("s", &shipped, in_first());
    assert!(
        (read_in_seconds, refused) == (1, 0) && said.contains("base2_exponential_bucket_histogram"),
        "{said}"
    );
    assert_eq!(read("ms", &shipped, in_first()), (1, 0, String::new()));
    assert_eq!(read("s", &[0.5, 1.0], vec![1000, 0, 0]), (1, 0, String::new()));
    let (_, refused, said) = read("1", &shipped, in_first());
    assert!(refused == 1 && said.contains("is in `1`, which is no unit of time"), "{said}");
    let (_, refused, said) = read("s", &[1.0, 0.5], vec![1000, 0, 0]);
    assert!(refused == 1 && said.contains("has no buckets of durations"), "{said}");
}

async fn started(world: &World) -> Service {
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml"));
    let mut policy = Policy::load(path).unwrap();
    policy.targets.get_mut(&autosave()).unwrap().collection.source = Chosen(Arc::new(settings()));
    world.start_with(path, Arc::new(policy)).await
}

async fn post(service: &Service, signal: &str, kind: &str, body: Vec<u8>) -> reqwest::Response {
    let url = service.base.replace("/v1/targets/autosave", &format!("/v1/{signal}"));
    service.http.post(url).header("content-type", kind).body(body).send().await.unwrap()
}

async fn post_json(service: &Service, signal: &str, body: &serde_json::Value) -> serde_json::Value {
    let response = post(service, signal, "application/json", body.to_string().into_bytes()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    response.json().await.unwrap()
}

const PROTOBUF: &str = "application/x-protobuf";

/// TE-5, TE-8: protobuf and JSON are answered in their own form when they are stored; what cannot be counted is named there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_answered_with_what_cannot_be_counted() {
    let world = World::new().await;
    let service = started(&world).await;
    let answered = async |request: ExportMetricsServiceRequest| {
        let response = post(&service, "metrics", PROTOBUF, request.encode_to_vec()).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &PROTOBUF.parse().unwrap())
        );
        let answer = ExportMetricsServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
        answer.partial_success.map(|it| (it.rejected_data_points, it.error_message))
    };
    let good = || sum(DELTA, vec![point(OK, "10:00:00", "10:00:30", 4)]);
    assert_eq!(answered(request("editor", "1", vec![good()])).await, None);
    assert_eq!(answered(request("editor", "1", vec![good()])).await, None);

    let gauge = Gauge { data_points: vec![point(OK, "10:00:00", "10:00:30", 4); 2] };
    let of = |data| Metric { name: "saves".to_owned(), data, ..Metric::default() };
    let falling =
        Sum { data_points: vec![NumberDataPoint::default()], is_monotonic: false, ..Sum::default() };
    let unsaid = Sum { data_points: vec![NumberDataPoint::default()], is_monotonic: true, ..Sum::default() };
    for (data, points, why) in [
        (Some(Data::Gauge(gauge)), 4, "`saves` is a gauge"),
        (Some(Data::Sum(falling)), 2, "is a sum that can fall"),
        (Some(Data::Sum(unsaid)), 2, "does not say whether it is delta or cumulative"),
        (None, 2, "has no points that can be read"),
    ] {
        // Two events are counted from it.
        let (rejected, said) = answered(request("editor", "1", vec![of(data)])).await.unwrap();
        assert!(rejected == points && said.contains(why), "{rejected} {said}");
    }
    let (rejected, said) = answered(request("elsewhere", "1", vec![good()])).await.unwrap();
    assert_eq!(
        (rejected, said.as_str()),
        (1, "no target's `match` fits the resource; there are service.name=editor")
    );

    let json = json!({"resourceMetrics": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "editor"}}]},
        "scopeMetrics": [{"metrics": [{"name": "saves", "unknown": 1, "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [
            {"attributes": [{"key": "outcome", "value": {"stringValue": "ok"}}], "startTimeUnixNano": nanos("10:00:00").to_string(),
             "timeUnixNano": nanos("10:00:20"), "asDouble": 3}]}}]}]}]});
    assert_eq!(post_json(&service, "metrics", &json).await, json!({}));
    // An enumeration by its name is no JSON of OTLP.
    let mut named = json;
    named["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["sum"]["aggregationTemporality"] =
        json!("DELTA");
    let refused = post_json(&service, "metrics", &named).await;
    assert!(refused["partialSuccess"]["errorMessage"].as_str().unwrap().contains("can be read"), "{refused}");

    for (kind, body, status) in
        [("text/plain", vec![], 415), (PROTOBUF, vec![7, 7], 400), ("application/json", b"[1".to_vec(), 400)]
    {
        assert_eq!(post(&service, "metrics", kind, body).await.status(), status);
    }
    world.clock.set(at("10:15:30"));
    until(async || !world.analyzer.batches().is_empty()).await;
    assert_eq!(counts(&world.analyzer.batches()[0]), (7, 0));
    service.stop().await;
}

fn of_editor(kind: &str, scopes: &serde_json::Value) -> serde_json::Value {
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "editor"}}]});
    let (outer, inner) = (format!("resource{kind}"), format!("scope{kind}"));
    json!({ outer: [{ "resource": resource, inner: scopes }] })
}

fn attribute(key: &str, value: &serde_json::Value) -> serde_json::Value {
    json!({ "key": key, "value": value })
}

/// TE-1, TE-4: a record is an event by its event name or its text; the same request again counts once, an app's other logs not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_records_are_events() {
    let world = World::new().await;
    let service = started(&world).await;
    let completed = json!({"eventName": "autosave.save.completed", "timeUnixNano": nanos("10:00:00").to_string(),
        "attributes": [attribute("duration_ms", &json!({"doubleValue": 640.5}))]});
    let error = json!({"body": {"stringValue": "autosave.save.error"}, "observedTimeUnixNano": nanos("10:00:01").to_string(),
        "attributes": [attribute("code", &json!({"stringValue": "E_LOCK"})), attribute("retryable", &json!({"boolValue": false}))]});
    let chatter =
        json!({"body": {"stringValue": "listening"}, "timeUnixNano": nanos("10:00:00").to_string()});
    let broken =
        json!({"eventName": "autosave.save.completed", "timeUnixNano": nanos("10:00:00").to_string()});
    let scope =
        |name: &str, records: serde_json::Value| json!({"scope": {"name": name}, "logRecords": records});
    let logs = of_editor(
        "Logs",
        &json!(
            [scope("telemetry", json!([completed, error, chatter])), scope("access", json!([completed])),]
        ),
    );
    for _ in 0..2 {
        assert_eq!(post_json(&service, "logs", &logs).await, json!({}));
    }
    let refused =
        post_json(&service, "logs", &of_editor("Logs", &json!([scope("telemetry", json!([broken]))]))).await;
    assert_eq!(refused["partialSuccess"]["errorMessage"], "`duration_ms` is missing");
    let nobody = ExportLogsServiceRequest::default();
    assert_eq!(post(&service, "logs", PROTOBUF, nobody.encode_to_vec()).await.status(), 200);
    world.clock.set(at("10:15:30"));
    until(async || !world.analyzer.batches().is_empty()).await;
    let batch = world.analyzer.batches().remove(0);
    assert_eq!((counts(&batch), batch.intake.malformed, batch.intake.unknown), ((1, 1), 1, 0));
    assert!((batch.distributions["autosave.save.completed"].max - 640.5).abs() < 1.0);
    assert_eq!(batch.breakdowns["autosave.save.error"]["code"]["E_LOCK"], 1);
    service.stop().await;
}

/// TE-1, TE-4: a span is an event with its duration, or an error by its status, once by its id; one that stands for more than
/// itself is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_events() {
    let world = World::new().await;
    let service = started(&world).await;
    let span = |id: &str, more: serde_json::Value| {
        let mut span = json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": id, "name": "save",
            "startTimeUnixNano": nanos("10:00:00").to_string(), "endTimeUnixNano": (nanos("10:00:00") + 250_000_000).to_string()});
        span.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        span
    };
    let raised = json!([{"name": "exception", "attributes": [attribute("exception.type", &json!({"stringValue": "E_IO"}))]}]);
    let spans = json!([
        span("00f067aa0ba902b7", json!({})),
        span("00f067aa0ba902b8", json!({"status": {"code": 2}, "events": raised})),
        span("00f067aa0ba902b9", json!({"name": "load"})),
        span("00f067aa0ba902ba", json!({"traceState": "ot=th:8"})),
    ]);
    let traces = of_editor("Spans", &json!([{ "spans": spans }]));
    for _ in 0..2 {
        let answer = post_json(&service, "traces", &traces).await;
        let said = answer["partialSuccess"]["errorMessage"].as_str().unwrap();
        assert!(said.starts_with("the span `save` is sampled"), "{answer}");
    }
    let empty = ExportTraceServiceRequest::default();
    assert_eq!(post(&service, "traces", PROTOBUF, empty.encode_to_vec()).await.status(), 200);
    world.clock.set(at("10:15:30"));
    until(async || !world.analyzer.batches().is_empty()).await;
    let batch = world.analyzer.batches().remove(0);
    assert_eq!((counts(&batch), batch.intake.duplicates, batch.intake.malformed), ((1, 1), 2, 0));
    assert!((batch.distributions["autosave.save.completed"].max - 250.0).abs() < 1.0);
    assert_eq!(batch.breakdowns["autosave.save.error"]["code"]["E_IO"], 1);
    service.stop().await;
}
