//! Whose tables are where, and who may make them.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use phasegate_tests::pooler::Pooler;
use phasegate_tests::postgres::TestDatabase;
use service_kit::db::{Db, DbError, DbSettings, Migration};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

const NOTES: &[Migration] = &[Migration {
    version: 100,
    name: "notes",
    postgres: "CREATE TABLE notes (id BIGINT PRIMARY KEY);",
    sqlite: "CREATE TABLE notes (id BIGINT PRIMARY KEY);",
}];

async fn does(url: &str, sql: impl Into<String>) {
    service_kit::db::install_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(sql.into())).await.unwrap();
    connection.close().await.unwrap();
}

fn as_role(url: &str, role: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let at = rest.split_once('@').map_or(rest, |(_, at)| at);
    format!("{scheme}://{role}:geheim@{at}")
}

/// OP-1: the service does its work with the rights that its work needs.
#[tokio::test]
async fn one_role_makes_the_tables_and_another_one_runs_the_service() {
    let database = TestDatabase::create().await;
    let name = database.url().rsplit_once('/').unwrap().1;
    let role = format!("runs_{name}");
    does(database.url(), format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'geheim'; CREATE SCHEMA kit")).await;
    let url = as_role(database.url(), &role);
    for (grant, reason) in [
        (None, "no schema has been selected"),
        (Some(format!("GRANT USAGE ON SCHEMA kit TO \"{role}\"")), "permission denied for schema kit"),
    ] {
        if let Some(grant) = grant {
            does(database.url(), grant).await;
        }
        let early = Db::connect(&url, "kit", NOTES).await.unwrap_err();
        assert!(matches!(early, DbError::MayNotMigrate { .. }), "{early:?}");
        let line = early.to_string();
        assert!(line.contains("--migrate") && line.contains(reason) && !line.contains('\n'), "{line}");
    }

    Db::connect(database.url(), "kit", NOTES).await.unwrap().close().await;
    does(
        database.url(),
        format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA kit TO \"{role}\"; \
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA kit TO \"{role}\""
        ),
    )
    .await;
    let db = Db::connect(&url, "kit", NOTES).await.unwrap();
    db.stores().await.unwrap();
    db.close().await;
    does(database.url(), format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await;
}

#[tokio::test]
async fn a_schema_is_named_as_it_is_set() {
    let database = TestDatabase::create().await;
    let usual = DbSettings::usual(database.url(), "kit").unwrap();
    let settings = DbSettings { schema: "team_a_{service}".parse().unwrap(), ..usual };
    let settings = DbSettings { schema: settings.schema.of("kit").unwrap(), ..settings };
    let db = Db::open(&settings, NOTES).await.unwrap();
    let (schema,): (String,) =
        sqlx::query_as("SELECT current_schema()::text").fetch_one(db.pool()).await.unwrap();
    assert_eq!(schema, "team_a_kit");
    db.stores().await.unwrap();
}

/// Tables of ours among another application's would be both applications' trouble.
#[tokio::test]
async fn tables_of_another_application_are_left_alone() {
    let database = TestDatabase::create().await;
    does(
        database.url(),
        "CREATE SCHEMA kit; CREATE TABLE kit.users (id INT); CREATE TABLE kit.orders (id INT)",
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = Db::embedded_url(folder.path(), "kit");
    does(&format!("{file}?mode=rwc"), "CREATE TABLE orders (id INT); CREATE TABLE users (id INT)").await;
    for url in [database.url(), &file] {
        let error = Db::connect(url, "kit", NOTES).await.unwrap_err();
        let line = error.to_string();
        assert!(line.contains("another application's (orders, users)"), "{line}");
    }
    // With migrations of its own, which the same library keeps.
    does(
        database.url(),
        "CREATE TABLE kit._sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
         execution_time BIGINT NOT NULL); \
         INSERT INTO kit._sqlx_migrations VALUES (1, 'users', now(), true, '\\x00', 1)",
    )
    .await;
    let error = Db::connect(database.url(), "kit", NOTES).await.unwrap_err();
    assert!(matches!(error, DbError::Foreign { .. }), "{error:?}");
    let other = Db::connect(database.url(), "other", NOTES).await.unwrap();
    other.stores().await.unwrap();
}

/// Case 65: statements of one session that go to several backends are found at the start, with one line, and not by "prepared
/// statement does not exist" in the middle of the work.
#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_transaction_mode_is_refused_at_the_start() {
    let database = TestDatabase::create().await;
    let pooler = Pooler::before(database.url()).await;
    let error = Db::connect(pooler.url(), "kit", NOTES).await.unwrap_err();
    assert!(matches!(error, DbError::Pooled { .. }), "{error:?}");
    let line = error.to_string();
    assert!(line.contains("pooler in transaction mode") && !line.contains('\n'), "{line}");
}
