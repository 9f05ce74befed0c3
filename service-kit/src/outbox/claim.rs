//! Taking the heads of lanes that are due.

use std::time::Duration;

use shared_types::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Claim, Lease, lane};
use crate::db::{Db, DbError, Done, Tx, places, rows_of_places};
use crate::moment::Moment;
use domain::effects::RetrySchedule;

const DUE_LANES: &str = "SELECT lane FROM outbox_lanes \
     WHERE receiver = $1 AND next_at IS NOT NULL AND next_at <= $2 ORDER BY next_at LIMIT $3";

/// A leased row goes first even if an older one came back (a dead row that was retried): one at a time.
///
/// The oldest is looked for with `lane >= l.lane ORDER BY lane, seq`, and checked to be of the lane afterwards: only the
/// index of pending rows has that order. Asked for `lane = l.lane ORDER BY seq`, PostgreSQL may walk the primary key
/// through all that was ever done in a busy lane.
const HEADS: &str = "SELECT o.seq, o.id, o.dedup_key, o.lane, o.kind, o.subject, o.payload, o.retry, o.trace_parent, \
         o.state, o.next_at, o.leased_by, o.claims, o.step, o.failures, o.unknowns, o.kind_unknown_since, o.enqueued_at, \
         o.pace_ms \
     FROM outbox_lanes l JOIN outbox o ON o.lane = l.lane AND o.seq = COALESCE( \
         (SELECT b.seq FROM outbox b WHERE b.lane = l.lane AND b.state = 'leased'), \
         (SELECT p.seq FROM outbox p WHERE p.lane >= l.lane AND p.state IN ('ready', 'leased') \
             ORDER BY p.lane, p.seq LIMIT 1)) \
     WHERE l.lane IN ({lanes})";

/// Jumps from receiver to receiver: lanes that wait (escalations by the thousand) are not read.
const DUE_RECEIVERS: &str = "WITH RECURSIVE receivers (receiver) AS ( \
         SELECT MIN(receiver) FROM outbox_lanes WHERE next_at IS NOT NULL \
         UNION ALL \
         SELECT (SELECT MIN(l.receiver) FROM outbox_lanes l WHERE l.next_at IS NOT NULL AND l.receiver > r.receiver) \
         FROM receivers r WHERE r.receiver IS NOT NULL) \
     SELECT r.receiver, (SELECT MIN(l.next_at) FROM outbox_lanes l \
         WHERE l.next_at IS NOT NULL AND l.receiver = r.receiver) AS next_at \
     FROM receivers r WHERE r.receiver IS NOT NULL";

/// A receiver with work, and when its earliest lane is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueReceiver {
    pub receiver: String,
    pub next_at: Timestamp,
}

/// All receivers that have something to be done now or later, leased lanes included (their lease may run out).
///
/// # Errors
/// The database's.
pub async fn due_receivers(db: &Db) -> Result<Vec<DueReceiver>, DbError> {
    let rows = sqlx::query(DUE_RECEIVERS).fetch_all(db.pool()).await?;
    rows.iter()
        .map(|row| {
            Ok(DueReceiver {
                receiver: row.try_get("receiver")?,
                next_at: Timestamp::from_millis(row.try_get("next_at")?),
            })
        })
        .collect()
}

/// Claims the heads of up to `limit` due lanes of one receiver, each for as long as `lease` says of its kind. Replicas
/// pass over each other's lanes.
///
/// # Errors
/// The database's.
pub async fn claim(
    db: &Db,
    worker: &str,
    receiver: &str,
    limit: u32,
    lease: &(dyn Fn(&str) -> Duration + Send + Sync),
    now: Timestamp,
) -> Result<Vec<Claim>, DbError> {
    let begun = Begun { now, moment: Moment::now() };
    claim_each(db, worker, &[(receiver.to_owned(), limit)], lease, begun).await
}

/// When claiming began: by the clock that leases are written by, and by the machine's, not later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) now: Timestamp,
    pub(super) moment: Moment,
}

/// As [`claim`], of several receivers with a limit each, in one transaction: what an event has caused at once is begun
/// at once, and does not queue behind the synced commits of each other's claims.
///
/// # Errors
/// The database's.
pub(super) async fn claim_each(
    db: &Db,
    worker: &str,
    wanted: &[(String, u32)],
    lease: &(dyn Fn(&str) -> Duration + Send + Sync),
    begun: Begun,
) -> Result<Vec<Claim>, DbError> {
    let mut tx = db.begin().await?;
    let due = format!("{DUE_LANES}{}", db.skip_locked());
    let mut claims = Vec::new();
    for (receiver, limit) in wanted {
        let lanes: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(due.clone()))
            .bind(receiver.as_str())
            .bind(begun.now.as_millis())
            .bind(i64::from(*limit))
            .fetch_all(&mut *tx)
            .await?;
        let lanes: Vec<&str> = lanes.iter().map(|(name,)| name.as_str()).collect();
        for lanes in lanes.chunks(lane::AT_ONCE) {
            claims.extend(claim_heads(&mut tx, db, worker, lanes, lease, begun).await?);
        }
    }
    tx.commit().await?;
    Ok(claims)
}

/// Claims the heads of lanes whose rows the caller holds. Not those that are not due after all, nor one whose former
/// worker, whose lease has run out, is just recording the outcome: that one waits for the lane, so we do not for it.
async fn claim_heads(
    tx: &mut Tx<'_>,
    db: &Db,
    worker: &str,
    lanes: &[&str],
    lease: &(dyn Fn(&str) -> Duration + Send + Sync),
    begun: Begun,
) -> Result<Vec<Claim>, DbError> {
    let heads = HEADS.replace("{lanes}", &places(lanes.len()));
    let heads = AssertSqlSafe(heads + &db.skip_locked_of("o"));
    let heads = lanes.iter().fold(sqlx::query(heads), |query, lane| query.bind((*lane).to_owned()));
    let mut taken = Vec::new();
    for head in heads.fetch_all(&mut **tx).await? {
        if head.try_get::<i64, _>("next_at")? > begun.now.as_millis() {
            continue;
        }
        let length = lease(&head.try_get::<String, _>("kind")?);
        let (lease_until, lease) = (begun.now.plus(length), Lease::new(begun.moment, length));
        match read_claim(tx, &head, lease_until, lease) {
            Ok(claim) => taken.push((head, claim)),
            Err(error @ (DbError::Decode { .. } | DbError::Unreadable { .. })) if !error.is_unavailable() => {
                bury(tx, &head, &error, begun.now).await?;
            }
            Err(error) => return Err(error),
        }
    }
    take(tx, worker, &taken).await?;
    lane::refresh(tx, lanes).await?;
    // As long as each has waited: whoever has fewer slots than there are claims begins with the first.
    taken.sort_by_key(|(_, claim)| lanes.iter().position(|lane| *lane == claim.lane));
    Ok(taken.into_iter().map(|(_, claim)| claim).collect())
}

/// Holds a claim until `until`, and never for less than it was held. False if the row is not this worker's any more.
///
/// # Errors
/// The database's.
pub async fn renew(db: &Db, claim: &Claim, until: Timestamp) -> Result<bool, DbError> {
    let renewed = db.together(&claim.id, |mut tx, _| async move {
        let held = sqlx::query(
            "UPDATE outbox SET next_at = CASE WHEN next_at < $3 THEN $3 ELSE next_at END \
             WHERE id = $1 AND claims = $2 AND state = 'leased'",
        )
        .bind(claim.id.as_str())
        .bind(claim.fence)
        .bind(until.as_millis())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.touch_lane(&claim.lane);
        Ok((tx, if held == 1 { Done::Written(true) } else { Done::Nothing(false) }))
    });
    renewed.await?.ok_or(DbError::Busy)
}

async fn take(tx: &mut Tx<'_>, worker: &str, taken: &[(AnyRow, Claim)]) -> Result<(), DbError> {
    if taken.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE outbox SET state = 'leased', leased_by = v.column2, next_at = v.column3, claims = v.column4, \
             unknowns = v.column5, last_error = COALESCE(v.column6, last_error) \
         FROM (VALUES {}) AS v WHERE outbox.seq = v.column1",
        rows_of_places(taken.len(), 6)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (head, claim) in taken {
        let lost: Option<String> = head.try_get("leased_by")?;
        let lost = lost.map(|by| format!("the lease of {by} ran out: what came of it is unknown"));
        query = query
            .bind(head.try_get::<i64, _>("seq")?)
            .bind(worker.to_owned())
            .bind(claim.lease_until.as_millis())
            .bind(claim.fence)
            .bind(i64::from(claim.unknowns))
            .bind(lost);
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

/// A row that this version cannot read is dead, so that it holds up nobody.
async fn bury(tx: &mut Tx<'_>, head: &AnyRow, error: &DbError, now: Timestamp) -> Result<(), DbError> {
    // Which row it is the row says itself.
    let reason = match error {
        DbError::Unreadable { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    sqlx::query(
        "UPDATE outbox SET state = 'dead', leased_by = NULL, finished_at = $2, last_error = $3 WHERE seq = $1",
    )
    .bind(head.try_get::<i64, _>("seq")?)
    .bind(now.as_millis())
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn read_claim(tx: &Tx<'_>, row: &AnyRow, lease_until: Timestamp, lease: Lease) -> Result<Claim, DbError> {
    let (id, payload): (String, String) = (row.try_get("id")?, row.try_get("payload")?);
    let retry: RetrySchedule = tx.forms().read(&id, &row.try_get::<String, _>("retry")?)?;
    let leased = row.try_get::<String, _>("state")? == "leased";
    let ran_out = u32::from(leased);
    Ok(Claim {
        id,
        dedup_key: row.try_get("dedup_key")?,
        lane: row.try_get("lane")?,
        kind: row.try_get("kind")?,
        subject: row.try_get("subject")?,
        payload: serde_json::from_str(&payload).map_err(|error| DbError::decode("outbox payload", error))?,
        fence: row.try_get::<i64, _>("claims")? + 1,
        retry,
        step: count(row, "step")?,
        failures: count(row, "failures")?,
        unknowns: count(row, "unknowns")? + ran_out,
        kind_unknown_since: row.try_get::<Option<i64>, _>("kind_unknown_since")?.map(Timestamp::from_millis),
        enqueued_at: Timestamp::from_millis(row.try_get("enqueued_at")?),
        lease_until,
        lease,
        pace: Duration::from_millis(u64::try_from(row.try_get::<i64, _>("pace_ms")?).unwrap_or(0)),
        trace_parent: row.try_get("trace_parent")?,
    })
}

pub(super) fn count(row: &AnyRow, column: &str) -> Result<u32, DbError> {
    Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Claims cost the same however many rows are done, or wait in other lanes.
    #[tokio::test]
    async fn finding_work_reads_no_row_but_those_it_takes() {
        let db = Db::connect("sqlite::memory:", "kit", &[]).await.unwrap();
        for sql in [DUE_LANES.to_owned(), HEADS.replace("{lanes}", "$1, $2")] {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let plan = sqlx::query(explain).fetch_all(db.pool()).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
            let reads = |step: &&String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
            assert_eq!(steps.iter().filter(reads).count(), 0, "{steps:#?}");
        }
    }

    /// The same on PostgreSQL, whose planner goes by its statistics: a busy lane with a long history must not make
    /// it walk through all that was done.
    #[tokio::test]
    async fn a_busy_lane_with_a_long_history_is_searched_by_what_is_pending() {
        let database = phasegate_tests::postgres::TestDatabase::create().await;
        let db = Db::connect(database.url(), "kit", &[]).await.unwrap();
        for sql in [
            "INSERT INTO outbox (id, dedup_key, lane, kind, subject, payload, retry, state, due_at, next_at, claims, \
                 enqueued_at, finished_at) \
             SELECT n, n, CASE WHEN n % 2 = 0 THEN 'slack/#c' ELSE 'poll/' || n END, 'k', 's', '{}', '{}', \
                 CASE WHEN n % 20 = 1 THEN 'ready' ELSE 'done' END, n, n, 1, n, \
                 CASE WHEN n % 20 = 1 THEN NULL ELSE n END \
             FROM generate_series(1, 20000) AS n",
            "ANALYZE outbox",
        ] {
            sqlx::query(sql).execute(db.pool()).await.unwrap();
        }
        let explain = AssertSqlSafe(format!("EXPLAIN {}", HEADS.replace("{lanes}", "'slack/#c'")));
        let plan = sqlx::query(explain).fetch_all(db.pool()).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("outbox_pending") && plan.contains("outbox_one_lease_a_lane"), "{plan}");
    }
}
