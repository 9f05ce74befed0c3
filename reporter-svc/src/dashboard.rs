//! The dashboard document (DA-1): derived from the database alone, served and written to a file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use service_kit::db::{Db, DbError};
use service_kit::seldom;
use shared_types::TargetName;
use shared_types::dashboard::{Dashboard, DashboardTarget};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::files;
use crate::reporter::Reporter;
use crate::store::StoredTarget;
use domain::story::views;

/// Why the file is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the dashboard's state")]
    Db(#[from] DbError),
    #[error("the dashboard's file")]
    File(#[from] std::io::Error),
    #[error("the dashboard cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Writes the file and says which revision it shows.
pub struct Publisher {
    reporter: Arc<Reporter>,
    file: PathBuf,
    data_dir: PathBuf,
    /// Versions that the file shows, by target. The lock also makes writers take turns.
    shown: Mutex<BTreeMap<TargetName, u64>>,
    revision: watch::Sender<u64>,
}

/// What is there now.
///
/// # Errors
/// The database's.
pub async fn document(reporter: &Reporter) -> Result<Dashboard, DbError> {
    build(reporter, &all_targets(reporter).await?).await
}

/// Page by page, so that no query grows without bound.
async fn all_targets(reporter: &Reporter) -> Result<Vec<StoredTarget>, DbError> {
    const PAGE: u32 = 1000;
    let mut all: Vec<StoredTarget> = Vec::new();
    loop {
        let after = all.last().map(|it| it.state.target.to_string());
        let page = reporter.store.targets(after.as_deref(), PAGE).await?;
        let last = page.len() < 1000;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

async fn build(reporter: &Reporter, targets: &[StoredTarget]) -> Result<Dashboard, DbError> {
    let (rules, now) = (reporter.rules(), reporter.clock.now());
    let mut lost = reporter.store.given_up().await?;
    let card = |it: &StoredTarget| DashboardTarget {
        given_up: lost.remove(&it.state.target).unwrap_or_default(),
        ..views::dashboard_target(&it.state, reporter.terms(&rules, &it.state.target).as_ref())
    };
    Ok(Dashboard {
        updated_at: now,
        revision: targets.iter().map(|it| it.version).sum(),
        targets: targets.iter().map(card).collect(),
    })
}

impl Publisher {
    /// Writes to `reports/monitoring/dashboard.json` below the data directory.
    #[must_use]
    pub fn new(reporter: Arc<Reporter>, data_dir: &std::path::Path) -> Self {
        Self {
            reporter,
            file: files::dashboard(data_dir),
            data_dir: data_dir.to_owned(),
            shown: Mutex::new(BTreeMap::new()),
            revision: watch::Sender::new(0),
        }
    }

    /// The data directory, where the files are that people complete too.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    /// The revision that the file shows.
    #[must_use]
    pub fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Makes sure that the file shows the target at least at this version (DE-1).
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn ensure(&self, target: &TargetName, version: u64) -> Result<(), PublishError> {
        let mut shown = self.shown.lock().await;
        if shown.get(target).is_some_and(|it| *it >= version) {
            return Ok(());
        }
        self.write(&mut shown).await
    }

    /// Brings the file up to date.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish(&self) -> Result<(), PublishError> {
        let mut shown = self.shown.lock().await;
        self.write(&mut shown).await
    }

    async fn write(&self, shown: &mut BTreeMap<TargetName, u64>) -> Result<(), PublishError> {
        let targets = all_targets(&self.reporter).await?;
        let document = build(&self.reporter, &targets).await?;
        let mut text = serde_json::to_vec_pretty(&document)?;
        text.push(b'\n');
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || service_kit::files::replace(&file, &text)).await;
        written.map_err(std::io::Error::other)??;
        *shown = targets.into_iter().map(|it| (it.state.target, it.version)).collect();
        self.revision.send_replace(document.revision);
        Ok(())
    }

    /// Level-triggered: looks after every change made here, and now and then for those of other replicas.
    pub async fn run(&self, db: &Db, poll: Duration, shutdown: CancellationToken) {
        let mut changes = self.reporter.changes();
        let mut shown = None;
        loop {
            match db.answered(self.reporter.store.revision()).await {
                Ok(revision) if shown != Some(revision) => match db.answered(self.publish()).await {
                    Ok(()) => shown = Some(*self.revision.borrow()),
                    Err(error) => seldom!(warn, "the dashboard was not written; trying on", &error),
                },
                Ok(_) => {}
                Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "no revision"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = changes.changed() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }
}
