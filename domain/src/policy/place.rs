//! Where a number stands in a policy's text, so that a decision can point at the line it was made by.

use std::collections::HashMap;

use super::at::At;
use super::check::{Path, WrongPlaces};
use super::contents::Contents;
use super::overlay::Overlaid;
use super::stream;
use super::tree::{Node, Tree};

/// One value of a policy's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Such as `targets.autosave.phases[1].thresholds.error_rate`; where a template says it, `templates.…`.
    pub path: String,
    /// As it is written there; empty for a section.
    pub text: String,
    /// Of the whole text, from 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
}

/// A policy's text with the places of its values.
#[derive(Debug)]
pub struct Places<'a> {
    contents: Contents<'a>,
    targets: HashMap<String, usize>,
}

impl<'a> Places<'a> {
    /// Of a text that is a policy; `None` of any other.
    #[must_use]
    pub fn of(text: &'a str) -> Option<Self> {
        let mut wrong = WrongPlaces::default();
        let contents = Contents::of(text, &mut wrong);
        let names = contents.targets.iter().enumerate();
        let targets = names.map(|(index, (name, _))| (name.value.clone(), index)).collect();
        wrong.is_empty().then_some(Self { contents, targets })
    }

    /// Where a target says how it is moved.
    #[must_use]
    pub fn transitions(&self, target: &str) -> Option<Place> {
        let laid = self.target(target)?;
        let (at, _) = laid.get("transitions")?;
        Some(self.place(at, String::new(), format!("targets.{target}.transitions")))
    }

    /// The threshold of a metric in a phase.
    #[must_use]
    pub fn threshold(&self, target: &str, phase: &str, metric: &str) -> Option<Place> {
        let laid = self.target(target)?;
        let Node::List(phases) = &laid.get("phases")?.0.value.0 else { return None };
        let is_it = |it: &At<Tree>| it.value.get("id").and_then(|id| id.value.written()) == Some(phase);
        let (index, phase) = phases.iter().enumerate().find(|(_, it)| is_it(it))?;
        let threshold = phase.value.get("thresholds")?.value.get(metric)?;
        let path = format!("targets.{target}.phases[{index}].thresholds.{metric}");
        Some(self.place(threshold, threshold.value.written()?.to_owned(), path))
    }

    /// The file of a place and the line in it; the policy's own file is called `policy`.
    #[must_use]
    pub fn in_file(&self, place: &Place, policy: &str) -> (String, u64) {
        match stream::part_of(&self.contents.parts, place.line) {
            Some(part) => (stream::file_of(part, policy), place.line - part.lines_before),
            None => (policy.to_owned(), place.line),
        }
    }

    fn target(&self, name: &str) -> Option<Overlaid> {
        let (_, own) = self.contents.targets.get(*self.targets.get(name)?)?;
        self.contents.overlaid(own, &Path::root(), &mut WrongPlaces::default())
    }

    fn place(&self, at: &At<Tree>, text: String, path: String) -> Place {
        let (line, column) = at.place();
        Place { path: self.contents.path_at((line, column), path), text, line, column }
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
