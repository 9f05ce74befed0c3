//! What the collector counts for the alert rules. Each counter is there at 0 before anything happens: one that is born at
//! 1 shows no increase, and the rule would miss the first (OP-7).

use metrics::counter;
use shared_types::{PhaseId, TargetName};

use crate::intake::Counts;

const EVENTS: &str = "phasegate_events_total";
const BATCHES: &str = "phasegate_batches_total";
const SOURCE_FAILURES: &str = "phasegate_source_failures_total";
const SOURCE_LOST: &str = "phasegate_source_lost_total";
const REFUSED_DIRECTIVES: &str = "phasegate_refused_directives_total";

/// All of a target that do not wait for a phase.
pub fn begin(target: &TargetName) {
    events(target, &Counts::default());
    counter!(SOURCE_FAILURES, "target" => target.to_string()).increment(0);
    counter!(SOURCE_LOST, "target" => target.to_string()).increment(0);
    counter!(REFUSED_DIRECTIVES, "target" => target.to_string()).increment(0);
}

/// Events were taken in.
pub fn events(target: &TargetName, counts: &Counts) {
    let outcomes = [
        ("accepted", counts.accepted),
        ("duplicate", counts.duplicates),
        ("late", counts.late),
        ("malformed", counts.malformed),
        ("unknown", counts.unknown),
    ];
    for (outcome, count) in outcomes {
        counter!(EVENTS, "target" => target.to_string(), "outcome" => outcome).increment(count);
    }
}

/// A window was closed.
pub fn closed(target: &TargetName, phase: &PhaseId) {
    counter!(BATCHES, "target" => target.to_string(), "phase" => phase.to_string()).increment(1);
}

/// The source could not be read.
pub fn source_failed(target: &TargetName) {
    counter!(SOURCE_FAILURES, "target" => target.to_string()).increment(1);
}

/// A file was not read to its end (CO-9).
pub fn source_lost(target: &TargetName) {
    counter!(SOURCE_LOST, "target" => target.to_string()).increment(1);
}

/// A directive cannot be so (OP-4).
pub fn directive_refused(target: &TargetName) {
    counter!(REFUSED_DIRECTIVES, "target" => target.to_string()).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-7: what the shipped alert rules count is there at 0 before it happens for the first time.
    #[test]
    fn counters_are_there_before_they_count() {
        service_kit::telemetry::metrics::install();
        begin(&TargetName::parse("never-read").unwrap());
        let text = service_kit::telemetry::metrics::render(service_kit::ServiceName::Collector);
        let of_target = "{target=\"never-read\"";
        for outcome in ["accepted", "duplicate", "late", "malformed", "unknown"] {
            let line = format!("{EVENTS}{of_target},outcome=\"{outcome}\"}} 0");
            assert!(text.contains(&line), "{line}\n{text}");
        }
        assert!(text.contains(&format!("{SOURCE_FAILURES}{of_target}}} 0")), "{text}");
        assert!(text.contains(&format!("{SOURCE_LOST}{of_target}}} 0")), "{text}");
        assert!(text.contains(&format!("{REFUSED_DIRECTIVES}{of_target}}} 0")), "{text}");
    }
}
