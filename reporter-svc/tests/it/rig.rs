//! A reporter on a real store, whose clock, vendors, commands and collector the test holds in its hand.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::routing::{get, put};
use axum::{Extension, Router};
use domain::effects::*;
use domain::executors::{Report, command};
use domain::policy::{Policy, Retention};
use domain::rollout::Finding;
use domain::rollout::event::Expected;
use domain::rollout::{Event, approval};
use reporter_svc::api::{self, App};
use reporter_svc::audit::{Archive, Keeper};
use reporter_svc::channels::Channels;
use reporter_svc::dashboard::Publisher;
use reporter_svc::drift::DriftWatch;
use reporter_svc::effects::{Effects, LongestMove};
use reporter_svc::executors::{Executor, Executors, ReadBack, Turn};
use reporter_svc::notifiers::slack::{self, SlackInbound};
use reporter_svc::notifiers::{Notifier, Notifiers};
use reporter_svc::pagers::Pager;
use reporter_svc::pagers::pagerduty::{self, WebhookSecret};
use reporter_svc::reporter::{Cause, Reporter};
use reporter_svc::store::{Changed, IncidentFilter, MIGRATIONS, Store, past};
use serde_json::{Value, json};
use service_kit::auth::{Authenticator, Sessions, TokenFile, Tokens};
use service_kit::client::Neighbour;
use service_kit::clock::{Clock, ManualClock};
use service_kit::db::Db;
use service_kit::outbox::{ListFilter, Outcome, work_once};
use service_kit::retention;
use service_kit::rules::{PolicyVersions, Rules};
use sha2::{Digest as _, Sha256};
use shared_types::decision::{
    Cause as DecisionCause, Direction, GateProgress, MetricVerdict, ViolationAction,
};
use shared_types::incident::Incident;
use shared_types::{Decision, Directive, IncidentId, PhaseId, TargetName, Timestamp, Verdict, Via, Window};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Everything for ever.
pub(crate) const KEEP: Retention =
    Retention { batches: None, histograms: None, decisions: None, notifications: None, audit: None };

/// What the rig's PagerDuty signs with.
pub(crate) const WEBHOOK_SECRET: &str = "a secret of PagerDuty's";

pub(crate) fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub(crate) fn phase(id: &str) -> PhaseId {
    PhaseId::parse(id).unwrap()
}

/// An analysis that is complete.
pub(crate) fn submission(by: &str) -> Event {
    let finding = Finding {
        cause: "the lock".to_owned(),
        prevention: "shard it".to_owned(),
        link: Some("wiki/1".to_owned()),
    };
    Event::RcaSubmitted { by: by.to_owned(), finding }
}

/// What the outside world was asked for, and what it shall answer.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) messages: Mutex<Vec<(PostMessage, Option<String>, bool)>>,
    pub(crate) answers: Mutex<Vec<TellUser>>,
    pub(crate) pages: Mutex<Vec<TriggerPage>>,
    pub(crate) notices: Mutex<Vec<PageNotice>>,
    pub(crate) resolved: Mutex<Vec<ResolvePage>>,
    pub(crate) commands: Mutex<Vec<RunTransition>>,
    /// The numbers of the attempts that ran.
    pub(crate) fences: Mutex<Vec<u64>>,
    /// Where the flag stands.
    pub(crate) served: Mutex<Option<PhaseId>>,
    pub(crate) directives: Mutex<Vec<Directive>>,
    /// What the collector holds in place of what it was told here.
    pub(crate) held: Mutex<Option<Directive>>,
    /// Outcomes of the next calls; what is not told succeeds.
    pub(crate) slack: Mutex<VecDeque<Outcome>>,
    pub(crate) pager: Mutex<VecDeque<Outcome>>,
    pub(crate) executor: Mutex<VecDeque<Outcome>>,
    pub(crate) acknowledgement: Mutex<Option<PageAcknowledgement>>,
    /// What the flag system serves in place of what it was told.
    pub(crate) tampered: Mutex<Option<String>>,
    /// Whether it cannot be read.
    pub(crate) unreadable: Mutex<bool>,
}

pub(crate) struct Port(Arc<World>);

#[async_trait]
impl Notifier for Port {
    fn name(&self) -> &'static str {
        "slack"
    }

    async fn post(&self, message: &PostMessage, thread: Option<&str>, resend: bool) -> Outcome {
        let mut messages = self.0.messages.lock().unwrap();
        messages.push((message.clone(), thread.map(str::to_owned), resend));
        let ts = format!("17000.{:04}", messages.len());
        let told = self.0.slack.lock().unwrap().pop_front();
        told.unwrap_or_else(|| Outcome::Done(json!({ "ts": ts, "channel": "C1" })))
    }

    async fn tell(&self, it: &TellUser) -> Outcome {
        self.0.answers.lock().unwrap().push(it.clone());
        Outcome::Done(json!({ "told": true }))
    }
}

#[async_trait]
impl Pager for Port {
    async fn trigger(&self, page: &TriggerPage) -> Outcome {
        self.0.pages.lock().unwrap().push(page.clone());
        let told = self.0.pager.lock().unwrap().pop_front();
        told.unwrap_or_else(|| Outcome::Done(json!({ "dedup_key": page.dedup_key })))
    }
    async fn notice(&self, notice: &PageNotice) -> Outcome {
        self.0.notices.lock().unwrap().push(notice.clone());
        let told = self.0.pager.lock().unwrap().pop_front();
        told.unwrap_or_else(|| Outcome::Done(json!({ "dedup_key": notice.dedup_key })))
    }
    async fn set_priority(&self, _: &SetPagePriority) -> Outcome {
        Outcome::Done(Value::Null)
    }
    async fn resolve(&self, page: &ResolvePage) -> Outcome {
        self.0.resolved.lock().unwrap().push(page.clone());
        Outcome::Done(Value::Null)
    }
    async fn acknowledged(&self, _: &CheckPageAcknowledged) -> Outcome {
        Outcome::Done(json!(*self.0.acknowledgement.lock().unwrap()))
    }
    fn via(&self) -> Via {
        Via::Pagerduty
    }
}

#[async_trait]
impl Executor for Port {
    fn name(&self) -> &'static str {
        command::NAME
    }

    async fn run(&self, transition: &RunTransition, turn: &Turn) -> Result<Report, Outcome> {
        self.0.commands.lock().unwrap().push(transition.clone());
        self.0.fences.lock().unwrap().push(turn.fence);
        let report = Report { detail: "done".into(), duration_ms: 7, ..command::exited(0) };
        match self.0.executor.lock().unwrap().pop_front() {
            None => {
                *self.0.served.lock().unwrap() = Some(transition.to.clone());
                Ok(report)
            }
            Some(told) => Err(told),
        }
    }

    async fn read_back(&self, transition: &RunTransition) -> Result<ReadBack, Outcome> {
        if *self.0.unreadable.lock().unwrap() {
            return Err(Outcome::Failed { reason: "no answer".to_owned() });
        }
        let set = self.0.served.lock().unwrap().clone().unwrap_or_else(PhaseId::off);
        let served = self.0.tampered.lock().unwrap().clone().unwrap_or_else(|| set.to_string());
        Ok(ReadBack { as_asked: served == transition.to.as_str(), served })
    }
}

pub(crate) struct Rig {
    pub(crate) db: Db,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) world: Arc<World>,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) effects: Arc<Effects>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) data: Arc<tempfile::TempDir>,
    /// How requests from Slack are taken.
    pub(crate) slack: Option<Arc<SlackInbound>>,
    policy: Arc<Policy>,
    collector: String,
    stop: CancellationToken,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The shipped policy.
pub(crate) fn shipped() -> Policy {
    Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance/policy.yaml")).unwrap()
}

/// The shipped policy without approvals and evidence, so that phases can move.
pub(crate) fn policy() -> Policy {
    let mut policy = shipped();
    for target in policy.targets.values_mut() {
        for phase in &mut target.phases {
            phase.advance.approvals.clear();
        }
        target.evidence.clear();
    }
    policy
}

pub(crate) fn autosave() -> TargetName {
    TargetName::parse("autosave").unwrap()
}

impl Rig {
    pub(crate) async fn new(db: Db) -> Self {
        Self::under(policy(), db).await
    }

    /// Under another policy than the shipped one without approvals.
    pub(crate) async fn under(policy: Policy, db: Db) -> Self {
        let stop = CancellationToken::new();
        let world = Arc::new(World::default());
        let collector = collector(Arc::clone(&world), stop.clone()).await;
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-11-22T10:00:00Z").unwrap()));
        let data = Arc::new(tempfile::tempdir().unwrap());
        Self::assemble(db, clock, world, data, collector, stop, Arc::new(policy)).await
    }

    /// One turn of the retention, as it is at that time; how many rows went.
    pub(crate) async fn forget(&self, keep: Retention, at: Timestamp) -> u64 {
        retention::turn(&self.db, &past(keep, at), &CancellationToken::new()).await
    }

    pub(crate) async fn in_memory_under(policy: Policy) -> Self {
        Self::under(policy, Db::connect("sqlite::memory:", "reporter", MIGRATIONS).await.unwrap()).await
    }

    pub(crate) async fn in_memory() -> Self {
        Self::new(Db::connect("sqlite::memory:", "reporter", MIGRATIONS).await.unwrap()).await
    }

    /// The same database, clock and world under a new process's objects, as after a restart; or a replica.
    pub(crate) async fn restarted(&self) -> Self {
        self.with_policy(Arc::clone(&self.policy)).await
    }

    /// As [`Self::restarted`], under another policy.
    pub(crate) async fn with_policy(&self, policy: Arc<Policy>) -> Self {
        Self::assemble(
            self.db.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.world),
            Arc::clone(&self.data),
            self.collector.clone(),
            CancellationToken::new(),
            policy,
        )
        .await
    }

    async fn assemble(
        db: Db,
        clock: Arc<ManualClock>,
        world: Arc<World>,
        data: Arc<tempfile::TempDir>,
        collector: String,
        stop: CancellationToken,
        policy: Arc<Policy>,
    ) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let templates = reporter_svc::service::templates(&policy, &root).unwrap();
        let store = Store::new(db.clone());
        let shared_clock: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let rules = Rules::with_templates(Arc::clone(&policy), templates);
        let reporter = Arc::new(Reporter::new(store, PolicyVersions::fixed(rules), shared_clock));
        let targets: Vec<TargetName> = reporter.rules().policy.targets.keys().cloned().collect();
        reporter.store.ensure_targets(&targets, clock.now()).await.unwrap();
        let publisher = Arc::new(Publisher::new(Arc::clone(&reporter), data.path()));
        let neighbour = || Neighbour::new(collector.parse().unwrap(), None, Duration::from_secs(5)).unwrap();
        let port = Arc::new(Port(Arc::clone(&world)));
        let executors = Executors::default().with(Arc::clone(&port) as _);
        let drift = Arc::new(DriftWatch::new(Arc::clone(&reporter), executors.clone(), db.clone()));
        let effects = Arc::new(Effects {
            reporter: Arc::clone(&reporter),
            publisher,
            notifiers: Notifiers::default().with(Arc::clone(&port) as _),
            pager: Arc::clone(&port) as _,
            executors,
            drift,
            collector: neighbour(),
            collector_quick: neighbour(),
            longest: LongestMove::default(),
            data_dir: data.path().to_owned(),
            stopping: CancellationToken::new(),
        });
        let keeper = Arc::new(Keeper::new(Arc::clone(&reporter), Archive::below(data.path())));
        Self { db, clock, world, reporter, effects, keeper, data, slack: None, policy, collector, stop }
    }

    /// Other executors than the world's.
    pub(crate) fn use_executors(&mut self, executors: Executors) {
        Arc::get_mut(&mut self.effects).expect("not shared yet").executors = executors;
    }

    /// One notifier more.
    pub(crate) fn add_notifier(&mut self, notifier: Arc<dyn Notifier>) {
        let effects = Arc::get_mut(&mut self.effects).expect("not shared yet");
        effects.notifiers = effects.notifiers.clone().with(notifier);
    }

    /// The service's HTTP side; where it asks the analyzer stands somebody who knows nothing.
    pub(crate) fn router(&self) -> Router {
        self.router_for(None)
    }

    /// No vendor's secret is set.
    pub(crate) fn router_without_webhooks(&self) -> Router {
        self.assembled(None, self.effects.collector.clone(), None)
    }

    /// A token is its own name.
    pub(crate) fn router_with_tokens(&self, tokens: &[(&str, &str)]) -> Router {
        let line = |(name, role): &(&str, &str)| {
            let hash: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{name} {role} sha256:{hash}\n")
        };
        let text: String = tokens.iter().map(line).collect();
        self.router_for(Some(Tokens::parse(&text, Path::new("tokens")).unwrap()))
    }

    /// The router of a service with these tokens.
    pub(crate) fn router_for(&self, tokens: Option<Tokens>) -> Router {
        let webhooks = Some(WebhookSecret(WEBHOOK_SECRET.into()));
        self.assembled(tokens, self.effects.collector.clone(), webhooks)
    }

    /// The router of a service beside this analyzer.
    pub(crate) fn router_beside(&self, analyzer: Neighbour) -> Router {
        self.assembled(None, analyzer, None)
    }

    fn assembled(
        &self,
        tokens: Option<Tokens>,
        analyzer: Neighbour,
        webhooks: Option<WebhookSecret>,
    ) -> Router {
        let publisher = Arc::clone(&self.effects.publisher);
        let executors = self.effects.executors.clone();
        let channels =
            Channels { notifiers: self.effects.notifiers.clone(), pager: Arc::clone(&self.effects.pager) };
        let keeper = Arc::clone(&self.keeper);
        let app =
            App::new(Arc::clone(&self.reporter), publisher, analyzer, keeper, executors, Arc::new(channels));
        let buttons = match &self.slack {
            Some(inbound) => slack::routes().layer(Extension(Arc::clone(inbound))),
            None => slack::routes(),
        };
        let events = match webhooks {
            Some(secret) => pagerduty::routes().layer(Extension(secret)),
            None => pagerduty::routes(),
        };
        let clock = Arc::clone(&self.reporter.clock);
        let guard = |tokens| {
            let sessions = Sessions::with_keys(&"k".repeat(32).into()).unwrap();
            let known = Authenticator::new(Some(TokenFile::fixed(tokens)), None, clock);
            Arc::new(known.with_sessions(sessions, Arc::new(self.reporter.store.clone())))
        };
        let (router, openapi) = api::router(app, buttons.merge(events));
        service_kit::http::app(service_kit::http::ServiceParts {
            service: service_kit::ServiceName::Reporter,
            router,
            openapi,
            readiness: service_kit::http::Readiness::new(),
            tokens: tokens.map(guard),
            options: service_kit::http::HttpOptions::default(),
        })
    }

    /// Does all that is due, until nothing is. This world takes any number of messages a second; that Slack's lanes rest has tests of
    /// its own.
    pub(crate) async fn work(&self) {
        loop {
            let ticked = self.reporter.tick(self.clock.now()).await.unwrap();
            sqlx::query("UPDATE outbox SET pace_ms = 0 WHERE pace_ms <> 0")
                .execute(self.db.pool())
                .await
                .unwrap();
            let worked = work_once(&self.db, &*self.clock, &*self.effects).await.unwrap();
            if ticked + worked == 0 {
                return;
            }
        }
    }

    /// Time passes, and what falls due meanwhile is done.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.work().await;
    }

    pub(crate) async fn event(&self, event: Event) -> Changed {
        self.reporter.apply(&autosave(), Cause::default(), &|_| event.clone()).await.unwrap()
    }

    pub(crate) async fn on_incident(&self, id: &IncidentId, event: Event) -> Changed {
        let cause = Cause { incident: Some(id), ..Cause::default() };
        self.reporter.apply(&autosave(), cause, &|_| event.clone()).await.unwrap()
    }

    /// A rollout that runs in that phase, with nothing left to do.
    pub(crate) async fn bring_to(&self, id: &str) {
        let started = self.event(Event::Start { by: "ana".into(), obstacles: Vec::new() }).await;
        assert!(matches!(started, Changed::Applied { .. }), "{started:?}");
        self.work().await;
        while self.phase().await != phase(id) {
            self.clock.advance(minutes(15));
            let mut ripe = self.decision(Verdict::Ok, None).await;
            if let Some(gate) = ripe.gate.as_mut() {
                gate.satisfied = true;
            }
            self.reporter.decide(&ripe).await.unwrap();
            let target = self.state().await;
            for role in
                approval::missing(&target, &self.reporter.terms(&self.reporter.rules(), &autosave()).unwrap())
            {
                let expected = Expected::default();
                let by = format!("{role}-on-duty");
                self.event(Event::Approve { by, role, comment: None, expected }).await;
            }
            let promoted = self.event(Event::Promote { by: "ana".into(), from: None }).await;
            assert!(matches!(promoted, Changed::Applied { .. }), "{promoted:?}");
            self.work().await;
        }
        self.world.commands.lock().unwrap().clear();
        self.world.messages.lock().unwrap().clear();
        self.world.directives.lock().unwrap().clear();
    }

    pub(crate) async fn state(&self) -> domain::rollout::TargetState {
        self.reporter.store.target(&autosave()).await.unwrap().unwrap().state
    }

    pub(crate) async fn phase(&self) -> PhaseId {
        self.state().await.phase
    }

    /// A decision of the current epoch about the window that ends now.
    pub(crate) async fn decision(&self, verdict: Verdict, action: Option<ViolationAction>) -> Decision {
        let state = self.state().await;
        let now = self.clock.now();
        let watched = state.directive.as_ref().and_then(|it| it.until).is_some_and(|it| now <= it);
        let window = Window { start: now.minus(minutes(if watched { 5 } else { 15 })), end: now };
        let violated = verdict == Verdict::Violation;
        let metric = |metric: &str, observed: f64, threshold: f64, unit: &str, verdict| MetricVerdict {
            metric: metric.to_owned(),
            observed: Some(observed),
            between: None,
            threshold,
            unit: unit.to_owned(),
            ratio: Some(observed / threshold),
            verdict,
            on_violation: ViolationAction::Rollback,
            direction: Direction::AtMost,
            reason: None,
            weighed: None,
        };
        Decision {
            schema: shared_types::decision::SCHEMA.to_owned(),
            decision_id: Uuid::now_v7(),
            target: state.target.clone(),
            phase: state.phase.clone(),
            epoch: state.epoch,
            window,
            verdict,
            rollback_required: action == Some(ViolationAction::Rollback),
            action,
            cause: DecisionCause::Slo,
            metrics: vec![
                metric("save_latency_p95", if violated { 2.81 } else { 1.71 }, 2.0, "s", verdict),
                metric("error_rate", 0.25, 0.5, "%", Verdict::Ok),
            ],
            violated: if violated { vec!["save_latency_p95".to_owned()] } else { vec![] },
            policy_version: self.reporter.rules().policy.version.clone(),
            decided_at: now,
            uncounted: None,
            vanished: vec![],
            gate: Some(GateProgress {
                epoch: state.epoch,
                compliant_batches: 1,
                compliant_ms: 0,
                needed_batches: Some(8),
                needed_ms: None,
                satisfied: false,
                broken_by: None,
                through: Some(window),
                stay_over: vec![],
                stale: None,
                vanished: vec![],
            }),
            evidence: None,
        }
    }

    /// A window passes, is judged compliant and satisfies the gate.
    pub(crate) async fn ripen(&self) {
        self.clock.advance(minutes(15));
        let mut ripe = self.decision(Verdict::Ok, None).await;
        if let Some(gate) = ripe.gate.as_mut() {
            gate.satisfied = true;
        }
        self.reporter.decide(&ripe).await.unwrap();
        self.work().await;
    }

    /// A window passes, is judged, and all that follows is done.
    pub(crate) async fn judged(&self, verdict: Verdict, action: Option<ViolationAction>) -> Decision {
        let state = self.state().await;
        let now = self.clock.now();
        let watched = state.directive.as_ref().and_then(|it| it.until).is_some_and(|it| now < it);
        self.clock.advance(minutes(if watched { 5 } else { 15 }));
        let decision = self.decision(verdict, action).await;
        self.reporter.decide(&decision).await.unwrap();
        self.work().await;
        decision
    }

    pub(crate) async fn violation(&self) -> Decision {
        self.judged(Verdict::Violation, Some(ViolationAction::Rollback)).await
    }

    /// The newest incident as the API shows it.
    pub(crate) async fn incident(&self) -> Incident {
        let store = &self.reporter.store;
        let newest = store.incidents(&IncidentFilter::default(), None, 1).await.unwrap();
        let newest = newest.first().expect("an incident");
        reporter_svc::shown::whole(&self.reporter, newest).await.unwrap()
    }

    pub(crate) async fn incidents(&self) -> usize {
        self.reporter.store.incidents(&IncidentFilter::default(), None, 100).await.unwrap().len()
    }

    pub(crate) fn texts(&self, channel: &str) -> Vec<String> {
        let messages = self.world.messages.lock().unwrap();
        messages.iter().filter(|it| it.0.channel == channel).map(|it| it.0.text.clone()).collect()
    }

    pub(crate) fn commands(&self) -> Vec<(PhaseId, PhaseId)> {
        let commands = self.world.commands.lock().unwrap();
        commands.iter().map(|it| (it.from.clone(), it.to.clone())).collect()
    }

    /// At its end a test has an empty outbox, but for what waits for its time.
    pub(crate) async fn assert_nothing_is_left(&self) {
        let left = self.reporter.store.effects(&ListFilter::default(), None, 1000).await.unwrap().items;
        let left: Vec<_> = left
            .into_iter()
            .filter(|it| !["done", "cancelled"].contains(&it.state.as_str()))
            .filter(|it| it.kind != "CheckPageAcknowledged")
            .collect();
        assert!(left.is_empty(), "{left:#?}");
    }
}

/// A collector that keeps the directives it gets.
async fn collector(world: Arc<World>, stop: CancellationToken) -> String {
    let keep = |State(world): State<Arc<World>>, axum::Json(directive): axum::Json<Directive>| async move {
        world.directives.lock().unwrap().push(directive.clone());
        let held = world.held.lock().unwrap().clone();
        axum::Json(held.filter(|it| it.sequence > directive.sequence).unwrap_or(directive))
    };
    let say = |State(world): State<Arc<World>>| async move {
        axum::Json(json!({ "target": "autosave", "directive": *world.held.lock().unwrap() }))
    };
    let app = Router::new()
        .route("/v1/targets/{target}/directive", put(keep))
        .route("/v1/targets/{target}", get(say))
        .with_state(world);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await.unwrap();
    });
    url
}
