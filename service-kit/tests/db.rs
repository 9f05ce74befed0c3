//! Opening databases: what is set, what is refused and with which words, replicas that start together.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use std::error::Error;

use phasegate_tests::postgres::{Cluster, TestDatabase};
use phasegate_tests::stores::both_engines;
use service_kit::db::{Db, DbError, Engine, Migration};

const NOTES: &[Migration] = &[Migration {
    version: 100,
    name: "notes",
    postgres: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT CHECK (text <> ''), body BYTEA, ratio DOUBLE PRECISION);",
    sqlite: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT CHECK (text <> ''), body BLOB, ratio DOUBLE PRECISION);",
}];

type Note = (i64, Option<String>, Option<Vec<u8>>, Option<f64>);

async fn line_of(url: &str) -> String {
    Db::connect(url, "kit", &[]).await.unwrap_err().to_string()
}

/// A database on the same machine needs no TCP.
#[tokio::test]
async fn postgresql_is_reached_by_its_unix_socket() {
    let cluster = tokio::task::spawn_blocking(Cluster::with_socket).await.unwrap();
    let db = Db::connect(&cluster.socket_url(), "notes", NOTES).await.unwrap();
    let (by,): (Option<String>,) =
        sqlx::query_as("SELECT inet_client_addr()::text").fetch_one(db.pool()).await.unwrap();
    assert_eq!((db.engine(), by), (Engine::Postgres, None));
    db.stores().await.unwrap();
}

#[tokio::test]
async fn one_sql_text_serves_both_engines() {
    both_engines("notes", NOTES, async |db| {
        let notes: [Note; 2] =
            [(i64::MAX, Some("≤".into()), Some(vec![0, 255]), Some(0.1)), (i64::MIN, None, None, None)];
        let mut tx = db.begin().await.unwrap();
        for note in &notes {
            let inserted: (i64,) = sqlx::query_as(
                "INSERT INTO notes (id, text, body, ratio) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (id) DO UPDATE SET text = excluded.text RETURNING id",
            )
            .bind(note.0)
            .bind(note.1.as_deref())
            .bind(note.2.clone())
            .bind(note.3)
            .fetch_one(&mut *tx)
            .await
            .unwrap();
            assert_eq!(inserted.0, note.0);
        }
        let locked: Vec<(i64,)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT id FROM notes{}", db.for_update())))
                .fetch_all(&mut *tx)
                .await
                .unwrap();
        assert_eq!(locked.len(), 2);
        tx.commit().await.unwrap();
        let read: Vec<Note> = sqlx::query_as("SELECT id, text, body, ratio FROM notes ORDER BY id DESC")
            .fetch_all(db.pool())
            .await
            .unwrap();
        assert_eq!(read, notes);
        db.stores().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn refusals_are_told_apart() {
    both_engines("notes", NOTES, async |db| {
        let insert = async |id: i64, text: &str| -> Result<(), DbError> {
            let mut tx = db.begin().await?;
            sqlx::query("INSERT INTO notes (id, text) VALUES ($1, $2)")
                .bind(id)
                .bind(text)
                .execute(&mut *tx)
                .await?;
            tx.commit().await
        };
        insert(1, "a").await.unwrap();
        let twice = insert(1, "b").await.unwrap_err();
        assert!(twice.is_unique_violation() && !twice.is_unavailable() && !twice.is_check_violation());
        let empty = insert(2, "").await.unwrap_err();
        assert!(empty.is_check_violation() && !empty.is_unique_violation());
        insert(2, "the writer's turn was given back").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn services_share_a_server_but_no_table() {
    let database = TestDatabase::create().await;
    let one = Db::connect(database.url(), "one", NOTES).await.unwrap();
    let two = Db::connect(database.url(), "two", NOTES).await.unwrap();
    assert_eq!(one.engine(), Engine::Postgres);
    sqlx::query("INSERT INTO notes (id) VALUES (1)").execute(one.pool()).await.unwrap();
    let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM notes").fetch_one(two.pool()).await.unwrap();
    assert_eq!(count, 0);
}

/// Architecture, storage: migrations run at start, under a lock.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_take_turns() {
    let database = TestDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    for url in [database.url().to_owned(), Db::embedded_url(folder.path(), "notes")] {
        let starting: Vec<_> = (0..6)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { Db::connect(&url, "notes", NOTES).await.map(|_| ()) })
            })
            .collect();
        for replica in starting {
            replica.await.unwrap().unwrap_or_else(|error| panic!("{error} {:?}", error.source()));
        }
    }
}

#[tokio::test]
async fn an_older_replica_starts_beside_a_newer_one_but_an_edited_script_is_refused() {
    both_engines("notes", NOTES, async |_| {}).await;
    let folder = tempfile::tempdir().unwrap();
    let url = Db::embedded_url(folder.path(), "notes");
    Db::connect(&url, "notes", NOTES).await.unwrap().close().await;
    Db::connect(&url, "notes", &[]).await.unwrap().close().await;
    let edited = [Migration { sqlite: "CREATE TABLE other (id BIGINT)", ..NOTES[0] }];
    let error = Db::connect(&url, "notes", &edited).await.unwrap_err();
    assert!(matches!(error, DbError::Migrate { .. }), "{error:?}");
}

#[tokio::test]
async fn sqlite_syncs_every_commit_and_makes_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let nested = folder.path().join("a b/ü?#%41");
    let db =
        Db::connect(&format!("sqlite://{}", folder.path().join("x/kit.sqlite").display()), "kit", &[]).await;
    assert_eq!(db.unwrap().engine(), Engine::Sqlite);
    assert!(folder.path().join("x/kit.sqlite").is_file());

    let db = Db::connect(&Db::embedded_url(&nested, "kit"), "kit", &[]).await.unwrap();
    assert!(nested.join("kit.sqlite").is_file());
    let (synchronous,): (i64,) = sqlx::query_as("PRAGMA synchronous").fetch_one(db.pool()).await.unwrap();
    let (journal,): (String,) = sqlx::query_as("PRAGMA journal_mode").fetch_one(db.pool()).await.unwrap();
    let (foreign_keys,): (i64,) = sqlx::query_as("PRAGMA foreign_keys").fetch_one(db.pool()).await.unwrap();
    assert_eq!((synchronous, journal.as_str(), foreign_keys), (2, "wal", 1));
}

/// Configuration: a bad value stops the start with one clear line; secrets stay out of it.
#[tokio::test]
async fn a_wrong_url_is_one_line_without_its_secrets() {
    let nobody_there = line_of("postgres://me:geheim@127.0.0.1:1/phasegate?sslmode=disable").await;
    assert!(nobody_there.starts_with("database postgres://127.0.0.1:1/phasegate: "), "{nobody_there}");
    assert!(nobody_there.to_lowercase().contains("refused"), "{nobody_there}");
    for (url, words) in [
        ("mysql://me:geheim@h/x", "postgres:// or sqlite:"),
        ("", "postgres:// or sqlite:"),
        ("postgres://me:ge#heim/@x:y/z", "cannot be parsed"),
        ("sqlite:", "needs the path"),
        ("sqlite:/dev/null/x.sqlite", "directory cannot be made"),
        ("sqlite:/proc/x.sqlite", "unable to open"),
    ] {
        let line = line_of(url).await;
        assert!(line.contains(words), "{url}: {line}");
        for line in [nobody_there.as_str(), &line] {
            assert!(!line.contains("heim") && !line.contains('\n'), "{line}");
        }
    }
    let database = TestDatabase::create().await;
    let missing = line_of(&format!("{}_not_there", database.url())).await;
    assert!(missing.contains("does not exist"), "{missing}");
}

/// Style, rule 7: every wait is bounded, and a writer that waits too long is told so.
#[tokio::test]
async fn writers_of_sqlite_take_turns() {
    let db = Db::connect("sqlite::memory:", "notes", NOTES).await.unwrap();
    let writers: Vec<_> = (0..50_i64)
        .map(|id| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut tx = db.begin().await.unwrap();
                sqlx::query("INSERT INTO notes (id) VALUES ($1)").bind(id).execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let held = db.begin().await.unwrap();
    // Only the wait for the turn is left: it passes at once.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let waited = db.begin().await.map(|_| ()).unwrap_err();
    assert!(matches!(waited, DbError::Busy) && waited.is_unavailable());
    // Longer than many slow writers take, shorter than a call may.
    assert!((15..30).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    tokio::time::resume();
    drop(held);
    db.begin().await.unwrap();
}

/// What retention frees is what is written to next: the file stays as large as its longest history was.
#[tokio::test]
async fn sqlite_writes_into_the_room_that_deleted_rows_left() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::connect(&Db::embedded_url(folder.path(), "notes"), "notes", NOTES).await.unwrap();
    let text = "x".repeat(500);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let mut tx = db.begin().await.unwrap();
        let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000) \
             INSERT INTO notes (id, text) SELECT n, $1 FROM n";
        sqlx::query(rows).bind(text.as_str()).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let (pages,): (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(db.pool()).await.unwrap();
        sizes.push(pages);
        let mut tx = db.begin().await.unwrap();
        sqlx::query("DELETE FROM notes").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert!(sizes[0] > 500 && sizes[2] == sizes[0], "{sizes:?}");
}
