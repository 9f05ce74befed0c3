//! The connections of a database. Whoever reads outside a transaction uses it as sqlx's pool; what is behind is that a
//! connection which became useless does not come back, and that a pool which has none to give says why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{BoxStream, StreamExt as _};
use metrics::Gauge;
use sqlx::any::{
    AnyConnectOptions, AnyPoolOptions, AnyQueryResult, AnyRow, AnyStatement, AnyTransactionManager,
    AnyTypeInfo,
};
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Either, Error, Execute, Executor, SqlStr};
use sqlx_core::ext::async_stream::TryAsyncStream;
use sqlx_core::transaction::TransactionManager as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::session::told;
use super::vitals::Vitals;
use super::warm::{Lent, SURELY_ALIVE, Warm};
use super::{Cause, Session};

/// How long a caller waits for a connection before it is told "unavailable".
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a piece of work may wait for a server. Longer than a lock may be waited for; the limits that the server keeps
/// are of no use when it is the path to it that is gone.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long a connection may take to say that it lives, and a server to say why it takes no new one.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// See the module. An executor of sqlx, by `&`.
#[derive(Debug, Clone)]
pub struct Pool {
    inner: AnyPool,
    vitals: Arc<Vitals>,
    replaceable: bool,
    /// One for each connection there may be: whoever has a permit finds one that nobody uses.
    permits: Arc<Semaphore>,
    warm: Arc<Warm>,
    /// Whether somebody asks already why there is no connection.
    asking_why: Arc<AtomicBool>,
    in_use: Gauge,
    idle: Gauge,
}

impl Pool {
    /// Of connections that can be replaced by new ones.
    pub(super) fn replaceable(options: AnyPoolOptions, to: AnyConnectOptions, vitals: &Arc<Vitals>) -> Self {
        let (before, after) = (Arc::clone(vitals), Arc::clone(vitals));
        let options = options
            .acquire_timeout(PATIENCE)
            // Below, with an end.
            .test_before_acquire(false)
            .before_acquire(move |connection, used| {
                let vitals = Arc::clone(&before);
                Box::pin(async move {
                    if vitals.is_suspect(used.age) {
                        return Ok(false);
                    }
                    if used.idle_for <= SURELY_ALIVE || lives(connection, SIGN_OF_LIFE).await {
                        return Ok(true);
                    }
                    // The path to the server is lost, or its end: the others share it.
                    vitals.suspect_all();
                    Ok(false)
                })
            })
            // Asked once more as it is given back, as the pool itself does, but with an end: a connection that never answers
            // would keep its place for ever. A transaction that could not be undone shows only now.
            .after_release(move |connection, used| {
                let vitals = Arc::clone(&after);
                Box::pin(async move {
                    Ok(!vitals.is_suspect(used.age)
                        && lives(connection, PATIENCE).await
                        && AnyTransactionManager::get_transaction_depth(connection) == 0)
                })
            });
        Self::of(options.connect_lazy_with(to), vitals, true)
    }

    /// Of the one connection that is a database in memory.
    pub(super) fn in_memory(options: AnyPoolOptions, to: AnyConnectOptions, vitals: &Arc<Vitals>) -> Self {
        let options = options.acquire_timeout(PATIENCE).test_before_acquire(false);
        Self::of(options.connect_lazy_with(to), vitals, false)
    }

    fn of(inner: AnyPool, vitals: &Arc<Vitals>, replaceable: bool) -> Self {
        let gauge = |state: &'static str| {
            let service = vitals.service().to_owned();
            metrics::gauge!("phasegate_database_connections", "service" => service, "state" => state)
        };
        let most = inner.options().get_max_connections();
        gauge("most").set(most);
        let (in_use, idle) = (gauge("in_use"), gauge("idle"));
        let permits = Arc::new(Semaphore::new(most.try_into().unwrap_or(1)));
        Self {
            inner,
            vitals: Arc::clone(vitals),
            replaceable,
            permits,
            warm: Arc::new(Warm::new()),
            asking_why: Arc::default(),
            in_use,
            idle,
        }
    }

    /// A connection.
    pub(super) async fn session(&self) -> Result<Session, Error> {
        let acquired = self.acquire().await;
        self.count();
        match acquired {
            Ok((lent, permit)) => {
                let (warm, vitals) = (Arc::clone(&self.warm), Arc::clone(&self.vitals));
                Ok(Session::new(lent, permit, warm, vitals, self.replaceable))
            }
            Err(Error::PoolTimedOut) => {
                self.ask_why();
                Err(Error::PoolTimedOut)
            }
            Err(error) => {
                if let Some(cause) = Cause::of(&error) {
                    self.vitals.failed(cause, &told(&error));
                }
                Err(error)
            }
        }
    }

    async fn acquire(&self) -> Result<(Lent, OwnedSemaphorePermit), Error> {
        let waited = tokio::time::timeout(PATIENCE, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = waited.map_err(|_| Error::PoolTimedOut)?.map_err(|_| Error::PoolClosed)?;
        let lent = match self.warm.take(|age| self.vitals.is_suspect(age)) {
            Some(lent) => lent,
            None => Lent { connection: self.inner.acquire().await?, since: Instant::now() },
        };
        Ok((lent, permit))
    }

    /// A connection in a transaction. BEGIN has no effect, so where it met a broken connection (a server that went away leaves
    /// them in the pool) it is said again on another one, until none of the old ones can be left.
    pub(super) async fn begin(&self, statement: &'static str) -> Result<Session, Error> {
        let mut tries = self.most();
        loop {
            let mut session = self.session().await?;
            match session.begin(statement).await {
                Ok(()) => return Ok(session),
                Err(error) if tries > 0 && Cause::of(&error).is_some_and(Cause::ends_with_its_connection) => {
                }
                Err(error) => return Err(error),
            }
            tries -= 1;
        }
    }

    /// How many connections there can be at once.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.inner.options().get_max_connections()
    }

    pub(super) async fn close(&self) {
        self.warm.close();
        self.inner.close().await;
    }

    /// The pool tries on while a server refuses it, and in the end knows only that it took too long: a connection of its own
    /// tells whether the server is away, gives no more, or would have given one.
    pub(super) fn ask_why(&self) {
        if !self.replaceable || self.asking_why.swap(true, Ordering::SeqCst) {
            return;
        }
        let (pool, to) = (self.clone(), self.inner.connect_options());
        tokio::spawn(async move {
            match tokio::time::timeout(SIGN_OF_LIFE, AnyConnection::connect_with(&to)).await {
                Ok(Ok(connection)) => {
                    let most = pool.most();
                    if pool.permits.available_permits() == 0 {
                        pool.vitals.failed(Cause::PoolStarved, &format!("{most} of {most}"));
                    }
                    connection.close().await.ok();
                }
                Ok(Err(error)) => {
                    let cause = Cause::of(&error).unwrap_or(Cause::Unreachable);
                    pool.vitals.failed(cause, &told(&error));
                }
                Err(_) => pool.vitals.failed(Cause::Unreachable, "no answer to a new connection"),
            }
            pool.asking_why.store(false, Ordering::SeqCst);
        });
    }

    fn count(&self) {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        let in_use = self.most().saturating_sub(free);
        self.in_use.set(in_use);
        self.idle.set(self.inner.size().saturating_sub(in_use));
    }
}

/// Whether a connection answers, and in time.
async fn lives(connection: &mut AnyConnection, within: Duration) -> bool {
    matches!(tokio::time::timeout(within, connection.ping()).await, Ok(Ok(())))
}

impl<'p> Executor<'p> for &'p Pool {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        TryAsyncStream::new(|rows| async move {
            let mut session = self.session().await?;
            let mut steps = session.fetch_many(query);
            while let Some(step) = steps.try_next().await? {
                rows.r#yield(step).await;
            }
            Ok(())
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        async move { self.session().await?.fetch_optional(query).await }.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'p: 'e,
    {
        async move { self.session().await?.prepare_with(sql, parameters).await }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::Db;
    use super::*;

    /// What was left in the middle goes the way that asks it first.
    #[tokio::test]
    async fn only_a_connection_that_was_given_back_in_order_is_used_again_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("kit.sqlite").display());
        let db = Db::connect(&url, "kit", &[]).await.unwrap();
        let warm = || db.pool().warm.len();
        sqlx::query("SELECT 1").fetch_all(db.pool()).await.unwrap();
        assert_eq!(warm(), 1);
        sqlx::query("SELECT 1").fetch_optional(db.pool()).await.unwrap();
        assert_eq!(warm(), 1, "the same one");
        drop(db.begin().await.unwrap());
        assert_eq!(warm(), 0, "its transaction has to be undone");
        db.begin().await.unwrap().commit().await.unwrap();
        assert_eq!(warm(), 1);
        sqlx::query("SELECT nothing FROM nowhere").execute(db.pool()).await.unwrap_err();
        assert_eq!(warm(), 0, "after an error");
        let mut session = db.pool().session().await.unwrap();
        let mut rows = (&mut session).fetch_many("SELECT 1 UNION SELECT 2");
        rows.try_next().await.unwrap();
        drop(rows);
        drop(session);
        assert_eq!(warm(), 0, "there are rows left");
        let session = db.pool().session().await.unwrap();
        db.pool().warm.close();
        drop(session);
        assert_eq!(warm(), 0);
        db.close().now_or_never().unwrap_or_default();
    }

    /// The pool would want a task to take its connections back.
    #[test]
    fn a_database_may_be_dropped_where_no_runtime_is() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("kit.sqlite").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let db = runtime.block_on(async {
            let db = Db::connect(&url, "kit", &[]).await.unwrap();
            sqlx::query("SELECT 1").fetch_all(db.pool()).await.unwrap();
            db
        });
        assert_eq!(db.pool().warm.len(), 1);
        drop(db);
    }
}
