//! What the page reads: decisions by target and time, the limits to try others, the analyzer through the reporter.

use axum::http::StatusCode;
use phasegate_tests::stores::both_engines;
use reporter_svc::store::MIGRATIONS;
use serde_json::{Value, json};
use service_kit::client::Neighbour;
use shared_types::Verdict;
use shared_types::decision::ViolationAction;

use crate::api::call;
use crate::rig::{Rig, minutes};

/// DA-4: the charts' windows, the newest first, without a gap at a page's end.
#[tokio::test]
async fn decisions_are_listed_by_target_and_time_on_both_engines() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        for _ in 0..4 {
            rig.judged(Verdict::Ok, None).await;
        }
        let violation = rig.violation().await;
        let app = rig.router();
        let (status, first) = call(&app, "GET", "/v1/decisions?target=autosave&limit=3", None).await;
        assert_eq!(status, StatusCode::OK);
        let items = first["items"].as_array().unwrap();
        assert_eq!(items[0]["decision_id"], json!(violation.decision_id));
        assert_eq!((&items[0]["verdict"], &items[0]["stale"]), (&json!("violation"), &json!(false)));
        assert!(items[0]["incident"].as_str().unwrap().starts_with("INC-"));
        let next = first["next"].as_str().unwrap();
        let (_, second) =
            call(&app, "GET", &format!("/v1/decisions?target=autosave&limit=3&cursor={next}"), None).await;
        let ends = |page: &Value| -> Vec<String> {
            let items = page["items"].as_array().unwrap().iter();
            items.map(|it| it["window"]["end"].as_str().unwrap().to_owned()).collect()
        };
        let all: Vec<String> = ends(&first).into_iter().chain(ends(&second)).collect();
        assert!(all.len() >= 5 && all.windows(2).all(|pair| pair[0] > pair[1]), "{all:?}");

        let from = violation.window.start;
        let (_, newest) = call(&app, "GET", &format!("/v1/decisions?from={from}"), None).await;
        assert_eq!(ends(&newest), [violation.window.end.to_string()]);
        let (_, older) = call(&app, "GET", &format!("/v1/decisions?to={from}&verdict=violation"), None).await;
        assert_eq!(older["items"], json!([]));
        let (_, none) = call(&app, "GET", "/v1/decisions?target=nobody", None).await;
        assert_eq!(none["items"], json!([]));

        let (status, one) =
            call(&app, "GET", &format!("/v1/decisions/{}", violation.decision_id), None).await;
        assert_eq!((status, &one["violated"]), (StatusCode::OK, &json!(["save_latency_p95"])));
        let unknown = uuid::Uuid::now_v7();
        assert_eq!(
            call(&app, "GET", &format!("/v1/decisions/{unknown}"), None).await.0,
            StatusCode::NOT_FOUND
        );
    })
    .await;
}

/// DA-1: the dashboard says by when the next verdict is due, so that silence is seen as such.
#[tokio::test]
async fn the_dashboard_says_what_comes_next() {
    let rig = Rig::in_memory().await;
    let app = rig.router();
    let target = async || call(&app, "GET", "/v1/dashboard", None).await.1["targets"][0].clone();
    let off = target().await;
    assert_eq!((&off["phase"], &off["expected_by"]), (&json!("off"), &Value::Null));
    let phases: Vec<&str> =
        off["phases"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!((phases, &off["title"]), (vec!["A", "B", "C"], &json!("AutoSave")));
    assert_eq!(off["phases"][0]["audience_ratio"], 0.05);

    rig.bring_to("A").await;
    let judged = rig.judged(Verdict::Ok, None).await;
    let running = target().await;
    // A window of 15 min, 30 s of grace, 5 min until a batch counts as delayed.
    let expected = judged.window.end.plus(minutes(20)).plus(std::time::Duration::from_secs(30));
    assert_eq!(running["expected_by"], json!(expected));
    assert_eq!(running["warn_ratio"], 0.8);
    assert!(running["blockers"].as_array().unwrap().iter().any(|it| it["code"] == "gate_unsatisfied"));

    rig.judged(Verdict::Violation, Some(ViolationAction::Rollback)).await;
    let rolled_back = target().await;
    assert_eq!((&rolled_back["rollback_active"], &rolled_back["phase"]), (&json!(true), &json!("off")));
    assert_eq!(rolled_back["transition"]["state"], "succeeded");
    assert_eq!(rolled_back["expected_by"], Value::Null, "nothing is gated now");
}

/// PO-4: a draft is the policy with other limits and the diff for a pull request; nothing is stored.
#[tokio::test]
async fn other_limits_are_drafted_and_wrong_ones_refused() {
    let rig = Rig::in_memory().await;
    let app = rig.router();
    let (_, limits) = call(&app, "GET", "/v1/limits", None).await;
    assert_eq!(limits["targets"][0]["phases"][1]["limits"][0]["metric"], "save_latency_p95");
    assert_eq!(limits["targets"][0]["phases"][1]["limits"][0]["threshold"], 2.0);
    let change = |metric: &str, threshold: f64| json!({ "target": "autosave", "phase": "B", "metric": metric, "threshold": threshold });
    let ask = |version: &Value, change: Value| json!({ "version": version, "changes": [change] });
    let drafts = "/v1/limits/drafts";
    let body = ask(&limits["version"], change("save_latency_p95", 1.5));
    let (status, draft) = call(&app, "POST", drafts, Some(body)).await;
    assert_eq!(status, StatusCode::OK);
    let diff = draft["diff"].as_str().unwrap();
    assert!(diff.contains("-") && diff.contains("+        thresholds: { save_latency_p95: 1.5s"), "{diff}");
    // The rig asks for fewer approvals than its policy's text, which is thus told too.
    let words = json!("autosave phase B: save_latency_p95 ≤ 2 s → ≤ 1.5 s (stricter)");
    assert!(draft["changes"].as_array().unwrap().contains(&words), "{}", draft["changes"]);
    assert_ne!(draft["version"], limits["version"]);
    assert_eq!(call(&app, "GET", "/v1/limits", None).await.1, limits);

    let unknown = ask(&limits["version"], change("no_such", 1.0));
    let (status, problem) = call(&app, "POST", drafts, Some(unknown)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["detail"], "the policy has no limit of no_such in phase B of autosave");
    let negative = ask(&limits["version"], change("error_rate", -1.0));
    assert_eq!(call(&app, "POST", drafts, Some(negative)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let old = ask(&json!("sha256:0"), change("error_rate", 1.0));
    assert_eq!(call(&app, "POST", drafts, Some(old)).await.0, StatusCode::CONFLICT);
}

/// What the analyzer cannot answer is said as such, and is no fault of the caller's.
#[tokio::test]
async fn an_analyzer_that_is_away_is_named() {
    let rig = Rig::in_memory().await;
    let app = rig.router();
    let id = uuid::Uuid::now_v7();
    // The rig's neighbour is a collector: it knows no decisions.
    let (status, problem) = call(&app, "GET", &format!("/v1/decisions/{id}/explanation"), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = format!("http://{closed}/").parse().unwrap();
    let app = rig.router_beside(Neighbour::new(nobody, None, std::time::Duration::from_secs(5)).unwrap());
    let (status, problem) = call(&app, "POST", "/v1/backtests", Some(json!({}))).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
}

/// DA-4: the page is there for everybody who reaches the service, and carries no data.
#[tokio::test]
async fn the_page_is_served_beside_the_api() {
    let app = Rig::in_memory().await.router();
    for path in ["/", "/ui/app/main.mjs", "/ui/vendor/preact.mjs", "/ui/style.css"] {
        assert_eq!(call(&app, "GET", path, None).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(call(&app, "GET", "/ui/no/such", None).await.0, StatusCode::NOT_FOUND);
}
