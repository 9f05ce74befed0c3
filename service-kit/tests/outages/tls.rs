//! PostgreSQL over TLS, and a primary that is another one after a failover.

use phasegate_tests::postgres::{Cluster, TestDatabase};
use phasegate_tests::proxy::Proxy;
use phasegate_tests::tls::Authority;
use service_kit::causes::in_full;
use service_kit::db::{Db, DbSettings};
use tempfile::TempDir;

use crate::harness::*;

/// A server with a certificate for `127.0.0.1`, and its authority's in a file.
struct Secured {
    _cluster: Cluster,
    database: TestDatabase,
    folder: TempDir,
}

impl Secured {
    async fn start() -> Self {
        let authority = Authority::new();
        let identity = authority.signs(&["127.0.0.1"]);
        let cluster = tokio::task::spawn_blocking(move || Cluster::with_tls(&identity)).await.unwrap();
        let database = TestDatabase::create_in(&cluster).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ours.pem"), &authority.certificate).unwrap();
        std::fs::write(folder.path().join("other.pem"), Authority::new().certificate).unwrap();
        Self { _cluster: cluster, database, folder }
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let url = self.database.url().replace("127.0.0.1", host);
        format!("{url}?{}", parameters.replace("{folder}", &folder))
    }

    /// What the start of a service ends with.
    async fn refuses(&self, host: &str, parameters: &str) -> String {
        let url = self.url(host, parameters);
        let settings = DbSettings::usual(url.as_str(), "kit").unwrap();
        let refused = in_full(&Db::open(&settings, NOTES).await.map(drop).expect_err("it must not connect"));
        assert_eq!(refused.lines().count(), 1, "{refused}");
        refused
    }
}

/// OP-2: `verify-full` means it: the right authority and the right name, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn verify_full_takes_the_right_authority_and_name_and_refuses_any_other_in_one_line() {
    let secured = Secured::start().await;
    let db = open(&secured.url("127.0.0.1", "sslmode=verify-full&sslrootcert={folder}/ours.pem"), 2).await;
    note(&db, "over TLS").await.unwrap();
    let (encrypted,): (bool,) = sqlx::query_as("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert!(encrypted);

    let other = secured.refuses("127.0.0.1", "sslmode=verify-full&sslrootcert={folder}/other.pem").await;
    assert!(other.contains("UnknownIssuer; `sslrootcert` has to name its authority"), "{other}");
    let public = secured.refuses("127.0.0.1", "sslmode=verify-full").await;
    assert!(public.contains("UnknownIssuer"), "{public}");
    let name = secured.refuses("localhost", "sslmode=verify-full&sslrootcert={folder}/ours.pem").await;
    assert!(name.contains("localhost"), "{name}");
    let missing = secured.refuses("127.0.0.1", "sslmode=verify-full&sslrootcert={folder}/none.pem").await;
    assert!(missing.contains("No such file"), "{missing}");
    let slip = secured.refuses("127.0.0.1", "ssl_mode=verify-full").await;
    assert!(slip.contains("is `sslmode` meant?"), "{slip}");
}

/// OP-2: no fall back to a connection that anybody can read.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_where_it_is_asked_for() {
    let database = TestDatabase::create().await;
    let url = format!("{}?sslmode=verify-full", database.url());
    let refused =
        Db::open(&DbSettings::usual(url.as_str(), "kit").unwrap(), NOTES).await.map(drop).unwrap_err();
    let refused = in_full(&refused);
    assert!(refused.contains("TLS") && refused.lines().count() == 1, "{refused}");
}

/// OP-1, OP-2: after a failover the name leads to another server. The old one still answers, and takes no writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_moved_is_followed_by_its_name() {
    let clusters = tokio::task::spawn_blocking(|| [Cluster::start(), Cluster::start()]).await.unwrap();
    let old = TestDatabase::create_in(&clusters[0]).await;
    let server = |cluster: &Cluster| {
        let url = cluster.url();
        url.rsplit(['@', '/']).nth(1).unwrap().parse::<std::net::SocketAddr>().unwrap()
    };
    let (before, after) = (server(&clusters[0]), server(&clusters[1]));
    let through = |at: std::net::SocketAddr, url: &str| url.replace(&before.to_string(), &at.to_string());
    let name = old.url().rsplit_once('/').unwrap().1.to_owned();
    let mut promoted = Admin::at(&clusters[1].url()).await;
    promoted.does(format!("CREATE DATABASE \"{name}\"")).await;
    // The replica has what the primary had.
    let replica = open(&through(after, old.url()), 1).await;
    replica.close().await;

    let proxy = Proxy::start(vec![before]).await;
    let db = open(&through(proxy.address(), old.url()), 4).await;
    fill(&db).await;
    note(&db, "before").await.unwrap();
    let mut demoted = Admin::of(&old).await;
    demoted.does("ALTER SYSTEM SET default_transaction_read_only = on").await;
    demoted.does("SELECT pg_reload_conf()").await;
    while note(&db, "not yet told").await.is_ok() {
        tokio::task::yield_now().await;
    }
    not_ready_for(&db, "it takes no writes").await;
    proxy.lead_to(vec![after]);
    stores_soon(&db).await;
    fill(&db).await;

    let mut moved = Admin::at(&through(after, old.url())).await;
    assert!(moved.counts("kit.notes").await >= 1, "what is stored now is stored there");
    let left = Admin::of(&old).await.counts("kit.notes").await;
    note(&db, "after").await.unwrap();
    assert_eq!(Admin::of(&old).await.counts("kit.notes").await, left, "and not where it was");
}
