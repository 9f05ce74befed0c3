//! What a change goes by: its target, what was done before of the same, the end of the target's audit stream, and its incident.
//!
//! In a storm hundreds of changes wait for a shared transaction. Whoever has it reads, and locks, for all of them by one statement,
//! and leaves to each what is its own.

use std::collections::BTreeMap;

use domain::rollout::{Incident, TargetState};
use service_kit::db::{Company, Db, DbError, Tx, rows_of_places};
use shared_types::IncidentId;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::coming::{Ticket, Wanted};
use super::{StoredTarget, audit, incidents, rows, targets};

/// What was read for a change.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) target: StoredTarget,
    /// The decision of this id that was taken in before.
    pub(super) decision: Option<DecisionBefore>,
    /// The act of this request, and its answer.
    pub(super) act: Option<(String, String)>,
}

#[derive(Debug)]
pub(super) struct DecisionBefore {
    pub(super) stale: bool,
    pub(super) incident: Option<String>,
    /// As it is kept.
    pub(super) body: String,
}

/// What a transaction has read for those who come after.
#[derive(Default)]
struct Ahead {
    changes: BTreeMap<u64, Held>,
    incidents: BTreeMap<IncidentId, Incident>,
}

/// What this change goes by; its target's row is held from here on. None: there is no such target, or it was not waited for.
///
/// Where nobody is waited for, what was committed since the statement began may be missing beside the target. Then a row of this
/// change is there already, the commit fails, and the change is done again, alone.
pub(super) async fn hold(
    db: &Db,
    tx: &mut Tx<'_>,
    ticket: &Ticket<'_>,
    company: Company,
) -> Result<Option<Held>, DbError> {
    let own = ticket.number();
    if let Some(held) = tx.memory::<Ahead>().changes.remove(&own) {
        return Ok(Some(held));
    }
    let wanted = match company {
        Company::None => vec![(own, ticket.wanted().clone())],
        Company::Others => ticket.with_those_after(),
    };
    if let (true, [(_, alone)]) = (db.waits_in(company), wanted.as_slice()) {
        targets::lock(db, tx, &alone.target).await?;
    }
    let sql = SELECT.replace("{rows}", &rows_of_places(wanted.len(), 4)) + &db.skip_locked_of("t");
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (number, Wanted { target, decision, request, .. }) in &wanted {
        let number = i64::try_from(*number).unwrap_or(i64::MAX);
        query = query.bind(number).bind(target.to_string()).bind(decision.clone()).bind(request.clone());
    }
    let mut asked = None;
    let mut of_incidents = Vec::new();
    for row in query.fetch_all(&mut **tx).await? {
        let number = rows::count(&row, "number")?;
        let held = match read(tx, &row) {
            Ok(held) => held,
            Err(error) if number == own => return Err(error),
            // Whoever it is for will say so.
            Err(_) => continue,
        };
        let of = wanted.iter().find(|(it, _)| *it == number);
        of_incidents.extend(of.and_then(|(_, it)| incident_of(&held.target.state, it)).cloned());
        if number == own {
            asked = Some(held);
        } else {
            tx.memory::<Ahead>().changes.insert(number, held);
        }
    }
    if company == Company::Others && of_incidents.len() > 1 {
        let found = incidents::lock_free(db, tx, &of_incidents).await?;
        tx.memory::<Ahead>().incidents.extend(found.into_iter().map(|it| (it.id.clone(), it)));
    }
    Ok(asked)
}

/// See [`hold`]. What it reads beside the target it looks up one by one: a join might read the whole table.
const SELECT: &str = "SELECT v.column1 AS number, t.target, t.version, t.state, \
         (SELECT d.stale FROM decisions d WHERE d.id = v.column3) AS stale, \
         (SELECT d.incident FROM decisions d WHERE d.id = v.column3) AS incident, \
         (SELECT d.body FROM decisions d WHERE d.id = v.column3) AS body, \
         (SELECT a.fingerprint FROM acts a WHERE a.request_id = v.column4) AS fingerprint, \
         (SELECT a.answer FROM acts a WHERE a.request_id = v.column4) AS answer, \
         (SELECT MAX(e.seq) FROM audit e WHERE e.stream = t.target) AS last_seq, \
         (SELECT e.hash FROM audit e WHERE e.stream = t.target ORDER BY e.seq DESC LIMIT 1) AS last_hash \
     FROM (VALUES {rows}) AS v JOIN targets t ON t.target = v.column2";

fn read(tx: &mut Tx<'_>, row: &AnyRow) -> Result<Held, DbError> {
    let target = targets::read(tx.forms(), row)?;
    let last: Option<String> = row.try_get("last_hash")?;
    let last = last.map(|hash| Ok::<_, DbError>((rows::count(row, "last_seq")?, hash))).transpose()?;
    audit::ends_with(tx, &target.state.target, last);
    let body: Option<String> = row.try_get("body")?;
    let decision = body.map(|body| {
        let (stale, incident) = (rows::count(row, "stale")? != 0, row.try_get("incident")?);
        Ok::<_, DbError>(DecisionBefore { stale, incident, body })
    });
    let fingerprint: Option<String> = row.try_get("fingerprint")?;
    let act = fingerprint.map(|it| Ok::<_, DbError>((it, row.try_get("answer")?)));
    Ok(Held { target, decision: decision.transpose()?, act: act.transpose()? })
}

/// The incident that a change of a target in this state is about.
fn incident_of<'a>(state: &'a TargetState, wanted: &'a Wanted) -> Option<&'a IncidentId> {
    let of_transition = state.stage.transition().and_then(|it| it.incident.as_ref());
    let named = wanted.incident.as_ref().or(state.incident.as_ref());
    named.or(of_transition.filter(|_| wanted.of_transition))
}

/// Whether the change is about an incident, and that, as it is while the caller holds its row: none, where it is not there, or was
/// not waited for.
pub(super) async fn incident(
    db: &Db,
    tx: &mut Tx<'_>,
    ticket: &Ticket<'_>,
    state: &TargetState,
    company: Company,
) -> Result<(bool, Option<Incident>), DbError> {
    let Some(id) = incident_of(state, ticket.wanted()) else { return Ok((false, None)) };
    let incident = match tx.memory::<Ahead>().incidents.remove(id) {
        Some(incident) => Some(incident),
        None => incidents::lock(db, tx, id, company).await?,
    };
    Ok((true, incident))
}
