//! `phasegate sources check` on Prometheus itself: what a server has of a window, before it counts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use phasegate_sources::prometheus::{Prometheus, Samples};
use phasegate_tests::cli::{Ran, command, run, workspace};
use phasegate_tests::ports;

/// 2025-11-22T10:00:00Z.
const TEN: i64 = 1_763_805_600;
const SCRAPE: i64 = 15;

/// Scrapes of an hour around ten of a counter that grows by so many a minute.
fn growing(samples: &mut Samples, series: &str, per_minute: f64) {
    let scrapes = (0..240).map(|scrape| TEN - 1800 + scrape * SCRAPE);
    let grown = |second: i64| (second - TEN + 1800) as f64 / 60.0 * per_minute;
    samples.add("counter", series, scrapes.map(|second| (second, grown(second))));
}

/// The shipped policy by the minute, without durations, which no counter has, and with a number.
fn policy(directory: &Path, url: &str, errors: &str) -> String {
    let source = format!(
        "source: {{ prometheus: {{ url: \"{url}\", counters: {{ autosave.save.completed: {{ series: saves_total }}, \
         autosave.save.error: {{ series: {errors} }}, autosave.history.drift: {{ series: drift_total, absent: zero }} }}, \
         values: {{ load: 'avg_over_time(load[{{window}}])' }} }} }}"
    );
    let shipped = std::fs::read_to_string(workspace().join("governance/policy.yaml")).unwrap();
    let mut text = String::new();
    for line in shipped.lines() {
        if line.contains("quantile: 0.95") {
            text.push_str("      load: { value: load }\n");
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (from, to) in [
        ("source: { jsonl: { paths: [\"telemetry/autosave/*.jsonl\"] } }", source.as_str()),
        ("window: 15m", "window: 1m"),
        ("p95: save_latency_p95", "p95: load"),
        ("save_latency_p95: rollback", "load: rollback"),
        ("save_latency_p95: 2.5s", "load: 4"),
        ("save_latency_p95: 2.0s", "load: 4"),
        ("save_latency_p95: 1.8s", "load: 4"),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let path = directory.join("policy.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn check(policy: &str) -> Ran {
    let ran = run(command("phasegate").args([
        "sources",
        "check",
        "--policy",
        policy,
        "--at",
        "2025-11-22T10:05:00Z",
    ]));
    println!("{}{}exit status {:?}\n", ran.out, ran.err, ran.status);
    ran
}

#[track_caller]
fn says(ran: &Ran, status: i32, lines: &[&str]) {
    assert_eq!(ran.status, Some(status), "{}{}", ran.out, ran.err);
    for line in lines {
        assert!(ran.out.contains(line), "{line}\n{}", ran.out);
    }
}

/// SLO-6, CO-5: counts, numbers, a name that the server does not know, and too little of it.
#[tokio::test]
async fn a_window_of_prometheus_is_told_metric_by_metric() {
    let mut samples = Samples::default();
    growing(&mut samples, "saves_total{job=\"shop\",instance=\"a\"}", 80.0);
    growing(&mut samples, "errors_total{job=\"shop\",instance=\"a\"}", 4.0);
    growing(&mut samples, "rare_total{job=\"shop\",instance=\"a\"}", 8.0);
    samples.add("gauge", "load", (0..240).map(|scrape| (TEN - 1800 + scrape * SCRAPE, 0.5)));
    let server = Prometheus::with(samples).await.unwrap();
    let directory = tempfile::tempdir().unwrap();

    let all = check(&policy(directory.path(), &server.url, "errors_total"));
    says(
        &all,
        0,
        &[
            "autosave: 4 of 4 metrics can be judged",
            "ok           error_rate         4.762 %, 84 attempts",
            "80  autosave.save.completed  saves_total",
            "ok           load               0.5\n",
            "load  avg_over_time(load[{window}])",
        ],
    );

    let misspelt = check(&policy(directory.path(), &server.url, "erors_total"));
    says(
        &misspelt,
        1,
        &[
            "autosave: 3 of 4 metrics can be judged",
            "MISSING      error_rate         n/a",
            "- autosave.save.error: no sample of `erors_total` in the window 2025-11-22T10:05Z/10:06Z",
            "→ ask the source for `erors_total[360s]` by hand",
        ],
    );

    let few = policy(directory.path(), &server.url, "errors_total");
    let text = std::fs::read_to_string(&few).unwrap().replace("series: saves_total", "series: rare_total");
    std::fs::write(&few, text).unwrap();
    says(
        &check(&few),
        1,
        &[
            "too few      error_rate         33.333 %, 12 attempts",
            "12 attempts of at least 50: a verdict takes 5 windows like this one",
        ],
    );
}

/// CO-5: a server that is not there is neither well nor missing: status 4.
#[test]
fn a_server_that_is_down_is_not_reachable() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", ports::own());
    let down = check(&policy(directory.path(), &url, "errors_total"));
    says(
        &down,
        4,
        &["autosave: the source cannot be read", &format!("UNREACHABLE  {url}: "), "no connection"],
    );
}
