//! The mark beside the store.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};
use shared_types::Timestamp;
use uuid::Uuid;

use super::MarkError;
use super::store::StoredMark;
use crate::files;

const FORM: &str = "phasegate.mark/1";

/// `<service>.mark.json`: which store the directory belongs to, and how far that has come at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkFile {
    form: String,
    pub instance: Uuid,
    pub created_at: Timestamp,
    #[serde(default)]
    pub generation: u64,
    pub position: u64,
    pub noted_at: Timestamp,
}

impl MarkFile {
    pub(super) fn of(stored: &StoredMark, noted_at: Timestamp) -> Self {
        let StoredMark { instance, created_at, generation, position } = *stored;
        Self { form: FORM.to_owned(), instance, created_at, generation, position, noted_at }
    }

    pub(super) fn standing(&self) -> (u64, u64) {
        (self.generation, self.position)
    }
}

/// None: there is none.
pub(super) fn read(path: &Path) -> Result<Option<MarkFile>, MarkError> {
    let failed = |reason: String| MarkError::File { path: path.to_owned(), reason };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    let unreadable = |error: serde_json::Error| {
        failed(format!("it cannot be read ({error}): take it away if the store is known to be the newest"))
    };
    serde_json::from_slice(&text).map(Some).map_err(unreadable)
}

/// The old one or the new one, never half of one, whatever happens. Replicas may share a directory.
pub(super) fn write(path: &Path, mark: &MarkFile) -> Result<(), MarkError> {
    let written = || -> io::Result<()> {
        files::replace(path, format!("{}\n", serde_json::to_string(mark)?).as_bytes())
    };
    written().map_err(|error| MarkError::File { path: path.to_owned(), reason: error.to_string() })
}
