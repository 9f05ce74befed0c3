//! What the collector counts for the alert rules. Each counter is there at 0 before anything happens: one that is born at
//! 1 shows no increase, and the rule would miss the first (OP-7).

use metrics::{SharedString, counter};
use service_kit::telemetry::targets::Named;
use shared_types::{PhaseId, TargetName};

use crate::intake::Counts;

const EVENTS: &str = "phasegate_events_total";
const BATCHES: &str = "phasegate_batches_total";
const SOURCE_FAILURES: &str = "phasegate_source_failures_total";
const SOURCE_LOST: &str = "phasegate_source_lost_total";
const REFUSED_DIRECTIVES: &str = "phasegate_refused_directives_total";

static NAMED: Named = Named::none();

/// All of a policy's targets that do not wait for a phase.
pub fn begin<'t>(targets: impl ExactSizeIterator<Item = &'t TargetName>) {
    NAMED.begin(targets).iter().for_each(begin_at_0);
}

fn begin_at_0(label: &SharedString) {
    count_events(label, &Counts::default());
    for name in [SOURCE_FAILURES, SOURCE_LOST, REFUSED_DIRECTIVES] {
        counter!(name, "target" => label.clone()).increment(0);
    }
}

/// Events were taken in.
pub fn events(target: &TargetName, counts: &Counts) {
    // Each target looks now and then, and most find nothing.
    if counts.is_nothing() {
        return;
    }
    count_events(&NAMED.label(target), counts);
}

fn count_events(label: &SharedString, counts: &Counts) {
    let outcomes = [
        ("accepted", counts.accepted),
        ("duplicate", counts.duplicates),
        ("late", counts.late),
        ("malformed", counts.malformed),
        ("unknown", counts.unknown),
    ];
    for (outcome, count) in outcomes {
        counter!(EVENTS, "target" => label.clone(), "outcome" => outcome).increment(count);
    }
}

/// A window was closed.
pub fn closed(target: &TargetName, phase: &PhaseId) {
    counter!(BATCHES, "target" => NAMED.label(target), "phase" => phase.to_string()).increment(1);
}

/// The source could not be read.
pub fn source_failed(target: &TargetName) {
    urgent(SOURCE_FAILURES, target);
}

/// A file was not read to its end (CO-9).
pub fn source_lost(target: &TargetName) {
    urgent(SOURCE_LOST, target);
}

/// A directive cannot be so (OP-4).
pub fn directive_refused(target: &TargetName) {
    urgent(REFUSED_DIRECTIVES, target);
}

fn urgent(name: &'static str, target: &TargetName) {
    counter!(name, "target" => NAMED.urgent(target, begin_at_0)).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-7: what the shipped alert rules count is there at 0 before it happens for the first time.
    #[test]
    fn counters_are_there_before_they_count() {
        service_kit::telemetry::metrics::install();
        begin([TargetName::parse("never-read").unwrap()].iter());
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
