//! Real processes, real signals.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use service_kit::moment::Moment;
use service_kit::outbox::{Lease, Outcome};
use shared_types::{IncidentId, PhaseId, TargetName};
use tokio_util::sync::CancellationToken;

use super::{Command, CommandExecutor, Ending, Environment, Report, Verification, run, verify};
use crate::effects::run_transition::carry_out;
use crate::executors::{Executors, ReadBack};
use crate::tests::{supervisor, turn};
use domain::effects::RunTransition;
use domain::executors::command::{Started, request};
use shared_types::rollout::TransitionKind;

const LONG: Duration = Duration::from_secs(60);

fn command(argv: &[&str], limit: Duration) -> Command {
    let argv = argv.iter().map(|part| (*part).to_owned()).collect();
    let environment = Environment::of_this_process(&[]);
    Command {
        grace: Duration::from_millis(300),
        ..Command::new(argv, std::env::temp_dir(), environment, supervisor(), limit)
    }
}

fn script(text: &str, limit: Duration) -> Command {
    command(&["/bin/sh", "-c", text], limit)
}

async fn run_now(command: &Command) -> Report {
    run(command, &CancellationToken::new()).await
}

/// Waits until the file holds a line, and gives it.
async fn line_in(file: &Path) -> String {
    let written = async {
        loop {
            match std::fs::read_to_string(file) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(LONG, written).await.expect("the command did not write its line")
}

/// Waits until no process with that id runs any more (one that waits for its parent to reap it does not).
async fn assert_ends(pid: &str) {
    let ended = async {
        while !has_ended(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, ended).await.expect("a process of the group is still running");
}

fn has_ended(pid: &str) -> bool {
    let id = Pid::from_raw(pid.parse().unwrap()).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    test_kill_process(id).is_err() || stat.is_ok_and(|text| text.contains(") Z "))
}

/// RB-2
#[tokio::test]
async fn arguments_reach_the_program_as_they_are() {
    let nasty = "$(touch x); `id` | \"'\n*";
    let report = run_now(&command(&["printf", "%s", nasty], LONG)).await;
    assert_eq!((report.succeeded(), report.output.as_str()), (true, nasty));
}

#[tokio::test]
async fn a_command_has_no_input_its_directory_and_a_small_environment() {
    let directory = tempfile::tempdir().unwrap();
    let mut asked = script("cat; pwd -P; env", LONG);
    asked.directory = directory.path().to_owned();
    asked.environment = Environment::of_this_process(&[]).with("PHASEGATE_PHASE", "A");
    let report = run_now(&asked).await;
    let expected = directory.path().canonicalize().unwrap();
    assert!(report.output.contains(&format!("{}\n", expected.display())), "{}", report.output);
    assert!(report.output.contains("PHASEGATE_PHASE=A"));
    assert!(!report.output.contains("CARGO"), "the environment of the service leaks: {}", report.output);
}

/// RB-4
#[tokio::test]
async fn an_exit_status_and_a_signal_are_told_apart_and_both_are_failures() {
    let failed = run_now(&script("echo no such flag >&2; exit 7", LONG)).await;
    assert_eq!(failed.ending, Ending::Exited { status: 7 });
    assert_eq!(failed.outcome(), Outcome::Failed { reason: "exit status 7\nno such flag".to_owned() });
    let killed = run_now(&script("kill -9 $$", LONG)).await;
    assert_eq!(killed.ending, Ending::Signalled { signal: 9 });
    assert!(matches!(killed.outcome(), Outcome::Failed { .. }));
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    let missing = run_now(&command(&["no-such-program-here"], LONG)).await;
    assert_eq!(missing.summary(), "cannot start `no-such-program-here`: there is no such program on PATH");
    assert!(matches!(missing.outcome(), Outcome::Failed { .. }));
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let not_executable = run_now(&command(&[path], LONG)).await;
    assert_eq!(not_executable.summary(), format!("cannot start `{path}`: it is not executable"));
    let mut nowhere = command(&["true"], LONG);
    nowhere.directory = "/no/such/directory".into();
    assert_eq!(
        run_now(&nowhere).await.summary(),
        "cannot start `true`: /no/such/directory is not a directory"
    );
    assert_eq!(run_now(&command(&[], LONG)).await.summary(), "the command is empty");
    assert!(matches!(run_now(&command(&["true", "a\0b"], LONG)).await.ending, Ending::NotStarted { .. }));
}

/// RB-4
#[tokio::test]
async fn a_command_over_its_limit_is_ended_with_children_and_grandchildren() {
    let directory = tempfile::tempdir().unwrap();
    let mut slow = script("(sh -c 'sleep 600 & echo $! > pid; wait') & wait", Duration::from_secs(2));
    slow.directory = directory.path().to_owned();
    let report = run_now(&slow).await;
    assert_eq!(report.ending, Ending::TimedOut { limit_ms: 2000 });
    assert!(matches!(report.outcome(), Outcome::Failed { .. }));
    assert_ends(&line_in(&directory.path().join("pid")).await).await;
}

/// RB-4
#[tokio::test]
async fn a_group_that_ignores_the_polite_signal_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut stubborn = script("trap '' TERM; sh -c 'echo $$ > pid; sleep 600; sleep 600'; sleep 600", LONG);
    stubborn.directory = directory.path().to_owned();
    let stop = CancellationToken::new();
    let (report, pid) = tokio::join!(run(&stubborn, &stop), async {
        let pid = line_in(&directory.path().join("pid")).await;
        stop.cancel();
        pid
    });
    assert_eq!(report.ending, Ending::Cancelled);
    assert_ends(&pid).await;
}

/// RB-3
#[tokio::test]
async fn a_command_ended_by_a_shutdown_has_an_unknown_outcome_and_may_clean_up() {
    let directory = tempfile::tempdir().unwrap();
    let polite = "trap 'echo cleaned; exit 0' TERM; echo up > up; while :; do sleep 0.01; done";
    let mut polite = script(polite, LONG);
    polite.directory = directory.path().to_owned();
    polite.grace = LONG;
    let stop = CancellationToken::new();
    let (report, _) = tokio::join!(run(&polite, &stop), async {
        line_in(&directory.path().join("up")).await;
        stop.cancel();
    });
    assert_eq!(report.ending, Ending::Cancelled);
    assert_eq!(report.stdout, "cleaned\n");
    assert!(matches!(report.outcome(), Outcome::Unknown { .. }));
}

#[tokio::test]
async fn what_a_command_leaves_running_in_its_group_is_ended_with_it() {
    let report = run_now(&script("sleep 600 & echo $!", LONG)).await;
    assert_eq!(report.ending, Ending::Exited { status: 0 });
    assert_ends(report.output.trim()).await;
}

#[tokio::test]
async fn a_dropped_run_takes_its_group_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut slow = script("sh -c 'echo $$ > pid; sleep 600; sleep 600'; sleep 600", LONG);
    slow.directory = directory.path().to_owned();
    let pid = tokio::select! {
        _ = run_now(&slow) => panic!("it ended by itself"),
        pid = async { line_in(&directory.path().join("pid")).await } => pid,
    };
    assert_ends(&pid).await;
}

/// RB-10: whoever leaves the group, ignores the polite signal or is left behind by its parent is ended too: over a limit, after
/// the command's own end, and when nobody waits for it any more.
#[tokio::test]
async fn whoever_leaves_the_group_is_ended_with_the_command() {
    let away = |rest: &str| {
        let directory = tempfile::tempdir().unwrap();
        let far = "trap '' TERM; setsid sh -c '(setsid sh -c \"echo \\$\\$ > pid; sleep 600; sleep 600\" &) ; sleep 600' & ";
        let waits = "while [ ! -s pid ]; do sleep 0.01; done; ";
        let mut command = script(&format!("{far}{waits}{rest}"), Duration::from_secs(3));
        command.directory = directory.path().to_owned();
        (directory, command)
    };
    let (directory, command) = away("exit 0");
    let report = run_now(&command).await;
    assert_eq!(report.ending, Ending::Exited { status: 0 });
    assert!(has_ended(&line_in(&directory.path().join("pid")).await), "nothing is left when it is told");
    let (directory, command) = away("wait");
    let report = run_now(&command).await;
    assert_eq!(report.ending, Ending::TimedOut { limit_ms: 3000 });
    assert!(has_ended(&line_in(&directory.path().join("pid")).await));
    let (directory, command) = away("wait");
    let pid = tokio::select! {
        _ = run_now(&command) => panic!("it ended by itself"),
        pid = async { line_in(&directory.path().join("pid")).await } => pid,
    };
    assert_ends(&pid).await;
}

/// RB-10: a command is over before the lease of its attempt is, and its outcome is unknown; one whose lease is over is not begun.
#[tokio::test]
async fn a_command_ends_before_its_lease() {
    let directory = tempfile::tempdir().unwrap();
    // The supervisor is there before the lease begins.
    run_now(&command(&["true"], LONG)).await;
    let length = Duration::from_secs(4);
    let (begun, lease) = (Moment::now(), Lease::new(Moment::now(), length));
    let mut stubborn = script("trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done", LONG);
    stubborn =
        Command { directory: directory.path().to_owned(), grace: LONG, lease: Some(lease), ..stubborn };
    let report = run_now(&stubborn).await;
    assert!(!begun.plus(length).is_over(), "it took {} ms", report.took_ms);
    assert_eq!(report.ending, Ending::Superseded);
    assert!(has_ended(&line_in(&directory.path().join("pid")).await));
    assert!(matches!(report.outcome(), Outcome::Unknown { .. }));
    let late = run_now(&Command { argv: command(&["touch", "late"], LONG).argv, ..stubborn }).await;
    assert_eq!(late.ending, Ending::Superseded);
    assert!(!directory.path().join("late").exists());
}

/// RB-10: an attempt after the first looks first, and does nothing again that was reached; whatever else it finds, it runs.
#[tokio::test]
async fn an_attempt_after_the_first_reads_back_first() {
    let place = tempfile::tempdir().unwrap();
    let ran = place.path().join("ran");
    let command = format!("touch {}", ran.display());
    let attempt = async |verify: &str, attempt| {
        std::fs::remove_file(&ran).ok();
        let environment = Environment::of_this_process(&[]);
        let stop = CancellationToken::new();
        let executor = CommandExecutor::new(place.path(), environment, supervisor(), stop);
        let all = Executors::default().with(Arc::new(executor));
        let outcome = carry_out(&all, &transition(&command, Some(verify)), &turn(attempt)).await;
        (outcome.label(), ran.exists())
    };
    assert_eq!(attempt("echo A", 1).await, ("done", true));
    assert_eq!(attempt("echo A", 2).await, ("done", false));
    assert_eq!(attempt("echo B", 2).await, ("failed", true));
    assert_eq!(attempt("exit 1", 2).await, ("failed", true));
    assert_eq!(attempt(&format!("test -e {} && echo A", ran.display()), 2).await, ("done", true));
}

#[tokio::test]
async fn output_without_end_is_read_and_only_its_last_part_kept() {
    let report = run_now(&script("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last", LONG)).await;
    assert!(report.succeeded());
    assert_eq!(report.output.len(), 64 * 1024);
    assert_eq!(report.dropped_bytes, 3_000_006 - 64 * 1024);
    assert_eq!(report.summary(), "exit status 0: last");
}

/// RB-5: a move counts as done only when it is read back.
#[tokio::test]
async fn only_the_phase_itself_on_stdout_confirms_a_move() {
    let stop = CancellationToken::new();
    let check = |text: &'static str| {
        let stop = stop.clone();
        async move { verify(&script(text, LONG), |said| said == "A", &stop).await }
    };
    let said = "A".to_owned();
    assert_eq!(check("echo warning >&2; echo '  A '").await, Verification::Confirmed { said });
    let differs = check("echo B").await;
    assert_eq!(differs, Verification::Differs { said: "B".to_owned() });
    let served = "B".to_owned();
    assert_eq!(differs.read_back(), Ok(ReadBack { served, as_asked: false }));
    assert!(matches!(check("echo A; exit 1").await, Verification::Unreadable(_)));
    stop.cancel();
    let cut_short = check("sleep 600").await;
    assert!(matches!(cut_short.read_back(), Err(Outcome::Unknown { .. })));
}

fn transition(command: &str, verify: Option<&str>) -> RunTransition {
    let shell = |text: &str| ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    RunTransition {
        transition: uuid::Uuid::nil(),
        target: TargetName::parse("autosave").unwrap(),
        kind: TransitionKind::Rollback,
        from: PhaseId::parse("B").unwrap(),
        to: PhaseId::parse("A").unwrap(),
        epoch: 3,
        incident: Some(IncidentId::parse("INC-20261122-001").unwrap()),
        request: request(&Started {
            command: shell(command),
            verify: verify.map(shell),
            served: ["A", "5%"].map(str::to_owned).to_vec(),
        }),
        timeout_ms: 60_000,
        settle_ms: 0,
        users: None,
    }
}

async fn run_transition(command: &str, verify: Option<&str>, stop: &CancellationToken) -> Outcome {
    let environment = Environment::of_this_process(&[]);
    let executor = CommandExecutor::new(std::env::temp_dir(), environment, supervisor(), stop.clone());
    carry_out(&Executors::default().with(Arc::new(executor)), &transition(command, verify), &turn(1)).await
}

/// RB-3, RB-5
#[tokio::test]
async fn a_transition_is_done_only_when_it_is_read_back() {
    let stop = CancellationToken::new();
    let told = "echo $PHASEGATE_KIND $PHASEGATE_FROM $PHASEGATE_TO $PHASEGATE_INCIDENT $PHASEGATE_FENCE";
    let Outcome::Done(done) = run_transition(told, Some("echo $PHASEGATE_TO"), &stop).await else { panic!() };
    let report: domain::executors::Report = serde_json::from_value(done).unwrap();
    assert_eq!(report.detail.trim(), "rollback B A INC-20261122-001 7");
    assert_eq!((report.summary.as_str(), report.verified.as_deref()), ("exit status 0", Some("A")));
    assert_eq!(report.facts["exit_status"], 0);
    let Outcome::Done(done) = run_transition("true", None, &stop).await else { panic!() };
    assert_eq!(done["verified"], serde_json::Value::Null);
    let not_there = run_transition("true", Some("echo B"), &stop).await;
    assert_eq!(not_there, Outcome::Failed { reason: "read back \"B\" where A was expected".to_owned() });
}

/// RB-4
#[tokio::test]
async fn a_failed_transition_keeps_the_tail_of_its_output_and_is_not_read_back() {
    let stop = CancellationToken::new();
    let outcome = run_transition("seq 1 5000; exit 3", Some("echo A"), &stop).await;
    let Outcome::Failed { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.starts_with("exit status 3\n") && reason.ends_with("5000"), "{reason}");
    assert!(reason.len() < 1600);
}

/// RB-3
#[tokio::test]
async fn a_transition_that_a_shutdown_cuts_short_is_run_again() {
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(matches!(run_transition("sleep 600", None, &stop).await, Outcome::Unknown { .. }));
}
