//! Whether a window, as it was seen, can be held against the limits. Pure.

use std::collections::BTreeMap;

use collector_svc::look::ReadThrough;
use domain::gate::metric::Observation;
use domain::gate::{CheckedBatch, observe_batch};

use domain::policy::{GatePolicy, JudgeBy, MetricPolicy, PhasePolicy, TargetPolicy};
use domain::story::figures::{format_share, format_value};
use events::{EventSpecs, in_variant};
use shared_types::Batch;
use shared_types::decision::Between;

use super::origin::{Origin, made_of, origin};
use super::pushes::Pushes;
use super::report::{Ingredient, MetricReport, Resolution, Standing, UnknownName};
use super::text::{counted, size};
use crate::doctor::Problem;

/// Each metric of the policy, in its order.
pub(super) fn metrics(policy: &TargetPolicy, batch: Batch) -> anyhow::Result<Vec<MetricReport>> {
    let batch = CheckedBatch::check_whoever_counted(batch, policy)?;
    let Some(phase) = batch.phase_policy(policy) else { return Ok(Vec::new()) };
    let observed = observe_batch(&batch, &[], policy, phase).metrics;
    let each = std::iter::zip(policy.metrics.iter(), observed);
    let mut reports: Vec<MetricReport> =
        each.map(|(metric, observed)| judged(policy, metric, &observed.observation, batch.batch())).collect();
    for phase in &policy.phases {
        let observed = observe_batch(&batch, &[], policy, phase).metrics;
        for (report, observed) in reports.iter_mut().zip(observed) {
            let open = observed.attempts.map_or(0, |it| it.exposed.unresolved);
            if let Some(limit) = phase.thresholds.get(&report.metric).filter(|_| open > 0) {
                report.problems.push(between_bounds(phase, *limit, report.unit, open));
                let is_open = |it: Between| it.lower < *limit && it.upper.is_none_or(|upper| *limit < upper);
                if report.standing == Standing::Judged && report.between.is_some_and(is_open) {
                    report.standing = Standing::Unresolved;
                }
            }
        }
    }
    Ok(reports)
}

/// JU-1: a limit that is no bound of the buckets.
fn between_bounds(phase: &PhasePolicy, limit: f64, unit: &str, open: u64) -> Problem {
    let limit = format_value(Some(limit), unit);
    Problem::warning(
        format!("{} may lie on either side of the limit {limit} of {}", counted(open, "duration"), phase.id),
        "a bucket with a bound at the limit, or a limit that is a bound: no verdict is given where the figure itself lies between (`resolution`)",
    )
}

fn judged(
    policy: &TargetPolicy,
    metric: &MetricPolicy,
    observed: &Observation,
    batch: &Batch,
) -> MetricReport {
    let made_of = ingredients(policy, metric, batch);
    let by_collector = made_of.iter().all(|it| it.from == Origin::Collector);
    let attempts = observed.samples;
    let (standing, mut problems) = stands(policy, &made_of, attempts);
    problems.extend(made_of.iter().filter_map(estimated));
    MetricReport {
        metric: metric.name.clone(),
        standing,
        // What the collector knows of itself is not known here.
        value: observed.value.filter(|_| !by_collector),
        between: observed.between,
        unit: metric.display.symbol(),
        attempts: attempts.filter(|_| standing != Standing::Missing && standing != Standing::NotSeen),
        min_samples: attempts.map(|_| policy.gate.min_samples),
        windows_needed: attempts.and_then(|attempts| windows_needed(&policy.gate, attempts)),
        resolution: resolution(metric, batch).filter(|_| standing != Standing::NotSeen),
        made_of,
        problems,
    }
}

/// How well the durations of a metric are known; none of one that has none.
fn resolution(metric: &MetricPolicy, batch: &Batch) -> Option<Resolution> {
    let event = metric.kind.needs().into_iter().find(|event| event.duration_field.is_some())?;
    let by_bounds = batch.buckets.contains_key(&event.name);
    Some(if by_bounds { Resolution::Bounds } else { Resolution::Exact })
}

fn ingredients(policy: &TargetPolicy, metric: &MetricPolicy, batch: &Batch) -> Vec<Ingredient> {
    let mut events: Vec<String> = metric.needs().into_iter().map(|event| event.name).collect();
    let variant = metric.control.as_ref().and_then(|control| control.variant.as_deref());
    if let Some(variant) = variant {
        events.extend(metric.kind.needs().iter().map(|event| in_variant(&event.name, variant)));
    }
    let mut made: Vec<Ingredient> = Vec::new();
    for event in events {
        if made.iter().all(|known| known.name != event) {
            made.push(ingredient(policy, event, batch));
        }
    }
    made.extend(metric.kind.number().map(|number| ingredient(policy, number.to_owned(), batch)));
    if made.is_empty() {
        let from = Origin::Collector;
        let made_of = made_of(policy, from, &metric.name);
        made.push(Ingredient {
            name: metric.name.clone(),
            from,
            made_of,
            events: None,
            missing: None,
            extrapolated: None,
            queries: Vec::new(),
        });
    }
    made
}

fn ingredient(policy: &TargetPolicy, name: String, batch: &Batch) -> Ingredient {
    let from = origin(policy, &name);
    let events = batch.counters.get(&name).copied();
    let known = events.is_some() || batch.values.contains_key(&name);
    let of_event = name.rsplit_once('@').map_or(name.as_str(), |(event, _)| event);
    let why = [name.as_str(), of_event].iter().find_map(|name| batch.intake.missing.get(*name));
    let missing = (!known).then(|| why.map_or("the source does not say it", String::as_str).to_owned());
    let queries = batch.queries.iter().filter(|it| it.name == name || it.name == of_event).cloned().collect();
    let extrapolated = batch.intake.extrapolated.get(of_event).cloned();
    Ingredient { made_of: made_of(policy, from, &name), name, from, events, missing, extrapolated, queries }
}

fn stands(policy: &TargetPolicy, made_of: &[Ingredient], attempts: Option<u64>) -> (Standing, Vec<Problem>) {
    let missing: Vec<&Ingredient> = made_of.iter().filter(|it| it.missing.is_some()).collect();
    if !missing.is_empty() {
        let seen = missing.iter().any(|it| it.from == Origin::Source);
        let standing = if seen { Standing::Missing } else { Standing::NotSeen };
        return (standing, missing.into_iter().map(lacking).collect());
    }
    let min_samples = policy.gate.min_samples;
    match attempts {
        Some(attempts) if attempts < min_samples => {
            (Standing::TooFew, vec![too_few(&policy.gate, attempts, made_of)])
        }
        _ => (Standing::Judged, Vec::new()),
    }
}

fn lacking(ingredient: &Ingredient) -> Problem {
    let Ingredient { name, from, made_of, missing, queries, .. } = ingredient;
    let by_hand = queries.last().map_or(made_of, |it| &it.query);
    let said = format!("{name}: {}", missing.as_deref().unwrap_or_default());
    if *from == Origin::Pushed {
        let remedy = "start a collector (`phasegate up`), push to it as docs/collector.md says, and look again after a window; \
            --collector-url says where it is";
        return Problem::not_checked(said, remedy);
    }
    Problem::failed(
        said,
        format!(
            "ask the source for `{by_hand}` by hand; correct it in the policy, or let the feature send it"
        ),
    )
}

fn estimated(ingredient: &Ingredient) -> Option<Problem> {
    let why = ingredient.extrapolated.as_ref()?;
    Some(Problem::warning(
        format!("{} is extrapolated {why}", ingredient.name),
        "select less of it, or raise `samples_most`: an estimate loses what is around a restart and what a series is born with",
    ))
}

fn too_few(gate: &GatePolicy, attempts: u64, made_of: &[Ingredient]) -> Problem {
    let least = gate.min_samples;
    let Some(windows) = windows_needed(gate, attempts) else {
        let events: Vec<&str> = made_of.iter().map(|it| it.name.as_str()).collect();
        return Problem::failed(
            format!("no attempt in the window, of at least {least}"),
            format!("see whether the feature is in use and sends {}; silence is never ok", events.join(", ")),
        );
    };
    let said = format!(
        "{} of at least {least}: a verdict takes {windows} windows like this one",
        counted(attempts, "attempt")
    );
    Problem::warning(
        said,
        match gate.judge {
            JudgeBy::Evidence => {
                "nothing, if that is soon enough: they are put together by themselves; else a longer `collection.window`, more users, or a lower `gate.min_samples`"
            }
            JudgeBy::Window => {
                "by `judge: window` each stays `insufficient`: a longer `collection.window`, more users, or a lower `gate.min_samples`"
            }
        },
    )
}

/// So many windows like this one hold what a verdict needs; none where nothing came.
fn windows_needed(gate: &GatePolicy, attempts: u64) -> Option<u64> {
    (attempts > 0).then(|| gate.min_samples.div_ceil(attempts).max(1))
}

/// Names that no metric asks for, the commonest first, with those that were pushed.
pub(super) fn unknown_names(specs: &EventSpecs, batch: &Batch, pushes: Option<&Pushes>) -> Vec<UnknownName> {
    let mut names: BTreeMap<&String, u64> = BTreeMap::new();
    let pushed = pushes.map(|pushes| &pushes.intake.unknown_names);
    for (name, events) in [Some(&batch.intake.unknown_names), pushed].into_iter().flatten().flatten() {
        *names.entry(name).or_default() += events;
    }
    let told = names.into_iter().map(|(name, events)| UnknownName {
        name: name.clone(),
        events,
        meant: specs.nearest(name).map(str::to_owned),
    });
    let mut told: Vec<UnknownName> = told.collect();
    told.sort_by_key(|it| std::cmp::Reverse(it.events));
    told
}

/// What is wrong with all that was read. `unmatched` are patterns that no file is named by.
pub(super) fn problems(
    policy: &TargetPolicy,
    batch: &Batch,
    read: Option<&ReadThrough>,
    unmatched: &[String],
    pushes: Option<&Pushes>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let sum = |counters: &BTreeMap<String, u64>| counters.values().sum::<u64>();
    if let Some(read) = read {
        problems.extend(of_reading(read, unmatched));
        problems.extend(uncounted(policy, "lines", read.uncounted.malformed, read.lines));
    }
    if let Some(pushes) = pushes {
        let all = sum(&pushes.counters) + pushes.counting + pushes.intake.malformed;
        problems.extend(uncounted(policy, "pushed lines", pushes.intake.malformed, all));
    }
    let unknown = batch.intake.unknown + pushes.map_or(0, |pushes| pushes.intake.unknown);
    let all = sum(&batch.counters) + pushes.map_or(0, |pushes| pushes.counting) + unknown;
    problems.extend(uncounted(policy, "events", unknown, all));
    problems
}

fn of_reading(read: &ReadThrough, unmatched: &[String]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = read
        .left_out
        .iter()
        .map(|it| Problem::warning(format!("{}: {}", it.path, it.reason), "let the collector's user read it"))
        .collect();
    problems.extend(unmatched.iter().map(|pattern| {
        let said = format!("no file matches {pattern}");
        let remedy = "patterns are relative to the directory in which the collector runs: run this there, or correct `paths`";
        if read.places == 0 { Problem::failed(said, remedy) } else { Problem::warning(said, remedy) }
    }));
    if !read.whole {
        let passed_over: u64 = read.passed_over.iter().map(|it| it.bytes).sum();
        problems.push(Problem::failed(
            format!(
                "the window began before what was read: {} at the begin of {} were not",
                size(passed_over),
                counted(read.passed_over.len() as u64, "file")
            ),
            "what is counted here is too low; the collector follows files as they grow and reads all of them",
        ));
    }
    problems
}

/// TE-6: with more of it than the policy lets pass nothing is compliant.
fn uncounted(policy: &TargetPolicy, what: &str, uncounted: u64, all: u64) -> Option<Problem> {
    let limit = policy.gate.uncounted;
    let share = if uncounted == 0 { 0.0 } else { uncounted as f64 / all.max(uncounted) as f64 };
    (share > limit).then(|| {
        let kind = if what == "events" { "of names that the policy does not use" } else { "no events" };
        Problem::failed(
            format!(
                "{uncounted} of {all} {what} are {kind}, {}: with more than {} (`gate.uncounted`) no window is compliant",
                format_share(share),
                format_share(limit)
            ),
            "send what the policy names (docs/collector.md, Events), or name it in the policy",
        )
    })
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
