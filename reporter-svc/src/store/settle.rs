//! Outcomes of effects that change no machine: the notification's fate and the hop it leaves.

use service_kit::db::{Company, DbError, Done, Tx};
use service_kit::outbox::{self, Attempt, Claim, Outcome, Recorded};
use shared_types::Timestamp;
use uuid::Uuid;

use super::{Settled, Store, incidents};
use domain::effects::notification::NotificationState;

impl Store {
    /// Records an outcome together with the notification's fate and its hop.
    pub async fn settle(&self, attempt: &Attempt<'_>, settled: Settled<'_>) -> Result<Recorded, DbError> {
        let &Attempt { claim, outcome, ended_at: now, .. } = attempt;
        let db = &self.db;
        let incident = settled.incident.zip(settled.hop.as_ref());
        let about =
            incident.map_or_else(|| format!("effect/{}", claim.id), |(id, _)| format!("incident/{id}"));
        let recorded = db.together(&about, |mut tx, company| async move {
            // The incident before the row, so that nothing is written where it is not free.
            let mut there = false;
            if let Some((id, _)) = incident {
                there = incidents::hold(db, &mut tx, id, company).await?;
                if !there && company == Company::Others {
                    return Ok((tx, Done::Elsewhere));
                }
            }
            let recorded = outbox::record(&mut tx, claim, outcome, now).await?;
            if recorded == Recorded::Fenced {
                return Ok((tx, Done::Nothing(recorded)));
            }
            if let Some(id) = settled.notification {
                update_notification(&mut tx, id, claim, outcome, recorded, now).await?;
            }
            if let (Recorded::Done, true, Some((id, hop))) = (recorded, there, incident) {
                incidents::append_hops(&mut tx, id, std::slice::from_ref(hop))?;
            }
            Ok((tx, Done::Written(recorded)))
        });
        recorded.await?.ok_or(DbError::Busy)
    }
}

async fn update_notification(
    tx: &mut Tx<'_>,
    id: Uuid,
    claim: &Claim,
    outcome: &Outcome,
    recorded: Recorded,
    now: Timestamp,
) -> Result<(), DbError> {
    let logged = matches!(outcome, Outcome::Done(answer) if answer.get("logged").is_some());
    let state = match recorded {
        Recorded::Done if logged => NotificationState::Logged,
        Recorded::Done => NotificationState::Sent,
        Recorded::Dead => NotificationState::Failed,
        Recorded::Retrying(_) | Recorded::Fenced => NotificationState::Pending,
    };
    let answer = match outcome {
        Outcome::Done(answer) => Some(answer.to_string()),
        _ => None,
    };
    let unknown = matches!(outcome, Outcome::Unknown { .. });
    sqlx::query(
        "UPDATE notifications SET state = $2, attempts = $3, unknowns = $4, sent_at = $5, outcome = $6, \
             last_error = COALESCE($7, last_error) WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(state.as_str())
    .bind(claim.fence)
    .bind(i64::from(claim.unknowns) + i64::from(unknown))
    .bind((recorded == Recorded::Done).then_some(now.as_millis()))
    .bind(answer)
    .bind(outcome.reason().map(|reason| reason.replace('\0', "")))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
