//! `phasegate up` and the commands that speak to it, on SQLite, as processes.
#![allow(clippy::unwrap_used, reason = "a test's helpers may unwrap")]

#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use support::{Up, phasegate, run, workspace};

/// The shipped policy with commands that do nothing, and no approvals.
fn policy(directory: &Path) -> std::path::PathBuf {
    let shipped = std::fs::read_to_string(workspace().join("governance/policy.yaml")).unwrap();
    let text = shipped
        .replace(r#"[pnpm, run, "flags:rollback", --phase, "{prev}"]"#, r#"["true", "{prev}"]"#)
        .replace(r#"[pnpm, run, "flags:promote", --phase, "{next}"]"#, r#"["true", "{next}"]"#)
        .replace("telemetry/autosave/*.jsonl", directory.join("*.jsonl").to_str().unwrap());
    assert!(!text.contains("pnpm"));
    let path = directory.join("policy.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Waits until `status` says that the target is in `phase`.
fn until_phase(up: &Up, phase: &str) -> Value {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let (status, out, err) = up.ask(&["status", "--target", "autosave", "--output", "json"]);
        assert_eq!(status, 0, "{err}");
        let found: Value = serde_json::from_str(&out).unwrap();
        if found["rollout"]["phase"] == phase {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "not in phase {phase}: {out}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// GO-4: what was done by hand stands in the log, the log holds, and a changed copy of it does not.
fn audited(up: &Up, data: &Path) {
    let (status, out, err) = up.ask(&["audit", "list", "--target", "autosave", "--output", "json"]);
    assert_eq!(status, 0, "{err}");
    let rows: Value = serde_json::from_str(&out).unwrap();
    let actions: Vec<&str> = rows.as_array().unwrap().iter().filter_map(|it| it["action"].as_str()).collect();
    assert_eq!(actions.last(), Some(&"rollout.start"), "newest first: {actions:?}");
    assert!(actions.contains(&"rollout.rollback"), "{actions:?}");
    let (_, out, _) = up.ask(&["audit", "list", "--action", "rollout.rollback", "--limit", "1"]);
    assert!(out.contains("via api") && out.lines().count() == 1, "{out}");
    let (status, out, err) = up.ask(&["audit", "verify"]);
    assert_eq!(status, 0, "{out}{err}");
    assert!(out.contains("autosave: ") && out.contains(" rows hold"), "{out}");

    let archive = data.join("logs/audit");
    let (directory, file) = (archive.to_str().unwrap(), archive.join("autosave.jsonl"));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while std::fs::read_to_string(&file).unwrap_or_default().lines().count() < actions.len() {
        assert!(std::time::Instant::now() < deadline, "the archive stays behind");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(run(&["audit", "verify", "--archive", directory]).0, 0);
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, whole.replacen("rollout.start", "rollout.begin", 1)).unwrap();
    let (status, out, _) = run(&["audit", "verify", "--archive", directory]);
    assert!(status == 1 && out.contains("autosave: row 1 edited"), "{status} {out}");
    let (status, out, _) = up.ask(&["audit", "verify"]);
    assert!(status == 1 && out.contains("autosave: row 1 archive_edited"), "{status} {out}");
    std::fs::write(&file, whole).unwrap();
    assert_eq!(run(&["audit", "verify", "--archive", "/nowhere"]).0, 3);
    let bundle = data.join("bundle");
    let export = |target| {
        let analyzer = up.url("analyzer");
        let output = bundle.to_str().unwrap();
        up.ask(&["audit", "export", "--target", target, "--output", output, "--analyzer-url", &analyzer])
    };
    let (status, _, err) = export("nope");
    assert!(status == 3 && err.contains("no row of `nope`") && !bundle.exists(), "{status} {err}");
    assert_eq!(export("autosave").0, 0);
    assert_eq!(run(&["audit", "verify", "--bundle", bundle.to_str().unwrap()]).0, 0);
}

/// PH-5, RB-7, and the exit statuses of `docs/cli.md`.
#[test]
fn a_rollout_is_driven_by_hand_and_every_refusal_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let policy = policy(directory.path());
    let data = directory.path().join("data");
    let up = Up::start(&data, &policy);
    for service in ["collector", "analyzer", "reporter"] {
        let url = format!("{}/healthz", up.url(service));
        assert_eq!(run(&["healthcheck", "--timeout", "60", &url]).0, 0, "{service}");
    }

    let (status, out, err) = up.ask(&["status"]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("autosave: phase off"), "{out}");
    assert_eq!(up.ask(&["status", "--target", "nope"]).0, 3);
    assert_eq!(up.ask(&["start", "--target", "nope"]).0, 3);
    assert_eq!(up.ask(&["gate", "--target", "nope"]).0, 3);
    let (status, _, err) = up.ask(&["gate", "--target", "autosave"]);
    assert!(status == 6 && err.contains("is not known: start it first"), "{status} {err}");

    let (status, _, err) = up.ask(&["start", "--target", "autosave"]);
    assert_eq!(status, 0, "{err}");
    let found = until_phase(&up, "A");
    assert_eq!(found["rollout"]["epoch"], 1);
    assert!(data.join("reports/monitoring/dashboard.json").exists());

    let (status, _, err) = up.ask(&["promote", "--target", "autosave"]);
    assert_eq!(status, 1);
    assert!(err.contains("- gate_unsatisfied: "), "{err}");
    assert!(err.contains("- approval_missing: sre") && err.contains("- approval_missing: dev-lead"), "{err}");

    // PH-2: approvals by the command line; the roles' names are as given, as there are no tokens.
    let target = ["--target", "autosave"];
    let with = |command: &'static str, more: &[&'static str]| -> Vec<&'static str> {
        [command].into_iter().chain(target).chain(more.iter().copied()).collect()
    };
    let (status, out, err) = up.ask(&with("approve", &["--role", "sre", "--comment", "quiet"]));
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("approved as sre by ") && out.contains(": quiet"), "{out}");
    let (status, _, err) = up.ask(&with("approve", &["--role", "dev-lead"]));
    assert!(status == 1 && err.contains("- approval_by_same_person: "), "{err}");
    let (status, _, err) = up.ask(&with("approve", &["--role", "governance"]));
    assert!(status == 1 && err.contains("asks for the approval of sre, dev-lead"), "{err}");
    assert_eq!(up.ask(&with("approve", &["--role", "sre", "--phase", "B"])).0, 1);
    let (status, out, err) = up.ask(&with("withdraw", &["--role", "sre"]));
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("approval as sre, withdrawn at "), "{out}");
    assert_eq!(up.ask(&with("withdraw", &["--role", "sre"])).0, 1);

    let (status, out, err) = up.ask(&with("freeze", &["--reason", "a try"]));
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("autosave: phase A, epoch 1, frozen") && out.contains(": a try"), "{out}");
    assert!(up.ask(&with("promote", &[])).2.contains("- frozen: by "));
    assert_eq!(up.ask(&with("freeze", &["--reason", ""])).0, 2);
    let (status, out, err) = up.ask(&with("unfreeze", &[]));
    assert!(status == 0 && out.contains("autosave: phase A, epoch 1, running"), "{out}{err}");

    let wrong = ["rollback", "--target", "autosave", "--phase", "B", "--reason", "a try"];
    assert_eq!(up.ask(&wrong).0, 1, "RB-7: refused if it is not the current phase");

    let right = ["rollback", "--target", "autosave", "--phase", "A", "--reason", "a try"];
    let (status, _, err) = up.ask(&right);
    assert_eq!(status, 0, "{err}");
    until_phase(&up, "off");
    audited(&up, &data);
    assert_eq!(up.stop(), Some(0), "a graceful stop is no failure");

    // What was, is there again after a restart.
    let up = Up::start(&data, &policy);
    let found = until_phase(&up, "off");
    assert_eq!(found["rollout"]["epoch"], 2);
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn up_refuses_to_be_reachable_by_others_without_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (status, _, err) =
        run(&["up", "--data-dir", data.to_str().unwrap(), "--reporter-listen", "0.0.0.0:0"]);
    assert_eq!(status, 2);
    assert!(err.contains("PHASEGATE_TOKENS"), "{err}");
}

/// NO-6: without Slack and PagerDuty it runs, and says at start what goes only to the log.
#[test]
fn up_says_at_start_what_goes_only_to_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let up = Up::start(&data, &policy(directory.path()));
    assert_eq!(up.ask(&["status"]).0, 0);
    assert_eq!(up.stop(), Some(0));
    let log = std::fs::read_to_string(data.with_extension("log")).unwrap();
    let said = "not configured, so these go to the log only: Slack messages, PagerDuty pages";
    assert_eq!(log.matches(said).count(), 1, "{log}");
}

/// PL-6: each service says a trap when it takes the version over, and not again when it goes on with it.
#[test]
fn traps_of_the_policy_are_logged_once_a_version() {
    let directory = tempfile::tempdir().unwrap();
    let (data, policy) = (directory.path().join("data"), policy(directory.path()));
    let told = || {
        assert_eq!(Up::start(&data, &policy).stop(), Some(0));
        std::fs::read_to_string(data.with_extension("log"))
            .unwrap()
            .matches("[PL-6] error_rate: one of 50")
            .count()
    };
    assert_eq!(told(), 3);
    assert_eq!(told(), 0);
}

/// Who reads the line with the URLs may rely on it: nothing is printed of services that cannot start.
#[test]
fn up_says_that_it_is_up_only_when_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let any = "127.0.0.1:0";
    let listens = ["--collector-listen", any, "--analyzer-listen", any, "--reporter-listen", any];
    let up = |more: &[&str]| run(&[&["up", "--output", "json"], &listens[..], more].concat());
    let below_a_file = file.join("data");
    for (arguments, expected) in [
        (["--data-dir", below_a_file.to_str().unwrap()], "its directory cannot be made"),
        (["--database-url", "postgres://nobody@127.0.0.1:9/none"], "Connection refused"),
    ] {
        let (status, out, err) = up(&arguments);
        assert_eq!((status, out.as_str()), (5, ""), "{err}");
        let last = err.lines().last().unwrap();
        assert!(last.starts_with("phasegate: ") && last.contains(expected), "{err}");
    }
    let taken = std::net::TcpListener::bind(any).unwrap();
    let (status, out, err) = run(&[
        "up",
        "--reporter-listen",
        &taken.local_addr().unwrap().to_string(),
        "--collector-listen",
        any,
        "--analyzer-listen",
        any,
    ]);
    assert_eq!((status, out.as_str()), (5, ""), "{err}");
    assert!(err.contains("--reporter-listen takes another address"), "{err}");
}

#[test]
fn up_prints_its_configuration_without_its_secrets() {
    let output = phasegate()
        .args(["up", "--print-config", "--database-url", "postgres://someone:hunter2@db/phasegate"])
        .env("SLACK_BOT_TOKEN", "xoxb-very-secret")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        text.contains("reporter_listen") && !text.contains("hunter2") && !text.contains("very-secret"),
        "{text}"
    );
}

/// A copy of the data directory, but for files whose names end in one of these.
fn copy_without(from: &Path, to: &Path, left_out: &[&str]) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            copy_without(&path, &to.join(name), left_out);
        } else if !left_out.iter().any(|end| name.to_string_lossy().ends_with(end)) {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// Starts on such a directory, which has to be refused; the line.
fn refused_start(data: &Path, policy: &Path) -> String {
    let any = "127.0.0.1:0";
    let output = phasegate()
        .args(["up", "--collector-listen", any, "--analyzer-listen", any, "--reporter-listen", any])
        .arg("--data-dir")
        .arg(data)
        .arg("--policy")
        .arg(policy)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    let line = said.lines().find(|line| line.starts_with("phasegate:")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains("younger than its data directory") && line.contains("docs/backup.md"), "{line}");
    line.to_owned()
}

/// OP-3, case 70: a copy without its -wal, a -wal that is gone, a store that is emptied beside its logs do not start as new; a
/// person may go on from one of them, and then every number is above what was told.
#[test]
fn a_store_that_is_younger_than_its_logs_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let (data, policy) = (directory.path().join("data"), policy(directory.path()));
    let mut up = Up::start(&data, &policy);
    assert_eq!(up.ask(&["start", "--target", "autosave"]).0, 0);
    until_phase(&up, "A");
    // The mark is written a second after what it stands for.
    let mark = data.join("reporter.mark.json");
    let marked =
        || serde_json::from_slice::<Value>(&std::fs::read(&mark).unwrap()).unwrap()["position"].as_u64();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while marked() < Some(2) {
        assert!(std::time::Instant::now() < deadline, "never marked");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    up.kill();
    let copy = |name: &str, left_out: &[&str]| {
        let to = directory.path().join(name);
        copy_without(&data, &to, left_out);
        to
    };
    let killed = copy("killed", &["-shm"]);
    refused_start(&copy("without-wal", &["-wal", "-shm"]), &policy);
    let emptied = copy("emptied", &[".sqlite", "-wal", "-shm"]);
    assert!(refused_start(&emptied, &policy).contains("the store is empty"));

    // The whole of it is the newest, killed or not.
    let up = Up::start(&killed, &policy);
    let shown = until_phase(&up, "A");
    assert_eq!(shown["rollout"]["epoch"], 1);
    assert_eq!(up.stop(), Some(0));

    let accept = ["restore", "--accept", "--reason", "the disk is gone", "--by", "ana", "--data-dir"];
    let arguments: Vec<&str> = accept.into_iter().chain([emptied.to_str().unwrap()]).collect();
    let (status, out, err) = run(&arguments);
    assert_eq!(status, 0, "{out}{err}");
    assert!(out.contains("the audit log's archive of the lost past"), "{out}");
    let up = Up::start(&emptied, &policy);
    let shown = until_phase(&up, "off");
    assert!(shown["rollout"]["epoch"].as_u64() > Some(1), "{shown}");
    let (_, out, _) = up.ask(&["audit", "list", "--action", "store.accepted"]);
    assert!(out.contains("ana"), "{out}");
    assert_eq!(up.ask(&["audit", "verify"]).0, 0);
    assert_eq!(up.stop(), Some(0));
}

/// OP-3: a backup is made while the services run, is whole, says so when it is not, and a restore of it goes on with new numbers.
#[test]
fn a_backup_is_made_checked_and_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let (data, policy) = (directory.path().join("data"), policy(directory.path()));
    let backup = directory.path().join("backup");
    let (data_dir, to) = (data.to_str().unwrap().to_owned(), backup.to_str().unwrap().to_owned());
    let up = Up::start(&data, &policy);
    assert_eq!(up.ask(&["start", "--target", "autosave"]).0, 0);
    until_phase(&up, "A");
    let make = ["backup", "--to", &to, "--data-dir", &data_dir, "--policy", policy.to_str().unwrap()];
    let (status, out, err) = run(&make);
    assert_eq!(status, 0, "{out}{err}");
    assert_eq!(run(&make).0, 1, "never over another");
    let check = ["restore", "--check", "--output", "json", "--from", &to];
    let (status, out, err) = run(&check);
    assert_eq!(status, 0, "{out}{err}");
    let checked: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&checked["ok"], checked["stores"].as_array().unwrap().len()), (&Value::Bool(true), 3));
    // What comes after the backup is lost by the restore.
    let rolled_back = up.ask(&["rollback", "--target", "autosave", "--phase", "A", "--reason", "by hand"]);
    assert_eq!(rolled_back.0, 0);
    until_phase(&up, "off");
    assert_eq!(up.stop(), Some(0));

    let put = ["restore", "--from", &to, "--data-dir", &data_dir];
    let (status, _, err) = run(&put);
    assert!(status == 1 && err.contains("--force"), "{err}");
    let forced: Vec<&str> = put.into_iter().chain(["--force"]).collect();
    let (status, out, err) = run(&forced);
    assert_eq!(status, 0, "{out}{err}");
    assert!(out.contains("before-restore-"), "{out}");
    let up = Up::start(&data, &policy);
    let shown = until_phase(&up, "A");
    assert!(shown["rollout"]["epoch"].as_u64() > Some(2), "above all that was told: {shown}");
    assert_eq!(up.ask(&["audit", "verify"]).0, 0);
    assert_eq!(up.stop(), Some(0));
    assert_eq!(run(&["restore", "--check", "--data-dir", &data_dir]).0, 0);

    // A copy that was changed, one that is torn, and none at all.
    let policy_copy = backup.join("policy.yaml");
    let text = std::fs::read(&policy_copy).unwrap();
    std::fs::write(&policy_copy, b"targets: {}").unwrap();
    let (status, out, _) = run(&check);
    assert!(status == 1 && out.contains("policy.yaml"), "{out}");
    std::fs::write(&policy_copy, text).unwrap();
    assert_eq!(run(&check).0, 0);
    std::fs::write(backup.join("analyzer.sqlite"), b"SQLite format 3").unwrap();
    assert_eq!(run(&check).0, 1);
    assert_eq!(run(&put).0, 1, "what is not whole is not put back");
    assert_eq!(run(&["restore", "--check", "--from", directory.path().to_str().unwrap()]).0, 3);

    let elsewhere = directory.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let (status, out, _) = run(&["restore", "--check", "--data-dir", elsewhere.to_str().unwrap()]);
    assert!(status == 1 && out.contains("reporter.sqlite is not there"), "{out}");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "a check makes no stores");
}
