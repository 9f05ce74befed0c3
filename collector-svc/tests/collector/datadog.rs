//! Numbers of Datadog. It is not run here: a double answers in the shapes that Datadog documents and its clients have recorded,
//! and refuses as it does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use collector_svc::sources::datadog::READER;
use domain::kinds::Chosen;
use domain::sources::datadog::{Datadog, Query};
use serde_json::{Value, json};
use shared_types::SecretFrom;
use tempfile::NamedTempFile;

use crate::prometheus::serve;
use crate::rig::{Rig, at, directive};

/// What a formula gives from a millisecond on, or whenever: the status and the body.
type Answers = BTreeMap<(String, Option<i64>), (u16, Value)>;

/// A Datadog whose account has two keys.
#[derive(Clone, Default)]
pub(crate) struct Double {
    pub(crate) answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Value>>>,
    keys: Option<Arc<[NamedTempFile; 2]>>,
    url: String,
}

impl Double {
    pub(crate) fn start() -> Self {
        let keys = ["hunter2", "hunter3"].map(|key| {
            let file = NamedTempFile::new().unwrap();
            std::fs::write(file.path(), format!("{key}\n")).unwrap();
            file
        });
        let double = Self { keys: Some(Arc::new(keys)), ..Self::default() };
        let router = Router::new().route("/api/v2/query/scalar", post(scalar)).with_state(double.clone());
        Self { url: serve(router), ..double }
    }

    fn says(&self, formula: &str, status: u16, body: Value) {
        self.answers.lock().unwrap().insert((formula.to_owned(), None), (status, body));
    }

    pub(crate) fn settings(&self, values: &[(&str, &str)]) -> Datadog {
        let [api_key, application_key] = [0, 1]
            .map(|which| SecretFrom::File(self.keys.as_ref().unwrap()[which].path().display().to_string()));
        let query = |query: &str| Query { query: query.to_owned(), aggregator: "sum" };
        Datadog {
            url: self.url.clone(),
            api_key,
            application_key,
            settle: Duration::from_secs(20),
            queries: BTreeMap::from([
                ("lost".to_owned(), query("sum:shop.lost{service:pay}.as_count()")),
                ("paid".to_owned(), query("sum:shop.paid{service:pay}.as_count()")),
            ]),
            values: values.iter().map(|(name, of)| ((*name).to_owned(), (*of).to_owned())).collect(),
        }
    }
}

async fn scalar(State(double): State<Double>, headers: HeaderMap, body: String) -> Response {
    let is = |name: &str, key: &str| headers.get(name).is_some_and(|it| it == key);
    if !is("DD-API-KEY", "hunter2") || !is("DD-APPLICATION-KEY", "hunter3") {
        return (StatusCode::FORBIDDEN, json!({ "errors": ["Forbidden"] }).to_string()).into_response();
    }
    let asked: Value = serde_json::from_str(&body).unwrap();
    let attributes = &asked["data"]["attributes"];
    let key = |from| (attributes["formulas"][0]["formula"].as_str().unwrap().to_owned(), from);
    let answers = double.answers.lock().unwrap();
    let answer = answers.get(&key(attributes["from"].as_i64())).or_else(|| answers.get(&key(None)));
    let (status, body) = answer.cloned().unwrap();
    double.asked.lock().unwrap().push(asked);
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("X-RateLimit-Reset", "12")], body.to_string()).into_response()
}

pub(crate) fn columns(columns: &Value) -> Value {
    json!({ "data": { "type": "scalar_response", "attributes": { "columns": columns } } })
}

pub(crate) fn numbers(values: &Value) -> Value {
    json!({ "name": "a", "values": values, "type": "number", "meta": { "unit": [null, null] } })
}

async fn rig(settings: Datadog) -> Rig {
    let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig
}

/// JU-16: a formula's number is in the batch; no column, no value, `null` and several are missing and say why.
#[tokio::test]
async fn a_formula_gives_one_number_or_none() {
    let double = Double::start();
    let groups = json!({ "name": "host", "values": [["a"], ["b"]], "type": "group" });
    let answers = [
        ("a_share", "100 * lost / paid", json!([numbers(&json!([5.173_633_659_114_822]))])),
        ("b_none", "lost", json!([])),
        ("c_empty", "lost + paid", json!([numbers(&json!([]))])),
        ("d_null", "lost - paid", json!([numbers(&json!([null]))])),
        ("e_two", "lost * paid", json!([groups, numbers(&json!([1, 2]))])),
        ("f_text", "lost / 0", json!([numbers(&json!(["NaN"]))])),
    ];
    for (_, formula, answer) in &answers {
        double.says(formula, 200, columns(answer));
    }
    let values = answers.each_ref().map(|(name, formula, _)| (*name, *formula));
    let mut rig = rig(double.settings(&values)).await;
    rig.turn_at("10:15:19").await;
    assert!(double.asked.lock().unwrap().is_empty(), "its last points may still come");
    for time in ["10:15:30", "10:16:00", "10:17:00", "10:19:00", "10:23:00"] {
        rig.turn_at(time).await;
    }
    assert!(rig.analyzer.batches().is_empty());
    rig.turn_at("10:27:10").await;
    rig.turn().await;
    let batch = rig.analyzer.batches().remove(0);
    assert_eq!(batch.source, "datadog");
    assert_eq!(batch.values, BTreeMap::from([("a_share".to_owned(), 5.173_633_659_114_822)]));
    let missing: Vec<&str> = batch.intake.missing.values().map(String::as_str).collect();
    assert_eq!(
        missing,
        [
            "`lost` gives nothing for the window 2026-11-22T10:00Z/10:15Z",
            "`lost + paid` gives nothing for the window 2026-11-22T10:00Z/10:15Z",
            "`lost - paid` gives nothing for the window 2026-11-22T10:00Z/10:15Z",
            "`lost * paid` gives 2 numbers where one is expected",
            "`lost / 0` gives no finite number for the window 2026-11-22T10:00Z/10:15Z",
        ]
    );
    let asked = double.asked.lock().unwrap();
    let [first, second] = [0, 1].map(|place| &asked[place]["data"]["attributes"]);
    assert_eq!(asked[0]["data"]["type"], "scalar_request");
    assert_eq!(
        (first["from"].as_i64(), first["to"].as_i64()),
        (Some(at("10:00:00").as_millis()), Some(at("10:15:00").as_millis()))
    );
    assert_eq!(first["queries"].as_array().unwrap().len(), 2);
    let query = json!({ "data_source": "metrics", "name": "lost", "query": "sum:shop.lost{service:pay}.as_count()", "aggregator": "sum" });
    assert_eq!(second["queries"], json!([query]), "what a formula does not use is not asked for");
}

/// CO-5: what is refused, limited or not whole is an outage, and the window is read when it is answered again; no text shows a
/// key.
#[tokio::test]
async fn what_is_not_whole_is_an_outage() {
    let whole = columns(&json!([numbers(&json!([3]))]));
    let mut partial = whole.clone();
    partial["errors"] = json!("a shard did not answer");
    let outside =
        json!({ "errors": ["Queries ending outside the retention date are invalid", "hunter2 hunter3"] });
    for (status, body, expected) in [
        (200, partial, "`lost`: the answer is not whole: a shard did not answer"),
        (200, json!({ "ok": true }), "HTTP 200: {\"ok\":true}"),
        (400, outside, "HTTP 400: Queries ending outside the retention date are invalid; *** ***"),
        (403, json!({ "errors": ["Forbidden"] }), "HTTP 403: Forbidden"),
        (
            429,
            json!({ "errors": ["Too many requests"] }),
            "HTTP 429: Too many requests (more can be asked in 12 s)",
        ),
        (503, json!("overloaded"), "HTTP 503: \"overloaded\""),
    ] {
        let double = Double::start();
        double.says("lost", status, body);
        let mut rig = rig(double.settings(&[("lost", "lost")])).await;
        rig.turn_at("10:15:30").await;
        let error = rig.worker.source_error().unwrap().to_owned();
        assert!(error.ends_with(expected) && error.starts_with(&double.url), "{error}");
        assert!(rig.analyzer.batches().is_empty());
        double.says("lost", 200, whole.clone());
        rig.turn_at("10:16:30").await;
        assert_eq!(rig.analyzer.batches().remove(0).values, BTreeMap::from([("lost".to_owned(), 3.0)]));
    }
}
