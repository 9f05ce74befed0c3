//! Numbers of Loki. It is not run here: a double answers in the shapes that Grafana documents, and refuses as it does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use collector_svc::sources::loki::READER;
use domain::kinds::Chosen;
use domain::server::Auth;
use domain::sources::loki::Loki;
use serde_json::{Value, json};
use shared_types::{SecretFrom, Timestamp};

use crate::prometheus::serve;
use crate::rig::{Rig, at, directive};

/// What a query gives at a time, or at any: the status and the body.
type Answers = BTreeMap<(String, Option<Timestamp>), (u16, String)>;

/// A Loki for the tenant `shop`, who has a password.
#[derive(Clone, Default)]
pub(crate) struct Double {
    pub(crate) answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<usize>>,
    url: String,
}

impl Double {
    pub(crate) fn start() -> Self {
        let double = Self::default();
        let router = Router::new().route("/logs/loki/api/v1/query", post(query)).with_state(double.clone());
        Self { url: format!("{}/logs", serve(router)), ..double }
    }

    fn says(&self, query: &str, status: u16, body: String) {
        self.answers.lock().unwrap().insert((query.to_owned(), None), (status, body));
    }

    pub(crate) fn settings(&self, values: &[(&str, &str)]) -> Loki {
        Loki {
            url: self.url.clone(),
            headers: BTreeMap::from([("X-Scope-OrgID".to_owned(), "shop".to_owned())]),
            auth: None,
            settle: Duration::from_secs(20),
            values: values.iter().map(|(name, query)| ((*name).to_owned(), (*query).to_owned())).collect(),
        }
    }
}

async fn query(State(double): State<Double>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    *double.asked.lock().unwrap() += 1;
    if headers.get("X-Scope-OrgID").is_none_or(|tenant| tenant != "shop") {
        return (StatusCode::UNAUTHORIZED, "no org id\n".to_owned());
    }
    if headers.get("Authorization").is_some_and(|it| it != "Basic c2hvcDpodW50ZXIy") {
        return (StatusCode::UNAUTHORIZED, format!("{:?} is not taken\n", headers["Authorization"]));
    }
    let form = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
    let form: BTreeMap<_, _> = form.query_pairs().into_owned().collect();
    let Some(time) = time(&form["time"]) else {
        return (StatusCode::BAD_REQUEST, format!("parsing {}: no time\n", form["time"]));
    };
    let answers = double.answers.lock().unwrap();
    let key = |time| (form["query"].clone(), time);
    let answer = answers.get(&key(Some(time))).or_else(|| answers.get(&key(None)));
    let (status, body) = answer.cloned().unwrap_or_else(|| (200, vector(&json!([])).to_string()));
    (StatusCode::from_u16(status).unwrap(), body)
}

/// With a point the second since 1970, without one the nanosecond, or the second in at most ten digits.
fn time(text: &str) -> Option<Timestamp> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) if text.len() <= 10 => Duration::from_secs(seconds),
        Ok(nanos) => Duration::from_nanos(nanos),
        Err(_) => Duration::from_secs_f64(text.parse().ok()?),
    };
    Some(Timestamp::from_millis(0).plus(seconds))
}

pub(crate) fn vector(result: &Value) -> Value {
    let stats = json!({ "summary": { "bytesProcessedPerSecond": 0, "execTime": 0.0018, "queueTime": 0 } });
    json!({ "status": "success", "data": { "resultType": "vector", "result": result, "stats": stats } })
}

pub(crate) fn number(labels: &Value, value: &str) -> Value {
    json!({ "metric": labels, "value": [1_763_805_600.781, value] })
}

async fn rig(settings: Loki) -> Rig {
    let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig
}

/// JU-16: a query's number is in the batch; none, several, NaN and lines are missing and say why.
#[tokio::test]
async fn a_query_gives_one_number_or_none() {
    let double = Double::start();
    let answers = [
        ("count", vector(&json!([number(&json!({}), "1267.1266666666666")]))),
        ("none", vector(&json!([]))),
        ("nan", vector(&json!([number(&json!({}), "NaN")]))),
        ("two", vector(&json!([number(&json!({}), "37.69"), number(&json!({ "level": "warn" }), "2")]))),
        (
            "lines",
            json!({ "status": "success", "data": { "resultType": "streams", "result": [
                { "stream": { "app": "shop" }, "values": [["1763805600000000000", "card 4111"]] }
            ], "stats": {} } }),
        ),
    ];
    let mut values = BTreeMap::new();
    for (name, answer) in answers {
        double.says(&format!("{name}[900s]"), 200, answer.to_string());
        values.insert(name.to_owned(), format!("{name}[{{window}}]"));
    }
    let mut rig = rig(Loki { values, ..double.settings(&[]) }).await;
    rig.turn_at("10:15:19").await;
    assert_eq!(*double.asked.lock().unwrap(), 0, "its last lines may still come");
    for time in ["10:15:30", "10:16:00", "10:17:00", "10:19:00", "10:23:00"] {
        rig.turn_at(time).await;
    }
    assert!(rig.analyzer.batches().is_empty());
    assert!(rig.worker.source_error().unwrap().contains("`lines[900s]`"), "{:?}", rig.worker.source_error());
    rig.turn_at("10:27:10").await;
    rig.turn().await;
    let batch = rig.analyzer.batches().remove(0);
    assert_eq!(batch.source, "loki");
    assert_eq!(batch.values, BTreeMap::from([("count".to_owned(), 1_267.126_666_666_666_6)]));
    let missing: Vec<&str> = batch.intake.missing.values().map(String::as_str).collect();
    assert_eq!(
        missing,
        [
            "`lines[900s]` gives the lines of 1 streams and no number",
            "`nan[900s]` gives no finite number for the window 2026-11-22T10:00Z/10:15Z",
            "`none[900s]` gives nothing for the window 2026-11-22T10:00Z/10:15Z",
            "`two[900s]` gives 2 series where one is expected: {}, {\"level\": \"warn\"}",
        ]
    );
}

/// CO-5: what is refused or not whole is an outage, and the window is read when it is answered again; no text shows the
/// password.
#[tokio::test]
async fn what_is_not_whole_is_an_outage() {
    let whole = vector(&json!([number(&json!({}), "3")]));
    let mut partial = whole.clone();
    let said = "maximum number of series (500) reached for a single query; returning partial results";
    partial["warnings"] = json!([said]);
    let mut newer = whole.clone();
    newer["warnings"] = json!(["Query was executed using the next-generation Loki query engine."]);
    let instant = "log queries are not supported as an instant query type, please change your query to a range query type";
    for (status, body, expected) in [
        (200, newer.to_string(), None),
        (200, partial.to_string(), Some("not whole: maximum number of series (500)")),
        (400, instant.to_owned(), Some("HTTP 400: log queries are not supported as an instant query")),
        (429, "too many outstanding requests".to_owned(), Some("HTTP 429: too many outstanding requests")),
        (503, "hunter2 hunter2".to_owned(), Some("HTTP 503: *** ***")),
    ] {
        let double = Double::start();
        double.says("q", status, body);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let password = SecretFrom::File(file.path().display().to_string());
        let auth = Some(Auth::Basic("shop".to_owned(), password));
        let mut rig = rig(Loki { auth, ..double.settings(&[("lost", "q")]) }).await;
        rig.turn_at("10:15:30").await;
        let error = rig.worker.source_error().map(str::to_owned);
        match expected {
            None => assert_eq!(error, None),
            Some(expected) => {
                let error = error.unwrap();
                assert!(error.contains(expected) && error.starts_with(&double.url), "{error}");
                assert!(rig.analyzer.batches().is_empty());
            }
        }
        double.says("q", 200, whole.to_string());
        rig.turn_at("10:16:30").await;
        assert_eq!(rig.analyzer.batches().remove(0).values, BTreeMap::from([("lost".to_owned(), 3.0)]));
    }
}

/// CO-1: each window is asked for at its own end.
#[tokio::test]
async fn windows_that_were_missed_are_read_one_by_one() {
    let double = Double::start();
    for (time, value) in [("10:15:00", "5"), ("10:30:00", "7"), ("10:45:00", "9")] {
        let answer = vector(&json!([number(&json!({}), value)])).to_string();
        double.answers.lock().unwrap().insert(("q".to_owned(), Some(at(time))), (200, answer));
    }
    let mut rig = rig(double.settings(&[("lost", "q")])).await;
    rig.turn_at("10:45:30").await;
    while rig.analyzer.batches().len() < 3 {
        rig.turn().await;
    }
    let lost: Vec<f64> = rig.analyzer.batches().iter().map(|batch| batch.values["lost"]).collect();
    assert_eq!(lost, [5.0, 7.0, 9.0]);
}
