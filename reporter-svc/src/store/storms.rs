//! Incidents that share a page because very many opened in one window (NO-9).

use std::time::Duration;

use domain::rollout::Incident;
use domain::rollout::storm::{BEYOND, Storm, StormBegun};
use service_kit::db::{DbError, Tx};
use shared_types::incident::IncidentState;
use shared_types::{IncidentId, TargetName, Timestamp};

use super::Store;

/// So many of the newest targets are looked at; a summary names fewer.
const NEWEST: i64 = 50;

/// A row of an incident with its target.
type Named = (String, String);

impl Store {
    /// The incidents that are not closed and share the page of this one, which began their storm.
    pub async fn storm_of(&self, begun_by: &IncidentId) -> Result<Vec<(TargetName, IncidentId)>, DbError> {
        let found: Vec<Named> = sqlx::query_as(
            "SELECT target, id FROM incidents WHERE storm = $1 AND id <> $1 AND state <> $2 ORDER BY opened_at, id",
        )
        .bind(begun_by.as_str())
        .bind(IncidentState::Closed.as_str())
        .fetch_all(self.db.pool())
        .await?;
        found.iter().map(|(target, id)| Ok((parsed(target)?, parsed(id)?))).collect()
    }

    /// Whether another incident that is not closed shares the page of this one.
    pub async fn page_is_shared(&self, incident: &IncidentId) -> Result<bool, DbError> {
        let (others,): (i64,) = sqlx::query_as(
            "SELECT COUNT(*) FROM incidents WHERE storm = (SELECT storm FROM incidents WHERE id = $1) \
             AND id <> $1 AND state <> $2",
        )
        .bind(incident.as_str())
        .bind(IncidentState::Closed.as_str())
        .fetch_one(self.db.pool())
        .await?;
        Ok(others > 0)
    }
}

/// What a transaction knows of storms: it is asked for once, not for each incident of a thousand.
#[derive(Default)]
struct Known {
    /// The one it has found, with what it has added.
    found: Option<Storm>,
    /// Targets of the incidents that it opens: they are not seen before the commit.
    opened: Vec<TargetName>,
}

/// The storm that an incident joins, or begins, which opens now; none: there are few. The caller holds the day's counter, so
/// that no other one opens meanwhile.
pub(super) async fn now(tx: &mut Tx<'_>, at: Timestamp, window: Duration) -> Result<Option<Storm>, DbError> {
    if tx.memory::<Known>().found.is_none() {
        let opened = tx.memory::<Known>().opened.clone();
        tx.memory::<Known>().found = look(tx, at, window, opened).await?;
    }
    Ok(tx.memory::<Known>().found.clone())
}

/// An incident opens, in a transaction that may bring more.
pub(super) fn opened(tx: &mut Tx<'_>, incident: &Incident) {
    let known = tx.memory::<Known>();
    known.opened.push(incident.target.clone());
    let Some(found) = &mut known.found else { return };
    found.before += 1;
    found.targets.push(incident.target.clone());
    keep_newest(&mut found.targets);
    let Some(of) = &incident.storm else { return };
    if of.begun_by == incident.id {
        let page_key = Incident::new_key(&incident.target, &incident.id, incident.opened_at);
        found.begun_by = Some(StormBegun { incident: incident.id.clone(), page_key });
    }
    found.told.extend(of.told.iter().cloned());
}

fn keep_newest(targets: &mut Vec<TargetName>) {
    let surplus = targets.len().saturating_sub(usize::try_from(NEWEST).unwrap_or_default());
    targets.drain(..surplus);
}

/// With those that the transaction has opened already.
async fn look(
    tx: &mut Tx<'_>,
    at: Timestamp,
    window: Duration,
    opened: Vec<TargetName>,
) -> Result<Option<Storm>, DbError> {
    let since = at.minus(window).as_millis();
    // Bounded on both sides, as in `audit_heads`.
    let sql = "SELECT COUNT(*) FROM incidents WHERE opened_at > $1 AND opened_at <= $2";
    let (before,): (i64,) = sqlx::query_as(sql).bind(since).bind(i64::MAX).fetch_one(&mut **tx).await?;
    let before = usize::try_from(before).unwrap_or_default() + opened.len();
    if before < BEYOND {
        return Ok(None);
    }
    let mut newest: Vec<(String,)> = sqlx::query_as(
        "SELECT target FROM incidents WHERE opened_at > $1 ORDER BY opened_at DESC, id DESC LIMIT $2",
    )
    .bind(since)
    .bind(NEWEST)
    .fetch_all(&mut **tx)
    .await?;
    newest.reverse();
    let mut targets = newest.iter().map(|(target,)| parsed(target)).collect::<Result<Vec<_>, _>>()?;
    targets.extend(opened);
    keep_newest(&mut targets);
    let first: Option<(String, String, i64)> = sqlx::query_as(
        // The page of one whose incidents are all closed is resolved.
        "SELECT id, target, opened_at FROM incidents AS first WHERE storm = id AND opened_at > $1 \
         AND EXISTS (SELECT 1 FROM incidents AS other WHERE other.storm = first.id AND other.state <> $2) \
         ORDER BY opened_at DESC, id DESC LIMIT 1",
    )
    .bind(since)
    .bind(IncidentState::Closed.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    let Some((id, target, opened_at)) = first else {
        return Ok(Some(Storm { begun_by: None, told: Vec::new(), before, targets }));
    };
    let told: Vec<(String,)> =
        sqlx::query_as("SELECT storm_told FROM incidents WHERE storm = $1 AND storm_told IS NOT NULL")
            .bind(id.as_str())
            .fetch_all(&mut **tx)
            .await?;
    let told = told.iter().map(|(keys,)| super::rows::json::<Vec<String>>("storm_told", keys));
    let told = told.collect::<Result<Vec<_>, _>>()?.concat();
    let (incident, target) = (parsed(&id)?, parsed(&target)?);
    let page_key = Incident::new_key(&target, &incident, Timestamp::from_millis(opened_at));
    Ok(Some(Storm { begun_by: Some(StormBegun { incident, page_key }), told, before, targets }))
}

fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    text: &str,
) -> Result<T, DbError> {
    text.parse().map_err(|error| DbError::decode("storm", error))
}
