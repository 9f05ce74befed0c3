//! OP-3: a store that is younger than what it belongs to is noticed at the start.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use std::path::Path;
use std::sync::Arc;

use phasegate_tests::stores::both_engines;
use service_kit::ServiceName;
use service_kit::clock::ManualClock;
use service_kit::db::{Db, Engine, copy_sqlite};
use service_kit::mark::{self, Acceptance, Mark, MarkError};
use shared_types::Timestamp;
use tokio_util::sync::CancellationToken;

const SERVICE: ServiceName = ServiceName::Reporter;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T10:00:00Z").unwrap()
}

async fn open(db: &Db, data: &Path) -> Result<Mark, MarkError> {
    Mark::open(db, data, SERVICE, now()).await
}

/// Something is stored.
async fn store(db: &Db) {
    db.begin().await.unwrap().commit().await.unwrap();
}

async fn set_position(db: &Db, position: i64) {
    let mut tx = db.begin().await.unwrap();
    sqlx::query("UPDATE store_mark SET position = $1").bind(position).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

fn younger(opened: Result<Mark, MarkError>) -> String {
    let error = opened.unwrap_err();
    assert!(matches!(error, MarkError::Younger { .. }), "{error}");
    let line = error.to_string();
    assert!(line.contains("restore --accept") && line.contains("reporter.mark.json"), "{line}");
    assert!(!line.contains('\n'), "{line}");
    line
}

/// OP-3: an earlier copy of the same store is refused, the newest is not; where nothing was stored nothing is written.
#[tokio::test]
async fn an_earlier_copy_is_refused_and_the_newest_is_not() {
    both_engines("mark", &[], async |db| {
        let data = tempfile::tempdir().unwrap();
        let opened = open(&db, data.path()).await.unwrap();
        let file = mark::path(data.path(), SERVICE);
        for _ in 0..3 {
            store(&db).await;
            opened.advance(now()).await.unwrap();
        }
        let written = std::fs::read(&file).unwrap();
        opened.advance(now()).await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), written, "its own commit is nothing to note");
        open(&db, data.path()).await.unwrap();
        // Another replica's directory knows nothing, and learns.
        let other = tempfile::tempdir().unwrap();
        open(&db, other.path()).await.unwrap();
        set_position(&db, 2).await;
        let line = younger(open(&db, data.path()).await);
        assert!(line.contains("it had come to 3") && line.contains("behind, at 2"), "{line}");
        // Found while it runs, too.
        store(&db).await;
        set_position(&db, 0).await;
        let gone = opened.advance(now()).await.unwrap_err();
        assert!(matches!(gone, MarkError::WentBack { from: 3, to: 1, .. }), "{gone}");
    })
    .await;
}

/// OP-3: an emptied store, and another one, beside a mark are refused; a person may go on from them, and then every directory that
/// belonged to the old one goes on too.
#[tokio::test]
async fn an_emptied_and_another_store_are_refused_until_a_person_accepts() {
    both_engines("mark", &[], async |db| {
        let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let opened = open(&db, data.path()).await.unwrap();
        store(&db).await;
        opened.advance(now()).await.unwrap();
        open(&db, other.path()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        sqlx::query("DELETE FROM store_mark").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        assert!(younger(open(&db, data.path()).await).contains("the store is empty"));
        let apart = tempfile::tempdir().unwrap();
        open(&db, apart.path()).await.unwrap();
        assert!(younger(open(&db, data.path()).await).contains("another one"));
        let acceptance = Acceptance { by: "ana".into(), reason: "the disk is gone".into(), at: now() };
        mark::accept(&db, data.path(), SERVICE, &acceptance).await.unwrap();
        for directory in [data.path(), other.path()] {
            let opened = open(&db, directory).await.unwrap();
            assert_eq!(opened.accepted().await.unwrap().as_ref(), Some(&acceptance));
        }
        let opened = open(&db, data.path()).await.unwrap();
        opened.go_on(now()).await.unwrap();
        assert_eq!(opened.accepted().await.unwrap(), None, "once");
    })
    .await;
}

/// A replica on PostgreSQL may have no place of its own; one on SQLite has, for its store lies there.
#[tokio::test]
async fn only_a_store_in_a_server_goes_without_a_mark_beside_it() {
    both_engines("mark", &[], async |db| {
        let folder = tempfile::tempdir().unwrap();
        let no_place = folder.path().join("a file");
        std::fs::write(&no_place, "").unwrap();
        let opened = open(&db, &no_place.join("data")).await;
        if db.engine() == Engine::Sqlite {
            assert!(matches!(opened.unwrap_err(), MarkError::File { .. }));
            return;
        }
        let opened = opened.unwrap();
        store(&db).await;
        opened.advance(now()).await.unwrap();
        // It is followed all the same, for those who have one.
        let with_place = tempfile::tempdir().unwrap();
        open(&db, with_place.path()).await.unwrap();
        let text = std::fs::read_to_string(mark::path(with_place.path(), SERVICE)).unwrap();
        assert!(text.contains("\"position\":1"), "{text}");
    })
    .await;
}

/// OP-3: a copy of the file without its -wal, as a byte copy of a running service's is, is refused; a copy by SQLite's own means
/// is whole.
#[tokio::test]
async fn a_file_without_its_wal_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let db = Db::connect(&Db::embedded_url(data.path(), "reporter"), "reporter", &[]).await.unwrap();
    let opened = open(&db, data.path()).await.unwrap();
    store(&db).await;
    opened.advance(now()).await.unwrap();
    for whole in [false, true] {
        let copy = tempfile::tempdir().unwrap();
        let name = "reporter.sqlite";
        if whole {
            copy_sqlite(&data.path().join(name), &copy.path().join(name)).await.unwrap();
        } else {
            std::fs::copy(data.path().join(name), copy.path().join(name)).unwrap();
        }
        let file = mark::path(data.path(), SERVICE);
        std::fs::copy(&file, mark::path(copy.path(), SERVICE)).unwrap();
        let copied = Db::connect(&Db::embedded_url(copy.path(), "reporter"), "reporter", &[]).await.unwrap();
        let found = open(&copied, copy.path()).await;
        if whole {
            found.unwrap();
        } else {
            younger(found);
        }
    }
}

/// The mark follows while the service runs, and a half-written file is never met.
#[tokio::test]
async fn the_mark_follows_by_itself() {
    let data = tempfile::tempdir().unwrap();
    let db = Db::connect("sqlite::memory:", "reporter", &[]).await.unwrap();
    let opened = Arc::new(open(&db, data.path()).await.unwrap());
    store(&db).await;
    let (stop, clock) = (CancellationToken::new(), ManualClock::at(now()));
    let running = {
        let (opened, stop) = (Arc::clone(&opened), stop.clone());
        tokio::spawn(async move { opened.run(&clock, stop).await })
    };
    let file = mark::path(data.path(), SERVICE);
    let deadline = tokio::time::Instant::now() + mark::EVERY * 30;
    while !std::fs::read_to_string(&file).unwrap().contains("\"position\":1") {
        assert!(tokio::time::Instant::now() < deadline, "never noted");
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap().unwrap();
    std::fs::write(&file, "{").unwrap();
    let unreadable = open(&db, data.path()).await.unwrap_err();
    assert!(matches!(unreadable, MarkError::File { .. }), "{unreadable}");
}
