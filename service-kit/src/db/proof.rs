//! That something can be stored, seen by storing something (OP-1): a database that answers may take no writes.

use std::time::Duration;

use shared_types::one_line;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::vitals::Vitals;
use super::{DbError, Pool};
use crate::causes::in_full;

/// Looked at once for all who ask meanwhile.
const AS_OLD_AS: Duration = Duration::from_secs(1);
const WITHIN: Duration = Duration::from_millis(1_500);

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Proof(Mutex<Option<(Instant, Result<(), String>)>>);

impl Proof {
    /// Does `store` unless that was just done, and says how it went.
    pub(super) async fn of(
        &self,
        vitals: &Vitals,
        pool: &Pool,
        store: impl Future<Output = Result<(), DbError>>,
    ) -> Result<(), String> {
        let mut last = self.0.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < AS_OLD_AS
            && (found.is_err() || vitals.trouble().is_none())
        {
            return found.clone();
        }
        let found = match tokio::time::timeout(WITHIN, store).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(vitals.trouble().unwrap_or_else(|| one_line(&in_full(&error)))),
            Err(_) => {
                pool.ask_why();
                let unanswered = || format!("nothing was stored within {WITHIN:?}");
                Err(vitals.trouble().unwrap_or_else(unanswered))
            }
        };
        *last = Some((Instant::now(), found.clone()));
        found
    }
}
