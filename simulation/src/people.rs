//! What people do: start, approve rightly and wrongly, freeze, promote whenever they can, acknowledge or not, look for causes, retry
//! what was given up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use reporter_svc::effect::PageAcknowledgement;
use reporter_svc::machine::TargetState;
use reporter_svc::store::{IncidentFilter, SharedStore};
use serde_json::{Value, json};
use service_kit::client::Neighbour;
use service_kit::outbox::ListFilter;
use service_kit::policy::TargetPolicy;
use shared_types::incident::IncidentState;
use shared_types::{Epoch, TargetName, Timestamp};

use crate::outside::Outside;
use crate::scheduler::Scheduler;

/// What somebody means to do about an incident.
#[derive(Debug, Clone, Copy)]
struct Intent {
    acknowledge_at: Option<Timestamp>,
    at_pagerduty: bool,
    analyse: bool,
}

/// The team.
pub struct People {
    pub scheduler: Scheduler,
    pub outside: Outside,
    pub store: SharedStore,
    pub reporter: Neighbour,
    pub target: TargetName,
    policy: Arc<TargetPolicy>,
    intents: BTreeMap<String, Intent>,
    manner: Manner,
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
}

impl Manner {
    /// Calm, or not.
    #[must_use]
    pub fn of(calm: bool) -> Self {
        if calm { Self::Calm } else { Self::Drawn }
    }
}

/// Who asks for every move.
const REQUESTER: &str = "ana";
/// How long sloppy people do it wrongly.
const SLOPPY_FOR: Duration = Duration::from_secs(1200);

/// A call that a person makes.
pub struct Call {
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

impl People {
    /// A team that knows of nothing yet.
    #[must_use]
    pub fn new(
        scheduler: Scheduler,
        outside: Outside,
        store: SharedStore,
        reporter: Neighbour,
        target: TargetName,
        policy: Arc<TargetPolicy>,
        manner: Manner,
    ) -> Self {
        let (intents, entered) = (BTreeMap::new(), (0, scheduler.now()));
        Self { scheduler, outside, store, reporter, target, policy, intents, manner, frost: None, entered }
    }

    /// What they do now.
    pub async fn look(&mut self, now: Timestamp) -> Vec<Call> {
        let mut calls = Vec::new();
        let Ok(Some(stored)) = self.store.target(&self.target).await else { return calls };
        let rollouts = format!("/v1/rollouts/{}", self.target);
        let state = stored.state;
        if state.epoch == 0 {
            calls.push(Call {
                path: format!("{rollouts}/start"),
                body: json!({ "by": REQUESTER }),
                verb: Verb::Post,
            });
        } else if !state.phase.is_completed() && !state.phase.is_off() {
            calls.extend(self.approvals(&state, now));
            let body = json!({ "by": REQUESTER, "from": state.phase });
            calls.push(Call { path: format!("{rollouts}/promotions"), body, verb: Verb::Post });
        }
        calls.extend(self.freeze(&state, now));
        let filter = IncidentFilter::default();
        for incident in self.store.incidents(&filter, None, 100).await.unwrap_or_default() {
            let id = incident.id.to_string();
            let calm = self.manner != Manner::Drawn;
            let intent = *self.intents.entry(id.clone()).or_insert_with(|| {
                self.scheduler.draw(|_, rng, _| {
                    let after = Duration::from_secs(60 * rng.random_range(1..50));
                    Intent {
                        acknowledge_at: (calm || rng.random_bool(0.6)).then(|| now.plus(after)),
                        at_pagerduty: !calm && rng.random_bool(0.3),
                        analyse: calm || rng.random_bool(0.7),
                    }
                })
            });
            let path = |what: &str| format!("/v1/incidents/{id}/{what}");
            if incident.acknowledged.is_none()
                && incident.state() != IncidentState::Closed
                && intent.acknowledge_at.is_some_and(|at| at <= now)
            {
                if intent.at_pagerduty {
                    let found = PageAcknowledgement { at: now, by: "bo".to_owned() };
                    self.outside.books().acknowledged.entry(incident.dedup_key()).or_insert(found);
                } else {
                    let body = json!({ "by": "bo" });
                    calls.push(Call { path: path("acknowledgement"), body, verb: Verb::Post });
                }
            }
            if incident.state() == IncidentState::Recovered && intent.analyse {
                calls.push(match &incident.rca.submission {
                    None => {
                        let body = json!({ "cause": "the lock", "prevention": "shard it", "by": "bo" });
                        Call { path: path("rca"), body, verb: Verb::Put }
                    }
                    Some(_) => {
                        let body = json!({ "comment": "seen", "by": "gov" });
                        Call { path: path("rca/confirmation"), body, verb: Verb::Post }
                    }
                });
            }
        }
        let dead = ListFilter { state: Some("dead".to_owned()), ..ListFilter::default() };
        if let Ok(page) = self.store.effects(&dead, None, 50).await {
            let given_up = page.items.into_iter().filter(|it| it.kind == "RunTransition");
            calls.extend(given_up.map(|it| Call {
                path: format!("/v1/effects/{}/retry", it.id),
                body: json!({ "by": "ana" }),
                verb: Verb::Post,
            }));
        }
        calls
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
        let (path, body) =
            (format!("/v1/rollouts/{}/{act}", self.target), json!({ "by": "dan", "reason": "a look" }));
        Some(Call { path, body, verb: Verb::Post })
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
                calls.push(Call { path, body: Value::Null, verb: Verb::Delete });
            }
        }
        for role in missing {
            let wrong = if asked.len() > 1 { "sre" } else { REQUESTER };
            let right = role.as_str();
            let (by, epoch) = match self.manner {
                Manner::Calm => (right, state.epoch),
                Manner::Sloppy if now < self.entered.1.plus(SLOPPY_FOR) => (wrong, state.epoch),
                Manner::Sloppy => (right, state.epoch),
                Manner::Drawn => match self.scheduler.draw(|_, rng, _| rng.random_range(0..20)) {
                    0..12 => (right, state.epoch),
                    12..15 => ("sre", state.epoch),
                    15..17 => (REQUESTER, state.epoch),
                    // Meant for a stay that is over.
                    17 => (right, state.epoch - 1),
                    _ => continue,
                },
            };
            let body = json!({ "role": role, "by": by, "epoch": epoch });
            calls.push(Call { path: path.clone(), body, verb: Verb::Post });
        }
        calls
    }
}

impl Call {
    /// Makes it; what comes of it is seen at the next look.
    pub async fn make(self, reporter: Neighbour) {
        let answered = match self.verb {
            Verb::Post => reporter.post_json::<_, Value>(&self.path, &self.body).await,
            Verb::Put => reporter.put_json::<_, Value>(&self.path, &self.body).await,
            Verb::Delete => reporter.delete_json::<Value>(&self.path).await,
        };
        answered.ok();
    }
}
