//! What the reporter would do about each decision of a dry run, in the form it is printed in.
//!
//! Nothing is decided here: the story is played ([`play`]), and put into steps.

use serde::Serialize;
use shared_types::{Decision, PhaseId, TargetName, Timestamp, Verdict};

use crate::effects::Severity;
use crate::policy::{Notifications, Policy, TargetPolicy};
use crate::template::Templates;
use crate::whatif::play::{Assumptions, People, PlayError, Rules, Start, Telemetry, play};
use crate::whatif::story::{Consequence, Page, What};
use shared_types::rollout::TransitionKind;

/// A fixture holds the windows of one phase, and nobody who would act.
const ASSUMED: Assumptions = Assumptions { people: People::Away, telemetry: Telemetry::OnePhase };

/// What would follow from one decision, and what would fall due before the next one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reaction {
    /// In words, one step each.
    pub steps: Vec<String>,
    pub messages: Vec<Message>,
    pub pages: Vec<Paging>,
    pub rollback: Option<Rollback>,
}

/// A text that would be sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// As in the log of notifications: `warn`, `incident`, `escalation`.
    pub kind: String,
    /// The template it is made from; the product's own sentences have none.
    pub template: Option<String>,
    /// An address as it is kept.
    pub channel: String,
    pub text: String,
    /// If that is later than the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A page that would go out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paging {
    #[serde(flatten)]
    pub page: Page,
    /// If that is later than the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A command that would run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollback {
    pub from: PhaseId,
    pub to: PhaseId,
    /// What its executor does, in one line.
    pub command: String,
    /// The human form.
    pub cmd: String,
}

/// Plays what would follow if the rollout were in `phase` and nobody did anything; one reaction a decision.
///
/// # Errors
/// [`PlayError`].
pub fn react(
    policy: &Policy,
    target: &TargetName,
    phase: &PhaseId,
    templates: &Templates,
    decisions: &[Decision],
) -> Result<Vec<Reaction>, PlayError> {
    let (Some(of_target), Some(first)) = (policy.targets.get(target), decisions.first()) else {
        return Ok(Vec::new());
    };
    let start = Start { phase: phase.clone(), epoch: first.epoch, at: first.window.start };
    let rules = Rules { target: target.clone(), policy: of_target.clone(), version: policy.version.clone() };
    let story = play(rules, templates, start, decisions, ASSUMED)?;
    let reactions = std::iter::zip(decisions, &story.follows);
    Ok(reactions.map(|(decision, follows)| Reaction::of(of_target, decision, follows)).collect())
}

impl Reaction {
    fn of(policy: &TargetPolicy, decision: &Decision, follows: &[Consequence]) -> Self {
        let mut reaction = Self {
            steps: vec!["update the dashboard".to_owned()],
            messages: Vec::new(),
            pages: Vec::new(),
            rollback: None,
        };
        let stale = follows.iter().any(|it| matches!(it.what, What::Stale { .. }));
        if decision.verdict == Verdict::Insufficient && !stale {
            reaction.steps.push("wait: too few samples to say anything".to_owned());
        }
        for it in follows {
            let at = Some(it.at).filter(|at| *at != decision.decided_at);
            if let Some(step) = step(policy, it, follows) {
                reaction.steps.push(dated(at, &step));
            }
            reaction.add(policy, at, &it.what);
        }
        reaction
    }

    fn add(&mut self, policy: &TargetPolicy, at: Option<Timestamp>, what: &What) {
        match what {
            What::Told { kind, channel, text } => self.messages.push(Message {
                template: template(&policy.notifications, kind).map(str::to_owned),
                kind: kind.clone(),
                channel: channel.clone(),
                text: text.clone(),
                at,
            }),
            What::Paged(page) => self.pages.push(Paging { page: page.clone(), at }),
            What::Ran(command) if command.kind == TransitionKind::Rollback => {
                self.rollback = Some(Rollback {
                    from: command.from.clone(),
                    to: command.to.clone(),
                    command: command.words.clone(),
                    cmd: command.human.clone(),
                });
            }
            _ => {}
        }
    }
}

/// In words; texts have lines of their own.
fn step(
    policy: &TargetPolicy,
    Consequence { at, what }: &Consequence,
    follows: &[Consequence],
) -> Option<String> {
    match what {
        What::Stale { phase, epoch } => Some(format!(
            "keep the decision and do nothing: the rollout has left the phase by then ({phase}, epoch {epoch})"
        )),
        What::Held => Some("hold the phase: no promotion while this stands".to_owned()),
        What::Joined(_) => {
            let sent = |it: &Consequence| it.at == *at && matches!(it.what, What::Told { .. } | What::Ran(_));
            let nothing = if follows.iter().any(sent) { "" } else { "; nothing new is sent" };
            Some(format!("add the decision to the open incident{nothing}"))
        }
        What::Opened(_) => {
            let paging = &policy.paging;
            Some(format!("open an incident and page {} at {}", paging.service, paging.priority))
        }
        What::Paged(page) => (page.severity == Severity::Critical)
            .then(|| format!("raise the page of {} to {}", page.service, page.priority)),
        What::Waits { from, to, why } => Some(format!("have the rollback {from} → {to} wait: {why}")),
        What::Ran(it) => Some(format!("roll back {} → {}: {}", it.from, it.to, it.words)),
        What::Recovered(_) => Some("call the incident recovered".to_owned()),
        What::Told { .. } => None,
    }
}

/// What is not done with the decision itself says when.
pub(super) fn dated(at: Option<Timestamp>, step: &str) -> String {
    at.map_or_else(|| step.to_owned(), |at| format!("at {at}: {step}"))
}

/// The template of a kind of notification.
fn template<'p>(notifications: &'p Notifications, kind: &str) -> Option<&'p str> {
    let of = match kind {
        "ok" => &notifications.ok,
        "warn" | "hold" => &notifications.warn,
        "incident" | "escalation" | "rollback_failed" | "rollback_waiting" => &notifications.incident,
        "rollback" => &notifications.rollback,
        _ => return None,
    };
    Some(&of.template)
}
