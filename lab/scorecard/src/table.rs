//! The figures as tables of Markdown.

use std::fmt::Write as _;

use crate::row::Row;
use crate::score::{Part, figures, percentile};

/// The rows of one rule.
#[derive(Debug, Clone)]
pub struct Rule {
    pub name: String,
    pub rows: Vec<Row>,
}

/// A line a rule.
#[must_use]
pub fn rules(rules: &[Rule]) -> String {
    let columns = [
        "rule",
        "first rollback right %",
        "… without outside causes",
        "… worse than control counts",
        "healthy rollouts hit %",
        "healthy completed %",
        "a person asked for nothing %",
        "rollbacks a healthy rollout",
        "found, from 1.1 × on %",
        "of these completed",
        "1.02–1.05 × found %",
        "windows to find ≥ 3 ×, median / p90",
        "1.1–2 ×, leak, drift",
        "exposure, minutes",
        "unsure windows",
    ];
    let mut table = head(&columns);
    for rule in rules {
        let it = figures(&rule.rows.iter().collect::<Vec<_>>());
        let cells = [
            rule.name.clone(),
            percent(it.precision),
            percent(it.precision_inside),
            percent(it.precision_worse),
            percent(it.healthy_hit),
            percent(it.healthy_completed),
            percent(it.asked),
            format!("{:.2}", it.flaps),
            percent(it.recall),
            it.bad_completed.hit.to_string(),
            percent(it.hardly_over),
            windows(&it.far_over_windows),
            windows(&it.over_windows),
            format!("{:.0}", it.exposure),
            format!("{:.1}", it.unsure),
        ];
        line(&mut table, &cells);
    }
    table
}

/// A line a class, of one rule.
#[must_use]
pub fn classes(rule: &Rule) -> String {
    let columns = [
        "class",
        "rollouts",
        "first rollback right",
        "completed",
        "rollbacks a rollout",
        "found",
        "windows, median / p90",
        "÷ Lorden's bound, median",
        "exposure, minutes",
    ];
    let mut table = head(&columns);
    let mut names: Vec<&str> = Vec::new();
    for row in &rule.rows {
        if !names.contains(&row.class.as_str()) {
            names.push(&row.class);
        }
    }
    for name in names {
        let rows: Vec<&Row> = rule.rows.iter().filter(|row| row.class == name).collect();
        class(&mut table, name, &rows);
    }
    class(&mut table, "all", &rule.rows.iter().collect::<Vec<_>>());
    table
}

fn class(table: &mut String, name: &str, rows: &[&Row]) {
    let it = figures(rows);
    let of =
        |part: Part| if part.of == 0 { "–".to_owned() } else { format!("{} of {}", part.hit, part.of) };
    let delays: Vec<f64> = rows.iter().filter_map(|row| row.delay()).map(|it| it as f64).collect();
    let completed = rows.iter().filter(|row| row.completed.is_some()).count();
    let rollbacks: usize = rows.iter().map(|row| row.rollbacks()).sum();
    let cells = [
        name.to_owned(),
        rows.len().to_string(),
        of(it.precision),
        completed.to_string(),
        format!("{:.2}", rollbacks as f64 / rows.len() as f64),
        of(it.found),
        windows(&delays),
        percentile(&it.times_bound, 50.0).map_or_else(|| "–".to_owned(), |it| format!("{it:.2}")),
        format!("{:.0}", it.exposure),
    ];
    line(table, &cells);
}

fn head(columns: &[&str]) -> String {
    format!("| {} |\n|{}\n", columns.join(" | "), " --- |".repeat(columns.len()))
}

fn line(table: &mut String, cells: &[String]) {
    let _ = writeln!(table, "| {} |", cells.join(" | "));
}

fn percent(part: Part) -> String {
    part.percent().map_or_else(|| "–".to_owned(), |it| format!("{it:.1}"))
}

fn windows(delays: &[f64]) -> String {
    match (percentile(delays, 50.0), percentile(delays, 90.0)) {
        (Some(median), Some(p90)) => format!("{median:.0} / {p90:.0}"),
        _ => "–".to_owned(),
    }
}
