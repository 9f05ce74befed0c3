//! Connections that were given back in order, to be used again at once. The pool beneath asks each whether it lives when it is
//! given back, twice, which is a round trip each: as dear as the statement it was taken for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Any;
use sqlx::pool::PoolConnection;
use tokio::runtime::Handle;

/// One that was used a moment ago is not asked whether it still lives.
pub(super) const SURELY_ALIVE: Duration = Duration::from_secs(1);
/// The pool is to see each now and then: it closes those that are too old.
const WARM_AT_MOST: Duration = Duration::from_secs(300);

/// A connection, and since when the pool has not seen it.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) connection: PoolConnection<Any>,
    pub(super) since: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Warm(Mutex<Option<Vec<GivenBack>>>);

#[derive(Debug)]
struct GivenBack {
    lent: Lent,
    at: Instant,
}

impl Warm {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }

    /// The one that was used last, if that was just now and it is not `suspect`.
    pub(super) fn take(&self, suspect: impl Fn(Duration) -> bool) -> Option<Lent> {
        let newest = self.lock().as_mut()?.pop()?;
        let usable = newest.at.elapsed() <= SURELY_ALIVE && !suspect(newest.lent.since.elapsed());
        // Any other one goes back to the pool, which asks it.
        usable.then_some(newest.lent)
    }

    /// Keeps it for the next one. What nobody has used for a while, or for too long in all, goes back to the pool.
    pub(super) fn give_back(&self, lent: Lent) {
        let old = {
            let mut kept = self.lock();
            let Some(kept) = kept.as_mut() else { return };
            let old = kept.iter().take_while(|it| it.at.elapsed() > SURELY_ALIVE).count();
            let old: Vec<GivenBack> = kept.drain(..old).collect();
            if lent.since.elapsed() <= WARM_AT_MOST {
                kept.push(GivenBack { lent, at: Instant::now() });
            }
            old
        };
        drop(old);
    }

    /// Keeps none any more.
    pub(super) fn close(&self) {
        let kept = self.lock().take();
        drop(kept);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<GivenBack>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().as_ref().map_or(0, Vec::len)
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        if Handle::try_current().is_ok() {
            return;
        }
        // The pool takes back only where a runtime is; without one they are closed.
        for GivenBack { lent, .. } in self.lock().take().into_iter().flatten() {
            drop(lent.connection.detach());
        }
    }
}
