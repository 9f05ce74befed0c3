//! The daily report in words: Markdown for the file, a few lines as a message. Pure.
//!
//! Every text is whole whatever is missing: what was not observed stands as `n/a`, a day without data says so.

use std::fmt::Write as _;
use std::time::Duration;

use shared_types::daily::{DailyIncident, DailyReport, DailySlo, DailyWindows};
use shared_types::decision::GateProgress;

use super::day::Zone;
use crate::notifiers::Message;
use crate::story::figures::{format_duration, format_ratio, format_value};

const NOTHING: &str = "No window of this day was judged.";

/// The whole report.
#[must_use]
pub fn markdown(report: &DailyReport, zone: &Zone) -> String {
    let mut text = format!("# {}, {}\n\n", report.title, report.date);
    let _ = writeln!(
        text,
        "Target `{}`, the day {} in {}: {} to {}{}.\n\nMade {}: phase {}, epoch {}, {}.\n",
        report.target,
        report.date,
        report.time_zone,
        report.day.start,
        report.day.end,
        if report.so_far { ", which is not over yet" } else { "" },
        report.made_at,
        report.phase,
        report.epoch,
        report.state.as_str(),
    );
    text.push_str("## SLOs\n\n");
    slos(&mut text, report, zone);
    text.push_str("\n## Windows\n\n");
    windows(&mut text, &report.windows, zone);
    text.push_str("\n## Incidents\n\n");
    for incident in &report.incidents {
        let _ = writeln!(text, "- {}", incident_text(incident));
    }
    if report.incidents.is_empty() {
        text.push_str("None.\n");
    }
    let _ = write!(text, "\n## Gate\n\n{}.\n", gate(report.gate.as_ref()));
    text.push_str("\n## What is asked, of whom\n\n");
    for blocker in &report.asked {
        let _ = writeln!(text, "- {}: {}", blocker.code, blocker.detail);
    }
    if report.asked.is_empty() {
        text.push_str("Nothing.\n");
    }
    text
}

/// The message to the rollout's channel.
#[must_use]
pub fn message(report: &DailyReport) -> Message {
    let mut text = format!(
        "📋 {} daily {} / phase {} / {}",
        report.title,
        report.date,
        report.phase,
        report.state.as_str()
    );
    let windows = &report.windows;
    if total(windows) == 0 {
        let _ = write!(text, "\n{NOTHING}");
    } else {
        let counted = counted(windows).map(|(verdict, count)| format!("{count} {verdict}"));
        let _ = write!(text, "\nwindows: {}", counted.join(", "));
    }
    for slo in &report.slos {
        let _ = write!(
            text,
            "\n{} {}: worst {}, median {}, limit {}",
            slo.metric,
            slo.phase,
            value(slo, slo.worst),
            value(slo, slo.median),
            limit(slo)
        );
    }
    let incidents: Vec<String> = report.incidents.iter().map(|it| it.id.to_string()).collect();
    let _ = write!(text, "\nincidents: {}", or_none(&incidents));
    let _ = write!(text, "\ngate: {}", gate(report.gate.as_ref()));
    let asked: Vec<String> = report.asked.iter().map(|it| format!("{} ({})", it.code, it.detail)).collect();
    let _ = write!(text, "\nasked: {}", or_none(&asked));
    Message::value(text)
}

fn or_none(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn slos(text: &mut String, report: &DailyReport, zone: &Zone) {
    if report.slos.is_empty() {
        let _ = writeln!(text, "{NOTHING}");
        return;
    }
    text.push_str("| metric | phase | limit | worst | in window | median | windows | violated |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for slo in &report.slos {
        let of_limit = slo.worst_ratio.map(|it| format!(" ({} of it)", format_ratio(it)));
        let window = slo.worst_window.map(|it| format!("{}–{}", zone.clock(it.start), zone.clock(it.end)));
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {}{} | {} | {} | {} | {} |",
            slo.metric,
            slo.phase,
            limit(slo),
            value(slo, slo.worst),
            of_limit.unwrap_or_default(),
            window.unwrap_or_else(|| "n/a".to_owned()),
            value(slo, slo.median),
            slo.observed,
            slo.violated
        );
    }
}

fn value(slo: &DailySlo, value: Option<f64>) -> String {
    format_value(value, &slo.unit)
}

fn limit(slo: &DailySlo) -> String {
    if slo.direction.allows_nothing(slo.threshold) {
        return "= 0".to_owned();
    }
    format!("{} {}", slo.direction.sign(), value(slo, Some(slo.threshold)))
}

/// The day's windows by what was said of them, each once.
fn counted(windows: &DailyWindows) -> [(&'static str, u64); 6] {
    let DailyWindows { ok, warn, unsure, violation, insufficient, missing, stale: _, missing_windows: _ } =
        *windows;
    [
        ("ok", ok),
        ("warn", warn),
        ("unsure", unsure),
        ("violation", violation),
        ("insufficient", insufficient),
        ("missing", missing),
    ]
}

fn total(windows: &DailyWindows) -> u64 {
    counted(windows).iter().map(|(_, count)| count).sum()
}

fn windows(text: &mut String, windows: &DailyWindows, zone: &Zone) {
    if total(windows) == 0 {
        let _ = writeln!(text, "{NOTHING}");
    } else {
        let counted = counted(windows);
        let row = |cells: [String; 6]| format!("| {} |\n", cells.join(" | "));
        text.push_str(&row(counted.map(|(verdict, _)| verdict.to_owned())));
        text.push_str(&row(counted.map(|_| "---".to_owned())));
        text.push_str(&row(counted.map(|(_, count)| count.to_string())));
    }
    if !windows.missing_windows.is_empty() {
        let named = windows.missing_windows.iter();
        let named: Vec<String> =
            named.map(|it| format!("{}–{}", zone.clock(it.start), zone.clock(it.end))).collect();
        let more = windows.missing.saturating_sub(named.len() as u64);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "\nMissing: {}{more}.", named.join(", "));
    }
    if windows.stale > 0 {
        let _ = writeln!(text, "\nBeside them {} of another epoch, not gated.", windows.stale);
    }
}

fn incident_text(it: &DailyIncident) -> String {
    let state = it.state.as_str();
    let recovered = it.recovered_at.map(|at| format!(", recovered {at}")).unwrap_or_default();
    format!("{}: {} in phase {}, opened {}{recovered}; {state}", it.id, it.metric, it.phase, it.opened_at)
}

fn gate(progress: Option<&GateProgress>) -> String {
    let Some(gate) = progress else { return "nothing has been judged in this epoch yet".to_owned() };
    let time = |ms: u64| format_duration(Duration::from_millis(ms));
    let reached = match (gate.needed_batches, gate.needed_ms) {
        (Some(needed), _) => format!("{} of {needed} compliant batches", gate.compliant_batches),
        (None, Some(needed)) => format!("{} of {} of compliance", time(gate.compliant_ms), time(needed)),
        (None, None) => "no condition".to_owned(),
    };
    let broken = gate.broken_by.as_ref().map(|it| {
        let metric = it.metric.as_deref().unwrap_or(it.cause.as_str());
        format!(", last broken by {metric} in {}", it.window)
    });
    format!("{reached}{}{}", if gate.satisfied { ", satisfied" } else { "" }, broken.unwrap_or_default())
}

#[cfg(test)]
#[path = "daily_tests.rs"]
mod tests;
