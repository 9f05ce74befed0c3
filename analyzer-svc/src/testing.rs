//! What the analyzer's tests share beside the gate's fixtures.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use service_kit::clock::{Clock, ManualClock};
use service_kit::db::Db;
use service_kit::outbox;
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::collector_event::CollectorEventKind;
use shared_types::{CollectorEvent, Decision, Directive, PhaseId, TargetName, Timestamp, Window};
use uuid::Uuid;

use crate::analyzer::{Analyzer, Answer, IntakeError};
use crate::directives::{Directives, Told, Word};
use crate::store::{Filter, MIGRATIONS, RecordedKey, Store};
use crate::watch_loop::WatchLoop;
use domain::gate::GateState;
use domain::gate::fixture::{Counts, autosave, ten_o_clock, whole_policy};
use domain::policy::Policy;
use domain::whatif::Recorded;

/// How long after a window's end its batch usually comes.
pub(crate) const USUAL: Duration = Duration::from_secs(31);

/// Runs a test on an empty database of each engine.
pub(crate) async fn on_each_engine<F, S>(suite: S)
where
    S: Fn(Db) -> F,
    F: Future<Output = ()>,
{
    phasegate_tests::stores::both_engines("analyzer", MIGRATIONS, suite).await;
}

/// An analyzer on a clock that stands still.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) analyzer: Analyzer,
    pub(crate) reporter: Arc<Reporter>,
}

/// What the reporter would say.
#[derive(Default)]
pub(crate) struct Reporter(Mutex<Word>);

#[async_trait]
impl Directives for Reporter {
    async fn of(&self, _target: &TargetName) -> Word {
        self.0.lock().unwrap().clone()
    }
}

impl World {
    pub(crate) fn new(db: Db) -> Self {
        Self::judging_by(db, whole_policy())
    }

    pub(crate) fn judging_by(db: Db, policy: Policy) -> Self {
        let store = Store::new(db.clone());
        let clock = Arc::new(ManualClock::at(ten_o_clock()));
        let dynamic: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let reporter = Arc::<Reporter>::default();
        let analyzer = Analyzer::new(
            store.clone(),
            PolicyVersions::fixed(Rules::without_texts(Arc::new(policy))),
            dynamic,
            Arc::clone(&reporter) as _,
        );
        Self { db, store, clock, analyzer, reporter }
    }

    /// In memory, for tests that ask nothing of the engine.
    pub(crate) async fn in_memory() -> Self {
        Self::new(Db::connect("sqlite::memory:", "analyzer", MIGRATIONS).await.unwrap())
    }

    /// The batch arrives as usual.
    pub(crate) async fn batch(&self, counts: &Counts) -> Answer {
        self.clock.set(counts.window.end.plus(USUAL));
        self.send(counts).await.unwrap()
    }

    /// The batch arrives now.
    pub(crate) async fn send(&self, counts: &Counts) -> Result<Answer, IntakeError> {
        self.analyzer.accept_batch(counts.batch()).await
    }

    pub(crate) async fn event(
        &self,
        kind: CollectorEventKind,
        window: Window,
    ) -> Result<Answer, IntakeError> {
        self.alarm(kind, window, 1).await
    }

    /// An alarm that names an epoch.
    pub(crate) async fn alarm(
        &self,
        kind: CollectorEventKind,
        window: Window,
        epoch: u64,
    ) -> Result<Answer, IntakeError> {
        let alarm = CollectorEvent { epoch, ..event(kind, window, self.clock.now()) };
        self.analyzer.accept_event(alarm).await
    }

    /// A watch that starts now.
    pub(crate) fn watch(&self) -> WatchLoop {
        WatchLoop::new(self.analyzer.clone())
    }

    pub(crate) fn directs(&self, phase: &str, epoch: u64, collect: bool) {
        self.reporter.0.lock().unwrap().directive = Some(Directive {
            target: autosave(),
            phase: PhaseId::parse(phase).unwrap(),
            epoch,
            cadence_ms: 900_000,
            collect,
            sequence: epoch,
            until: None,
            since: None,
        });
    }

    /// The reporter knows decisions up to this window.
    pub(crate) fn was_told(&self, epoch: u64, through: Option<Window>) {
        self.reporter.0.lock().unwrap().gate = Some(Told { epoch, through });
    }

    pub(crate) async fn state(&self) -> GateState {
        self.store.target(&autosave()).await.unwrap()
    }

    /// All decisions, oldest window first.
    pub(crate) async fn decisions(&self) -> Vec<Decision> {
        let mut all = self.store.decisions(&Filter::default(), None, 1000).await.unwrap();
        all.reverse();
        all
    }

    /// Messages to the reporter that wait.
    pub(crate) async fn waiting(&self) -> u64 {
        outbox::stats(&self.db, self.clock.now()).await.unwrap().ready
    }
}

/// An alarm of the collector about a window of phase A, epoch 1.
pub(crate) fn event(kind: CollectorEventKind, window: Window, now: Timestamp) -> CollectorEvent {
    let elapsed = now.since(window.end);
    CollectorEvent {
        event_id: Uuid::new_v5(&Uuid::nil(), format!("{kind:?}{window}").as_bytes()),
        kind,
        target: autosave(),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        window,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap(),
        attempts: 5,
        detail: "connection refused".into(),
        occurred_at: now,
    }
}

/// All decisions with their batches, in the order in which they were made.
pub(crate) async fn recorded(world: &World) -> Vec<Recorded> {
    let end = world.clock.now().plus(Duration::from_secs(86_400));
    let Some(span) = world.store.span(&autosave(), Timestamp::from_millis(0), end).await.unwrap() else {
        return Vec::new();
    };
    world.store.recorded(&span, &RecordedKey::before(&span), true, 100_000).await.unwrap()
}
