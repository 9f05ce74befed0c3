//! The archive's files, one line each (CO-3).

use std::collections::BTreeMap;
use std::path::Path;

use shared_types::{Batch, Timestamp};

/// What stands in the file of one window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    Whole(Box<Batch>),
    /// Not a line of JSON, not a batch, or more than one line.
    Torn(String),
}

impl Line {
    /// The files of windows that begin in a time; none if there is no such folder.
    pub(crate) fn read_all(
        folder: &Path,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<BTreeMap<Timestamp, Self>> {
        let mut lines = BTreeMap::new();
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            let name = entry.file_name();
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".jsonl")) else { continue };
            // By the moment, not by the name: one with milliseconds sorts before the whole second it follows.
            if let Some(start) = start_of(stem).filter(|start| (from..to).contains(start)) {
                lines.insert(start, Self::read(&entry.path(), start));
            }
        }
        Some(lines)
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

fn end(text: &str) -> &'static str {
    if text.ends_with('\n') { "whole" } else { "without its line break" }
}

/// `20261122T101500Z`, with milliseconds where they are not zero.
fn start_of(stem: &str) -> Option<Timestamp> {
    let (date, time) = stem.split_once('T')?;
    let (year, month_day) = date.split_at_checked(4)?;
    let (month, day) = month_day.split_at_checked(2)?;
    let (hour, rest) = time.split_at_checked(2)?;
    let (minute, second) = rest.split_at_checked(2)?;
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}")).ok()
}
