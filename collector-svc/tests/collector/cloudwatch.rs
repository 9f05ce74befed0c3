//! Numbers of CloudWatch, as Amazon documents its answers. What moto answers, which checks signatures too, is tried in
//! `lab/sources`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use collector_svc::sources::cloudwatch::READER;
use domain::kinds::Chosen;
use domain::sources::cloudwatch::{CloudWatch, Credentials, Metric};
use serde_json::{Value, json};
use service_kit::clock::{Clock as _, SystemClock};
use shared_types::SecretFrom;
use tempfile::NamedTempFile;

use crate::prometheus::serve;
use crate::rig::{Rig, at, directive};

/// Answers one after the other, the last again and again.
#[derive(Clone, Default)]
pub(crate) struct Double {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    /// Numbers of `saves` by the second at which they begin; instead of `answers`.
    pub(crate) saves: Arc<Mutex<BTreeMap<i64, u64>>>,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    key: Option<Arc<NamedTempFile>>,
    url: String,
}

impl Double {
    pub(crate) fn start() -> Self {
        let key = NamedTempFile::new().unwrap();
        std::fs::write(key.path(), "hunter2\n").unwrap();
        let double = Self { key: Some(Arc::new(key)), ..Self::default() };
        let router = Router::new().route("/", post(answer)).with_state(double.clone());
        Self { url: serve(router), ..double }
    }

    fn says(&self, answers: impl IntoIterator<Item = (u16, Value)>) {
        *self.answers.lock().unwrap() = answers.into_iter().collect();
    }

    pub(crate) fn settings(&self, values: &[(&str, &str)]) -> CloudWatch {
        let key = SecretFrom::File(self.key.as_ref().unwrap().path().display().to_string());
        let metric = Metric {
            namespace: "Shop".to_owned(),
            metric: "Saves".to_owned(),
            dimensions: BTreeMap::from([("Service".to_owned(), "editor".to_owned())]),
            stat: "Sum".to_owned(),
        };
        CloudWatch {
            region: "eu-central-1".to_owned(),
            endpoint: self.url.clone(),
            credentials: Credentials {
                access_key_id: key.clone(),
                secret_access_key: key,
                session_token: None,
            },
            settle: Duration::from_secs(20),
            metrics: BTreeMap::from([("saves".to_owned(), metric)]),
            values: values.iter().map(|(name, of)| ((*name).to_owned(), (*of).to_owned())).collect(),
        }
    }
}

async fn answer(State(double): State<Double>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let asked: Value = serde_json::from_str(&body).unwrap();
    let saves = double.saves.lock().unwrap().get(&asked["StartTime"].as_i64().unwrap()).copied();
    double.asked.lock().unwrap().push((headers, asked.clone()));
    if let Some(saves) = saves {
        let series = series("saves", "Saves", "Complete", &[(asked["StartTime"].clone(), saves.into())]);
        return (StatusCode::OK, page(&[series]).to_string());
    }
    let mut answers = double.answers.lock().unwrap();
    let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
    let (status, body) = answer.unwrap();
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

/// As signatures write it.
fn now() -> String {
    SystemClock.now().to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// One that begins at ten.
fn ten() -> Value {
    (at("10:00:00").as_millis() / 1000).into()
}

fn series(id: &str, label: &str, status: &str, points: &[(Value, Value)]) -> Value {
    let (timestamps, values): (Vec<Value>, Vec<Value>) = points.iter().cloned().unzip();
    json!({ "Id": id, "Label": label, "Timestamps": timestamps, "Values": values, "StatusCode": status })
}

fn page(series: &[Value]) -> Value {
    json!({ "MetricDataResults": series, "Messages": [] })
}

async fn rig(settings: CloudWatch) -> Rig {
    let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig
}

/// JU-16: a metric's and an expression's number are in the batch, the window is their period; whatever is no one number of the
/// window is missing and says why.
#[tokio::test]
async fn a_window_has_one_number_or_none() {
    let before = now();
    let double = Double::start();
    let mut dropped = series("value_0", "value_0", "Complete", &[]);
    dropped["Messages"] =
        json!([{ "Code": "ArithmeticError", "Value": "One or more data-points have been dropped" }]);
    let later = at("10:05:00").as_millis() / 1000;
    double.says([(
        200,
        page(&[
            series("saves", "Saves", "Complete", &[(ten(), json!(12.5))]),
            dropped,
            series("value_1", "load", "Complete", &[(ten(), json!(1.0)), (json!(later), json!(2.0))]),
            series("value_2", "none", "Complete", &[]),
            series("value_3", "share", "Complete", &[(ten(), json!(0.25))]),
            series("value_5", "a", "Complete", &[(ten(), json!(1))]),
            series("value_5", "b", "Complete", &[(ten(), json!(2))]),
            series("value_6", "when", "Complete", &[(json!(later), json!(2.0))]),
        ]),
    )]);
    let values = [
        ("a_ratio", "saves / 0"),
        ("b_load", "TIME_SERIES(1)"),
        ("c_none", "FILL(saves, REPEAT)"),
        ("d_share", "saves / 50"),
        ("e_saves", "saves"),
        ("f_several", "SEARCH('Shop', 'Sum')"),
        ("g_when", "DIFF(saves)"),
        ("h_nowhere", "SELECT SUM(Lost) FROM Shop"),
    ];
    let mut rig = rig(double.settings(&values)).await;
    rig.turn_at("10:15:19").await;
    assert!(double.asked.lock().unwrap().is_empty(), "it is not complete yet");
    for time in ["10:15:30", "10:16:00", "10:17:00", "10:19:00", "10:23:00"] {
        rig.turn_at(time).await;
    }
    assert!(rig.analyzer.batches().is_empty());
    rig.turn_at("10:27:10").await;
    rig.turn().await;
    let batch = rig.analyzer.batches().remove(0);
    assert_eq!(batch.source, "cloudwatch");
    let given: Vec<(&str, f64)> = batch.values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(given, [("d_share", 0.25), ("e_saves", 12.5)]);
    let missing: Vec<&str> = batch.intake.missing.values().map(String::as_str).collect();
    assert_eq!(
        missing,
        [
            "`saves / 0` gives no number that can be trusted for the window 2026-11-22T10:00Z/10:15Z: ArithmeticError One or more data-points have been dropped",
            "`TIME_SERIES(1)` gives 2 data points where one is expected for the window 2026-11-22T10:00Z/10:15Z",
            "`FILL(saves, REPEAT)` gives nothing for the window 2026-11-22T10:00Z/10:15Z",
            "`SEARCH('Shop', 'Sum')` gives 2 series where one is expected: `a`, `b`",
            "`DIFF(saves)` gives a number of another time than the window 2026-11-22T10:00Z/10:15Z",
            "`SELECT SUM(Lost) FROM Shop` gives nothing for the window 2026-11-22T10:00Z/10:15Z",
        ]
    );
    let (headers, asked) = double.asked.lock().unwrap()[0].clone();
    let metric = json!({ "Namespace": "Shop", "MetricName": "Saves", "Dimensions": [{ "Name": "Service", "Value": "editor" }] });
    let queries = &asked["MetricDataQueries"];
    let stat = json!({ "Metric": metric, "Period": 900, "Stat": "Sum" });
    assert_eq!(queries[0], json!({ "Id": "saves", "MetricStat": stat, "ReturnData": true }));
    assert_eq!(queries[1], json!({ "Id": "value_0", "Expression": "saves / 0", "Period": 900 }));
    assert_eq!((queries.as_array().unwrap().len(), &asked["StartTime"]), (8, &ten()));
    let signed = headers["X-Amz-Date"].to_str().unwrap();
    assert!(
        before.as_str() <= signed && signed <= now().as_str(),
        "signed at {signed}, not as of the window"
    );
    assert!(!headers.contains_key("X-Amz-Security-Token"));
}

/// CO-5: pages are put together, and only the last says whether a number is whole.
#[tokio::test]
async fn pages_are_put_together() {
    let double = Double::start();
    let mut first = page(&[series("saves", "Saves", "PartialData", &[])]);
    first["NextToken"] = json!("more");
    double.says([(200, first), (200, page(&[series("saves", "Saves", "Complete", &[(ten(), json!(7))])]))]);
    let mut rig = rig(double.settings(&[("saves", "saves")])).await;
    rig.turn_at("10:15:30").await;
    assert_eq!(rig.worker.source_error(), None);
    assert_eq!(rig.analyzer.batches().remove(0).values, BTreeMap::from([("saves".to_owned(), 7.0)]));
    let asked = double.asked.lock().unwrap();
    assert_eq!((&asked[0].1["NextToken"], &asked[1].1["NextToken"]), (&Value::Null, &json!("more")));
}

/// CO-5: what is refused or not whole is an outage and no number; the window is read when it is answered again. No text shows
/// the secret key.
#[tokio::test]
async fn what_is_not_whole_is_an_outage() {
    let whole = page(&[series("saves", "Saves", "Complete", &[(ten(), json!(7))])]);
    let status = |status: &str| page(&[series("saves", "Saves", status, &[(ten(), json!(6))])]);
    let mut limited = whole.clone();
    limited["Messages"] = json!([{ "Code": "MaxMetricsExceeded", "Value": "The maximum number is 100" }]);
    let mut endless = whole.clone();
    endless["NextToken"] = json!("again");
    let refused = json!({ "__type": "com.amazonaws.cloudwatch#ThrottlingException", "message": "Rate exceeded: hunter2" });
    for (code, body, expected) in [
        (200, status("PartialData"), "`saves`: PartialData"),
        (200, status("InternalError"), "`saves`: InternalError"),
        (200, status("Forbidden"), "`saves`: Forbidden"),
        (200, limited, "the answer is not whole: MaxMetricsExceeded The maximum number is 100"),
        (200, endless, "more than 10 pages"),
        (200, json!({ "ok": true }), "not an answer of CloudWatch: missing field `MetricDataResults`"),
        (400, refused, "HTTP 400: ThrottlingException: Rate exceeded: ***"),
        (503, json!("overloaded"), "HTTP 503: \"overloaded\""),
    ] {
        let double = Double::start();
        double.says([(code, body)]);
        let mut rig = rig(double.settings(&[("saves", "saves")])).await;
        rig.turn_at("10:15:30").await;
        let error = rig.worker.source_error().unwrap().to_owned();
        assert!(error.contains(expected) && error.starts_with(&double.url), "{error}");
        assert!(rig.analyzer.batches().is_empty());
        double.says([(200, whole.clone())]);
        rig.turn_at("10:16:30").await;
        assert_eq!(rig.analyzer.batches().remove(0).values, BTreeMap::from([("saves".to_owned(), 7.0)]));
    }
}
