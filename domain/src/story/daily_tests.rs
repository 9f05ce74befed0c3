//! The texts of a full day and of an empty one, whole.

use shared_types::decision::{BrokenBy, Cause, Direction};
use shared_types::incident::IncidentState;
use shared_types::problem::Blocker;
use shared_types::rollout::RolloutState;
use shared_types::{IncidentId, PhaseId, TargetName, Timestamp, Window};

use super::*;

/// The message as Slack gets it.
fn sent(report: &DailyReport) -> String {
    "#a".parse::<crate::notifiers::Address>().unwrap().render(&message(report))
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn zone() -> Zone {
    Zone::of(crate::gate::fixture::policy().notifications.daily_report.as_ref())
}

fn empty() -> DailyReport {
    DailyReport {
        target: TargetName::parse("autosave").unwrap(),
        title: "AutoSave".to_owned(),
        date: "2026-11-22".to_owned(),
        time_zone: "Asia/Tokyo".to_owned(),
        day: Window { start: at("2026-11-21T15:00:00Z"), end: at("2026-11-22T15:00:00Z") },
        made_at: at("2026-11-23T00:00:01Z"),
        so_far: false,
        phase: PhaseId::parse("C").unwrap(),
        epoch: 3,
        state: RolloutState::Running,
        windows: DailyWindows::default(),
        slos: vec![],
        incidents: vec![],
        gate: None,
        asked: vec![],
    }
}

fn full() -> DailyReport {
    let window = Window { start: at("2026-11-22T01:00:00Z"), end: at("2026-11-22T01:15:00Z") };
    let slo = |metric: &str, unit: &str, threshold, worst: Option<f64>| DailySlo {
        metric: metric.to_owned(),
        phase: PhaseId::parse("C").unwrap(),
        unit: unit.to_owned(),
        threshold,
        direction: Direction::AtMost,
        worst,
        worst_ratio: worst.filter(|_| threshold > 0.0).map(|worst| worst / threshold),
        worst_window: worst.map(|_| window),
        median: worst.map(|worst| worst / 2.0),
        observed: worst.map_or(0, |_| 95),
        violated: 1,
    };
    DailyReport {
        windows: DailyWindows {
            ok: 90,
            warn: 3,
            unsure: 0,
            violation: 1,
            insufficient: 1,
            missing: 1,
            stale: 2,
            missing_windows: vec![window],
        },
        slos: vec![
            slo("save_latency_p95", "s", 1.8, Some(1.98)),
            slo("history_drift", "", 0.0, Some(1.0)),
            slo("error_rate", "%", 0.3, None),
        ],
        incidents: vec![DailyIncident {
            id: IncidentId::parse("INC-20261122-001").unwrap(),
            state: IncidentState::Recovered,
            metric: "save_latency_p95".to_owned(),
            phase: PhaseId::parse("C").unwrap(),
            opened_at: at("2026-11-22T01:15:31Z"),
            recovered_at: Some(at("2026-11-22T01:50:00Z")),
        }],
        gate: Some(GateProgress {
            epoch: 3,
            compliant_batches: 12,
            compliant_ms: 10_800_000,
            needed_batches: None,
            needed_ms: Some(259_200_000),
            satisfied: false,
            broken_by: Some(BrokenBy {
                window,
                cause: Cause::Slo,
                metric: Some("save_latency_p95".to_owned()),
            }),
            through: Some(window),
            stay_over: vec![],
            stale: None,
            vanished: vec![],
        }),
        asked: vec![Blocker {
            code: "approval_missing".to_owned(),
            detail: "governance & <sre>".to_owned(),
            data: serde_json::Value::Null,
        }],
        ..empty()
    }
}

/// DA-5: each SLO's worst and median, windows by verdict, what is missing, incidents, gate, what is asked of whom.
#[test]
fn the_report_of_a_day_is_whole() {
    assert_eq!(markdown(&full(), &zone()), include_str!("full.md"));
}

/// DA-5: a day without data says so.
#[test]
fn the_report_of_a_day_without_data_says_so() {
    assert_eq!(markdown(&empty(), &zone()), include_str!("empty.md"));
    assert!(sent(&empty()).contains(NOTHING));
}

/// DA-5, NO-3: the message says the same in few lines, escaped.
#[test]
fn the_message_is_whole_and_escaped() {
    let text = sent(&full());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "📋 AutoSave daily 2026-11-22 / phase C / running",
            "windows: 90 ok, 3 warn, 0 unsure, 1 violation, 1 insufficient, 1 missing",
            "save_latency_p95 C: worst 1.98 s, median 0.99 s, limit ≤ 1.8 s",
            "history_drift C: worst 1, median 0.5, limit = 0",
            "error_rate C: worst n/a, median n/a, limit ≤ 0.3 %",
            "incidents: INC-20261122-001",
            "gate: 3h of 72h of compliance, last broken by save_latency_p95 in 2026-11-22T01:00Z/01:15Z",
            "asked: approval_missing (governance &amp; &lt;sre&gt;)",
        ]
    );
    for report in [full(), empty()] {
        for text in [sent(&report), markdown(&report, &zone())] {
            for word in ["null", "NaN", "None,", "{", "}", "inf"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
    }
}
