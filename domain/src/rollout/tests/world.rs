//! A target under a hand-moved clock: applies events, keeps incidents, collects effects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::kinds::Chosen;
use crate::policy::*;
use crate::sources::http::Http;
use shared_types::decision::{Cause, Direction, GateProgress, MetricVerdict, ViolationAction};
use shared_types::rollout::{HoldReason, TransitionKind};
use shared_types::standing::Severity;
use shared_types::{Decision, Epoch, IncidentId, PhaseId, TargetName, Timestamp, Verdict, Window};
use uuid::Uuid;

use crate::executors::Report;
use crate::executors::command::exited;
use crate::rollout::event::Expected;
use crate::rollout::stands::stands;
use crate::rollout::storm::Storm;
use crate::rollout::verdict::known;
use crate::rollout::{
    Aggregate, Context, Effect, Event, Finding, ITSELF, Incident, IncidentStatus, Mitigation, NewestRollback,
    Notice, NoticeKind, Rejection, Stage, Step, TargetState, Terms, Transition, apply,
};

pub(crate) fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub(crate) fn phase(id: &str) -> PhaseId {
    PhaseId::parse(id).unwrap()
}

/// The shipped policy, as far as the machines look at it, without approvals.
pub(crate) fn policy() -> TargetPolicy {
    let mut policy = crate::gate::fixture::policy();
    policy.collection.source = Chosen(Arc::new(Http));
    policy.metrics.clear();
    for phase in &mut policy.phases {
        phase.name = phase.id.to_string();
        phase.thresholds =
            BTreeMap::from([("save_latency_p95".to_owned(), 2.5), ("error_rate".to_owned(), 1.0)]);
        phase.advance.approvals.clear();
    }
    policy.notifications.daily_report = None;
    policy.evidence.clear();
    policy
}

/// An analysis that is complete.
pub(crate) fn submission(by: &str) -> Event {
    let (cause, prevention) = ("the lock".to_owned(), "shard it".to_owned());
    Event::RcaSubmitted { by: by.to_owned(), finding: Finding { cause, prevention, link: None } }
}

fn is_rollback(it: &Transition) -> bool {
    it.kind == TransitionKind::Rollback
}

pub(crate) struct World {
    pub(crate) policy: TargetPolicy,
    pub(crate) policy_version: String,
    pub(crate) now: Timestamp,
    pub(crate) target: TargetState,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) hops: Vec<String>,
    pub(crate) storm: Option<Storm>,
    ids: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            policy: policy(),
            policy_version: "sha256:0".to_owned(),
            now: Timestamp::parse("2026-11-22T10:00:00Z").unwrap(),
            target: TargetState::new(TargetName::parse("autosave").unwrap()),
            incidents: BTreeMap::new(),
            effects: Vec::new(),
            hops: Vec::new(),
            storm: None,
            ids: 0,
        }
    }

    /// A world whose rollout runs in that phase, nothing else having happened.
    pub(crate) fn in_phase(id: &str) -> Self {
        let mut world = Self::new();
        world.apply(Event::Start { by: "ana".into(), obstacles: Vec::new() }).unwrap();
        world.finish_command();
        while world.target.phase != phase(id) {
            world.ripen();
            world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
            world.finish_command();
        }
        world.effects.clear();
        world.hops.clear();
        world
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    pub(crate) fn apply(&mut self, event: Event) -> Result<Step, Rejection> {
        let incident = self.target.incident.clone();
        self.apply_to(incident, event)
    }

    pub(crate) fn apply_to(&mut self, incident: Option<IncidentId>, event: Event) -> Result<Step, Rejection> {
        self.ids += 1;
        let day = self.now.to_jiff().strftime("%Y%m%d").to_string();
        let context = Context {
            now: self.now,
            policy: &self.policy,
            policy_version: &self.policy_version,
            new_incident: IncidentId::parse(&format!("INC-{day}-{:03}", self.incidents.len() + 1)).unwrap(),
            new_transition: Uuid::from_u128(u128::from(self.ids)),
            storm: self.storm.clone(),
        };
        let before = Aggregate {
            target: self.target.clone(),
            incident: incident.and_then(|id| self.incidents.get(&id).cloned()),
        };
        let step = apply(&before, event.clone(), &context)?;
        assert_eq!(apply(&before, event, &context).as_ref(), Ok(&step), "applying twice differs");
        let by_itself = |it: &Effect| matches!(it, Effect::Run(it) if it.initiator == ITSELF);
        let frozen = before.target.frozen.is_some() && step.target.frozen.is_some();
        assert!(
            !frozen || !step.effects.iter().any(by_itself),
            "something starts by itself in a frozen target"
        );
        self.target = step.target.clone();
        if let Some(incident) = &step.incident {
            self.incidents.insert(incident.id.clone(), incident.clone());
        }
        self.effects.extend(step.effects.clone());
        self.hops.extend(step.timeline.iter().map(|it| it.hop.kind().to_owned()));
        self.invariants();
        Ok(step)
    }

    /// What a required rollback waits for, if one does.
    pub(crate) fn waits_for(&self) -> Option<HoldReason> {
        self.target.waiting().map(|it| it.why)
    }

    /// Whatever failed, drifted, is not measured or says nothing is never said to be fine.
    fn nothing_wrong_is_fine(&self) {
        let it = &self.target;
        let gated = it.phase.is_gated();
        let unmeasured =
            gated && it.stage == Stage::Idle && !it.directive.as_ref().is_some_and(|it| it.collect);
        let says_nothing =
            gated && it.latest.as_ref().is_some_and(|it| !matches!(it.verdict, Verdict::Ok | Verdict::Warn));
        let failed = matches!(it.stage, Stage::RollbackFailed(_) | Stage::Waiting(_));
        let wrong = it.behind.is_some()
            || failed
            || unmeasured
            || says_nothing
            || it.incident.is_some()
            || !it.served.is_as_recorded();
        let silent = self.now.minus(minutes(1));
        let shown = stands(it, &self.terms(), None).now;
        assert!(!wrong || shown.severity() < Severity::Ok, "{shown:?}: {it:?}");
        let overdue = stands(it, &self.terms(), Some(silent).filter(|_| gated)).now;
        assert!(!gated || overdue.severity() < Severity::Ok, "{overdue:?}");
        let others_go_on = known(it, &self.terms(), None).is_ok_and(|it| it.verdict.is_compliant());
        let stopped = wrong || it.frozen.is_some() || it.stage.transition().is_some_and(is_rollback);
        assert!(!stopped || !others_go_on, "others are told that it is well: {it:?}");
    }

    /// What must hold after every step, whatever happened.
    fn invariants(&self) {
        let open =
            self.incidents.values().filter(|it| it.state() == shared_types::incident::IncidentState::Open);
        let open: Vec<_> = open.map(|it| &it.id).collect();
        assert!(open.len() <= 1, "DE-4: more than one open incident: {open:?}");
        assert_eq!(self.target.incident.as_ref(), open.first().copied());
        let mitigation = self.target.incident.as_ref().map(|id| &self.incidents[id].status);
        if matches!(mitigation, Some(IncidentStatus::Open(Mitigation::RollingBack))) {
            let kept = !matches!(self.target.stage, Stage::Idle | Stage::Promoting(_));
            assert!(kept, "DE-5: a required rollback is lost: {:?}", self.target.stage);
        }
        if self.target.incident.is_some() {
            assert!(self.target.rollback_active(), "DA-3: open incident without banner");
        }
        let under_way = self.target.stage.transition().filter(|it| it.incident == self.target.incident);
        if let (Some(id), Some(it)) = (&self.target.incident, under_way.filter(|it| is_rollback(it))) {
            assert_eq!(self.incidents[id].rollback, Some(NewestRollback::asked(it)), "DE-4: of {id}");
        }
        if let Some(told) = &self.target.directive {
            let stay = (&self.target.phase, self.target.epoch);
            assert_eq!((&told.phase, told.epoch), stay, "CO-6: the collector counts for another stay");
        }
        self.nothing_wrong_is_fine();
        for incident in self.incidents.values() {
            assert_eq!(
                incident.recovered_at.is_some(),
                incident.state() != shared_types::incident::IncidentState::Open
            );
        }
    }

    /// Moves on by one window and has it judged.
    pub(crate) fn judged(&mut self, verdict: Verdict, action: Option<ViolationAction>) -> Step {
        let cadence = minutes(self.cadence_minutes());
        self.advance(cadence);
        let decision = self.decision(verdict, action);
        self.apply(Event::Decided(Box::new(decision))).unwrap()
    }

    fn cadence_minutes(&self) -> u64 {
        let watched = self.target.directive.as_ref().and_then(|it| it.until).is_some_and(|it| self.now < it);
        if watched { 5 } else { 15 }
    }

    /// A decision of the current epoch about the window that ends now.
    pub(crate) fn decision(&self, verdict: Verdict, action: Option<ViolationAction>) -> Decision {
        let window = Window { start: self.now.minus(minutes(self.cadence_minutes())), end: self.now };
        let violated =
            if verdict == Verdict::Violation { vec!["save_latency_p95".to_owned()] } else { vec![] };
        Decision {
            schema: shared_types::decision::SCHEMA.to_owned(),
            decision_id: Uuid::from_u128(self.now.as_millis().unsigned_abs().into()),
            target: self.target.target.clone(),
            phase: self.target.phase.clone(),
            epoch: self.target.epoch,
            window,
            verdict,
            rollback_required: action == Some(ViolationAction::Rollback),
            action,
            cause: Cause::Slo,
            metrics: vec![MetricVerdict {
                metric: "save_latency_p95".to_owned(),
                observed: Some(2.81),
                between: None,
                threshold: 2.5,
                unit: "s".to_owned(),
                ratio: Some(1.124),
                verdict,
                on_violation: ViolationAction::Rollback,
                direction: Direction::AtMost,
                reason: None,
                weighed: None,
            }],
            violated,
            policy_version: "sha256:0".to_owned(),
            decided_at: self.now,
            uncounted: None,
            vanished: vec![],
            gate: Some(gate(self.target.epoch, false)),
            evidence: None,
        }
    }

    pub(crate) fn violation(&mut self) -> Step {
        self.judged(Verdict::Violation, Some(ViolationAction::Rollback))
    }

    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms { policy: &self.policy, policy_version: &self.policy_version, now: self.now }
    }

    pub(crate) fn freeze(&mut self) -> Step {
        self.apply(Event::Freeze { by: "fay".into(), reason: "flags answer wrongly".into() }).unwrap()
    }

    pub(crate) fn unfreeze(&mut self) -> Step {
        self.apply(Event::Unfreeze { by: "gus".into(), reason: None }).unwrap()
    }

    pub(crate) fn approve(&mut self, by: &str, role: &str) -> Result<Step, Rejection> {
        self.approve_expecting(by, role, Expected::default())
    }

    pub(crate) fn approve_expecting(
        &mut self,
        by: &str,
        role: &str,
        expected: Expected,
    ) -> Result<Step, Rejection> {
        self.apply(Event::Approve { by: by.into(), role: role.into(), comment: None, expected })
    }

    /// The newest decision satisfies the gate.
    pub(crate) fn ripen(&mut self) {
        self.advance(minutes(15));
        let mut decision = self.decision(Verdict::Ok, None);
        decision.gate = Some(gate(self.target.epoch, true));
        self.apply(Event::Decided(Box::new(decision))).unwrap();
    }

    /// The transition that runs or would run next.
    pub(crate) fn running(&self) -> Transition {
        match &self.target.stage {
            Stage::Superseded { promotion, .. } => promotion.clone(),
            stage => stage.transition().cloned().expect("a transition is under way"),
        }
    }

    pub(crate) fn start_command(&mut self) {
        let it = self.running();
        let event = Event::TransitionStarted { transition: it.id, attempt: it.attempts + 1 };
        self.apply(event).unwrap();
    }

    pub(crate) fn succeed_command(&mut self) -> Step {
        let report = Report { detail: "done".into(), duration_ms: 12, ..exited(0) };
        self.apply(Event::TransitionSucceeded { transition: self.running().id, report }).unwrap()
    }

    pub(crate) fn finish_command(&mut self) {
        self.start_command();
        self.succeed_command();
    }

    /// The command under way ends well, with nobody's incident open but this one in view.
    pub(crate) fn finish_command_of(&mut self, incident: &IncidentId) {
        let it = self.running();
        let started = Event::TransitionStarted { transition: it.id, attempt: it.attempts + 1 };
        self.apply_to(Some(incident.clone()), started).unwrap();
        let report = Report { detail: "done".into(), duration_ms: 12, ..exited(0) };
        let succeeded = Event::TransitionSucceeded { transition: it.id, report };
        self.apply_to(Some(incident.clone()), succeeded).unwrap();
    }

    pub(crate) fn fail_command(&mut self) -> Step {
        self.start_command();
        self.apply(Event::TransitionFailed { transition: self.running().id, reason: "exit 1".into() })
            .unwrap()
    }

    /// The newest incident's newest rollback, as it stands.
    pub(crate) fn rollback(&self) -> Option<&Transition> {
        self.incident().rollback_of(&self.target)
    }

    pub(crate) fn incident(&self) -> &Incident {
        self.incidents.values().next_back().expect("an incident")
    }

    pub(crate) fn notices(&self, wanted: fn(&NoticeKind) -> bool) -> Vec<Notice> {
        let notice =
            |effect: &'_ Effect| if let Effect::Notify(it) = effect { Some(it.clone()) } else { None };
        self.effects.iter().filter_map(notice).filter(|it| wanted(&it.kind)).collect()
    }

    pub(crate) fn incident_texts(&self) -> usize {
        self.notices(|kind| matches!(kind, NoticeKind::Incident)).len()
    }

    pub(crate) fn runs(&self) -> Vec<(PhaseId, PhaseId)> {
        let run = |effect: &Effect| match effect {
            Effect::Run(it) => Some((it.from.clone(), it.to.clone())),
            _ => None,
        };
        self.effects.iter().filter_map(run).collect()
    }

    pub(crate) fn pages(&self) -> Vec<&str> {
        let mut pages = Vec::new();
        for effect in &self.effects {
            if let Effect::Page { priority, .. } = effect {
                pages.push(priority.as_str());
            }
        }
        pages
    }
}

pub(crate) fn gate(epoch: Epoch, satisfied: bool) -> GateProgress {
    GateProgress {
        epoch,
        compliant_batches: if satisfied { 8 } else { 3 },
        compliant_ms: 0,
        needed_batches: Some(8),
        needed_ms: None,
        satisfied,
        broken_by: None,
        through: None,
        stay_over: vec![],
        stale: None,
        vanished: vec![],
    }
}
