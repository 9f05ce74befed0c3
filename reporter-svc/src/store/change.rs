//! The one way a machine's state changes.
//!
//! Locks are always taken in this order: the target's row, the outcome's outbox row, the incident's row, the day's counter,
//! the service's audit stream. In a transaction that is shared only the last two are waited for, and the last one ends it. Two
//! replicas therefore wait for each other and never deadlock.

use domain::effects::{NewMessage, RunTransition};
use service_kit::db::{Company, Db, DbError, Done, Tx};
use service_kit::outbox::{self, Recorded};
use shared_types::{Decision, IncidentId, Timestamp};

use super::coming::{Ticket, Wanted};
use super::held::{self, Held};
use super::rows::json;
use super::{
    Act, Change, Changed, Given, Store, StoredTarget, audit, days, decisions, incidents, notifications,
    storms, targets,
};
use domain::effects::lower::Plan;
use domain::rollout::{Aggregate, Rejection};
use domain::stored::Form;

impl Store {
    /// See [`Change`]. What changes at the same time shares a transaction; a decision goes first. Boxed: it is large, and every
    /// act of the API holds it.
    pub async fn change(&self, change: Change<'_>) -> Result<Changed, DbError> {
        let (db, change) = (&self.db, &change);
        Box::pin(async move {
            let _first = change.decision.map(|_| db.precedence().first());
            let ticket = &self.coming.announce(wanted(change));
            let about = format!("target/{}", change.target);
            let changed = db.together(&about, |mut tx, company| async move {
                let done = Box::pin(under_lock(db, &mut tx, change, ticket, company)).await?;
                Ok((tx, done))
            });
            changed.await?.ok_or(DbError::Busy)
        })
        .await
    }

    /// The ids that today's incidents may have had in a past that is lost are not given out again (OP-3): numbers go on above any
    /// that a day can have come to by now.
    pub async fn skip_incident_ids(&self, now: Timestamp) -> Result<(), DbError> {
        const MARGIN: i64 = 1000;
        let since_midnight = now.as_millis().rem_euclid(86_400_000) / 1000;
        let mut tx = self.db.begin().await?;
        sqlx::query(
            "INSERT INTO incident_days (day, last) VALUES ($1, $2) \
             ON CONFLICT (day) DO UPDATE SET last = incident_days.last + excluded.last",
        )
        .bind(day(now))
        .bind(since_midnight + MARGIN)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
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
            outbox::enqueue(&mut tx, message, now)?;
        }
        tx.commit().await
    }
}

fn wanted(change: &Change<'_>) -> Wanted {
    Wanted {
        target: change.target.clone(),
        decision: change.decision.map(|it| it.decision_id.to_string()),
        request: change.act.map(|it| it.request_id.clone()),
        incident: change.incident.cloned(),
        of_transition: change.of_transition,
    }
}

async fn under_lock(
    db: &Db,
    tx: &mut Tx<'_>,
    change: &Change<'_>,
    ticket: &Ticket<'_>,
    company: Company,
) -> Result<Done<Changed>, DbError> {
    let Some(held) = held::hold(db, tx, ticket, company).await? else {
        return Ok(match company {
            Company::None => Done::Nothing(Changed::UnknownTarget),
            // Or somebody holds it.
            Company::Others => Done::Elsewhere,
        });
    };
    if let Some(repeated) = repeated(tx, change, &held)? {
        return Ok(Done::Nothing(repeated));
    }
    let StoredTarget { state, version } = held.target;
    let recorded = match change.settle {
        Some((claim, outcome)) => Some(outbox::record(tx, claim, outcome, change.now, company).await?),
        None => None,
    };
    if recorded == Some(Recorded::Fenced) {
        return Ok(Done::Nothing(Changed::Fenced));
    }
    if let Some(effect) = change.retry
        && !outbox::retry_dead(tx, effect, change.now).await?
    {
        return Ok(Done::Nothing(Changed::NotDead));
    }
    if let Some(effect) = change.lost
        && !outbox::take_loss(tx, effect).await?
    {
        return Ok(Done::Nothing(Changed::NotDead));
    }
    let (is_about_one, incident) = held::incident(db, tx, ticket, &state, company).await?;
    let written = change.settle.is_some() || change.retry.is_some() || change.lost.is_some();
    let unchanged = |changed| match company {
        Company::Others if written => Done::Undo,
        _ => Done::Nothing(changed),
    };
    if is_about_one && incident.is_none() && company == Company::Others {
        return Ok(if written { Done::Undo } else { Done::Elsewhere });
    }
    if change.incident.is_some() && incident.as_ref().is_none_or(|it| it.target != state.target) {
        return Ok(unchanged(Changed::UnknownIncident));
    }
    let before = Aggregate { target: state, incident };
    let version = version + 1;
    match plan(tx, change, &before, version, recorded).await? {
        Ok(plan) => {
            let opened_a_stream = persist(tx, change, &plan, version).await?;
            let Plan { step, answer, .. } = plan;
            let changed = Changed::Applied { step: Box::new(step), answer, version, recorded };
            // The service's stream is held now, which others take last.
            Ok(if opened_a_stream { Done::Last(changed) } else { Done::Written(changed) })
        }
        Err(rejection) => {
            let changed = Changed::Rejected { rejection, recorded };
            Ok(if recorded.is_some() { Done::Written(changed) } else { unchanged(changed) })
        }
    }
}

/// The first answer, if this was done before.
fn repeated(tx: &Tx<'_>, change: &Change<'_>, held: &Held) -> Result<Option<Changed>, DbError> {
    if let (Some(decision), Some(before)) = (change.decision, &held.decision) {
        if tx.forms().read_wire::<Decision>(&decision.decision_id.to_string(), &before.body)? != *decision {
            return Ok(Some(Changed::Differs));
        }
        let answer = super::decision_answer(decision, before.stale, before.incident.as_deref());
        return Ok(Some(Changed::Repeated { answer }));
    }
    if let (Some(act), Some((fingerprint, answer))) = (change.act, &held.act) {
        return Ok(Some(if act.is_repeat_of(fingerprint) {
            Changed::Repeated { answer: json("answer", answer)? }
        } else {
            Changed::KeyReused
        }));
    }
    Ok(None)
}

/// The command of a move.
const RUN: Form = Form::of::<RunTransition>();

/// Lets the plan decide; a number is only taken when an incident opens. A command that can be begun right after the commit is
/// written down as begun by it (RB-3).
async fn plan(
    tx: &mut Tx<'_>,
    change: &Change<'_>,
    before: &Aggregate,
    version: u64,
    recorded: Option<Recorded>,
) -> Result<Result<Plan, Rejection>, DbError> {
    let day = day(change.now);
    let mut given =
        Given { new_incident: incident_id(&day, 0)?, version, recorded, storm: None, begins: false };
    let plan = match (change.plan)(before, &given) {
        Ok(plan) => plan,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let command = plan.messages.iter().find(|it| it.kind == RUN.kind);
    given.begins = command.is_some_and(|it| tx.has_room(&it.lane));
    if plan.step.opened {
        give_number(tx, change, &day, &mut given).await?;
    } else if !given.begins {
        return Ok(Ok(plan));
    }
    Ok((change.plan)(before, &given))
}

/// Of an incident that opens.
async fn give_number(
    tx: &mut Tx<'_>,
    change: &Change<'_>,
    day: &str,
    given: &mut Given,
) -> Result<(), DbError> {
    let number = number(tx, day).await?;
    given.new_incident = incident_id(day, number)?;
    given.storm = storms::now(tx, change.now, change.window).await?;
    Ok(())
}

/// The last number that a transaction has given, and its day: whoever gives one holds the day's row.
#[derive(Default)]
struct Numbered(Option<(String, i64)>);

async fn number(tx: &mut Tx<'_>, day: &str) -> Result<i64, DbError> {
    let before = tx.memory::<Numbered>().0.take().filter(|(of, _)| of == day);
    let number = match before {
        Some((_, last)) => {
            let conflict = "ON CONFLICT (day) DO UPDATE SET last = excluded.last";
            tx.upsert_last("incident_days", &["day", "last"], vec![day.into(), (last + 1).into()], conflict);
            last + 1
        }
        None => {
            let (number,): (i64,) = sqlx::query_as(
                "INSERT INTO incident_days (day, last) VALUES ($1, 1) \
                 ON CONFLICT (day) DO UPDATE SET last = incident_days.last + 1 RETURNING last",
            )
            .bind(day)
            .fetch_one(&mut **tx)
            .await?;
            number
        }
    };
    tx.memory::<Numbered>().0 = Some((day.to_owned(), number));
    Ok(number)
}

/// By which incidents are numbered.
fn day(now: Timestamp) -> String {
    now.to_jiff().strftime("%Y%m%d").to_string()
}

fn incident_id(day: &str, number: i64) -> Result<IncidentId, DbError> {
    IncidentId::parse(&format!("INC-{day}-{number:03}"))
        .map_err(|error| DbError::decode("incident id", error))
}

/// Whether the target's stream of the audit log begins with this.
async fn persist(tx: &mut Tx<'_>, change: &Change<'_>, plan: &Plan, version: u64) -> Result<bool, DbError> {
    let now = change.now;
    targets::save(tx, &plan.step.target, version, now)?;
    if let Some(incident) = &plan.step.incident {
        if plan.step.opened {
            incidents::open(tx, incident)?;
            storms::opened(tx, incident);
        } else {
            incidents::save(tx, incident)?;
        }
        incidents::append_hops(tx, &incident.id, &plan.step.timeline)?;
    }
    if let Some(decision) = change.decision {
        let open = plan.step.target.incident.as_ref().filter(|_| plan.step.links(decision));
        decisions::save(tx, decision, plan.step.stale, open, now)?;
        days::count(tx, decision, plan.step.stale);
    }
    for notification in &plan.notifications {
        notifications::save(tx, notification, now);
    }
    for key in &plan.cancels {
        outbox::cancel(tx, key, now).await?;
    }
    for message in &plan.messages {
        outbox::enqueue(tx, message, now)?;
    }
    if let Some(act) = change.act
        && !save_act(tx, act, &plan.answer, now).await?
    {
        // Another target took the key since we looked. Nothing of this is kept: who asks again is told that it is used.
        return Err(DbError::Busy);
    }
    audit::append(tx, Some(change.target), plan.audit.clone(), now).await.map(|it| it.begins)
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
