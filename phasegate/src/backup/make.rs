//! Makes a backup, while the services run.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use service_kit::ServiceName;
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::db::{SchemaName, copy_sqlite};

use super::check::{Scratch, file_facts};
use super::{FORM, MANIFEST, Manifest, Place, file_of, stores};
use crate::exit::{Exit, error};

/// Copies the stores, the audit log's archive and the policy below `data_dir` into `to`, which is made.
///
/// Upstream first: what a sender's copy has not delivered yet its receiver knows at worst already, and recognises.
///
/// # Errors
/// `to` is there and not empty; a store cannot be copied.
pub(crate) async fn make(data_dir: &Path, policy: &Path, to: &Path) -> anyhow::Result<Manifest> {
    let occupied = fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        let line = format!("{}: not empty; a backup is never put over another", to.display());
        return Err(error(Exit::Refused, line));
    }
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    // Before the reporter's store: an archive that goes beyond its table would be that of a lost past.
    let mut files = copy_tree(data_dir, "logs/audit", to)?;
    for service in ServiceName::ALL {
        let name = file_of(*service);
        let store = data_dir.join(&name);
        if !store.is_file() {
            let line =
                format!("{}: no such store; where is the data directory (--data-dir)?", store.display());
            return Err(error(Exit::NotFound, line));
        }
        copy_sqlite(&store, &to.join(&name)).await.with_context(|| store.display().to_string())?;
        files.push(name);
    }
    let scratch = Scratch::new()?;
    for service in ServiceName::ALL {
        let name = file_of(*service);
        fs::copy(to.join(&name), scratch.0.join(&name)).with_context(|| name.clone())?;
    }
    let place = Place { data_dir: scratch.0.clone(), database_url: None, schema: SchemaName::default() };
    let stores = stores::facts(&place).await?;
    if policy.is_file() {
        fs::copy(policy, to.join("policy.yaml")).with_context(|| policy.display().to_string())?;
        files.push("policy.yaml".to_owned());
    }
    let files = files.iter().map(|path| file_facts(to, path)).collect::<anyhow::Result<_>>()?;
    let manifest = Manifest {
        form: FORM.to_owned(),
        made_at: SystemClock.now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        stores,
        files,
    };
    // Last: without it a directory is no backup.
    service_kit::files::replace(&to.join(MANIFEST), serde_json::to_string_pretty(&manifest)?.as_bytes())?;
    Ok(manifest)
}

/// The files right below `from/path`, copied to `to/path`; their paths.
pub(super) fn copy_tree(from: &Path, path: &str, to: &Path) -> anyhow::Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(from.join(path)) else { return Ok(Vec::new()) };
    fs::create_dir_all(to.join(path)).with_context(|| to.join(path).display().to_string())?;
    let mut copied = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let name = format!("{path}/{}", entry.file_name().to_string_lossy());
        fs::copy(entry.path(), to.join(&name)).with_context(|| name.clone())?;
        copied.push(name);
    }
    copied.sort();
    Ok(copied)
}
