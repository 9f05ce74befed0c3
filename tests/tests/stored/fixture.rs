//! A database as a released binary left it.

use std::fs;
use std::path::{Path, PathBuf};

use domain::policy::Policy;
use phasegate_tests::postgres::TestDatabase;
use service_kit::db::{Db, Migration, install_drivers};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

/// Releases whose state is kept as fixtures.
const RELEASES: [&str; 1] = ["f880c6d"];

/// The database, opened and brought up to date by this version.
pub(crate) struct Left {
    pub(crate) db: Db,
    pub(crate) folder: tempfile::TempDir,
    _database: Option<TestDatabase>,
}

/// The state of one service, of every release and on both engines.
pub(crate) async fn left(service: &str, migrations: &[Migration]) -> Vec<Left> {
    let mut all = Vec::new();
    for release in RELEASES {
        for engine in ["sqlite", "postgres"] {
            let file = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(format!("fixtures/stored/{release}/{engine}/{service}.sql"));
            println!("{}:", file.display());
            let folder = tempfile::tempdir().unwrap();
            let database = if engine == "postgres" { Some(TestDatabase::create().await) } else { None };
            let url = match &database {
                Some(database) => database.url().to_owned(),
                None => Db::embedded_url(folder.path(), service),
            };
            load(&url, &fs::read_to_string(file).unwrap()).await;
            let db = Db::connect(&url, service, migrations).await.unwrap();
            all.push(Left { db, folder, _database: database });
        }
    }
    all
}

async fn load(url: &str, text: &str) {
    install_drivers();
    let (url, before) = match url.starts_with("sqlite:") {
        // Tables come in the order of their names, and so before those that they refer to.
        true => (format!("{url}?mode=rwc"), "PRAGMA foreign_keys = OFF;\n"),
        false => (url.to_owned(), ""),
    };
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    connection.execute(AssertSqlSafe(format!("{before}{text}"))).await.unwrap();
    connection.close().await.unwrap();
}

impl Left {
    /// Every text of a column that is there, with what people find its row by.
    pub(crate) async fn texts(&self, id: &str, column: &str, table: &str) -> Vec<(String, String)> {
        let sql = format!("SELECT {id}, {column} FROM {table} WHERE {column} IS NOT NULL");
        let rows = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(self.db.pool()).await.unwrap();
        assert!(!rows.is_empty(), "nothing to read in {table}.{column}");
        rows
    }

    /// The policy that was in force.
    pub(crate) async fn policy(&self) -> Policy {
        let (body,): (String,) = sqlx::query_as(
            "SELECT body FROM rules JOIN rules_log ON rules.version = rules_log.version ORDER BY seq DESC LIMIT 1",
        )
        .fetch_one(self.db.pool())
        .await
        .unwrap();
        let file = self.folder.path().join("policy.yaml");
        fs::write(&file, body).unwrap();
        Policy::load(&file).unwrap()
    }

    pub(crate) fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }
}
