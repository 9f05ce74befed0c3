//! Whether a backup, or a restored database, is whole and of one moment.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use service_kit::ServiceName;
use service_kit::db::{DbError, SchemaName, check_sqlite};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Checked, FORM, FileFacts, MANIFEST, Manifest, Place, StoreFacts, file_of, stores};
use crate::archived;
use crate::exit::{Exit, error};

/// A directory of one's own that ends with this.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> anyhow::Result<Self> {
        let directory = std::env::temp_dir().join(format!("phasegate-{}", Uuid::now_v7()));
        fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
        Ok(Self(directory))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Size and hash of a file below `directory`.
pub(super) fn file_facts(directory: &Path, path: &str) -> anyhow::Result<FileFacts> {
    let whole = directory.join(path);
    let mut file = File::open(&whole).with_context(|| whole.display().to_string())?;
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut piece).with_context(|| whole.display().to_string())?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        bytes += u64::try_from(read)?;
    }
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(FileFacts { path: path.to_owned(), bytes, sha256 })
}

pub(super) fn manifest(directory: &Path) -> anyhow::Result<Manifest> {
    let path = directory.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|cause| {
        error(
            Exit::NotFound,
            format!("{}: {cause}: is it a directory of `phasegate backup`?", path.display()),
        )
    })?;
    let manifest: Manifest = serde_json::from_str(&text)
        .map_err(|cause| error(Exit::Refused, format!("{}: {cause}", path.display())))?;
    if manifest.form != FORM {
        let line =
            format!("{}: its form is {}, and this release reads {FORM}", path.display(), manifest.form);
        return Err(error(Exit::Refused, line));
    }
    Ok(manifest)
}

/// Checks a backup's directory: hashes, SQLite's own check, that every document can be read, that the three stores agree, and the
/// audit log's chains. The copies stay as they are.
///
/// # Errors
/// There is no backup, or no room to try it.
pub(crate) async fn check_directory(directory: &Path) -> anyhow::Result<Checked> {
    let manifest = manifest(directory)?;
    let mut findings = Vec::new();
    for expected in &manifest.files {
        match file_facts(directory, &expected.path) {
            Ok(found) if found == *expected => {}
            Ok(found) => findings.push(format!(
                "{}: {} bytes, sha256 {}; the manifest says {} bytes, {}",
                expected.path, found.bytes, found.sha256, expected.bytes, expected.sha256
            )),
            Err(missing) => findings.push(format!("{missing:#}")),
        }
    }
    let audit = directory.join("logs/audit");
    if audit.is_dir() {
        for stream in archived::verify(&audit, None)?.into_iter().filter(|it| !it.ok) {
            findings.push(format!("logs/audit: stream {} does not hold", stream.stream));
        }
    }
    let mut stores = Vec::new();
    if findings.is_empty() {
        match tried(directory, &manifest).await {
            Ok((found, facts)) => {
                findings = found;
                stores = facts;
            }
            Err(unreadable) => findings.push(format!("{unreadable:#}")),
        }
    }
    Ok(Checked { ok: findings.is_empty(), findings, made_at: Some(manifest.made_at), stores })
}

/// Opens copies of the copies: what a store is opened with may write to it.
async fn tried(directory: &Path, manifest: &Manifest) -> anyhow::Result<(Vec<String>, Vec<StoreFacts>)> {
    let scratch = Scratch::new()?;
    let mut findings = Vec::new();
    for service in ServiceName::ALL {
        let copy = scratch.0.join(file_of(*service));
        fs::copy(directory.join(file_of(*service)), &copy).with_context(|| file_of(*service))?;
        let wrong = check_sqlite(&copy).await.with_context(|| file_of(*service))?;
        findings.extend(wrong.into_iter().map(|line| format!("{}: {line}", file_of(*service))));
    }
    if !findings.is_empty() {
        return Ok((findings, Vec::new()));
    }
    let place = Place { data_dir: scratch.0.clone(), database_url: None, schema: SchemaName::default() };
    let facts = stores::facts(&place).await?;
    for (found, named) in facts.iter().zip(&manifest.stores) {
        if (&found.instance, found.position) != (&named.instance, named.position) {
            findings.push(format!("{}: another store than the manifest names", found.service));
        }
    }
    findings.extend(disagreements(&facts));
    Ok((findings, facts))
}

/// Whether something that was stored cannot be read.
fn is_damage(error: &anyhow::Error) -> bool {
    let of_store = error.downcast_ref::<DbError>();
    of_store.is_some_and(|it| matches!(it, DbError::Decode { .. } | DbError::Unreadable { .. }))
}

/// Checks the stores where they are, as after PostgreSQL's own restore.
///
/// # Errors
/// A store cannot be opened.
pub(crate) async fn check_database(place: &Place) -> anyhow::Result<Checked> {
    let absent = absent(place);
    if !absent.is_empty() {
        return Ok(Checked { ok: false, findings: absent, made_at: None, stores: Vec::new() });
    }
    let (findings, stores) = match stores::facts(place).await {
        Ok(stores) if stores.iter().all(|it| it.instance.is_none() && it.targets.is_empty()) => {
            (vec!["the stores are empty: nothing was put back into this database".to_owned()], stores)
        }
        Ok(stores) => {
            let younger = |it: &StoreFacts| {
                let how = it.younger.as_ref()?;
                Some(format!("the {}'s store is younger than its data directory: {how}", it.service))
            };
            let younger: Vec<String> = stores.iter().filter_map(younger).collect();
            (younger.into_iter().chain(disagreements(&stores)).collect(), stores)
        }
        Err(error) if is_damage(&error) => (vec![format!("{error:#}")], Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(Checked { ok: findings.is_empty(), findings, made_at: None, stores })
}

/// Files that opening a store would make.
fn absent(place: &Place) -> Vec<String> {
    if place.database_url.is_some() {
        return Vec::new();
    }
    let files = ServiceName::ALL.iter().map(|service| place.data_dir.join(file_of(*service)));
    files.filter(|file| !file.exists()).map(|file| format!("{} is not there", file.display())).collect()
}

/// Nobody may know more than the reporter has told: it would be taken for a restored one, rightly.
fn disagreements(stores: &[StoreFacts]) -> Vec<String> {
    let reporter = ServiceName::Reporter.as_str();
    let Some(told) = stores.iter().find(|it| it.service == reporter) else { return Vec::new() };
    let mut findings = Vec::new();
    for store in stores.iter().filter(|it| it.service != reporter) {
        for known in &store.targets {
            let own = told.targets.iter().find(|it| it.target == known.target);
            let (epoch, sequence) = own.map_or((0, 0), |it| (it.epoch, it.sequence.unwrap_or(0)));
            if known.epoch > epoch || known.sequence.is_some_and(|it| it > sequence) {
                findings.push(format!(
                    "{}: the {} was told epoch {}{}, the reporter's store knows epoch {epoch}, sequence {sequence}: it is older",
                    known.target,
                    store.service,
                    known.epoch,
                    known.sequence.map(|it| format!(", sequence {it}")).unwrap_or_default(),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::TargetFacts;
    use super::*;

    fn store(service: &str, epoch: u64, sequence: Option<u64>) -> StoreFacts {
        let targets = vec![TargetFacts { target: "autosave".to_owned(), epoch, sequence }];
        StoreFacts { service: service.to_owned(), instance: None, position: 0, targets, younger: None }
    }

    /// OP-3: stores of one moment agree; a reporter's of an earlier one is found, whoever knows more.
    #[test]
    fn a_reporter_that_knows_less_than_its_neighbours_is_found() {
        let reporter = || store("reporter", 3, Some(9));
        let of = |one, other| disagreements(&[one, other, reporter()]).len();
        assert_eq!(of(store("collector", 3, Some(9)), store("analyzer", 3, None)), 0);
        assert_eq!(of(store("collector", 2, Some(7)), store("analyzer", 1, None)), 0, "they catch up");
        assert_eq!(of(store("collector", 3, Some(10)), store("analyzer", 4, None)), 2);
    }
}
