//! A pooler in transaction mode gives the statements of one session to whichever backend is free: prepared statements, the search
//! path, time-outs and the lock of migrations are then another session's. It is found at the start, not by the first failure.

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection as _, Error, Executor as _, Row as _};

/// A pooler that hands its backends out in turn may give the same one again by chance.
const LOOKS: usize = 3;

/// Whether one stands between us and the server. Two sessions can only ever have the same backend, and one session can only ever
/// change it, if somebody in between deals them out.
pub(super) async fn stands_before(to: &AnyConnectOptions, first: &mut AnyConnection) -> Result<bool, Error> {
    let own = backend(first).await?;
    let mut other = AnyConnection::connect_with(to).await?;
    // Held by its transaction, the backend is kept from the first session.
    other.execute("BEGIN").await?;
    let mut shared = backend(&mut other).await? == own;
    for _ in 0..LOOKS {
        shared = shared || backend(first).await? != own;
    }
    other.execute("ROLLBACK").await?;
    other.close().await.ok();
    Ok(shared)
}

/// Asked without a prepared statement, which such a pooler would lose.
async fn backend(connection: &mut AnyConnection) -> Result<i32, Error> {
    connection.fetch_one("SELECT pg_backend_pid()").await?.try_get(0)
}
