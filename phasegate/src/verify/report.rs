//! The checklist as text for a terminal, and as Markdown for a pull request.

use std::fmt::Write;

use super::{Finding, Outcome, Report};

fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Failed => "FAILED",
        Outcome::NotChecked => "not checked",
        Outcome::Skipped => "skipped",
    }
}

fn verdict(report: &Report) -> &'static str {
    if report.ok { "all of it holds" } else { "NOT all of it holds" }
}

/// For a terminal.
pub(crate) fn text(report: &Report) -> String {
    let mut text = format!("{}, {} to {}: {}\n", report.target, report.from, report.to, verdict(report));
    for (number, finding) in (1..).zip(&report.items) {
        let Finding { item, outcome, figure, problems, remedy } = finding;
        let _ = writeln!(text, "{number}. {:<11}  {}: {figure}", mark(*outcome), item.title());
        for problem in problems {
            let _ = writeln!(text, "      - {problem}");
        }
        if let Some(remedy) = remedy {
            let _ = writeln!(text, "      → {remedy}");
        }
    }
    text
}

/// For a pull request.
pub(crate) fn markdown(report: &Report) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = format!(
        "## Verification of {}: {}\n\nWindows from {} to {}.\n\n| | item | outcome | figure |\n| --- | --- | --- | --- |\n",
        report.target,
        verdict(report),
        report.from,
        report.to
    );
    for (number, finding) in (1..).zip(&report.items) {
        let (title, figure) = (finding.item.title(), cell(&finding.figure));
        let _ = writeln!(text, "| {number} | {title} | {} | {figure} |", mark(finding.outcome));
    }
    for finding in report.items.iter().filter(|it| !it.problems.is_empty() || it.remedy.is_some()) {
        let _ = writeln!(text, "\n### {}", finding.item.title());
        for (number, problem) in finding.problems.iter().enumerate() {
            let _ = writeln!(text, "{}- {problem}", if number == 0 { "\n" } else { "" });
        }
        if let Some(remedy) = finding.remedy {
            let _ = writeln!(text, "\nWhat to do: {remedy}.");
        }
    }
    text
}
