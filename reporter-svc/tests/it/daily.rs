//! DA-5: the daily report: once, in the morning of its zone, from what was judged.

use axum::body::Body;
use axum::http::Request;
use phasegate_tests::stores::both_engines;
use reporter_svc::store::MIGRATIONS;
use service_kit::clock::Clock;
use shared_types::decision::Cause;
use shared_types::{Timestamp, Verdict};
use tower::ServiceExt as _;

use crate::rig::{Rig, autosave, minutes};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

async fn made(rig: &Rig) -> usize {
    rig.reporter.make_daily_reports(rig.clock.now()).await.unwrap()
}

fn file(rig: &Rig, date: &str) -> Option<String> {
    std::fs::read_to_string(rig.data.path().join(format!("reports/daily/{date}-autosave.md"))).ok()
}

fn messages(rig: &Rig) -> Vec<String> {
    rig.texts("#autosave-rollout").into_iter().filter(|text| text.starts_with('📋')).collect()
}

/// A day in phase C with a warning and a batch that never came.
async fn a_day_in_c(rig: &Rig) {
    rig.bring_to("C").await;
    rig.judged(Verdict::Ok, None).await;
    rig.judged(Verdict::Warn, None).await;
    rig.clock.advance(minutes(15));
    let mut missing = rig.decision(Verdict::Warn, None).await;
    missing.cause = Cause::CollectionDelayed;
    missing.metrics.truncate(0);
    rig.reporter.decide(&missing).await.unwrap();
    rig.work().await;
}

/// DA-5: exactly once a day and target, whatever restarts and replicas do.
#[tokio::test]
async fn a_report_is_made_once_in_the_morning() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        a_day_in_c(&rig).await;
        assert_eq!(made(&rig).await, 0, "of yesterday morning it has nothing to report");
        rig.clock.set(at("2026-11-22T23:59:59.999Z"));
        assert_eq!(made(&rig).await, 0);
        rig.clock.set(at("2026-11-23T00:00:00Z"));
        let replica = rig.restarted().await;
        assert_eq!(made(&rig).await + made(&replica).await, 1);
        rig.work().await;
        assert_eq!(made(&rig).await + made(&rig.restarted().await).await, 0);

        let text = file(&rig, "2026-11-22").expect("the file");
        assert!(text.starts_with("# AutoSave, 2026-11-22\n"), "{text}");
        let told = messages(&rig);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains("windows: 3 ok, 1 warn, 0 unsure, 0 violation, 0 insufficient, 1 missing"),
            "{}",
            told[0]
        );
        assert!(
            told[0].contains("save_latency_p95 C: worst 1.71 s, median 1.71 s, limit ≤ 2 s"),
            "{}",
            told[0]
        );
        rig.assert_nothing_is_left().await;
    })
    .await;
}

/// DA-5: a service that slept over the hour is late, once; of several days slept through it makes the newest.
#[tokio::test]
async fn a_night_slept_through_is_made_up_for_once() {
    let rig = Rig::in_memory().await;
    a_day_in_c(&rig).await;
    rig.clock.set(at("2026-11-25T07:30:00Z"));
    let awake = rig.restarted().await;
    assert_eq!((made(&awake).await, made(&awake).await), (1, 0));
    awake.work().await;
    assert_eq!((file(&awake, "2026-11-22"), file(&awake, "2026-11-23")), (None, None));
    let text = file(&awake, "2026-11-24").expect("the newest");
    assert!(text.contains("No window of this day was judged."), "{text}");
    assert_eq!(messages(&awake).len(), 1);
}

/// DA-5: by itself only in the phases the policy names.
#[tokio::test]
async fn in_other_phases_none_is_made_by_itself() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.clock.set(at("2026-11-23T00:00:00Z"));
    assert_eq!(made(&rig).await, 0);
}

/// DA-5: on demand in all phases, as JSON or as Markdown.
#[tokio::test]
async fn on_demand_it_is_told_in_every_phase() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    let app = rig.router();
    let get = async |path: &str, accept: &str| {
        let request = Request::builder().uri(path).header("accept", accept).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    };
    let (status, json) = get("/v1/targets/autosave/daily?date=2026-11-22", "application/json").await;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((status, report["windows"]["violation"].as_u64()), (200, Some(1)));
    assert_eq!(report["incidents"][0]["id"], "INC-20261122-001");
    assert_eq!(report["so_far"], true);
    let (status, text) = get("/v1/targets/autosave/daily?date=2026-11-22", "text/markdown").await;
    assert_eq!(status, 200);
    assert!(text.contains("| `save_latency_p95` | B | ≤ 2 s | 2.81 s (140.5 % of it)"), "{text}");
    let (status, text) = get("/v1/targets/autosave/daily", "text/markdown").await;
    assert!(status == 200 && text.contains("2026-11-21"), "the last whole day: {text}");
    assert_eq!(get("/v1/targets/autosave/daily?date=tomorrow", "*/*").await.0, 400);
    assert_eq!(get("/v1/targets/nobody/daily", "*/*").await.0, 404);
    assert_eq!(rig.reporter.daily(&autosave(), None).await.unwrap().unwrap().unwrap().report.windows.ok, 0);
}
