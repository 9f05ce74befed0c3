//! The archive's lines, the stored batches and the decisions on them, held against each other (CO-3, SLO-10).

use std::collections::{BTreeMap, BTreeSet};

use domain::gate::batch_hash;
use shared_types::decision::Cause;
use shared_types::{Epoch, Timestamp, Window};

use super::facts::Facts;
use super::line::Line;
use super::{Finding, Item};

/// Item 1: each window of the time has its line, none torn, each equal to the batch that the analyzer holds.
pub(super) fn complete(facts: &Facts) -> Finding {
    let Some(lines) = &facts.lines else {
        return Finding::not_checked(
            Item::Jsonl,
            "logs/ of this target is not below the data directory given",
        );
    };
    let mut problems = Vec::new();
    let held: BTreeMap<Timestamp, &str> =
        facts.batches.iter().map(|it| (it.batch.window.start, it.batch_hash.as_str())).collect();
    for stored in &facts.batches {
        let window = stored.batch.window;
        match lines.get(&window.start) {
            None => problems.push(format!("{window}: no line")),
            Some(Line::Torn(why)) => problems.push(format!("{window}: torn: {why}")),
            Some(Line::Whole(batch)) if batch_hash(batch) != stored.batch_hash => {
                problems.push(format!("{window}: the line is not the batch that was judged"));
            }
            Some(Line::Whole(_)) => {}
        }
    }
    // The newest line may be on its way to the analyzer.
    let delivered = facts.batches.last().map(|it| it.batch.window.start);
    for (start, line) in lines.iter().filter(|(start, _)| !held.contains_key(*start)) {
        if delivered.is_none_or(|newest| *start < newest) {
            match line {
                Line::Torn(why) => problems.push(format!("{start}: torn: {why}")),
                // Before the start and after the end of a rollout batches are archived, and nobody judges them.
                Line::Whole(batch) if !batch.phase.is_gated() => {}
                Line::Whole(batch) => {
                    problems.push(format!("{}: the analyzer has no such batch", batch.window));
                }
            }
        }
    }
    let missing = missing(facts);
    problems.extend(missing.iter().map(|window| format!("{window}: no batch was ever made")));
    if facts.batches.is_empty() && problems.is_empty() {
        return Finding::not_checked(Item::Jsonl, "no window of this time was collected");
    }
    let whole = facts
        .batches
        .iter()
        .filter(|it| lines.get(&it.batch.window.start).is_some_and(|it| it.batch().is_some()));
    let figure = format!(
        "{} windows, {} whole lines, {} wrong",
        facts.batches.len() + missing.len(),
        whole.count(),
        problems.len()
    );
    Finding::of(Item::Jsonl, figure, problems)
}

/// Windows without a batch: those that were decided to be missing, and holes between the batches of an epoch.
fn missing(facts: &Facts) -> BTreeSet<Window> {
    let held: BTreeSet<Timestamp> = facts.batches.iter().map(|it| it.batch.window.start).collect();
    let silent = facts.decisions.iter().filter(|it| it.cause != Cause::Slo).map(|it| it.window);
    let mut missing: BTreeSet<Window> = silent.filter(|it| !held.contains(&it.start)).collect();
    let mut last: Option<(Epoch, Window)> = None;
    for batch in facts.batches.iter().map(|it| &it.batch) {
        if let Some((epoch, before)) = last
            && epoch == batch.epoch
            && before.end < batch.window.start
        {
            let hole = Window { start: before.end, end: batch.window.start };
            if !missing.iter().any(|it| it.start < hole.end && hole.start < it.end) {
                missing.insert(hole);
            }
        }
        last = Some((batch.epoch, batch.window));
    }
    missing
}

/// Item 2: made again from what is stored, every decision comes out the same.
pub(super) fn recomputed(facts: &Facts) -> Finding {
    let mut problems = Vec::new();
    for decision in &facts.decisions {
        let id = decision.decision_id;
        let differences = facts.explanations.get(&id).map(|it| &it.recomputed.differences);
        for difference in differences.into_iter().flatten().take(1) {
            let why = match &difference.why {
                Some(why) => why.clone(),
                None => format!("stored {}, recomputed {}", difference.stored, difference.recomputed),
            };
            problems.push(format!("{} {id}: {}: {why}", decision.window, difference.field));
        }
    }
    if facts.decisions.is_empty() {
        return Finding::not_checked(Item::Recompute, "no decision was made on this time");
    }
    let same = facts.explanations.values().filter(|it| it.recomputed.same).count();
    let figure = format!("{same} of {} decisions come out the same", facts.decisions.len());
    Finding::of(Item::Recompute, figure, problems)
}

/// Item 4: the events that a mean over time counts, of all the batches of the time.
pub(super) fn drift(facts: &Facts) -> Finding {
    let Some(policy) = &facts.policy else {
        return Finding::not_checked(
            Item::Drift,
            "the policy that names the drift event cannot be read here",
        );
    };
    if facts.batches.is_empty() {
        return Finding::not_checked(Item::Drift, "no window of this time was collected");
    }
    let looking_back = policy.metrics.iter().filter(|metric| metric.kind.look_back().is_some());
    let events: Vec<String> =
        looking_back.flat_map(|metric| metric.kind.needs()).map(|event| event.name).collect();
    let (mut problems, mut total) = (Vec::new(), 0_u64);
    let mut names = Vec::new();
    for event in &events {
        names.push(event.as_str());
        for stored in &facts.batches {
            let seen = stored.batch.counters.get(event).copied().unwrap_or(0);
            total = total.saturating_add(seen);
            if seen > 0 {
                problems.push(format!("{}: {event} {seen}", stored.batch.window));
            }
        }
    }
    let figure = format!("{} = {total} in {} windows", names.join(" + "), facts.batches.len());
    Finding::of(Item::Drift, figure, problems)
}
