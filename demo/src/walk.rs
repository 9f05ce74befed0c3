//! What a person does for a rollout until the first incident: starts it, and moves it up when the gate says so. Everything
//! after that is the services' own doing.

use std::time::Duration;

use service_kit::client::Neighbour;
use shared_types::Epoch;
use shared_types::incident::{Incident, IncidentState};
use shared_types::rollout::Rollout;

use super::act;
use super::observer::incidents;
use super::policy::TARGET;
use super::screen::{Screen, Tone};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An act of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Start,
    MoveUp,
}

impl Act {
    /// What is due. Nothing once there was an incident: then people look first.
    fn due(rollout: &Rollout, incidents: &[Incident]) -> Option<Self> {
        if !incidents.is_empty() || rollout.transition.is_some() && rollout.phase.is_off() {
            return None;
        }
        if rollout.phase.is_off() {
            return Some(Self::Start);
        }
        let satisfied = rollout.gate.as_ref().is_some_and(|gate| gate.satisfied);
        (rollout.phase.as_str() == "A" && satisfied && rollout.blockers.is_empty()).then_some(Self::MoveUp)
    }

    fn path(self) -> String {
        let act = match self {
            Self::Start => "start",
            Self::MoveUp => "promotions",
        };
        format!("/v1/rollouts/{TARGET}/{act}")
    }

    fn words(self) -> &'static str {
        match self {
            Self::Start => "start the rollout: 5 % of the users get the new merge",
            Self::MoveUp => "the gate is satisfied: move up, 30 % get it",
        }
    }
}

/// Walks for ever. Started again it goes on from where the rollout is.
pub(super) async fn walk(screen: &Screen, reporter: &Neighbour) {
    let mut told = Told::default();
    let mut done = None;
    loop {
        match look(reporter).await {
            Ok((rollout, incidents)) => {
                told.tell(screen, &rollout, &incidents);
                let due = Act::due(&rollout, &incidents).map(|act| (act, rollout.epoch));
                if let Some((act_due, _)) = due
                    && due != done
                {
                    screen.line(Tone::Heading, "person", act_due.words());
                    match act(reporter, &act_due.path()).await {
                        Ok(()) => done = due,
                        Err(error) => screen.line(Tone::Warning, "person", &format!("not yet: {error:#}")),
                    }
                }
            }
            Err(error) => told.trouble(screen, &format!("{error:#}")),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn look(reporter: &Neighbour) -> anyhow::Result<(Rollout, Vec<Incident>)> {
    let rollout = reporter.get_json(&format!("/v1/rollouts/{TARGET}")).await?;
    Ok((rollout, incidents(reporter).await?))
}

/// What was told last, so that each thing is told once.
#[derive(Default)]
struct Told {
    stay: Option<(String, Epoch)>,
    incident: Option<(String, IncidentState)>,
    trouble: Option<String>,
}

impl Told {
    fn tell(&mut self, screen: &Screen, rollout: &Rollout, incidents: &[Incident]) {
        self.trouble = None;
        let stay = (rollout.phase.to_string(), rollout.epoch);
        if self.stay.as_ref() != Some(&stay) {
            screen.line(Tone::Plain, "rollout", &format!("phase {}, epoch {}", stay.0, stay.1));
            self.stay = Some(stay);
        }
        let Some(newest) = incidents.first() else { return };
        let incident = (newest.id.to_string(), newest.state);
        if self.incident.as_ref() != Some(&incident) {
            let tone = if newest.state == IncidentState::Open { Tone::Bad } else { Tone::Good };
            screen.line(tone, "incident", &format!("{} is {}", newest.id, newest.state.as_str()));
            self.incident = Some(incident);
        }
    }

    fn trouble(&mut self, screen: &Screen, error: &str) {
        if self.trouble.as_deref() != Some(error) {
            screen.line(Tone::Warning, "reporter", error);
            self.trouble = Some(error.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(phase: &str, satisfied: bool) -> Rollout {
        serde_json::from_value(serde_json::json!({
            "target": TARGET, "phase": phase, "epoch": 1, "state": "running",
            "automatic_rollbacks": { "started": 0, "allowed": 2, "per_ms": 1 },
            "gate": { "epoch": 1, "compliant_batches": 0, "compliant_ms": 0, "satisfied": satisfied },
            "approvals": [], "approvals_void": [], "approvals_missing": [], "blockers": [],
        }))
        .unwrap()
    }

    #[test]
    fn a_person_starts_and_moves_up_once_and_leaves_the_rest_to_the_services() {
        assert_eq!(Act::due(&rollout("off", false), &[]), Some(Act::Start));
        assert_eq!(Act::due(&rollout("A", false), &[]), None);
        assert_eq!(Act::due(&rollout("A", true), &[]), Some(Act::MoveUp));
        assert_eq!(Act::due(&rollout("B", true), &[]), None);
    }
}
