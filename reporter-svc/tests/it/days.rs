//! What windows come to by the day: counted with every decision, once, whoever took it in.

use axum::http::StatusCode;
use domain::policy::Retention;
use phasegate_tests::stores::both_engines;
use reporter_svc::store::MIGRATIONS;

use shared_types::days::{DayTotals, DayWindows};
use shared_types::decision::{Cause, Direction, MetricVerdict, ViolationAction};
use shared_types::{Timestamp, Verdict, Window};

use crate::api::call;
use crate::rig::{KEEP, Rig, autosave, minutes};

const DAY_MINUTES: u64 = 24 * 60;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

async fn days(rig: &Rig) -> Vec<DayTotals> {
    let time = Window { start: at("2026-11-01T00:00:00Z"), end: at("2026-12-01T00:00:00Z") };
    rig.reporter.store.days(&autosave(), time).await.unwrap()
}

/// A day with an incident, a stale decision, an alarm and a repeat, and a window of the next day.
async fn a_day_and_a_window(rig: &Rig) {
    rig.bring_to("B").await;
    rig.judged(Verdict::Warn, None).await;
    let of_b = rig.decision(Verdict::Ok, None).await;
    let violation = rig.violation().await;
    rig.reporter.decide(&violation).await.unwrap();
    rig.reporter.decide(&of_b).await.unwrap();
    rig.clock.advance(minutes(5));
    let mut alarm = rig.decision(Verdict::Warn, None).await;
    alarm.cause = Cause::CollectionDelayed;
    alarm.metrics.clear();
    rig.reporter.decide(&alarm).await.unwrap();
    rig.clock.set(at("2026-11-23T00:15:00Z"));
    rig.work().await;
    let mut next = rig.decision(Verdict::Ok, None).await;
    next.metrics[1].direction = Direction::AtLeast;
    next.metrics[0].verdict = Verdict::Insufficient;
    rig.reporter.decide(&next).await.unwrap();
    rig.work().await;
}

#[tokio::test]
async fn each_decision_counts_once_in_the_day_on_which_its_window_began() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        a_day_and_a_window(&rig).await;
        let days = days(&rig).await;
        let [day, next] = days.as_slice() else { panic!("{days:#?}") };
        assert_eq!((day.date.as_str(), next.date.as_str()), ("2026-11-22", "2026-11-23"));
        let counted = DayWindows {
            ok: 1,
            warn: 1,
            violation: 1,
            alarms: 1,
            stale: 1,
            rollback_required: 1,
            ..DayWindows::default()
        };
        assert_eq!((day.windows, day.incidents), (counted, 1));
        let [errors, latency] = day.metrics.as_slice() else { panic!("{day:#?}") };
        assert_eq!((errors.metric.as_str(), errors.verdict, errors.violated), ("error_rate", Verdict::Ok, 0));
        assert_eq!((latency.worst, latency.threshold, latency.unit.as_str()), (Some(2.81), 2.0, "s"));
        assert_eq!((latency.verdict, latency.violated), (Verdict::Violation, 1));
        assert_eq!(next.windows.ok, 1);
        assert_eq!(next.metrics[0].direction, Direction::AtLeast);
        assert_eq!(next.metrics[1].worst, None, "of too few samples nothing can be said");
    })
    .await;
}

/// A day's worst value is the same in whatever order its windows came, and whichever of the two ways added them up.
#[tokio::test]
async fn what_the_release_before_took_in_is_counted_when_it_is_asked_for() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db.clone()).await;
        a_day_and_a_window(&rig).await;
        let counted = days(&rig).await;
        for sql in ["DELETE FROM days", "UPDATE decisions SET counted = 0"] {
            sqlx::query(sql).execute(db.pool()).await.unwrap();
        }
        let replica = rig.restarted().await;
        let (one, other) = tokio::join!(days(&rig), days(&replica));
        assert_eq!(one, counted);
        assert_eq!(other, counted);
        // Some come by each way.
        sqlx::query("DELETE FROM days").execute(db.pool()).await.unwrap();
        sqlx::query("UPDATE decisions SET counted = 0").execute(db.pool()).await.unwrap();
        rig.clock.advance(minutes(15));
        let late = rig.decision(Verdict::Ok, None).await;
        rig.reporter.decide(&late).await.unwrap();
        let both = days(&rig).await;
        assert_eq!(both[0], counted[0]);
        assert_eq!(both[1].windows.ok, 2);
    })
    .await;
}

#[tokio::test]
async fn a_day_is_forgotten_with_the_last_of_its_decisions() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        rig.judged(Verdict::Ok, None).await;
        rig.judged(Verdict::Warn, Some(ViolationAction::Note)).await;
        let keep = Retention { decisions: Some(minutes(2 * DAY_MINUTES)), ..KEEP };
        rig.forget(keep, at("2026-11-24T23:59:00Z")).await;
        assert_eq!(days(&rig).await.len(), 1);
        rig.forget(keep, at("2026-11-25T00:00:01Z")).await;
        assert!(days(&rig).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_year_of_days_is_one_answer_and_windows_come_in_short() {
    let rig = Rig::in_memory().await;
    a_day_and_a_window(&rig).await;
    let app = rig.router();
    let (status, body) = call(&app, "GET", "/v1/targets/autosave/days", None).await;
    assert_eq!((status, body["days"].as_array().unwrap().len()), (StatusCode::OK, 2));
    let (_, body) = call(&app, "GET", "/v1/targets/autosave/days?from=2026-11-23&to=2026-11-23", None).await;
    assert_eq!(body["days"][0]["date"], "2026-11-23");
    assert_eq!(body["days"].as_array().unwrap().len(), 1);
    for (query, expected) in [
        ("from=2025-10-20&to=2026-11-23", 200),
        ("from=2025-10-19&to=2026-11-23", 400),
        ("from=yesterday", 400),
        ("to=2026-13-01", 400),
        ("from=2026-11-24&to=2026-11-22", 200),
    ] {
        let path = format!("/v1/targets/autosave/days?{query}");
        assert_eq!(call(&app, "GET", &path, None).await.0.as_u16(), expected, "{query}");
    }
    assert_eq!(call(&app, "GET", "/v1/targets/nobody/days", None).await.0, StatusCode::NOT_FOUND);

    let whole = call(&app, "GET", "/v1/decisions?target=autosave", None).await.1;
    let short = call(&app, "GET", "/v1/targets/autosave/windows", None).await.1;
    let of = |page: &serde_json::Value, key: &str| -> Vec<serde_json::Value> {
        page["items"].as_array().unwrap().iter().map(|it| it[key].clone()).collect()
    };
    for key in ["decision_id", "window", "phase", "epoch", "verdict", "stale"] {
        assert_eq!(of(&short, key), of(&whole, key), "{key}");
    }
    assert_eq!(short["items"][0]["metrics"][1]["observed"], 0.25);
    assert!(short["items"][0].get("schema").is_none() && short["items"][0].get("gate").is_none());
    let first = call(&app, "GET", "/v1/targets/autosave/windows?limit=2", None).await.1;
    let next = first["next"].as_str().unwrap();
    let path = format!("/v1/targets/autosave/windows?limit=2&cursor={next}");
    let second = call(&app, "GET", &path, None).await.1;
    assert_eq!(second["items"][0]["decision_id"], short["items"][2]["decision_id"]);
}

/// A year of one target, measured by hand, each over the whole stack of layers:
/// `cargo test --release --workspace --test it a_year_of_one_target -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a year first, and what it measures belongs to the machine"]
async fn a_year_of_one_target_is_told_in_milliseconds() {
    const YEAR: u64 = 35_040;
    const DAYS: &str = "/v1/targets/autosave/days?to=2026-11-21";
    const FIRST: &str = "/v1/targets/autosave/windows?limit=1000&to=2026-11-22T00:00:00Z";
    const WHOLE: &str = "/v1/decisions?target=autosave&limit=500&to=2026-11-22T00:00:00Z";
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db.clone()).await;
        rig.bring_to("A").await;
        let mut decision = rig.decision(Verdict::Ok, None).await;
        let of_two = decision.metrics.clone();
        decision.metrics.extend(of_two.into_iter().map(|it| MetricVerdict { metric: format!("{}_too", it.metric), ..it }));
        let mut tx = db.begin().await.unwrap();
        for n in 1..=YEAR {
            let end = at("2026-11-22T00:00:00Z").minus(minutes(15 * (n - 1)));
            decision.decision_id = uuid::Uuid::now_v7();
            decision.window = Window { start: end.minus(minutes(15)), end };
            let insert = "INSERT INTO decisions (id, target, phase, epoch, window_start, window_end, verdict, stale, received_at, body) \
                 VALUES ($1, 'autosave', 'A', 1, $2, $3, 'ok', 0, $3, $4)";
            let insert = sqlx::query(insert).bind(decision.decision_id.to_string()).bind(decision.window.start.as_millis());
            insert.bind(end.as_millis()).bind(db.forms().wire_text(&decision)).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        let app = rig.router();
        for (what, path, times) in [
            ("days, counted late", DAYS, 1_usize),
            ("days", DAYS, 200),
            ("first 1,000 windows", FIRST, 50),
            ("first 500 decisions", WHOLE, 50),
        ] {
            let mut took = Vec::new();
            for _ in 0..times {
                let begun = std::time::Instant::now();
                assert_eq!(call(&app, "GET", path, None).await.0, StatusCode::OK);
                took.push(begun.elapsed());
            }
            took.sort();
            println!("{what}: p50 {:?}, p99 {:?}", took[times / 2], took[times * 99 / 100]);
        }
    })
    .await;
}
