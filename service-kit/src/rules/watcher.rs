//! The life of a policy in a running service: found in its file, checked, taken over, in force, kept (PO-2).
//!
//! Level-triggered: each turn reads the files and the log and does what is missing, so a lost event, a restart and
//! another replica change nothing. A file is believed when two reads in a row found the same in it: one that is being
//! written is waited for, and one that is wrong is refused while the old version stays in force. Files that two reads found
//! alike, and that nobody has touched since, are not read again, but for one read a minute in case a file system says less
//! than others: a look costs what there are files, not what there are targets.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_types::Timestamp;
use tokio_util::sync::CancellationToken;

use super::look::{Found, Looks};
use super::{PolicyVersions, Rules, RulesFiles, RulesId, store};
use crate::ServiceName;
use crate::causes::in_full;
use crate::clock::Clock;
use crate::db::{Db, DbError};
use domain::policy::Policy;

const FASTEST_POLL: Duration = Duration::from_millis(100);
const SLOWEST_POLL: Duration = Duration::from_secs(1);

/// What a service has to say of a version, and to do for it.
#[async_trait]
pub trait PolicySubscriber: Send + Sync {
    /// Why these rules cannot follow now; `None`: they can. Asked again until they can, or the file holds others.
    async fn objection(&self, next: &Rules) -> Result<Option<String>, DbError>;

    /// Makes ready what these rules need, right before they are in force here. May be called again for the same.
    async fn prepare(&self, next: &Arc<Rules>) -> Result<(), DbError>;
}

/// Says yes to everything.
#[derive(Debug, Clone, Copy)]
pub struct NoSubscriber;

#[async_trait]
impl PolicySubscriber for NoSubscriber {
    async fn objection(&self, _next: &Rules) -> Result<Option<String>, DbError> {
        Ok(None)
    }

    async fn prepare(&self, _next: &Arc<Rules>) -> Result<(), DbError> {
        Ok(())
    }
}

/// See the module.
pub struct PolicyWatcher {
    service: ServiceName,
    versions: PolicyVersions,
    looks: Looks,
    db: Db,
    clock: Arc<dyn Clock>,
    subscriber: Arc<dyn PolicySubscriber>,
    /// What this replica's files held last that is, or was, in force. Another replica's files may be ahead.
    settled: Option<RulesId>,
    prepared: Option<RulesId>,
    told: Option<String>,
    /// Between two turns, by the version that it follows from.
    poll: (String, Duration),
}

impl PolicyVersions {
    /// The rules that a service goes by when it starts: those in force when it stopped, or the file's if there are
    /// none. What the file holds besides is looked at by [`PolicyWatcher::begin`].
    ///
    /// # Errors
    /// A text is missing or wrong; the database's.
    pub async fn open(
        db: &Db,
        files: &RulesFiles,
        policy: &Arc<Policy>,
        clock: &dyn Clock,
    ) -> anyhow::Result<Self> {
        let found = files.rules_of(policy).map_err(|error| anyhow::anyhow!(in_full(&error)))?;
        loop {
            let Some(newest) = store::newest(db).await? else {
                // The first version was always in force: there is no other to go by.
                if store::take_over(db, &found, 0, Timestamp::from_millis(0), clock.now()).await? {
                    tell_warnings(&found);
                }
                continue;
            };
            if newest.id == found.id() {
                return Ok(Self::over(found, Some(db.clone())));
            }
            let kept = store::kept(db, &newest.id).await?;
            match kept.map(|kept| super::files::checked(&policy.kinds, &kept.body, &kept.texts)) {
                Some(Ok(rules)) => return Ok(Self::over(rules, Some(db.clone()))),
                Some(Err(error)) => {
                    let version = &newest.id.version;
                    tracing::error!(version, %error, "the policy in force last cannot be read any more");
                }
                None => {}
            }
            if store::take_over(db, &found, newest.seq, clock.now().max(newest.from), clock.now()).await? {
                tell_warnings(&found);
            }
        }
    }
}

impl PolicyWatcher {
    /// Of the rules in `versions`, which was opened on `db`.
    #[must_use]
    pub fn new(
        service: ServiceName,
        versions: PolicyVersions,
        files: RulesFiles,
        db: &Db,
        clock: &Arc<dyn Clock>,
        subscriber: Arc<dyn PolicySubscriber>,
    ) -> Self {
        metrics::gauge!("phasegate_policy_refused", "service" => service.as_str()).set(0.0);
        let looks = Looks::new(files, clock, &versions.current().policy);
        Self {
            service,
            versions,
            looks,
            db: db.clone(),
            clock: Arc::clone(clock),
            subscriber,
            settled: None,
            prepared: None,
            told: None,
            poll: (String::new(), SLOWEST_POLL),
        }
    }

    /// Before a service begins: prepares the rules in force, and takes over what its file holds, if it can.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&mut self, policy: &Arc<Policy>) -> Result<(), DbError> {
        self.follow().await?;
        let found = self.looks.first(policy);
        self.consider(found).await
    }

    /// Turns until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let poll = self.poll();
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(poll) => {}
            }
            let db = self.db.clone();
            if let Err(error) = db.answered(self.turn()).await {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "the policy's file was not looked at; trying on");
            }
        }
    }

    /// Looks once at the log and at the files, and does what is missing.
    ///
    /// # Errors
    /// The database's; the next turn does it again.
    pub async fn turn(&mut self) -> Result<(), DbError> {
        self.follow().await?;
        match self.looks.look().await {
            Some(found) => self.consider(found).await,
            None => Ok(()),
        }
    }

    fn poll(&mut self) -> Duration {
        let rules = self.versions.current();
        if self.poll.0 != rules.policy.version {
            self.poll = (rules.policy.version.clone(), poll(&rules.policy));
        }
        self.poll.1
    }

    /// Takes over what another replica, or this one, has put into force.
    async fn follow(&mut self) -> Result<(), DbError> {
        let Some(newest) = store::newest(&self.db).await? else { return Ok(()) };
        if self.prepared.as_ref() == Some(&newest.id) {
            return Ok(());
        }
        let rules = self.versions.of(&self.db, newest.id.clone()).await?;
        self.subscriber.prepare(&rules).await?;
        if rules.id() != self.versions.current().id() {
            tracing::info!(service = %self.service, version = newest.id.version, from = %newest.from,
                "another policy is in force, for windows that begin from then on");
            self.versions.put(rules);
        }
        self.prepared = Some(newest.id);
        Ok(())
    }

    async fn consider(&mut self, found: Found) -> Result<(), DbError> {
        let rules = match found {
            Ok(rules) => rules,
            Err(reason) => {
                self.refuse(&reason);
                return Ok(());
            }
        };
        let (id, in_force) = (rules.id(), self.versions.current().id());
        if id == in_force {
            self.settled = Some(id);
            self.content();
        } else if self.settled.as_ref() == Some(&id) {
            // It was in force, and another replica has moved on: its file is newer than ours.
            let reason =
                format!("the file here still holds {}, another replica has moved on", short(&id.version));
            self.versions.refuse(Some(reason));
        } else if let Some(reason) = self.subscriber.objection(&rules).await? {
            self.refuse(&reason);
        } else {
            let Some(newest) = store::newest(&self.db).await? else { return Ok(()) };
            let now = self.clock.now();
            // Every replica has looked before a window goes by it.
            let from = now.plus(self.poll() * 2).max(newest.from);
            if store::take_over(&self.db, &rules, newest.seq, from, now).await? {
                tell_warnings(&rules);
                metrics::counter!("phasegate_policy_changes_total", "service" => self.service.as_str(),
                    "outcome" => "taken_over")
                .increment(1);
                self.settled = Some(id);
                self.content();
            }
            self.follow().await?;
        }
        Ok(())
    }

    /// One line for each thing that is wrong, however often it is found.
    fn refuse(&mut self, reason: &str) {
        let in_force = self.versions.current().id().version;
        self.versions.refuse(Some(format!("refused: {reason}; {} stays in force", short(&in_force))));
        if self.told.as_deref() != Some(reason) {
            self.told = Some(reason.to_owned());
            tracing::error!(service = %self.service, in_force, "the changed policy is refused, the old one stays in force: {reason}");
            metrics::counter!("phasegate_policy_changes_total", "service" => self.service.as_str(),
                "outcome" => "refused")
            .increment(1);
        }
        metrics::gauge!("phasegate_policy_refused", "service" => self.service.as_str()).set(1.0);
    }

    fn content(&mut self) {
        self.told = None;
        self.versions.refuse(None);
        metrics::gauge!("phasegate_policy_refused", "service" => self.service.as_str()).set(0.0);
    }
}

/// Says what the lint warns of, once for each version that is taken over.
fn tell_warnings(rules: &Rules) {
    for warning in &rules.policy.lint.warnings {
        tracing::warn!(version = rules.policy.version, "the policy that is taken over: {warning}");
    }
}

/// Enough of a hash to be told from others.
fn short(version: &str) -> &str {
    version.get(..19).unwrap_or(version)
}

/// A tenth of the shortest window, so that a policy in seconds is served in seconds.
fn poll(policy: &Policy) -> Duration {
    let windows = policy.targets.values().map(|target| target.collection.window);
    windows.min().map_or(SLOWEST_POLL, |shortest| (shortest / 10).clamp(FASTEST_POLL, SLOWEST_POLL))
}
