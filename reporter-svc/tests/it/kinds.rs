//! Kinds that the product does not know, added by this crate alone.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::effects::{RunTransition, TransitionKind};
use domain::executors::{ExecutorKind, Facts, Planner, Report, Request, Told};
use domain::kinds::Kinds;
use domain::policy::kind_section::Section;
use domain::policy::{Policy, Wrong};
use reporter_svc::executors::{Executor, Executors, ReadBack};
use serde::Deserialize;
use serde_json::json;
use service_kit::outbox::Outcome;

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
        let notch = facts.audience_percent() * f64::from(self.notches) / 100.0;
        Request {
            kind: "lever".to_owned(),
            words: format!("{} to notch {notch}", self.name),
            reads_back: true,
            data: json!({ "notch": notch }),
        }
    }

    fn told(&self) -> Told {
        Told { settings: vec![("lever", format!("{} of {}", self.name, self.notches))], read_back: None }
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

    async fn run(&self, it: &RunTransition) -> Result<Report, Outcome> {
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
        "policy.yaml:46:44: targets.autosave.transitions.flag.lever.notches: expected at least one notch"
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
