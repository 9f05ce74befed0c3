//! A dry run as text for a terminal.

use std::fmt::Write as _;

use shared_types::decision::{GateProgress, MetricVerdict, Weighed};
use shared_types::{Decision, Verdict};
use std::time::Duration;

use super::reaction::{Reaction, dated};
use crate::story::certainty;
use crate::story::figures::{format_duration, format_ratio, format_value, observed};

const HEADINGS: [&str; 6] = ["metric", "observed", "threshold", "of it", "verdict", "if violated"];

/// Each decision with its metrics and what the reporter would do.
#[must_use]
pub fn render(decisions: &[Decision], reactions: &[Reaction]) -> String {
    let mut text = String::new();
    for (index, decision) in decisions.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        decision_text(&mut text, decision);
        if let Some(reaction) = reactions.get(index) {
            reaction_text(&mut text, reaction);
        }
    }
    text
}

fn decision_text(text: &mut String, decision: &Decision) {
    let Decision { target, phase, window, verdict, .. } = decision;
    let _ = writeln!(text, "{target}, phase {phase}, {window}: {}", verdict.as_str().to_uppercase());
    let rows: Vec<[String; 6]> = decision.metrics.iter().map(cells).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADINGS[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in std::iter::once(HEADINGS.map(str::to_owned)).chain(rows) {
        let line: Vec<String> =
            std::iter::zip(&row, widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "  {}", line.join("  ").trim_end());
    }
    // A good verdict speaks for itself, unless it is not of what the figure shows.
    let is_told = |it: &&MetricVerdict| {
        let left_out = |weighed: &Weighed| weighed.left_out.is_some();
        it.weighed.as_ref().is_some_and(|weighed| it.verdict > Verdict::Insufficient || left_out(weighed))
    };
    for metric in decision.metrics.iter().filter(is_told) {
        let _ = writeln!(text, "  {}: {}", metric.metric, certainty::of_metric(metric));
    }
    if let Some(gate) = &decision.gate {
        let _ = writeln!(text, "  gate: {}", gate_text(gate));
    }
}

fn cells(metric: &MetricVerdict) -> [String; 6] {
    let with_unit = |value: f64| format_value(Some(value), &metric.unit);
    [
        metric.metric.clone(),
        observed(metric, with_unit).unwrap_or_else(|| "-".to_owned()),
        with_unit(metric.threshold),
        metric.ratio.map_or_else(|| "-".to_owned(), format_ratio),
        metric.verdict.as_str().to_owned(),
        if_violated(metric),
    ]
}

fn if_violated(metric: &MetricVerdict) -> String {
    let action = metric.on_violation.as_str();
    if metric.on_violation.is_advisory() { format!("{action} (advisory)") } else { action.to_owned() }
}

fn gate_text(gate: &GateProgress) -> String {
    let reached = match (gate.needed_batches, gate.needed_ms) {
        (Some(needed), _) => format!("{} of {needed} compliant batches in a row", gate.compliant_batches),
        (None, Some(needed)) => {
            let [reached, needed] =
                [gate.compliant_ms, needed].map(|millis| format_duration(Duration::from_millis(millis)));
            format!("{reached} of {needed} compliant")
        }
        (None, None) => "nothing is asked".to_owned(),
    };
    let broken = gate.broken_by.as_ref().map(|broken| format!("; last broken by {}", broken.window));
    format!("{reached}{}", broken.unwrap_or_default())
}

fn reaction_text(text: &mut String, reaction: &Reaction) {
    let _ = writeln!(text, "  the reporter would:");
    for step in &reaction.steps {
        let _ = writeln!(text, "    - {step}");
    }
    for message in &reaction.messages {
        let told = format!("write to {}: {}", message.channel, message.text);
        let _ = writeln!(text, "    - {}", dated(message.at, &told));
    }
}
