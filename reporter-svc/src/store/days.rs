//! What each day's windows came to: kept with every decision, so that a chart of a year reads days and not windows.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::story::days::{DAY, DaySums, Figures, Worst};
use service_kit::db::{DbError, Tx};
use shared_types::days::{DayTotals, DayWindows};
use shared_types::decision::Direction;
use shared_types::{Decision, TargetName, Timestamp, Window};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Store, rows, targets};

/// Decisions of one transaction that are counted late.
const AT_ONCE: u32 = 500;

impl Store {
    /// The days of a target that begin in a time, the oldest first.
    pub async fn days(&self, target: &TargetName, time: Window) -> Result<Vec<DayTotals>, DbError> {
        self.count_uncounted(target).await?;
        let found = sqlx::query(
            "SELECT day, metric, ok, warn, unsure, violation, insufficient, alarms, stale, rollback_required, \
                 worst, threshold, at_least, unit \
             FROM days WHERE target = $1 AND day >= $2 AND day < $3",
        )
        .bind(target.as_str())
        .bind(time.start.as_millis())
        .bind(time.end.as_millis())
        .fetch_all(self.db.pool())
        .await?;
        let mut sums = DaySums::default();
        for row in &found {
            sums.add(rows::time(row, "day")?, row.try_get("metric")?, figures(row)?);
        }
        Ok(sums.told(&self.incidents_by_day(target, time).await?))
    }

    async fn incidents_by_day(
        &self,
        target: &TargetName,
        time: Window,
    ) -> Result<BTreeMap<Timestamp, u64>, DbError> {
        let found: Vec<(i64,)> = sqlx::query_as(
            "SELECT opened_at FROM incidents WHERE target = $1 AND opened_at >= $2 AND opened_at < $3",
        )
        .bind(target.as_str())
        .bind(time.start.as_millis())
        .bind(time.end.as_millis())
        .fetch_all(self.db.pool())
        .await?;
        let mut days = BTreeMap::new();
        for (at,) in found {
            *days.entry(Timestamp::from_millis(at).align_down(DAY)).or_default() += 1;
        }
        Ok(days)
    }

    /// Counts what replicas of the release before took in, each decision once; nearly always there is none.
    async fn count_uncounted(&self, target: &TargetName) -> Result<(), DbError> {
        let any = "SELECT id FROM decisions WHERE target = $1 AND counted = 0 LIMIT 1";
        while sqlx::query(any).bind(target.as_str()).fetch_optional(self.db.pool()).await?.is_some() {
            let mut tx = self.db.begin().await?;
            // Whoever takes a decision in, or counts late, holds the target's row: none is counted twice.
            targets::lock(&self.db, &mut tx, target).await?;
            count_some(&mut tx, target).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// The oldest that are not counted.
async fn count_some(tx: &mut Tx<'_>, target: &TargetName) -> Result<(), DbError> {
    let found: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT id, body, stale, window_start FROM decisions WHERE target = $1 AND counted = 0 \
         ORDER BY window_start, id LIMIT $2",
    )
    .bind(target.as_str())
    .bind(i64::from(AT_ONCE))
    .fetch_all(&mut **tx)
    .await?;
    let Some((last, _, _, start)) = found.last() else { return Ok(()) };
    let mut sums = DaySums::default();
    for (id, body, stale, _) in &found {
        sums.take(&tx.forms().read_wire(id, body)?, *stale != 0);
    }
    add(tx, target, &sums);
    sqlx::query(
        "UPDATE decisions SET counted = 1 WHERE target = $1 AND counted = 0 AND (window_start, id) <= ($2, $3)",
    )
    .bind(target.as_str())
    .bind(*start)
    .bind(last.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Of a decision that is new; the caller holds the target's row.
pub(super) fn count(tx: &mut Tx<'_>, decision: &Decision, stale: bool) {
    let mut sums = DaySums::default();
    sums.take(decision, stale);
    add(tx, &decision.target, &sums);
}

const COLUMNS: &[&str] = &[
    "target",
    "day",
    "metric",
    "ok",
    "warn",
    "unsure",
    "violation",
    "insufficient",
    "alarms",
    "stale",
    "rollback_required",
    "worst",
    "threshold",
    "at_least",
    "unit",
];

/// What is added: the counts, and of the worst values the one that is furthest beyond its limit.
const ADDED: &str = "ON CONFLICT (target, day, metric) DO UPDATE SET ok = days.ok + excluded.ok, \
         warn = days.warn + excluded.warn, unsure = days.unsure + excluded.unsure, \
         violation = days.violation + excluded.violation, \
         insufficient = days.insufficient + excluded.insufficient, \
         alarms = days.alarms + excluded.alarms, stale = days.stale + excluded.stale, \
         rollback_required = days.rollback_required + excluded.rollback_required, \
         worst = CASE WHEN {worse} THEN excluded.worst ELSE days.worst END, \
         threshold = CASE WHEN {worse} THEN excluded.threshold ELSE days.threshold END, \
         at_least = CASE WHEN {worse} THEN excluded.at_least ELSE days.at_least END, \
         unit = CASE WHEN {worse} THEN excluded.unit ELSE days.unit END";
const WORSE: &str = "days.worst IS NULL \
         OR excluded.at_least = 0 AND excluded.worst - excluded.threshold > days.worst - days.threshold \
         OR excluded.at_least = 1 AND excluded.worst - excluded.threshold < days.worst - days.threshold";

/// As [`DaySums::add`] says it. The sums hold each day and metric once, and a transaction adds to a target once: a statement changes
/// no row twice.
fn add(tx: &mut Tx<'_>, target: &TargetName, sums: &DaySums) {
    static ADDING: LazyLock<String> = LazyLock::new(|| ADDED.replace("{worse}", WORSE));
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX).into();
    for (day, metric, Figures { windows, worst }) in sums.iter() {
        let DayWindows { ok, warn, unsure, violation, insufficient, alarms, stale, rollback_required } =
            *windows;
        let worst = worst.as_ref();
        let row = vec![
            target.as_str().into(),
            day.as_millis().into(),
            rows::storable(metric).into(),
            number(ok),
            number(warn),
            number(unsure),
            number(violation),
            number(insufficient),
            number(alarms),
            number(stale),
            number(rollback_required),
            worst.and_then(|it| it.observed).into(),
            worst.map(|it| it.threshold).into(),
            worst.map_or(0, |it| i64::from(it.direction == Direction::AtLeast)).into(),
            rows::storable(worst.map_or("", |it| &it.unit)).into(),
        ];
        tx.upsert("days", COLUMNS, row, &ADDING);
    }
}

fn figures(row: &AnyRow) -> Result<Figures, DbError> {
    let windows = DayWindows {
        ok: rows::count(row, "ok")?,
        warn: rows::count(row, "warn")?,
        unsure: rows::count(row, "unsure")?,
        violation: rows::count(row, "violation")?,
        insufficient: rows::count(row, "insufficient")?,
        alarms: rows::count(row, "alarms")?,
        stale: rows::count(row, "stale")?,
        rollback_required: rows::count(row, "rollback_required")?,
    };
    let direction = if rows::count(row, "at_least")? == 1 { Direction::AtLeast } else { Direction::AtMost };
    let threshold: Option<f64> = row.try_get("threshold")?;
    let (observed, unit) = (row.try_get("worst")?, row.try_get("unit")?);
    let worst = threshold.map(|threshold| Worst { observed, threshold, unit, direction });
    Ok(Figures { windows, worst })
}
