//! What follows from windows that are weighed together, counted anew from the figures of each decision (JU-3, JU-4, JU-8, JU-9,
//! JU-12).

use std::collections::BTreeMap;

use domain::gate::recompute::{decide_again, differences, history_before};
use serde_json::Value;
use shared_types::decision::{
    Cause, ControlFinding, GateProgress, MetricVerdict, RunBefore, ViolationAction, Weighed,
};
use shared_types::story::HopKind;
use shared_types::{Batch, Decision, Epoch, Timestamp, Verdict};

use super::Findings;
use super::approvals::changed_to;
use super::holds::by_hand;
use crate::facts::Facts;

/// Odds of a whole stay that a recovery watch does not take for chance (JU-11).
const CHANCE: f64 = 0.05;

/// SLO-10, JU-12: from its batch, those before it, its policy and the run that it names.
pub(super) fn decisions_are_recomputed(facts: &Facts) -> Findings {
    let batches: BTreeMap<Timestamp, &Batch> =
        facts.collected.iter().map(|it| (it.batch.window.start, &it.batch)).collect();
    let judged = facts.decided.iter().filter(|it| it.cause == Cause::Slo);
    let known: Vec<(&Decision, &Batch)> =
        judged.filter_map(|it| Some((it, *batches.get(&it.window.start)?))).collect();
    let mut found = Vec::new();
    for decision in &facts.decided {
        let policy = facts.versions.iter().find(|it| it.version == decision.policy_version);
        let Some(policy) = policy else {
            found.push(format!("{} was judged by no policy there is", decision.window));
            continue;
        };
        let batch = batches.get(&decision.window.start).copied().filter(|_| decision.cause == Cause::Slo);
        let history = history_before(decision, known.iter().copied());
        match decide_again(decision, batch, &history, policy) {
            Ok(again) => {
                let fields: Vec<String> =
                    differences(decision, &again).into_iter().map(|it| it.field).collect();
                if !fields.is_empty() {
                    found.push(format!("{} comes out with another {}", decision.window, fields.join(", ")));
                }
            }
            Err(why) => found.push(format!("{}: {why}", decision.window)),
        }
    }
    found
}

/// A metric is violated if its figures are proof, and only then; a rollback starts by itself where such a metric asks for
/// it, or where a watch has put such windows together, and nowhere else.
pub(super) fn proof_rolls_back(facts: &Facts) -> Findings {
    if !facts.policy.gate.judge.weighs() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for decision in facts.decided.iter().filter(|it| it.cause == Cause::Slo) {
        for metric in &decision.metrics {
            let violated = metric.verdict == Verdict::Violation;
            if violated && !is_proven(metric) {
                found.push(format!("{} of {} is no proof", metric.metric, decision.window));
            }
            if !violated && is_told_at_once(metric, decision, facts.policy.gate.min_samples) {
                found.push(format!("{} of {} is {:?}", metric.metric, decision.window, metric.verdict));
            }
        }
        let asks = decision.metrics.iter().any(asks_rollback);
        if decision.rollback_required != asks {
            found.push(format!("{} asks for a rollback: {}", decision.window, decision.rollback_required));
        }
    }
    found.extend(unfounded_rollbacks(facts));
    found
}

fn asks_rollback(metric: &MetricVerdict) -> bool {
    metric.verdict == Verdict::Violation && metric.on_violation == ViolationAction::Rollback
}

fn finding(weighed: &Weighed) -> Option<ControlFinding> {
    weighed.control.as_ref().and_then(|control| control.finding)
}

fn reaches(evidence: Option<f64>, needed: f64) -> bool {
    evidence.is_some_and(|evidence| evidence >= needed)
}

/// Against the limit, or beside the control group; of what has no attempts the value alone.
fn is_proven(metric: &MetricVerdict) -> bool {
    let Some(weighed) = &metric.weighed else { return metric.ratio.is_none_or(|ratio| ratio > 1.0) };
    match finding(weighed) {
        Some(ControlFinding::Outside) => false,
        Some(ControlFinding::Regression) => {
            reaches(weighed.control.as_ref().and_then(|control| control.evidence), weighed.needed)
        }
        Some(ControlFinding::Surroundings) | None => reaches(weighed.evidence, weighed.needed),
    }
}

/// A window that holds enough by itself is over the limit, and the evidence is there: no other verdict is possible, if it was
/// judged in its turn.
fn is_told_at_once(metric: &MetricVerdict, decision: &Decision, min_samples: u64) -> bool {
    let Some(weighed) = &metric.weighed else { return false };
    let through = run_before(decision).and_then(|before| before.through);
    let in_turn = through.is_none_or(|newest| newest.start <= decision.window.start);
    let excused = weighed.left_out.is_some() || finding(weighed) == Some(ControlFinding::Outside);
    let over = weighed.bad as f64 > weighed.allowed * weighed.attempts as f64;
    in_turn
        && !excused
        && over
        && weighed.attempts >= min_samples
        && reaches(weighed.evidence, weighed.needed)
}

/// Rollbacks that nobody asked for and no figures do.
fn unfounded_rollbacks(facts: &Facts) -> Findings {
    let by_hand = by_hand(facts);
    let asked = |epoch: Epoch| {
        // What waited for a person to go on from a restored store is of a stay that is lost.
        let of = |asked: Epoch| asked == epoch || facts.is_lost(asked);
        let received = facts.received.iter().filter(|it| !it.stale && of(it.decision.epoch));
        received.map(|it| &it.decision).any(|it| it.rollback_required || is_beyond_chance(it))
    };
    let commands = facts.effects.iter().map(|(_, it)| it).filter(|it| it.kind == "RunTransition");
    let rollbacks = commands.filter(|it| it.payload["kind"] == "rollback");
    let by_itself =
        rollbacks.filter(|it| it.payload["transition"].as_str().is_none_or(|id| !by_hand.contains(id)));
    let unfounded = by_itself.filter(|it| !it.payload["epoch"].as_u64().is_some_and(asked));
    unfounded.map(|it| format!("epoch {} is rolled back without proof", it.payload["epoch"])).collect()
}

/// As a recovery watch puts its windows together.
fn is_beyond_chance(decision: &Decision) -> bool {
    let stay = decision.gate.iter().flat_map(|gate| &gate.stay_over);
    stay.filter_map(|it| it.luck).any(|luck| luck < CHANCE)
}

fn run_before(decision: &Decision) -> Option<&RunBefore> {
    decision.evidence.as_ref()?.run.as_ref()
}

/// Whether the run stands as it stood before the decision: no longer, no shorter, and not broken but by a hole before the window.
fn stands(decision: &Decision, gate: &GateProgress) -> bool {
    let fresh = RunBefore::default();
    let before = run_before(decision).unwrap_or(&fresh);
    if gate.broken_by == before.broken_by {
        return gate.compliant_ms == before.compliant_ms
            && gate.compliant_batches <= before.compliant_batches;
    }
    let by_a_hole = |it: &shared_types::decision::BrokenBy| {
        it.cause == Cause::CollectionDelayed && it.window.end <= decision.window.start
    };
    gate.broken_by.as_ref().is_some_and(by_a_hole) && gate.compliant_ms == 0
}

/// An `unsure` window, a held one too, leaves the run as it was; a move up is not asked for while the newest window is one, nor
/// while the whole stay is over a limit or proof is old.
pub(super) fn doubt_is_passed_over(facts: &Facts) -> Findings {
    if !facts.policy.gate.judge.weighs() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for decision in facts.decided.iter().filter(|it| it.cause == Cause::Slo && it.verdict == Verdict::Unsure)
    {
        let moved = decision.gate.as_ref().is_some_and(|gate| !stands(decision, gate));
        if moved || decision.rollback_required {
            found.push(format!(
                "{} is unsure, and the run goes on from it as {:?}",
                decision.window, decision.gate
            ));
        }
    }
    let received: BTreeMap<String, &Decision> = facts
        .received
        .iter()
        .filter(|it| !it.stale)
        .map(|it| (it.decision.decision_id.to_string(), &it.decision))
        .collect();
    let mut latest: Option<&Decision> = None;
    for row in &facts.audit {
        let subject = row.subject.as_deref().filter(|_| row.action == "decision.received");
        if let Some(decision) = subject.and_then(|id| received.get(id))
            && latest.is_none_or(|latest| latest.window.end <= decision.window.end)
        {
            latest = Some(decision);
        }
        if row.action == "rollout.promote"
            && let Some(why) = latest.and_then(in_the_way)
        {
            found.push(format!("row {} moves up, {why}", row.seq));
        }
        if changed_to(row, "epoch").and_then(Value::as_u64).is_some() {
            latest = None;
        }
    }
    found
}

fn in_the_way(latest: &Decision) -> Option<String> {
    let gate = latest.gate.as_ref()?;
    if latest.verdict == Verdict::Unsure {
        return Some(format!("and {} is unsure", latest.window));
    }
    let over =
        gate.stay_over.first().map(|it| format!("and {} of the whole stay is over its limit", it.metric));
    over.or_else(|| gate.stale.map(|it| format!("and proof is older than {}", it.since)))
}

/// Missing windows in a row are counted anew: so many as are tolerated pass and are told by one text, one more breaks the run
/// and pages, and nothing is rolled back for them.
pub(super) fn gaps_are_tolerated(facts: &Facts) -> Findings {
    if !facts.policy.gate.judge.weighs() {
        return Vec::new();
    }
    let tolerated = facts.policy.gate.gaps.tolerated;
    let mut found = Vec::new();
    let mut by_epoch: BTreeMap<Epoch, (Option<Timestamp>, u64)> = BTreeMap::new();
    for decision in &facts.decided {
        let Some(gate) = &decision.gate else { continue };
        let (newest, missing) = by_epoch.entry(decision.epoch).or_default();
        let start = decision.window.start;
        let told = |what: &str| format!("{}, missing after {missing} others, {what}", decision.window);
        if decision.cause == Cause::CollectionDelayed {
            let before = run_before(decision).map_or(0, |before| before.gaps);
            let passes = decision.verdict == Verdict::Insufficient && decision.action.is_none();
            let pages =
                decision.verdict == Verdict::Violation && decision.action == Some(ViolationAction::Page);
            if before < *missing {
                found.push(told(&format!("is said to come after {before}")));
            }
            if before < tolerated && !(passes && stands(decision, gate)) {
                found.push(told("does not pass"));
            }
            if before >= tolerated && !pages {
                found.push(told("pages nobody"));
            }
            if decision.rollback_required {
                found.push(told("asks for a rollback"));
            }
        }
        if newest.is_none_or(|newest| newest <= start) {
            let further = u64::from(*newest != Some(start));
            *missing = if decision.cause == Cause::Slo { 0 } else { *missing + further };
            *newest = Some(start);
        }
    }
    found.extend(gaps_are_told(facts));
    found
}

/// By one text a gap; what passes opens no incident.
fn gaps_are_told(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let passed: Vec<&Decision> = facts
        .received
        .iter()
        .filter(|it| !it.stale)
        .map(|it| &it.decision)
        .filter(|it| it.cause == Cause::CollectionDelayed && it.verdict == Verdict::Insufficient)
        .collect();
    for (incident, timeline) in &facts.incidents {
        let opened = timeline.iter().any(|it| it.hop.is(HopKind::IncidentOpened));
        let by = &incident.subject;
        if opened && passed.iter().any(|it| it.decision_id == by.decision_id) {
            found.push(format!("{} was opened by the gap of {}", incident.id, by.window));
        }
    }
    let turns_stale = |it: &Decision| {
        let stale = it.gate.as_ref().and_then(|gate| gate.stale);
        stale.is_some_and(|it| it.windows == facts.policy.gate.gaps.tolerated + 1)
    };
    let begins = |it: &&&Decision| run_before(it).is_none_or(|before| before.gaps == 0) && !turns_stale(it);
    let (gaps, texts) = (
        passed.iter().filter(begins).count(),
        facts.notifications.iter().filter(|it| it.kind == "gap").count(),
    );
    if gaps != texts {
        found.push(format!("{gaps} gaps were told by {texts} texts"));
    }
    found
}
