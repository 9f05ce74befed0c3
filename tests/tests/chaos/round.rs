//! One round: a violation, a fault in the middle of it, and what the outside world has seen once all has settled.

use std::collections::BTreeSet;
use std::time::Duration;

use phasegate_tests::history::{Findings, Incident, Move, Notification, Outcome, PageEvent, judge};
use phasegate_tests::wait;
use serde_json::{Value, json};

use crate::fault;
use crate::plan::Planned;
use crate::world::World;

/// Retries of a minute stand in some schedules, and a server keeps what a lost client held for as long.
const PATIENCE: Duration = Duration::from_secs(240);

/// Plays it and judges everything up to here.
///
/// # Panics
/// The system does not settle, or what was seen does not hold.
pub(crate) async fn play(world: &mut World, planned: &Planned) -> (Option<Duration>, Findings) {
    fault::prepare(world, planned.fault).await;
    world.violate(!planned.in_b);
    start(world).await;
    if planned.in_b {
        reach_b(world).await;
        world.violate(true);
    }
    tokio::time::sleep(planned.after).await;
    let recovery = fault::strike(world, planned.fault).await;
    until_over(world).await;
    close_incidents(world).await;
    until_drained(world).await;
    fault::clean_up(world, planned.fault).await;
    observe(world).await;
    let findings = judge(&world.history);
    assert!(findings.wrong.is_empty(), "{planned:?}: {:#?}\n{}", findings.wrong, world.fleet.logs());
    (recovery, findings)
}

async fn start(world: &World) {
    wait::until_within(PATIENCE, "the rollout to start", || async {
        let started = world.act("POST", "/v1/rollouts/autosave/start", &json!({"by": "chaos"})).await;
        let rollout = rollout(world).await?;
        // A start whose answer got lost is refused the second time.
        if started.is_ok() || !is_over(&rollout) { Ok(()) } else { Err(format!("{started:?} {rollout}")) }
    })
    .await;
}

/// Up to B, and until a batch of it was judged.
async fn reach_b(world: &World) {
    wait::until_within(PATIENCE, "phase B", || async {
        let rollout = rollout(world).await?;
        // A violation by another way (a batch that came too late) ends it as well.
        if is_over(&rollout) {
            return Ok(());
        }
        if rollout["phase"] == "B" {
            // The window that spans the move is of the old epoch, and not gated.
            let decisions = world.list("analyzer", "/v1/decisions?target=autosave&limit=1").await?;
            let judged = decisions.first().is_some_and(|it| it["epoch"] == rollout["epoch"]);
            return if judged { Ok(()) } else { Err(format!("{decisions:?} {rollout}")) };
        }
        let asked = world.act("POST", "/v1/rollouts/autosave/promotions", &json!({"by": "chaos"})).await;
        Err(format!("{asked:?} {rollout}"))
    })
    .await;
}

async fn rollout(world: &World) -> Result<Value, String> {
    world.get("reporter", "/v1/rollouts/autosave").await
}

/// Back in `off`, with nothing under way.
pub(crate) fn is_over(rollout: &Value) -> bool {
    let transition = &rollout["transition"];
    let ended = transition.is_null() || transition["state"] == "succeeded" && transition["to"] == "off";
    rollout["state"] == "off" && ended
}

/// Ids of the incidents that no earlier round had.
async fn new_incidents(world: &World) -> Result<Vec<String>, String> {
    let all = world.list("reporter", "/v1/incidents?limit=1000").await?;
    let ids = all.iter().rev().filter_map(|it| it["id"].as_str()).map(str::to_owned);
    Ok(ids.filter(|id| !world.judged.contains(id)).collect())
}

async fn until_over(world: &World) {
    wait::until_within(PATIENCE, "the violation's rollback", || async {
        let (rollout, incidents) = (rollout(world).await?, new_incidents(world).await?);
        if is_over(&rollout) && !incidents.is_empty() {
            return Ok(());
        }
        Err(format!("{incidents:?} {rollout}\n{}", world.fleet.logs()))
    })
    .await;
}

/// A person writes and confirms the RCA, so that the page is resolved (ES-4).
async fn close_incidents(world: &World) {
    wait::until_within(PATIENCE, "the incidents to be closed", || async {
        for id in new_incidents(world).await? {
            let path = format!("/v1/incidents/{id}/rca");
            if world.get("reporter", &format!("/v1/incidents/{id}")).await?["state"] == "closed" {
                continue;
            }
            world.act("PUT", &path, &json!({"cause": "chaos", "prevention": "calm", "by": "chaos"})).await?;
            let confirmation = json!({"comment": "as planned", "by": "governance"});
            world.act("POST", &format!("{path}/confirmation"), &confirmation).await?;
        }
        Ok::<(), String>(())
    })
    .await;
}

/// Nothing is left to be done but the question before an escalation, which is not due.
async fn until_drained(world: &World) {
    wait::until_within(PATIENCE, "the queues to drain", || async {
        for state in ["ready", "leased", "dead"] {
            let effects = world.list("reporter", &format!("/v1/effects?state={state}&limit=1000")).await?;
            if let Some(left) = effects.iter().find(|it| it["kind"] != "CheckPageAcknowledged") {
                return Err(format!("{left}\n{}", world.fleet.logs()));
            }
        }
        Ok(())
    })
    .await;
}

/// Adds what this round has left, at Phasegate and outside.
async fn observe(world: &mut World) {
    let ids = wait::until("the incidents", || new_incidents(world)).await;
    let violating = "/v1/decisions?target=autosave&verdict=violation&limit=1000";
    let decisions = wait::until("the decisions", || world.list("analyzer", violating)).await;
    for decision in decisions.iter().filter(|it| it["cause"] == "slo") {
        let (id, epoch) = (decision["decision_id"].as_str(), decision["epoch"].as_u64());
        world.epochs.insert(id.expect("an id").to_owned(), epoch.expect("an epoch"));
    }
    let told =
        wait::until("the notifications", || world.list("reporter", "/v1/notifications?limit=1000")).await;
    for it in &told {
        let notification = notification(it);
        let known = &mut world.history.notifications;
        match known.iter_mut().find(|known| known.id == notification.id) {
            Some(known) => *known = notification,
            None => known.push(notification),
        }
    }
    for id in ids {
        let path = format!("/v1/incidents/{id}");
        let whole = wait::until("the incident", || world.get("reporter", &path)).await;
        world.history.incidents.push(incident(world, &whole));
        world.judged.insert(id);
    }
    look_outside(world);
}

fn look_outside(world: &mut World) {
    let journal = world.journal();
    let moves = journal.iter().filter_map(|line| line.strip_suffix(" changed")?.split_once(' '));
    let moves = moves.map(|(from, to)| Move::new(from, to)).collect();
    let messages = world.vendors.slack.messages().into_iter().map(|it| (it.channel, it.text)).collect();
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let event = |it: phasegate_tests::doubles::PagerDutyEvent| PageEvent {
        summary: text(&it.payload, "summary"),
        action: it.action,
        dedup_key: it.dedup_key,
    };
    let page_events = world.vendors.pagerduty.events().into_iter().map(event).collect();
    let runbook = std::fs::read_to_string(world.data_file("reports/runbook.jsonl")).unwrap_or_default();
    let whole: Vec<Value> = runbook.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let runbook = whole.iter().map(|line| text(line, "id")).collect();
    let history = &mut world.history;
    history.moves = moves;
    history.violating_epochs = world.epochs.values().copied().collect();
    history.messages = messages;
    history.page_events = page_events;
    history.runbook = runbook;
}

fn notification(it: &Value) -> Notification {
    let text = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let count = |name: &str| usize::try_from(it[name].as_u64().unwrap_or(0)).unwrap_or(0);
    let done = usize::from(it["state"] == "sent");
    let (attempts, unknown) = (count("attempts"), count("unknowns"));
    let mut outcomes = vec![Outcome::Unknown; unknown];
    outcomes.extend(vec![Outcome::NotDone; attempts.saturating_sub(unknown + done)]);
    outcomes.extend(vec![Outcome::Done; done]);
    Notification {
        id: text("id"),
        kind: text("kind"),
        channel: text("channel"),
        text: text("text"),
        incident: it["incident"].as_str().map(str::to_owned),
        attempts: outcomes,
    }
}

fn incident(world: &World, it: &Value) -> Incident {
    let epoch = it["epoch"].as_u64().expect("an epoch");
    let decisions = it["decisions"].as_array().cloned().unwrap_or_default();
    let joined: BTreeSet<u64> =
        decisions.iter().filter_map(|id| world.epochs.get(id.as_str()?)).copied().collect();
    let effects = it["effects"].as_array().cloned().unwrap_or_default();
    let done = |it: &&Value| {
        it["kind"] == "RunTransition"
            && it["payload"]["kind"] == "rollback"
            && it["state"] == "done"
            && it["outcome"].get("skipped").is_none()
    };
    let rollback = |it: &Value| {
        let phase = |name: &str| it["payload"][name].as_str().expect("a phase").to_owned();
        Move { from: phase("from"), to: phase("to") }
    };
    // They are listed newest first.
    let rollbacks: Vec<Move> = effects.iter().rev().filter(done).map(rollback).collect();
    // Each rollback ends an epoch; what was decided in it too late to join is answered by it all the same.
    let ended = epoch..epoch + rollbacks.len() as u64;
    Incident {
        id: it["id"].as_str().expect("an id").to_owned(),
        epoch,
        covers: joined.into_iter().chain([epoch]).chain(ended).collect(),
        rollbacks,
    }
}
