//! What people do: start, approve rightly and wrongly, freeze, promote whenever they can, roll back by hand, acknowledge or
//! not, look for causes in time, late or never, decide reviews, sign checklists, retry what was given up, pause the collector,
//! take everything back at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use collector_svc::state::PAUSE_MAX;
use domain::effects::PageAcknowledgement;
use domain::policy::TargetPolicy;
use domain::rollout::evidence::is_complete;
use domain::rollout::{Incident, Stage, TargetState};
use rand::RngExt as _;
use reporter_svc::store::{IncidentFilter, Store};
use serde_json::{Value, json};
use service_kit::client::Neighbour;
use service_kit::outbox::ListFilter;
use shared_types::incident::{IncidentState, ReviewState};
use shared_types::{Epoch, TargetName, Timestamp};

use crate::network::Wire;
use crate::outside::Outside;
use crate::pagerduty::{Act, FORGER, PageEvent};
use crate::replica::Service;
use crate::scheduler::Scheduler;
use crate::services::Ground;
use crate::spec::Spec;

/// What somebody means to do about an incident.
#[derive(Debug, Clone, Copy)]
struct Intent {
    acknowledge_at: Option<Timestamp>,
    at_pagerduty: bool,
    /// When they resolve the page at PagerDuty themselves.
    resolve_at: Option<Timestamp>,
    /// When somebody makes up an acknowledgement.
    forge_at: Option<Timestamp>,
    analyse_at: Option<Timestamp>,
    /// What governance says to a review, if anything.
    approve: Option<bool>,
}

/// The team.
pub struct People {
    pub scheduler: Scheduler,
    pub outside: Outside,
    pub store: Store,
    wire: Wire,
    pub target: TargetName,
    policy: Arc<TargetPolicy>,
    intents: BTreeMap<String, Intent>,
    manner: Manner,
    pauses: bool,
    hasty: bool,
    /// When they freeze the target by plan, and when they let it go.
    pub frost: Option<(Timestamp, Timestamp)>,
    /// The epoch that was seen last, and when it was first.
    entered: (Epoch, Timestamp),
}

/// How they go about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// By the draw.
    Drawn,
    /// Always the same, rightly and at once: for runs without draws.
    Calm,
    /// As calm, but wrongly for the first while of every phase.
    Sloppy,
    /// As calm, but the cause is found and the checklist signed before the incident has recovered.
    Hasty,
    /// As calm, but nobody takes an incident on.
    Absent,
    /// As calm, but they take an incident on late, at PagerDuty, and never find its cause; governance has it rolled back.
    Negligent,
}

/// Who asks for every move.
const REQUESTER: &str = "ana";
/// How long sloppy people do it wrongly.
const SLOPPY_FOR: Duration = Duration::from_secs(4500);

/// How long it takes to find a cause where nothing is drawn: the incident has recovered by then.
const ANALYSED: Duration = Duration::from_secs(2100);
/// In time for the escalation.
const PROMPT: Duration = Duration::from_secs(600);
/// Negligent people are late for the escalation.
const LATE: Duration = Duration::from_secs(2700);

/// A call that a person makes, of the reporter if nothing else is said.
pub struct Call {
    pub of: Service,
    pub path: String,
    pub body: Value,
    pub verb: Verb,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Post,
    Put,
    Delete,
}

impl Manner {
    /// Whether nothing is drawn.
    fn is_planned(self) -> bool {
        self != Self::Drawn
    }
}

impl People {
    /// A team that knows of nothing yet.
    #[must_use]
    pub fn new(ground: &Ground, store: Store, policy: Arc<TargetPolicy>, spec: &Spec) -> Self {
        Self {
            scheduler: ground.scheduler.clone(),
            outside: ground.outside.clone(),
            store,
            wire: ground.wire(),
            target: ground.target.clone(),
            policy,
            intents: BTreeMap::new(),
            manner: spec.manner(),
            pauses: spec.pauses,
            hasty: spec.hasty,
            frost: None,
            entered: (0, ground.scheduler.now()),
        }
    }

    /// What they do now.
    pub async fn look(&mut self, now: Timestamp) -> Vec<Call> {
        let Ok(Some(stored)) = self.store.target(&self.target).await else { return Vec::new() };
        let mut calls = self.moves(&stored.state, now);
        calls.extend(self.freeze(&stored.state, now));
        calls.extend(self.pause());
        let filter = IncidentFilter::default();
        for incident in self.store.incidents(&filter, None, 100).await.unwrap_or_default() {
            calls.extend(self.attend(&incident, now));
        }
        let dead = ListFilter { state: Some("dead".to_owned()), ..ListFilter::default() };
        if let Ok(page) = self.store.effects(&dead, None, 50).await {
            let given_up = page.items.into_iter().filter(|it| it.kind == "RunTransition");
            let retry = |id: &str| Call::post(format!("/v1/effects/{id}/retry"), json!({ "by": REQUESTER }));
            calls.extend(given_up.map(|it| retry(&it.id)));
        }
        calls
    }

    fn chance(&self, of_a_hundred: u32) -> bool {
        self.scheduler.draw(|_, rng, _| rng.random_range(0..100) < of_a_hundred)
    }

    /// Moves they ask for: the start, also after the rollout was taken back, the next phase, one down by hand.
    fn moves(&mut self, state: &TargetState, now: Timestamp) -> Vec<Call> {
        let rollouts = format!("/v1/rollouts/{}", self.target);
        if state.phase.is_completed() {
            return Vec::new();
        }
        if state.phase.is_off() {
            let wanted = state.epoch == 0 || self.manner.is_planned() || self.chance(50);
            let start = Call::post(format!("{rollouts}/start"), json!({ "by": REQUESTER }));
            return wanted.then_some(start).into_iter().collect();
        }
        let mut calls = self.approvals(state, now);
        // The gate tells when; at other times they ask now and then.
        let open = state.latest.as_ref().and_then(|it| it.gate.as_ref()).is_some_and(|it| it.satisfied);
        if open || self.manner.is_planned() || self.chance(25) {
            let body = json!({ "by": REQUESTER, "from": state.phase });
            calls.push(Call::post(format!("{rollouts}/promotions"), body));
        }
        let by_hand = if matches!(state.stage, Stage::Waiting(_)) { 20 } else { 1 };
        if !self.manner.is_planned() && self.chance(by_hand) {
            let body = json!({ "by": "dan", "phase": state.phase, "reason": "it looks bad" });
            calls.push(Call::post(format!("{rollouts}/rollbacks"), body));
        }
        if self.hasty && self.chance(3) {
            let body = json!({ "by": "dan", "reason": "enough of it" });
            calls.push(Call::post(format!("{rollouts}/abort"), body));
        }
        calls
    }

    /// What they do about an incident.
    fn attend(&mut self, incident: &Incident, now: Timestamp) -> Vec<Call> {
        let id = incident.id.to_string();
        let drawn = self.intents.get(&id).copied();
        let mut intent = drawn.unwrap_or_else(|| self.intend(now));
        let due = |at: &mut Option<Timestamp>| at.take_if(|at| *at <= now).is_some();
        let page =
            |act, by| PageEvent { act, incident: id.clone(), dedup_key: incident.dedup_key(), by, at: now };
        let path = |what: &str| format!("/v1/incidents/{id}/{what}");
        let closed = incident.state() == IncidentState::Closed;
        let (mut calls, mut told) = (Vec::new(), Vec::new());
        if due(&mut intent.forge_at) {
            told.push(page(Act::Acknowledged, FORGER));
        }
        if due(&mut intent.resolve_at) && !closed {
            told.push(page(Act::Resolved, "bo"));
        }
        if incident.acknowledged.is_none() && !closed && intent.acknowledge_at.is_some_and(|at| at <= now) {
            if intent.at_pagerduty {
                intent.acknowledge_at = None;
                let found = PageAcknowledgement { at: now, by: "bo".to_owned() };
                self.outside.books().acknowledged.entry(incident.dedup_key()).or_insert(found);
                told.push(page(Act::Acknowledged, "bo"));
            } else {
                calls.push(Call::post(path("acknowledgement"), json!({ "by": "bo" })));
            }
        }
        let found = intent.analyse_at.is_some_and(|at| at <= now);
        match (&incident.rca.submission, &incident.rca.confirmation) {
            (None, _) if found && !closed => {
                let body = json!({ "cause": "the lock", "prevention": "shard it", "by": "bo" });
                calls.push(Call { verb: Verb::Put, ..Call::post(path("rca"), body) });
            }
            (Some(_), None) if !closed => {
                let body = json!({ "comment": "seen", "by": "gov" });
                calls.push(Call::post(path("rca/confirmation"), body));
            }
            _ => {}
        }
        calls.extend(self.review(incident, intent.approve).map(|body| Call::post(path("review"), body)));
        calls.extend(self.signatures(incident));
        self.intents.insert(id, intent);
        for event in told {
            event.tell(self.wire.clone(), self.outside.clone(), None);
        }
        calls
    }

    fn intend(&self, now: Timestamp) -> Intent {
        let (manner, planned) = (self.manner, self.manner.is_planned());
        let negligent = manner == Manner::Negligent;
        self.scheduler.draw(|_, rng, _| {
            let mut within =
                |minutes: std::ops::Range<u64>| now.plus(Duration::from_secs(60 * rng.random_range(minutes)));
            let (acknowledged, analysed, resolved, forged) =
                (within(1..50), within(5..120), within(5..60), within(0..30));
            let mut chance = |of_ten: u32| rng.random_range(0..10) < of_ten;
            let acknowledges = chance(6);
            Intent {
                acknowledge_at: match manner {
                    Manner::Calm | Manner::Sloppy | Manner::Hasty => Some(now.plus(PROMPT)),
                    Manner::Negligent => Some(now.plus(LATE)),
                    Manner::Absent => None,
                    Manner::Drawn => acknowledges.then_some(acknowledged),
                },
                at_pagerduty: negligent || (!planned && chance(5)),
                resolve_at: (!planned && chance(2)).then_some(resolved),
                forge_at: (negligent || (!planned && chance(2))).then_some(forged),
                analyse_at: match manner {
                    Manner::Calm | Manner::Sloppy => Some(now.plus(ANALYSED)),
                    Manner::Hasty => Some(now),
                    Manner::Absent | Manner::Negligent => None,
                    Manner::Drawn => chance(8).then_some(analysed),
                },
                approve: if negligent || chance(5) { Some(true) } else { chance(5).then_some(false) },
            }
        })
    }

    /// What governance says to a review, and at times says again.
    fn review(&self, incident: &Incident, approve: Option<bool>) -> Option<Value> {
        let (review, approve) = (incident.review.as_ref()?, approve?);
        let again = match review.state {
            ReviewState::Open => false,
            ReviewState::Approved | ReviewState::Declined => true,
            ReviewState::Void => return None,
        };
        let closed = incident.state() == IncidentState::Closed;
        let speaks = !closed && (!again || self.manner.is_planned() || self.chance(10));
        speaks.then(|| json!({ "approve": approve, "comment": "we go by the rule", "by": "gov" }))
    }

    /// Each item by the person named like the role that owns it; in time or too early, as nobody waits for the others.
    fn signatures(&self, incident: &Incident) -> Vec<Call> {
        if incident.rca.confirmation.is_none() {
            return Vec::new();
        }
        let unsigned = |item: &str| !incident.evidence.signatures.contains_key(item);
        let open = self.policy.evidence.iter().filter(|it| unsigned(&it.item) && !is_complete(incident, it));
        let signs = open.filter(|_| self.manner.is_planned() || self.chance(60));
        let sign = signs.map(|it| {
            let task = (it.item == "retry_log" && !incident.evidence.facts.exhausted.is_empty())
                .then_some("look at the network");
            let body = json!({ "by": it.owner, "comment": "looked at", "task": task });
            let path = format!("/v1/incidents/{}/evidence/{}", incident.id, it.item);
            Call { verb: Verb::Put, ..Call::post(path, body) }
        });
        sign.collect()
    }

    /// Freezes now and then, and not for long.
    fn freeze(&self, state: &TargetState, now: Timestamp) -> Option<Call> {
        let frozen = state.frozen.is_some();
        let wanted = match (self.manner, self.frost) {
            (Manner::Drawn, _) => {
                let turn = if frozen { 0.4 } else { 0.03 };
                frozen != self.scheduler.draw(|_, rng, _| rng.random_bool(turn))
            }
            (_, Some((from, to))) => (from..to).contains(&now),
            (_, None) => false,
        };
        let act = match (frozen, wanted) {
            (false, true) => "freeze",
            (true, false) => "unfreeze",
            _ => return None,
        };
        let body = json!({ "by": "dan", "reason": "a look" });
        Some(Call::post(format!("/v1/rollouts/{}/{act}", self.target), body))
    }

    /// Keeps windows from being closed for a while, or no longer.
    fn pause(&self) -> Option<Call> {
        if !self.pauses || !self.chance(15) {
            return None;
        }
        let longest = PAUSE_MAX.as_secs();
        let seconds = self.scheduler.draw(|_, rng, _| rng.random_range(0..=longest * 4 / 3));
        let seconds = if seconds > longest { 0 } else { seconds };
        let body = json!({ "seconds": seconds, "by": "dan" });
        let path = format!("/v1/targets/{}/pause", self.target);
        Some(Call { of: Service::Collector, ..Call::post(path, body) })
    }

    /// Approvals of the next move, for each role that has not given one: by whom it should be, or by whom it should not.
    fn approvals(&mut self, state: &TargetState, now: Timestamp) -> Vec<Call> {
        if self.entered.0 != state.epoch {
            self.entered = (state.epoch, now);
        }
        let asked =
            self.policy.phase(&state.phase).map(|it| it.advance.approvals.clone()).unwrap_or_default();
        let path = format!("/v1/rollouts/{}/approvals", self.target);
        let given = |role: &str| state.approvals.iter().any(|it| it.role == role && it.by != REQUESTER);
        let missing = asked.iter().filter(|role| !given(role));
        let mut calls = Vec::new();
        // Who stands in another's place may see it.
        for wrong in state.approvals.iter().filter(|it| it.by != it.role) {
            if self.manner == Manner::Drawn && self.scheduler.draw(|_, rng, _| rng.random_bool(0.3)) {
                let path = format!("{path}/{}?by={}", wrong.role, wrong.by);
                calls.push(Call { verb: Verb::Delete, ..Call::post(path, Value::Null) });
            }
        }
        for role in missing {
            let wrong = match (asked.len() > 1, self.hasty) {
                (true, false) => "sre",
                // The same person, in another way of writing it.
                (true, true) => "S\u{200b}re",
                (false, false) => REQUESTER,
                (false, true) => "ANA",
            };
            let right = role.as_str();
            let (by, epoch) = match self.manner {
                Manner::Calm | Manner::Hasty | Manner::Absent | Manner::Negligent => (right, state.epoch),
                Manner::Sloppy if now < self.entered.1.plus(SLOPPY_FOR) => (wrong, state.epoch),
                Manner::Sloppy => (right, state.epoch),
                Manner::Drawn => match self.scheduler.draw(|_, rng, _| rng.random_range(0..20)) {
                    0..12 => (right, state.epoch),
                    12..15 => (if self.hasty { wrong } else { "sre" }, state.epoch),
                    15..17 => (if self.hasty { "ANA" } else { REQUESTER }, state.epoch),
                    // Meant for a stay that is over.
                    17 => (right, state.epoch - 1),
                    _ => continue,
                },
            };
            let body = json!({ "role": role, "by": by, "epoch": epoch });
            calls.push(Call::post(path.clone(), body));
        }
        calls
    }
}

impl Call {
    /// A call with a body.
    #[must_use]
    pub fn post(path: String, body: Value) -> Self {
        Self { path, body, verb: Verb::Post, of: Service::Reporter }
    }

    /// Makes it; what comes of it is seen at the next look.
    pub async fn make(self, service: Neighbour) {
        let answered = match self.verb {
            Verb::Post => service.post_json::<_, Value>(&self.path, &self.body).await,
            Verb::Put => service.put_json::<_, Value>(&self.path, &self.body).await,
            Verb::Delete => service.delete_json::<Value>(&self.path).await,
        };
        answered.ok();
    }
}
