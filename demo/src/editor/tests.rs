//! The whole editor against a real directory: what the demo tells is what happens.

use super::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A scaled-down population with documents of a fixed size, so that the test is short in a debug build.
fn small_tuning() -> Tuning {
    Tuning {
        quiet_p95_ms: 10.0,
        limit_a_ms: 0,
        limit_b_ms: 0,
        lock_patience_ms: 150,
        pause_ms: 100,
        document_lines: 200,
        users: 120,
        users_in_a: 6,
        users_in_b: 36,
    }
}

fn dirs(root: &Path) -> EditorDirs {
    let dirs = EditorDirs::under(root);
    let phases: BTreeMap<String, f64> =
        [("off", 0.0), ("A", 5.0), ("B", 30.0)].map(|(id, audience)| (id.to_owned(), audience)).into();
    FlagDir::at(&dirs.flag).create(&phases).unwrap();
    dirs
}

fn telemetry(dirs: &EditorDirs) -> Vec<serde_json::Value> {
    let mut events = Vec::new();
    for file in std::fs::read_dir(&dirs.telemetry).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        events.extend(text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()));
    }
    events
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn nobody_is_served_while_the_flag_is_off_and_only_the_audience_afterwards() {
    let root = tempfile::tempdir().unwrap();
    let dirs = dirs(root.path());
    let flags = FlagDir::at(&dirs.flag);
    let editor = Editor::start(&dirs, small_tuning()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let following = scope.spawn(|| editor.follow_flag(|| done.load(Ordering::SeqCst)));
        assert_eq!(flags.wait_until_served(Duration::from_secs(30)).unwrap(), "off");
        assert!(telemetry(&dirs).is_empty());
        flags.set("A").unwrap();
        assert_eq!(flags.wait_until_served(Duration::from_secs(30)).unwrap(), "A");
        wait_for("30 saves", || telemetry(&dirs).len() >= 30);
        done.store(true, Ordering::SeqCst);
        following.join().unwrap().unwrap();
    });
    editor.stop().unwrap();

    let served: Vec<String> =
        population(120).into_iter().filter(|user| user.is_served_at(5.0)).map(|user| user.name).collect();
    let strangers = telemetry(&dirs)
        .into_iter()
        .find(|event| event["phase"] != "A" || !served.iter().any(|name| event["session"] == name.as_str()));
    assert_eq!(strangers, None);
}

#[test]
fn the_broad_audience_is_slower_and_fails_on_the_lock_and_the_way_back_heals_it() {
    let root = tempfile::tempdir().unwrap();
    let dirs = dirs(root.path());
    let flags = FlagDir::at(&dirs.flag);
    let calibrated =
        tune(measure(&dirs.documents.join("calibration")).unwrap(), LimitB::Measured, 120, 6, 36);
    let tuning = Tuning { pause_ms: 200, ..calibrated };
    let editor = Editor::start(&dirs, tuning).unwrap();
    let done = AtomicBool::new(false);
    let lock_errors = |from: usize| telemetry(&dirs)[from..].iter().filter(|e| e["code"] == "E_LOCK").count();
    std::thread::scope(|scope| {
        let following = scope.spawn(|| editor.follow_flag(|| done.load(Ordering::SeqCst)));
        flags.set("B").unwrap();
        wait_for("lock time-outs at 30 %", || lock_errors(0) >= 10);
        flags.set("A").unwrap();
        assert_eq!(flags.wait_until_served(Duration::from_secs(30)).unwrap(), "A");
        let healed_from = telemetry(&dirs).len();
        wait_for("saves at 5 %", || telemetry(&dirs).len() >= healed_from + 30);
        assert_eq!(lock_errors(healed_from), 0, "failures after the flag was served at 5 %");
        done.store(true, Ordering::SeqCst);
        following.join().unwrap().unwrap();
    });
    editor.stop().unwrap();
    assert!(telemetry(&dirs).iter().all(|event| event["name"] != "autosave.history.drift"));
}
