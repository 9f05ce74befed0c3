//! What is past its time goes, a piece at a time, until nothing is left of it.
//!
//! Each piece is a transaction of its own, short enough for every limit that a server sets to a statement, and after each
//! others have their turn for as long as it took: a day's rows of a large fleet go in minutes, and nobody waits for longer than
//! for one piece. Which rows those are a service's store says ([`Past`]). Several replicas share the work.

mod store;

use std::sync::Arc;
use std::time::Duration;

use domain::policy::Retention;
use shared_types::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::rules::{self, PolicyVersions};
use crate::seldom;

pub use store::Past;

/// Between two looks for what has come past its time.
const EVERY: Duration = Duration::from_secs(60);
/// Rows of a piece: some tens of milliseconds of the one writer that SQLite has.
const AT_ONCE: u32 = 1_000;
/// The pause after a piece that took no time that could be measured, and the longest one.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));

/// What a service keeps for as long as its policy says.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// What is past its time by now.
    pub past: fn(Retention, Timestamp) -> Vec<Past>,
    /// As [`rules::forget`] asks for it.
    pub older: &'static str,
}

/// As [`run`], by the policy in force, and the versions of the policy that nothing goes by any more.
pub async fn keep(
    db: Db,
    clock: Arc<dyn Clock>,
    versions: PolicyVersions,
    History { past, older }: History,
    stop: CancellationToken,
) {
    loop {
        let (keep, now) = (versions.current().policy.retention, clock.now());
        turn(&db, &past(keep, now), &stop).await;
        if let Err(error) = db.answered(rules::forget(&db, keep, now, older)).await {
            seldom!(warn, "old versions of the policy were not forgotten; trying on", &error);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Forgets what `past` names for the time it is given, again and again until `stop`.
pub async fn run(
    db: Db,
    clock: Arc<dyn Clock>,
    past: impl Fn(Timestamp) -> Vec<Past> + Send + Sync + 'static,
    stop: CancellationToken,
) {
    loop {
        turn(&db, &past(clock.now()), &stop).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Forgets all of it, one after the other in the order given, and returns how many rows went. What fails is told, is the
/// next turn's work, and keeps nothing else.
pub async fn turn(db: &Db, all: &[Past], stop: &CancellationToken) -> u64 {
    let mut gone = 0;
    for past in all {
        if let Err(error) = forget(db, past, stop, &mut gone).await {
            seldom!(warn, "rows past their time were not deleted; trying on", &error, table = past.table());
        }
    }
    gone
}

async fn forget(db: &Db, past: &Past, stop: &CancellationToken, gone: &mut u64) -> Result<(), DbError> {
    // Asked first: on SQLite nothing is locked while there is nothing to do.
    let Some(mut from) = db.answered(past.oldest(db)).await? else { return Ok(()) };
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let piece = db.answered(past.forget_some(db, from, AT_ONCE)).await?;
        *gone += piece.gone;
        match piece.newest {
            // As many as there may be: more may be left, and what stayed before them need not be looked at again.
            Some(newest) if piece.gone >= u64::from(AT_ONCE) => from = newest,
            _ => return Ok(()),
        }
        let pause = begun.elapsed().clamp(PAUSE.0, PAUSE.1);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}
