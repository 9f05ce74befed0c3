//! The fixtures of `tests/fixtures/`, as `phasegate analyze --dry-run` judges them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::template::Templates;
use shared_types::decision::ViolationAction;

use super::*;
use crate::gate::fixture::{Counts, autosave, policy, whole_policy, window};
use crate::gate::metric::mean::Mean;
use crate::kinds::Chosen;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(root().join("tests/fixtures").join(name)).unwrap()
}

fn run(phase: &str, fixture: &[u8]) -> Result<Vec<Decision>, DryRunError> {
    dry_run(&whole_policy(), &autosave(), &PhaseId::parse(phase).unwrap(), fixture)
}

fn plans(decisions: &[Decision]) -> Vec<Plan> {
    let policy = policy();
    plan_all(&policy, &Templates::load(&root(), &policy).unwrap(), decisions).unwrap()
}

/// SLO-11, source §7.1: each fixture has its verdict and its exit status.
#[test]
fn fixtures_have_their_exit_status() {
    for (name, phase, verdict, status) in [
        ("autosave_phaseA_ok.jsonl", "A", Verdict::Ok, 0),
        ("autosave_phaseA_warn.jsonl", "A", Verdict::Warn, 1),
        ("autosave_phaseA_violation.jsonl", "A", Verdict::Violation, 2),
        ("autosave_phaseA_insufficient.jsonl", "A", Verdict::Insufficient, 3),
        ("autosave_phaseA_warn.jsonl", "C", Verdict::Violation, 2),
        ("autosave_phaseA_batches.jsonl", "A", Verdict::Violation, 2),
    ] {
        let decisions = run(phase, &fixture(name)).unwrap();
        assert_eq!((worst(&decisions), exit_status(&decisions)), (verdict, status), "{name} in {phase}");
    }
}

/// SLO-11: what is printed of the violation fixture: decision, metrics, texts, command.
#[test]
fn violation_is_printed_with_what_the_reporter_would_do() {
    let decisions = run("A", &fixture("autosave_phaseA_violation.jsonl")).unwrap();
    insta::assert_snapshot!(render(&decisions, &plans(&decisions)));
}

/// SLO-11: a file of batches is judged as a history, one window after the other.
#[test]
fn batches_are_judged_as_a_history() {
    let decisions = run("A", &fixture("autosave_phaseA_batches.jsonl")).unwrap();
    insta::assert_snapshot!(render(&decisions, &plans(&decisions)));
}

/// The batch fixture is what this version would write.
#[test]
fn batch_fixture_is_up_to_date() {
    let lines = batch_lines();
    let file = root().join("tests/fixtures/autosave_phaseA_batches.jsonl");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&file, &lines).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), lines, "run again with UPDATE_FIXTURES=1");
}

fn batch_lines() -> String {
    let windows = [
        Counts { window: window(0), ..Counts::default() },
        Counts { window: window(1), save_ms: 2200.0, ..Counts::default() },
        Counts { window: window(2), completed: 12, ..Counts::default() },
        Counts { window: window(3), drift: 2, ..Counts::default() },
        Counts { window: window(4), save_ms: 2750.0, ..Counts::default() },
    ];
    windows
        .iter()
        .fold(String::new(), |lines, counts| lines + &serde_json::to_string(&counts.batch()).unwrap() + "\n")
}

/// DE-4: of two violations in an epoch the second joins the first's incident.
#[test]
fn second_violation_joins_the_incident() {
    let decisions = run("B", &fixture("autosave_phaseA_batches.jsonl")).unwrap();
    let plans = plans(&decisions);
    let sent: Vec<usize> = plans.iter().map(|plan| plan.messages.len()).collect();
    assert_eq!(sent, [1, 2, 0, 0, 0]);
    assert_eq!(plans[1].rollback.as_ref().unwrap().to.as_str(), "A");
    assert_eq!(plans[1].rollback.as_ref().unwrap().command.last().unwrap(), "A");
}

/// SLO-4: a metric that only holds opens no incident; one that pages runs no command.
#[test]
fn plan_follows_the_action_of_the_policy() {
    let policy_with = |action| {
        let mut policy = whole_policy();
        for target in policy.targets.values_mut() {
            target.metrics.iter_mut().for_each(|metric| metric.on_violation = action);
        }
        policy
    };
    let plan = |action| {
        let policy = policy_with(action);
        let a = PhaseId::parse("A").unwrap();
        let decisions =
            dry_run(&policy, &autosave(), &a, &fixture("autosave_phaseA_violation.jsonl")).unwrap();
        plans(&decisions).remove(0)
    };
    let hold = plan(ViolationAction::Hold);
    assert_eq!((hold.messages.len(), &hold.rollback), (1, &None));
    assert_eq!(hold.messages[0].template, "autosave-warn");
    let page = plan(ViolationAction::Page);
    assert_eq!((page.messages.len(), &page.rollback), (1, &None));
    assert_eq!(page.messages[0].template, "autosave-incident");
    assert!(plan(ViolationAction::Rollback).rollback.is_some());
}

/// PH-2: the progress a fixture would have made is part of what is printed.
#[test]
fn eight_compliant_windows_satisfy_phase_a() {
    let lines: Vec<String> = (0..8)
        .map(|n| serde_json::to_string(&Counts { window: window(n), ..Counts::default() }.batch()).unwrap())
        .collect();
    let decisions = run("A", lines.join("\n").as_bytes()).unwrap();
    assert!(decisions.last().unwrap().gate.as_ref().unwrap().satisfied);
}

/// A fixture that cannot be judged is refused by line and field.
#[test]
fn wrong_fixtures_are_refused_by_line() {
    let batch = |change: &dyn Fn(&mut Batch)| {
        let mut batch = Counts::default().batch();
        change(&mut batch);
        serde_json::to_string(&batch).unwrap()
    };
    let good = batch(&|_| ());
    let check = |text: String, expected: &str| {
        let error = run("A", text.as_bytes()).unwrap_err();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let error = format!("{error}{cause}");
        assert!(error.starts_with(expected), "expected `{expected}`, got `{error}`");
    };
    check(String::new(), "no line is an event");
    check("{\"x\":1}\n".into(), "no line is an event; line 1: ");
    check(format!("{good}\n\n{{}}\n"), "line 3: not a batch: missing field");
    check(format!("{good}\n{}", batch(&|batch| batch.attempts = 2)), "line 2: another batch for 2026-11-22");
    check(
        format!("{good}\n{}", batch(&|batch| batch.target = TargetName::parse("merge").unwrap())),
        "line 2: a batch of `merge`, not of `autosave`",
    );
    check(batch(&|batch| batch.window.end = batch.window.start), "line 1: window: ");
    assert!(run("A", format!("{good}\n{good}\n").as_bytes()).is_ok(), "a repeat is no other batch");
    assert!(matches!(run("Z", good.as_bytes()), Err(DryRunError::UnknownPhase { .. })));
}

/// A few hundred bytes must not ask for gigabytes of evidence: two events far apart, short windows, a long mean.
#[test]
fn windows_that_look_back_on_too_much_are_refused() {
    let mut policy = whole_policy();
    let target = policy.targets.get_mut(&autosave()).unwrap();
    target.collection.window = Duration::from_secs(1);
    for metric in &mut target.metrics {
        if let Some(mean) = metric.kind.of_kind::<Mean>().cloned() {
            metric.kind = Chosen(Arc::new(Mean { over: Duration::from_secs(24 * 3600), ..mean }));
        }
    }
    let event =
        |time: &str| format!("{{\"ts\":\"2026-11-22T{time}Z\",\"name\":\"autosave.history.drift\"}}\n");
    let fixture = event("10:00:00") + &event("15:00:00");
    let error = dry_run(&policy, &autosave(), &PhaseId::parse("A").unwrap(), fixture.as_bytes()).unwrap_err();
    assert!(matches!(error, DryRunError::TooMuchEvidence { line: 1_001 }), "{error}");
}
