//! Writing down what came of an attempt.

use std::time::Duration;

use shared_types::Timestamp;

use super::{Claim, Outcome, Recorded};
use crate::db::{Company, DbError, Tx};

/// No receiver can put us off for longer than this at once.
const LONGEST_POSTPONEMENT: Duration = Duration::from_secs(3600);
/// A row whose kind nobody here knows waits so long for a replica that does.
pub(super) const FOR_ANOTHER: Duration = Duration::from_secs(10);
/// Replicas of two releases run side by side for minutes, or for a night when an upgrade got stuck. What nobody has known
/// for longer is a mistake, and dead rows are what a person is shown.
const KIND_UNKNOWN_AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// Reasons are kept for people; a receiver's whole error page is not.
const LONGEST_REASON: usize = 2000;

/// Records an attempt's outcome in the caller's transaction, so that a state change it causes commits with it. On
/// [`Recorded::Fenced`] the caller must not commit such a change: another worker has the row now. In company that is found out by
/// the commit, which is written by one statement for all: it fails, and each is done again alone.
///
/// # Errors
/// The database's.
pub async fn record(
    tx: &mut Tx<'_>,
    claim: &Claim,
    outcome: &Outcome,
    now: Timestamp,
    company: Company,
) -> Result<Recorded, DbError> {
    let recorded = what_follows(claim, outcome, now);
    let (state, next_at, finished_at) = match recorded {
        Recorded::Done => ("done", now, Some(now)),
        Recorded::Dead => ("dead", now, Some(now)),
        Recorded::Retrying(at) => ("ready", at, None),
        Recorded::Fenced => return Ok(recorded),
    };
    let failed = matches!(outcome, Outcome::Failed { .. } | Outcome::Refused { .. } | Outcome::Never { .. });
    let unknown = matches!(outcome, Outcome::Unknown { .. });
    let stepped =
        matches!(outcome, Outcome::Failed { .. } | Outcome::Refused { .. } | Outcome::Unknown { .. });
    let kind_unknown_since = match outcome {
        Outcome::KindUnknown { .. } => Some(claim.kind_unknown_since.unwrap_or(now)),
        _ => None,
    };
    let answer = match outcome {
        Outcome::Done(answer) => Some(answer.to_string()),
        _ => None,
    };
    if company == Company::None && !is_held(tx, claim).await? {
        return Ok(Recorded::Fenced);
    }
    let row = vec![
        claim.id.as_str().into(),
        claim.fence.into(),
        state.into(),
        next_at.as_millis().into(),
        finished_at.map(Timestamp::as_millis).into(),
        i64::from(failed).into(),
        i64::from(unknown).into(),
        i64::from(stepped).into(),
        outcome.reason().map(shorten).into(),
        answer.into(),
        kind_unknown_since.map(Timestamp::as_millis).into(),
    ];
    tx.update(RECORD, row);
    if claim.pace.is_zero() {
        tx.touch_lane(&claim.lane);
    } else {
        tx.rest_lane(&claim.lane, now.plus(claim.pace));
    }
    Ok(recorded)
}

const RECORD: &str = "UPDATE outbox SET state = v.column3, next_at = v.column4, finished_at = v.column5, \
         failures = failures + v.column6, unknowns = unknowns + v.column7, step = step + v.column8, \
         last_error = COALESCE(v.column9, last_error), outcome = v.column10, kind_unknown_since = v.column11, \
         leased_by = NULL \
     FROM (VALUES {rows}) AS v \
     WHERE outbox.id = v.column1 AND outbox.claims = v.column2 AND outbox.state = 'leased'";

/// Whether the row is still this claim's; then it stays so until the transaction ends.
async fn is_held(tx: &mut Tx<'_>, claim: &Claim) -> Result<bool, DbError> {
    let held =
        sqlx::query("UPDATE outbox SET claims = claims WHERE id = $1 AND claims = $2 AND state = 'leased'")
            .bind(claim.id.as_str())
            .bind(claim.fence)
            .execute(&mut **tx)
            .await?;
    Ok(held.rows_affected() == 1)
}

/// The whole transition table of a claimed row.
fn what_follows(claim: &Claim, outcome: &Outcome, now: Timestamp) -> Recorded {
    match outcome {
        Outcome::Done(_) => Recorded::Done,
        Outcome::Never { .. } => Recorded::Dead,
        Outcome::Postponed { after, .. } => Recorded::Retrying(now.plus((*after).min(LONGEST_POSTPONEMENT))),
        Outcome::Failed { .. } | Outcome::Unknown { .. } => match claim.retry.delay_after(claim.step) {
            Some(delay) => Recorded::Retrying(now.plus(delay)),
            None => Recorded::Dead,
        },
        // A refusal that lasts is no outage.
        Outcome::Refused { .. } => match claim.retry.listed_delay_after(claim.step) {
            Some(delay) => Recorded::Retrying(now.plus(delay)),
            None => Recorded::Dead,
        },
        Outcome::KindUnknown { .. } => {
            let since = claim.kind_unknown_since.unwrap_or(now);
            if now.since(since) < KIND_UNKNOWN_AT_MOST {
                Recorded::Retrying(now.plus(FOR_ANOTHER))
            } else {
                Recorded::Dead
            }
        }
    }
}

fn shorten(reason: &str) -> String {
    // PostgreSQL's TEXT takes no NUL.
    let clean = reason.chars().filter(|character| *character != '\0');
    clean.take(LONGEST_REASON).collect()
}
