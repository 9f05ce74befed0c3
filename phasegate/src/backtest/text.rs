//! A backtest as text for people.

use std::fmt::Write;
use std::time::Duration;

use domain::story::figures::{format_duration, format_number};
use domain::whatif::compare::{
    Backtest, Change, Detected, MeasuredSpread, NotReplayed, Required, Said, Unknown, VerdictCounts,
};

use super::{Compared, Course, Courses};

/// Rows of each list; the JSON has more.
const ROWS: usize = 20;

pub(crate) fn text(compared: &Compared) -> String {
    let gate = &compared.gate;
    let mut text =
        format!("{}, windows {} to {}: {} decisions\n", gate.target, gate.from, gate.to, gate.decisions);
    let new = gate.policy.as_deref().unwrap_or("each under its own");
    let _ = writeln!(text, "  old policy  {}", gate.compared_with.join(", "));
    let _ = writeln!(text, "  new policy  {new}");
    let _ = writeln!(
        text,
        "  {}",
        match (compared.same, compared.differs) {
            (true, _) => "the same: nobody would have acted otherwise",
            (false, true) => "NOT the same",
            (false, false) => "NOT KNOWN: no difference was found, and not all of it could be replayed",
        }
    );
    for it in gate.not_replayed.iter().take(ROWS) {
        let _ = writeln!(text, "  {}", not_replayed(it));
    }
    gate_text(&mut text, gate);
    if let Some(courses) = &compared.rollout {
        rollout_text(&mut text, courses);
    }
    text
}

fn gate_text(text: &mut String, gate: &Backtest) {
    let _ = writeln!(text, "\ngate");
    let _ = writeln!(
        text,
        "  decisions   {} changed, {} bit for bit the same",
        gate.changes.total, gate.identical
    );
    let _ = writeln!(text, "  verdicts    old {}", counts(gate.verdicts.old));
    let _ = writeln!(text, "              new {}", counts(gate.verdicts.new));
    let rollbacks = &gate.rollbacks;
    let _ = writeln!(
        text,
        "  rollbacks   {} gained, {} lost, {} at another time, {} kept",
        rollbacks.gained, rollbacks.lost, rollbacks.moved, rollbacks.kept
    );
    for it in rollbacks.items.iter().filter(|it| it.old != it.new).take(ROWS) {
        let (phase, epoch) = (&it.phase, it.epoch);
        let _ = writeln!(
            text,
            "    phase {phase}, epoch {epoch}: old {}, new {}",
            required(it.old.as_ref()),
            required(it.new.as_ref())
        );
    }
    let _ = writeln!(text, "  noticed     old {}", detected(&gate.detection.old, gate.detection.episodes));
    let _ = writeln!(text, "              new {}", detected(&gate.detection.new, gate.detection.episodes));
    for it in gate.phases.iter().filter(|it| it.old != it.new).take(ROWS) {
        let at =
            |it: Option<shared_types::Timestamp>| it.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let _ = writeln!(
            text,
            "  phase {}, epoch {}: could be left old {}, new {}",
            it.phase,
            it.epoch,
            at(it.old),
            at(it.new)
        );
    }
    for it in &gate.spreads {
        let _ = writeln!(text, "  spread      {}", spread(it));
    }
    if !gate.changes.items.is_empty() {
        let _ = writeln!(text, "\nchanged decisions");
    }
    for change in gate.changes.items.iter().take(ROWS) {
        let _ = writeln!(text, "  {}", change_text(change));
    }
    let listed = gate.changes.items.len().min(ROWS) as u64;
    if gate.changes.total > listed {
        let _ = writeln!(text, "  and {} more", gate.changes.total - listed);
    }
}

fn change_text(change: &Change) -> String {
    let said = |side: Option<&Said>| match side {
        None => "none".to_owned(),
        Some(said) if said.rollback_required => format!("{}, rollback", said.verdict.as_str()),
        Some(said) => said.verdict.as_str().to_owned(),
    };
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |it| format_number(Some(it)));
    let metrics: Vec<String> = change
        .metrics
        .iter()
        .map(|it| {
            let (observed, old, new) =
                (number(it.observed), number(it.old_threshold), number(it.new_threshold));
            format!("{} {observed} {} (limit {old} → {new})", it.metric, it.unit)
        })
        .collect();
    let (window, phase) = (change.window, &change.phase);
    format!(
        "{window}  {phase}  {} → {}  {}",
        said(change.old.as_ref()),
        said(change.new.as_ref()),
        metrics.join(", ")
    )
    .trim_end()
    .to_owned()
}

fn not_replayed(it: &NotReplayed) -> String {
    let what = match it.reason {
        Unknown::NoHistory => return format!("not replayed: {}", it.detail),
        Unknown::MissingWindows => "missing",
        Unknown::WindowLength => "of another length",
        Unknown::NotJudged => "not judged",
    };
    let first = it.first.map_or_else(String::new, |first| format!("; the first {first}"));
    format!("not replayed: {} windows {what}: {}{first}", it.windows, it.detail)
}

fn spread(it: &MeasuredSpread) -> String {
    let (metric, pairs) = (&it.metric, it.pairs);
    match it.spread {
        Some(spread) => {
            let percent = format_number(Some((spread * 1000.0).round() / 10.0));
            format!("{metric} {percent}%, of {pairs} pairs of windows in the last 30 days")
        }
        None => format!("{metric} not known: {pairs} pairs of windows with errors are too few"),
    }
}

fn counts(it: VerdictCounts) -> String {
    format!(
        "ok {}, warn {}, unsure {}, violation {}, insufficient {}",
        it.ok, it.warn, it.unsure, it.violation, it.insufficient
    )
}

fn required(side: Option<&Required>) -> String {
    side.map_or_else(|| "none".to_owned(), |it| format!("{} by {}", it.decided_at, it.metric))
}

fn detected(it: &Detected, episodes: u64) -> String {
    let span = |ms: Option<u64>| {
        ms.map_or_else(|| "-".to_owned(), |ms| format_duration(Duration::from_secs(ms / 1000)))
    };
    format!(
        "{} of {episodes} bad stretches, after {} (median), {} (worst)",
        it.noticed,
        span(it.median_ms),
        span(it.worst_ms)
    )
}

fn rollout_text(text: &mut String, courses: &Courses) {
    let _ =
        writeln!(text, "\nrollout (commands and approvals succeed at once; telemetry as it was measured)");
    for (side, course) in [("old", &courses.old), ("new", &courses.new)] {
        course_text(text, side, course);
    }
}

fn course_text(text: &mut String, side: &str, course: &Course) {
    let completed =
        course.completed_at.map_or_else(|| "not completed".to_owned(), |at| format!("completed {at}"));
    let _ = writeln!(
        text,
        "  {side}  {} rollbacks, {} incidents, {completed}",
        course.rollbacks.len(),
        course.incidents
    );
    for entered in course.phases.iter().take(ROWS) {
        let by = course.rollbacks.iter().find(|it| it.at == entered.at && it.to == entered.phase);
        let by = by.map_or_else(String::new, |it| format!("  ← {}, {}", it.from, it.reason));
        let _ = writeln!(text, "       {:<9} {}{by}", entered.phase.as_str(), entered.at);
    }
    if course.phases.len() > ROWS {
        let _ = writeln!(text, "       and {} more", course.phases.len() - ROWS);
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
