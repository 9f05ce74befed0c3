//! What the reporter counts for the alert rules. Each counter is there at 0 before anything happens: one that is born at
//! 1 shows no increase, and the rule would miss the first (OP-7).

use std::time::Duration;

use metrics::{SharedString, counter, histogram};
use service_kit::telemetry::targets::Named;
use shared_types::TargetName;
use shared_types::rollout::TransitionKind;
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

const TRANSITIONS: &str = "phasegate_transitions_total";
const ROLLBACK_START: &str = "phasegate_rollback_start_seconds";
const REFUSED_DECISIONS: &str = "phasegate_refused_decisions_total";

/// How an attempt to move a target ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AttemptOutcome {
    Succeeded,
    Skipped,
    Retrying,
    Failed,
}

static NAMED: Named = Named::none();

/// All of a policy's targets.
pub fn begin<'t>(targets: impl ExactSizeIterator<Item = &'t TargetName>) {
    NAMED.begin(targets).iter().for_each(begin_at_0);
}

fn begin_at_0(label: &SharedString) {
    for kind in TransitionKind::iter() {
        for outcome in AttemptOutcome::iter() {
            count_attempt(label, kind, outcome, 0);
        }
    }
    counter!(REFUSED_DECISIONS, "target" => label.clone()).increment(0);
}

/// An attempt has ended.
pub fn attempt_ended(target: &TargetName, kind: TransitionKind, outcome: AttemptOutcome) {
    let well = matches!(outcome, AttemptOutcome::Succeeded | AttemptOutcome::Skipped);
    let label = match (kind, well) {
        (TransitionKind::Rollback, _) | (_, false) => NAMED.urgent(target, begin_at_0),
        _ => NAMED.label(target),
    };
    count_attempt(&label, kind, outcome, 1);
}

/// A decision was not taken in.
pub fn decision_refused(target: &TargetName) {
    counter!(REFUSED_DECISIONS, "target" => NAMED.urgent(target, begin_at_0)).increment(1);
}

/// From the analyzer's decision to the start of the rollback's command.
pub fn rollback_started(target: &TargetName, after: Duration) {
    histogram!(ROLLBACK_START, "target" => NAMED.label(target)).record(after.as_secs_f64());
}

fn count_attempt(label: &SharedString, kind: TransitionKind, outcome: AttemptOutcome, by: u64) {
    let outcome: &'static str = outcome.into();
    counter!(TRANSITIONS, "target" => label.clone(), "kind" => kind.as_str(), "outcome" => outcome)
        .increment(by);
}
