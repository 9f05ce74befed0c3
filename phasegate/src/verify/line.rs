//! The archive's lines (CO-3).

use std::collections::BTreeMap;
use std::path::Path;

use collector_svc::archive::Named;
use shared_types::{Batch, Timestamp};

/// What stands in the archive of one window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    Whole(Box<Batch>),
    /// Not a line of JSON, not a batch, or two that say different things.
    Torn(String),
}

impl Line {
    /// The lines of windows that begin in a time; none if there is no such folder. The last line of a day that has no break yet
    /// may be one that is just being written, and counts as not there.
    pub(crate) fn read_all(
        folder: &Path,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<BTreeMap<Timestamp, Self>> {
        let mut lines = BTreeMap::new();
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            match Named::of(&entry.path()) {
                Some(Named::Day(day)) if day < to => {
                    for (start, line) in Self::read_day(&entry.path(), day) {
                        Self::add(&mut lines, start, line);
                    }
                }
                Some(Named::Window(start)) => Self::add(&mut lines, start, Self::read(&entry.path(), start)),
                Some(Named::Day(_)) | None => {}
            }
        }
        lines.retain(|start, _| (from..to).contains(start));
        Some(lines)
    }

    /// A window may stand in a file of its own and in that of its day: written by two releases side by side.
    fn add(lines: &mut BTreeMap<Timestamp, Self>, start: Timestamp, line: Self) {
        let known = lines.remove(&start);
        let line = match known {
            Some(known) if known != line => Self::Torn("it stands there twice, and not the same".to_owned()),
            _ => line,
        };
        lines.insert(start, line);
    }

    fn read_day(path: &Path, day: Timestamp) -> Vec<(Timestamp, Self)> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return vec![(day, Self::Torn(error.to_string()))],
        };
        let mut found: Vec<(Timestamp, Self)> = Vec::new();
        for (number, line) in (1..).zip(text.split_inclusive('\n').filter(|line| line.ends_with('\n'))) {
            match serde_json::from_str::<Batch>(line) {
                Ok(batch) => found.push((batch.window.start, Self::Whole(Box::new(batch)))),
                Err(error) => {
                    // Which window it was is read from what is left of it, else told from the one before.
                    let before = found.last().map_or(day, |(start, _)| start.plus(MOMENT));
                    let start = named_in(line).unwrap_or(before);
                    found.push((start, Self::Torn(format!("line {number}: {error}"))));
                }
            }
        }
        found
    }

    fn read(path: &Path, start: Timestamp) -> Self {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return Self::Torn(error.to_string()),
        };
        if !text.ends_with('\n') || text.lines().count() != 1 {
            return Self::Torn(format!("{} lines, the last one {}", text.lines().count(), end(&text)));
        }
        match serde_json::from_str::<Batch>(&text) {
            Ok(batch) if batch.window.start == start => Self::Whole(Box::new(batch)),
            Ok(batch) => Self::Torn(format!("it holds the window {}", batch.window)),
            Err(error) => Self::Torn(error.to_string()),
        }
    }

    pub(super) fn batch(&self) -> Option<&Batch> {
        match self {
            Self::Whole(batch) => Some(batch),
            Self::Torn(_) => None,
        }
    }
}

const MOMENT: std::time::Duration = std::time::Duration::from_millis(1);

/// The window that a damaged line was about.
fn named_in(line: &str) -> Option<Timestamp> {
    let (_, rest) = line.split_once("\"window\":{\"start\":\"")?;
    Timestamp::parse(rest.split('"').next()?).ok()
}

fn end(text: &str) -> &'static str {
    if text.ends_with('\n') { "whole" } else { "without its line break" }
}
