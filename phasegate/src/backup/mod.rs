//! Copies of the three services' stores that belong together, and whether they do (OP-3).

mod check;
mod make;
mod put;
mod stores;

use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::ServiceName;
use service_kit::db::SchemaName;
use shared_types::Timestamp;

pub(crate) use check::{check_database, check_directory};
pub(crate) use make::make;
pub(crate) use put::{accept, put};

/// Names the files of a backup.
pub(crate) const MANIFEST: &str = "backup.json";
pub(crate) const FORM: &str = "phasegate.backup/1";

/// Where the stores are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) data_dir: PathBuf,
    /// None: a SQLite file a service in the data directory.
    pub(crate) database_url: Option<SecretString>,
    pub(crate) schema: SchemaName,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) form: String,
    pub(crate) made_at: Timestamp,
    /// By which release.
    pub(crate) version: String,
    pub(crate) stores: Vec<StoreFacts>,
    pub(crate) files: Vec<FileFacts>,
}

/// Which store a copy is of, and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreFacts {
    pub(crate) service: String,
    /// None: a release made it that marked no stores.
    pub(crate) instance: Option<String>,
    pub(crate) position: u64,
    /// Of each target: the newest epoch and, where the service knows it, the newest sequence.
    pub(crate) targets: Vec<TargetFacts>,
    /// In which way it is behind the mark in its data directory.
    #[serde(skip)]
    pub(crate) younger: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetFacts {
    pub(crate) target: String,
    pub(crate) epoch: u64,
    pub(crate) sequence: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileFacts {
    /// Below the backup's directory.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Checked {
    pub(crate) ok: bool,
    /// What is wrong, a line each.
    pub(crate) findings: Vec<String>,
    pub(crate) made_at: Option<Timestamp>,
    pub(crate) stores: Vec<StoreFacts>,
}

impl Checked {
    pub(crate) fn text(&self) -> String {
        let mut lines: Vec<String> = self.findings.iter().map(|it| format!("wrong: {it}")).collect();
        lines.extend(self.stores.iter().map(|it| {
            let epochs: Vec<String> =
                it.targets.iter().map(|of| format!("{} epoch {}", of.target, of.epoch)).collect();
            format!("{}: position {}, {}", it.service, it.position, epochs.join(", "))
        }));
        if self.ok {
            lines.push("whole: the stores can be read, and belong together".to_owned());
        }
        lines.join("\n")
    }
}

/// The file of a service's store, in a data directory and in a backup.
pub(crate) fn file_of(service: ServiceName) -> String {
    format!("{service}.sqlite")
}
