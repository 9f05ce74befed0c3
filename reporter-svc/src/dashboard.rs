//! The dashboard document (DA-1): derived from the database alone, served and written to a file.
//!
//! A change costs the card of its target, however many targets there are: the cards of the others stay as they were written. The
//! file is written whole, and so seldom that it takes a twentieth of the time at most.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::story::views;
use service_kit::db::{Db, DbError};
use service_kit::rules::RulesId;
use service_kit::seldom;
use shared_types::dashboard::{Dashboard, DashboardTarget};
use shared_types::{TargetName, Timestamp};
use tokio::sync::{Mutex, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::files;
use crate::reporter::Reporter;
use crate::store::StoredTarget;

/// A row becomes visible at most so long after its time: no transaction lives longer.
const OVERLAP: Duration = Duration::from_secs(180);
/// Writing takes one part in so many of the time, where all changes all the time.
const REST: u32 = 20;
/// Changes that a stream may be behind; beyond it is told that everything may have changed.
const BEHIND_MOST: usize = 256;

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

/// Keeps the cards, writes the file, and says which cards have changed.
pub struct Publisher {
    reporter: Arc<Reporter>,
    file: PathBuf,
    data_dir: PathBuf,
    /// The lock also makes writers take turns.
    shown: Mutex<Shown>,
    news: broadcast::Sender<News>,
}

/// Cards that have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    pub revision: u64,
    pub targets: BTreeSet<TargetName>,
}

/// What the file shows, or will show when it is written next.
#[derive(Default)]
struct Shown {
    cards: BTreeMap<TargetName, Card>,
    /// The sum of all versions.
    revision: u64,
    /// The policy that the cards were made with.
    rules: Option<RulesId>,
    /// Up to when the changes of other replicas were looked for.
    looked_at: Option<Timestamp>,
    /// Whether the file is behind.
    stale: bool,
    /// When the file may be written again.
    rests_until: Option<Instant>,
}

/// A target as it stands in the file.
struct Card {
    version: u64,
    json: Box<str>,
}

/// What is there now.
///
/// # Errors
/// The database's.
pub async fn document(reporter: &Reporter) -> Result<Dashboard, DbError> {
    let targets = all_targets(reporter).await?;
    let revision = targets.iter().map(|it| it.version).sum();
    Ok(Dashboard { updated_at: reporter.clock.now(), revision, targets: cards(reporter, &targets).await? })
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

async fn cards(reporter: &Reporter, targets: &[StoredTarget]) -> Result<Vec<DashboardTarget>, DbError> {
    let rules = reporter.rules();
    let mut lost = reporter.store.given_up().await?;
    let card = |it: &StoredTarget| DashboardTarget {
        given_up: lost.remove(&it.state.target).unwrap_or_default(),
        ..views::dashboard_target(&it.state, reporter.terms(&rules, &it.state.target).as_ref())
    };
    Ok(targets.iter().map(card).collect())
}

impl Publisher {
    /// Writes to `reports/monitoring/dashboard.json` below the data directory.
    #[must_use]
    pub fn new(reporter: Arc<Reporter>, data_dir: &std::path::Path) -> Self {
        Self {
            reporter,
            file: files::dashboard(data_dir),
            data_dir: data_dir.to_owned(),
            shown: Mutex::default(),
            news: broadcast::Sender::new(BEHIND_MOST),
        }
    }

    /// The data directory, where the files are that people complete too.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    /// What is there now of some targets, those that are not known left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn document_of(&self, targets: &[TargetName]) -> Result<Dashboard, DbError> {
        let revision = self.revision().await;
        let targets = self.reporter.store.targets_of(targets).await?;
        let targets = cards(&self.reporter, &targets).await?;
        Ok(Dashboard { updated_at: self.reporter.clock.now(), revision, targets })
    }

    /// What the cards here show.
    pub(crate) async fn revision(&self) -> u64 {
        self.shown.lock().await.revision
    }

    /// Tells which cards change from now on.
    #[must_use]
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Makes sure that the file shows the target at least at this version (DE-1).
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn ensure(&self, target: &TargetName, version: u64) -> Result<(), PublishError> {
        loop {
            let mut shown = self.shown.lock().await;
            let there = shown.cards.get(target).is_some_and(|it| it.version >= version);
            if there && shown.is_written() {
                return Ok(());
            }
            let Some(rest) = shown.rest() else {
                self.take_up(&mut shown, BTreeSet::from([target.clone()])).await?;
                return self.write(&mut shown).await;
            };
            drop(shown);
            tokio::time::sleep(rest).await;
        }
    }

    /// Brings the file up to date now.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish(&self) -> Result<(), PublishError> {
        let mut shown = self.shown.lock().await;
        self.look(&mut shown).await?;
        self.write(&mut shown).await
    }

    /// Takes up what has changed anywhere.
    async fn look(&self, shown: &mut Shown) -> Result<(), PublishError> {
        let now = self.reporter.clock.now();
        let rules = self.reporter.rules().id();
        if shown.rules.as_ref() != Some(&rules) {
            let targets = all_targets(&self.reporter).await?;
            *shown = Shown { stale: true, rests_until: shown.rests_until, ..Shown::default() };
            self.take_in(shown, &targets).await?;
            shown.rules = Some(rules);
        } else {
            let since = shown.looked_at.unwrap_or(now).minus(OVERLAP);
            let versions = self.reporter.store.versions_since(since).await?;
            let newer = |(target, version): &(TargetName, u64)| {
                shown.cards.get(target).is_none_or(|it| it.version < *version)
            };
            let changed = versions.into_iter().filter(newer).map(|(target, _)| target).collect();
            self.take_up(shown, changed).await?;
        }
        shown.looked_at = Some(now);
        Ok(())
    }

    /// Takes up what has changed of these targets.
    async fn take_up(&self, shown: &mut Shown, targets: BTreeSet<TargetName>) -> Result<(), PublishError> {
        if shown.rules.is_none() {
            return Box::pin(self.look(shown)).await;
        }
        if targets.is_empty() {
            return Ok(());
        }
        let names: Vec<TargetName> = targets.into_iter().collect();
        let stored = self.reporter.store.targets_of(&names).await?;
        self.take_in(shown, &stored).await
    }

    async fn take_in(&self, shown: &mut Shown, targets: &[StoredTarget]) -> Result<(), PublishError> {
        let cards = cards(&self.reporter, targets).await?;
        for (StoredTarget { state, version }, card) in targets.iter().zip(cards) {
            let json = serde_json::to_string_pretty(&card)?.replace('\n', "\n    ").into();
            let before = shown.cards.insert(state.target.clone(), Card { version: *version, json });
            shown.revision += version - before.map_or(0, |it| it.version.min(*version));
        }
        shown.stale |= !targets.is_empty();
        let targets = targets.iter().map(|it| it.state.target.clone()).collect();
        // Nobody may be listening.
        self.news.send(News { revision: shown.revision, targets }).ok();
        Ok(())
    }

    async fn write(&self, shown: &mut Shown) -> Result<(), PublishError> {
        let begun = Instant::now();
        let text = shown.text(self.reporter.clock.now());
        let file = self.file.clone();
        let written =
            tokio::task::spawn_blocking(move || service_kit::files::replace(&file, text.as_bytes())).await;
        written.map_err(std::io::Error::other)??;
        shown.stale = false;
        let ended = Instant::now();
        shown.rests_until = Some(ended + (ended - begun) * REST);
        Ok(())
    }

    /// Looks after every change made here, and now and then for those of other replicas.
    pub async fn run(&self, db: &Db, poll: Duration, shutdown: CancellationToken) {
        let changed = self.reporter.changes.subscribe();
        let mut looked: Option<Instant> = None;
        loop {
            let look = looked.is_none_or(|it| it.elapsed() >= poll);
            if look {
                looked = Some(Instant::now());
            }
            if let Err(error) = db.answered(self.turn(changed.take(), look)).await {
                seldom!(warn, "the dashboard was not written; trying on", &error);
            }
            let pause = self.rest().await.map_or(poll, |rest| rest.min(poll));
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = changed.some() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn turn(&self, changed: BTreeSet<TargetName>, look: bool) -> Result<(), PublishError> {
        let mut shown = self.shown.lock().await;
        self.take_up(&mut shown, changed).await?;
        if look {
            self.look(&mut shown).await?;
        }
        if shown.is_written() || shown.rest().is_some() {
            return Ok(());
        }
        self.write(&mut shown).await
    }

    /// How long the file is left alone, if something is to be written.
    async fn rest(&self) -> Option<Duration> {
        let shown = self.shown.lock().await;
        if shown.is_written() { None } else { shown.rest() }
    }
}

impl News {
    /// Those that come after, as well.
    pub(crate) fn take_in(&mut self, next: Self) {
        self.revision = next.revision;
        self.targets.extend(next.targets);
    }
}

impl Shown {
    fn is_written(&self) -> bool {
        self.rules.is_some() && !self.stale
    }

    fn rest(&self) -> Option<Duration> {
        let left = self.rests_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// As `serde_json` would write the [`Dashboard`] prettily.
    fn text(&self, now: Timestamp) -> String {
        let cards: Vec<&str> = self.cards.values().map(|it| &*it.json).collect();
        let targets = match cards.as_slice() {
            [] => "[]".to_owned(),
            cards => format!("[\n    {}\n  ]", cards.join(",\n    ")),
        };
        format!(
            "{{\n  \"updated_at\": \"{now}\",\n  \"revision\": {},\n  \"targets\": {targets}\n}}\n",
            self.revision
        )
    }
}
