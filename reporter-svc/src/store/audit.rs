//! The audit log's table (GO-4): rows are put at a stream's end and read, never changed.
//!
//! Whoever appends holds the stream's lock: the target's row, or for the service's own stream the row of
//! `audit_locks`. So `seq` has no gaps and each row is chained to the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::audit::AuditDraft;
use serde_json::Value;
use service_kit::db::{Db, DbError, Tx};
use shared_types::audit::{SERVICE_STREAM, stream_of};
use shared_types::{Actor, AuditEntry, IncidentId, TargetName, Timestamp, Via};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::{count, text, time};
use super::{AuditAfter, AuditFilter, Store, audit_streams, targets};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is kept of a row. [`entry`] takes them by name, [`append`] brings them in this order.
const COLUMNS: &[&str] = &[
    "stream",
    "seq",
    "at",
    "actor",
    "roles",
    "via",
    "verified",
    "action",
    "target",
    "subject",
    "detail",
    "prev_hash",
    "hash",
];

impl Store {
    /// Writes a row of the audit log for an act that changes no machine: into the stream of `target`, or, where there
    /// is none or it is not known, into the service's (GO-4).
    pub async fn note(
        &self,
        target: Option<&TargetName>,
        act: AuditDraft,
        now: Timestamp,
    ) -> Result<AuditEntry, DbError> {
        let mut tx = self.db.begin().await?;
        let stream = lock(&self.db, &mut tx, target).await?;
        let mut appended = append(&mut tx, stream, vec![act], now).await?;
        tx.commit().await?;
        Ok(appended.entries.remove(0))
    }

    /// As [`Self::note`], unless the stream holds a row of that action and subject that says the same: what may be told
    /// more than once. Whether it was written.
    pub async fn note_once(
        &self,
        target: Option<&TargetName>,
        act: AuditDraft,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        self.note_new(target, act, None, now).await
    }

    /// As [`Self::note_once`], and no more than so many of that action a day in the stream, which nothing is ever taken out
    /// of: what a caller can bring about as often as it likes.
    pub async fn note_at_most(
        &self,
        target: Option<&TargetName>,
        act: AuditDraft,
        a_day: u32,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        self.note_new(target, act, Some(a_day), now).await
    }

    async fn note_new(
        &self,
        target: Option<&TargetName>,
        act: AuditDraft,
        a_day: Option<u32>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let mut tx = self.db.begin().await?;
        let stream = lock(&self.db, &mut tx, target).await?;
        if holds(&mut tx, stream, &act).await? {
            return Ok(false);
        }
        if let Some(most) = a_day {
            let sql = "SELECT COUNT(*) FROM audit WHERE stream = $1 AND action = $2 AND at > $3";
            let rows = sqlx::query_as(sql).bind(stream_of(stream)).bind(act.action.as_str());
            let (rows,): (i64,) = rows.bind(now.minus(DAY).as_millis()).fetch_one(&mut *tx).await?;
            if rows >= i64::from(most) {
                return Ok(false);
            }
        }
        append(&mut tx, stream, vec![act], now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Rows, newest first.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditAfter>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, DbError> {
        let texts = [
            ("stream", filter.stream.as_deref()),
            ("actor", filter.actor.as_deref()),
            ("action", filter.action.as_deref()),
            ("subject", filter.subject.as_deref()),
        ];
        let times = [("at >=", filter.from), ("at <", filter.to)];
        let mut sql = format!("{} WHERE 1 = 1", select());
        let mut next = 2;
        let mut place = || {
            next += 1;
            next - 1
        };
        for (column, _) in texts.iter().filter(|it| it.1.is_some()) {
            sql.push_str(&format!(" AND {column} = ${}", place()));
        }
        for (comparison, _) in times.iter().filter(|it| it.1.is_some()) {
            sql.push_str(&format!(" AND {comparison} ${}", place()));
        }
        if after.is_some() {
            sql.push_str(&format!(" AND (at, stream, seq) < (${}, ${}, ${})", place(), place(), place()));
        }
        sql.push_str(" ORDER BY at DESC, stream DESC, seq DESC LIMIT $1");
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(i64::from(limit));
        for text in texts.iter().filter_map(|it| it.1) {
            query = query.bind(text);
        }
        for time in times.iter().filter_map(|it| it.1) {
            query = query.bind(time.as_millis());
        }
        if let Some((at, stream, seq)) = after {
            query = query.bind(*at).bind(stream.as_str()).bind(*seq);
        }
        query.fetch_all(self.db.pool()).await?.iter().map(entry).collect()
    }

    /// The stream that comes after this one by name.
    pub async fn audit_stream_after(&self, stream: &str) -> Result<Option<String>, DbError> {
        let (found,): (Option<String>,) = sqlx::query_as("SELECT MIN(stream) FROM audit WHERE stream > $1")
            .bind(stream)
            .fetch_one(self.db.pool())
            .await?;
        Ok(found)
    }

    /// The last seq of each stream that has a row of `since` or later.
    pub async fn audit_heads(&self, since: Timestamp) -> Result<Vec<(String, u64)>, DbError> {
        // Bounded on both sides: of a range PostgreSQL expects few rows, of what is open a third of the table, and reads all of it.
        let sql = "SELECT stream, MAX(seq) FROM audit WHERE at >= $1 AND at <= $2 GROUP BY stream";
        let found: Vec<(String, i64)> =
            sqlx::query_as(sql).bind(since.as_millis()).bind(i64::MAX).fetch_all(self.db.pool()).await?;
        Ok(found.into_iter().map(|(stream, seq)| (stream, u64::try_from(seq).unwrap_or(0))).collect())
    }

    /// The last seq of a stream; 0 without rows.
    pub async fn audit_head(&self, stream: &str) -> Result<u64, DbError> {
        let row = sqlx::query("SELECT COALESCE(MAX(seq), 0) AS seq FROM audit WHERE stream = $1")
            .bind(stream)
            .fetch_one(self.db.pool())
            .await?;
        count(&row, "seq")
    }

    /// Rows of a stream from `seq` on, oldest first.
    pub async fn audit_piece(&self, stream: &str, seq: u64, limit: u32) -> Result<Vec<AuditEntry>, DbError> {
        let sql = format!("{} WHERE stream = $1 AND seq >= $2 ORDER BY seq LIMIT $3", select());
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(stream)
            .bind(i64::try_from(seq).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(self.db.pool())
            .await?;
        found.iter().map(entry).collect()
    }

    /// Rows of a target's stream that are about one of its incidents, since then, oldest first.
    pub async fn audit_of(
        &self,
        target: &TargetName,
        incident: &IncidentId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, DbError> {
        // What an act is about beside the incident, a decision or a command, stands in `subject`; the incident then in `detail`.
        let sql = format!(
            "{} WHERE stream = $1 AND at >= $2 AND (subject = $3 OR detail LIKE $4) ORDER BY seq LIMIT $5",
            select()
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(target.as_str())
            .bind(since.as_millis())
            .bind(incident.as_str())
            .bind(format!("%\"incident\":\"{incident}\"%"))
            .bind(i64::from(limit))
            .fetch_all(self.db.pool())
            .await?;
        found.iter().map(entry).collect()
    }
}

/// Locks the stream of a target, or, where there is none or it is not known, the service's.
pub(super) async fn lock<'a>(
    db: &Db,
    tx: &mut Tx<'_>,
    target: Option<&'a TargetName>,
) -> Result<Option<&'a TargetName>, DbError> {
    if let Some(target) = target
        && targets::lock(db, tx, target).await?
    {
        return Ok(Some(target));
    }
    let sql = format!("SELECT stream FROM audit_locks WHERE stream = $1{}", db.for_update());
    sqlx::query(AssertSqlSafe(sql)).bind(SERVICE_STREAM).fetch_one(&mut **tx).await?;
    Ok(None)
}

/// A query of rows, up to its conditions.
pub(super) fn select() -> String {
    format!("SELECT {} FROM audit", COLUMNS.join(", "))
}

/// Rows at the end of a stream.
pub(super) struct Appended {
    pub(super) entries: Vec<AuditEntry>,
    /// There were none before; the service's own stream is held then, too.
    pub(super) begins: bool,
}

/// Number and hash of a stream's last row; none: it has none.
pub(super) type End = Option<(u64, String)>;

/// The ends of streams that a transaction holds, with what it adds to them.
#[derive(Default)]
struct Ends(BTreeMap<String, End>);

/// What the caller, who holds the stream, has read with its lock.
pub(super) fn ends_with(tx: &mut Tx<'_>, target: &TargetName, end: End) {
    tx.memory::<Ends>().0.entry(target.to_string()).or_insert(end);
}

/// Puts acts at the end of a stream whose lock the caller holds.
pub(super) async fn append(
    tx: &mut Tx<'_>,
    target: Option<&TargetName>,
    acts: Vec<AuditDraft>,
    now: Timestamp,
) -> Result<Appended, DbError> {
    if acts.is_empty() {
        return Ok(Appended { entries: Vec::new(), begins: false });
    }
    let brought = tx.memory::<Ends>().0.get(stream_of(target)).cloned();
    let mut last = match brought {
        Some(known) => known,
        None => end(tx, target).await?,
    };
    let begins = last.is_none();
    if let (None, Some(target)) = (&last, target) {
        audit_streams::open(tx, target, now).await?;
    }
    let mut entries = Vec::with_capacity(acts.len());
    for mut act in acts {
        act.actor.name = storable_name(&act.actor.name);
        let entry = act.after(last, target, now);
        last = Some((entry.seq, entry.hash.clone()));
        let row = vec![
            entry.stream.as_str().into(),
            i64::try_from(entry.seq).unwrap_or(i64::MAX).into(),
            entry.at.as_millis().into(),
            entry.actor.name.as_str().into(),
            text("roles", &entry.actor.roles)?.into(),
            entry.actor.via.as_str().into(),
            i64::from(entry.actor.verified).into(),
            entry.action.as_str().into(),
            entry.target.as_deref().into(),
            entry.subject.as_deref().into(),
            entry.detail.to_string().into(),
            entry.prev_hash.as_str().into(),
            entry.hash.as_str().into(),
        ];
        tx.insert("audit", COLUMNS, row);
        entries.push(entry);
    }
    tx.memory::<Ends>().0.insert(stream_of(target).to_owned(), last);
    Ok(Appended { entries, begins })
}

async fn end(tx: &mut Tx<'_>, target: Option<&TargetName>) -> Result<End, DbError> {
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, hash FROM audit WHERE stream = $1 ORDER BY seq DESC LIMIT 1")
            .bind(stream_of(target))
            .fetch_optional(&mut **tx)
            .await?;
    Ok(last.map(|(seq, hash)| (u64::try_from(seq).unwrap_or(0), hash)))
}

/// Whether a stream, whose lock the caller holds, has a row of that action and subject that says the same.
pub(super) async fn holds(
    tx: &mut Tx<'_>,
    target: Option<&TargetName>,
    act: &AuditDraft,
) -> Result<bool, DbError> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT detail FROM audit WHERE action = $1 AND stream = $2 AND subject = $3")
            .bind(act.action.as_str())
            .bind(stream_of(target))
            .bind(act.subject.as_deref())
            .fetch_all(&mut **tx)
            .await?;
    Ok(rows.iter().any(|(detail,)| serde_json::from_str(detail).is_ok_and(|it: Value| it == act.detail)))
}

/// Names from outside must not be what a transaction fails for: PostgreSQL's TEXT takes no NUL, the table no empty one.
/// The rest of a row is made of checked names and of JSON, which escapes it.
fn storable_name(name: &str) -> String {
    if name.is_empty() { "unknown".to_owned() } else { name.replace('\0', "\u{fffd}") }
}

/// A row as it is. What somebody has made unreadable is kept as a text: then its hash does not fit, and the row is
/// named instead of the whole log being unreadable.
pub(super) fn entry(row: &AnyRow) -> Result<AuditEntry, DbError> {
    let json = |column: &str| -> Result<Value, DbError> {
        let text: String = row.try_get(column)?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    };
    let roles: BTreeSet<String> = match json("roles")? {
        Value::Array(roles) => roles.iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect(),
        other => BTreeSet::from([other.to_string()]),
    };
    Ok(AuditEntry {
        stream: row.try_get("stream")?,
        seq: count(row, "seq")?,
        at: time(row, "at")?,
        actor: Actor {
            name: row.try_get("actor")?,
            roles,
            via: Via::from(row.try_get::<String, _>("via")?),
            verified: row.try_get::<i64, _>("verified")? != 0,
        },
        action: row.try_get("action")?,
        target: row.try_get("target")?,
        subject: row.try_get("subject")?,
        detail: json("detail")?,
        prev_hash: row.try_get("prev_hash")?,
        hash: row.try_get("hash")?,
    })
}
