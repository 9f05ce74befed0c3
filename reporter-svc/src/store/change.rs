//! The one way a machine's state changes.
//!
//! Locks are always taken in this order: the target's row, the outcome's outbox row, the incident's row, the
//! day's counter. Two replicas therefore wait for each other and never deadlock.

use domain::effects::NewMessage;
use service_kit::db::{Db, DbError, Tx};
use service_kit::outbox::{self, Recorded};
use shared_types::story::LoggedHop;
use shared_types::{Decision, IncidentId, Timestamp, Verdict};
use sqlx::{AssertSqlSafe, Row};

use super::rows::{count, json, text};
use super::{Act, Change, Changed, Given, Store, audit};
use domain::effects::lower::Plan;
use domain::effects::notification::Notification;
use domain::rollout::{Aggregate, Incident, Rejection, TargetState};
use domain::story::words;

impl Store {
    /// See [`Change`]. Boxed: it is large, and every act of the API holds it.
    pub async fn change(&self, change: Change<'_>) -> Result<Changed, DbError> {
        Box::pin(under_lock(&self.db, change)).await
    }

    /// Keeps the answer of an act that changed nothing, if none is kept yet, and enqueues what is to be told.
    pub async fn remember(
        &self,
        act: &Act,
        answer: &serde_json::Value,
        message: Option<&NewMessage>,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        save_act(&mut tx, act, answer, now).await?;
        if let Some(message) = message {
            outbox::enqueue(&mut tx, message, now).await?;
        }
        tx.commit().await
    }
}

async fn under_lock(db: &Db, change: Change<'_>) -> Result<Changed, DbError> {
    let mut tx = db.begin().await?;
    let Some((state, version)) = lock_target(db, &mut tx, &change).await? else {
        return Ok(Changed::UnknownTarget);
    };
    if let Some(repeated) = repeated(&mut tx, &change).await? {
        return Ok(repeated);
    }
    let recorded = match change.settle {
        Some((claim, outcome)) => Some(outbox::record(&mut tx, claim, outcome, change.now).await?),
        None => None,
    };
    if recorded == Some(Recorded::Fenced) {
        return Ok(Changed::Fenced);
    }
    if let Some(effect) = change.retry
        && !outbox::retry_dead(&mut tx, effect, change.now).await?
    {
        return Ok(Changed::NotDead);
    }
    let of_transition = state.stage.transition().and_then(|it| it.incident.as_ref());
    let wanted = change.incident.or(state.incident.as_ref());
    let wanted = wanted.or(of_transition.filter(|_| change.of_transition)).cloned();
    let incident = match &wanted {
        Some(id) => lock_incident(db, &mut tx, id).await?,
        None => None,
    };
    if change.incident.is_some() && incident.as_ref().is_none_or(|it| it.target != state.target) {
        return Ok(Changed::UnknownIncident);
    }
    let before = Aggregate { target: state, incident };
    let version = version + 1;
    match plan(&mut tx, &change, &before, version, recorded).await? {
        Ok(plan) => {
            persist(&mut tx, &change, &plan, version).await?;
            tx.commit().await?;
            let Plan { step, answer, .. } = plan;
            Ok(Changed::Applied { step: Box::new(step), answer, version, recorded })
        }
        Err(rejection) => {
            if recorded.is_some() {
                tx.commit().await?;
            }
            Ok(Changed::Rejected { rejection, recorded })
        }
    }
}

async fn lock_target(
    db: &Db,
    tx: &mut Tx<'_>,
    change: &Change<'_>,
) -> Result<Option<(TargetState, u64)>, DbError> {
    let sql = format!("SELECT version, state FROM targets WHERE target = $1{}", db.for_update());
    let row = sqlx::query(AssertSqlSafe(sql)).bind(change.target.as_str()).fetch_optional(&mut **tx).await?;
    let Some(row) = row else { return Ok(None) };
    let state: String = row.try_get("state")?;
    Ok(Some((tx.forms().read(change.target.as_str(), &state)?, count(&row, "version")?)))
}

async fn lock_incident(db: &Db, tx: &mut Tx<'_>, id: &IncidentId) -> Result<Option<Incident>, DbError> {
    let sql = format!("SELECT body FROM incidents WHERE id = $1{}", db.for_update());
    let row: Option<(String,)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.map(|(body,)| tx.forms().read(id.as_str(), &body)).transpose()
}

/// The first answer, if this was done before.
async fn repeated(tx: &mut Tx<'_>, change: &Change<'_>) -> Result<Option<Changed>, DbError> {
    if let Some(decision) = change.decision {
        let known: Option<(i64, Option<String>)> =
            sqlx::query_as("SELECT stale, incident FROM decisions WHERE id = $1")
                .bind(decision.decision_id.to_string())
                .fetch_optional(&mut **tx)
                .await?;
        if let Some((stale, incident)) = known {
            let answer = super::decision_answer(decision, stale != 0, incident.as_deref());
            return Ok(Some(Changed::Repeated { answer }));
        }
    }
    if let Some(act) = change.act {
        let known: Option<(String, String)> =
            sqlx::query_as("SELECT fingerprint, answer FROM acts WHERE request_id = $1")
                .bind(act.request_id.as_str())
                .fetch_optional(&mut **tx)
                .await?;
        if let Some((fingerprint, answer)) = known {
            return Ok(Some(if act.is_repeat_of(&fingerprint) {
                Changed::Repeated { answer: json("answer", &answer)? }
            } else {
                Changed::KeyReused
            }));
        }
    }
    Ok(None)
}

/// Lets the plan decide; a number is only taken when an incident opens.
async fn plan(
    tx: &mut Tx<'_>,
    change: &Change<'_>,
    before: &Aggregate,
    version: u64,
    recorded: Option<Recorded>,
) -> Result<Result<Plan, Rejection>, DbError> {
    let day = change.now.to_jiff().strftime("%Y%m%d").to_string();
    let mut given = Given { new_incident: incident_id(&day, 0)?, version, recorded };
    let plan = match (change.plan)(before, &given) {
        Ok(plan) => plan,
        Err(rejection) => return Ok(Err(rejection)),
    };
    if !plan.step.opened {
        return Ok(Ok(plan));
    }
    let (number,): (i64,) = sqlx::query_as(
        "INSERT INTO incident_days (day, last) VALUES ($1, 1) \
         ON CONFLICT (day) DO UPDATE SET last = incident_days.last + 1 RETURNING last",
    )
    .bind(day.as_str())
    .fetch_one(&mut **tx)
    .await?;
    given.new_incident = incident_id(&day, number)?;
    Ok((change.plan)(before, &given))
}

fn incident_id(day: &str, number: i64) -> Result<IncidentId, DbError> {
    IncidentId::parse(&format!("INC-{day}-{number:03}"))
        .map_err(|error| DbError::decode("incident id", error))
}

async fn persist(tx: &mut Tx<'_>, change: &Change<'_>, plan: &Plan, version: u64) -> Result<(), DbError> {
    let now = change.now;
    save_target(tx, &plan.step.target, version, now).await?;
    if let Some(incident) = &plan.step.incident {
        save_incident(tx, incident, plan.step.opened).await?;
        append_hops(tx, &incident.id, &plan.step.timeline).await?;
    }
    if let Some(decision) = change.decision {
        let violation = decision.verdict == Verdict::Violation && !plan.step.stale;
        let open = plan.step.target.incident.as_ref().filter(|_| violation);
        save_decision(tx, decision, plan.step.stale, open, now).await?;
    }
    for notification in &plan.notifications {
        save_notification(tx, notification, now).await?;
    }
    for key in &plan.cancels {
        outbox::cancel(tx, key, now).await?;
    }
    for message in &plan.messages {
        outbox::enqueue(tx, message, now).await?;
    }
    if let Some(act) = change.act
        && !save_act(tx, act, &plan.answer, now).await?
    {
        // Another target took the key since we looked. Nothing of this is kept: who asks again is told that it is used.
        return Err(DbError::Busy);
    }
    if let Some(act) = &plan.audit {
        audit::append(tx, Some(change.target), act.clone(), now).await?;
    }
    Ok(())
}

async fn save_target(
    tx: &mut Tx<'_>,
    state: &TargetState,
    version: u64,
    now: Timestamp,
) -> Result<(), DbError> {
    let changed = sqlx::query(
        "UPDATE targets SET version = $2, phase = $3, epoch = $4, state = $5, due_at = $6, updated_at = $7 \
         WHERE target = $1 AND version = $2 - 1",
    )
    .bind(state.target.as_str())
    .bind(i64::try_from(version).unwrap_or(i64::MAX))
    .bind(state.phase.as_str())
    .bind(i64::try_from(state.epoch).unwrap_or(i64::MAX))
    .bind(tx.forms().text(state)?)
    .bind(state.next_due().map(Timestamp::as_millis))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?
    .rows_affected();
    // The row is locked, so this cannot be; were it, nothing may be committed.
    if changed == 1 { Ok(()) } else { Err(DbError::Busy) }
}

async fn save_incident(tx: &mut Tx<'_>, incident: &Incident, opened: bool) -> Result<(), DbError> {
    let sql = if opened {
        "INSERT INTO incidents (id, target, state, opened_at, due_at, body) VALUES ($1, $2, $3, $4, $5, $6)"
    } else {
        "UPDATE incidents SET target = $2, state = $3, opened_at = $4, due_at = $5, body = $6 WHERE id = $1"
    };
    sqlx::query(sql)
        .bind(incident.id.as_str())
        .bind(incident.target.as_str())
        .bind(incident.state().as_str())
        .bind(incident.opened_at.as_millis())
        .bind(incident.next_due().map(Timestamp::as_millis))
        .bind(tx.forms().text(incident)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The caller holds the incident's row, so the numbers have no gaps and no rivals.
pub(super) async fn append_hops(
    tx: &mut Tx<'_>,
    incident: &IncidentId,
    hops: &[LoggedHop],
) -> Result<(), DbError> {
    if hops.is_empty() {
        return Ok(());
    }
    let (last,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(seq), 0) FROM timeline WHERE incident = $1")
        .bind(incident.as_str())
        .fetch_one(&mut **tx)
        .await?;
    // All in one statement: a violation has half a dozen hops, and each statement is a round trip before its rollback.
    let rows: Vec<String> = (0..hops.len())
        .map(|row| {
            let at = row * 6;
            format!("(${}, ${}, ${}, ${}, ${}, ${})", at + 1, at + 2, at + 3, at + 4, at + 5, at + 6)
        })
        .collect();
    let sql =
        format!("INSERT INTO timeline (incident, seq, at, kind, detail, data) VALUES {}", rows.join(", "));
    let mut insert = sqlx::query(AssertSqlSafe(sql));
    for (seq, LoggedHop { at, hop }) in (last + 1..).zip(hops) {
        let data = hop.data().map_err(|error| DbError::decode("hop", error))?;
        let data = if data.is_null() { None } else { Some(data.to_string()) };
        insert = insert
            .bind(incident.as_str())
            .bind(seq)
            .bind(at.as_millis())
            .bind(hop.kind())
            .bind(storable(&words::hop(hop)))
            .bind(data);
    }
    insert.execute(&mut **tx).await?;
    Ok(())
}

/// PostgreSQL's TEXT takes no NUL; a command's output may hold one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

async fn save_decision(
    tx: &mut Tx<'_>,
    decision: &Decision,
    stale: bool,
    incident: Option<&IncidentId>,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO decisions (id, target, phase, epoch, window_start, window_end, verdict, stale, incident, \
             received_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(decision.decision_id.to_string())
    .bind(decision.target.as_str())
    .bind(decision.phase.as_str())
    .bind(i64::try_from(decision.epoch).unwrap_or(i64::MAX))
    .bind(decision.window.start.as_millis())
    .bind(decision.window.end.as_millis())
    .bind(decision.verdict.as_str())
    .bind(i64::from(stale))
    .bind(incident.map(IncidentId::as_str))
    .bind(now.as_millis())
    .bind(text("decision", decision)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn save_notification(
    tx: &mut Tx<'_>,
    it: &Notification,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO notifications (id, target, kind, channel, text, incident, decision, state, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8)",
    )
    .bind(it.id.to_string())
    .bind(it.target.as_str())
    .bind(<&str>::from(it.kind))
    .bind(it.channel.as_str())
    .bind(storable(&it.text))
    .bind(it.incident.as_ref().map(IncidentId::as_str))
    .bind(it.decision.map(|id| id.to_string()))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether it was not there yet.
async fn save_act(
    tx: &mut Tx<'_>,
    act: &Act,
    answer: &serde_json::Value,
    now: Timestamp,
) -> Result<bool, DbError> {
    let saved = sqlx::query(
        "INSERT INTO acts (request_id, fingerprint, answer, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (request_id) DO NOTHING",
    )
    .bind(act.request_id.as_str())
    .bind(act.fingerprint())
    .bind(answer.to_string())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(saved.rows_affected() == 1)
}
