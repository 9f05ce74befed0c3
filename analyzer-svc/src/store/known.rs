//! What batches are judged with: their targets as they stand, what came under their keys before, and the batches of the same epoch
//! that a mean over time reaches back to. At the end of a window thousands of targets ask; those who ask at one time share three
//! reads.

use std::collections::HashMap;

use domain::gate::{EarlierBatch, GateState};
use service_kit::db::{DbError, rows_of_places};
use service_kit::gather::Gather;
use shared_types::{Epoch, TargetName, Timestamp};
use sqlx::AssertSqlSafe;

use super::{LONGEST_WINDOW, MOST_EARLIER, Receipt, Store, rows, signed};

/// Reads of so many are one.
pub(super) const MOST_AT_ONCE: usize = 64;

pub(super) type Asked = Gather<Wanted, Known>;

/// A batch that is to be judged.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub target: TargetName,
    pub epoch: Epoch,
    pub window_start: Timestamp,
    /// Batches that end after this are of use.
    pub since: Timestamp,
}

/// What it is judged with.
#[derive(Debug, Clone)]
pub struct Known {
    pub state: GateState,
    /// Of what came under its key.
    pub receipt: Option<Receipt>,
    /// The newest first.
    pub earlier: Vec<EarlierBatch>,
}

impl Store {
    /// The target is read first: what is read after it can only be newer, and then the commit fails.
    pub async fn known(&self, wanted: Wanted) -> Result<Known, DbError> {
        let known = self.asked.ask(wanted, |wanted| self.known_of(wanted)).await?;
        known.ok_or(DbError::Sqlx(sqlx::Error::RowNotFound))
    }

    async fn known_of(&self, wanted: Vec<Wanted>) -> Result<Vec<Known>, DbError> {
        let targets: Vec<TargetName> = wanted.iter().map(|it| it.target.clone()).collect();
        let states = self.targets(&targets).await?;
        let keys: Vec<_> = wanted.iter().map(|it| (it.target.clone(), it.window_start)).collect();
        let receipts = self.receipts(&keys).await?;
        let mut earlier = self.earlier(&wanted).await?;
        let known = states.into_iter().zip(keys).enumerate().map(|(number, (state, key))| Known {
            state,
            receipt: receipts.get(&key).cloned(),
            earlier: earlier.remove(&number).unwrap_or_default(),
        });
        Ok(known.collect())
    }

    /// What came under a batch's key, if anything.
    pub async fn receipt(
        &self,
        target: &TargetName,
        window_start: Timestamp,
    ) -> Result<Option<Receipt>, DbError> {
        let key = (target.clone(), window_start);
        Ok(self.receipts(std::slice::from_ref(&key)).await?.remove(&key))
    }

    async fn receipts(
        &self,
        keys: &[(TargetName, Timestamp)],
    ) -> Result<HashMap<(TargetName, Timestamp), Receipt>, DbError> {
        let sql = format!(
            "SELECT b.target, b.batch_hash, b.window_start_ms, b.window_end_ms, b.decision_id, b.received_at_ms \
             FROM (VALUES {}) AS v JOIN batches AS b ON b.target = v.column1 AND b.window_start_ms = v.column2",
            rows_of_places(keys.len(), 2)
        );
        let query = keys.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, (target, start)| {
            query.bind(target.as_str().to_owned()).bind(start.as_millis())
        });
        let mut receipts = HashMap::new();
        for row in query.fetch_all(self.db.pool()).await? {
            let receipt = rows::receipt(&row)?;
            receipts.insert((rows::target(&row)?, receipt.window.start), receipt);
        }
        Ok(receipts)
    }

    /// By the number of who wants them.
    async fn earlier(&self, wanted: &[Wanted]) -> Result<HashMap<usize, Vec<EarlierBatch>>, DbError> {
        if wanted.iter().all(|it| it.since >= it.window_start) {
            return Ok(HashMap::new());
        }
        let sql = format!(
            "SELECT v.column1 AS number, b.epoch, b.window_start_ms, b.window_end_ms, b.counters \
             FROM (VALUES {}) AS v JOIN batches AS b ON b.target = v.column2 AND b.epoch = v.column3 \
                 AND b.window_end_ms > v.column4 AND b.window_start_ms >= v.column5 AND b.window_start_ms < v.column6 \
             ORDER BY v.column1, b.window_end_ms DESC",
            rows_of_places(wanted.len(), 6)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (number, Wanted { target, epoch, window_start, since }) in wanted.iter().enumerate() {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            query = query.bind(number).bind(target.as_str().to_owned()).bind(signed(*epoch));
            query = query.bind(since.as_millis()).bind(since.minus(LONGEST_WINDOW).as_millis());
            query = query.bind(window_start.as_millis());
        }
        let mut earlier: HashMap<usize, Vec<EarlierBatch>> = HashMap::new();
        for row in query.fetch_all(self.db.pool()).await? {
            let number = usize::try_from(rows::number(&row, "number")?).unwrap_or(usize::MAX);
            let of_it = earlier.entry(number).or_default();
            if i64::try_from(of_it.len()).is_ok_and(|it| it < MOST_EARLIER) {
                of_it.push(rows::earlier(&row)?);
            }
        }
        Ok(earlier)
    }
}
