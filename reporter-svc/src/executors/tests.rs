//! What every executor must do with what it is given. Each brings a place to act on; the promises are the same.

use std::sync::Arc;

use domain::effects::RunTransition;
use domain::executors::command::{Started, request};
use domain::executors::flagd::Settings;
use domain::executors::{ExecutorPolicy, Facts, Request};
use domain::policy::Policy;
use service_kit::outbox::Outcome;
use shared_types::rollout::TransitionKind;
use shared_types::{IncidentId, PhaseId, TargetName};
use uuid::Uuid;

use super::Executors;
use super::command::{CommandExecutor, Environment};
use crate::composition::Composition;
use crate::effects::run_transition::carry_out;
use crate::tests::{TIMEOUT, opening, supervisor, turn};

const SECRET: &str = "s3cret-of-the-environment";

/// One kind, with a place of its own.
struct Subject {
    name: &'static str,
    /// A move that works, and one that cannot.
    works: Request,
    fails: Request,
    /// Makes the place serve something else than what was set.
    disturb: fn(&std::path::Path),
}

fn planned(executor: &ExecutorPolicy) -> Request {
    let text = include_str!("../../../governance/policy.yaml");
    let mut policy = Policy::parse(text, "policy.yaml").unwrap();
    let (target, policy) = policy.targets.pop_first().unwrap();
    let [from, to] = ["B", "A"].map(|it| PhaseId::parse(it).unwrap());
    executor.plan(&Facts {
        kind: TransitionKind::Rollback,
        target: &target,
        from: &from,
        to: &to,
        below: &to,
        above: &PhaseId::parse("C").unwrap(),
        audience_percent: policy.audience_percent(&to),
        served_alike: &policy.served_alike(&to),
        incident: None,
        reason: "",
    })
}

fn subjects(place: &std::path::Path) -> Vec<Subject> {
    let shell = |text: &str| ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    let flag = |flag: &str| {
        let [file, flag, variant] = ["flags.json", flag, "on"].map(str::to_owned);
        planned(&Settings { file, flag, variant, otherwise: None }.into())
    };
    let flags = r#"{"flags":{"autosave":{"state":"ENABLED","variants":{"on":true,"off":false}}}}"#;
    std::fs::write(place.join("flags.json"), flags).unwrap();
    vec![
        Subject {
            name: "command",
            works: request(&Started {
                command: shell("echo $PHASEGATE_TO > phase"),
                verify: Some(shell("cat phase")),
                ..Started::default()
            }),
            fails: request(&Started { command: shell("echo no such flag; exit 4"), ..Started::default() }),
            disturb: |place| std::fs::write(place.join("phase"), "C").unwrap(),
        },
        Subject {
            name: "flagd",
            works: flag("autosave"),
            fails: flag("nobody"),
            disturb: |place| {
                let text = std::fs::read_to_string(place.join("flags.json")).unwrap();
                std::fs::write(place.join("flags.json"), text.replace("[\"on\", 5]", "[\"on\", 50]"))
                    .unwrap();
            },
        },
    ]
}

/// The registry's, with a secret in the environment of what can show one.
fn executors(place: &std::path::Path) -> Executors {
    let of = Composition::shipped();
    let with = opening(place.to_owned(), TIMEOUT);
    let all = Executors::open(&of.executors, &of.told_nothing().unwrap(), &with).unwrap();
    let environment = Environment::of_this_process(&[]).with("PHASEGATE_SECRET", SECRET);
    all.with(Arc::new(CommandExecutor::new(place, environment, supervisor(), with.stop)))
}

fn order(request: &Request) -> RunTransition {
    RunTransition {
        transition: Uuid::from_u128(1),
        target: TargetName::parse("autosave").unwrap(),
        kind: TransitionKind::Rollback,
        from: PhaseId::parse("B").unwrap(),
        to: PhaseId::parse("A").unwrap(),
        epoch: 3,
        incident: Some(IncidentId::parse("INC-20261122-001").unwrap()),
        request: request.clone(),
        timeout_ms: 60_000,
    }
}

/// The contract has a subject for every kind of the registry.
#[test]
fn every_executor_is_tried() {
    let place = tempfile::tempdir().unwrap();
    let tried: Vec<&str> = subjects(place.path()).iter().map(|it| it.name).collect();
    let registered: Vec<&str> = Composition::shipped().executors.iter().map(|it| it.name).collect();
    assert_eq!(tried, registered);
    assert!(executors(place.path()).0.keys().eq(&registered), "each says the name it is registered by");
    let kinds = domain::kinds::Kinds::shipped();
    let planned: Vec<&str> = kinds.executors().iter().map(|it| it.name()).collect();
    assert_eq!(planned, registered, "each half has its other");
}

/// RB-3, RB-9: done is what was read back, and twice is as once.
#[tokio::test]
async fn a_move_is_done_when_it_is_read_back_and_doing_it_again_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    for it in subjects(place.path()) {
        let mut left = Vec::new();
        for _ in 0..2 {
            let Outcome::Done(report) =
                carry_out(&executors(place.path()), &order(&it.works), &turn(1)).await
            else {
                panic!("{}", it.name)
            };
            assert_eq!(report["verified"], "A", "{}", it.name);
            let report: domain::executors::Report = serde_json::from_value(report).unwrap();
            assert!(!report.summary.is_empty() && !report.summary.contains('\n'), "{}", it.name);
            let mut files: Vec<_> = std::fs::read_dir(place.path())
                .unwrap()
                .map(|file| file.unwrap().path())
                .map(|path| (path.clone(), std::fs::read(path).unwrap()))
                .collect();
            files.sort();
            left.push(files);
        }
        assert_eq!(left[0], left[1], "{}", it.name);
    }
}

/// RB-9: what was set and is not served is a failure that names both.
#[tokio::test]
async fn what_is_served_is_looked_at_and_not_what_was_asked_for() {
    let place = tempfile::tempdir().unwrap();
    for it in subjects(place.path()) {
        let all = executors(place.path());
        assert!(
            matches!(carry_out(&all, &order(&it.works), &turn(1)).await, Outcome::Done(_)),
            "{}",
            it.name
        );
        (it.disturb)(place.path());
        let executor = &all.0[it.name];
        let found = executor.read_back(&order(&it.works)).await.unwrap();
        assert!(!found.as_asked && !found.served.is_empty(), "{}: {found:?}", it.name);
    }
}

/// RB-4: a failure is tried again, and its reason says what the system said; no setting of the service is in it.
#[tokio::test]
async fn a_failure_says_why_and_shows_no_secret() {
    let place = tempfile::tempdir().unwrap();
    for it in subjects(place.path()) {
        for request in [&it.fails, &it.works] {
            let outcome = carry_out(&executors(place.path()), &order(request), &turn(1)).await;
            let said = format!("{outcome:?}");
            assert!(!said.contains(SECRET), "{}: {said}", it.name);
            if request == &it.fails {
                assert!(matches!(&outcome, Outcome::Failed { reason } if reason.contains("no")), "{said}");
            }
        }
    }
}

/// What another release planned, or for a kind that is not here, is given up by name rather than guessed at.
#[tokio::test]
async fn a_request_that_is_not_understood_is_never_done() {
    let place = tempfile::tempdir().unwrap();
    for it in subjects(place.path()) {
        for (kind, data) in [(it.name, serde_json::json!({ "x": 1 })), ("nobody", it.works.data.clone())] {
            let request = Request { kind: kind.to_owned(), data, ..it.works.clone() };
            let outcome = carry_out(&executors(place.path()), &order(&request), &turn(1)).await;
            assert!(matches!(outcome, Outcome::Never { .. }), "{}: {outcome:?}", it.name);
        }
    }
}
