//! The fixtures of `tests/fixtures/`, as `phasegate analyze --dry-run` judges them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::template::Templates;
use shared_types::decision::ViolationAction;

use super::*;
use crate::gate::fixture::{Counts, autosave, whole_policy, window};
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

fn reactions(phase: &str, decisions: &[Decision]) -> Vec<Reaction> {
    reactions_by(&whole_policy(), phase, decisions)
}

fn reactions_by(policy: &Policy, phase: &str, decisions: &[Decision]) -> Vec<Reaction> {
    let templates = Templates::load(&root(), &policy.targets[&autosave()]).unwrap();
    react(policy, &autosave(), &PhaseId::parse(phase).unwrap(), &templates, decisions).unwrap()
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
        assert_eq!(
            (worst(&decisions), exit_status(worst(&decisions))),
            (verdict, status),
            "{name} in {phase}"
        );
    }
}

/// SLO-11: what is printed of the violation fixture: decision, metrics, texts, command.
#[test]
fn violation_is_printed_with_what_the_reporter_would_do() {
    let decisions = run("A", &fixture("autosave_phaseA_violation.jsonl")).unwrap();
    insta::assert_snapshot!(render(&decisions, &reactions("A", &decisions)));
}

/// SLO-11: a file of batches is judged as a history, one window after the other.
#[test]
fn batches_are_judged_as_a_history() {
    let decisions = run("A", &fixture("autosave_phaseA_batches.jsonl")).unwrap();
    insta::assert_snapshot!(render(&decisions, &reactions("A", &decisions)));
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

/// H4, SLO-11, PH-8: after the rollback the rollout is elsewhere, and what its old phase still shows changes nothing.
#[test]
fn windows_after_the_rollback_change_nothing() {
    let decisions = run("B", &fixture("autosave_phaseA_batches.jsonl")).unwrap();
    let reactions = reactions("B", &decisions);
    let sent: Vec<usize> = reactions.iter().map(|it| it.messages.len()).collect();
    assert_eq!(sent, [1, 2, 1, 0, 0], "the last is the escalation: nobody acknowledged");
    let rollback = reactions[1].rollback.as_ref().unwrap();
    assert_eq!((rollback.to.as_str(), rollback.command.as_str()), ("A", "pnpm run flags:rollback --phase A"));
    assert!(reactions[1].messages[1].text.contains("initiated_by=phasegate"), "{reactions:#?}");
    assert_eq!(reactions.iter().filter(|it| it.rollback.is_some()).count(), 1);
    for after in &reactions[2..] {
        let step = "keep the decision and do nothing: the rollout has left the phase by then (A, epoch 2)";
        assert_eq!(after.steps[1], step, "{reactions:#?}");
    }
    let late = &reactions[2].messages[0];
    assert_eq!((late.kind.as_str(), late.channel.as_str()), ("escalation", "#incident"));
    assert_eq!(late.at, Some(decisions[1].decided_at.plus(Duration::from_secs(30 * 60))));
}

/// The shipped policy with these metrics doing that, and all others rolling back.
fn policy_with(actions: &[(&str, ViolationAction)]) -> Policy {
    let mut policy = whole_policy();
    for metric in policy.targets.values_mut().flat_map(|target| &mut target.metrics) {
        let action = actions.iter().find(|(name, _)| *name == metric.name);
        metric.on_violation = action.map_or(ViolationAction::Rollback, |(_, action)| *action);
    }
    policy
}

fn react_to(policy: &Policy, phase: &str, windows: &[Counts]) -> Vec<Reaction> {
    let lines: Vec<String> = windows.iter().map(|it| serde_json::to_string(&it.batch()).unwrap()).collect();
    let phase_id = PhaseId::parse(phase).unwrap();
    let decisions = dry_run(policy, &autosave(), &phase_id, lines.join("\n").as_bytes()).unwrap();
    reactions_by(policy, phase, &decisions)
}

fn slow(n: u32) -> Counts {
    Counts { window: window(n), save_ms: 9_000.0, ..Counts::default() }
}

fn failing(n: u32) -> Counts {
    Counts { window: window(n), errors: 900, ..Counts::default() }
}

/// H1, SLO-11, DE-4: a violation that only pages, then one that rolls back: the command runs, and a second text goes out.
#[test]
fn a_rollback_after_a_page_runs_and_is_told() {
    let policy = policy_with(&[("save_latency_p95", ViolationAction::Page)]);
    let reactions = react_to(&policy, "A", &[slow(0), failing(1)]);
    assert_eq!((reactions[0].messages.len(), reactions[0].pages.len()), (1, 1));
    assert_eq!(reactions[0].rollback, None);
    let kinds: Vec<&str> = reactions[1].messages.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["incident", "rollback"]);
    assert!(
        reactions[1].messages[0].text.contains("rollback=phasegate rollback --target autosave --phase A")
    );
    assert_eq!(reactions[1].rollback.as_ref().unwrap().to.as_str(), "off");
    assert!(reactions[1].steps.contains(&"add the decision to the open incident".to_owned()));
}

/// H2, SLO-11: a violation that only pages names no rollback.
#[test]
fn a_page_says_that_nothing_is_rolled_back() {
    let policy = policy_with(&[("save_latency_p95", ViolationAction::Page)]);
    let reactions = react_to(&policy, "A", &[slow(0), slow(1)]);
    assert_eq!((reactions[0].messages.len(), &reactions[0].rollback), (1, &None));
    let message = &reactions[0].messages[0];
    assert_eq!(message.template.as_deref(), Some("autosave-incident"));
    assert!(message.text.contains("rollback=none\nsave_latency_p95: 9 s, at most"), "{}", message.text);
    assert!(message.text.starts_with(&reactions[0].pages[0].page.summary));
    assert_eq!(reactions[0].pages[0].page.priority, "P2");
    assert_eq!((reactions[1].messages.len(), reactions[1].pages.len()), (0, 0));
    assert!(reactions[1].steps[1].ends_with("nothing new is sent"), "{:?}", reactions[1].steps);
}

/// H3, SLO-4, SLO-11: a violation that holds is told in every phase, also where warnings are not.
#[test]
fn a_hold_is_told_in_every_phase() {
    let policy = policy_with(&[("save_latency_p95", ViolationAction::Hold)]);
    assert!(!policy.targets[&autosave()].notifications.warn.phases.contains(&PhaseId::parse("C").unwrap()));
    for phase in ["A", "C"] {
        let reactions = react_to(&policy, phase, &[slow(0)]);
        let message = &reactions[0].messages[0];
        assert_eq!((message.kind.as_str(), message.channel.as_str()), ("hold", "#autosave-rollout"));
        assert_eq!(message.template.as_deref(), Some("autosave-warn"));
        assert!(reactions[0].steps.contains(&"hold the phase: no promotion while this stands".to_owned()));
        assert_eq!((reactions[0].pages.len(), &reactions[0].rollback), (0, &None));
    }
}

/// ES-3, SLO-11: nobody acknowledges in a dry run, so what the archive is long enough for is escalated.
#[test]
fn an_incident_that_nobody_acknowledges_is_escalated() {
    let policy = policy_with(&[("save_latency_p95", ViolationAction::Page)]);
    let reactions = react_to(&policy, "A", &[slow(0), slow(1), slow(2), slow(3)]);
    let kinds = |it: &Reaction| it.messages.iter().map(|it| it.kind.clone()).collect::<Vec<_>>();
    let kinds: Vec<_> = reactions.iter().map(kinds).collect();
    assert_eq!(kinds, [vec!["incident"], vec!["escalation"], vec![], vec![]]);
    assert_eq!(reactions[1].pages[0].page.priority, "P1");
    assert!(reactions[1].pages[0].at.is_some());
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
