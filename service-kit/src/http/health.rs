//! `/readyz`: what works, what is degraded, what fails, by name.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::CheckState;
use crate::db::Db;
use crate::disk;
use crate::rules::PolicyVersions;
use crate::tasks::Tasks;

const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> BoxFuture<'static, CheckState> + Send + Sync>;

/// The checks of a service.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|(name, _)| name)).finish()
    }
}

impl Readiness {
    /// No checks: always ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What every service needs: a policy in force, a database that stores (OP-1), tasks that live, documents that can be read.
    #[must_use]
    pub fn of(db: &Db, versions: PolicyVersions, tasks: &Tasks) -> Self {
        let (db, forms, tasks) = (db.clone(), db.forms().clone(), tasks.standing());
        Self::new()
            .check("policy", move || std::future::ready(versions.state()))
            .check("database", move || {
                let db = db.clone();
                async move { db.stores().await.map_or_else(CheckState::Failing, |()| CheckState::Ok) }
            })
            .check("tasks", move || std::future::ready(tasks.state()))
            .check("documents", move || std::future::ready(forms.state()))
    }

    /// OP-2: whether the disk that the service's files are on has room left; told before it is full.
    #[must_use]
    pub fn disk_of(self, data_dir: &Path) -> Self {
        let directory = data_dir.to_owned();
        self.check("disk", move || std::future::ready(disk::state(&directory)))
    }

    /// Adds a check; one that takes longer than 2 s is failing.
    #[must_use]
    pub fn check<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = CheckState> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || check().boxed())));
        self
    }

    /// Runs all checks side by side.
    pub async fn report(&self) -> ReadinessReport {
        let runs = self.checks.iter().map(|(name, check)| async move {
            let state = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
            let state =
                state.unwrap_or_else(|_| CheckState::Failing(format!("no answer within {CHECK_TIMEOUT:?}")));
            let (state, detail) = match state {
                CheckState::Ok => (ReadinessState::Ok, None),
                CheckState::Degraded(detail) => (ReadinessState::Degraded, Some(detail)),
                CheckState::Failing(detail) => (ReadinessState::Failing, Some(detail)),
            };
            CheckReport { name: (*name).to_owned(), state, detail }
        });
        let checks = futures_util::future::join_all(runs).await;
        let ready = checks.iter().all(|check| check.state != ReadinessState::Failing);
        ReadinessReport { ready, checks }
    }
}

/// Body of `/readyz`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReadinessReport {
    /// False (and status 503) when a check is failing.
    pub ready: bool,
    pub checks: Vec<CheckReport>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckReport {
    pub name: String,
    pub state: ReadinessState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessState {
    Ok,
    Degraded,
    Failing,
}
