//! What fills the placeholders of a transition's commands (RB-2).

use shared_types::{IncidentId, PhaseId, TargetName};

use super::TargetPolicy;
use crate::placeholder::Values;

/// One transition, as a command sees it.
#[derive(Debug, Clone, Copy)]
pub struct CommandFacts<'a> {
    pub target: &'a TargetName,
    /// The phase to leave.
    pub from: &'a PhaseId,
    /// The phase to reach.
    pub to: &'a PhaseId,
    /// `none` on the command line if there is none.
    pub incident: Option<&'a IncidentId>,
    pub reason: &'a str,
}

/// Values for all of [`super::COMMAND_PLACEHOLDERS`], so that a command of a checked policy can always be rendered:
/// `{phase}` is the phase to leave, `{prev}` and `{next}` the phases below and above it (one of them is the phase to reach),
/// `{audience}` the percentage to reach, such as `5`.
#[must_use]
pub fn command_values(policy: &TargetPolicy, facts: &CommandFacts<'_>) -> Values {
    let below = policy.below(facts.from).unwrap_or_else(PhaseId::off);
    let above = policy.above(facts.from).unwrap_or_else(PhaseId::completed);
    // A policy that changed its phases since the transition was decided must not move its goal.
    let position = |id: &PhaseId| policy.position(id);
    let goes_up = position(facts.to) > position(facts.from);
    let (prev, next) = if goes_up { (&below, facts.to) } else { (facts.to, &above) };
    let reason = if facts.reason.is_empty() { "none" } else { facts.reason };
    let values = [
        ("target", facts.target.to_string()),
        ("phase", facts.from.to_string()),
        ("prev", prev.to_string()),
        ("next", next.to_string()),
        ("audience", policy.audience_percent(facts.to).to_string()),
        ("incident", facts.incident.map_or_else(|| "none".to_owned(), ToString::to_string)),
        ("reason", reason.to_owned()),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::placeholder::render_arguments;
    use crate::policy::Policy;

    fn autosave() -> (TargetName, TargetPolicy) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance/policy.yaml");
        Policy::load(&file).unwrap().targets.into_iter().next().unwrap()
    }

    #[track_caller]
    fn check(from: &str, to: &str, expected: &str) {
        let (target, policy) = autosave();
        let (from, to) = (PhaseId::parse(from).unwrap(), PhaseId::parse(to).unwrap());
        let facts = CommandFacts { target: &target, from: &from, to: &to, incident: None, reason: "" };
        let all: Vec<String> = super::super::COMMAND_PLACEHOLDERS.map(|name| format!("{{{name}}}")).into();
        let rendered = render_arguments(&all, &command_values(&policy, &facts)).unwrap();
        assert_eq!(rendered.join(" "), expected);
    }

    /// RB-2
    #[test]
    fn every_command_placeholder_has_a_value_in_every_transition() {
        check("C", "B", "autosave C B completed 30 none none");
        check("A", "off", "autosave A off B 0 none none");
        check("off", "A", "autosave off off A 5 none none");
        check("B", "C", "autosave B A C 100 none none");
        check("C", "completed", "autosave C B completed 100 none none");
        check("completed", "C", "autosave completed C completed 100 none none");
    }

    /// RB-2
    #[test]
    fn the_shipped_rollback_names_the_phase_to_reach() {
        let (target, policy) = autosave();
        let (from, to) = (PhaseId::parse("C").unwrap(), PhaseId::parse("B").unwrap());
        let facts = CommandFacts { target: &target, from: &from, to: &to, incident: None, reason: "x" };
        let command =
            render_arguments(&policy.transitions.rollback, &command_values(&policy, &facts)).unwrap();
        assert_eq!(command.join(" "), "pnpm run flags:rollback --phase B");
    }
}
