//! What is left after a run: the rows of the three databases and the books of the world outside, as the checks need them.

use std::sync::Arc;
use std::time::Duration;

use domain::effects::notification::NotificationView;
use domain::policy::{Policy, TargetPolicy};
use domain::rollout::Incident;
use domain::rollout::state::TargetState;
use reporter_svc::store::{IncidentFilter, NotificationFilter, Store};
use service_kit::db::{Db, DbError};
use service_kit::outbox::{ListFilter, MessageView, list};
use shared_types::audit::{SERVICE_STREAM, stream_of};
use shared_types::story::LoggedHop;
use shared_types::{AuditEntry, Batch, Decision, Epoch, TargetName, Timestamp};

use crate::outside::Ledger;
use crate::past::Past;
use crate::replica::Service;
use crate::spec::Spec;
use crate::telemetry::Sent;
use crate::world::World;

/// A batch as the collector has it.
pub struct Collected {
    pub batch: Batch,
    pub sent: bool,
    pub delivered: bool,
}

/// A decision as the reporter has it.
pub struct Received {
    pub decision: Decision,
    pub stale: bool,
    pub incident: Option<String>,
}

/// See the module.
pub struct Facts {
    pub spec: Spec,
    pub end: Timestamp,
    pub livelock: bool,
    pub panics: Vec<String>,
    pub policy: Arc<TargetPolicy>,
    /// The versions that windows were judged by.
    pub versions: [Arc<Policy>; 2],
    pub collected: Vec<Collected>,
    /// Judged batches, by window start.
    pub judged: Vec<(Timestamp, String)>,
    /// In the order they were made in.
    pub decided: Vec<Decision>,
    pub received: Vec<Received>,
    pub incidents: Vec<(Incident, Vec<LoggedHop>)>,
    pub notifications: Vec<NotificationView>,
    pub effects: Vec<(Service, MessageView)>,
    pub target: Option<TargetState>,
    /// Row by row, stream by stream.
    pub audit: Vec<AuditEntry>,
    pub books: Ledger,
    pub sent: Sent,
    /// Events in windows that are still open.
    pub open: u64,
    /// What the reporter's store had known before it was put back.
    pub past: Option<Past>,
}

impl Facts {
    /// Reads everything.
    ///
    /// # Errors
    /// The databases'.
    pub async fn of(world: &mut World<'_>) -> Result<Self, DbError> {
        let databases = world.databases;
        let store = Store::new(databases.of(Service::Reporter).clone());
        let mut incidents = Vec::new();
        for incident in store.incidents(&IncidentFilter::default(), None, 1000).await? {
            let timeline = store.timeline(&incident.id).await?;
            incidents.push((incident, timeline));
        }
        let mut effects = Vec::new();
        for service in Service::ALL {
            let mut before = None;
            loop {
                let page = list(databases.of(service), &ListFilter::default(), before, 1000).await?;
                effects.extend(page.items.into_iter().map(|message| (service, message)));
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
        }
        effects.reverse();
        let decided = effects.iter().filter(|(service, _)| *service == Service::Analyzer);
        let decided = decided.filter_map(|(_, it)| serde_json::from_value(it.payload.clone()).ok()).collect();
        let versions = world.setting.policies(&world.spec);
        let books = std::mem::take(&mut *world.outside.books());
        let sent = std::mem::take(&mut *world.application.sent());
        Ok(Self {
            spec: world.spec.clone(),
            end: world.end,
            livelock: world.livelock,
            panics: world.scheduler.panics(),
            policy: Arc::new(versions[0].targets[&world.setting.target].clone()),
            versions: versions.clone(),
            collected: collected(databases.of(Service::Collector)).await?,
            judged: judged(databases.of(Service::Analyzer)).await?,
            decided,
            received: received(databases.of(Service::Reporter)).await?,
            incidents,
            notifications: store.notifications(&NotificationFilter::default(), None, 10_000).await?,
            effects,
            audit: audit(&store, &world.setting.target).await?,
            target: store.target(&world.setting.target).await?.map(|stored| stored.state),
            books,
            sent,
            open: open(databases.of(Service::Collector), &world.setting.target).await?,
            past: world.past.take(),
        })
    }

    /// Books that belong to one past each: what the store knows at the end, and what was lost with what it stood upon.
    pub fn histories(&self) -> impl Iterator<Item = &Ledger> {
        std::iter::once(&self.books).chain(self.past.iter().map(|it| &it.books))
    }

    /// Whether an epoch was begun in a past that is lost, or was left out when a person went on.
    #[must_use]
    pub fn is_lost(&self, epoch: Epoch) -> bool {
        let left_out = self.target.as_ref().and_then(|it| it.lost).is_some_and(|it| it.hold(epoch));
        left_out || self.past.as_ref().is_some_and(|it| it.began(epoch))
    }
}

async fn collected(db: &Db) -> Result<Vec<Collected>, DbError> {
    let rows: Vec<(String, i64, Option<i64>)> =
        sqlx::query_as("SELECT batch, sent, delivered_at_ms FROM batches ORDER BY window_start_ms")
            .fetch_all(db.pool())
            .await?;
    let read = |(batch, sent, delivered): (String, i64, Option<i64>)| {
        let batch = serde_json::from_str(&batch).map_err(|error| DbError::decode("batch", error))?;
        Ok(Collected { batch, sent: sent != 0, delivered: delivered.is_some() })
    };
    rows.into_iter().map(read).collect()
}

pub(crate) async fn audit(store: &Store, target: &TargetName) -> Result<Vec<AuditEntry>, DbError> {
    let mut rows = Vec::new();
    for stream in [stream_of(Some(target)), SERVICE_STREAM] {
        loop {
            let after = rows.iter().filter(|row: &&AuditEntry| row.stream == stream).map(|row| row.seq).max();
            let piece = store.audit_piece(stream, after.map_or(1, |seq| seq + 1), 1000).await?;
            if piece.is_empty() {
                break;
            }
            rows.extend(piece);
        }
    }
    Ok(rows)
}

async fn open(db: &Db, target: &TargetName) -> Result<u64, DbError> {
    let store = collector_svc::store::Store::new(db.clone());
    let initial = collector_svc::state::TargetState::initial(Duration::from_secs(900));
    let mut events = 0;
    for start in store.load(target, &initial).await?.open {
        events += store.totals(target, start).await?.counters.values().sum::<u64>();
    }
    Ok(events)
}

async fn judged(db: &Db) -> Result<Vec<(Timestamp, String)>, DbError> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT window_start_ms, decision_id FROM batches ORDER BY window_start_ms")
            .fetch_all(db.pool())
            .await?;
    Ok(rows.into_iter().map(|(start, id)| (Timestamp::from_millis(start), id)).collect())
}

pub(crate) async fn received(db: &Db) -> Result<Vec<Received>, DbError> {
    let rows: Vec<(String, String, i64, Option<String>)> =
        sqlx::query_as("SELECT id, body, stale, incident FROM decisions ORDER BY window_start, received_at")
            .fetch_all(db.pool())
            .await?;
    let read = |(id, body, stale, incident): (String, String, i64, Option<String>)| {
        let decision = db.forms().read_wire(&id, &body)?;
        Ok(Received { decision, stale: stale != 0, incident })
    };
    rows.into_iter().map(read).collect()
}
