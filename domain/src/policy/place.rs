//! Where a number stands in a policy's text, so that a decision can point at the line it was made by.

use super::parse::read_shape;
use super::section::file::RawPolicy;

/// One value of a policy's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Such as `targets.autosave.phases[1].thresholds.error_rate`.
    pub path: String,
    /// As it is written there; empty for a section.
    pub text: String,
    /// From 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
}

/// A policy's text with the places of its values.
#[derive(Debug)]
pub struct Places(RawPolicy);

impl Places {
    /// Of a text that is a policy; `None` of any other.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        read_shape(text).ok().map(Self)
    }

    /// Where a target says how it is moved.
    #[must_use]
    pub fn transitions(&self, target: &str) -> Option<Place> {
        let at = &self.0.targets.value.get(target)?.value.transitions;
        let path = format!("targets.{target}.transitions");
        Some(Place { path, text: String::new(), line: at.line, column: at.column })
    }

    /// The threshold of a metric in a phase.
    #[must_use]
    pub fn threshold(&self, target: &str, phase: &str, metric: &str) -> Option<Place> {
        let phases = &self.0.targets.value.get(target)?.value.phases.value;
        let (index, phase) = phases.iter().enumerate().find(|(_, it)| it.value.id.value == phase)?;
        let threshold = phase.value.thresholds.value.get(metric)?;
        Some(Place {
            path: format!("targets.{target}.phases[{index}].thresholds.{metric}"),
            text: threshold.value.0.clone(),
            line: threshold.line,
            column: threshold.column,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SLO-10: the place is the one where the number stands in the file.
    #[test]
    fn a_threshold_is_found_where_it_stands() {
        let text = include_str!("../../../governance/policy.yaml");
        let places = Places::of(text).unwrap();
        let place = places.threshold("autosave", "B", "save_latency_p95").unwrap();
        assert_eq!(place.path, "targets.autosave.phases[1].thresholds.save_latency_p95");
        assert_eq!(place.text, "2.0s");
        let line = text.lines().nth(usize::try_from(place.line - 1).unwrap()).unwrap();
        let at = line.char_indices().nth(usize::try_from(place.column - 1).unwrap()).unwrap().0;
        assert!(line[at..].starts_with("2.0s"), "{place:?}: {line}");
        assert_eq!(places.threshold("autosave", "Z", "save_latency_p95"), None);
        assert_eq!(places.threshold("autosave", "B", "nothing"), None);
        assert_eq!(places.threshold("nobody", "B", "error_rate"), None);
        assert!(Places::of("version: 1").is_none());
    }
}
