//! Keys of ours at a pager's.

use shared_types::{IncidentId, TargetName};

/// The incident that a dedup key of ours names; none: somebody else's.
#[must_use]
pub fn incident_of(dedup_key: &str) -> Option<(TargetName, IncidentId)> {
    let (target, incident) = dedup_key.strip_prefix("phasegate/")?.split_once('/')?;
    // Behind it stands when the incident was opened.
    let (incident, opened) = incident.split_once('/').unwrap_or((incident, "0"));
    opened.parse::<i64>().ok()?;
    Some((TargetName::parse(target).ok()?, IncidentId::parse(incident).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_somebody_else_names_no_incident() {
        for key in [
            "",
            "phasegate/",
            "phasegate/autosave",
            "other/autosave/INC-20261122-001",
            "phasegate/a b/INC-1",
            "phasegate/autosave/INC-20261122-001/x",
            "phasegate/autosave/given-up/INC-20261122-001/slack/#incident",
        ] {
            assert_eq!(incident_of(key), None, "{key}");
        }
    }

    #[test]
    fn a_key_of_ours_names_its_incident_with_and_without_its_opening() {
        for key in
            ["phasegate/autosave/INC-20261122-001", "phasegate/autosave/INC-20261122-001/1763805600000"]
        {
            assert_eq!(incident_of(key).unwrap().1.as_str(), "INC-20261122-001", "{key}");
        }
    }
}
