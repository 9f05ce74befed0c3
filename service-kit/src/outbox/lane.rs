//! When each lane wants a worker next.
//!
//! `outbox_lanes` is what makes a claim cheap: one row a lane, so neither the done rows nor a failing lane's backlog
//! are ever read to find work. A row's lock also makes commits that touch one lane take turns. Locks are taken only by
//! [`crate::db::Tx::commit`], in the order of the lanes' names.

use shared_types::Timestamp;
use sqlx::AssertSqlSafe;

use crate::db::{DbError, Session};

/// Lanes are refreshed so many at a time: a statement has a limit to its parameters.
const AT_ONCE: usize = 100;

/// What stands before the first `/`.
pub(super) fn receiver_of(lane: &str) -> &str {
    lane.split_once('/').map_or(lane, |(receiver, _)| receiver)
}

/// A lane, and until when it rests, if an attempt has ended in it.
pub(crate) type Touched<'a> = (&'a str, Option<Timestamp>);

/// Sets when each of the lanes, which are in the order of their names, wants a worker next, from its rows and its rest.
pub(crate) async fn refresh(session: &mut Session, lanes: &[Touched<'_>]) -> Result<(), DbError> {
    for lanes in lanes.chunks(AT_ONCE) {
        refresh_some(session, lanes).await?;
    }
    Ok(())
}

/// The lanes' rows are locked by a statement of its own first, so that the second sees what the transactions before
/// this one committed.
async fn refresh_some(session: &mut Session, lanes: &[Touched<'_>]) -> Result<(), DbError> {
    let pairs: Vec<String> = (0..lanes.len()).map(|n| format!("(${}, ${})", 2 * n + 1, 2 * n + 2)).collect();
    let lock = format!(
        "INSERT INTO outbox_lanes (lane, receiver) VALUES {} \
         ON CONFLICT (lane) DO UPDATE SET receiver = excluded.receiver",
        pairs.join(", ")
    );
    let lock = lanes.iter().fold(sqlx::query(AssertSqlSafe(lock)), |query, (lane, _)| {
        query.bind((*lane).to_owned()).bind(receiver_of(lane).to_owned())
    });
    lock.execute(&mut *session).await?;
    for (lane, rests) in lanes {
        let Some(until) = rests else { continue };
        let rest = sqlx::query("UPDATE outbox_lanes SET rests_until = $2 WHERE lane = $1");
        rest.bind((*lane).to_owned()).bind(until.as_millis()).execute(&mut *session).await?;
    }
    let names: Vec<String> = (1..=lanes.len()).map(|n| format!("${n}")).collect();
    for statement in [SET_NEXT, KEEP_REST] {
        let sql = AssertSqlSafe(format!("{statement} IN ({})", names.join(", ")));
        let set = lanes.iter().fold(sqlx::query(sql), |query, (lane, _)| query.bind((*lane).to_owned()));
        set.execute(&mut *session).await?;
    }
    Ok(())
}

/// The head's time; how the head is looked for, `claim::HEAD` says.
const SET_NEXT: &str = "UPDATE outbox_lanes SET next_at = COALESCE( \
         (SELECT o.next_at FROM outbox o WHERE o.lane = outbox_lanes.lane AND o.state = 'leased'), \
         (SELECT o.next_at FROM outbox o WHERE o.lane = outbox_lanes.lane AND o.seq = ( \
             SELECT p.seq FROM outbox p WHERE p.lane >= outbox_lanes.lane AND p.state IN ('ready', 'leased') \
             ORDER BY p.lane, p.seq LIMIT 1))) \
     WHERE lane";

/// A lane that rests wants nobody before, whichever replica looks (NO-8).
const KEEP_REST: &str = "UPDATE outbox_lanes SET next_at = rests_until WHERE next_at < rests_until AND lane";

#[cfg(test)]
mod tests {
    use super::receiver_of;

    #[test]
    fn the_receiver_is_what_stands_before_the_first_slash() {
        assert_eq!(receiver_of("slack/#incident/x"), "slack");
        assert_eq!(receiver_of("pagerduty"), "pagerduty");
    }
}
