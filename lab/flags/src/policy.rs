//! The policy of the stories, with telemetry that is pushed and another way to move users.

use phasegate_sources::policy::{FAST, FILES, changed};

/// With these lines under `transitions` in place of its commands.
///
/// # Panics
/// The policy has other lines.
#[must_use]
pub fn moved_by(lines: &str) -> String {
    let (before, rest) = FAST.split_once("      rollback: { command:").expect("the rollback command");
    let (_, after) = rest.split_once("      timeout: 5s\n").expect("the time limit of a move");
    let policy = format!("{before}{lines}      timeout: 5s\n{after}");
    changed(&policy, &[(FILES, "{ http: {} }")])
}
