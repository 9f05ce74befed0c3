//! Puts a backup in the place of the stores, and goes on from stores that are older than what they belong to.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reporter_svc::audit::Archive;
use reporter_svc::store::Store;
use service_kit::ServiceName;
use service_kit::mark::{self, Acceptance};

use super::check::manifest;
use super::make::copy_tree;
use super::{Place, file_of, stores};
use crate::exit::{Exit, error};

/// Puts the stores and the audit log's archive of a backup, which was checked, into the data directory. What is there is moved
/// aside with `force`, never deleted; where it went is the answer.
///
/// # Errors
/// A store is there, without `force`. The file system's.
pub(crate) fn put(from: &Path, data_dir: &Path, force: bool, stamp: i64) -> anyhow::Result<Option<PathBuf>> {
    manifest(from)?;
    fs::create_dir_all(data_dir).with_context(|| data_dir.display().to_string())?;
    let mut there: Vec<String> = Vec::new();
    for service in ServiceName::ALL {
        let store = file_of(*service);
        let beside = [format!("{store}-wal"), format!("{store}-shm"), format!("{service}.mark.json")];
        there.extend(std::iter::once(store).chain(beside));
    }
    there.extend(["logs/audit".to_owned(), "audit-archive.id".to_owned()]);
    there.retain(|path| data_dir.join(path).exists());
    if let Some(store) = there.iter().find(|path| path.ends_with(".sqlite")).filter(|_| !force) {
        let line = format!(
            "{}: a store is there; stop the services, and --force moves it aside",
            data_dir.join(store).display()
        );
        return Err(error(Exit::Refused, line));
    }
    let aside = data_dir.join(format!("before-restore-{stamp}"));
    for path in &there {
        let to = aside.join(path);
        let parent = to.parent().unwrap_or(&aside);
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        fs::rename(data_dir.join(path), &to).with_context(|| to.display().to_string())?;
    }
    for service in ServiceName::ALL {
        let store = file_of(*service);
        fs::copy(from.join(&store), data_dir.join(&store)).with_context(|| store.clone())?;
    }
    copy_tree(from, "logs/audit", data_dir)?;
    Ok((!there.is_empty()).then_some(aside))
}

/// A person goes on from the stores as they are; what was done, a line each. The services do the rest at their next start, a
/// reporter on PostgreSQL within a second.
///
/// # Errors
/// A store cannot be opened; the file system's.
pub(crate) async fn accept(place: &Place, acceptance: &Acceptance) -> anyhow::Result<Vec<String>> {
    let mut done = Vec::new();
    for service in ServiceName::ALL {
        let db = stores::open(place, *service).await?;
        if *service == ServiceName::Reporter {
            done.extend(set_archive_aside(&Store::new(db.clone()), place, acceptance).await?);
        }
        let mark = mark::accept(&db, &place.data_dir, *service, acceptance).await?;
        done.push(format!("{service}: goes on from position {}", mark.position));
        db.close().await;
    }
    Ok(done)
}

/// An archive that goes beyond the table is of the past that is lost: it is kept apart, and a new one begins.
async fn set_archive_aside(
    store: &Store,
    place: &Place,
    acceptance: &Acceptance,
) -> anyhow::Result<Option<String>> {
    let archive = Archive::below(&place.data_dir);
    let mut ahead = false;
    for stream in archive.streams()? {
        let last = archive.last(&stream)?.map_or(0, |row| row.seq);
        ahead |= last > store.audit_head(&stream).await?;
    }
    if !ahead {
        return Ok(None);
    }
    let stamp = acceptance.at.as_millis();
    let aside = place.data_dir.join(format!("logs/audit.before-{stamp}"));
    fs::rename(place.data_dir.join("logs/audit"), &aside).with_context(|| aside.display().to_string())?;
    let name = place.data_dir.join("audit-archive.id");
    if name.exists() {
        fs::rename(&name, aside.join("audit-archive.id")).with_context(|| name.display().to_string())?;
    }
    Ok(Some(format!("the audit log's archive of the lost past stands in {}", aside.display())))
}
