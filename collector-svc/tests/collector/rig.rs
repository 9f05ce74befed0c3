//! One target's worker, its store, its effects, and a clock that stands still.

use domain::telemetry::event_specs;
use events::EventSpecs;
use events::map::Map;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use collector_svc::archive;
use collector_svc::effects::{Effects, retry_failures_path};
use collector_svc::share::Share;
use collector_svc::shared_time::SharedTime;
use collector_svc::sources::{PushQueue, PushReply, PushSource, Reader, SHIPPED};
use collector_svc::store::{BatchRow, MIGRATIONS, Store};
use collector_svc::versions::Version;
use collector_svc::worker::{Reading, Worker, WorkerParts};
use domain::kinds::Chosen;
use domain::policy::{Policy, TargetPolicy};
use domain::sources::SourceSettings;
use domain::sources::http::Http;
use domain::sources::jsonl::Jsonl;
use events::records::Records;
use service_kit::client::Neighbour;
use service_kit::clock::ManualClock;
use service_kit::db::{Boundary, Db, DbError, Probe};
use service_kit::http::BodyShare;
use service_kit::outbox::{ListFilter, list, work_once};
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::{Batch, Directive, PhaseId, TargetName, Timestamp};
use tokio::sync::{Notify, oneshot};

use crate::analyzer::Analyzer;

/// 10:00 on the day of the examples.
pub(crate) const TEN: &str = "2026-11-22T10:00:00Z";

pub(crate) fn at(time: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-11-22T{time}Z")).unwrap()
}

pub(crate) fn autosave() -> TargetName {
    TargetName::parse("autosave").unwrap()
}

pub(crate) fn saved(time: &str, id: &str) -> String {
    format!(
        "{{\"ts\":\"2026-11-22T{time}Z\",\"name\":\"autosave.save.completed\",\"event_id\":\"{id}\",\"duration_ms\":640.5}}\n"
    )
}

fn whole_policy() -> Policy {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml");
    Policy::load(std::path::Path::new(path)).unwrap()
}

pub(crate) fn policy() -> TargetPolicy {
    whole_policy().targets[&autosave()].clone()
}

pub(crate) fn directive(sequence: u64, phase: &str, epoch: u64) -> Directive {
    Directive {
        target: autosave(),
        phase: PhaseId::parse(phase).unwrap(),
        epoch,
        cadence_ms: 900_000,
        collect: true,
        sequence,
        until: None,
        since: None,
    }
}

pub(crate) struct Rig {
    reading: Reading,
    pub(crate) directory: Arc<tempfile::TempDir>,
    pub(crate) db: Db,
    pub(crate) store: Store,
    pub(crate) faults: Arc<Faults>,
    pub(crate) clock: Arc<ManualClock>,
    /// What the worker goes by: the clock, held against the analyzer's.
    pub(crate) time: Arc<SharedTime>,
    pub(crate) policy: Arc<TargetPolicy>,
    pub(crate) worker: Worker,
    pub(crate) queue: PushQueue,
    pub(crate) analyzer: Analyzer,
    pub(crate) effects: Arc<Effects>,
}

impl Rig {
    /// Reads `*.jsonl` of its own directory; SQLite in memory; 10:00.
    pub(crate) async fn new() -> Self {
        let db = Db::connect("sqlite::memory:", "collector", MIGRATIONS).await.unwrap();
        Self::on(db, true).await
    }

    /// Pushes only.
    pub(crate) async fn pushed() -> Self {
        let db = Db::connect("sqlite::memory:", "collector", MIGRATIONS).await.unwrap();
        Self::on(db, false).await
    }

    pub(crate) async fn on(db: Db, files: bool) -> Self {
        let (directory, written) = telemetry();
        Self::with(db, directory, if files { written } else { Chosen(Arc::new(Http)) }, None, &SHIPPED).await
    }

    /// As [`Self::new`], of lines that a map reads.
    pub(crate) async fn mapped(rules: events::map::Rules) -> Self {
        let db = Db::connect("sqlite::memory:", "collector", MIGRATIONS).await.unwrap();
        let (directory, written) = telemetry();
        Self::with(db, directory, written, Some(Arc::new(Map::new(rules).unwrap())), &SHIPPED).await
    }

    /// Reads a source by a reader that is not among those of the product; SQLite in memory.
    pub(crate) async fn pulling(source: Chosen<dyn SourceSettings>, readers: &[Reader]) -> Self {
        let db = Db::connect("sqlite::memory:", "collector", MIGRATIONS).await.unwrap();
        Self::with(db, Arc::new(tempfile::tempdir().unwrap()), source, None, readers).await
    }

    async fn with(
        db: Db,
        directory: Arc<tempfile::TempDir>,
        source: Chosen<dyn SourceSettings>,
        map: Option<Arc<Map>>,
        readers: &[Reader],
    ) -> Self {
        let mut policy = policy();
        (policy.collection.source, policy.collection.map) = (source, map);
        let reading = Reading::alone(readers, 1);
        let policy = Arc::new(policy);
        let faults = Arc::new(Faults::default());
        let store = Store::new(db.probed(Arc::clone(&faults) as Arc<dyn Probe>));
        let clock = Arc::new(ManualClock::at(Timestamp::parse(TEN).unwrap()));
        let (analyzer, address) = Analyzer::start().await;
        let url = format!("http://{address}").parse().unwrap();
        let neighbour = Neighbour::new(url, None, Duration::from_secs(5)).unwrap();
        let effects = Arc::new(Effects {
            store: store.clone(),
            analyzer: neighbour.clone(),
            reporter: neighbour,
            data_dir: directory.path().to_owned(),
        });
        let time = SharedTime::alone(Arc::<ManualClock>::clone(&clock));
        let (worker, queue) = worker(&policy, &store, &time, &reading);
        Self { reading, directory, db, store, faults, clock, time, policy, worker, queue, analyzer, effects }
    }

    /// The process is killed and started again: what is not in the store is gone.
    pub(crate) fn kill(&mut self) {
        (self.worker, self.queue) = worker(&self.policy, &self.store, &self.time, &self.reading);
    }

    /// Another replica on the same store and clock, with its share of the targets.
    pub(crate) fn replica_with(&self, share: Share) -> Worker {
        let reading = Reading { share, ..self.reading.clone() };
        worker(&self.policy, &self.store, &self.time, &reading).0
    }

    /// Another replica on the same store and clock.
    pub(crate) fn replica(&self) -> (Worker, PushQueue) {
        worker(&self.policy, &self.store, &self.time, &self.reading)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("telemetry").join(name)
    }

    pub(crate) fn append(&self, text: &str) {
        let path = self.path("a.jsonl");
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn push(&self, text: &str, key: Option<&str>) -> oneshot::Receiver<PushReply> {
        push_read_with(&self.queue, event_specs(&self.policy).unwrap(), text, key)
    }

    /// Turns until there is nothing more to do at once.
    pub(crate) async fn turn(&mut self) {
        turn(&mut self.worker).await;
    }

    /// Turns at a time of the day, and does the effects that are due then.
    pub(crate) async fn turn_at(&mut self, time: &str) {
        self.clock.set(at(time));
        self.turn().await;
        self.work().await;
    }

    pub(crate) async fn work(&self) {
        while work_once(&self.db, &*self.clock, &*self.effects).await.unwrap() > 0 {}
    }

    pub(crate) async fn batch(&self, start: &str) -> Option<BatchRow> {
        self.store.batch(&autosave(), at(start)).await.unwrap()
    }

    /// Saves counted in the batches that the analyzer has.
    pub(crate) fn delivered_saves(&self) -> u64 {
        self.analyzer.batches().iter().map(saves).sum()
    }

    /// The archive's line of a window.
    pub(crate) fn archived(&self, start: &str) -> String {
        let start = at(start);
        let day = fs::read_to_string(archive::path(self.directory.path(), &autosave(), start)).unwrap();
        let named = format!(",\"window\":{{\"start\":\"{start}\",");
        let mut lines = day.split_inclusive('\n').filter(|line| line.contains(&named));
        let line = lines.next().unwrap().to_owned();
        assert_eq!(lines.next(), None, "it stands there once");
        line
    }

    pub(crate) fn retry_failures(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(retry_failures_path(self.directory.path())).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Nothing waits, nothing was given up.
    pub(crate) async fn assert_outbox_empty(&self) {
        for state in ["ready", "leased", "dead"] {
            let filter = ListFilter { state: Some(state.to_owned()), ..ListFilter::default() };
            let page = list(&self.db, &filter, None, 10).await.unwrap();
            assert_eq!(page.items, [], "{state}");
        }
    }
}

/// A directory, and the files in it as a source.
fn telemetry() -> (Arc<tempfile::TempDir>, Chosen<dyn SourceSettings>) {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    fs::create_dir(directory.path().join("telemetry")).unwrap();
    let pattern = directory.path().join("telemetry/*.jsonl").display().to_string();
    (directory, Chosen(Arc::new(Jsonl { paths: vec![pattern] })))
}

pub(crate) fn saves(batch: &Batch) -> u64 {
    batch.counters["autosave.save.completed"]
}

pub(crate) fn push(queue: &PushQueue, text: &str, key: Option<&str>) -> oneshot::Receiver<PushReply> {
    push_read_with(queue, event_specs(&policy()).unwrap(), text, key)
}

fn push_read_with(
    queue: &PushQueue,
    specs: EventSpecs,
    text: &str,
    key: Option<&str>,
) -> oneshot::Receiver<PushReply> {
    let key = key.map(|key| (key.to_owned(), format!("{:x}", text.len())));
    let specs = Arc::new(specs);
    queue.push(Records::of_lines(text.as_bytes(), &specs), specs, key, BodyShare::default())
}

pub(crate) async fn turn(worker: &mut Worker) {
    for _ in 0..1000 {
        if !worker.turn().await.unwrap().more {
            return;
        }
    }
    panic!("never done");
}

fn worker(
    policy: &Arc<TargetPolicy>,
    store: &Store,
    clock: &Arc<SharedTime>,
    reading: &Reading,
) -> (Worker, PushQueue) {
    let mut whole = whole_policy();
    whole.targets.insert(autosave(), policy.as_ref().clone());
    let versions = PolicyVersions::fixed(Rules::without_texts(Arc::new(whole)));
    let queue = PushQueue::new(Arc::new(Notify::new()));
    let worker = Worker::new(WorkerParts {
        target: autosave(),
        version: Version::of(&autosave(), &versions.current()).unwrap(),
        policies: versions,
        store: store.clone(),
        clock: Arc::clone(clock),
        reading: reading.clone(),
        push: PushSource(queue.clone()),
    });
    (worker, queue)
}

/// How the next commit goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    None = 0,
    /// Nothing is written.
    Refused = 1,
    /// It is written, but the answer is lost.
    AnswerLost = 2,
}

/// Where write transactions of the worker can be made to fail.
#[derive(Debug, Default)]
pub(crate) struct Faults(AtomicU8);

impl Faults {
    pub(crate) fn fail_next_commit(&self, fault: Fault) {
        self.0.store(fault as u8, Ordering::SeqCst);
    }
}

#[async_trait]
impl Probe for Faults {
    async fn at(&self, boundary: Boundary) -> Result<(), DbError> {
        let fault = match boundary {
            Boundary::Begin => Fault::Refused,
            Boundary::Commit => return Ok(()),
            Boundary::Committed => Fault::AnswerLost,
        };
        match self.0.compare_exchange(fault as u8, 0, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Err(DbError::Busy),
            Err(_) => Ok(()),
        }
    }
}
