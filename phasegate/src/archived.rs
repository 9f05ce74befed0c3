//! Verifies a directory of archived rows of the audit log, without any service.

use std::path::Path;

use anyhow::Context as _;
use domain::audit::streams::opened;
use domain::audit::verify::Walk;
use reporter_svc::audit::{Archive, Sealed};
use shared_types::audit::{FaultKind, SERVICE_STREAM, StreamVerification};
use shared_types::{AuditEntry, Timestamp};

use crate::exit::{Exit, error};

/// Verifies the files of an archive: by their chains, by the openings in the service's own stream, and, with `public`, by the
/// newest seal of that key.
pub(crate) fn verify(directory: &Path, public: Option<&str>) -> anyhow::Result<Vec<StreamVerification>> {
    if !directory.is_dir() {
        return Err(error(Exit::NotFound, format!("{}: no such directory", directory.display())));
    }
    let archive = Archive::at(directory);
    let sealed = Sealed::newest(&archive, public)?;
    let mut service = archive.copy(SERVICE_STREAM)?;
    let service: Vec<AuditEntry> = std::iter::from_fn(|| service.next_row()).collect();
    let opened = opened(&service);
    let mut found = Vec::new();
    for stream in archive.streams().with_context(|| directory.display().to_string())? {
        let mut copy = archive.copy(&stream)?;
        let mut walk = Walk::new(&stream, Timestamp::from_millis(0)).sealed(sealed.head(&stream));
        let mut rows = std::iter::from_fn(|| copy.next_row());
        loop {
            let piece: Vec<AuditEntry> = rows.by_ref().take(1000).collect();
            if piece.is_empty() || walk.is_broken() {
                break;
            }
            walk.chain(&piece);
        }
        if let Some(failure) = copy.failure() {
            return Err(anyhow::Error::new(failure).context(archive.path(&stream).display().to_string()));
        }
        walk.finish();
        match (&sealed, public) {
            (Sealed::Broken(why), _) => walk.refuse(FaultKind::Unsealed, why),
            (Sealed::Unknown, Some(_)) => walk.refuse(FaultKind::Unsealed, "no seal lies beside it"),
            _ => {}
        }
        if opened.as_ref().is_some_and(|opened| !opened.contains(&stream)) {
            walk.refuse(FaultKind::Unopened, "the service's own stream does not say that anybody opened it");
        }
        found.push(walk.verdict());
    }
    if found.is_empty() {
        let detail = format!("{}: holds no archived rows (`<stream>.jsonl`)", directory.display());
        return Err(error(Exit::NotFound, detail));
    }
    Ok(found)
}
