//! What the analyzer counts, by names the dashboards know.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};
use shared_types::Decision;

const DECISIONS: &str = "phasegate_decisions_total";
const LATENCY: &str = "phasegate_decision_latency_seconds";
const REFUSED: &str = "phasegate_refused_batches_total";
const UNTOLD: &str = "phasegate_implausible_values_total";

/// Says what the numbers are.
pub fn describe() {
    describe_counter!(DECISIONS, "Decisions made, by target, phase and verdict");
    describe_histogram!(LATENCY, "From a batch's or event's arrival to its committed decision");
    describe_counter!(REFUSED, "Batches that came under the key of another one");
    describe_counter!(
        UNTOLD,
        "Batches and alarms refused for an epoch that nobody was told or a window that has not ended"
    );
}

/// A decision was committed, `latency` after what it is about arrived.
pub fn decided(decision: &Decision, latency: Option<Duration>) {
    let labels = [
        ("target", decision.target.to_string()),
        ("phase", decision.phase.to_string()),
        ("verdict", decision.verdict.as_str().to_owned()),
    ];
    counter!(DECISIONS, &labels).increment(1);
    if let Some(latency) = latency {
        histogram!(LATENCY).record(latency.as_secs_f64());
    }
}

/// A batch was refused and kept.
pub fn refused(target: &shared_types::TargetName) {
    counter!(REFUSED, "target" => target.to_string()).increment(1);
}

/// What a sender claimed cannot be so (OP-4).
pub fn implausible(target: &shared_types::TargetName, field: &'static str) {
    counter!(UNTOLD, "target" => target.to_string(), "field" => field).increment(1);
}
