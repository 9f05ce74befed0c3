//! Puts a notice into words: the policy's templates, filled from the facts of the notice (NO-1, NO-2).
//!
//! Pure. A text claims only what is so: that a rollback was invoked is said with its start (RB-12), that it has reached its phase
//! after it was read back.

use crate::placeholder::{PlaceholderError, Values};
use crate::policy::TargetPolicy;
use crate::template::values::{RollbackFacts, decision_values, incident_values, rollback_values};
use crate::template::{Template, Templates};
use shared_types::story::Hop;
use shared_types::{IncidentId, TargetName};

mod own;

use super::{visible, words};

use crate::notifiers::{Message, Span};
use crate::rollout::{Notice, NoticeKind, Transition};

/// A text, before anybody's markup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub message: Message,
    /// The id of the template it came from.
    pub template: String,
}

/// Said where a text asks for a rollback command and there is none.
const NO_ROLLBACK: &str = "none";

/// The text of a notice.
///
/// # Errors
/// A placeholder stays unfilled; such a text is never sent (NO-2).
pub fn text(
    target: &TargetName,
    policy: &TargetPolicy,
    templates: &Templates,
    notice: &Notice,
) -> Result<Text, PlaceholderError> {
    match &notice.kind {
        NoticeKind::Ok => render(&templates.ok, &about_decision(policy, notice)),
        NoticeKind::Gap => Ok(own::gap(policy, notice)),
        NoticeKind::Vanished => Ok(own::vanished(policy, notice)),
        NoticeKind::Warn | NoticeKind::Hold => render(&templates.warn, &about_decision(policy, notice)),
        NoticeKind::Incident | NoticeKind::Escalation | NoticeKind::RollbackWaiting => {
            let text = render(&templates.incident, &about_incident(policy, notice))?;
            Ok(with_waiting(text, notice))
        }
        NoticeKind::StillHeld(held) => {
            let text = render(&templates.incident, &about_incident(policy, notice))?;
            let what = words::hop(&Hop::StillHeld(held.clone()));
            Ok(extended(text, &format!("\nStill held: {what}")))
        }
        NoticeKind::RollbackFailed { reason, attempts } => {
            let text = render(&templates.incident, &about_incident(policy, notice))?;
            let what = format!("\nThe rollback failed after {attempts} attempts: {}", first_line(reason));
            Ok(extended(text, &what))
        }
        NoticeKind::Unproven { incident } => {
            let text = render(&templates.incident, &about_incident(policy, notice))?;
            let what = format!(
                "\nThe recovery of {incident} is not proven: nothing was violated, and too little is known"
            );
            Ok(extended(text, &what))
        }
        NoticeKind::Storm(facts) => Ok(own::storm(policy, notice, facts)),
        NoticeKind::GivenUp(loss) => Ok(own::given_up(policy, notice, loss)),
        NoticeKind::StoreBehind { told_by, known, own } => {
            Ok(own::store_behind(policy, notice, told_by, (*known, *own)))
        }
        NoticeKind::RollbackLost { phase, window } => {
            Ok(own::rollback_lost(target, policy, notice, phase, *window))
        }
        NoticeKind::ApprovalAsked(asked) => Ok(own::approval_asked(target, policy, notice, asked)),
        NoticeKind::Frozen { by, reason } => {
            Ok(with_waiting(own::frozen(policy, notice, by, reason), notice))
        }
        NoticeKind::Unfrozen { by, reason } => {
            let text = own::unfrozen(policy, notice, by, reason.as_deref());
            Ok(with_waiting(text, notice))
        }
        NoticeKind::Drifted { .. }
        | NoticeKind::DriftOver { .. }
        | NoticeKind::ServedUnread { .. }
        | NoticeKind::MoveFailed { .. } => Ok(own::served(target, policy, notice)),
        NoticeKind::RcaReminder { .. }
        | NoticeKind::ReviewOpened { .. }
        | NoticeKind::ReviewDecided { .. } => Ok(own::about_rca(policy, notice)),
        NoticeKind::Rollback(transition) => {
            render(&templates.rollback, &about_rollback(target, policy, notice, transition))
        }
    }
}

/// The runbook of a rollback, Markdown (RB-8).
///
/// # Errors
/// As [`text`].
pub fn runbook(
    target: &TargetName,
    policy: &TargetPolicy,
    templates: &Templates,
    notice: &Notice,
    transition: &Transition,
) -> Result<String, PlaceholderError> {
    templates.runbook.render(&about_rollback(target, policy, notice, transition))
}

fn render(template: &Template, values: &Values) -> Result<Text, PlaceholderError> {
    Ok(Text { message: template.message(values)?, template: template.id.clone() })
}

/// A further line of the same text.
fn extended(text: Text, line: &str) -> Text {
    Text { message: text.message.and(Span::Value(line.to_owned())), ..text }
}

/// A required rollback that does not start by itself is said wherever its incident is told.
fn with_waiting(text: Text, notice: &Notice) -> Text {
    match &notice.waiting {
        Some(why) => extended(text, &format!("\nThe rollback waits: {}", one_line(why))),
        None => text,
    }
}

fn one_line(text: &str) -> String {
    visible::one_line(text, 500)
}

fn first_line(reason: &str) -> String {
    reason.lines().next().unwrap_or_default().chars().take(300).collect()
}

fn about_decision(policy: &TargetPolicy, notice: &Notice) -> Values {
    let values = notice.decision.as_ref().map(|decision| decision_values(policy, decision));
    with_phase(values.unwrap_or_default(), notice)
}

fn about_incident(policy: &TargetPolicy, notice: &Notice) -> Values {
    let command = notice.command.as_deref().unwrap_or(NO_ROLLBACK);
    let values = match (&notice.decision, &notice.incident) {
        (Some(decision), Some(incident)) => {
            incident_values(policy, decision, incident, &notice.priority, command)
        }
        _ => Values::new(),
    };
    with_phase(values, notice)
}

/// The notice's own phase: a further rollback may start from another one than its violation was seen in.
fn with_phase(mut values: Values, notice: &Notice) -> Values {
    values.insert("phase".to_owned(), notice.phase.to_string());
    values
}

fn about_rollback(
    target: &TargetName,
    policy: &TargetPolicy,
    notice: &Notice,
    transition: &Transition,
) -> Values {
    let incident: Option<&IncidentId> = notice.incident.as_ref();
    let by_hand = transition.initiator != crate::rollout::ITSELF;
    let facts = RollbackFacts {
        target,
        from: &transition.from,
        to: &transition.to,
        incident,
        // A person's rollback has the person's reason, whatever the incident it belongs to is about.
        decision: notice.decision.as_deref().filter(|_| !by_hand),
        reason: &transition.reason,
        initiator: &transition.initiator,
        command: &transition.request.words,
        started_at: transition.started_at.unwrap_or(transition.requested_at),
    };
    rollback_values(policy, &facts)
}
