//! Browser sessions that were ended before their time (SE-3).

use std::time::Duration;

use async_trait::async_trait;
use service_kit::auth::{EndedSessions, OpenSession, SESSION_LIFE};
use service_kit::db::{DbError, Tx};
use shared_types::Timestamp;

use super::Store;

/// Ended one by one, of a person at a time; one more ends all of hers, which is a single row.
const ENDED_EACH: i64 = 100;
/// A replica's clock may be behind the one that forgets.
const MARGIN: Duration = Duration::from_secs(3600);

#[async_trait]
impl EndedSessions for Store {
    async fn is_ended(&self, session: &OpenSession) -> Result<bool, DbError> {
        let sql = "SELECT COUNT(*) FROM ended_sessions WHERE id IN ($1, $2) AND opened_before > $3";
        let asked = sqlx::query_as(sql)
            .bind(of_session(session))
            .bind(of_person(&session.person))
            .bind(session.opened_at.as_millis())
            .fetch_one(self.db.pool());
        let (rows,): (i64,) = self.db.answered(async { Ok::<_, DbError>(asked.await?) }).await?;
        Ok(rows > 0)
    }

    async fn end(&self, session: &OpenSession, now: Timestamp) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        let sql = "SELECT COUNT(*) FROM ended_sessions WHERE person = $1";
        let (rows,): (i64,) = sqlx::query_as(sql).bind(session.person.as_str()).fetch_one(&mut *tx).await?;
        // A clock that is ahead has opened it; it ends all the same.
        let before = after(session.opened_at.max(now));
        if rows < ENDED_EACH {
            let forget_at = session.ends_at.plus(MARGIN);
            write(&mut tx, &of_session(session), &session.person, before, forget_at).await?;
        } else {
            let forget_at = before.plus(SESSION_LIFE + MARGIN);
            write(&mut tx, &of_person(&session.person), &session.person, before, forget_at).await?;
        }
        tx.commit().await
    }

    async fn end_all(&self, person: &str, now: Timestamp) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        let forget_at = now.plus(SESSION_LIFE + MARGIN);
        write(&mut tx, &of_person(person), person, after(now), forget_at).await?;
        tx.commit().await
    }
}

async fn write(
    tx: &mut Tx<'_>,
    id: &str,
    person: &str,
    opened_before: Timestamp,
    forget_at: Timestamp,
) -> Result<(), DbError> {
    let sql = "INSERT INTO ended_sessions (id, person, opened_before, forget_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (id) DO UPDATE SET opened_before = excluded.opened_before, forget_at = excluded.forget_at \
               WHERE ended_sessions.opened_before < excluded.opened_before";
    sqlx::query(sql)
        .bind(id)
        .bind(person)
        .bind(opened_before.as_millis())
        .bind(forget_at.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What was opened in the same millisecond belongs to it.
fn after(at: Timestamp) -> Timestamp {
    at.plus(Duration::from_millis(1))
}

fn of_session(session: &OpenSession) -> String {
    format!("session:{}", session.id)
}

fn of_person(person: &str) -> String {
    format!("person:{person}")
}
