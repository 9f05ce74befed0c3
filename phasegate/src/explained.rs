//! An explanation as text for people.

use std::fmt::Write;
use std::time::Duration;

use analyzer_svc::explain::{Explanation, MetricExplanation};
use domain::gate::recompute::Recomputed;
use domain::story::certainty;
use domain::story::figures::{format_duration, format_number, format_ratio, format_value, observed};
use shared_types::batch::Query;
use shared_types::decision::{Cause, GateProgress};

/// The whole of it: what was decided, by what, and whether it comes out the same.
pub(crate) fn text(explanation: &Explanation) -> String {
    let decision = &explanation.decision;
    let mut text = format!(
        "{}, phase {}, epoch {}, {}: {}\n",
        decision.target,
        decision.phase,
        decision.epoch,
        decision.window,
        decision.verdict.as_str().to_uppercase()
    );
    let _ = writeln!(text, "  decision {}, made at {}", decision.decision_id, decision.decided_at);
    let _ = writeln!(text, "  {}", cause(explanation));
    for Query { name, query, time, answer } in explanation.batch.iter().flat_map(|batch| &batch.queries) {
        let _ = writeln!(text, "  asked for {name}: {query} at {time}; the answer's hash is {answer}");
    }
    let _ = writeln!(text, "  policy {}", decision.policy_version);
    if decision.rollback_required {
        let _ = writeln!(text, "  rollback required, by {}", decision.violated.join(", "));
    }
    for metric in &explanation.metrics {
        metric_text(&mut text, metric);
    }
    if let Some(uncounted) = &decision.uncounted {
        let _ = writeln!(text, "\n{}", certainty::of_uncounted(uncounted));
    }
    if let Some(gate) = &decision.gate {
        let _ = writeln!(text, "\ngate: {}", gate_text(gate));
        for event in &gate.vanished {
            let _ = writeln!(text, "  {}", certainty::of_vanished(event));
        }
    }
    text.push('\n');
    text.push_str(&recomputed(&explanation.recomputed));
    text
}

fn cause(explanation: &Explanation) -> String {
    let elapsed = explanation.decision.evidence.as_ref().and_then(|it| it.elapsed_ms);
    let elapsed = elapsed.map_or_else(String::new, |it| {
        format!(", {} after the window's end", format_duration(Duration::from_millis(it)))
    });
    let noticed = match &explanation.event {
        Some(event) => format!("the collector said so: {}", event.detail),
        None => "the analyzer noticed by itself".to_owned(),
    };
    match (explanation.decision.cause, &explanation.batch) {
        (Cause::CollectionDelayed, _) => format!("its batch was missing{elapsed}; {noticed}"),
        (Cause::RetryExhausted, _) => format!("the collector had used up its retries{elapsed}; {noticed}"),
        (Cause::Slo, Some(batch)) => {
            let estimate =
                |name| batch.intake.extrapolated.get(name).map(|why| format!(" (extrapolated {why})"));
            let counted = batch.counters.iter();
            let counted =
                counted.map(|(name, count)| format!("{name} {count}{}", estimate(name).unwrap_or_default()));
            let given =
                batch.values.iter().map(|(name, value)| format!("{name} {}", format_number(Some(*value))));
            let missing = batch.intake.missing.iter().map(|(name, why)| format!("{name} missing ({why})"));
            let all: Vec<String> = counted.chain(given).chain(missing).collect();
            format!("batch from {}, received at {}: {}", batch.source, batch.received_at, all.join(", "))
        }
        (Cause::Slo, None) => "its batch is no longer kept".to_owned(),
    }
}

fn metric_text(text: &mut String, metric: &MetricExplanation) {
    let verdict = &metric.verdict;
    let with_unit = |value: f64| format_value(Some(value), &verdict.unit);
    let advisory = if verdict.on_violation.is_advisory() { ", advisory" } else { "" };
    let _ = writeln!(text, "\n{}: {}{advisory}", verdict.metric, verdict.verdict.as_str());
    let ratio = verdict.ratio.map_or_else(String::new, |ratio| format!(", {} of it", format_ratio(ratio)));
    let warn = metric
        .warn_above
        .map_or_else(String::new, |it| format!(", warn {} {}", verdict.direction.beyond(), with_unit(it)));
    let _ = writeln!(
        text,
        "  observed {}, threshold {}{ratio}{warn}",
        observed(verdict, with_unit).unwrap_or_else(|| "-".to_owned()),
        with_unit(verdict.threshold)
    );
    if verdict.weighed.is_some() {
        let _ = writeln!(text, "  counted  {}", metric.certainty);
    }
    match &metric.policy {
        Some(at) => {
            let _ = writeln!(text, "  policy   {}: {} (line {})", at.path, at.text, at.line);
        }
        None => text.push_str("  policy   no longer kept\n"),
    }
    for value in &metric.history {
        let _ = writeln!(text, "  before   {}: {}", value.window, format_number(Some(value.value)));
    }
}

fn gate_text(gate: &GateProgress) -> String {
    let span = |ms| format_duration(Duration::from_millis(ms));
    let reached = match (gate.needed_batches, gate.needed_ms) {
        (Some(needed), _) => format!("{} of {needed} compliant batches in a row", gate.compliant_batches),
        (None, Some(needed)) => format!("{} of {} compliant in a row", span(gate.compliant_ms), span(needed)),
        (None, None) => "nothing is asked".to_owned(),
    };
    match &gate.broken_by {
        Some(broken) => {
            let by = broken.metric.as_deref().unwrap_or(broken.cause.as_str());
            format!("{reached}; last broken by {by} in {}", broken.window)
        }
        None => reached,
    }
}

/// Whether it comes out the same, and each field in which it does not.
pub(crate) fn recomputed(recomputed: &Recomputed) -> String {
    if recomputed.same {
        return "recomputed from its batch, its history and its policy: the same\n".to_owned();
    }
    let mut text = "recomputed from its batch, its history and its policy: NOT the same\n".to_owned();
    for difference in &recomputed.differences {
        let _ = match &difference.why {
            Some(why) if difference.recomputed.is_null() => writeln!(text, "  {}: {why}", difference.field),
            why => writeln!(
                text,
                "  {}: stored {}, recomputed {}{}",
                difference.field,
                difference.stored,
                difference.recomputed,
                why.as_ref().map_or_else(String::new, |why| format!(" ({why})"))
            ),
        };
    }
    text
}

#[cfg(test)]
#[path = "explained_tests.rs"]
mod tests;
