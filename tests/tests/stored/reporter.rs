//! The reporter's state: read whole, shown, and carried on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::effects::RetrySchedule;
use domain::rollout::{Event, Incident, TargetState};
use domain::stored::{Document as _, read_wire};
use reporter_svc::api::{self, App};
use reporter_svc::audit::{Archive, Keeper};
use reporter_svc::channels::Channels;
use reporter_svc::composition::Composition;
use reporter_svc::dashboard::Publisher;
use reporter_svc::effects::Effects;
use reporter_svc::executors::Executors;
use reporter_svc::notifiers::Notifiers;
use reporter_svc::pagers::LogPager;
use reporter_svc::reporter::{Cause, Reporter};
use reporter_svc::store::{Changed, MIGRATIONS, Store};
use serde_json::{Value, json};
use service_kit::client::Neighbour;
use service_kit::clock::{Clock, ManualClock};
use service_kit::http::{CheckState, HttpOptions, Readiness, ServiceParts};
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::{Decision, TargetName, Timestamp, Via};
use tower::ServiceExt as _;

use crate::fixture::{Left, left};
use crate::services::{read_all, read_effects};

/// A reporter on what was left, a minute after the last of it.
struct Open {
    reporter: Arc<Reporter>,
    keeper: Arc<Keeper>,
    router: axum::Router,
}

async fn open(left: &Left) -> Open {
    let policy = Arc::new(left.policy().await);
    let templates = reporter_svc::service::templates(&policy, &Left::root()).unwrap();
    let versions = PolicyVersions::fixed(Rules::with_templates(policy, templates));
    let (newest,): (i64,) =
        sqlx::query_as("SELECT MAX(updated_at) FROM targets").fetch_one(left.db.pool()).await.unwrap();
    let now = Timestamp::from_millis(newest).plus(Duration::from_secs(60));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now));
    let reporter = Arc::new(Reporter::new(Store::new(left.db.clone()), versions, clock));
    let publisher = Arc::new(Publisher::new(Arc::clone(&reporter), left.folder.path()));
    service_kit::client::install_crypto();
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let analyzer = Neighbour::new(nowhere, None, Duration::from_secs(1)).unwrap();
    let keeper = Arc::new(Keeper::new(Arc::clone(&reporter), Archive::below(left.folder.path())));
    let channels = Channels {
        notifiers: Notifiers::default(),
        pager: Arc::new(LogPager { stands_for: "pagerduty", via: Via::Pagerduty }),
    };
    let (kept, executors) = (Arc::clone(&keeper), Executors::default());
    let app = App::new(Arc::clone(&reporter), publisher, analyzer, kept, executors, Arc::new(channels));
    let (router, openapi) = api::router(app, Composition::shipped().routes());
    let router = service_kit::http::app(ServiceParts {
        service: service_kit::ServiceName::Reporter,
        router,
        openapi,
        readiness: Readiness::new(),
        tokens: None,
        options: HttpOptions::default(),
    });
    Open { reporter, keeper, router }
}

impl Open {
    async fn ask(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request =
            Request::builder().method(method).uri(path).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answer = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, None, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }
}

fn items(page: &Value) -> &Vec<Value> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("no list: {page}"));
    assert!(!items.is_empty(), "an empty list shows nothing");
    items
}

/// OP-6: every document of the reporter, one by one.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_released_reporter_stored_is_read() {
    for left in left("reporter", MIGRATIONS).await {
        read_all::<TargetState>(&left, "target", "state", "targets").await;
        read_all::<Incident>(&left, "id", "body", "incidents").await;
        read_all::<RetrySchedule>(&left, "id", "retry", "outbox").await;
        for (id, text) in left.texts("id", "body", "decisions").await {
            read_wire::<Decision>(&text).unwrap_or_else(|error| panic!("{id}: {error}"));
        }
        read_effects::<Effects>(&left).await;
        left.db.close().await;
    }
}

/// OP-6: what was stored is shown over the API, and the audit log's chain holds.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_released_reporter_stored_is_shown() {
    for left in left("reporter", MIGRATIONS).await {
        let open = open(&left).await;
        for path in ["/v1/rollouts", "/v1/dashboard", "/v1/limits"] {
            open.get(path).await;
        }
        for path in ["/v1/decisions", "/v1/notifications", "/v1/effects", "/v1/audit"] {
            items(&open.get(&format!("{path}?limit=100")).await);
        }
        for incident in items(&open.get("/v1/incidents").await) {
            let path = format!("/v1/incidents/{}", incident["id"].as_str().unwrap());
            for path in [path.clone(), format!("{path}/rca"), format!("{path}/evidence")] {
                open.get(&path).await;
            }
        }
        for (target, _) in left.texts("target", "state", "targets").await {
            open.get(&format!("/v1/rollouts/{target}")).await;
            open.get(&format!("/v1/targets/{target}/daily")).await;
        }
        let chain = open.get("/v1/audit/verification").await;
        assert_eq!(chain["ok"], true, "{chain}");
        assert_eq!(left.db.forms().state(), CheckState::Ok);
        drop(open.keeper);
        left.db.close().await;
    }
}

/// OP-6: each target takes an event and is stored again; a repeat of what was asked of the release before under a key is
/// answered as then, and the same key for something else is refused.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_released_reporter_stored_goes_on() {
    for left in left("reporter", MIGRATIONS).await {
        let open = open(&left).await;
        let start = |target: &str| format!("/v1/rollouts/{target}/start");
        let by = || Some(json!({ "by": "rel" }));
        let (status, first) = open.ask("POST", &start("recovered"), Some("start-recovered"), by()).await;
        assert_eq!((status, &first["target"]), (StatusCode::OK, &json!("recovered")), "{first}");
        let (status, other) = open.ask("POST", &start("waiting"), Some("start-recovered"), by()).await;
        assert_eq!(status, StatusCode::CONFLICT, "{other}");

        for (name, _) in left.texts("target", "state", "targets").await {
            let target = TargetName::parse(&name).unwrap();
            let freeze = Event::Freeze { by: "ana".to_owned(), reason: "an upgrade".to_owned() };
            let changed = open.reporter.apply(&target, Cause::default(), &|_| freeze.clone()).await.unwrap();
            assert!(matches!(changed, Changed::Applied { .. }), "{name}: {changed:?}");
        }
        read_all::<TargetState>(&left, "target", "state", "targets").await;
        for (target, text) in left.texts("target", "state", "targets").await {
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["v"], TargetState::VERSION, "{target}");
        }
        open.reporter.tick(open.reporter.clock.now()).await.unwrap();
        let chain = open.get("/v1/audit/verification").await;
        assert_eq!(chain["ok"], true, "{chain}");
        left.db.close().await;
    }
}
