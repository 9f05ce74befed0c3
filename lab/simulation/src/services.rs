//! The three services as replicas: their own parts, put together as their `run` does, driven step by step.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use analyzer_svc::analyzer::Analyzer;
use analyzer_svc::directives::ReporterDirectives;
use analyzer_svc::watch_loop::WatchLoop;
use async_trait::async_trait;
use axum::body::Body;
use axum::http;
use axum::{Extension, Router};
use collector_svc::api::{Api, Directory, TargetEntry};
use collector_svc::service::ask_directive;
use collector_svc::shared_time::SharedTime;
use collector_svc::sources::{PushQueue, PushSource, SHIPPED};
use collector_svc::versions::Version;
use collector_svc::worker::{Attended, Reading, Worker, WorkerHandle, WorkerParts};
use domain::policy::{Policy, TargetPolicy};
use domain::template::Templates;
use reporter_svc::api::App;
use reporter_svc::channels::Channels;
use reporter_svc::dashboard::Publisher;
use reporter_svc::drift::DriftWatch;
use reporter_svc::executors::Executors;
use reporter_svc::notifiers::{Notifiers, slack};
use reporter_svc::pagers::LogPager;
use reporter_svc::pagers::pagerduty::{self, WebhookSecret};
use reporter_svc::reporter::Reporter;
use reporter_svc::restored::Restored;
use secrecy::SecretString;
use service_kit::auth::{Access, Identity};
use service_kit::client::Neighbour;
use service_kit::clock::Clock;
use service_kit::db::Db;
use service_kit::outbox::{self, Claim, Handler};
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::{TargetName, Via};
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::boundary::Kind;
use crate::clock::SkewedClock;
use crate::network::{Routes, Serve, Slot, Wire};
use crate::outside::{Outside, Ports, Settlement};
use crate::pagerduty::SECRET;
use crate::probe::Stops;
use crate::replica::{ReplicaId, Service};
use crate::scheduler::Scheduler;

/// What a worker leases a row for at first, as the product's loop does.
const FIRST_LEASE: Duration = Duration::from_secs(10);
const NO_PAGER: LogPager = LogPager { stands_for: "PagerDuty", via: Via::Pagerduty };
/// Steps a request waits for.
const STEPS: usize = 8;

/// What every replica is made from.
#[derive(Clone)]
pub struct Ground {
    pub scheduler: Scheduler,
    pub routes: Routes,
    pub outside: Outside,
    pub target: TargetName,
    pub policy: Arc<Policy>,
    pub templates: Arc<std::collections::BTreeMap<TargetName, Templates>>,
    pub access: Arc<Access>,
    pub data_dir: PathBuf,
    /// Set with every commit of any service.
    pub changed: Arc<AtomicBool>,
}

impl Ground {
    fn target_policy(&self) -> Arc<TargetPolicy> {
        Arc::new(self.policy.targets[&self.target].clone())
    }

    /// The rules that a replica's windows are judged by.
    fn judged_by(&self) -> PolicyVersions {
        PolicyVersions::fixed(Rules::without_texts(Arc::clone(&self.policy)))
    }

    /// A client of a service.
    #[must_use]
    pub fn neighbour(&self, service: Service) -> Neighbour {
        let base = format!("http://{}/", service.name());
        let base = base.parse().unwrap_or_else(|error| panic!("{base}: {error}"));
        Neighbour::over(Arc::new(self.wire()), base, None)
    }

    /// The network as one finds it.
    #[must_use]
    pub fn wire(&self) -> Wire {
        Wire { scheduler: self.scheduler.clone(), routes: self.routes.clone() }
    }
}

/// One replica, whatever its service: its database handle, its clock, its effects.
#[derive(Clone)]
pub struct Replica {
    pub id: ReplicaId,
    pub db: Db,
    pub clock: Arc<SkewedClock>,
    handler: Arc<dyn Handler>,
    pub part: Part,
}

/// What is the service's own.
#[derive(Clone)]
pub enum Part {
    Collector(Arc<Collector>),
    Analyzer(Arc<Watcher>),
    /// And what it moves phases by, and reads back; and how it looks whether its store knows what its neighbours do.
    Reporter(Arc<Reporter>, Executors, Arc<DriftWatch>, Arc<Restored>),
}

/// The collector's worker and what reaches it.
pub struct Collector {
    attended: Mutex<Attended>,
    router: Router,
    handle: WorkerHandle,
    reporter: Neighbour,
    target: TargetName,
    /// Nothing is left to ask the reporter for.
    directed: AtomicBool,
}

/// The analyzer's watch.
pub struct Watcher {
    pub watch: WatchLoop,
    pub store: analyzer_svc::store::Store,
    pub started_at: shared_types::Timestamp,
}

impl Replica {
    /// Puts a replica together on a database, with nothing but what is stored there. It serves once it has started.
    #[must_use]
    pub fn new(ground: &Ground, id: ReplicaId, db: &Db, skew_ms: i64) -> Self {
        let db = db.probed(Arc::new(Stops {
            scheduler: ground.scheduler.clone(),
            changed: Arc::clone(&ground.changed),
        }));
        let clock = Arc::new(SkewedClock::new(ground.scheduler.clone(), skew_ms));
        let (handler, part): (Arc<dyn Handler>, Part) = match id.service {
            Service::Collector => collector(ground, &db, &clock),
            Service::Analyzer => analyzer(ground, &db, &clock),
            Service::Reporter => reporter(ground, &db, &clock),
        };
        Self { id, db, clock, handler, part }
    }

    /// What the service does before it listens.
    pub async fn start(self, ground: Ground) {
        let now = self.clock.now();
        let serve: Arc<dyn Serve> = match &self.part {
            Part::Collector(collector) => Arc::clone(collector) as _,
            Part::Analyzer(watcher) => {
                let policy = &ground.policy;
                while watcher.store.keep_policy(&policy.version, &policy.text, now).await.is_err() {}
                let analyzer = Analyzer::new(
                    watcher.store.clone(),
                    ground.judged_by(),
                    Arc::clone(&self.clock) as Arc<dyn Clock>,
                    Arc::new(ReporterDirectives(ground.neighbour(Service::Reporter))),
                );
                Arc::new(Plain {
                    router: analyzer_svc::http::routes(analyzer, &CancellationToken::new()),
                    scheduler: ground.scheduler.clone(),
                })
            }
            Part::Reporter(reporter, executors, ..) => {
                let targets = [ground.target.clone()];
                while reporter.store.ensure_targets(&targets, now).await.is_err() {}
                let publisher = Arc::new(Publisher::new(Arc::clone(reporter), &ground.data_dir));
                let analyzer = ground.neighbour(Service::Analyzer);
                let archive = reporter_svc::audit::Archive::below(&ground.data_dir);
                let keeper = Arc::new(reporter_svc::audit::Keeper::new(Arc::clone(reporter), archive));
                let app = App {
                    reporter: Arc::clone(reporter),
                    publisher,
                    analyzer,
                    access: Arc::clone(&ground.access),
                    keeper,
                    executors: executors.clone(),
                    // Nobody asks how they stand.
                    ways: Arc::new(Channels { notifiers: Notifiers::default(), pager: Arc::new(NO_PAGER) }),
                };
                let secret = WebhookSecret(SecretString::from(SECRET));
                let inbound = slack::routes().merge(pagerduty::routes().layer(Extension(secret)));
                Arc::new(Plain {
                    router: reporter_svc::api::router(app, inbound).0,
                    scheduler: ground.scheduler.clone(),
                })
            }
        };
        ground.routes.insert(self.id, serve);
    }

    /// Claims what is due; each claim goes on as a task of its own.
    pub async fn claim_due(self, scheduler: Scheduler, outside: Outside) {
        let Ok(due) = outbox::due_receivers(&self.db).await else { return };
        let (handler, now) = (Arc::clone(&self.handler), self.clock.now());
        let lease = move |kind: &str| handler.lease(kind).min(FIRST_LEASE);
        for receiver in due.into_iter().filter(|due| due.next_at <= now) {
            let name = self.id.to_string();
            let claimed = outbox::claim(&self.db, &name, &receiver.receiver, 8, &lease, now).await;
            for claim in claimed.unwrap_or_default() {
                if claim.unknowns > 0 && claim.fence > 1 {
                    scheduler.met("resends of unknown outcome");
                }
                outside
                    .books()
                    .claims
                    .insert((self.id.service, claim.id.clone(), claim.fence), claim.unknowns);
                let (this, books) = (self.clone(), outside.clone());
                let label = format!("effect {}", claim.kind);
                scheduler.spawn(Some(self.id), &label, None, false, this.work(claim, books));
            }
        }
    }

    async fn work(self, claim: Claim, outside: Outside) {
        let outcome = self.handler.handle(&claim).await;
        let ended = self.clock.now();
        for _ in 0..20 {
            let Ok(recorded) = self.handler.settle(&self.db, &claim, &outcome, ended).await else { continue };
            let mut books = outside.books();
            books.settled.push(Settlement {
                service: self.id.service,
                effect: claim.id.clone(),
                kind: claim.kind.clone(),
                fence: claim.fence,
                unknowns: claim.unknowns,
                unknown: matches!(outcome, outbox::Outcome::Unknown { .. }),
                failed: matches!(outcome, outbox::Outcome::Failed { .. } | outbox::Outcome::Unknown { .. }),
                step: claim.step,
                at: ended,
                recorded,
            });
            return;
        }
    }
}

fn collector(ground: &Ground, db: &Db, clock: &Arc<SkewedClock>) -> (Arc<dyn Handler>, Part) {
    let versions = ground.judged_by();
    let version = Version::of(&ground.target, &versions.current());
    let store = collector_svc::store::Store::new(db.clone());
    let queue = PushQueue::new(Arc::new(Notify::new()));
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let worker = Worker::new(WorkerParts {
        target: ground.target.clone(),
        version: version.unwrap_or_else(|| panic!("no target {}", ground.target)),
        policies: versions.clone(),
        store: store.clone(),
        clock: SharedTime::alone(Arc::clone(&clock)),
        reading: Reading::alone(SHIPPED, 1),
        push: PushSource(queue.clone()),
    });
    let (handle, attended) = worker.attended();
    let targets = Directory::default();
    targets.insert(ground.target.clone(), TargetEntry { queue, worker: handle.clone() });
    let router = collector_svc::api::router(Api {
        targets,
        versions,
        store: store.clone(),
        clock,
        parsers: Arc::new(Semaphore::new(1)),
    });
    let handler = collector_svc::effects::Effects {
        store,
        analyzer: ground.neighbour(Service::Analyzer),
        reporter: ground.neighbour(Service::Reporter),
        data_dir: ground.data_dir.clone(),
    };
    let part = Collector {
        attended: Mutex::new(attended),
        router,
        handle,
        reporter: ground.neighbour(Service::Reporter),
        target: ground.target.clone(),
        directed: AtomicBool::new(false),
    };
    (Arc::new(handler), Part::Collector(Arc::new(part)))
}

fn analyzer(ground: &Ground, db: &Db, clock: &Arc<SkewedClock>) -> (Arc<dyn Handler>, Part) {
    let store = analyzer_svc::store::Store::new(db.clone());
    let dynamic: Arc<dyn Clock> = Arc::clone(clock) as _;
    let reporter = ground.neighbour(Service::Reporter);
    let directives = Arc::new(ReporterDirectives(reporter.clone()));
    let watch = WatchLoop::new(Analyzer::new(store.clone(), ground.judged_by(), dynamic, directives));
    let part = Watcher { watch, store, started_at: clock.now() };
    (Arc::new(analyzer_svc::effects::Effects { reporter }), Part::Analyzer(Arc::new(part)))
}

fn reporter(ground: &Ground, db: &Db, clock: &Arc<SkewedClock>) -> (Arc<dyn Handler>, Part) {
    let store = reporter_svc::store::Store::new(db.clone());
    let ports = Arc::new(Ports {
        scheduler: ground.scheduler.clone(),
        outside: ground.outside.clone(),
        policy: ground.target_policy(),
        store: store.clone(),
    });
    let rules = Rules::with_templates(Arc::clone(&ground.policy), (*ground.templates).clone());
    let reporter =
        Arc::new(Reporter::new(store, PolicyVersions::fixed(rules), Arc::clone(clock) as Arc<dyn Clock>));
    let executors = Executors::default().with(Arc::clone(&ports) as _);
    let drift = Arc::new(DriftWatch::new(Arc::clone(&reporter), executors.clone(), db.clone()));
    let handler = reporter_svc::effects::Effects {
        reporter: Arc::clone(&reporter),
        publisher: Arc::new(Publisher::new(Arc::clone(&reporter), &ground.data_dir)),
        notifiers: Notifiers::default().with(Arc::clone(&ports) as _),
        pager: ports,
        executors: executors.clone(),
        drift: Arc::clone(&drift),
        collector: ground.neighbour(Service::Collector),
        collector_quick: ground.neighbour(Service::Collector),
        longest: reporter_svc::effects::LongestMove::default(),
        data_dir: ground.data_dir.clone(),
        stopping: CancellationToken::new(),
    };
    // What a person accepts is not told by a mark here, see `World`.
    let restored = Arc::new(Restored::new(Arc::clone(&reporter), None, ground.neighbour(Service::Collector)));
    (Arc::new(handler), Part::Reporter(reporter, executors, drift, restored))
}

impl Collector {
    /// Looks at what is due, until nothing is.
    pub async fn turn(self: Arc<Self>) {
        let mut attended = self.attended.lock().await;
        for _ in 0..STEPS {
            match attended.step().await {
                Ok(turn) if !turn.more => return,
                _ => {}
            }
        }
    }

    /// Whether it still wants to know what the reporter directs.
    #[must_use]
    pub fn is_undirected(&self) -> bool {
        !self.directed.load(Ordering::SeqCst)
    }

    /// Asks the reporter once.
    pub async fn ask(self: Arc<Self>) {
        let mut attended = self.attended.lock().await;
        let obeying = async {
            loop {
                attended.attend().await;
            }
        };
        let answered = tokio::select! {
            biased;
            answered = ask_directive(&self.reporter, &self.target, &self.handle) => answered,
            () = obeying => false,
        };
        self.directed.store(answered, Ordering::SeqCst);
    }

    /// What waits for the worker, while the worker works. A step that has begun is never broken off.
    async fn while_stepping<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        let (mut attended, done, given_up) =
            (self.attended.lock().await, AtomicBool::new(false), Notify::new());
        let waiting = async {
            let answer = tokio::select! {
                biased;
                answer = waiting => Some(answer),
                () = given_up.notified() => None,
            };
            done.store(true, Ordering::SeqCst);
            answer
        };
        let stepping = async {
            for _ in 0..STEPS {
                tokio::task::yield_now().await;
                if done.load(Ordering::SeqCst) {
                    return;
                }
                attended.step().await.ok();
            }
            tokio::task::yield_now().await;
            given_up.notify_one();
        };
        futures_util::future::join(waiting, stepping).await.0
    }
}

#[async_trait]
impl Serve for Collector {
    async fn serve(&self, mut request: http::Request<Body>, slot: Slot) {
        request.extensions_mut().insert(Identity::local());
        let reads = request.method() == http::Method::GET;
        let call = async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            slot.fill(response).await;
        };
        if reads {
            return call.await;
        }
        self.while_stepping(call).await;
    }

    /// What is only looked at needs no worker.
    fn is_exclusive(&self, request: &http::Request<()>) -> bool {
        request.method() != http::Method::GET
    }
}

/// A service whose handlers do all their work themselves.
struct Plain {
    router: Router,
    scheduler: Scheduler,
}

#[async_trait]
impl Serve for Plain {
    async fn serve(&self, mut request: http::Request<Body>, slot: Slot) {
        // Who may do what is the layer's matter, which is not here; people say who they are.
        request.extensions_mut().insert(Identity::local());
        let Ok(response) = self.router.clone().oneshot(request).await;
        if self.scheduler.boundary(Kind::Served, "").await.is_ok() {
            slot.fill(response).await;
        }
    }

    fn is_exclusive(&self, _request: &http::Request<()>) -> bool {
        false
    }
}
