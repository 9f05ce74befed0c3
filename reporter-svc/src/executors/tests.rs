//! What every executor must do with what it is given. Each brings a place to act on; the promises are the same.

use std::path::Path;
use std::sync::Arc;

use domain::effects::RunTransition;
use domain::executors::command::{Started, request};
use domain::executors::flagd::Settings;
use domain::executors::{ExecutorPolicy, Facts, Request, unleash, webhook};
use domain::policy::Policy;
use service_kit::outbox::Outcome;
use shared_types::rollout::TransitionKind;
use shared_types::{IncidentId, PhaseId, SecretFrom, TargetName};
use uuid::Uuid;
use vendor_doubles::{ReceiverDouble, UnleashDouble};

use super::Executors;
use super::command::{CommandExecutor, Environment};
use crate::composition::Composition;
use crate::effects::run_transition::carry_out;
use crate::tests::{TIMEOUT, Trial, opening, supervisor, turn};

const SECRET: &str = "s3cret-of-the-environment";

/// A secret in a file, as long as it lives.
pub(crate) struct Token(tempfile::NamedTempFile);

impl Token {
    pub(crate) fn of(secret: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{secret}\n")).unwrap();
        Self(file)
    }

    pub(crate) fn from(&self) -> SecretFrom {
        SecretFrom::File(self.0.path().display().to_string())
    }
}

/// One kind, with a place of its own.
struct Subject {
    name: &'static str,
    /// A move that works, and one that cannot, with a part of the reason.
    works: Request,
    fails: (Request, &'static str),
    /// Makes the place serve something else than what was set.
    disturb: Box<dyn Fn()>,
    _token: Option<Token>,
}

/// A rollback from B to A.
pub(crate) fn planned(executor: &ExecutorPolicy) -> Request {
    planned_from(executor, TransitionKind::Rollback, "B", "A")
}

/// A move of the shipped policy's phases.
pub(crate) fn planned_from(executor: &ExecutorPolicy, kind: TransitionKind, from: &str, to: &str) -> Request {
    let text = include_str!("../../../governance/policy.yaml");
    let mut policy = Policy::parse(text, "policy.yaml").unwrap();
    let (target, policy) = policy.targets.pop_first().unwrap();
    let [from, to] = [from, to].map(|it| PhaseId::parse(it).unwrap());
    executor.plan(&Facts {
        kind,
        target: &target,
        from: &from,
        to: &to,
        below: &policy.below(&from).unwrap_or_else(PhaseId::off),
        above: &policy.above(&from).unwrap_or_else(PhaseId::completed),
        audience_before: policy.audience_percent(&from),
        audience_percent: policy.audience_percent(&to),
        served_alike: &policy.served_alike(&to),
        incident: None,
        reason: "",
    })
}

async fn subjects(place: &Path) -> Vec<Subject> {
    vec![command_in(place), flagd_in(place), unleash().await, webhook().await]
}

fn command_in(place: &Path) -> Subject {
    let shell = |text: &str| ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    let phase = place.join("phase");
    Subject {
        name: "command",
        works: request(&Started {
            command: shell("echo $PHASEGATE_TO > phase"),
            verify: Some(shell("cat phase")),
            ..Started::default()
        }),
        fails: (
            request(&Started { command: shell("echo no such flag; exit 4"), ..Started::default() }),
            "no such",
        ),
        disturb: Box::new(move || std::fs::write(&phase, "C").unwrap()),
        _token: None,
    }
}

fn flagd_in(place: &Path) -> Subject {
    let file = place.join("flags.json");
    let flags = r#"{"flags":{"autosave":{"state":"ENABLED","variants":{"on":true,"off":false}}}}"#;
    std::fs::write(&file, flags).unwrap();
    let flag = |flag: &str| {
        let [file, flag, variant] = ["flags.json", flag, "on"].map(str::to_owned);
        planned(&Settings { file, flag, variant, otherwise: None }.into())
    };
    Subject {
        name: "flagd",
        works: flag("autosave"),
        fails: (flag("nobody"), "no flag `nobody`"),
        disturb: Box::new(move || {
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replace("[\"on\", 5]", "[\"on\", 50]")).unwrap();
        }),
        _token: None,
    }
}

async fn unleash() -> Subject {
    let double = UnleashDouble::start("autosave").await.unwrap();
    double.set_rollout("30");
    let token = Token::of(&double.token());
    let settings = super::unleash::tests::settings(&double.url(), &token);
    let nobody = unleash::Settings { feature: "nobody".to_owned(), ..settings.clone() };
    Subject {
        name: "unleash",
        works: planned(&settings.into()),
        fails: (planned(&nobody.into()), "feature nobody of project default"),
        disturb: Box::new(move || double.set_rollout("50")),
        _token: Some(token),
    }
}

async fn webhook() -> Subject {
    let double = ReceiverDouble::start("B").await.unwrap();
    let token = Token::of(double.secret());
    let settings = super::webhook::tests::settings(&double.url(), &token, true);
    let elsewhere = webhook::Settings { url: format!("{}/nowhere", double.url()), ..settings.clone() };
    Subject {
        name: "webhook",
        works: planned(&settings.into()),
        fails: (planned(&elsewhere.into()), "404"),
        disturb: Box::new(move || double.set_phase("C")),
        _token: Some(token),
    }
}

/// The registry's, with a secret in the environment of what can show one.
fn executors(place: &Path) -> Executors {
    let of = Composition::shipped();
    let with = opening(place.to_owned(), TIMEOUT);
    let all = Executors::open(&of.executors, &of.told_nothing().unwrap(), &with).unwrap();
    let environment = Environment::of_this_process(&[]).with("PHASEGATE_SECRET", SECRET);
    all.with(Arc::new(CommandExecutor::new(place, environment, supervisor(), with.stop)))
}

/// Of a rollback from B to A.
pub(crate) fn order(request: &Request) -> RunTransition {
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
        settle_ms: 0,
        users: None,
    }
}

/// The ways in which a kind's system is asked over HTTP.
pub(crate) fn trials_of(executor: &str) -> Vec<Trial> {
    match executor {
        unleash::NAME => super::unleash::tests::trials(),
        webhook::NAME => super::webhook::tests::trials(),
        _ => Vec::new(),
    }
}

/// The contract has a subject for every kind of the registry.
#[tokio::test]
async fn every_executor_is_tried() {
    let place = tempfile::tempdir().unwrap();
    let tried: Vec<&str> = subjects(place.path()).await.iter().map(|it| it.name).collect();
    let registered: Vec<&str> = Composition::shipped().executors.iter().map(|it| it.name).collect();
    assert_eq!(tried, registered);
    assert!(executors(place.path()).kinds.keys().eq(&registered), "each says the name it is registered by");
    let kinds = domain::kinds::Kinds::shipped();
    let planned: Vec<&str> = kinds.executors().iter().map(|it| it.name()).collect();
    assert_eq!(planned, registered, "each half has its other");
}

/// RB-3, RB-9: done is what was read back, and twice is as once.
#[tokio::test]
async fn a_move_is_done_when_it_is_read_back_and_doing_it_again_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    for it in subjects(place.path()).await {
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
    for it in subjects(place.path()).await {
        let all = executors(place.path());
        assert!(
            matches!(carry_out(&all, &order(&it.works), &turn(1)).await, Outcome::Done(_)),
            "{}",
            it.name
        );
        (it.disturb)();
        let executor = &all.kinds[it.name];
        let found = executor.read_back(&order(&it.works)).await.unwrap();
        assert!(!found.as_asked && !found.served.is_empty(), "{}: {found:?}", it.name);
    }
}

/// RB-4: a failure is tried again, and its reason says what the system said; no setting of the service is in it.
#[tokio::test]
async fn a_failure_says_why_and_shows_no_secret() {
    let place = tempfile::tempdir().unwrap();
    for it in subjects(place.path()).await {
        let (fails, why) = &it.fails;
        for request in [fails, &it.works] {
            let outcome = carry_out(&executors(place.path()), &order(request), &turn(1)).await;
            let said = format!("{outcome:?}");
            assert!(!said.contains(SECRET), "{}: {said}", it.name);
            if request == fails {
                assert_ne!(outcome.label(), "done", "{said}");
                assert!(outcome.reason().unwrap().contains(why), "{said}");
            }
        }
    }
}

/// What another release planned, or for a kind that is not here, is given up by name rather than guessed at.
#[tokio::test]
async fn a_request_that_is_not_understood_is_never_done() {
    let place = tempfile::tempdir().unwrap();
    for it in subjects(place.path()).await {
        for (kind, data) in [(it.name, serde_json::json!({ "x": 1 })), ("nobody", it.works.data.clone())] {
            let request = Request { kind: kind.to_owned(), data, ..it.works.clone() };
            let outcome = carry_out(&executors(place.path()), &order(&request), &turn(1)).await;
            assert!(matches!(outcome, Outcome::Never { .. }), "{}: {outcome:?}", it.name);
        }
    }
}
