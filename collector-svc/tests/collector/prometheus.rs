//! Counters of a server that speaks Prometheus' HTTP API. What real servers answer is tried in `lab/sources`; here it answers
//! badly too, when it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use collector_svc::share::Share;
use collector_svc::sources::prometheus::READER;
use domain::kinds::{Chosen, Kinds};
use domain::policy::{Policy, TargetPolicy};
use domain::server::Auth;
use domain::sources::prometheus::{Counter, Durations, Prometheus};
use events::map::Unit;
use serde_json::{Value, json};
use shared_types::collector_event::CollectorEventKind;
use shared_types::{Batch, SecretFrom, Timestamp};

use crate::rig::{Fault, Rig, at, autosave, directive, turn};

pub(crate) const SAVES: &str = "saves_total{result=\"ok\"}";
const ERRORS: &str = "save_errors_total";
const UP: &str = "up{job=\"editor\"}";

/// What it has: by selector, series of labels and samples.
type Stored = BTreeMap<String, Vec<(Value, Vec<(Timestamp, f64)>)>>;

/// A server whose answers are the samples that it was given.
#[derive(Clone, Default)]
pub(crate) struct Server {
    stored: Arc<Mutex<Stored>>,
    /// Said instead, once.
    instead: Arc<Mutex<Option<(u16, Value)>>>,
    /// What queries of no raw samples give.
    numbers: Arc<Mutex<BTreeMap<String, Value>>>,
    asked: Arc<Mutex<Vec<HeaderMap>>>,
    /// The one token that it takes, if it asks for one.
    pub(crate) takes: Arc<Mutex<Option<String>>>,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let server = Self::default();
        let router = Router::new().route("/prom/api/v1/query", post(query)).with_state(server.clone());
        Self { url: format!("{}/prom", serve(router)), ..server }
    }

    /// A sample of the series of a selector that has these labels.
    pub(crate) fn sample(&self, selector: &str, labels: &Value, time: &str, value: f64) {
        let mut stored = self.stored.lock().unwrap();
        let series = stored.entry(selector.to_owned()).or_default();
        match series.iter_mut().find(|(known, _)| known == labels) {
            Some((_, samples)) => samples.push((at(time), value)),
            None => series.push((labels.clone(), vec![(at(time), value)])),
        }
    }

    fn says_once(&self, status: u16, body: Value) {
        *self.instead.lock().unwrap() = Some((status, body));
    }

    pub(crate) fn settings(&self) -> Prometheus {
        let counter = |series: &str| Counter {
            series: series.to_owned(),
            breakdown: BTreeMap::new(),
            absent_is_zero: false,
        };
        let errors = Counter {
            breakdown: BTreeMap::from([("code".to_owned(), "reason".to_owned())]),
            absent_is_zero: true,
            ..counter(ERRORS)
        };
        Prometheus {
            url: self.url.clone(),
            headers: BTreeMap::from([("X-Scope-OrgID".to_owned(), "editor".to_owned())]),
            auth: None,
            settle: Duration::from_secs(20),
            lookback: Duration::from_secs(300),
            samples_most: 200_000,
            up: Some(UP.to_owned()),
            started: None,
            counters: BTreeMap::from([
                ("autosave.save.completed".to_owned(), counter(SAVES)),
                ("autosave.save.error".to_owned(), errors),
            ]),
            distributions: BTreeMap::new(),
            values: BTreeMap::new(),
        }
    }
}

/// Where it is served. In a thread of its own: some who ask have no runtime yet.
pub(crate) fn serve(router: Router) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await
        })
    });
    url
}

async fn query(State(server): State<Server>, headers: HeaderMap, body: String) -> (StatusCode, Json<Value>) {
    let form = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
    let form: BTreeMap<_, _> = form.query_pairs().into_owned().collect();
    let taken = server.takes.lock().unwrap().as_ref().map(|token| format!("Bearer {token}"));
    let shown = headers.get("Authorization").and_then(|it| it.to_str().ok()).map(str::to_owned);
    server.asked.lock().unwrap().push(headers);
    if taken.is_some() && taken != shown {
        let said = format!("{} is not taken", shown.unwrap_or_default());
        return (StatusCode::UNAUTHORIZED, Json(json!({ "status": "error", "error": said })));
    }
    if let Some((status, body)) = server.instead.lock().unwrap().take() {
        return (StatusCode::from_u16(status).unwrap(), Json(body));
    }
    if let Some(data) = server.numbers.lock().unwrap().get(&form["query"]) {
        return (StatusCode::OK, Json(json!({ "status": "success", "data": data })));
    }
    let counted = form["query"].strip_prefix("sum(count_over_time(").and_then(|it| it.strip_suffix("))"));
    let (selector, span) = counted.unwrap_or(&form["query"]).rsplit_once('[').unwrap();
    let span: u64 = span.trim_end_matches("s]").parse().unwrap();
    let end: f64 = form["time"].parse().unwrap();
    let end = at("00:00:00").plus(Duration::from_secs_f64(end - seconds(at("00:00:00"))));
    let begin = end.minus(Duration::from_secs(span));
    let stored = server.stored.lock().unwrap();
    let series = stored.get(selector).into_iter().flatten().filter_map(|(labels, samples)| {
        let within = samples.iter().filter(|(at, _)| *at > begin && *at <= end);
        let values: Vec<Value> = within.map(|(at, value)| json!([seconds(*at), value.to_string()])).collect();
        (!values.is_empty()).then(|| json!({ "metric": labels, "values": values }))
    });
    let result: Vec<Value> = series.collect();
    let samples: usize = result.iter().map(|it| it["values"].as_array().unwrap().len()).sum();
    let sum = json!([{ "metric": {}, "value": [end.as_millis() / 1000, samples.to_string()] }]);
    let data = match counted {
        Some(_) => json!({ "resultType": "vector", "result": sum }),
        None => json!({ "resultType": "matrix", "result": result }),
    };
    (StatusCode::OK, Json(json!({ "status": "success", "data": data })))
}

fn seconds(at: Timestamp) -> f64 {
    Duration::from_millis(at.as_millis().unsigned_abs()).as_secs_f64()
}

pub(crate) fn instance(name: &str) -> Value {
    json!({ "job": "editor", "instance": name })
}

fn error_of(name: &str, reason: &str) -> Value {
    json!({ "job": "editor", "instance": name, "reason": reason })
}

/// An instance that is up, and has counted some saves before the first window.
pub(crate) fn server() -> Server {
    let server = Server::start();
    for time in ["09:59:50", "10:05:00", "10:14:50", "10:20:00", "10:29:50"] {
        server.sample(UP, &instance("a"), time, 1.0);
    }
    server.sample(SAVES, &instance("a"), "09:59:50", 1000.0);
    server.sample(SAVES, &instance("a"), "10:14:50", 1070.0);
    server
}

async fn rig(server: &Server) -> Rig {
    let mut rig = Rig::pulling(Chosen(Arc::new(server.settings())), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig
}

fn counts(batch: &Batch) -> (u64, u64) {
    let count = |name: &str| batch.counters.get(name).copied().unwrap_or(0);
    (count("autosave.save.completed"), count("autosave.save.error"))
}

/// TE-5, CO-1: each window is counted once, whatever is killed or refused when: rises, restarts, and an error whose series is
/// born with it.
#[tokio::test]
async fn windows_are_counted_once_through_kills() {
    for fault in [Fault::None, Fault::Refused, Fault::AnswerLost] {
        let server = server();
        server.sample(ERRORS, &error_of("a", "E_LOCK"), "10:10:00", 2.0);
        server.sample(ERRORS, &error_of("a", "E_LOCK"), "10:14:50", 3.0);
        server.sample(SAVES, &instance("a"), "10:20:00", 4.0); // it has restarted
        server.sample(SAVES, &instance("a"), "10:29:50", 9.0);
        server.sample(ERRORS, &error_of("a", "E_LOCK"), "10:20:00", 1.0);
        let mut rig = rig(&server).await;
        rig.turn_at("10:15:19").await;
        assert!(server.asked.lock().unwrap().is_empty(), "its last samples may still come");
        rig.clock.set(at("10:15:20"));
        rig.faults.fail_next_commit(fault);
        let _ = rig.worker.turn().await;
        rig.kill();
        rig.turn_at("10:15:30").await;
        rig.kill();
        rig.turn_at("10:30:30").await;
        let batches = rig.analyzer.batches();
        assert_eq!(batches.iter().map(counts).collect::<Vec<_>>(), [(70, 3), (9, 1)], "{fault:?}");
        assert_eq!(batches[0].source, "prometheus");
        assert_eq!(batches[0].breakdowns["autosave.save.error"]["code"]["E_LOCK"], 3);
        assert_eq!(server.asked.lock().unwrap()[0]["X-Scope-OrgID"], "editor");
        rig.assert_outbox_empty().await;
    }
}

/// CO-1, TE-5: of two collectors one reads the target; the other steps in when its window is late.
#[tokio::test]
async fn one_of_two_collectors_reads_and_the_other_steps_in() {
    let server = server();
    let mut rig = rig(&server).await;
    let share = |own: &str| {
        let living = ["a", "b"].map(str::to_owned).to_vec();
        Share::among(own, tokio::sync::watch::Sender::new(living).subscribe())
    };
    let (of, other) = if share("a").has(&autosave()) { ("a", "b") } else { ("b", "a") };
    let mut spare = rig.replica_with(share(other));
    rig.clock.set(at("10:15:30"));
    turn(&mut spare).await;
    assert!(server.asked.lock().unwrap().is_empty(), "it is the other one's");
    rig.worker = rig.replica_with(share(of));
    rig.turn_at("10:15:30").await;
    assert_eq!(rig.analyzer.batches().iter().map(counts).collect::<Vec<_>>(), [(70, 0)]);
    let asked = server.asked.lock().unwrap().len();
    server.sample(SAVES, &instance("a"), "10:29:50", 1079.0);
    for (time, asks) in [("10:16:00", false), ("10:30:35", false), ("10:30:45", true)] {
        rig.clock.set(at(time));
        turn(&mut spare).await;
        assert_eq!(server.asked.lock().unwrap().len() > asked, asks, "{time}");
    }
    rig.work().await;
    assert_eq!(rig.analyzer.batches().iter().map(counts).collect::<Vec<_>>(), [(70, 0), (9, 0)]);
}

/// CO-5: what is not whole, not there or not up is an outage and no count; the window waits, and is counted when the
/// server answers again.
#[tokio::test]
async fn what_is_not_whole_is_an_outage() {
    let whole = json!({ "status": "success", "data": { "resultType": "matrix", "result": [] } });
    let mut partial = whole.clone();
    partial["warnings"] = json!(["results truncated due to limit"]);
    let refused = json!({ "status": "error", "errorType": "bad_data", "error": "parse error: hunter2" });
    for (status, body, expected) in [
        (200, whole, "nothing of `up{job=\"editor\"}` was up"),
        (200, partial, "not whole: results truncated"),
        (400, refused, "HTTP 400: parse error: ***"),
        (503, json!("overloaded"), "HTTP 503"),
    ] {
        let server = server();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let token = SecretFrom::File(file.path().display().to_string());
        let settings = Prometheus { auth: Some(Auth::Bearer(token)), ..server.settings() };
        let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &[READER]).await;
        rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
        server.says_once(status, body);
        rig.turn_at("10:15:30").await;
        let error = rig.worker.source_error().unwrap().to_owned();
        assert!(error.contains(expected) && error.starts_with(&server.url), "{error}");
        assert!(rig.analyzer.batches().is_empty());
        assert_eq!(server.asked.lock().unwrap()[0]["Authorization"], "Bearer hunter2");
        rig.turn_at("10:16:30").await;
        assert_eq!(rig.analyzer.batches().iter().map(counts).collect::<Vec<_>>(), [(70, 0)]);
    }
}

/// CO-5: a counter that should be there and is not is an outage; a sample that is no count too.
#[tokio::test]
async fn a_counter_that_is_absent_is_not_zero() {
    let server = Server::start();
    server.sample(UP, &instance("a"), "10:05:00", 1.0);
    let mut rig = rig(&server).await;
    rig.turn_at("10:15:30").await;
    let error = rig.worker.source_error().unwrap().to_owned();
    assert!(
        error.contains("no sample of `saves_total{result=\"ok\"}`") && error.contains("absent: zero"),
        "{error}"
    );
    server.sample(SAVES, &instance("a"), "10:05:00", f64::NAN);
    rig.turn_at("10:16:30").await;
    let error = rig.worker.source_error().unwrap().to_owned();
    assert!(error.contains("is no count"), "{error}");
    assert!(rig.analyzer.batches().is_empty());
}

/// CO-5, SLO-8: what is still not there when the last retry has failed is told, and then missing in the batch: no zero.
#[tokio::test]
async fn what_never_comes_is_missing_and_no_zero() {
    let server = Server::start();
    let mut rig = rig(&server).await;
    for time in ["10:15:30", "10:16:00", "10:17:00", "10:19:00", "10:23:00"] {
        rig.turn_at(time).await;
    }
    assert!(rig.analyzer.batches().is_empty());
    assert_eq!(
        rig.analyzer.events().iter().filter(|it| it.kind == CollectorEventKind::RetryExhausted).count(),
        1
    );
    for time in ["10:16:00", "10:29:50"] {
        server.sample(UP, &instance("a"), time, 1.0);
        server.sample(SAVES, &instance("a"), time, 7.0);
    }
    rig.turn_at("10:30:30").await;
    while rig.analyzer.batches().len() < 2 {
        rig.turn().await;
    }
    let batches = rig.analyzer.batches();
    assert!(
        batches[0].intake.missing["autosave.save.completed"].contains("was up"),
        "{:?}",
        batches[0].intake
    );
    let names = |batch: &Batch| batch.counters.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&batches[0]), ["autosave.history.drift"]);
    assert_eq!((names(&batches[1]).len(), batches[1].intake.missing.len()), (3, 0));
}

/// JU-16: a query's number is in the batch; what is no number, or more than one, is missing and says why.
#[tokio::test]
async fn a_query_gives_one_number_or_none() {
    let server = server();
    let mut settings = server.settings();
    let of = |value: &str, label: &str| json!({ "metric": { "pod": label }, "value": [0, value] });
    let vector = |series: Vec<Value>| json!({ "resultType": "vector", "result": series });
    let answers = [
        ("cpu", "max(cpu[{window}])", "max(cpu[900s])", vector(vec![of("0.75", "a")])),
        ("scalar", "scalar(x)", "scalar(x)", json!({ "resultType": "scalar", "result": [0, "12"] })),
        ("none", "nothing", "nothing", vector(vec![])),
        ("nan", "0 / 0", "0 / 0", vector(vec![of("NaN", "a")])),
        ("two", "cpu", "cpu", vector(vec![of("1", "a"), of("2", "b")])),
    ];
    for (name, query, asked, data) in answers {
        settings.values.insert(name.to_owned(), query.to_owned());
        server.numbers.lock().unwrap().insert(asked.to_owned(), data);
    }
    let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    for time in ["10:15:30", "10:16:00", "10:17:00", "10:19:00", "10:23:00"] {
        rig.turn_at(time).await;
    }
    assert!(rig.worker.source_error().unwrap().contains("`0 / 0`"), "{:?}", rig.worker.source_error());
    rig.turn_at("10:27:10").await;
    rig.turn().await;
    let batch = rig.analyzer.batches().remove(0);
    assert_eq!(batch.values, BTreeMap::from([("cpu".to_owned(), 0.75), ("scalar".to_owned(), 12.0)]));
    assert_eq!(counts(&batch).0, 70);
    let missing = |name: &str| batch.intake.missing[name].as_str();
    assert!(missing("none").starts_with("`nothing` gives nothing for the window"), "{}", missing("none"));
    assert!(missing("nan").starts_with("`0 / 0` gives no finite number"), "{}", missing("nan"));
    assert_eq!(
        missing("two"),
        "`cpu` gives 2 series where one is expected: {\"pod\": \"a\"}, {\"pod\": \"b\"}"
    );
}

/// SLO-10: a batch holds each query, the moment that it was asked of and its answer's hash, which is the same for the same samples.
#[tokio::test]
async fn a_batch_holds_what_was_asked_and_what_was_answered() {
    let read = async |server: &Server| {
        let mut settings = server.settings();
        settings.values.insert("cpu".to_owned(), "max(cpu[{window}])".to_owned());
        let cpu = json!({ "resultType": "scalar", "result": [0, "12"] });
        server.numbers.lock().unwrap().insert("max(cpu[900s])".to_owned(), cpu);
        let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &[READER]).await;
        rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
        rig.turn_at("10:15:30").await;
        rig.analyzer.batches().remove(0).queries
    };
    let error = |server: &Server, name: &str, value: f64| {
        server.sample(ERRORS, &error_of(name, "E_LOCK"), "10:10:00", value);
    };
    let (one, turned, other) = (server(), server(), server());
    for (server, errors) in [
        (&one, [("a", 2.0), ("b", 1.0)]),
        (&turned, [("b", 1.0), ("a", 2.0)]),
        (&other, [("a", 3.0), ("b", 1.0)]),
    ] {
        errors.iter().for_each(|(name, value)| error(server, name, *value));
    }
    let queries = read(&one).await;
    let asked: Vec<(&str, &str)> = queries.iter().map(|it| (it.name.as_str(), it.query.as_str())).collect();
    assert_eq!(
        asked,
        [
            ("up", "up{job=\"editor\"}[1200s]"),
            ("autosave.save.completed", "saves_total{result=\"ok\"}[1200s]"),
            ("autosave.save.error", "save_errors_total[1200s]"),
            ("cpu", "max(cpu[900s])"),
        ]
    );
    assert!(queries.iter().all(|it| it.time == at("10:15:00") && it.answer.len() == 71), "{queries:?}");
    assert_eq!(read(&turned).await, queries);
    let others = read(&other).await;
    let differ: Vec<&str> = std::iter::zip(&queries, &others)
        .filter(|(one, other)| one != other)
        .map(|(one, _)| one.name.as_str())
        .collect();
    assert_eq!(differ, ["autosave.save.error"]);
}

/// TE-5: each window is asked for with its own phase and the target's name, in selectors and queries.
#[tokio::test]
async fn a_window_is_asked_for_with_its_target_and_phase() {
    let server = Server::start();
    let up = |phase: &str| format!("up{{job=\"autosave\",phase=\"{phase}\"}}");
    let saves = |phase: &str| format!("saves_total{{phase=\"{phase}\"}}");
    for (phase, first, after, saved) in
        [("A", "10:00:10", "10:14:50", 7.0), ("B", "10:15:10", "10:29:50", 9.0)]
    {
        server.sample(&up(phase), &instance("a"), after, 1.0);
        server.sample(&saves(phase), &instance("a"), first, 0.0);
        server.sample(&saves(phase), &instance("a"), after, saved);
        let cpu = json!({ "resultType": "scalar", "result": [0, saved.to_string()] });
        server.numbers.lock().unwrap().insert(format!("max(cpu{{phase=\"{phase}\"}}[900s])"), cpu);
    }
    let mut settings = server.settings();
    settings.up = Some(up("{phase}").replace("autosave", "{target}"));
    settings.started = Some("started{app=\"{target}\"}".to_owned());
    settings.counters.get_mut("autosave.save.completed").unwrap().series = saves("{phase}");
    settings.values.insert("cpu".to_owned(), "max(cpu{phase=\"{phase}\"}[{window}])".to_owned());
    let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.turn_at("10:14:00").await;
    rig.worker.direct(&directive(2, "B", 2)).await.unwrap();
    rig.turn_at("10:30:30").await;
    while rig.analyzer.batches().len() < 2 {
        rig.turn().await;
    }
    let batches = rig.analyzer.batches();
    let seen: Vec<(&str, u64, f64)> =
        batches.iter().map(|it| (it.phase.as_str(), counts(it).0, it.values["cpu"])).collect();
    assert_eq!(seen, [("A", 7, 7.0), ("B", 9, 9.0)]);
    let asked: Vec<&str> = batches[1].queries.iter().map(|it| it.query.as_str()).collect();
    let expected = [
        "up{job=\"autosave\",phase=\"B\"}[1200s]",
        "saves_total{phase=\"B\"}[1200s]",
        "save_errors_total[1200s]",
        "started{app=\"autosave\"}[1200s]",
        "max(cpu{phase=\"B\"}[900s])",
    ];
    assert_eq!(asked, expected);
}

/// TE-5: of more samples than the policy allows a counter is what the server extrapolates, by its labels, and a histogram is
/// missing at once; the batch says both.
#[tokio::test]
async fn of_too_many_samples_a_counter_is_extrapolated_and_said_so() {
    let server = server();
    for second in 10..50 {
        server.sample(ERRORS, &error_of("a", "E_LOCK"), &format!("10:10:{second}"), f64::from(second));
        let bucket = json!({ "job": "editor", "instance": "a", "le": "+Inf" });
        server.sample("drift_seconds_bucket", &bucket, &format!("10:10:{second}"), f64::from(second));
    }
    let of = |reason: &str, value: &str| json!({ "metric": { "reason": reason }, "value": [0, value] });
    let increase = json!({ "resultType": "vector", "result": [of("E_LOCK", "41.2"), of("E_IO", "2.9")] });
    server.numbers.lock().unwrap().insert(format!("increase({ERRORS}[900s])"), increase);
    let histogram = "drift_seconds".to_owned();
    let durations = Durations { histogram, unit: Unit::Seconds, absent_is_zero: false };
    let mut settings = Prometheus { samples_most: 39, ..server.settings() };
    settings.distributions.insert("autosave.history.drift".to_owned(), durations);
    let mut rig = Rig::pulling(Chosen(Arc::new(settings.clone())), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.turn_at("10:15:30").await;
    let batch = rig.analyzer.batches().remove(0);
    assert_eq!(counts(&batch), (70, 44));
    let codes = &batch.breakdowns["autosave.save.error"]["code"];
    assert_eq!((codes["E_LOCK"], codes["E_IO"]), (41, 3));
    assert_eq!(
        batch.intake.extrapolated,
        BTreeMap::from([(
            "autosave.save.error".to_owned(),
            "by increase() of the server: `save_errors_total` has 40 samples in 1200s, more than `samples_most` (39)"
                .to_owned()
        )])
    );
    let missing = &batch.intake.missing["autosave.history.drift"];
    assert!(missing.starts_with("`drift_seconds_bucket` has 40 samples"), "{missing}");
    let asked = batch.queries.iter().rfind(|it| it.name == "autosave.save.error").unwrap();
    assert_eq!(asked.query, "increase(save_errors_total[900s])");

    let mut rig =
        Rig::pulling(Chosen(Arc::new(Prometheus { samples_most: 40, ..settings })), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.turn_at("10:15:30").await;
    let batch = rig.analyzer.batches().remove(0);
    assert_eq!((counts(&batch), batch.intake.extrapolated.len()), ((70, 49), 0));
    assert_eq!(batch.counters["autosave.history.drift"], 49);
}

/// CO-1: after an hour away each window is read by itself, and has its own counts.
#[tokio::test]
async fn windows_that_were_missed_are_read_one_by_one() {
    let server = server();
    for (time, value) in
        [("10:29:50", 1075.0), ("10:44:00", 1080.0), ("10:59:00", 1090.0), ("11:10:00", 1100.0)]
    {
        server.sample(SAVES, &instance("a"), time, value);
        server.sample(UP, &instance("a"), time, 1.0);
    }
    let mut rig = rig(&server).await;
    rig.turn_at("11:15:30").await;
    while rig.analyzer.batches().len() < 5 {
        rig.turn().await;
    }
    let saves: Vec<u64> = rig.analyzer.batches().iter().map(|batch| counts(batch).0).collect();
    assert_eq!(saves, [70, 5, 5, 10, 10]);
}

/// TE-5, CO-2: durations by bounds come into the batch as they were counted, also over a kill.
#[tokio::test]
async fn a_histogram_becomes_buckets_of_the_batch() {
    let server = server();
    let mut settings = server.settings();
    let saves = "autosave.save.completed".to_owned();
    settings.counters.remove(&saves);
    let histogram = "save_seconds{job=\"editor\"}".to_owned();
    let durations = Durations { histogram, unit: Unit::Seconds, absent_is_zero: false };
    settings.distributions.insert(saves.clone(), durations);
    for (le, before, after) in [("0.5", 10.0, 50.0), ("2.5", 20.0, 85.0), ("+Inf", 20.0, 90.0)] {
        let labels = json!({ "job": "editor", "instance": "a", "le": le });
        server.sample("save_seconds_bucket{job=\"editor\"}", &labels, "09:59:50", before);
        server.sample("save_seconds_bucket{job=\"editor\"}", &labels, "10:14:50", after);
    }
    let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.faults.fail_next_commit(Fault::AnswerLost);
    rig.clock.set(at("10:15:30"));
    let _ = rig.worker.turn().await;
    rig.kill();
    rig.turn_at("10:15:40").await;
    let batch = rig.analyzer.batches().remove(0);
    assert_eq!((counts(&batch), batch.distributions.len()), ((70, 0), 0));
    let buckets = serde_json::to_string(&batch.buckets[&saves]).unwrap();
    assert_eq!(buckets, "[[0.0,500.0,40],[500.0,2500.0,25],[2500.0,null,5]]");
}

fn parsed(source: &str) -> Result<TargetPolicy, String> {
    let shipped =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml")).unwrap();
    let before = r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#;
    let policy = Policy::parse_with(&shipped.replacen(before, source, 1), "p", &Kinds::shipped());
    policy.map(|policy| policy.targets.into_values().next().unwrap()).map_err(|error| error.to_string())
}

/// PO-1: its section is read, and what is wrong in it says where.
#[test]
fn the_section_is_checked() {
    let with = |rest: &str, counters: &str| {
        format!("{{ prometheus: {{ url: \"http://p:9090/x/\", {rest} counters: {{ {counters} }} }} }}")
    };
    let saves = "autosave.history.drift: { series: drift_total }";
    let read = parsed(&with("settle: 20s, auth: { basic: { user: u, password_env: PW } },", saves)).unwrap();
    let settings = read.collection.source.of_kind::<Prometheus>().unwrap();
    assert_eq!((settings.url.as_str(), settings.lookback), ("http://p:9090/x", Duration::from_secs(300)));
    assert_eq!(
        read.collection.source.words(),
        "prometheus http://p:9090/x, user u of variable PW, settle 20s, lookback 5m, at most 200000 samples, autosave.history.drift of drift_total"
    );
    let refused = |source: String, place: &str, expected: &str| {
        let error = parsed(&source).unwrap_err();
        assert!(
            error.contains(&format!("source.prometheus{place}: ")) && error.contains(expected),
            "{error}"
        );
    };
    refused(with("settle: 2m,", saves), ".settle", "at most `grace`");
    refused(with("samples_most: 0,", saves), ".samples_most", "a whole number from 1 on");
    refused(with("lookback: 0s,", saves), ".lookback", "more than 0");
    refused(with("auth: {},", saves), ".auth", "one of them");
    refused(with("auth: { bearer_env: A, bearer_file: b },", saves), ".auth", "found both");
    refused(with("auth: { basic: { user: u } },", saves), ".auth.basic", "`password_env` is missing");
    let client = |rest: &str| with(&format!("auth: {{ oauth2: {{ client_id: c, {rest} }} }},"), saves);
    let read = parsed(&client("token_url: \"https://l/t\", client_secret_file: f, scopes: [a, b]")).unwrap();
    let words = read.collection.source.words();
    assert!(words.contains(", client c of file f at https://l/t for a b, settle"), "{words}");
    refused(client("token_url: \"https://l/t\""), ".auth.oauth2", "`client_secret_env` is missing");
    refused(client("token_url: l, client_secret_env: S"), ".auth.oauth2.token_url", "http or https");
    refused(
        client("token_url: \"https://c:s@l\", client_secret_env: S"),
        ".auth.oauth2.token_url",
        "no secret",
    );
    refused(
        client("token_url: \"https://l\", client_secret_env: S, scopes: [\"a b\"]"),
        ".auth.oauth2.scopes",
        "one scope an entry",
    );
    refused(with("headers: { Authorization: x },", saves), ".headers.Authorization", "no secret");
    refused(with("headers: { \"a b\": x },", saves), ".headers.a b", "printable ASCII");
    refused(with("", ""), ".counters", "at least one event");
    refused(with("", "checkout.paid: { series: x }"), ".counters.checkout.paid", "an event of a metric");
    refused(
        with("", "autosave.save.completed: { series: x }"),
        ".counters.autosave.save.completed",
        "the durations of this event",
    );
    let timed = |rest: &str| {
        let timed = format!("distributions: {{ autosave.save.completed: {{ histogram: {rest} }} }},");
        with(&timed, saves)
    };
    let read = parsed(&timed("'h_seconds{a=\"b\"}', unit: us, absent: zero")).unwrap();
    let words = "autosave.save.completed of the histogram h_seconds{a=\"b\"} in us or zero";
    assert!(read.collection.source.words().ends_with(words), "{}", read.collection.source.words());
    let place = ".distributions.autosave.save.completed";
    refused(timed("h_bucket, unit: s"), &format!("{place}.histogram"), "the histogram's own name");
    refused(timed("'{a=\"b\"}', unit: s"), &format!("{place}.histogram"), "the histogram's own name");
    refused(timed("'sum(h)', unit: s"), &format!("{place}.histogram"), "hide restarts");
    refused(timed("h, unit: min"), &format!("{place}.unit"), "`ns`");
    refused(timed("h, unit: s, absent: x"), &format!("{place}.absent"), "`outage` or `zero`");
    let twice = "distributions: { autosave.history.drift: { histogram: h, unit: s } },";
    refused(with(twice, saves), ".distributions.autosave.history.drift", "not among `counters` too");
    let unknown = "distributions: { checkout.paid: { histogram: h, unit: s } },";
    refused(with(unknown, saves), ".distributions.checkout.paid", "an event of a metric");
    let values = |values: &str| format!("{{ prometheus: {{ url: \"http://p\", values: {{ {values} }} }} }}");
    refused(values("cpu: 'max(cpu)'"), ".values.cpu", "no metric has `value: cpu`");
    refused(
        with("values: { autosave.history.drift: x },", saves),
        ".values.autosave.history.drift",
        "none of `counters`",
    );
    let counter = |rest: &str| with("", &format!("autosave.save.error: {{ {rest} }}"));
    let place = ".counters.autosave.save.error";
    refused(counter("series: 'sum(x)'"), &format!("{place}.series"), "hide restarts");
    refused(counter("series: 'rate(x{a=\"b\"}[5m])'"), &format!("{place}.series"), "hide restarts");
    refused(counter("series: x, absent: nothing"), &format!("{place}.absent"), "`outage` or `zero`");
    refused(
        counter("series: x, breakdown: { region: r }"),
        &format!("{place}.breakdown.region"),
        "`retryable`",
    );
    let elsewhere = |url: &str| format!("{{ prometheus: {{ url: \"{url}\", counters: {{ {saves} }} }} }}");
    let place = ".counters.autosave.save.error.series";
    refused(counter("series: 'x{phase=\"{fase}\"}'"), place, "`{target}` or `{phase}`, found `{fase}`");
    refused(counter("series: 'x{phase={phase}}'"), place, "within a string");
    refused(counter("series: 'x{a=\"{window}\"}'"), place, "found `{window}`");
    refused(
        timed("'h{a=\"{b}\"}', unit: s"),
        ".distributions.autosave.save.completed.histogram",
        "found `{b}`",
    );
    refused(with("up: 'up{job=\"{job}\"}',", saves), ".up", "found `{job}`");
    refused(with("started: 'x{job=\"{job}\"}',", saves), ".started", "found `{job}`");
    refused(with("values: { cpu: 'max(x[{windows}])' },", saves), ".values.cpu", "`{phase}` or `{window}`");
    refused(elsewhere("p:9090"), ".url", "http or https");
    refused(elsewhere("https://u:pw@p"), ".url", "no secret");
}
