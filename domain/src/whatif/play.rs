//! One player of rollouts: what the reporter does about a history of decisions, without a reporter.
//!
//! It keeps in memory what the reporter keeps in its store, and goes through the reporter's own functions: the machine's
//! table ([`rollout::apply`](apply)) and the making of its effects ([`lower`]). So a phase, a text, a channel and a command
//! here are those of the live service. What nobody can read from decisions is assumed, and named in [`Assumptions`].

use serde_json::Value;
use shared_types::{Decision, Epoch, IncidentId, PhaseId, TargetName, Timestamp, Verdict};
use uuid::Uuid;

use super::story::{Command, Consequence, Course, Entered, RolledBack, Story, What};
use crate::effects::TriggerPage;
use crate::effects::lower::{LowerContext, lower};
use crate::executors::Report;
use crate::pagers::PAGER;
use crate::placeholder::PlaceholderError;
use crate::policy::TargetPolicy;
use crate::rollout::{
    Aggregate, Context, Effect, Event, Incident, Mitigation, NoticeKind, Stage, Step, TargetState,
    Transition, apply,
};
use crate::stored::Document as _;
use crate::template::Templates;
use shared_types::rollout::TransitionKind;

/// Who does what people would do.
const ASSUMED: &str = "assumed";
/// Ticks between two decisions; more would be a loop.
const TICKS: u32 = 64;

/// By what a rollout is played.
#[derive(Debug, Clone)]
pub struct Rules {
    pub target: TargetName,
    pub policy: TargetPolicy,
    /// The version of the policy file.
    pub version: String,
}

/// Where it begins: in a phase that has just been entered, with nothing open.
#[derive(Debug, Clone)]
pub struct Start {
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub at: Timestamp,
}

/// What decisions do not say. Commands always succeed at once, and their phase is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumptions {
    pub people: People,
    pub telemetry: Telemetry,
}

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    /// Nothing: nobody approves, moves up, acknowledges or finds a cause.
    Away,
    /// All that is asked of them, at once: approvals and checklists are there, an incident is acknowledged, and a move up
    /// is made as soon as nothing stands in its way.
    AtOnce,
}

/// Which windows the history holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telemetry {
    /// Those of the phase it begins in only. How the rollout fares after a rollback is not known, so its recovery is
    /// neither confirmed nor given up for silence.
    OnePhase,
    /// Those of every phase it enters: a recovery watch that hears nothing fails.
    EveryPhase,
}

/// Why a text of a story cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    #[error("a text cannot be filled")]
    Text(#[from] PlaceholderError),
    #[error("a page cannot be read")]
    Page(#[from] serde_json::Error),
}

/// Plays what follows from decisions, in the order in which they were made. One of a later epoch than the rollout has
/// reached says that people have moved the recorded one: it goes on there, in the phase it began in, with nothing open.
///
/// # Errors
/// [`PlayError`], which a policy and templates that were loaded do not give.
pub fn play(
    rules: Rules,
    templates: &Templates,
    start: Start,
    history: &[Decision],
    assumptions: Assumptions,
) -> Result<Story, PlayError> {
    let mut order: Vec<usize> = (0..history.len()).collect();
    order.sort_by_key(|index| history[*index].decided_at);
    let mut player = Player::begin(rules, start, assumptions);
    player.kept = Some(Vec::new());
    let mut follows = vec![Vec::new(); history.len()];
    let mut last = None;
    for index in order {
        let decision = &history[index];
        let now = decision.decided_at;
        player.tick(now);
        if let Some(last) = last.replace(index) {
            follows[last].extend(player.told(templates)?);
        }
        player.follow(decision.epoch, decision.window.start);
        player.decided(decision.clone(), now);
        follows[index] = player.told(templates)?;
    }
    Ok(Story { follows, course: player.finish() })
}

/// A rollout under way.
pub struct Player {
    rules: Rules,
    assumptions: Assumptions,
    target: TargetState,
    /// Those that time can still do something to, and the open one.
    incidents: Vec<Incident>,
    began_in: PhaseId,
    stays: Vec<Stay>,
    ids: u64,
    course: Course,
    /// What happened since it was last asked for; none: nobody will ask.
    kept: Option<Vec<Played>>,
}

/// A stay in a phase.
#[derive(Debug, Clone)]
pub struct Stay {
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub since: Timestamp,
}

/// An event that was applied.
struct Played {
    at: Timestamp,
    /// Of a decision.
    verdict: Option<Verdict>,
    before: Aggregate,
    step: Step,
}

impl Player {
    /// Nobody asks this one for texts, so it needs no templates.
    #[must_use]
    pub fn begin(mut rules: Rules, start: Start, assumptions: Assumptions) -> Self {
        if assumptions.people == People::AtOnce {
            for phase in &mut rules.policy.phases {
                phase.advance.approvals.clear();
            }
            rules.policy.evidence.clear();
        }
        let mut player = Self {
            target: TargetState::new(rules.target.clone()),
            rules,
            assumptions,
            incidents: Vec::new(),
            began_in: start.phase.clone(),
            stays: Vec::new(),
            ids: 0,
            course: Course::default(),
            kept: None,
        };
        player.stand_in(start);
        player
    }

    /// The phase it is in.
    #[must_use]
    pub fn phase(&self) -> &PhaseId {
        &self.target.phase
    }

    /// What a window that begins then belongs to.
    #[must_use]
    pub fn stay_at(&self, start: Timestamp) -> Option<&Stay> {
        self.stays.iter().rev().find(|stay| stay.since <= start)
    }

    /// Whether the effect of a rollback is being watched.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        let open = self.incidents.iter().find(|it| self.target.incident.as_ref() == Some(&it.id));
        open.is_some_and(|it| it.status.watch().is_some())
    }

    /// A person starts it from `off`.
    pub fn start(&mut self, at: Timestamp) {
        self.apply(Event::Start { by: ASSUMED.to_owned(), obstacles: Vec::new() }, None, at);
    }

    /// Takes a decision, and does what people are assumed to do about it.
    pub fn decided(&mut self, decision: Decision, at: Timestamp) {
        let satisfied = decision.gate.as_ref().is_some_and(|gate| gate.satisfied);
        let opens = self.next_incident();
        self.apply(Event::Decided(Box::new(decision)), None, at);
        if self.assumptions.people == People::Away {
            return;
        }
        if self.next_incident() != opens {
            self.apply(Event::Acknowledged { by: ASSUMED.to_owned(), at }, opens.as_ref(), at);
        }
        if satisfied && self.target.incident.is_none() && self.target.stage == Stage::Idle {
            self.apply(Event::Promote { by: ASSUMED.to_owned(), from: None }, None, at);
        }
    }

    /// Does whatever is due up to then, what is due first before the rest.
    pub fn tick(&mut self, now: Timestamp) {
        for _ in 0..TICKS {
            let of_target = self.target.next_due().map(|at| (at, None));
            let of_incidents = self.incidents.iter().filter_map(|it| Some((it.next_due()?, Some(&it.id))));
            let first = of_target.into_iter().chain(of_incidents).min_by_key(|(at, _)| *at);
            let Some((due, about)) = first.filter(|(due, _)| *due <= now) else { return };
            let about = about.cloned();
            if !self.apply(Event::Tick, about.as_ref(), due) {
                return;
            }
        }
    }

    /// How it went.
    #[must_use]
    pub fn finish(self) -> Course {
        self.course
    }

    /// Goes on where people have moved the recorded rollout.
    fn follow(&mut self, epoch: Epoch, since: Timestamp) {
        if epoch > self.target.epoch {
            self.incidents.clear();
            self.stand_in(Start { phase: self.began_in.clone(), epoch, at: since });
        }
    }

    fn stand_in(&mut self, Start { phase, epoch, at }: Start) {
        let before = &mut self.target;
        // Rollbacks count towards the budget in whichever epoch they were.
        let automatic_rollbacks = std::mem::take(&mut before.automatic_rollbacks);
        let fresh = TargetState::new(before.target.clone());
        self.target = TargetState { phase, epoch, since: Some(at), automatic_rollbacks, ..fresh };
        self.entered(at);
    }

    fn entered(&mut self, at: Timestamp) {
        let (phase, epoch) = (self.target.phase.clone(), self.target.epoch);
        if phase.is_completed() {
            self.course.completed_at = Some(at);
        } else {
            self.course.phases.push(Entered { phase: phase.clone(), at });
        }
        self.stays.push(Stay { phase, epoch, since: at });
    }

    /// The id of the incident that opens next.
    fn next_incident(&self) -> Option<IncidentId> {
        IncidentId::parse(&format!("INC-dry-run-{}", self.course.incidents + 1)).ok()
    }

    /// Applies an event to the target and the incident it is about: the one it names, else the open one. Whether anything
    /// changed; an event that is refused changes nothing.
    fn apply(&mut self, event: Event, about: Option<&IncidentId>, now: Timestamp) -> bool {
        let verdict = match &event {
            Event::Decided(decision) => Some(decision.verdict),
            _ => None,
        };
        let about = about.or(self.target.incident.as_ref());
        let incident = about.and_then(|id| self.incidents.iter().find(|it| &it.id == id)).cloned();
        let before = Aggregate { target: self.target.clone(), incident };
        self.ids += 1;
        let Some(new_incident) = self.next_incident() else { return false };
        let new_transition = Uuid::from_u128(u128::from(self.ids));
        let Rules { policy, version, .. } = &self.rules;
        let context =
            Context { now, policy, policy_version: version, new_incident, new_transition, storm: None };
        let Ok(step) = apply(&before, event, &context) else { return false };
        self.keep(&step);
        let changed = step.target != before.target || step.incident != before.incident;
        let runs: Vec<Transition> = step
            .effects
            .iter()
            .filter_map(|effect| if let Effect::Run(it) = effect { Some(it.clone()) } else { None })
            .collect();
        if let Some(kept) = &mut self.kept {
            kept.push(Played { at: now, verdict, before, step });
        }
        for transition in runs {
            self.run(&transition, now);
        }
        changed
    }

    /// What the store would keep of a step.
    fn keep(&mut self, step: &Step) {
        self.course.incidents += u64::from(step.opened);
        self.target = step.target.clone();
        let open = self.target.incident.clone();
        if let Some(incident) = &step.incident {
            self.incidents.retain(|it| it.id != incident.id);
            self.incidents.push(incident.clone());
        }
        if self.assumptions.telemetry == Telemetry::OnePhase {
            for incident in &mut self.incidents {
                if let Some(Mitigation::Watching(watch)) = incident.status.mitigation_mut() {
                    watch.deadline = None;
                }
            }
        }
        self.incidents.retain(|it| open.as_ref() == Some(&it.id) || it.next_due().is_some());
    }

    /// The command succeeds at once, and its phase is read back where the policy asks for that.
    fn run(&mut self, transition: &Transition, now: Timestamp) {
        let (epoch, id) = (self.target.epoch, transition.id);
        let about = self.target.incident.clone().or_else(|| transition.incident.clone());
        let started = Event::TransitionStarted { transition: id, attempt: 1 };
        self.apply(started, about.as_ref(), now);
        let verified = transition.request.reads_back.then(|| transition.to.to_string());
        let report = Report { verified, ..Report::default() };
        self.apply(Event::TransitionSucceeded { transition: id, report }, about.as_ref(), now);
        if self.target.epoch == epoch {
            return;
        }
        if transition.kind == TransitionKind::Rollback {
            self.course.rollbacks.push(RolledBack {
                from: transition.from.clone(),
                to: transition.to.clone(),
                at: now,
                reason: transition.reason.clone(),
            });
        }
        self.entered(now);
    }

    /// What happened since the last time.
    fn told(&mut self, templates: &Templates) -> Result<Vec<Consequence>, PlayError> {
        let played = self.kept.as_mut().map(std::mem::take).unwrap_or_default();
        let mut told = Vec::new();
        for played in played {
            let at = played.at;
            let happened = consequences(&self.rules, templates, played)?;
            told.extend(happened.into_iter().map(|what| Consequence { at, what }));
        }
        Ok(told)
    }
}

/// What a step does that people see, with the texts and pages that the reporter would make of it.
fn consequences(rules: &Rules, templates: &Templates, played: Played) -> Result<Vec<What>, PlayError> {
    let Played { at, verdict, before, step } = played;
    let mut found = Vec::new();
    let target = &step.target;
    if step.stale {
        found.push(What::Stale { phase: target.phase.clone(), epoch: target.epoch });
    }
    let open = before.target.incident.as_ref();
    if verdict == Some(Verdict::Violation) && !step.stale && !step.opened {
        let holds = |it: &Effect| matches!(it, Effect::Notify(notice) if notice.kind == NoticeKind::Hold);
        match open.filter(|_| !step.effects.iter().any(holds)) {
            Some(open) => found.push(What::Joined(open.clone())),
            None => found.push(What::Held),
        }
    }
    if step.opened {
        found.extend(target.incident.clone().map(What::Opened));
    }
    if let Stage::Waiting(waiting) = &target.stage
        && !matches!(&before.target.stage, Stage::Waiting(it) if it.why == waiting.why)
    {
        let (from, to) = (waiting.rollback.from.clone(), waiting.rollback.to.clone());
        found.push(What::Waits { from, to, why: waiting.detail.clone() });
    }
    for effect in &step.effects {
        if let Effect::Run(transition) = effect {
            found.push(What::Ran(Command::of(transition)));
        }
    }
    if target.incident.is_none() {
        found.extend(open.cloned().map(What::Recovered));
    }
    let lower_context = LowerContext { target: &rules.target, policy: &rules.policy, templates, now: at };
    let plan = lower(&lower_context, step, 0, Value::Null)?;
    for page in plan.messages.iter().filter(|it| it.kind == TriggerPage::KIND) {
        let page: TriggerPage = serde_json::from_value(page.payload.clone())?;
        found.push(What::Paged(page.into()));
    }
    let texts = plan.notifications.into_iter().filter(|it| it.channel != PAGER.name);
    found.extend(texts.map(|it| What::Told {
        kind: it.kind.to_string(),
        channel: it.channel,
        text: it.text,
    }));
    Ok(found)
}

#[cfg(test)]
#[path = "play_tests.rs"]
mod tests;
