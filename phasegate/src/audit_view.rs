//! The audit log as text for people.

use std::fmt::Write;

use shared_types::AuditEntry;
use shared_types::audit::StreamVerification;

use crate::bundle::BundleReport;

/// A line a row.
pub(crate) fn rows(rows: &[AuditEntry]) -> String {
    if rows.is_empty() {
        return "no such rows\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        let proven = if row.actor.verified { "" } else { " (unproven)" };
        let subject = row.subject.as_deref().unwrap_or("");
        let by = format!("{}{proven} via {}", row.actor.name, row.actor.via.as_str());
        let _ = writeln!(
            text,
            "{}  {:<16} {:>6}  {:<24} {:<32} {subject}",
            row.at, row.stream, row.seq, row.action, by
        );
    }
    text
}

/// A line a stream.
pub(crate) fn streams(streams: &[StreamVerification]) -> String {
    if streams.is_empty() {
        return "the audit log is empty\n".to_owned();
    }
    let mut text = String::new();
    for it in streams {
        stream(&mut text, it);
    }
    text
}

fn stream(text: &mut String, it: &StreamVerification) {
    let _ = match (&it.fault, &it.head) {
        (Some(fault), _) => {
            writeln!(text, "{}: row {} {}: {}", it.stream, fault.seq, fault.kind.as_str(), fault.detail)
        }
        (None, None) => writeln!(text, "{}: no rows", it.stream),
        (None, Some(head)) => {
            let archived = match (it.archived, it.unarchived) {
                (0, 0) => String::new(),
                (archived, 0) => format!(", {archived} as in the archive"),
                (archived, young) => {
                    format!(", {archived} as in the archive, {young} on their way there")
                }
            };
            let sealed = it.sealed.map(|seq| format!(", signed up to row {seq}")).unwrap_or_default();
            let (stream, rows, last) = (&it.stream, it.rows, it.last_seq);
            writeln!(text, "{stream}: {rows} rows hold{archived}{sealed}; row {last} is {head}")
        }
    };
}

/// The streams, then the decisions.
pub(crate) fn bundle(report: &BundleReport) -> String {
    let mut text = streams(&report.streams);
    let decisions = &report.decisions;
    let _ = writeln!(
        text,
        "decisions: {} made again, {} came out the same, {} agree with the log",
        decisions.recomputed, decisions.same, decisions.agree
    );
    for fault in &report.faults {
        let _ = writeln!(text, "  - {fault}");
    }
    if report.ok && !report.sealed {
        text.push_str("whether it is whole is not proven: name the reporter's key with --public-key\n");
    }
    text.push_str(if report.ok { "all holds\n" } else { "does not hold\n" });
    text
}
