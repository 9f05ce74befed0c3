//! Whether the demo showed what it promises: exactly one rollback, and a confirmed recovery.
//!
//! The rollback is counted twice over, in the reporter's record of what it executed and in the journal of
//! the flag system, which knows nothing of the reporter.

use shared_types::incident::{Incident, IncidentState};

use super::editor::flag::{Flag, JournalEntry};

/// What is looked at.
#[derive(Debug)]
pub(super) struct Facts<'f> {
    pub(super) journal: &'f [JournalEntry],
    pub(super) flag: &'f Flag,
    pub(super) incidents: &'f [Incident],
    /// Rollbacks that the executor finished.
    pub(super) rollbacks_done: usize,
    /// Texts in the incident channel and pages opened.
    pub(super) incident_messages: usize,
    pub(super) pages: usize,
}

/// What is missing; nothing if all is well.
pub(super) fn missing(facts: &Facts<'_>) -> Vec<String> {
    let mut missing = Vec::new();
    let mut expect = |holds: bool, otherwise: String| {
        if !holds {
            missing.push(otherwise);
        }
    };
    let back = |entry: &&JournalEntry| entry.changed && entry.from == "B" && entry.to == "A";
    let journalled = facts.journal.iter().filter(back).count();
    expect(journalled == 1, format!("the flag's journal holds {journalled} changes from B to A, not one"));
    expect(
        facts.rollbacks_done == 1,
        format!("the executor's record holds {} finished rollbacks, not one", facts.rollbacks_done),
    );
    expect(facts.flag.phase == "A", format!("the flag is at {}, not at A", facts.flag.phase));
    match facts.incidents {
        [incident] => expect(
            incident.state != IncidentState::Open,
            format!("the recovery of {} was not confirmed", incident.id),
        ),
        others => expect(false, format!("{} incidents were opened, not one", others.len())),
    }
    expect(facts.incident_messages >= 1, "no message reached the incident channel".to_owned());
    expect(facts.pages == 1, format!("{} pages were opened, not one", facts.pages));
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn incident(state: &str) -> Incident {
        serde_json::from_value(json!({
            "id": "INC-20261122-001", "target": "autosave", "phase": "B", "epoch": 2, "state": state,
            "metric": "error_rate", "priority": "P2",
            "window": {"start": "2026-11-22T10:00:00.000Z", "end": "2026-11-22T10:00:02.000Z"},
            "opened_at": "2026-11-22T10:00:03.000Z", "acknowledged_at": null, "acknowledged_by": null,
            "acknowledge_by": "2026-11-22T10:15:03.000Z", "acknowledged_in_time": null,
            "escalates_at": null, "escalated_at": null, "recovered_at": null, "closed_at": null, "rollback": null,
            "decisions": [],
            "rca": {"state": "missing", "due_at": "2026-11-23T10:00:03.000Z", "file": "rca.md"},
            "review": null, "evidence": [], "runbook": null, "timeline": [],
        }))
        .unwrap()
    }

    fn entry(from: &str, to: &str) -> JournalEntry {
        let (from, to) = (from.to_owned(), to.to_owned());
        JournalEntry { at: String::new(), changed: from != to, from, to, revision: 1 }
    }

    fn flag(phase: &str) -> Flag {
        Flag { phase: phase.to_owned(), audience_percent: 5.0, revision: 4, phases: [].into() }
    }

    #[test]
    fn one_rollback_and_a_confirmed_recovery_are_enough() {
        let journal = [entry("off", "A"), entry("A", "B"), entry("B", "A"), entry("A", "A")];
        let facts = Facts {
            journal: &journal,
            flag: &flag("A"),
            incidents: &[incident("recovered")],
            rollbacks_done: 1,
            incident_messages: 1,
            pages: 1,
        };
        assert_eq!(missing(&facts), Vec::<String>::new());
    }

    #[test]
    fn everything_that_did_not_happen_or_happened_twice_is_named() {
        let journal = [entry("A", "B"), entry("B", "A"), entry("A", "B"), entry("B", "A"), entry("A", "off")];
        let facts = Facts {
            journal: &journal,
            flag: &flag("off"),
            incidents: &[incident("open")],
            rollbacks_done: 2,
            incident_messages: 0,
            pages: 0,
        };
        assert_eq!(
            missing(&facts),
            [
                "the flag's journal holds 2 changes from B to A, not one",
                "the executor's record holds 2 finished rollbacks, not one",
                "the flag is at off, not at A",
                "the recovery of INC-20261122-001 was not confirmed",
                "no message reached the incident channel",
                "0 pages were opened, not one",
            ]
        );
    }
}
