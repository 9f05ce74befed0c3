//! `phasegate doctor` beside a real `phasegate up`: healthy, and with faults in it.
#![allow(clippy::unwrap_used, reason = "a test's helpers may unwrap")]

#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Up, run, workspace};

/// The fast policy, on a flag file that is read back.
fn policy(directory: &Path, flag: &Path) -> PathBuf {
    let text = std::fs::read_to_string(workspace().join("tests/fixtures/policy.fast.yaml")).unwrap();
    let at = |path: PathBuf| path.display().to_string();
    let text = text
        .replace("@FLAGS@", &at(workspace().join("tests/fixtures/bin/flags")))
        .replace("@FLAG_FILE@", &flag.display().to_string())
        .replace("@TEMPLATES@", &at(workspace().join("templates/alerts")))
        .replace("@TELEMETRY@", &at(directory.join("telemetry")));
    std::fs::create_dir_all(directory.join("telemetry")).unwrap();
    let path = directory.join("policy.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What the doctor says of a running one: its status, and each check's level and problems.
struct Said {
    status: i32,
    out: String,
    report: Value,
}

impl Said {
    fn of(&self, check: &str) -> (&str, String) {
        let checks = self.report["checks"].as_array().unwrap();
        let found = checks.iter().find(|it| it["check"] == check).unwrap();
        (found["level"].as_str().unwrap(), found["problems"].to_string())
    }
}

fn doctor(up: &Up, data: &Path, policy: &Path, more: &[&str]) -> Said {
    let urls = ["collector", "analyzer", "reporter"].map(|it| (format!("--{it}-url"), up.url(it)));
    let mut arguments = vec!["doctor", "--format", "json"];
    arguments.extend(["--data-dir", data.to_str().unwrap(), "--policy", policy.to_str().unwrap()]);
    arguments.extend(urls.iter().flat_map(|(flag, url)| [flag.as_str(), url]));
    arguments.extend(more);
    let (status, out, err) = run(&arguments);
    let report = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    Said { status, out, report }
}

/// The shapes that it reads are those that the services write, and a fault in them is found.
#[test]
fn a_real_one_is_examined_healthy_and_with_faults() {
    let directory = tempfile::tempdir().unwrap();
    let (data, flag) = (directory.path().join("data"), directory.path().join("flag"));
    std::fs::write(&flag, "off").unwrap();
    let policy = policy(directory.path(), &flag);
    let up = Up::told(
        &data,
        &policy,
        &[("SLACK_BOT_TOKEN", "xoxb-1"), ("SLACK_API_URL", "http://127.0.0.1:9/api/")],
    );
    let said = doctor(&up, &data, &policy, &["--skip", "channels"]);
    assert_eq!((said.status, said.report["level"].as_str()), (0, Some("ok")), "{}", said.out);

    let said = doctor(&up, &data, &policy, &["--only", "channels"]);
    let (level, problems) = said.of("channels");
    assert_eq!((said.status, level), (2, "failed"), "{}", said.out);
    assert!(problems.contains("#incident (slack): no connection"), "{problems}");
    assert!(problems.contains("pagerduty is not configured"), "{problems}");
    let said = doctor(&up, &data, &policy, &["--only", "channels", "--send"]);
    assert!(said.status == 2 && said.of("channels").1.contains("no connection"), "{}", said.out);

    assert_eq!(up.ask(&["start", "--target", "autosave"]).0, 0);
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::fs::read_to_string(&flag).unwrap() != "A" {
        assert!(Instant::now() < deadline, "the start is not carried out");
        std::thread::sleep(Duration::from_millis(50));
    }
    loop {
        let said = doctor(&up, &data, &policy, &["--only", "flags", "--only", "neighbours"]);
        if said.status == 0 && said.out.contains("1 of 1 target as on record") {
            break;
        }
        assert!(Instant::now() < deadline, "{}", said.out);
    }
    std::fs::write(&flag, "C").unwrap();
    let said = doctor(&up, &data, &policy, &["--only", "flags"]);
    assert_eq!((said.status, said.of("flags").0), (2, "failed"), "{}", said.out);
    assert!(said.of("flags").1.contains("autosave: phase A is on record, C is served"), "{}", said.out);
    // Nobody sends telemetry, so nothing is measured.
    while !doctor(&up, &data, &policy, &["--only", "telemetry"])
        .of("telemetry")
        .1
        .contains("no event for two windows")
    {
        assert!(Instant::now() < deadline, "{}", doctor(&up, &data, &policy, &["--only", "telemetry"]).out);
    }
    up.stop();

    // Nobody answers: what can be seen without them is told.
    let (status, out, _) = run(&[
        "doctor",
        "--collector-url",
        "http://127.0.0.1:9",
        "--analyzer-url",
        "http://127.0.0.1:9",
        "--reporter-url",
        "http://127.0.0.1:9",
        "--data-dir",
        data.to_str().unwrap(),
        "--policy",
        policy.to_str().unwrap(),
    ]);
    assert_eq!(status, 2, "{out}");
    assert!(out.contains("FAILED       services") && out.contains("reporter.sqlite is there"), "{out}");
    assert!(!out.contains('\u{1b}'), "no colour where there is no terminal: {out}");
    assert_eq!(run(&["doctor", "--only", "nonsense"]).0, 12, "the command itself failed");
}
