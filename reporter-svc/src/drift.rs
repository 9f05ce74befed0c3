//! Reads back what each target is served, once in every window and when a move has ended (RB-11, RB-10).
//!
//! Level-triggered, and nothing of it is stored but what was found: after a start every target is looked at within a window. Each
//! replica looks; that costs a read, and none of them has to be trusted to live.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::effects::RunTransition;
use domain::policy::{Policy, TargetPolicy};
use domain::rollout::event::Looked;
use domain::rollout::{Event, TargetState, command};
use futures_util::{StreamExt as _, stream};
use service_kit::db::{Db, DbError};
use service_kit::outbox::Outcome;
use shared_types::rollout::TransitionKind;
use shared_types::{TargetName, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::executors::{Executors, ReadBack};
use crate::reporter::{Cause, Reporter};

/// Flag systems asked side by side.
const SIDE_BY_SIDE: usize = 8;
/// How long one may take to answer, at most: nothing waits for it but the next look.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// See the module.
pub struct DriftWatch {
    reporter: Arc<Reporter>,
    executors: Executors,
    db: Db,
    looks: Mutex<HashMap<TargetName, Look>>,
}

/// When a target is looked at next, and how often that failed.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Timestamp,
    failures: u64,
    failing_since: Option<Timestamp>,
}

impl DriftWatch {
    #[must_use]
    pub fn new(reporter: Arc<Reporter>, executors: Executors, db: Db) -> Self {
        Self { reporter, executors, db, looks: Mutex::default() }
    }

    /// Looks at a target at that time at the latest.
    pub fn look_by(&self, target: &TargetName, at: Timestamp) {
        if let Some(look) = self.looks().get_mut(target) {
            look.at = look.at.min(at);
        }
    }

    /// Looks until `stop`.
    pub async fn run(self: Arc<Self>, poll: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(poll) => {}
            }
            let ticked = tokio::select! {
                () = stop.cancelled() => return,
                ticked = self.tick() => ticked,
            };
            if let Err(error) = ticked {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is served was not looked at; trying on"
                );
            }
        }
    }

    /// Looks at whatever is due; how many targets that was.
    ///
    /// # Errors
    /// The database's.
    pub async fn tick(&self) -> Result<usize, DbError> {
        let now = self.reporter.clock.now();
        let rules = self.reporter.rules();
        let due: Vec<TargetName> = {
            let targets = rules.policy.targets.iter();
            targets
                .filter(|(target, policy)| self.is_due(target, policy, now))
                .map(|(it, _)| it.clone())
                .collect()
        };
        self.looks().retain(|target, _| rules.policy.targets.contains_key(target));
        let looked = due.into_iter().map(|target| self.look(target, &rules.policy));
        let looked: Vec<Result<(), DbError>> =
            stream::iter(looked).buffer_unordered(SIDE_BY_SIDE).collect().await;
        let count = looked.len();
        looked.into_iter().collect::<Result<(), _>>()?;
        Ok(count)
    }

    fn looks(&self) -> std::sync::MutexGuard<'_, HashMap<TargetName, Look>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A target that is new here gets its place within the window, so that not all of them are read at once.
    fn is_due(&self, target: &TargetName, policy: &TargetPolicy, now: Timestamp) -> bool {
        let window = policy.collection.window;
        let mut looks = self.looks();
        let look = looks.entry(target.clone()).or_insert_with(|| {
            let mut hasher = DefaultHasher::new();
            target.hash(&mut hasher);
            let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX).max(1);
            let place = Duration::from_millis(hasher.finish() % millis);
            Look { at: now.plus(place), failures: 0, failing_since: None }
        });
        let due = look.at <= now;
        if due {
            look.at = now.plus(window);
        }
        due
    }

    async fn look(&self, target: TargetName, policy: &Policy) -> Result<(), DbError> {
        let target = &target;
        let Some(policy) = policy.targets.get(target) else { return Ok(()) };
        let stored = self.db.answered(self.reporter.store.target(target)).await?;
        let Some(state) = stored.map(|it| it.state) else { return Ok(()) };
        let Some(read) = read(&self.executors, &state, policy).await else { return Ok(()) };
        let found = match read {
            Ok(read) if read.as_asked => Looked::AsRecorded,
            Ok(read) => Looked::Other { served: read.served },
            Err(Outcome::Postponed { .. }) => return Ok(()),
            Err(outcome) => {
                let reason = outcome.reason().unwrap_or_default().to_owned();
                let Some(since) = self.failed(target, policy) else { return Ok(()) };
                Looked::Unread { since, reason }
            }
        };
        if !matches!(found, Looked::Unread { .. }) {
            self.answered(target);
        }
        if is_known(&state, &found) {
            return Ok(());
        }
        let event = Event::ServedRead { epoch: state.epoch, looked: found };
        self.db.answered(self.reporter.apply(target, Cause::default(), &|_| event.clone())).await?;
        Ok(())
    }

    /// One more failure; since when, once there are more in a row than windows without proof are tolerated.
    fn failed(&self, target: &TargetName, policy: &TargetPolicy) -> Option<Timestamp> {
        let now = self.reporter.clock.now();
        let mut looks = self.looks();
        let look = looks.get_mut(target)?;
        look.failures += 1;
        let since = *look.failing_since.get_or_insert(now);
        (look.failures > policy.gate.gaps.tolerated).then_some(since)
    }

    fn answered(&self, target: &TargetName) {
        if let Some(look) = self.looks().get_mut(target) {
            (look.failures, look.failing_since) = (0, None);
        }
    }
}

/// What a target is served; `None` where that cannot be asked now.
pub async fn read(
    executors: &Executors,
    state: &TargetState,
    policy: &TargetPolicy,
) -> Option<Result<ReadBack, Outcome>> {
    if state.epoch == 0 || !state.stage.is_at_rest() {
        return None;
    }
    read_now(executors, state, policy).await
}

/// [`read`], also while a move is under way.
pub(crate) async fn read_now(
    executors: &Executors,
    state: &TargetState,
    policy: &TargetPolicy,
) -> Option<Result<ReadBack, Outcome>> {
    let asked = as_recorded(state, policy)?;
    Some(executors.read_back(&asked).await)
}

/// The move that changes nothing, for a target whose flag system can be read; it is only read by.
fn as_recorded(state: &TargetState, policy: &TargetPolicy) -> Option<RunTransition> {
    policy.position(&state.phase)?;
    let request = command::as_recorded(&state.target, &state.phase, policy);
    let timeout = policy.transitions.timeout.min(ANSWER_WITHIN);
    let asked = RunTransition {
        transition: uuid::Uuid::nil(),
        target: state.target.clone(),
        kind: TransitionKind::Rollback,
        from: state.phase.clone(),
        to: state.phase.clone(),
        epoch: state.epoch,
        incident: None,
        request,
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        settle_ms: 0,
        users: policy.users_asked(&state.phase),
    };
    asked.reads_back().then_some(asked)
}

/// Whether the target has been told so already.
fn is_known(state: &TargetState, found: &Looked) -> bool {
    match found {
        Looked::AsRecorded => state.served.is_as_recorded(),
        Looked::Other { served } => state.served.drift.as_ref().is_some_and(|it| it.served == *served),
        Looked::Unread { .. } => state.served.unread.is_some(),
    }
}
