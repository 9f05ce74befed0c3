//! Makes a replica's transactions stop at the scheduler's boundaries.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use service_kit::db::{Boundary, DbError, Probe};

use crate::boundary::Kind;
use crate::scheduler::Scheduler;

/// See the module.
pub struct Stops {
    pub scheduler: Scheduler,
    /// Set with every commit: what is due may have changed.
    pub changed: Arc<AtomicBool>,
}

impl fmt::Debug for Stops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stops")
    }
}

#[async_trait]
impl Probe for Stops {
    async fn at(&self, boundary: Boundary) -> Result<(), DbError> {
        let kind = match boundary {
            Boundary::Begin => Kind::Begin,
            Boundary::Commit => Kind::Commit,
            Boundary::Committed => Kind::Committed,
        };
        if boundary == Boundary::Committed {
            self.changed.store(true, Ordering::SeqCst);
        }
        self.scheduler.boundary(kind, "").await.map_err(|()| DbError::Busy)
    }
}
