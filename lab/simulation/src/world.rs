//! A run: replicas, application and people under one clock that jumps from one due moment to the next.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::kinds::Chosen;
use domain::policy::{AdvanceCondition, Policy};
use domain::sources::http::Http;
use domain::template::Templates;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use reporter_svc::store::Store;
use service_kit::auth::Access;
use service_kit::clock::Clock as _;
use service_kit::db::DbError;
use service_kit::mark::Acceptance;
use service_kit::outbox;
use shared_types::{PhaseId, TargetName, Timestamp};

use crate::databases::Databases;
use crate::faults::Faults;
use crate::forger;
use crate::network::{Routes, Wire};
use crate::outside::Outside;
use crate::past::{Copied, Past};
use crate::people::People;
use crate::replica::{ReplicaId, Service};
use crate::scheduler::{Grants, Scheduler};
use crate::services::{Ground, Part, Replica};
use crate::spec::{Script, Spec};
use crate::telemetry::{Application, Mood, Push};
use crate::trace::Trace;

/// 10:00 on the day of the examples.
pub const BEGIN: i64 = 1_795_341_600_000;
/// Scripts: the minute at which the window begins that everything turns on.
pub const VIOLATION: u64 = 60;
/// The same: approvals are given, and the gate is not open yet.
const AMENDED: u64 = 20;
const SLOT: Duration = Duration::from_secs(300);
const WINDOW: Duration = Duration::from_secs(900);
/// How long it goes on after the trouble: escalations and watches come to their ends.
const AFTERMATH: Duration = Duration::from_secs(75 * 60);
/// The same for scripts, whose violation comes early.
const SCRIPT_AFTERMATH: Duration = Duration::from_secs(50 * 60);
/// Neighbours that have not answered are asked again: less often than by the product, since each look costs a run time.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Rounds at one moment; more is a loop.
const ROUNDS_MAX: u32 = 2_000;

/// What is made once, for all runs of a thread.
pub struct Setting {
    /// By which each window is judged for itself.
    alone: [Arc<Policy>; 2],
    /// By which it is weighed with those before it and beside a control group.
    weighed: [Arc<Policy>; 2],
    pub templates: Arc<BTreeMap<TargetName, Templates>>,
    pub access: Arc<Access>,
    pub directory: tempfile::TempDir,
    pub target: TargetName,
}

/// A shipped policy, pushed to, with short phases and a short time for causes; and the same a little stricter.
fn policies(root: &Path, name: &str, reads_back: bool) -> [Arc<Policy>; 2] {
    let file = root.join("examples/policies").join(name);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let read_back = "verify:   { command: [flags, get] } ";
    let text = if reads_back { text.replace("verify:   null ", read_back) } else { text };
    let policy = Policy::parse(&text, name);
    let mut policy = policy.unwrap_or_else(|error| panic!("{error}"));
    for target in policy.targets.values_mut() {
        target.collection.source = Chosen(Arc::new(Http));
        // Small enough to be spent within a run.
        target.transitions.budget.automatic_rollbacks = 2;
        target.rca.due = Duration::from_secs(3600);
        // What the application sends in five minutes is enough.
        target.gate.min_samples = 15;
        let conditions = [
            AdvanceCondition::CompliantBatches(1),
            AdvanceCondition::CompliantFor(Duration::from_secs(2700)),
            AdvanceCondition::CompliantFor(Duration::from_secs(7200)),
        ];
        for (phase, condition) in target.phases.iter_mut().zip(conditions) {
            phase.advance.condition = condition;
            phase.advance.critical_alerts = None;
            phase.advance.incident_notifications = None;
        }
    }
    let mut stricter = policy.clone();
    stricter.version = format!("{}-stricter", policy.version);
    for target in stricter.targets.values_mut() {
        target.gate.min_samples = 10;
    }
    [Arc::new(policy), Arc::new(stricter)]
}

impl Default for Setting {
    fn default() -> Self {
        Self::new()
    }
}

impl Setting {
    /// Policies, templates and a folder.
    ///
    /// # Panics
    /// When the tree is not where it was built, or there is no temporary folder.
    #[must_use]
    pub fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let alone = policies(&root, "source-document.yaml", false);
        let weighed = policies(&root, "control-group.yaml", true);
        let templates = reporter_svc::service::templates(&alone[0], &root);
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self {
            alone,
            weighed,
            templates: Arc::new(templates.unwrap_or_else(|error| panic!("{error}"))),
            access: Arc::new(Access::of(&reporter_svc::openapi())),
            directory: directory.unwrap_or_else(|error| panic!("{error}")),
            target: TargetName::parse("autosave").unwrap_or_else(|error| panic!("{error}")),
        }
    }

    /// The policy of a run, and what it is changed to at times.
    #[must_use]
    pub fn policies(&self, spec: &Spec) -> &[Arc<Policy>; 2] {
        if spec.weighs { &self.weighed } else { &self.alone }
    }
}

/// When something of a replica is due, by its own clock.
#[derive(Default)]
struct Agenda {
    turn: Option<Timestamp>,
    /// The analyzer adopts, the reporter reads back.
    adopt: Option<Timestamp>,
    looked: Option<Timestamp>,
    /// The reporter asks what its neighbours know.
    asked: Option<Timestamp>,
}

/// What the databases say is due, by the clocks of whoever wrote it.
#[derive(Clone, Default)]
struct Due {
    outboxes: BTreeMap<Service, Vec<Timestamp>>,
    watch: Option<Timestamp>,
    tick: Option<Timestamp>,
}

/// See the module.
pub struct World<'s> {
    pub setting: &'s Setting,
    pub databases: &'s Databases,
    pub spec: Spec,
    pub scheduler: Scheduler,
    pub outside: Outside,
    pub application: Application,
    pub end: Timestamp,
    pub trouble_ends: Timestamp,
    pub livelock: bool,
    grants: Grants,
    /// What the services write besides.
    _folder: tempfile::TempDir,
    ground: Ground,
    replicas: BTreeMap<ReplicaId, (Replica, Agenda)>,
    restarts: Vec<(Timestamp, ReplicaId)>,
    pushes: VecDeque<Push>,
    people: People,
    people_at: Timestamp,
    next_slot: Timestamp,
    mood: Mood,
    /// Windows that it goes on for.
    mood_lasts: u32,
    rng: SmallRng,
    strict: bool,
    due: Due,
    copied: Option<Copied>,
    pub past: Option<Past>,
    /// A reporter has gone on from the store that was put back.
    accepted: Arc<AtomicBool>,
}

impl<'s> World<'s> {
    /// At its beginning, on databases in which nothing is.
    ///
    /// # Panics
    /// No folder can be made.
    #[must_use]
    pub fn new(setting: &'s Setting, databases: &'s Databases, spec: Spec) -> Self {
        let begin = Timestamp::from_millis(BEGIN);
        let trouble_ends = begin.plus(spec.trouble);
        let faults =
            if spec.calm { Faults::one_crash(spec.crash) } else { Faults::seeded(spec.rates, trouble_ends) };
        let minute = |minute: u64| begin.plus(Duration::from_secs(60 * minute));
        let faults = faults.jammed(spec.jams.iter().map(|(from, to)| (minute(*from), minute(*to))).collect());
        let (scheduler, grants) = Scheduler::new(spec.seed, begin, faults, Trace::new(spec.verbose));
        let folder = tempfile::tempdir_in(setting.directory.path()).unwrap_or_else(|error| panic!("{error}"));
        let ground = Ground {
            scheduler: scheduler.clone(),
            routes: Routes::default(),
            outside: Outside::default(),
            target: setting.target.clone(),
            policy: Arc::clone(&setting.policies(&spec)[0]),
            templates: Arc::clone(&setting.templates),
            access: Arc::clone(&setting.access),
            data_dir: folder.path().to_owned(),
            changed: Arc::new(AtomicBool::new(true)),
        };
        let store = Store::new(databases.of(Service::Reporter).clone());
        let policy = Arc::new(setting.policies(&spec)[0].targets[&setting.target].clone());
        let people = People::new(&ground, store, policy, &spec);
        let mut world = Self {
            rng: SmallRng::seed_from_u64(spec.seed ^ 0xa99),
            outside: ground.outside.clone(),
            application: Application::new(spec.weighs),
            end: trouble_ends.plus(if spec.calm { SCRIPT_AFTERMATH } else { AFTERMATH }),
            trouble_ends,
            livelock: false,
            grants,
            ground,
            replicas: BTreeMap::new(),
            restarts: Vec::new(),
            pushes: VecDeque::new(),
            people,
            people_at: begin.plus(Duration::from_secs(60)),
            next_slot: begin,
            mood: Mood::Good,
            mood_lasts: 0,
            strict: false,
            due: Due::default(),
            copied: None,
            past: None,
            accepted: Arc::default(),
            setting,
            databases,
            _folder: folder,
            scheduler,
            spec,
        };
        if world.spec.script == Script::Frost {
            world.people.frost = Some((world.minute(VIOLATION), world.minute(VIOLATION + 30)));
        }
        for (service, count) in Service::ALL.into_iter().zip(world.spec.replicas) {
            (0..count).for_each(|index| world.start(ReplicaId { service, index }));
        }
        world
    }

    /// Ends what is still under way.
    pub async fn close(&mut self) {
        let ids: Vec<ReplicaId> = self.replicas.keys().copied().collect();
        for id in ids {
            self.ground.routes.remove(id);
        }
        self.scheduler.end().await;
    }

    fn start(&mut self, id: ReplicaId) {
        let now = self.scheduler.now();
        // A restart takes up the policy that stands there now.
        if !self.spec.calm && now.as_millis() > BEGIN && now < self.trouble_ends {
            self.strict = self.rng.random_bool(0.6);
        }
        let mut ground = self.ground.clone();
        let strict = self.strict && id.service != Service::Collector;
        ground.policy = Arc::clone(&self.setting.policies(&self.spec)[usize::from(strict)]);
        if strict {
            self.scheduler.met("policy changes");
        }
        let skew = if now < self.trouble_ends { self.skew(id) } else { 0 };
        if skew != 0 {
            self.scheduler.met("skewed clocks");
        }
        let replica = Replica::new(&ground, id, self.databases.of(id.service), skew);
        self.scheduler.spawn(Some(id), "start", None, false, replica.clone().start(ground));
        self.replicas.insert(id, (replica, Agenda::default()));
    }

    fn skew(&self, id: ReplicaId) -> i64 {
        let service = Service::ALL.iter().position(|service| *service == id.service).unwrap_or(0);
        self.spec.skews[service][usize::from(id.index % 2)]
    }

    /// Runs to the end.
    pub async fn run(&mut self) {
        loop {
            self.settle().await;
            let now = self.scheduler.now();
            if now >= self.end || self.livelock {
                return;
            }
            let next = self.next_moment().await.min(self.end);
            if now < self.trouble_ends && next >= self.trouble_ends {
                self.replicas.values().for_each(|(replica, _)| replica.clock.set_right());
                self.scheduler.set_now(self.trouble_ends);
            } else {
                self.scheduler.set_now(next);
            }
        }
    }

    /// Does all that is due now, until nothing is.
    async fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.restore().await.unwrap_or_else(|error| panic!("{error}"));
            self.bury();
            self.script();
            self.begin_due().await;
            if self.scheduler.settle(&mut self.grants).await == 0 {
                return;
            }
        }
        self.livelock = true;
    }

    /// Who was killed is started again a while later.
    fn bury(&mut self) {
        let now = self.scheduler.now();
        for id in self.scheduler.take_dead() {
            self.ground.routes.remove(id);
            self.replicas.remove(&id);
            let away = if self.spec.calm { 5 } else { self.rng.random_range(1..300) };
            self.restarts.push((now.plus(Duration::from_secs(away)), id));
        }
        let (due, later) = self.restarts.drain(..).partition(|(at, _)| *at <= now);
        self.restarts = later;
        let due: Vec<(Timestamp, ReplicaId)> = due;
        for (_, id) in due {
            match self.away(id.service) {
                Some(to) => self.restarts.push((to, id)),
                None => self.start(id),
            }
        }
    }

    /// The plan of who puts the reporter's store back to a copy, and restarts it on that.
    async fn restore(&mut self) -> Result<(), DbError> {
        let Some(plan) = self.spec.restore else { return Ok(()) };
        let (now, target) = (self.scheduler.now(), &self.setting.target);
        let (databases, db) = (self.databases, self.databases.of(Service::Reporter));
        let Some(copied) = &self.copied else {
            if now >= self.minute(plan.copied) {
                let books = self.outside.books().clone();
                self.copied = Some(Copied::of(db, target, books).await?);
                databases.copy_reporter().await?;
                self.scheduler.note("the reporter's store is copied");
            }
            return Ok(());
        };
        if self.past.is_some() || now < self.minute(plan.back) {
            return Ok(());
        }
        for id in self.replicas.keys().filter(|id| id.service == Service::Reporter) {
            self.scheduler.kill(*id).await;
        }
        let books = self.outside.put_back(&copied.books);
        self.past = Some(Past::of(db, target, copied, books).await?);
        databases.put_reporter_back().await?;
        self.ground.changed.store(true, Ordering::SeqCst);
        self.scheduler.met("restores");
        self.scheduler.note("the reporter's store is put back");
        Ok(())
    }

    /// Until when a service is gone now, if it is.
    fn away(&self, service: Service) -> Option<Timestamp> {
        let now = self.scheduler.now();
        let of = self.spec.away.iter().filter(|it| it.service == service);
        of.map(|it| (self.minute(it.from), self.minute(it.to)))
            .find(|(from, to)| (*from..*to).contains(&now))
            .map(|(_, to)| to)
    }

    /// The plan of who sets the flag by hand.
    fn tamper(&mut self) {
        let Some(plan) = self.spec.tamper else { return };
        let now = self.scheduler.now();
        let last = self.outside.books().tampered.last().cloned();
        match (last, plan.to) {
            (None, _) if now >= self.minute(plan.from) => {
                let phases = &self.setting.policies(&self.spec)[0].targets[&self.setting.target].phases;
                let phase = plan.position.checked_sub(1).map(|at| phases[at].id.clone());
                let phase = phase.unwrap_or_else(PhaseId::off);
                self.scheduler.note(&format!("the flag is set to {phase} by hand"));
                self.scheduler.met("flags set by hand");
                self.outside.tamper(Some(phase), now);
            }
            (Some(last), Some(to)) if last.ended.is_none() && now >= self.minute(to) => {
                self.scheduler.note("the flag is set back by hand");
                self.outside.tamper(None, now);
            }
            _ => {}
        }
    }

    /// The plan that takes a service away, or starts one anew with another policy.
    fn script(&mut self) {
        self.tamper();
        if self.spec.script == Script::Amendment
            && !self.strict
            && self.scheduler.now() >= self.minute(AMENDED)
        {
            let id = ReplicaId { service: Service::Reporter, index: 0 };
            self.strict = true;
            self.ground.routes.remove(id);
            self.start(id);
        }
        for service in Service::ALL {
            let Some(to) = self.away(service) else { continue };
            let gone: Vec<ReplicaId> =
                self.replicas.keys().filter(|id| id.service == service).copied().collect();
            for id in gone {
                self.replicas.remove(&id);
                self.ground.routes.remove(id);
                self.restarts.push((to, id));
            }
        }
    }

    fn minute(&self, minute: u64) -> Timestamp {
        Timestamp::from_millis(BEGIN).plus(Duration::from_secs(60 * minute))
    }

    async fn begin_due(&mut self) {
        let now = self.scheduler.now();
        self.telemetry(now);
        if self.people_at <= now {
            self.people_at =
                now.plus(Duration::from_secs(if self.spec.script == Script::Impatience { 20 } else { 300 }));
            for call in self.people.look(now).await {
                let label = format!("person {}", call.path);
                let label = if label.contains("/effects/") { "person retries" } else { &label };
                let service = self.ground.neighbour(call.of);
                self.scheduler.spawn(None, label, None, false, call.make(service));
            }
            self.forge(now).await;
        }
        let Due { outboxes, watch, tick } = self.due().await;
        let scheduler = self.scheduler.clone();
        let restores = self.spec.restore.is_some();
        let accepts = self.accepts(now);
        for (id, (replica, agenda)) in &mut self.replicas {
            let (id, clock) = (*id, replica.clock.now());
            if scheduler.is_paused(id) || scheduler.is_busy(Some(id), "start") {
                continue;
            }
            let begin = |label: &str, exclusive, work: futures_util::future::BoxFuture<'static, ()>| {
                if !scheduler.is_busy(Some(id), label) {
                    scheduler.spawn(Some(id), label, None, exclusive, work);
                }
            };
            if outboxes[&id.service].iter().any(|at| *at <= clock) {
                let work = replica.clone().claim_due(scheduler.clone(), self.outside.clone());
                begin("outbox", false, Box::pin(work));
            }
            match &replica.part {
                Part::Collector(collector) => {
                    let due = agenda.turn.is_none_or(|at| at <= clock);
                    if due && collector.is_undirected() {
                        begin("ask", true, Box::pin(Arc::clone(collector).ask()));
                    }
                    if due {
                        agenda.turn = Some(next_turn(clock));
                        begin("turn", true, Box::pin(Arc::clone(collector).turn()));
                    }
                }
                Part::Analyzer(watcher) => {
                    let listening = clock < watcher.started_at.plus(Duration::from_secs(60));
                    if watch.is_some_and(|at| at <= clock) && !listening && agenda.looked != Some(clock) {
                        agenda.looked = Some(clock);
                        let watch = watcher.watch.clone();
                        begin("watch", false, Box::pin(async move { watch.tick().await.map_or((), drop) }));
                    }
                    if agenda.adopt.is_none_or(|at| at <= clock) {
                        agenda.adopt = Some(clock.plus(WINDOW));
                        let watch = watcher.watch.clone();
                        begin("adopt", false, Box::pin(async move { watch.adopt().await.unwrap_or(()) }));
                    }
                }
                Part::Reporter(reporter, _, drift, restored) => {
                    if restores && agenda.asked.is_none_or(|at| at <= clock) {
                        agenda.asked = Some(clock.plus(ASK_AGAIN));
                        let restored = Arc::clone(restored);
                        begin(
                            "ask neighbours",
                            false,
                            Box::pin(async move { restored.ask().await.unwrap_or(()) }),
                        );
                    }
                    if accepts {
                        let (reporter, accepted) = (Arc::clone(reporter), Arc::clone(&self.accepted));
                        let (by, reason) = ("ana".to_owned(), "it is the newest copy".to_owned());
                        let acceptance = Acceptance { by, reason, at: now };
                        // What was begun is done again until it has gone well, as the product does.
                        let accept = async move {
                            if reporter.accept_store(&acceptance).await.is_ok() {
                                accepted.store(true, Ordering::SeqCst);
                            }
                        };
                        begin("accept", false, Box::pin(accept));
                    }
                    if agenda.adopt.is_none_or(|at| at <= clock) {
                        agenda.adopt = Some(clock.plus(WINDOW / 2));
                        let (drift, reporter) = (Arc::clone(drift), Arc::clone(reporter));
                        let look = async move {
                            drift.tick().await.ok();
                            // What was given up has no due time; the service looks at every poll.
                            reporter.tick(clock).await.ok();
                        };
                        begin("drift", false, Box::pin(look));
                    }
                    if tick.is_some_and(|at| at <= clock) && agenda.looked != Some(clock) {
                        agenda.looked = Some(clock);
                        let (reporter, now) = (Arc::clone(reporter), clock);
                        begin(
                            "tick",
                            false,
                            Box::pin(async move { reporter.tick(now).await.map_or((), |_| ()) }),
                        );
                    }
                }
            }
        }
    }

    /// Whether a person has said that the store is gone on from, and no reporter has.
    fn accepts(&self, now: Timestamp) -> bool {
        let due = self.spec.restore.is_some_and(|plan| now >= self.minute(plan.accepted));
        due && self.past.is_some() && !self.accepted.load(Ordering::SeqCst)
    }

    async fn forge(&mut self, now: Timestamp) {
        if !self.spec.forges {
            return;
        }
        let target = &self.setting.target;
        let Ok(Some(stored)) = self.people.store.target(target).await else { return };
        if let Some(call) = forger::look(&self.scheduler, target, stored.state.epoch, now) {
            let service = self.ground.neighbour(call.of);
            self.scheduler.spawn(None, &format!("forger {}", call.path), None, false, call.make(service));
        }
    }

    /// Asked anew only after a commit.
    async fn due(&mut self) -> Due {
        if self.ground.changed.swap(false, Ordering::SeqCst) {
            for service in Service::ALL {
                let due = outbox::due_receivers(self.databases.of(service)).await.unwrap_or_default();
                self.due.outboxes.insert(service, due.into_iter().map(|due| due.next_at).collect());
            }
            self.due.watch = self.watch_deadline().await;
            self.due.tick = self.people.store.next_due().await.ok().flatten();
        }
        self.due.clone()
    }

    async fn watch_deadline(&self) -> Option<Timestamp> {
        let store = analyzer_svc::store::Store::new(self.databases.of(Service::Analyzer).clone());
        store.target(&self.setting.target).await.ok()?.watch.map(|watch| watch.deadline)
    }

    /// Draws the next five minutes when they begin, and sends what is due.
    fn telemetry(&mut self, now: Timestamp) {
        while self.next_slot <= now {
            let slot = self.next_slot;
            self.next_slot = slot.plus(SLOT);
            if slot.align_down(WINDOW) == slot {
                self.mood = self.draw_mood(slot);
            }
            let pushes = self.application.slot(slot, self.mood, &mut self.rng, self.spec.calm);
            self.pushes.extend(pushes);
        }
        let (due, later): (Vec<Push>, Vec<Push>) =
            self.pushes.drain(..).partition(|push| push.send_at <= now);
        self.pushes = later.into();
        for push in due {
            let (application, wire, scheduler) =
                (self.application.clone(), self.ground.wire(), self.scheduler.clone());
            self.scheduler.spawn(None, &push.key.clone(), None, false, async move {
                let mut next = push.clone();
                if !application.clone().push(&wire, push).await {
                    scheduler.met("unanswered pushes");
                    next.send_at = scheduler.now().plus(Duration::from_secs(5));
                    retry_push(application, wire, next);
                }
            });
        }
    }

    fn draw_mood(&mut self, slot: Timestamp) -> Mood {
        let violation = self.minute(VIOLATION);
        let slow = match self.spec.script {
            Script::Violation
            | Script::Escalation
            | Script::Impatience
            | Script::Frost
            | Script::Jam
            | Script::Negligence => slot == violation,
            Script::Straggler => slot == self.minute(30),
            Script::Persistence => slot >= violation,
            // In B, and in the stay in A behind it.
            Script::Restore => [0, 30].iter().any(|later| slot == self.minute(VIOLATION + later)),
            Script::Doubt if slot >= violation => return Mood::Doubtful,
            Script::Outside if slot >= self.minute(15) && slot < violation => return Mood::Outside,
            Script::None
            | Script::Silence
            | Script::Deafness
            | Script::Sloppiness
            | Script::Amendment
            | Script::Doubt
            | Script::Outside
            | Script::Gaps
            | Script::Drift => false,
        };
        if slow {
            return Mood::Slow;
        }
        if self.spec.calm || slot >= self.trouble_ends {
            return Mood::Good;
        }
        if !self.spec.weighs {
            return Mood::draw(&mut self.rng, self.spec.ill);
        }
        if self.mood_lasts == 0 {
            let (mood, lasts) = Mood::draw_doubtful(&mut self.rng, self.spec.ill);
            self.mood_lasts = lasts;
            self.mood = mood;
        }
        self.mood_lasts -= 1;
        self.mood
    }

    /// The next moment at which anything is due.
    async fn next_moment(&mut self) -> Timestamp {
        let now = self.scheduler.now();
        let mut moments = vec![self.people_at, self.next_slot];
        moments.extend(self.scheduler.next_due());
        moments.extend(self.pushes.iter().map(|push| push.send_at));
        moments.extend(self.restarts.iter().map(|(at, _)| *at));
        let plan = self.spec.restore.map(|it| [it.copied, it.back, it.accepted]);
        moments.extend(plan.into_iter().flatten().map(|minute| self.minute(minute)));
        let Due { outboxes, watch, tick } = self.due().await;
        for (id, (replica, agenda)) in &self.replicas {
            let outside = |at: Timestamp| replica.clock.outside(at);
            moments.extend(outboxes[&id.service].iter().map(|due| outside(*due)));
            moments.extend(agenda.turn.map(outside));
            moments.extend(agenda.adopt.map(outside));
            moments.extend(agenda.asked.map(outside));
            match &replica.part {
                Part::Collector(_) => {}
                Part::Analyzer(watcher) => {
                    moments.extend(watch.map(outside));
                    moments.push(outside(watcher.started_at.plus(Duration::from_secs(60))));
                }
                Part::Reporter(..) => moments.extend(tick.map(outside)),
            }
        }
        moments.into_iter().filter(|at| *at > now).min().unwrap_or(self.end)
    }
}

/// Tries again at its time, as a task that waits for it.
fn retry_push(application: Application, wire: Wire, push: Push) {
    let scheduler = wire.scheduler.clone();
    let (key, at) = (push.key.clone(), push.send_at);
    scheduler.clone().spawn(None, &key, Some(at), false, async move {
        let mut next = push.clone();
        if !application.clone().push(&wire, push).await {
            next.send_at = scheduler.now().plus(Duration::from_secs(20));
            retry_push(application, wire, next);
        }
    });
}

/// The collector looks at every fifth minute, and half a minute (the grace) later.
fn next_turn(clock: Timestamp) -> Timestamp {
    let half = Duration::from_secs(30);
    let last = clock.align_down(SLOT);
    if clock < last.plus(half) { last.plus(half) } else { last.plus(SLOT) }
}
