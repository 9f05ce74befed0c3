//! Kinds that the product does not know, added by this crate alone.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::effects::{PostMessage, RunTransition};
use domain::executors::{Description, ExecutorKind, Facts, Planner, Report, Request};
use domain::kinds::Kinds;
use domain::notifiers::{Message, NotifierKind};
use domain::policy::kind_section::Section;
use domain::policy::{Policy, Wrong};
use reporter_svc::executors::{Executor, Executors, ReadBack, Turn};
use reporter_svc::notifiers::Notifier;
use serde::Deserialize;
use serde_json::json;
use service_kit::outbox::{ListFilter, Outcome};
use shared_types::rollout::TransitionKind;

use crate::rig::{Rig, phase};

/// A lever with as many notches as percent.
struct LeverKind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lever {
    name: String,
    notches: u32,
}

impl ExecutorKind for LeverKind {
    fn name(&self) -> &'static str {
        "lever"
    }

    fn check(&self, section: &Section) -> Result<Box<dyn Planner>, Wrong> {
        let lever: Lever = section.read()?;
        if lever.notches == 0 {
            return Err(section.at("notches").wrong("expected at least one notch"));
        }
        Ok(Box::new(lever))
    }
}

impl Planner for Lever {
    fn plan(&self, facts: &Facts<'_>) -> Request {
        let notch = facts.audience_percent * f64::from(self.notches) / 100.0;
        Request {
            kind: "lever".to_owned(),
            words: format!("{} to notch {notch}", self.name),
            reads_back: true,
            data: json!({ "notch": notch }),
        }
    }

    fn describe(&self) -> Description {
        Description {
            settings: vec![("lever", format!("{} of {}", self.name, self.notches))],
            read_back: None,
        }
    }
}

/// Moves it; downwards it sticks the first time.
#[derive(Default)]
struct Machine(Mutex<Vec<f64>>);

#[async_trait]
impl Executor for Machine {
    fn name(&self) -> &'static str {
        "lever"
    }

    async fn run(&self, it: &RunTransition, _turn: &Turn) -> Result<Report, Outcome> {
        self.0.lock().unwrap().push(it.request.data["notch"].as_f64().unwrap());
        Ok(Report { summary: "moved".to_owned(), ..Report::default() })
    }

    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let sticks = it.kind == TransitionKind::Rollback && self.0.lock().unwrap().len() == 1;
        Ok(ReadBack {
            served: if sticks { "stuck".to_owned() } else { it.to.to_string() },
            as_asked: !sticks,
        })
    }
}

/// A pigeon that carries capital letters.
struct PigeonKind;

impl NotifierKind for PigeonKind {
    fn name(&self) -> &'static str {
        "pigeon"
    }

    fn expected(&self) -> &'static str {
        "a pigeon's loft such as `pigeon:roof`"
    }

    fn address(&self, written: &str) -> Option<String> {
        written.strip_prefix("pigeon:").map(str::to_owned)
    }

    fn render(&self, message: &Message) -> String {
        message.rendered(str::to_uppercase)
    }
}

#[derive(Default)]
struct Pigeon(Mutex<Vec<(String, String)>>);

#[async_trait]
impl Notifier for Pigeon {
    fn name(&self) -> &'static str {
        "pigeon"
    }

    async fn post(&self, message: &PostMessage, _: Option<&str>, _: bool) -> Outcome {
        self.0.lock().unwrap().push((message.channel.clone(), message.text.clone()));
        Outcome::Done(json!({ "ring": 7 }))
    }
}

/// NO-5: its address is read, its text rendered, its message sent and kept with the outcome.
#[tokio::test]
async fn a_notifier_of_another_crate_tells_people() {
    let shipped = include_str!("../../../governance/policy.yaml");
    let kinds = Kinds::shipped().with_notifier(Arc::new(PigeonKind));
    let read = |channel: &str| {
        let text = shipped.replace("\"#incident-autosave\"", channel);
        Policy::parse_with(&text, "policy.yaml", &kinds).map_err(|error| error.to_string())
    };
    let refused = read("dove").unwrap_err();
    assert!(
        refused.ends_with("`runbook`, `log` or a pigeon's loft such as `pigeon:roof`, found `dove`"),
        "{refused}"
    );
    let mut policy = read("\"pigeon:roof\"").unwrap();
    for target in policy.targets.values_mut() {
        target.phases.iter_mut().for_each(|phase| phase.advance.approvals.clear());
        target.evidence.clear();
    }
    let pigeon = Arc::new(Pigeon::default());
    let mut rig = Rig::in_memory_under(policy).await;
    rig.add_notifier(Arc::clone(&pigeon) as _);
    rig.bring_to("B").await;
    rig.violation().await;
    let sent = pigeon.0.lock().unwrap().clone();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].0, "roof");
    assert!(sent[0].1.contains("SAVE_LATENCY_P95"), "{sent:?}");
    let effects = rig.reporter.store.effects(&ListFilter::default(), None, 1000).await.unwrap().items;
    let row = effects.iter().find(|it| it.kind == "PostMessage").unwrap();
    assert_eq!((row.lane.as_str(), row.state.as_str()), ("pigeon/roof", "done"));
}

fn policy(lever: &str) -> Result<Policy, String> {
    let shipped = include_str!("../../../governance/policy.yaml");
    let (before, rest) = shipped.split_once("      rollback: { command").unwrap();
    let (_, after) = rest.split_once("not read back\n").unwrap();
    let text = format!("{before}      flag: {{ lever: {lever} }}\n{after}");
    let kinds = Kinds::shipped().with_executor(Arc::new(LeverKind));
    Policy::parse_with(&text, "policy.yaml", &kinds).map_err(|error| error.to_string())
}

/// RB-9: its section is checked with places, its rollback is planned, run, read back and told.
#[tokio::test]
async fn an_executor_of_another_crate_moves_a_target() {
    let refused = policy("{ name: big, notches: 0 }").unwrap_err();
    assert_eq!(
        refused,
        "policy.yaml:51:44: targets.autosave.transitions.flag.lever.notches: expected at least one notch"
    );
    let mut policy = policy("{ name: big, notches: 20 }").unwrap();
    for target in policy.targets.values_mut() {
        target.phases.iter_mut().for_each(|phase| phase.advance.approvals.clear());
        target.evidence.clear();
    }
    let machine = Arc::new(Machine::default());
    let mut rig = Rig::in_memory_under(policy).await;
    rig.use_executors(Executors::default().with(Arc::clone(&machine) as _));
    rig.bring_to("B").await;
    machine.0.lock().unwrap().clear();
    rig.violation().await;
    assert_eq!(rig.state().await.phase, phase("B"), "it stuck, and is tried again");
    rig.clock.advance(std::time::Duration::from_secs(31));
    rig.work().await;
    assert_eq!(rig.state().await.phase, phase("A"));
    assert_eq!(*machine.0.lock().unwrap(), [1.0, 1.0], "5 % of 20 notches, absolute both times");
    let incident = rig.incident().await;
    let told = |kind: &str| -> Vec<String> {
        let hops = incident.timeline.iter().filter(|hop| hop.kind == kind);
        hops.map(|hop| hop.detail.clone()).collect()
    };
    assert_eq!(told("command_started"), ["attempt 1: big to notch 1", "attempt 2: big to notch 1"]);
    assert_eq!(
        (told("command_finished"), told("verified")),
        (vec!["moved".to_owned()], vec!["read back: A".to_owned()])
    );
    assert!(told("command_failed")[0].contains("read back \"stuck\" where A was expected"), "{incident:?}");
}
