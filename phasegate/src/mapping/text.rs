//! The same for people.

use super::Mapped;
use super::trial::{Shown, Trial};

pub(crate) fn text(mapped: &Mapped) -> String {
    let Mapped { lines, more, map, proposed, asked, trial } = mapped;
    let seen = if *more { "the first " } else { "" };
    let mut text = if *proposed {
        "Proposed, to stand under `collection.source` of the target:\n\n".to_owned()
    } else {
        "The map of the policy:\n\n".to_owned()
    };
    text.extend(map.lines().map(|line| format!("  {line}\n")));
    if !trial.shown.is_empty() {
        text.push_str("\nWhat lines become:\n\n");
        text.push_str(&table(&trial.shown));
    }
    text.push_str(&format!("\nOf {seen}{lines} lines:\n\n"));
    text.push_str(&counts(trial));
    if !asked.is_empty() {
        text.push_str("\nTo be said by somebody who knows the app:\n\n");
        text.extend(asked.iter().map(|line| format!("  - {line}\n")));
    }
    text
}

fn table(shown: &[Shown]) -> String {
    let head = ["line", "time", "event", "duration", "code", "id"].map(str::to_owned);
    let rows = shown.iter().map(|it| {
        [
            it.line.to_string(),
            it.time.to_string(),
            it.event.clone(),
            it.duration_ms.map_or_else(String::new, |ms| format!("{ms} ms")),
            it.code.clone().unwrap_or_default(),
            if it.has_id { "yes".to_owned() } else { String::new() },
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let widths: Vec<usize> =
        (0..6).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(&format!("  {}\n", cells.join("  ").trim_end()));
    }
    text
}

fn counts(trial: &Trial) -> String {
    let mut text = String::new();
    for (event, counted) in &trial.events {
        text.push_str(&format!("  {:>8}  {event}", counted.lines));
        if counted.with_id > 0 {
            text.push_str(&format!(", {} with an id", counted.with_id));
        }
        if !counted.codes.is_empty() {
            text.push_str(&format!("; codes: {}", listed(&counted.codes)));
        }
        text.push('\n');
    }
    if trial.ignored > 0 {
        text.push_str(&format!("  {:>8}  left out", trial.ignored));
        let named = trial.left_out.iter().map(|(value, count)| {
            let value = if value.is_empty() { "no value" } else { value };
            (value.to_owned(), *count)
        });
        let named: Vec<(String, u64)> = named.collect();
        if !named.is_empty() {
            text.push_str(&format!(": {}", listed(&named)));
        }
        text.push('\n');
    }
    for (reason, count, line) in &trial.reasons {
        text.push_str(&format!("  {count:>8}  malformed: {reason} (line {line})\n"));
    }
    text
}

fn listed(counts: &[(String, u64)]) -> String {
    counts.iter().map(|(of, count)| format!("{of} {count}")).collect::<Vec<_>>().join(", ")
}
