//! Keys of ours at a pager's.

use shared_types::{IncidentId, TargetName};

/// The incident that a dedup key of ours names; none: somebody else's.
#[must_use]
pub fn incident_of(dedup_key: &str) -> Option<(TargetName, IncidentId)> {
    let (target, incident) = dedup_key.strip_prefix("phasegate/")?.split_once('/')?;
    Some((TargetName::parse(target).ok()?, IncidentId::parse(incident).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_somebody_else_names_no_incident() {
        for key in
            ["", "phasegate/", "phasegate/autosave", "other/autosave/INC-20261122-001", "phasegate/a b/INC-1"]
        {
            assert_eq!(incident_of(key), None, "{key}");
        }
    }
}
