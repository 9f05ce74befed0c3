//! Versions that nothing goes by any more are forgotten, texts and all: a policy of many targets is long, and each change keeps another.

use std::time::Duration;

use domain::policy::Retention;
use shared_types::Timestamp;

use super::store;
use crate::db::{Db, DbError};

/// What comes late finds its version for so long after what was judged by it is gone.
const LONGER: Duration = Duration::from_secs(30 * 24 * 3600);

/// Forgets the versions that were over before all that is kept was judged; returns how many. `older` finds a row that was judged
/// before `$1` and is kept nevertheless: while there is one, all stay. With batches or decisions kept for ever, so are they.
///
/// # Errors
/// The database's.
pub async fn forget(db: &Db, keep: Retention, now: Timestamp, older: &'static str) -> Result<usize, DbError> {
    let Some((batches, decisions)) = keep.batches.zip(keep.decisions) else { return Ok(0) };
    let before = now.minus(batches.max(decisions).saturating_add(LONGER));
    let Some(in_force) = store::over_by(db, before).await? else { return Ok(0) };
    if store::is_any(db, older, before).await? {
        return Ok(0);
    }
    store::forget_before(db, in_force).await
}
