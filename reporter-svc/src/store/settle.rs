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
            let recorded = outbox::record(&mut tx, claim, outcome, now, company).await?;
            if recorded == Recorded::Fenced {
                return Ok((tx, Done::Nothing(recorded)));
            }
            if let Some(id) = settled.notification {
                update_notification(&mut tx, id, claim, outcome, recorded, now);
            }
            if let (Recorded::Done, true, Some((id, hop))) = (recorded, there, incident) {
                incidents::append_hops(&mut tx, id, std::slice::from_ref(hop))?;
            }
            Ok((tx, Done::Written(recorded)))
        });
        recorded.await?.ok_or(DbError::Busy)
    }
}

fn update_notification(
    tx: &mut Tx<'_>,
    id: Uuid,
    claim: &Claim,
    outcome: &Outcome,
    recorded: Recorded,
    now: Timestamp,
) {
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
    let row = vec![
        id.to_string().into(),
        state.as_str().into(),
        claim.fence.into(),
        (i64::from(claim.unknowns) + i64::from(unknown)).into(),
        (recorded == Recorded::Done).then_some(now.as_millis()).into(),
        answer.into(),
        outcome.reason().map(|reason| reason.replace('\0', "")).into(),
    ];
    // It may be past its time.
    tx.update_if_there(UPDATE, row);
}

const UPDATE: &str = "UPDATE notifications SET state = v.column2, attempts = v.column3, unknowns = v.column4, \
         sent_at = v.column5, outcome = v.column6, last_error = COALESCE(v.column7, last_error) \
     FROM (VALUES {rows}) AS v WHERE notifications.id = v.column1";
