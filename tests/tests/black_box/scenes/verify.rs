//! The checklist of `phasegate verify` on a running stack: after a rollout with a rollback, and after somebody touched the
//! archive.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use phasegate_tests::cli::{self, Ran};
use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, Stack};
use serde_json::Value;
use shared_types::Window;

use super::{back_from_b, begin};
use crate::story::POLICY;

/// What each item counted, in the order of the checklist: a part of its figure that is not there when nothing was looked at.
const FIGURES: [(&str, &str); 6] = [
    ("jsonl", " 0 wrong"),
    ("recompute", " decisions come out the same"),
    ("dashboard", " figures of "),
    ("drift", "autosave.history.drift = 0 in "),
    ("notifications", " held against their decision"),
    ("rollbacks", " traced to a finished command"),
];

/// VE-1, CO-3 and source §4: off → A → B, a violation, the rollback and the recovery; the start lies in the time asked
/// about. All six items hold, each with its figure, until one line of the archive is changed.
#[tokio::test(flavor = "multi_thread")]
async fn the_checklist_holds_after_a_rollback_until_the_archive_is_damaged() {
    let stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &[]).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    begin(&stack).await;
    stack.promote_when_ripe().await;
    stack.until_phase("B", "running").await;
    back_from_b(&stack, &feeder).await;
    feeder.stop().await;
    assert!(
        phases_archived(&stack).contains(&"off".to_owned()),
        "the windows before the start are archived too"
    );

    let (ran, report) = as_json(&stack).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(report["ok"], true);
    for (finding, (item, figure)) in report["items"].as_array().expect("items").iter().zip(FIGURES) {
        assert_eq!(
            (finding["item"].as_str(), finding["outcome"].as_str()),
            (Some(item), Some("ok")),
            "{report}"
        );
        assert!(finding["figure"].as_str().is_some_and(|it| it.contains(figure)), "`{figure}` in {finding}");
    }

    let (file, line, window) = line_of_b(&stack);
    let mut batch: Value = serde_json::from_str(&line).expect("a batch");
    batch["counters"]["autosave.save.completed"] = 1_000_000.into();
    let damaged = format!("{batch}\n");
    change(&file, &line, &damaged);
    let ran = verify(&stack, "text").await;
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.out.contains("1. FAILED") && ran.out.contains("1 wrong"), "{}", ran.out);
    let said =
        |text: &str| text.contains(&window) && text.contains("the line is not the batch that was judged");
    assert!(said(&ran.out) && ran.out.contains('→'), "{window} in\n{}", ran.out);
    let ran = verify(&stack, "markdown").await;
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(
        ran.out.starts_with("## Verification of autosave: NOT all of it holds\n") && said(&ran.out),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("| 2 | dry run agrees with the stored decisions | ok | "), "{}", ran.out);
    change(&file, &damaged, "");
    let (ran, report) = as_json(&stack).await;
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let problems = report["items"][0]["problems"].to_string();
    assert!(problems.contains(&window) && problems.contains("no line"), "{problems}");
}

/// Runs `phasegate verify` to its end.
async fn verify(stack: &Stack, format: &str) -> Ran {
    let mut command = cli::command("phasegate");
    command.args(["verify", "--target", "autosave", "--last", "10m", "--format", format]);
    command.arg("--data-dir").arg(stack.data_file(""));
    command.arg("--policy").arg(stack.directory.path().join("policy.yaml"));
    command.arg("--analyzer-url").arg(stack.url("analyzer", ""));
    command.arg("--reporter-url").arg(stack.url("reporter", ""));
    tokio::task::spawn_blocking(move || cli::run(&mut command)).await.expect("it ran")
}

async fn as_json(stack: &Stack) -> (Ran, Value) {
    let ran = verify(stack, "json").await;
    let report = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    (ran, report)
}

/// The lines of archived batches, each with its file.
fn archive(stack: &Stack) -> Vec<(PathBuf, String)> {
    let folder = stack.data_file("logs/autosave");
    let files = fs::read_dir(folder).expect("the archive").map(|entry| entry.expect("a file").path());
    let days = files.filter(|path| path.extension().is_some_and(|it| it == "jsonl"));
    days.flat_map(|path| {
        let text = fs::read_to_string(&path).expect("lines");
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        lines.into_iter().map(move |line| (path.clone(), line))
    })
    .collect()
}

fn read(line: &str) -> Value {
    serde_json::from_str(line).expect("a batch")
}

fn phases_archived(stack: &Stack) -> Vec<String> {
    archive(stack).iter().filter_map(|(_, line)| read(line)["phase"].as_str().map(str::to_owned)).collect()
}

/// The line of a window of phase B with its file, and that window as the checklist names it.
fn line_of_b(stack: &Stack) -> (PathBuf, String, String) {
    let found = archive(stack).into_iter().find(|(_, line)| read(line)["phase"] == "B");
    let (file, line) = found.expect("a window of phase B");
    let window: Window = serde_json::from_value(read(&line)["window"].clone()).expect("a window");
    (file, line, window.to_string())
}

/// Puts another text in a line's place, between two of the collector's.
fn change(file: &Path, line: &str, by: &str) {
    let mut held = fs::OpenOptions::new().read(true).append(true).open(file).expect("the file");
    held.lock().expect("a turn");
    let mut text = String::new();
    held.read_to_string(&mut text).expect("lines");
    assert!(text.contains(line), "{line} in\n{text}");
    held.set_len(0).expect("emptied");
    held.write_all(text.replacen(line, by, 1).as_bytes()).expect("written");
}
