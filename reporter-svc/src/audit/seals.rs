//! The log's heads, signed, a line each time (OP-9): what a table and an archive that were both written anew do not fit.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};

use service_kit::seal::check;
use shared_types::audit::{AuditHead, AuditSeal};

use super::archive::{Archive, ArchiveError};

/// What the newest seal of an archive says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    /// Nobody has sealed it, or no key is known to hold it against.
    Unknown,
    /// Its heads, by stream.
    Heads(BTreeMap<String, AuditHead>),
    /// Why it proves nothing.
    Broken(String),
}

impl Sealed {
    /// The newest of the archive, by this public key.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn newest(archive: &Archive, public: Option<&str>) -> Result<Self, ArchiveError> {
        let Some(public) = public else { return Ok(Self::Unknown) };
        let path = archive.seals();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Unknown),
            Err(source) => return Err(ArchiveError::Io { path, source }),
        };
        // A crash may have left half a line at the end.
        let mut whole = text.lines().filter_map(|line| serde_json::from_str::<AuditSeal>(line).ok());
        let Some(seal) = whole.next_back() else { return Ok(Self::Unknown) };
        Ok(match check(&seal, public) {
            Ok(()) => Self::Heads(seal.heads.into_iter().map(|it| (it.stream.clone(), it)).collect()),
            Err(why) => Self::Broken(format!("the newest seal, of {}: {why}", seal.at)),
        })
    }

    /// What it says of a stream.
    #[must_use]
    pub fn head(&self, stream: &str) -> Option<AuditHead> {
        match self {
            Self::Heads(heads) => heads.get(stream).cloned(),
            _ => None,
        }
    }
}

/// Puts a seal behind the others.
pub(super) fn append(archive: &Archive, seal: &AuditSeal) -> Result<(), ArchiveError> {
    let path = archive.seals();
    let io = |source| ArchiveError::Io { path: path.clone(), source };
    let line = serde_json::to_string(seal).map_err(|error| io(error.into()))?;
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
    // On a line of its own, also behind half a line that a crash has left.
    file.write_all(format!("\n{line}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}
