//! The streams of the audit log as a whole (OP-9): which were opened, how far they go, and how far each archive has held them.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{AuditDraft, streams};
use service_kit::db::{DbError, Tx};
use shared_types::audit::{AuditHead, SERVICE_STREAM};
use shared_types::story::Deed;
use shared_types::{AuditEntry, TargetName, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::count;
use super::{Store, audit};

/// Rows of the service's stream that name streams.
const NAMING: &str = "stream = '@service' AND action IN ($1, $2)";

const SPANS: &str = "SELECT s.stream, s.first_seq, s.last_seq, a.hash FROM ( \
         SELECT stream, MIN(seq) AS first_seq, MAX(seq) AS last_seq FROM audit \
         WHERE at >= $1 AND at < $2 GROUP BY stream) s \
     JOIN audit a ON a.stream = s.stream AND a.seq = s.last_seq ORDER BY s.stream";

impl Store {
    /// The streams that were opened; none: the log is of a release that opened none.
    pub async fn audit_opened(&self) -> Result<Option<BTreeSet<String>>, DbError> {
        let sql = format!("{} WHERE {NAMING} ORDER BY seq", audit::select());
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(Deed::StreamOpened.as_str())
            .bind(Deed::StreamsAdopted.as_str())
            .fetch_all(self.db.pool())
            .await?;
        let rows: Vec<AuditEntry> = rows.iter().map(audit::entry).collect::<Result<_, _>>()?;
        Ok(streams::opened(&rows))
    }

    /// Names the streams of a release that opened none, once, before any other is opened.
    pub async fn adopt_streams(&self, now: Timestamp) -> Result<(), DbError> {
        if self.audit_opened().await?.is_some() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        lock_service(&mut tx).await?;
        let adoption = adoption(&mut tx).await?;
        audit::append(&mut tx, None, adoption.into_iter().collect(), now).await?;
        tx.commit().await
    }

    /// First and last row of each stream, of rows in `[from, to)`.
    pub async fn audit_spans(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Vec<AuditHead>, DbError> {
        let found = sqlx::query(SPANS)
            .bind(from.map_or(i64::MIN, Timestamp::as_millis))
            .bind(to.map_or(i64::MAX, Timestamp::as_millis))
            .fetch_all(self.db.pool())
            .await?;
        found.iter().map(head).collect()
    }

    /// Up to which row this archive has held each stream.
    pub async fn archived(&self, archive: &str) -> Result<BTreeMap<String, u64>, DbError> {
        let found: Vec<(String, i64)> =
            sqlx::query_as("SELECT stream, seq FROM audit_archives WHERE archive = $1")
                .bind(archive)
                .fetch_all(self.db.pool())
                .await?;
        Ok(found.into_iter().map(|(stream, seq)| (stream, u64::try_from(seq).unwrap_or(0))).collect())
    }

    /// The archive holds each of the streams up to its row.
    pub async fn note_archived(&self, archive: &str, heads: &BTreeMap<String, u64>) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        for (stream, seq) in heads {
            sqlx::query(
                "INSERT INTO audit_archives (archive, stream, seq) VALUES ($1, $2, $3) \
                 ON CONFLICT (archive, stream) DO UPDATE SET seq = excluded.seq WHERE audit_archives.seq < excluded.seq",
            )
            .bind(archive)
            .bind(stream)
            .bind(i64::try_from(*seq).unwrap_or(i64::MAX))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }
}

/// Writes down that a target's stream begins, in the transaction of its first row, whose lock the caller holds.
pub(super) async fn open(tx: &mut Tx<'_>, target: &TargetName, now: Timestamp) -> Result<(), DbError> {
    lock_service(tx).await?;
    // Whichever release ran until now: what was there is named before what begins.
    let acts = adoption(tx).await?.into_iter().chain([streams::opening(target.as_str())]).collect();
    Box::pin(audit::append(tx, None, acts, now)).await.map(drop)
}

/// What names the streams that are there, if none was named yet. The caller holds the service's lock.
async fn adoption(tx: &mut Tx<'_>) -> Result<Option<AuditDraft>, DbError> {
    let named = sqlx::query(AssertSqlSafe(format!("SELECT seq FROM audit WHERE {NAMING} LIMIT 1")))
        .bind(Deed::StreamOpened.as_str())
        .bind(Deed::StreamsAdopted.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    if named.is_some() {
        return Ok(None);
    }
    let heads = sqlx::query(SPANS).bind(i64::MIN).bind(i64::MAX).fetch_all(&mut **tx).await?;
    let heads: Vec<AuditHead> = heads.iter().map(head).collect::<Result<_, _>>()?;
    let others = heads.iter().any(|head| head.stream != SERVICE_STREAM);
    Ok(others.then(|| streams::adoption(&heads)))
}

fn head(row: &AnyRow) -> Result<AuditHead, DbError> {
    Ok(AuditHead {
        stream: row.try_get("stream")?,
        first_seq: count(row, "first_seq")?,
        last_seq: count(row, "last_seq")?,
        hash: row.try_get("hash")?,
    })
}

/// An update, which on either engine holds the row until the end.
async fn lock_service(tx: &mut Tx<'_>) -> Result<(), DbError> {
    sqlx::query("UPDATE audit_locks SET stream = stream WHERE stream = $1")
        .bind(SERVICE_STREAM)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
