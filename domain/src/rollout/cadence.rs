//! The length of windows: the policy's, told to the collector by a directive (CO-6, PO-2).

use shared_types::Directive;

use super::directive::{direct, next_sequence};
use super::step::{Context, Step};
use super::watch::millis;

/// The policy's window is another one than the collector was told: it is told again, for the same phase and epoch. The
/// cadence of a recovery watch stays until the watch is over; what follows it the collector takes from its own policy.
pub(super) fn policy_changed(mut step: Step, context: &Context<'_>) -> Step {
    let window = millis(context.policy.collection.window);
    let Some(directive) = step.target.directive.clone() else { return step };
    if directive.until.is_none() && directive.cadence_ms != window {
        let sequence = next_sequence(&step);
        direct(&mut step, Directive { cadence_ms: window, sequence, ..directive });
    }
    step
}
