//! What was found, for a terminal.

use std::fmt::Write as _;

use collector_svc::look::ReadThrough;
use domain::story::figures::{format_value, value_or_bounds};

use super::origin::Origin;
use super::pushes::Pushes;
use super::report::{Ingredient, MetricReport, Report, Resolution, Standing, TargetReport, UnknownName};
use crate::doctor::Problem;
use crate::output::Colour;

/// What lines begin with, and their colours.
pub(crate) const MARKS: [(&str, Colour); 6] = [
    ("ok         ", Colour::Green),
    ("too few    ", Colour::Yellow),
    ("no verdict ", Colour::Yellow),
    ("not seen   ", Colour::Yellow),
    ("MISSING    ", Colour::Red),
    ("UNREACHABLE", Colour::Red),
];

const UNREACHABLE: usize = 5;

fn mark(standing: Standing) -> &'static str {
    let at = match standing {
        Standing::Judged => 0,
        Standing::TooFew => 1,
        Standing::Unresolved => 2,
        Standing::NotSeen => 3,
        Standing::Missing => 4,
    };
    MARKS[at].0
}

pub(crate) fn text(report: &Report) -> String {
    let mut text = format!("phasegate sources check, {}\n", report.at);
    for target in &report.targets {
        text.push('\n');
        of_target(&mut text, target);
    }
    text
}

fn of_target(text: &mut String, report: &TargetReport) {
    let TargetReport { target, source, window, unreachable, read, pushes, metrics, unknown, problems } =
        report;
    let verdict = match unreachable {
        Some(_) => "the source cannot be read".to_owned(),
        None => format!("{} of {} metrics can be judged", report.judged(), metrics.len()),
    };
    let _ = writeln!(text, "{target}: {verdict}");
    let _ = writeln!(text, "  source  {source}");
    let _ = writeln!(text, "  window  {window}");
    if let Some(read) = read.as_ref().filter(|read| read.lines > 0) {
        let _ = writeln!(text, "  read    {}", read_through(read));
    }
    if let Some(pushes) = pushes {
        let _ = writeln!(text, "  pushed  {}", pushed(pushes));
    }
    if let Some(why) = unreachable {
        let _ = writeln!(text, "{}  {why}", MARKS[UNREACHABLE].0);
        let _ = writeln!(
            text,
            "        → see whether it is there and may be read from here; `collection.source` of the policy says where it is"
        );
    }
    let widest = metrics.iter().map(|it| it.metric.len()).max().unwrap_or_default();
    for metric in metrics {
        of_metric(text, metric, widest);
    }
    told(text, problems);
    for UnknownName { name, events, meant } in unknown {
        let meant = meant.as_ref().map_or(String::new(), |meant| format!("; is `{meant}` meant?"));
        let _ = writeln!(text, "      - {} of the unknown name {name}{meant}", counted(*events, "event"));
    }
}

fn read_through(read: &ReadThrough) -> String {
    let ReadThrough { places, bytes, lines, uncounted, newest_event, .. } = read;
    let newest = newest_event.map_or("no event".to_owned(), |at| format!("newest event {at}"));
    let mut said =
        format!("{}, {}, {}, {newest}", counted(*places, "file"), size(*bytes), counted(*lines, "line"));
    if uncounted.ignored > 0 {
        let _ = write!(said, ", {} ignored", uncounted.ignored);
    }
    if uncounted.malformed > 0 {
        let _ = write!(said, ", {} malformed", uncounted.malformed);
        if let Some(example) =
            uncounted.examples.iter().find(|it| uncounted.malformed_reasons.contains_key(&it.what))
        {
            let _ = write!(said, " (line {}: {})", example.line, example.what);
        }
    }
    said
}

fn pushed(pushes: &Pushes) -> String {
    let Pushes { collector, unseen, window, counters, counting, newest_event, .. } = pushes;
    let newest = newest_event.map_or(String::new(), |at| format!(", newest event {at}"));
    match (unseen, window) {
        (Some(_), _) => "seen by a running collector alone".to_owned(),
        (None, None) => format!("{counting} events at {collector}, of no window that is closed{newest}"),
        (None, Some(window)) => {
            let events: u64 = counters.values().sum();
            format!("{events} events in the window {window} at {collector}, {counting} since{newest}")
        }
    }
}

fn of_metric(text: &mut String, report: &MetricReport, widest: usize) {
    let MetricReport {
        metric, standing, value, between, unit, attempts, resolution, made_of, problems, ..
    } = report;
    if made_of.iter().all(|it| it.from == Origin::Collector) {
        let _ = writeln!(text, "{}  {metric:<widest$}  of the collector itself", mark(*standing));
        return;
    }
    let written = |value| format_value(Some(value), unit);
    let known = value_or_bounds(*value, *between, written);
    let mut figures = vec![known.unwrap_or_else(|| format_value(None, unit))];
    figures.extend(attempts.map(|attempts| counted(attempts, "attempt")));
    figures.extend(resolution.map(|resolution| match resolution {
        Resolution::Exact => "exact durations".to_owned(),
        Resolution::Bounds => "durations by bounds".to_owned(),
    }));
    let figures = figures.join(", ");
    let _ = writeln!(text, "{}  {metric:<widest$}  {figures}", mark(*standing));
    let widest = made_of.iter().map(|it| it.name.len()).max().unwrap_or_default();
    for Ingredient { name, made_of, events, .. } in made_of {
        let events = events.map_or("-".to_owned(), |events| events.to_string());
        let _ = writeln!(text, "    {events:>9}  {name:<widest$}  {made_of}");
    }
    told(text, problems);
}

fn told(text: &mut String, problems: &[Problem]) {
    for alike in problems.chunk_by(|a, b| a.remedy == b.remedy) {
        for problem in alike {
            let _ = writeln!(text, "      - {}", problem.said);
        }
        let _ = writeln!(text, "        → {}", alike[0].remedy);
    }
}

/// `1 attempt`, `3 attempts`.
pub(super) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `412 KiB`, `37 MiB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} bytes"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
