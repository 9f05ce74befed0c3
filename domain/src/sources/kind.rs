//! A kind of source: what it reads of the policy.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{Schema, SchemaGenerator};

use crate::chosen::{Chosen, Settings};
use crate::policy::Wrong;
use crate::policy::kind_section::Section;

/// A kind of source, as the policy names it: `source: { <key>: { … } }`.
#[derive(Debug, Clone, Copy)]
pub struct SourceKind {
    /// Also what a batch says of it.
    pub key: &'static str,
    /// Its section in the schema and the documentation.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Reads and checks its section.
    pub read: fn(&Section) -> Result<Chosen<dyn SourceSettings>, Wrong>,
    /// A section of it, as YAML in one line.
    pub example: &'static str,
    /// What whoever uses it should know besides, as the rest of the sentence `<key> …`: Markdown, for `docs/collector.md`.
    pub docs: &'static str,
}

static NO_VALUES: BTreeMap<String, String> = BTreeMap::new();

/// A source's settings.
pub trait SourceSettings: Settings {
    /// The kind's key.
    fn kind(&self) -> &'static str;

    /// The settings in one line, as a difference shows them. Never a secret's value.
    fn words(&self) -> String;

    /// Patterns of the files that hold its events, where they stand in files: what collects once or counts again reads
    /// them by itself.
    fn files(&self) -> Option<&[String]> {
        None
    }

    /// Whether nothing is read: all of it is sent to a running collector.
    fn is_pushed(&self) -> bool {
        false
    }

    /// Whether every replica finds the same there, so that one of them is enough to read it.
    fn is_shared(&self) -> bool {
        false
    }

    /// How long after a window's end what belongs to it may still come; `grace` must not be shorter.
    fn settle(&self) -> Duration {
        Duration::ZERO
    }

    /// The queries of the numbers that it gives of a window, by the names under its `values`.
    fn values(&self) -> &BTreeMap<String, String> {
        &NO_VALUES
    }

    /// The events that it counts by itself, by the names under its `counters`.
    fn counted(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The events that it counts with their durations, by the names under its `distributions`.
    fn timed(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The events that it makes of something else, each with the keys below the kind's that lead to its name.
    fn named(&self) -> Vec<([&str; 3], &str)> {
        Vec::new()
    }

    /// What one of those is made of: its selector or its query, as the policy has it.
    fn made_of(&self, name: &str) -> Option<&str> {
        self.values().get(name).map(String::as_str)
    }
}

impl PartialEq for dyn SourceSettings {
    fn eq(&self, other: &Self) -> bool {
        self.same_as(other as &dyn Any)
    }
}

impl dyn SourceSettings {
    /// The settings, if they are of that kind: for what reads them.
    #[must_use]
    pub fn of_kind<T: SourceSettings>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}
