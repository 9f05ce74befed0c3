//! A PostgreSQL database of its own for each test.
//!
//! The server is the one `PHASEGATE_TEST_DATABASE_URL` names (its user must be allowed to create databases), or else a
//! private cluster a test process, made from the installed binaries and gone with the process however that ends.
//! Nothing here waits for a test's clock.

mod binaries;
mod cluster;

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub use cluster::Cluster;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

const SERVER_VARIABLE: &str = "PHASEGATE_TEST_DATABASE_URL";

/// An empty database, dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    name: String,
    /// Where to drop it; none on a test's own cluster, which goes as a whole.
    server: Option<String>,
}

impl TestDatabase {
    /// Makes one on the test process's server.
    ///
    /// # Panics
    /// With one line that says what to install or set, where there is no server to be had.
    pub async fn create() -> Self {
        let server = match std::env::var(SERVER_VARIABLE) {
            Ok(server) => server,
            Err(_) => tokio::task::spawn_blocking(shared_server_url)
                .await
                .unwrap_or_else(|_| panic!("no PostgreSQL server for the tests (see above)")),
        };
        let (name, url) = create_on(&server).await;
        Self { url, name, server: Some(server) }
    }

    /// Makes one on a cluster that the test may stop and start.
    ///
    /// # Panics
    /// The cluster does not answer.
    pub async fn create_in(cluster: &Cluster) -> Self {
        let (name, url) = create_on(&cluster.url()).await;
        Self { url, name, server: None }
    }

    /// For [`service_kit::db::Db::connect`] and `PHASEGATE_DATABASE_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else { return };
        let drop_it = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        // A runtime of its own: the test's one may be going down.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                if let Ok(mut connection) = AnyConnection::connect(&server).await {
                    connection.execute(AssertSqlSafe(drop_it)).await.ok();
                }
            });
        });
        dropping.join().ok();
    }
}

/// One of PostgreSQL's client programs: from beside the server's, else from PATH.
#[must_use]
pub fn client(program: &str) -> Command {
    Command::new(binaries::find().map_or_else(|| program.into(), |folder| folder.join(program)))
}

/// The private cluster's URL; started by the first test that asks.
fn shared_server_url() -> String {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start).url()
}

async fn create_on(server: &str) -> (String, String) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    service_kit::db::install_drivers();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("phasegate_test_{}_{number}", std::process::id());
    let mut connection = AnyConnection::connect(server).await.unwrap_or_else(|error| {
        panic!("the tests' PostgreSQL server does not answer (is {SERVER_VARIABLE} right?): {error}")
    });
    // A process of the same number may have been killed before it could drop its own.
    for sql in [
        format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"),
        format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'"),
    ] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap_or_else(|error| {
            panic!("the tests' PostgreSQL server makes no database: {error}");
        });
    }
    connection.close().await.ok();
    let url = with_database(server, &name);
    (name, url)
}

/// The URL with another database in its path.
fn with_database(server: &str, name: &str) -> String {
    let (address, parameters) = server.split_once('?').map_or((server, None), |(a, p)| (a, Some(p)));
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    let parameters = parameters.map_or(String::new(), |parameters| format!("?{parameters}"));
    format!("{}/{name}{parameters}", &address[..end])
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn the_database_is_put_into_the_url_s_path() {
        assert_eq!(with_database("postgres://u@h:5432/postgres", "x"), "postgres://u@h:5432/x");
        assert_eq!(with_database("postgres://u@h", "x"), "postgres://u@h/x");
        assert_eq!(with_database("postgres://h/a?sslmode=disable", "x"), "postgres://h/x?sslmode=disable");
    }
}
