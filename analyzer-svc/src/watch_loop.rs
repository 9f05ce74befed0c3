//! Looks at the clock for those who wait: overdue batches, and rollouts whose collector was never heard
//! (SLO-7).
//!
//! Level-triggered: what is due stands in the store, so a restart, a slow tick or another replica changes
//! nothing. After a start the analyzer first listens for a while: what waited for it in the collector's
//! outbox must not be taken for missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::policy::{Policy, TargetPolicy};
use futures_util::{StreamExt as _, stream};
use service_kit::db::Db;
use service_kit::http::CheckState;
use service_kit::seldom;
use shared_types::{Decision, Epoch, TargetName, Timestamp, Window};
use tokio_util::sync::CancellationToken;

use crate::analyzer::{Analyzer, IntakeError};
use crate::directives::Told;
use crate::metrics;
use crate::store::Committed;
use domain::gate::GateState;
use domain::gate::watch::{Overdue, Watch};

/// How long the analyzer listens after its start before it calls anything missing, at most.
const LISTEN_FIRST: Duration = Duration::from_secs(60);
/// Overdue targets taken from the store at once.
const AT_ONCE: u32 = 200;
/// Rounds of one tick; what is still due then waits for the next.
const ROUNDS: u32 = 200;
/// Targets asked about side by side.
const SIDE_BY_SIDE: usize = 16;
const LONGEST_POLL: Duration = Duration::from_secs(1);
const SHORTEST_POLL: Duration = Duration::from_millis(20);
const LONGEST_ADOPTION: Duration = Duration::from_secs(30);

/// The watch over all targets of the policy.
#[derive(Clone)]
pub struct WatchLoop {
    analyzer: Analyzer,
    started_at: Timestamp,
    /// Of which targets the reporter knows more than this store does (OP-3).
    behind: Arc<Mutex<BTreeMap<TargetName, Behind>>>,
}

impl WatchLoop {
    /// A watch that begins now.
    #[must_use]
    pub fn new(analyzer: Analyzer) -> Self {
        let started_at = analyzer.now();
        Self { analyzer, started_at, behind: Arc::default() }
    }

    /// For `/readyz`. It judges on meanwhile: batches that wait would blind the guard, and what is lost is evidence, not a
    /// decision. The first window that is judged anew ends it.
    #[must_use]
    pub fn past(&self) -> CheckState {
        let behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((target, first)) = behind.first_key_value() else { return CheckState::Ok };
        let others = match behind.len() - 1 {
            0 => String::new(),
            others => format!(", and {others} targets more"),
        };
        CheckState::Degraded(format!("{target}{others}: {first}: was it restored? See docs/backup.md"))
    }

    /// Ticks until `shutdown`; `db` is the store's.
    pub async fn run(self, db: Db, shutdown: CancellationToken) {
        let mut rules = self.analyzer.versions().changes();
        let mut pace = Pace::of(&self.analyzer.policy());
        loop {
            let done = tokio::select! {
                () = shutdown.cancelled() => return,
                Ok(()) = rules.changed() => {
                    pace = Pace::of(&self.analyzer.policy());
                    continue;
                }
                _ = pace.tick.tick() => db.answered(self.tick()).await.map(|_| ()),
                _ = pace.adopt.tick() => db.answered(self.adopt()).await,
            };
            if let Err(error) = done {
                seldom!(warn, "the watch could not look; trying on", &error);
            }
        }
    }

    /// Looks once at what is overdue; the decisions it made of it.
    ///
    /// # Errors
    /// The store's. What fails for one target is logged, and does not keep the others waiting.
    pub async fn tick(&self) -> Result<Vec<Decision>, IntakeError> {
        let mut decisions = Vec::new();
        for _ in 0..ROUNDS {
            let now = self.analyzer.now();
            let due: Vec<GateState> = self.analyzer.store().overdue(now, AT_ONCE).await?;
            let looks = due.into_iter().map(|state| self.look(state, now));
            let looked: Vec<Option<Look>> =
                stream::iter(looks).buffer_unordered(SIDE_BY_SIDE).collect().await;
            let moved = looked.iter().flatten().count();
            decisions.extend(looked.into_iter().flatten().filter_map(|look| look.decision));
            if moved == 0 {
                break;
            }
        }
        Ok(decisions)
    }

    /// One overdue target. `None`: nothing changed, so looking again at once is no use.
    async fn look(&self, state: GateState, now: Timestamp) -> Option<Look> {
        let target = state.target.clone();
        match self.act(state, now).await {
            Ok(look) => look,
            Err(error) => {
                seldom!(error, "an overdue batch could not be decided on", &error, target_name = %target);
                None
            }
        }
    }

    async fn act(&self, mut state: GateState, now: Timestamp) -> Result<Option<Look>, IntakeError> {
        let Some(watch) = state.watch.clone() else { return Ok(None) };
        let gated = |policy: &&TargetPolicy| policy.phase(&watch.phase).is_some();
        let in_force = self.analyzer.policy_of(watch.window).await?;
        let Some(policy) = in_force.targets.get(&state.target).filter(gated) else {
            tracing::warn!(target_name = %state.target, "no longer in the policy; its watch ends");
            return self.save(&mut state, None).await;
        };
        let delayed_after = policy.collection.delayed_after;
        if now < self.started_at.plus(delayed_after.min(LISTEN_FIRST)) {
            return Ok(None);
        }
        let directive = self.analyzer.directives().of(&state.target).await.directive;
        match watch.overdue(directive.as_ref(), delayed_after, now) {
            Overdue::Stop => self.save(&mut state, None).await,
            Overdue::Wait(later) => self.save(&mut state, Some(later)).await,
            Overdue::Raise(next) => {
                let decision = self.analyzer.raise_missing(&state.target, &watch, next).await?;
                if let Some(decision) = &decision {
                    tracing::warn!(target_name = %decision.target, window = %decision.window, "a batch is missing");
                    metrics::decided(decision, None);
                }
                Ok(Some(Look { decision }))
            }
        }
    }

    /// Begins the watch of rollouts whose epoch nothing was heard of yet, so that a collector that never
    /// sends a first batch is heard too.
    ///
    /// # Errors
    /// The store's.
    pub async fn adopt(&self) -> Result<(), IntakeError> {
        let policy = self.analyzer.policy();
        let words = match self.analyzer.directives().of_all().await {
            Some(words) => words,
            None => {
                let names: Vec<TargetName> = policy.targets.keys().cloned().collect();
                let each = names.into_iter().map(|target| async move {
                    let word = self.analyzer.directives().of(&target).await;
                    (target, word)
                });
                stream::iter(each).buffer_unordered(SIDE_BY_SIDE).collect().await
            }
        };
        // Read after the reporter was asked: what it knows was committed here before.
        let names: Vec<TargetName> =
            words.keys().filter(|it| policy.targets.contains_key(*it)).cloned().collect();
        for mut state in self.analyzer.store().targets(&names).await? {
            let target = state.target.clone();
            let (Some(word), Some(policy)) = (words.get(&target), policy.targets.get(&target)) else {
                continue;
            };
            let delayed_after = policy.collection.delayed_after;
            let lost = self.compare_told(&state, word.gate);
            let Some(directive) = &word.directive else { continue };
            let now = self.analyzer.now();
            let known = state.newest_epoch();
            // OP-3: it is for the reporter to call people; here it is named.
            if let Some(known) = known.filter(|known| *known > directive.epoch) {
                let behind = ReporterBehind { told: directive.epoch, known };
                seldom!(warn, "the reporter says less than it did: was its store restored?", &behind, target_name = %target);
            }
            let watch = match lost.filter(|lost| lost.epoch == directive.epoch) {
                Some(lost) => Watch::after_loss(state.watch.as_ref(), directive, lost.through, delayed_after),
                None => Watch::from_directive(known, directive, delayed_after, now),
            };
            if let Some(watch) = watch {
                self.save(&mut state, Some(watch)).await?;
            }
        }
        Ok(())
    }

    /// Notes a reporter that knows decisions which this store does not: the newest of them.
    fn compare_told(&self, state: &GateState, told: Option<Told>) -> Option<Behind> {
        let known = state.run.as_ref().map(|(_, run)| (run.epoch, run.through()));
        let behind = told.and_then(|Told { epoch, through }| {
            let through = through.filter(|it| Some((epoch, Some(*it))) > known)?;
            Some(Behind { epoch, through, known: known.and_then(|(_, through)| through) })
        });
        let mut all = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(behind) = behind {
            seldom!(warn, "this store is older than what the reporter knows: was it restored? See docs/backup.md", &behind, target_name = %state.target);
            all.insert(state.target.clone(), behind);
        } else {
            all.remove(&state.target);
        }
        behind
    }

    async fn save(&self, state: &mut GateState, watch: Option<Watch>) -> Result<Option<Look>, IntakeError> {
        state.watch = watch;
        // Outdated: a batch came meanwhile, and moved the watch itself.
        let committed: Committed = self.analyzer.store().save_target(state).await?;
        Ok((committed == Committed::Done).then_some(Look { decision: None }))
    }
}

/// It directs an epoch that is over.
#[derive(Debug, thiserror::Error)]
#[error("it directs epoch {told}, and {known} was heard of")]
struct ReporterBehind {
    told: Epoch,
    known: Epoch,
}

/// It was told decisions that this store does not hold.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the reporter was told of {through}, and this store knows {}", known.map_or_else(|| "no window".to_owned(), |it| it.to_string()))]
struct Behind {
    epoch: Epoch,
    through: Window,
    known: Option<Window>,
}

/// What a look at an overdue target changed.
struct Look {
    decision: Option<Decision>,
}

/// How often to look, and how often to ask: windows may be as short as a second.
struct Pace {
    tick: tokio::time::Interval,
    adopt: tokio::time::Interval,
}

impl Pace {
    fn of(policy: &Policy) -> Self {
        let (poll, adoption) = pace(policy);
        let every = |period| {
            let mut interval = tokio::time::interval(period);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            interval
        };
        Self { tick: every(poll), adopt: every(adoption) }
    }
}

fn pace(policy: &Policy) -> (Duration, Duration) {
    let windows = policy.targets.values().flat_map(|target| {
        [target.collection.window, target.transitions.recovery_cadence, target.collection.delayed_after]
    });
    let shortest = windows.min().unwrap_or(LONGEST_ADOPTION);
    let poll = (shortest / 10).clamp(SHORTEST_POLL, LONGEST_POLL);
    (poll, shortest.clamp(LONGEST_POLL, LONGEST_ADOPTION))
}

#[cfg(test)]
#[path = "watch_loop_tests.rs"]
mod tests;
