//! The connections of a database. Whoever reads outside a transaction uses it as sqlx's pool; what is behind is that a
//! connection which became useless does not come back, and that a pool which has none to give says why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

use super::session::told;
use super::vitals::Vitals;
use super::{Cause, Session};

/// How long a caller waits for a connection before it is told "unavailable".
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that was used a moment ago is not asked whether it still lives: that would be a round trip before
/// every statement.
const SURELY_ALIVE: Duration = Duration::from_secs(1);
/// How long a connection may take to say that it lives, and a server to say why it takes no new one.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// See the module. An executor of sqlx, by `&`.
#[derive(Debug, Clone)]
pub struct Pool {
    inner: AnyPool,
    vitals: Arc<Vitals>,
    replaceable: bool,
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
        gauge("most").set(inner.options().get_max_connections());
        let (in_use, idle) = (gauge("in_use"), gauge("idle"));
        Self { inner, vitals: Arc::clone(vitals), replaceable, asking_why: Arc::default(), in_use, idle }
    }

    /// A connection.
    pub(super) async fn session(&self) -> Result<Session, Error> {
        let acquired = self.inner.acquire().await;
        self.count();
        match acquired {
            Ok(connection) => Ok(Session::new(connection, Arc::clone(&self.vitals), self.replaceable)),
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
                    if pool.inner.num_idle() == 0 && pool.inner.size() >= most {
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
        let idle = u32::try_from(self.inner.num_idle()).unwrap_or(u32::MAX);
        let open = self.inner.size();
        self.in_use.set(open.saturating_sub(idle));
        self.idle.set(idle.min(open));
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
