//! The report as text for a terminal, and as Markdown for a ticket.

use std::fmt::Write;

use super::finding::counted;
use super::{Level, Report};
use crate::output::Colour;

/// What lines begin with, and their colours.
pub(crate) const MARKS: [(&str, Colour); 4] = [
    ("ok         ", Colour::Green),
    ("not checked", Colour::Yellow),
    ("WARNING    ", Colour::Yellow),
    ("FAILED     ", Colour::Red),
];

fn mark(level: Level) -> &'static str {
    let at = match level {
        Level::Ok => 0,
        Level::NotChecked => 1,
        Level::Warning => 2,
        Level::Failed => 3,
    };
    MARKS[at].0
}

fn verdict(report: &Report) -> String {
    let count = |level| report.checks.iter().filter(|it| it.level == level).count();
    let said = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let (failed, warned, unseen) = (count(Level::Failed), count(Level::Warning), count(Level::NotChecked));
    let parts = [said(failed, "failed"), said(warned, "with a warning"), said(unseen, "not checked")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let all = counted(report.checks.len(), "check");
    if parts.is_empty() {
        return format!("all is well, {all}");
    }
    format!("of {all} {}", parts.join(", "))
}

/// For a terminal.
pub(crate) fn text(report: &Report) -> String {
    let mut text = format!("phasegate doctor, {}: {}\n", report.at, verdict(report));
    let widest = report.checks.iter().map(|it| it.check.len()).max().unwrap_or_default();
    for finding in &report.checks {
        let (mark, name, figure) = (mark(finding.level), finding.check, &finding.figure);
        let _ = writeln!(text, "{mark}  {name:<widest$}  {figure}");
        for alike in finding.problems.chunk_by(|a, b| a.remedy == b.remedy) {
            for problem in alike {
                let _ = writeln!(text, "      - {}", problem.said);
            }
            let _ = writeln!(text, "        → {}", alike[0].remedy);
        }
    }
    text
}

/// For a ticket or a pull request.
pub(crate) fn markdown(report: &Report) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = format!(
        "## phasegate doctor: {}\n\nAt {}.\n\n| check | looks at | outcome | found |\n| --- | --- | --- | --- |\n",
        verdict(report),
        report.at,
    );
    for finding in &report.checks {
        let (name, title, figure) = (finding.check, finding.title, cell(&finding.figure));
        let _ = writeln!(text, "| {name} | {title} | {} | {figure} |", mark(finding.level).trim());
    }
    for finding in report.checks.iter().filter(|it| !it.problems.is_empty()) {
        let _ = writeln!(text, "\n### {}\n", finding.check);
        for problem in &finding.problems {
            let _ = writeln!(text, "- {}. What to do: {}", problem.said, problem.remedy);
        }
    }
    text
}
