//! The audit log carried away: a bundle of a real rollout, verified where no service is, and whatever was changed in it.

use std::fs;
use std::path::Path;

use domain::audit::hash_of;
use phasegate_tests::cli::{self, Ran};
use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::wait;
use serde_json::{Value, json};
use shared_types::AuditEntry;

use super::begin;
use crate::story::POLICY;

/// GO-4, SLO-10: what was exported holds by itself and beside the archive, decisions made again; each kind of change is
/// refused, and said where.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_holds_anywhere_until_something_in_it_is_changed() {
    let stack = Stack::start(Layout::OneOnSqlite, POLICY, &[("PHASEGATE_AUDIT_KEY", KEY.to_owned())]).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    begin(&stack).await;
    feeder.violate(true);
    stack.until_phase("off", "off").await;
    feeder.stop().await;
    let away = tempfile::tempdir().expect("a temporary directory");
    let bundle = away.path().join("autosave.audit.jsonl");
    let ran = export(&stack, &bundle).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let archive = stack.data_file("logs/audit");
    archived(&bundle, &archive).await;
    let carried = away.path().join("archive");
    fs::create_dir(&carried).expect("a folder");
    for file in fs::read_dir(&archive).expect("the archive").flatten() {
        fs::copy(file.path(), carried.join(file.file_name())).expect("copied");
    }
    drop(stack);

    let report = holds(&verify(&bundle, None));
    let (decisions, streams) = (&report["decisions"], report["streams"].as_array().expect("streams"));
    assert!(decisions["recomputed"].as_u64() >= Some(2), "{report}");
    assert_eq!(decisions["same"], decisions["recomputed"]);
    assert_eq!(
        streams.iter().filter(|it| it["rows"].as_u64() > Some(0)).count(),
        2,
        "the target's and @service: {report}"
    );
    holds(&verify(&bundle, Some(&carried)));

    let whole = lines(&bundle);
    let public = whole[1]["seal"]["key"].as_str().expect("a key").to_owned();
    let sealed = holds(&verify_by(&bundle, Some(&carried), Some(&public)));
    assert_eq!(sealed["sealed"], true, "{sealed}");
    for (what, change, said) in CHANGES {
        let mut changed = whole.clone();
        change(&mut changed);
        assert_ne!(changed, whole, "{what}");
        let file = away.path().join("changed.jsonl");
        let text: String = changed.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&file, text).expect("written");
        let ran = verify(&file, None);
        assert_eq!(ran.status, Some(1), "{what}: {ran:?}");
        assert!(ran.out.contains(said), "{what}: `{said}` in {}", ran.out);
    }

    // Whoever rewrites the end, hash and all, has a chain that holds if they write the seal anew; the archive holds another row,
    // and nobody but the reporter can sign (OP-9).
    let mut rewritten = whole.clone();
    let last = rewritten.pop().expect("a row");
    let mut row: AuditEntry = serde_json::from_value(last["row"].clone()).expect("a row");
    row.actor.name = "mallory".to_owned();
    row.hash = hash_of(&row);
    let heads = of_kind(&mut rewritten, "seal")["seal"]["heads"].as_array_mut().expect("heads");
    heads
        .iter_mut()
        .filter(|it| it["stream"] == *row.stream)
        .for_each(|it| it["hash"] = row.hash.clone().into());
    rewritten.push(json!({ "kind": "row", "row": row }));
    let text: String = rewritten.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&bundle, &text).expect("written");
    holds(&verify(&bundle, None));
    let ran = verify_by(&bundle, None, Some(&public));
    assert!(ran.status == Some(1) && ran.out.contains("its signature does not hold"), "{ran:?}");
    let ran = verify(&bundle, Some(&carried));
    assert!(ran.status == Some(1) && ran.out.contains("\"rewritten\""), "{ran:?}");
    fs::write(&bundle, &text[..text.len() - 20]).expect("written");
    let ran = verify(&bundle, None);
    assert!(ran.status == Some(2) && ran.err.contains("not a line of an audit bundle"), "{ran:?}");
}

const KEY: &str = "4242424242424242424242424242424242424242424242424242424242424242";

type Change = fn(&mut Vec<Value>);

/// A change of a bundle's lines, and what is said of it.
const CHANGES: [(&str, Change, &str); 9] = [
    ("an actor's name", |it| row(it, "rollout.start")["actor"]["name"] = "mallory".into(), "\"edited\""),
    ("what was asked", |it| row(it, "rollout.start")["detail"]["by"] = "mallory".into(), "\"edited\""),
    ("a row taken out", |it| drop(it.remove(place(it, "command.started"))), "\"missing\""),
    (
        "two rows exchanged",
        |it| {
            let at = place(it, "command.started");
            it.swap(at, at + 1);
        },
        "\"reordered\"",
    ),
    ("the end cut off", |it| drop(it.pop()), "\"truncated\""),
    ("a version of the policy", |it| row(it, "policy.adopted")["detail"]["number"] = 2.into(), "\"edited\""),
    (
        "a decision",
        |it| of_kind(it, "decision")["decision"]["verdict"] = "warn".into(),
        "is not the one that was taken in",
    ),
    (
        "a batch",
        |it| {
            let batch = of_kind(it, "batch");
            batch["batch"]["counters"]["autosave.save.completed"] = 1_000_000.into();
        },
        "comes out as",
    ),
    (
        "the policy's text",
        |it| {
            let line = of_kind(it, "policy");
            let text = line["text"].as_str().expect("a text").replace("warn_ratio: 80%", "warn_ratio: 90%");
            line["text"] = text.into();
        },
        "policy_version is ",
    ),
];

fn of_kind<'a>(lines: &'a mut [Value], kind: &str) -> &'a mut Value {
    lines.iter_mut().find(|line| line["kind"] == kind).expect("a line of that kind")
}

fn place(lines: &[Value], action: &str) -> usize {
    lines.iter().position(|line| line["row"]["action"] == action).expect("a row of that action")
}

fn row<'a>(lines: &'a mut [Value], action: &str) -> &'a mut Value {
    let at = place(lines, action);
    &mut lines[at]["row"]
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the bundle");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

async fn export(stack: &Stack, file: &Path) -> Ran {
    let mut command = cli::command("phasegate");
    command.args(["audit", "export", "--target", "autosave", "--output"]).arg(file);
    command.arg("--analyzer-url").arg(stack.url("analyzer", ""));
    command.arg("--reporter-url").arg(stack.url("reporter", ""));
    tokio::task::spawn_blocking(move || cli::run(&mut command)).await.expect("it ran")
}

/// Waits until the archive has a copy of every row of the bundle.
async fn archived(bundle: &Path, archive: &Path) {
    let rows: Vec<Value> =
        lines(bundle).into_iter().map(|mut line| line["row"].take()).filter(|it| !it.is_null()).collect();
    wait::until("the archive's copy", || async {
        let text =
            |stream: &str| fs::read_to_string(archive.join(format!("{stream}.jsonl"))).unwrap_or_default();
        let copied = text("autosave").lines().count() + text("@service").lines().count();
        if copied >= rows.len() { Ok(()) } else { Err(format!("{copied} of {}", rows.len())) }
    })
    .await;
}

fn verify(bundle: &Path, archive: Option<&Path>) -> Ran {
    verify_by(bundle, archive, None)
}

fn verify_by(bundle: &Path, archive: Option<&Path>, public: Option<&str>) -> Ran {
    let mut command = cli::command("phasegate");
    command.args(["audit", "verify", "--output", "json", "--bundle"]).arg(bundle);
    if let Some(archive) = archive {
        command.arg("--archive").arg(archive);
    }
    if let Some(public) = public {
        command.args(["--public-key", public]);
    }
    cli::run(&mut command)
}

#[track_caller]
fn holds(ran: &Ran) -> Value {
    assert_eq!(ran.status, Some(0), "{ran:?}");
    serde_json::from_str(&ran.out).expect("JSON")
}
