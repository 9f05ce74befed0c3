//! The targets that are collected, as the policy has them: they join and leave while the service runs (PO-2).

use domain::telemetry::event_specs;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::policy::Standing;
use service_kit::client::Neighbour;
use service_kit::db::DbError;
use service_kit::rules::{PolicySubscriber, PolicyVersions, Rules};
use service_kit::tasks::{Task, Tasks};
use shared_types::TargetName;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::api::{Directory, TargetEntry};
use crate::counters;
use crate::service::ask_directive;
use crate::shared_time::SharedTime;
use crate::sources::{PushQueue, PushSource};
use crate::state::TargetState;
use crate::store::Store;
use crate::versions::Version;
use crate::worker::{Reading, Worker, WorkerHandle, WorkerParts};
use events::EventSpecs;

const FETCH_BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Targets that the reporter is asked about at the same time: ten thousand that begin at once are more than it lets in.
const QUESTIONS: usize = 16;

/// One worker a target of the policy.
pub struct WorkerPool {
    pub directory: Directory,
    pub versions: PolicyVersions,
    pub store: Store,
    pub clock: Arc<SharedTime>,
    pub reporter: Neighbour,
    pub reading: Reading,
    tasks: Arc<Tasks>,
    running: Mutex<BTreeMap<TargetName, RunningWorker>>,
    questions: Arc<Semaphore>,
}

struct RunningWorker {
    stop: CancellationToken,
    worker: Task,
    asking: Task,
}

impl WorkerPool {
    /// Nobody at work yet: [`PolicySubscriber::prepare`] brings in who is missing.
    #[must_use]
    pub fn new(
        versions: PolicyVersions,
        store: Store,
        clock: Arc<SharedTime>,
        reporter: Neighbour,
        reading: Reading,
        tasks: Arc<Tasks>,
    ) -> Self {
        let directory = Directory::default();
        Self {
            directory,
            versions,
            store,
            clock,
            reporter,
            reading,
            tasks,
            running: Mutex::default(),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }

    /// Lets all workers commit what is left, and waits for them.
    pub async fn shut_down(&self) {
        let all = std::mem::take(&mut *self.running());
        all.values().for_each(|it| it.stop.cancel());
        for it in all.into_values() {
            it.asking.abort();
            it.worker.ended().await;
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<TargetName, RunningWorker>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, target: &TargetName, rules: &Rules) {
        let mut running = self.running();
        let Some(version) = Version::of(target, rules).filter(|_| !running.contains_key(target)) else {
            return;
        };
        let wake = Arc::new(Notify::new());
        let queue = PushQueue::new(Arc::clone(&wake));
        let worker = Worker::new(WorkerParts {
            target: target.clone(),
            version,
            policies: self.versions.clone(),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            reading: self.reading.clone(),
            push: PushSource(queue.clone()),
        });
        let stop = CancellationToken::new();
        let (handle, attended) = worker.attended();
        let worker = attended.run(wake, stop.clone());
        let worker = self.tasks.start(format!("the worker of {target}"), &stop, worker);
        let asking = fetch_directive(
            self.reporter.clone(),
            target.clone(),
            handle.clone(),
            Arc::clone(&self.questions),
        );
        let asking = self.tasks.start_once(format!("the question for {target}'s directive"), asking);
        running.insert(target.clone(), RunningWorker { stop, worker, asking });
        self.directory.insert(target.clone(), TargetEntry { queue, worker: handle });
    }

    /// What was accepted is committed; the windows that are open stay so, and go on if the target comes back.
    async fn end(&self, target: &TargetName) {
        self.directory.remove(target);
        let Some(it) = self.running().remove(target) else { return };
        it.stop.cancel();
        it.asking.abort();
        it.worker.ended().await;
        tracing::info!(target_name = %target, "no longer in the policy; not collected any more");
    }
}

#[async_trait]
impl PolicySubscriber for WorkerPool {
    async fn objection(&self, next: &Rules) -> Result<Option<String>, DbError> {
        for (name, target) in &next.policy.targets {
            let specs = match event_specs(target) {
                Ok(specs) => specs,
                Err(error) => return Ok(Some(format!("targets.{name}.metrics: {error}"))),
            };
            if let Some(entry) = self.directory.get(name)
                && let Some(objection) = cannot_be_counted_beside(&entry.worker.specs(), &specs)
            {
                return Ok(Some(format!("targets.{name}.metrics: {objection}")));
            }
        }
        let names: Vec<TargetName> = self.versions.current().policy.targets.keys().cloned().collect();
        for (name, TargetState { directive, .. }) in self.store.states(&names).await? {
            let standing = directive.and_then(|it| Standing::in_phase(&name, &it.phase));
            let standing: Vec<Standing> = standing.into_iter().collect();
            if let Some(objection) = next.policy.objection(&standing) {
                return Ok(Some(objection));
            }
        }
        Ok(None)
    }

    async fn prepare(&self, next: &Arc<Rules>) -> Result<(), DbError> {
        for (name, _) in self.directory.all() {
            if !next.policy.targets.contains_key(&name) {
                self.end(&name).await;
            }
        }
        counters::begin(next.policy.targets.keys());
        for name in next.policy.targets.keys() {
            self.begin(name, next);
        }
        Ok(())
    }
}

/// Windows of two versions are open side by side for a while.
fn cannot_be_counted_beside(now: &EventSpecs, next: &EventSpecs) -> Option<String> {
    if let Some(event) = now.disagreement(next) {
        return Some(format!(
            "the duration of `{event}` cannot move to another field while it is counted; give the event another name"
        ));
    }
    now.union(next).err().map(|error| format!("together with the version in force: {error}"))
}

/// Asks the reporter once for the directive (CO-6), until it answers; from then on it tells by itself.
async fn fetch_directive(
    reporter: Neighbour,
    target: TargetName,
    worker: WorkerHandle,
    questions: Arc<Semaphore>,
) {
    let mut backoff = Duration::from_millis(250);
    let ask = async || {
        let _turn = questions.acquire().await;
        ask_directive(&reporter, &target, &worker).await
    };
    while !ask().await {
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(FETCH_BACKOFF_MAX);
    }
}
