//! The checklist of `phasegate verify` on a running stack: after a rollout with a rollback, and after somebody touched the
//! archive.

use std::fs;
use std::path::PathBuf;

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

    let (file, window) = line_of_b(&stack);
    let line = fs::read_to_string(&file).expect("a line");
    let mut batch: Value = serde_json::from_str(&line).expect("a batch");
    batch["counters"]["autosave.save.completed"] = 1_000_000.into();
    fs::write(&file, format!("{batch}\n")).expect("written");
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
    fs::remove_file(&file).expect("removed");
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

/// The archived batches, each with its file.
fn archive(stack: &Stack) -> Vec<(PathBuf, Value)> {
    let folder = stack.data_file("logs/autosave");
    let files = fs::read_dir(folder).expect("the archive").map(|entry| entry.expect("a file").path());
    let lines = files.filter(|path| path.extension().is_some_and(|it| it == "jsonl"));
    lines
        .map(|path| {
            let line = fs::read_to_string(&path).expect("a line");
            (path, serde_json::from_str(&line).expect("a batch"))
        })
        .collect()
}

fn phases_archived(stack: &Stack) -> Vec<String> {
    archive(stack).iter().filter_map(|(_, batch)| batch["phase"].as_str().map(str::to_owned)).collect()
}

/// The file of a window of phase B, and that window as the checklist names it.
fn line_of_b(stack: &Stack) -> (PathBuf, String) {
    let found = archive(stack).into_iter().find(|(_, batch)| batch["phase"] == "B");
    let (file, batch) = found.expect("a window of phase B");
    let window: Window = serde_json::from_value(batch["window"].clone()).expect("a window");
    (file, window.to_string())
}
