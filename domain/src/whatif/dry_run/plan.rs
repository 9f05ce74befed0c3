//! What the reporter would do about decisions: which texts go where, and which command runs (DE-1 to DE-4).

use crate::effects::TransitionKind;
use crate::executors::Facts;
use crate::placeholder::PlaceholderError;
use crate::policy::{NotificationPolicy, TargetPolicy};
use crate::template::values::{
    RollbackFacts, decision_values, incident_values, rollback_command_text, rollback_values, worst_metric,
};
use crate::template::{Template, Templates};
use serde::Serialize;
use shared_types::decision::ViolationAction;
use shared_types::{Decision, Epoch, IncidentId, PhaseId, Verdict};

/// Stands for the number that a real incident would get.
const INCIDENT: &str = "INC-dry-run";

/// What would follow from one decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// In words, one step each.
    pub steps: Vec<String>,
    pub messages: Vec<PlannedMessage>,
    pub rollback: Option<PlannedRollback>,
}

/// A text that would be sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedMessage {
    pub template: String,
    /// Where it goes.
    pub channel: String,
    pub text: String,
}

/// A command that would run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedRollback {
    pub from: PhaseId,
    pub to: PhaseId,
    /// What the policy's executor would do, in words.
    pub command: String,
    /// The human form.
    pub cmd: String,
}

/// The plans of decisions in the order they would be made in: a second violation of an epoch joins the
/// incident of the first and does nothing new (DE-4).
///
/// # Errors
/// A template or command of the policy cannot be filled.
pub fn plan_all(
    policy: &TargetPolicy,
    templates: &Templates,
    decisions: &[Decision],
) -> Result<Vec<Plan>, PlaceholderError> {
    let mut open: Option<Epoch> = None;
    decisions.iter().map(|decision| plan(policy, templates, decision, &mut open)).collect()
}

fn plan(
    policy: &TargetPolicy,
    templates: &Templates,
    decision: &Decision,
    open: &mut Option<Epoch>,
) -> Result<Plan, PlaceholderError> {
    let mut plan =
        Plan { steps: vec!["update the dashboard".to_owned()], messages: Vec::new(), rollback: None };
    let notifications = &policy.notifications;
    let values = || decision_values(policy, decision);
    match (decision.verdict, decision.action) {
        (Verdict::Insufficient, _) => plan.steps.push("wait: too few samples to say anything".to_owned()),
        (Verdict::Ok, _) => {
            plan.announce(&notifications.ok, &templates.ok, decision, || templates.ok.render(&values()))?;
        }
        (Verdict::Warn, _) | (Verdict::Violation, None | Some(ViolationAction::Hold)) => {
            if decision.verdict == Verdict::Violation {
                plan.steps.push("hold the phase: no promotion while this stands".to_owned());
            }
            let text = || templates.warn.render(&values());
            plan.announce(&notifications.warn, &templates.warn, decision, text)?;
        }
        (Verdict::Violation, _) if *open == Some(decision.epoch) => {
            plan.steps.push("add the decision to the open incident; nothing new is sent".to_owned());
        }
        (Verdict::Violation, Some(ViolationAction::Page | ViolationAction::Rollback)) => {
            *open = Some(decision.epoch);
            open_incident(&mut plan, policy, templates, decision)?;
        }
    }
    Ok(plan)
}

fn open_incident(
    plan: &mut Plan,
    policy: &TargetPolicy,
    templates: &Templates,
    decision: &Decision,
) -> Result<(), PlaceholderError> {
    let notifications = &policy.notifications;
    let priority = &policy.paging.priority;
    let reason = format!("{} violation", worst_metric(decision));
    let cmd = rollback_command_text(&decision.target, &decision.phase, &reason);
    let incident = IncidentId::parse(INCIDENT).ok();
    plan.steps.push(format!("open an incident and page {} at {priority}", policy.paging.service));
    if let Some(incident) = &incident {
        let values = incident_values(policy, decision, incident, priority, &cmd);
        plan.announce(&notifications.incident, &templates.incident, decision, || {
            templates.incident.render(&values)
        })?;
    }
    let Some(to) = policy.below(&decision.phase).filter(|_| decision.rollback_required) else {
        return Ok(());
    };
    let facts = Facts {
        policy,
        kind: TransitionKind::Rollback,
        target: &decision.target,
        from: &decision.phase,
        to: &to,
        incident: incident.as_ref(),
        reason: &reason,
    };
    let command = policy.transitions.executor.plan(&facts).words;
    plan.steps.push(format!("roll back {} → {to}: {}", decision.phase, command));
    let values = rollback_values(
        policy,
        &RollbackFacts {
            target: &decision.target,
            from: &decision.phase,
            to: &to,
            incident: incident.as_ref(),
            decision: Some(decision),
            reason: &reason,
            initiator: "reporter",
            command: &command,
            started_at: decision.decided_at,
        },
    );
    plan.announce(&notifications.rollback, &templates.rollback, decision, || {
        templates.rollback.render(&values)
    })?;
    plan.rollback = Some(PlannedRollback { from: decision.phase.clone(), to, command, cmd });
    Ok(())
}

impl Plan {
    /// Adds the text if the policy sends it by itself in this phase.
    fn announce(
        &mut self,
        policy: &NotificationPolicy,
        template: &Template,
        decision: &Decision,
        text: impl FnOnce() -> Result<String, PlaceholderError>,
    ) -> Result<(), PlaceholderError> {
        if policy.phases.contains(&decision.phase) {
            self.messages.push(PlannedMessage {
                template: template.id.clone(),
                channel: policy.channel.to_string(),
                text: text()?,
            });
        }
        Ok(())
    }
}
