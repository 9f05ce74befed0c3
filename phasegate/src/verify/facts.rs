//! Everything the checklist looks at, asked once: from the analyzer, the reporter, the data directory, and the policy
//! and telemetry where they can be read from here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use analyzer_svc::explain::Explanation;
use analyzer_svc::store::StoredBatch;
use domain::kinds::Kinds;
use domain::policy::{Policy, TargetPolicy};
use domain::template::Templates;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shared_types::decision::MetricVerdict;
use shared_types::incident::TimelineEntry;
use shared_types::rollout::TransitionState;
use shared_types::{Decision, Epoch, IncidentId, Page, PhaseId, TargetName, Timestamp, Window};
use uuid::Uuid;

use super::Item;
use super::count::{self, Counted};
use super::line::Line;
use crate::api::Api;

/// Windows that one run looks at, at most.
const MOST: usize = 50_000;
/// A batch that was received so lately may still be on its way into the archive.
const SETTLING: Duration = Duration::from_secs(10);

/// What to look at, and where.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) target: TargetName,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) analyzer: Api,
    pub(crate) reporter: Api,
    pub(crate) data_dir: PathBuf,
    pub(crate) policy: PathBuf,
    /// What the policy may name.
    pub(crate) kinds: &'a Kinds,
    pub(crate) skip: &'a [Item],
}

/// What was found.
pub(crate) struct Facts {
    /// What the policy may name.
    pub(crate) kinds: Kinds,
    pub(crate) target: TargetName,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// The oldest window first.
    pub(crate) decisions: Vec<Decision>,
    /// The oldest window first.
    pub(crate) batches: Vec<StoredBatch>,
    /// By decision; empty if it was not to be asked.
    pub(crate) explanations: BTreeMap<Uuid, Explanation>,
    /// By window start; none if the archive cannot be read from here.
    pub(crate) lines: Option<BTreeMap<Timestamp, Line>>,
    pub(crate) card: Option<Card>,
    /// None if the policy cannot be read from here.
    pub(crate) policy: Option<TargetPolicy>,
    pub(crate) templates: Option<Templates>,
    /// The telemetry of the dashboard's window, counted; none if there is none that can be read.
    pub(crate) telemetry: Option<Counted>,
    pub(crate) notifications: Vec<Notice>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) rollout: Standing,
}

/// What is looked at of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Standing {
    pub(crate) phase: PhaseId,
    pub(crate) epoch: Epoch,
    pub(crate) since: Option<Timestamp>,
}

/// What is looked at of the dashboard.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Dashboard {
    targets: Vec<Card>,
}

/// One target's cards.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Card {
    pub(crate) target: TargetName,
    pub(crate) window: Option<Window>,
    pub(crate) slos: Vec<MetricVerdict>,
}

/// How far a rollback is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Rollback {
    pub(crate) state: TransitionState,
}

/// What is looked at of an incident.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Incident {
    pub(crate) id: IncidentId,
    pub(crate) recovered_at: Option<Timestamp>,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) rollback: Option<Rollback>,
    pub(crate) decisions: Vec<Uuid>,
    pub(crate) timeline: Vec<TimelineEntry>,
}

/// What is looked at of a notification.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Notice {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) channel: String,
    pub(crate) text: String,
    pub(crate) incident: Option<IncidentId>,
    pub(crate) decision: Option<Uuid>,
    pub(crate) state: String,
    pub(crate) created_at: Timestamp,
}

/// Asks for everything.
pub(crate) async fn gather(ask: &Ask<'_>) -> anyhow::Result<Facts> {
    let rollout: Standing = ask.reporter.get(&format!("/v1/rollouts/{}", ask.target)).await?;
    let wanted = |item: Item| !ask.skip.contains(&item);
    // The dashboard first: the windows that are read after it include the one that it shows.
    let dashboard: Dashboard = ask.reporter.get("/v1/dashboard").await?;
    let card = dashboard.targets.into_iter().find(|card| card.target == ask.target);
    let shown = card.as_ref().and_then(|card| card.window).map(|window| window.end);
    let ask = &Ask { to: shown.map_or(ask.to, |end| end.max(ask.to)), ..ask.clone() };
    let range = format!("target={}&from={}&to={}", ask.target, ask.from, ask.to);
    let mut decisions: Vec<Decision> = all(&ask.analyzer, &format!("/v1/decisions?{range}"), 500).await?;
    let mut batches: Vec<StoredBatch> = all(&ask.analyzer, &format!("/v1/batches?{range}"), 200).await?;
    decisions.reverse();
    batches.reverse();
    let explanations =
        if wanted(Item::Recompute) { explain(&ask.analyzer, &decisions).await? } else { BTreeMap::new() };
    let lines = if wanted(Item::Jsonl) { archive(ask, &batches).await } else { None };
    let policy = Policy::load_with(&ask.policy, ask.kinds)
        .ok()
        .and_then(|policy| policy.targets.get(&ask.target).cloned());
    let templates = policy.as_ref().and_then(|policy| Templates::load(Path::new("."), policy).ok());
    let telemetry = match (&policy, card.as_ref().and_then(|card| card.window)) {
        (Some(policy), Some(window)) if wanted(Item::Dashboard) => count::telemetry(policy, window),
        _ => None,
    };
    Ok(Facts {
        kinds: ask.kinds.clone(),
        target: ask.target.clone(),
        from: ask.from,
        to: ask.to,
        decisions,
        batches,
        explanations,
        lines,
        card,
        policy,
        templates,
        telemetry,
        notifications: notifications(ask).await?,
        incidents: incidents(ask).await?,
        rollout,
    })
}

/// Every page of a list, the newest first.
async fn all<T: DeserializeOwned>(api: &Api, path: &str, limit: usize) -> anyhow::Result<Vec<T>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Page<T> = api.get(&format!("{path}&limit={limit}{cursor}")).await?;
        found.extend(page.items);
        match page.next {
            Some(next) if found.len() < MOST => cursor = format!("&cursor={next}"),
            _ => return Ok(found),
        }
    }
}

async fn explain(analyzer: &Api, decisions: &[Decision]) -> anyhow::Result<BTreeMap<Uuid, Explanation>> {
    let mut explanations = BTreeMap::new();
    for decision in decisions {
        let id = decision.decision_id;
        explanations.insert(id, analyzer.get(&format!("/v1/decisions/{id}/explanation")).await?);
    }
    Ok(explanations)
}

/// The archive's lines of the time; once more a little later where only the newest are missing.
async fn archive(ask: &Ask<'_>, batches: &[StoredBatch]) -> Option<BTreeMap<Timestamp, Line>> {
    let folder = ask.data_dir.join("logs").join(ask.target.as_str());
    let started = std::time::Instant::now();
    loop {
        let lines = Line::read_all(&folder, ask.from, ask.to)?;
        let is_whole = |it: &&StoredBatch| matches!(lines.get(&it.batch.window.start), Some(Line::Whole(_)));
        let missing = batches.iter().filter(|it| !is_whole(it));
        let newest = missing.map(|it| it.received_at).max();
        let settled = newest.is_none_or(|at| at.plus(SETTLING) < ask.to);
        if settled || started.elapsed() > SETTLING {
            return Some(lines);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn notifications(ask: &Ask<'_>) -> anyhow::Result<Vec<Notice>> {
    let path = format!("/v1/notifications?target={}", ask.target);
    until(&ask.reporter, &path, |it: &Notice| it.created_at < ask.from).await
}

/// Incidents that may belong to the time, with their logs: those of it, those still open, and the one before.
async fn incidents(ask: &Ask<'_>) -> anyhow::Result<Vec<Incident>> {
    let path = format!("/v1/incidents?target={}", ask.target);
    let listed = until(&ask.reporter, &path, |it: &Incident| {
        let end = it.recovered_at.or(it.closed_at);
        end.is_some_and(|end| end < ask.from)
    });
    let mut incidents = Vec::new();
    for incident in listed.await? {
        incidents.push(ask.reporter.get(&format!("/v1/incidents/{}", incident.id)).await?);
    }
    Ok(incidents)
}

/// A list's items, the newest first, up to the first that is `past`.
async fn until<T: DeserializeOwned>(
    api: &Api,
    path: &str,
    past: impl Fn(&T) -> bool,
) -> anyhow::Result<Vec<T>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Page<T> = api.get(&format!("{path}&limit=200{cursor}")).await?;
        for item in page.items {
            if past(&item) || found.len() == MOST {
                return Ok(found);
            }
            found.push(item);
        }
        match page.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}
