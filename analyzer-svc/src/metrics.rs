//! What the analyzer counts, by names the dashboards know.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::policy::Policy;
use metrics::{SharedString, counter, describe_counter, describe_histogram, histogram};
use service_kit::telemetry::targets::Named;
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

static NAMED: Named = Named::none();

/// OP-7: all of a policy's targets are there at 0 before they count: one that is born at 1 shows an alert rule no increase.
pub fn begin(policy: &Policy) {
    let labels = NAMED.begin(policy.targets.keys());
    let phases: BTreeSet<&PhaseId> =
        policy.targets.values().flat_map(|it| &it.phases).map(|phase| &phase.id).collect();
    for label in labels {
        let own = TargetName::parse(&label).ok().and_then(|name| policy.targets.get(&name));
        match own {
            Some(own) => own.phases.iter().for_each(|phase| begin_decisions(&label, &phase.id)),
            None => phases.iter().for_each(|phase| begin_decisions(&label, phase)),
        }
        begin_refusals(&label);
    }
}

fn begin_decisions(label: &SharedString, phase: &PhaseId) {
    Verdict::iter().for_each(|verdict| count_decision(label, phase, verdict, 0));
}

fn begin_refusals(label: &SharedString) {
    for name in [REFUSED, LEFT_OUT] {
        counter!(name, "target" => label.clone()).increment(0);
    }
    for field in ["epoch", "window"] {
        counter!(UNTOLD, "target" => label.clone(), "field" => field).increment(0);
    }
}

/// A decision was committed, `latency` after what it is about arrived.
pub fn decided(decision: &Decision, latency: Option<Duration>) {
    let Decision { target, phase, verdict, .. } = decision;
    let label = match verdict {
        Verdict::Violation => NAMED.urgent(target, |label| {
            begin_decisions(label, phase);
            begin_refusals(label);
        }),
        _ => NAMED.label(target),
    };
    count_decision(&label, phase, *verdict, 1);
    if let Some(latency) = latency {
        histogram!(LATENCY).record(latency.as_secs_f64());
    }
}

fn count_decision(label: &SharedString, phase: &PhaseId, verdict: Verdict, by: u64) {
    let labels = [
        ("target", label.clone()),
        ("phase", phase.to_string().into()),
        ("verdict", SharedString::const_str(verdict.as_str())),
    ];
    counter!(DECISIONS, &labels).increment(by);
}

/// A batch was refused.
pub fn refused(target: &TargetName) {
    counter!(REFUSED, "target" => urgent(target)).increment(1);
}

/// A refused batch was not kept.
pub fn left_out(target: &TargetName) {
    counter!(LEFT_OUT, "target" => urgent(target)).increment(1);
}

/// What a sender claimed cannot be so (OP-4).
pub fn implausible(target: &TargetName, field: &'static str) {
    counter!(UNTOLD, "target" => urgent(target), "field" => field).increment(1);
}

fn urgent(target: &TargetName) -> SharedString {
    NAMED.urgent(target, begin_refusals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::gate::fixture::whole_policy;

    /// OP-7: what the shipped alert rules count is there at 0 before it happens for the first time.
    #[test]
    fn counters_are_there_before_they_count() {
        service_kit::telemetry::metrics::install();
        let policy = whole_policy();
        begin(&policy);
        let (target, of_it) = policy.targets.iter().next().unwrap();
        let text = service_kit::telemetry::metrics::render(service_kit::ServiceName::Analyzer);
        for phase in &of_it.phases {
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
