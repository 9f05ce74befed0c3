//! The mark beside the store.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use shared_types::Timestamp;
use uuid::Uuid;

use super::MarkError;
use super::store::StoredMark;

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
    let failed = |reason: String| MarkError::File { path: path.to_owned(), reason };
    let written = || -> std::io::Result<()> {
        let directory = path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(directory)?;
        // In containers all processes have the same number.
        let beside = path.with_extension(format!("{}.tmp", Uuid::now_v7()));
        let put = || -> std::io::Result<()> {
            let mut file = File::create_new(&beside)?;
            serde_json::to_writer(&mut file, mark)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&beside, path)
        };
        put().inspect_err(|_| drop(fs::remove_file(&beside)))?;
        File::open(directory)?.sync_all()
    };
    written().map_err(|error| failed(error.to_string()))
}
