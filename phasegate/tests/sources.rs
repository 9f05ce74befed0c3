//! `phasegate sources check`: telemetry looked at before it counts, as a shell sees it.
#![allow(clippy::unwrap_used, reason = "a test's helpers may unwrap")]

#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use shared_types::Timestamp;
use support::{Up, run, workspace};

const FILES: &str = "source: { jsonl: { paths: [\"telemetry/autosave/*.jsonl\"] } }";

/// The shipped policy with something else in places.
fn policy(directory: &Path, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(workspace().join("governance/policy.yaml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let path = directory.join("policy.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn of_files(directory: &Path) -> String {
    let source = format!("source: {{ jsonl: {{ paths: [\"{}/*.jsonl\"] }} }}", directory.display());
    policy(directory, &[(FILES, &source)])
}

/// So many saves, and two that failed, a second apart.
fn saves(from: Timestamp, count: u64) -> String {
    let ts = |second| from.plus(Duration::from_secs(second));
    let mut text = String::new();
    for second in 0..count {
        let _ =
            writeln!(text, r#"{{"ts":"{}","name":"autosave.save.completed","duration_ms":640}}"#, ts(second));
    }
    for second in [3, 4] {
        let error = r#""name":"autosave.save.error","code":"E_LOCK","retryable":true"#;
        let _ = writeln!(text, r#"{{"ts":"{}",{error}}}"#, ts(second));
    }
    text
}

fn checked(arguments: &[&str]) -> (i32, Value) {
    let (status, out, err) = run(&[&["sources", "check", "--output", "json"], arguments].concat());
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (status, report["targets"][0].clone())
}

fn metric<'v>(target: &'v Value, name: &str) -> &'v Value {
    target["metrics"].as_array().unwrap().iter().find(|it| it["metric"] == name).unwrap()
}

const TEN: &str = "2025-11-22T10:00:00Z";

/// TE-6, SLO-6: of a window of files each metric's value, attempts and origin are told, and names that nobody asks for.
#[test]
fn a_window_of_files_is_told_metric_by_metric() {
    let directory = tempfile::tempdir().unwrap();
    let misspelt = format!("{{\"ts\":\"{TEN}\",\"name\":\"autosave.save.complete\"}}\nno event\n");
    std::fs::write(directory.path().join("a.jsonl"), saves(Timestamp::parse(TEN).unwrap(), 98) + &misspelt)
        .unwrap();
    let policy = of_files(directory.path());
    let (status, target) = checked(&["--policy", &policy, "--target", "autosave", "--at", TEN]);
    assert_eq!(status, 0, "{target:#}");
    assert_eq!((&target["read"]["lines"], &target["read"]["whole"]), (&102.into(), &true.into()));
    let latency = metric(&target, "save_latency_p95");
    assert_eq!(
        (&latency["value"], &latency["unit"], &latency["attempts"]),
        (&0.64.into(), &"s".into(), &100.into())
    );
    assert_eq!((&latency["standing"], &latency["resolution"]), (&"judged".into(), &"exact".into()));
    assert_eq!(metric(&target, "error_rate")["value"], 2.0);
    let made_of = &metric(&target, "error_rate")["made_of"][0];
    assert_eq!((&made_of["name"], &made_of["events"]), (&"autosave.save.error".into(), &2.into()));
    assert!(made_of["made_of"].as_str().unwrap().ends_with("/*.jsonl"), "{made_of}");
    let unknown = &target["unknown"][0];
    assert_eq!((&unknown["events"], &unknown["meant"]), (&1.into(), &"autosave.save.completed".into()));

    let (status, out, _) = run(&["sources", "check", "--policy", &policy, "--at", TEN]);
    assert_eq!(status, 0, "{out}");
    for line in [
        "autosave: 4 of 4 metrics can be judged",
        "1 file, 8 KiB, 102 lines, newest event 2025-11-22T10:01:37.000Z, 1 malformed (line 102: not JSON of an event)",
        "ok           save_latency_p95   0.64 s, 100 attempts, exact durations",
        "- 1 event of the unknown name autosave.save.complete; is `autosave.save.completed` meant?",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    println!("{out}");
}

/// SLO-6: the newest whole window is the default; what it lacks is said with what to do, and the status is 1.
#[test]
fn too_few_attempts_of_the_newest_window_are_not_enough() {
    let directory = tempfile::tempdir().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = Timestamp::from_millis(i64::try_from(now).unwrap());
    // Whichever of the two is the newest whole window when the program looks.
    let begin = now.align_down(Duration::from_secs(900));
    let text = saves(begin, 18) + &saves(begin.minus(Duration::from_secs(900)), 18);
    std::fs::write(directory.path().join("a.jsonl"), text).unwrap();
    let policy = of_files(directory.path());
    let (status, out, err) = run(&["sources", "check", "--policy", &policy]);
    assert_eq!((status, err.as_str()), (1, ""), "{out}");
    for line in [
        "autosave: 2 of 4 metrics can be judged",
        "too few      error_rate         10 %, 20 attempts",
        "- 20 attempts of at least 50: a verdict takes 3 windows like this one",
        "→ nothing, if that is soon enough",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    println!("{out}");
}

/// Where nothing is, or may still come, it says what to do.
#[test]
fn what_cannot_be_looked_at_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let policy = of_files(&directory.path().join("."));
    let (status, out, _) = run(&["sources", "check", "--policy", &policy, "--at", TEN]);
    assert!(
        status == 1 && out.contains("no file matches ") && out.contains("run this there"),
        "{status} {out}"
    );
    let (status, _, err) = run(&["sources", "check", "--policy", &policy, "--at", "2999-01-01T00:00:00Z"]);
    assert!(status == 2 && err.contains("is not over"), "{status} {err}");
    let (status, _, err) = run(&["sources", "check", "--policy", &policy, "--target", "nope"]);
    assert!(status == 3 && err.contains("no target `nope`"), "{status} {err}");
}

/// What is pushed is seen by a running collector alone: without one that is said, with one what it has counted.
#[test]
fn pushes_are_told_by_a_running_collector() {
    let directory = tempfile::tempdir().unwrap();
    let changes =
        [(FILES, "source: { http: {} }"), ("window: 15m", "window: 5s"), ("grace: 30s", "grace: 2s")];
    let policy = policy(directory.path(), &changes);
    let (status, out, _) =
        run(&["sources", "check", "--policy", &policy, "--collector-url", "http://127.0.0.1:1"]);
    assert!(status == 1 && out.contains("not seen     error_rate"), "{status} {out}");
    assert!(out.contains("→ start a collector (`phasegate up`), push to it"), "{out}");

    let up = Up::start(&directory.path().join("data"), Path::new(&policy));
    let collector = up.url("collector");
    let client = service_kit::vendors::http::client(Duration::from_secs(30)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let target = loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now = Timestamp::from_millis(i64::try_from(now).unwrap());
        let save = format!("{{\"ts\":\"{now}\",\"name\":\"autosave.save.completed\",\"duration_ms\":640}}\n");
        let body = save.repeat(60);
        let push = client.post(format!("{collector}/v1/targets/autosave/events")).body(body);
        runtime.block_on(async { push.send().await }).unwrap().error_for_status().unwrap();
        let (status, target) = checked(&["--policy", &policy, "--collector-url", &collector]);
        if status == 0 {
            break target;
        }
        assert!(Instant::now() < deadline, "{target:#}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let latency = metric(&target, "save_latency_p95");
    assert!(latency["attempts"].as_u64().unwrap() >= 60, "{target:#}");
    assert_eq!((&latency["standing"], &latency["value"]), (&"judged".into(), &0.64.into()));
    assert_eq!(latency["made_of"][0]["from"], "pushed");
    assert!(target["pushes"]["counters"]["autosave.save.completed"].as_u64().unwrap() >= 60, "{target:#}");
    assert_eq!(up.stop(), Some(0));
}
