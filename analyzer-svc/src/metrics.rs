//! What the analyzer counts, by names the dashboards know.

use std::time::Duration;

use domain::policy::TargetPolicy;
use metrics::{counter, describe_counter, describe_histogram, histogram};
use shared_types::{Decision, PhaseId, TargetName, Verdict};
use strum::IntoEnumIterator as _;

const DECISIONS: &str = "phasegate_decisions_total";
const LATENCY: &str = "phasegate_decision_latency_seconds";
const REFUSED: &str = "phasegate_refused_batches_total";
const LEFT_OUT: &str = "phasegate_refused_batches_left_out_total";
const UNTOLD: &str = "phasegate_implausible_values_total";

/// Says what the numbers are.
pub fn describe() {
    describe_counter!(DECISIONS, "Decisions made, by target, phase and verdict");
    describe_histogram!(LATENCY, "From a batch's or event's arrival to its committed decision");
    describe_counter!(REFUSED, "Batches that came under the key of another one");
    describe_counter!(
        LEFT_OUT,
        "Refused batches that were not kept, as enough of their window or target are"
    );
    describe_counter!(
        UNTOLD,
        "Batches and alarms refused for an epoch that nobody was told or a window that has not ended"
    );
}

/// OP-7: all of a target are there at 0 before they count: one that is born at 1 shows an alert rule no increase.
pub fn begin(target: &TargetName, policy: &TargetPolicy) {
    for phase in &policy.phases {
        for verdict in Verdict::iter() {
            count_decision(target, &phase.id, verdict, 0);
        }
    }
    counter!(REFUSED, "target" => target.to_string()).increment(0);
    counter!(LEFT_OUT, "target" => target.to_string()).increment(0);
    for field in ["epoch", "window"] {
        counter!(UNTOLD, "target" => target.to_string(), "field" => field).increment(0);
    }
}

/// A decision was committed, `latency` after what it is about arrived.
pub fn decided(decision: &Decision, latency: Option<Duration>) {
    count_decision(&decision.target, &decision.phase, decision.verdict, 1);
    if let Some(latency) = latency {
        histogram!(LATENCY).record(latency.as_secs_f64());
    }
}

fn count_decision(target: &TargetName, phase: &PhaseId, verdict: Verdict, by: u64) {
    let labels = [
        ("target", target.to_string()),
        ("phase", phase.to_string()),
        ("verdict", verdict.as_str().to_owned()),
    ];
    counter!(DECISIONS, &labels).increment(by);
}

/// A batch was refused.
pub fn refused(target: &TargetName) {
    counter!(REFUSED, "target" => target.to_string()).increment(1);
}

/// A refused batch was not kept.
pub fn left_out(target: &TargetName) {
    counter!(LEFT_OUT, "target" => target.to_string()).increment(1);
}

/// What a sender claimed cannot be so (OP-4).
pub fn implausible(target: &TargetName, field: &'static str) {
    counter!(UNTOLD, "target" => target.to_string(), "field" => field).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::gate::fixture::policy;

    /// OP-7: what the shipped alert rules count is there at 0 before it happens for the first time.
    #[test]
    fn counters_are_there_before_they_count() {
        service_kit::telemetry::metrics::install();
        let target = TargetName::parse("never-judged").unwrap();
        begin(&target, &policy());
        let text = service_kit::telemetry::metrics::render(service_kit::ServiceName::Analyzer);
        for phase in &policy().phases {
            for verdict in Verdict::iter() {
                let labels = format!(
                    "{{target=\"{target}\",phase=\"{}\",verdict=\"{}\"}} 0",
                    phase.id,
                    verdict.as_str()
                );
                assert!(text.contains(&format!("{DECISIONS}{labels}")), "{labels}\n{text}");
            }
        }
        assert!(text.contains(&format!("{REFUSED}{{target=\"{target}\"}} 0")), "{text}");
        assert!(text.contains(&format!("{LEFT_OUT}{{target=\"{target}\"}} 0")), "{text}");
        assert!(text.contains(&format!("{UNTOLD}{{target=\"{target}\",field=\"epoch\"}} 0")), "{text}");
    }
}
