//! How an incident opens.

use std::time::Duration;

use shared_types::decision::{Cause, ViolationAction};
use shared_types::story::Hop;
use shared_types::{Decision, Verdict, Window};
use uuid::Uuid;

use super::effect::{Effect, NoticeKind};
use super::escalation::note_sent;
use super::evidence::Evidence;
use super::state::{Banner, Drift, Incident, IncidentStatus, Mitigation, OfStorm, Rca};
use super::step::{Context, Step};
use crate::effects::Severity;
use crate::gate::metric::builtin::CollectorLatency;
use crate::policy::TargetPolicy;
use crate::template::values::worst_metric;

/// Whether a person is paged about what is not the feature's doing: nobody sees, nobody can be sure, or the guard itself is slow
/// (JU-17, CO-10). By `judge: window` what is violated is the feature's.
pub(super) fn is_notice(decision: &Decision, policy: &TargetPolicy) -> bool {
    let is_own = |name: &String| {
        let metric = policy.metrics.iter().find(|metric| metric.name == *name);
        metric.is_some_and(|metric| metric.kind.of_kind::<CollectorLatency>().is_some())
    };
    let pages = |name: &&String| {
        let metric = decision.metrics.iter().find(|metric| metric.metric == **name);
        metric.is_none_or(|metric| metric.on_violation >= ViolationAction::Page)
    };
    let mut paging = decision.violated.iter().filter(pages);
    let is_guards = Drift::is_subject(decision)
        || if policy.gate.judge.weighs() { paging.all(is_own) } else { decision.violated.is_empty() };
    is_guards && decision.action == Some(ViolationAction::Page) && decision.cause != Cause::RetryExhausted
}

/// Something is violated, or moves, while a notice is open: from now on it is an incident as any.
pub(super) fn make_incident(step: &mut Step, subject: Option<Box<Decision>>, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut().filter(|it| it.notice) else { return };
    incident.notice = false;
    if let Some(subject) = subject {
        incident.metric = worst_metric(&subject);
        incident.subject = subject;
    }
    incident.rca = Rca::asked(context.now, context.policy.rca.due);
    step.target.alerts += 1;
    step.to_explain = true;
}

/// Opens an incident and binds the target to it.
pub(super) fn open(step: &mut Step, subject: Box<Decision>, mitigation: Mitigation, context: &Context<'_>) {
    let paging = &context.policy.paging;
    let notice = is_notice(&subject, context.policy);
    // Who sees nothing cannot wait (JU-8).
    let blind = notice && subject.cause == Cause::CollectionDelayed;
    let priority = if blind { &paging.escalate_to } else { &paging.priority };
    let target = &mut step.target;
    // NO-9: whose page it shares in a storm.
    let begun_by = context.storm.as_ref().and_then(|it| it.begun_by.as_ref());
    let leader = begun_by.map_or(&context.new_incident, |it| &it.incident).clone();
    let own_key = || Incident::new_key(&target.target, &context.new_incident, context.now);
    let incident = Incident {
        id: context.new_incident.clone(),
        page_key: Some(begun_by.map_or_else(own_key, |it| it.page_key.clone())),
        storm: context.storm.is_some().then(|| OfStorm { begun_by: leader.clone(), told: Vec::new() }),
        target: target.target.clone(),
        phase: target.phase.clone(),
        epoch: target.epoch,
        status: IncidentStatus::Open(mitigation),
        notice,
        unproven: false,
        metric: worst_metric(&subject),
        window: subject.window,
        subject,
        priority: priority.clone(),
        opened_at: context.now,
        acknowledged: None,
        acknowledge_by: context.now.plus(paging.acknowledge_within),
        escalate_at: Some(context.now.plus(paging.escalate_after)),
        escalated_at: None,
        recovered_at: None,
        closed_at: None,
        rollback: None,
        rollbacks: 0,
        rca: Rca::asked(context.now, context.policy.rca.due),
        review: None,
        runbook: None,
        evidence: Evidence::default(),
    };
    target.incident = Some(incident.id.clone());
    target.taken_on = None;
    target.unproven = None;
    target.alerts += u64::from(!notice);
    target.banner = Banner::On;
    step.opened = true;
    step.storm = context.storm.clone();
    step.to_explain = !notice;
    step.incident = Some(incident);
    if let Some(storm) = &context.storm {
        step.hop(context.now, Hop::StormJoined { begun_by: leader, before: storm.before as u64 });
    }
}

/// What an incident without a decision is about: what happened, what follows from that, and the newest figures. `window`: the time
/// it is about where no window was judged yet.
pub(super) fn undecided(
    step: &Step,
    (what, action): (&str, ViolationAction),
    window: Window,
    context: &Context<'_>,
) -> Box<Decision> {
    let latest = step.target.latest.as_ref();
    Box::new(Decision {
        schema: shared_types::decision::SCHEMA.to_owned(),
        decision_id: Uuid::nil(),
        target: step.target.target.clone(),
        phase: step.target.phase.clone(),
        epoch: step.target.epoch,
        window: latest.map_or(window, |it| it.window),
        verdict: Verdict::Violation,
        rollback_required: action == ViolationAction::Rollback,
        action: Some(action),
        cause: Cause::Slo,
        metrics: latest.map(|it| it.metrics.clone()).unwrap_or_default(),
        violated: vec![what.to_owned()],
        policy_version: String::new(),
        decided_at: context.now,
        uncounted: None,
        vanished: vec![],
        gate: None,
        evidence: None,
    })
}

/// ES-1: pages about the open incident.
pub(super) fn raise_page(step: &mut Step, kind: NoticeKind, context: &Context<'_>) {
    let Some(incident) = step.open_incident() else { return };
    let priority = incident.priority.clone();
    let notice = incident.notice(kind, None);
    step.then(Effect::Page { notice, severity: Severity::Error, priority });
    note_sent(step, context);
}

/// ES-3: the pager is asked once whether somebody has acknowledged, before it escalates.
pub(super) fn ask_before_escalation(step: &mut Step, context: &Context<'_>) {
    let escalate_after = context.policy.paging.escalate_after;
    let margin = (escalate_after / 10).min(Duration::from_secs(30));
    let Some(incident) = step.incident.as_ref() else { return };
    let (incident, at) = (incident.id.clone(), incident.opened_at.plus(escalate_after).minus(margin));
    step.then(Effect::CheckPage { incident, at });
}
