//! When each lane wants a worker next.
//!
//! `outbox_lanes` is what makes a claim cheap: one row a lane, so neither the done rows nor a failing lane's backlog
//! are ever read to find work. A row's lock also makes commits that touch one lane take turns. Locks are taken only by
//! [`crate::db::Tx::commit`], in the order of the lanes' names.

use std::collections::BTreeMap;

use shared_types::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::db::{DbError, Session, places};

/// Lanes are refreshed so many at a time: a statement has a limit to its parameters.
pub(super) const AT_ONCE: usize = 100;

/// What stands before the first `/`.
pub(super) fn receiver_of(lane: &str) -> &str {
    lane.split_once('/').map_or(lane, |(receiver, _)| receiver)
}

/// A lane, and until when it rests, if an attempt has ended in it.
pub(crate) type Touched<'a> = (&'a str, Option<Timestamp>);

/// A lane as it stood when it was locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// None: nothing in it is pending.
    pub(super) next_at: Option<Timestamp>,
    pub(super) rests_until: Option<Timestamp>,
}

/// Locked lanes by their names.
pub(crate) type Standings = BTreeMap<String, Standing>;

/// Locks the lanes, which are in the order of their names, and has them rest. Done by statements of its own, so that those that
/// follow see what the transactions before this one committed.
///
/// # Errors
/// The database's.
pub(crate) async fn lock(session: &mut Session, lanes: &[Touched<'_>]) -> Result<Standings, DbError> {
    let mut standings = Standings::new();
    for lanes in lanes.chunks(AT_ONCE) {
        let sql = format!(
            "INSERT INTO outbox_lanes (lane, receiver, rests_until) VALUES {} \
             ON CONFLICT (lane) DO UPDATE SET receiver = excluded.receiver, \
                 rests_until = COALESCE(excluded.rests_until, outbox_lanes.rests_until) \
             RETURNING lane, next_at, rests_until",
            session.rows_of_places(lanes.len(), 3)
        );
        let lock = lanes.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, (lane, rests)| {
            query
                .bind((*lane).to_owned())
                .bind(receiver_of(lane).to_owned())
                .bind(rests.map(Timestamp::as_millis))
        });
        for row in lock.fetch_all(&mut *session).await? {
            let standing =
                Standing { next_at: time(&row, "next_at")?, rests_until: time(&row, "rests_until")? };
            standings.insert(row.try_get("lane")?, standing);
        }
    }
    Ok(standings)
}

/// Sets when each of the lanes, which the caller holds, wants a worker next, from its rows and its rest. Returns the earliest of
/// these times.
///
/// # Errors
/// The database's.
pub(crate) async fn refresh(session: &mut Session, lanes: &[&str]) -> Result<Option<Timestamp>, DbError> {
    let mut earliest = None;
    for lanes in lanes.chunks(AT_ONCE) {
        let sql = AssertSqlSafe(SET_NEXT.replace("{lanes}", &places(lanes.len())));
        let set = lanes.iter().fold(sqlx::query(sql), |query, lane| query.bind((*lane).to_owned()));
        for row in set.fetch_all(&mut *session).await? {
            let next = time(&row, "next_at")?;
            earliest = earliest.into_iter().chain(next).min();
        }
    }
    Ok(earliest)
}

fn time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, DbError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
}

/// The head's time, or the end of the lane's rest, which it has whichever replica looks (NO-8). How the head is looked for,
/// `claim::HEADS` says.
const SET_NEXT: &str = "UPDATE outbox_lanes SET next_at = \
         CASE WHEN head.next_at < outbox_lanes.rests_until THEN outbox_lanes.rests_until ELSE head.next_at END \
     FROM (SELECT l.lane, COALESCE( \
         (SELECT o.next_at FROM outbox o WHERE o.lane = l.lane AND o.state = 'leased'), \
         (SELECT o.next_at FROM outbox o WHERE o.lane = l.lane AND o.seq = ( \
             SELECT p.seq FROM outbox p WHERE p.lane >= l.lane AND p.state IN ('ready', 'leased') \
             ORDER BY p.lane, p.seq LIMIT 1))) AS next_at \
         FROM outbox_lanes l WHERE l.lane IN ({lanes})) AS head \
     WHERE outbox_lanes.lane = head.lane RETURNING outbox_lanes.next_at";

#[cfg(test)]
mod tests {
    use super::receiver_of;

    #[test]
    fn the_receiver_is_what_stands_before_the_first_slash() {
        assert_eq!(receiver_of("slack/#incident/x"), "slack");
        assert_eq!(receiver_of("pagerduty"), "pagerduty");
    }
}
