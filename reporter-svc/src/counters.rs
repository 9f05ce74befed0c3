//! What the reporter counts for the alert rules. Each counter is there at 0 before anything happens: one that is born at
//! 1 shows no increase, and the rule would miss the first (OP-7).

use metrics::counter;
use shared_types::TargetName;
use shared_types::rollout::TransitionKind;
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

const TRANSITIONS: &str = "phasegate_transitions_total";
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

/// All of a target.
pub fn begin(target: &TargetName) {
    for kind in TransitionKind::iter() {
        for outcome in AttemptOutcome::iter() {
            count_attempt(target, kind, outcome, 0);
        }
    }
    counter!(REFUSED_DECISIONS, "target" => target.to_string()).increment(0);
}

/// An attempt has ended.
pub fn attempt_ended(target: &TargetName, kind: TransitionKind, outcome: AttemptOutcome) {
    count_attempt(target, kind, outcome, 1);
}

/// A decision was not taken in.
pub fn decision_refused(target: &TargetName) {
    counter!(REFUSED_DECISIONS, "target" => target.to_string()).increment(1);
}

fn count_attempt(target: &TargetName, kind: TransitionKind, outcome: AttemptOutcome, by: u64) {
    let outcome: &'static str = outcome.into();
    counter!(TRANSITIONS, "target" => target.to_string(), "kind" => kind.as_str(), "outcome" => outcome)
        .increment(by);
}
