//! What is past its time goes to the last row, a piece at a time, and holds up nobody.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use phasegate_tests::stores::both_engines;
use service_kit::db::{Boundary, Db, DbError, Migration, Probe};
use service_kit::retention::{self, Past};
use shared_types::Timestamp;
use tokio_util::sync::CancellationToken;

const NOTES: &[Migration] = &[Migration { version: 100, name: "notes", postgres: TABLES, sqlite: TABLES }];
const TABLES: &str = "CREATE TABLE notes (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, pinned BIGINT NOT NULL); \
     CREATE INDEX notes_by_time ON notes (at); CREATE TABLE others (id BIGINT PRIMARY KEY, at BIGINT NOT NULL);";

/// Rows at the times 1, 2, …; every hundredth is pinned.
async fn write(db: &Db, rows: i64) {
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $1) \
         INSERT INTO notes (id, at, pinned) SELECT n, n, CASE WHEN n % 100 = 0 THEN 1 ELSE 0 END FROM n";
    sqlx::query(sql).bind(rows).execute(db.pool()).await.unwrap();
}

async fn left(db: &Db) -> i64 {
    let (rows,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM notes").fetch_one(db.pool()).await.unwrap();
    rows
}

fn notes(before: i64) -> Past {
    Past::of("notes", "id", "at", Timestamp::from_millis(before))
}

#[tokio::test]
async fn everything_goes_in_one_turn_and_a_piece_a_transaction() {
    both_engines("notes", NOTES, async |db| {
        write(&db, 4_500).await;
        let (before, go) = (db.commits(), CancellationToken::new());
        assert_eq!(retention::turn(&db, &[notes(4_001)], &go).await, 4_000);
        assert_eq!(
            (left(&db).await, db.commits() - before),
            (500, 5),
            "four pieces, and one that finds nothing"
        );
        assert_eq!(retention::turn(&db, &[notes(4_001)], &go).await, 0);
        assert_eq!(db.commits() - before, 5, "nothing is written where nothing is to be done");
    })
    .await;
}

#[tokio::test]
async fn what_has_to_stay_is_passed_over() {
    both_engines("notes", NOTES, async |db| {
        write(&db, 4_500).await;
        let go = CancellationToken::new();
        assert_eq!(retention::turn(&db, &[notes(9_000).only("pinned = 0")], &go).await, 4_455);
        assert_eq!(left(&db).await, 45);
    })
    .await;
}

#[tokio::test]
async fn what_fails_keeps_nothing_else() {
    both_engines("notes", NOTES, async |db| {
        write(&db, 10).await;
        let before = Timestamp::from_millis(100);
        let all = [Past::of("nowhere", "id", "at", before), notes(100)];
        assert_eq!(retention::turn(&db, &all, &CancellationToken::new()).await, 10);
    })
    .await;
}

/// Stops after the first commit.
#[derive(Debug)]
struct StopAfterOne(CancellationToken);

#[async_trait]
impl Probe for StopAfterOne {
    async fn at(&self, boundary: Boundary) -> Result<(), DbError> {
        if boundary == Boundary::Committed {
            self.0.cancel();
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_stop_waits_for_one_piece_at_most() {
    both_engines("notes", NOTES, async |db| {
        write(&db, 4_500).await;
        let stop = CancellationToken::new();
        let probed = db.probed(Arc::new(StopAfterOne(stop.clone())));
        assert_eq!(retention::turn(&probed, &[notes(9_000)], &stop).await, 1_000);
    })
    .await;
}

#[tokio::test]
async fn others_write_between_two_pieces() {
    both_engines("notes", NOTES, async |db| {
        write(&db, 20_000).await;
        let (done, go) = (AtomicBool::new(false), CancellationToken::new());
        let forgetting = async {
            let gone = retention::turn(&db, &[notes(50_000)], &go).await;
            done.store(true, Ordering::SeqCst);
            gone
        };
        let writing = async {
            let mut written = 0;
            while !done.load(Ordering::SeqCst) {
                let mut tx = db.begin().await.unwrap();
                let row = sqlx::query("INSERT INTO others (id, at) VALUES ($1, 0)").bind(written);
                row.execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                written += 1;
            }
            written
        };
        let (gone, written) = tokio::join!(forgetting, writing);
        assert_eq!(gone, 20_000);
        assert!(written >= 20, "one a piece at least: {written}");
    })
    .await;
}

#[tokio::test]
async fn replicas_share_the_work() {
    both_engines("notes", NOTES, async |db| {
        write(&db, 20_000).await;
        let (past, go) = ([notes(50_000)], CancellationToken::new());
        let replicas = tokio::join!(
            retention::turn(&db, &past, &go),
            retention::turn(&db, &past, &go),
            retention::turn(&db, &past, &go)
        );
        assert_eq!(replicas.0 + replicas.1 + replicas.2, 20_000);
        assert_eq!(left(&db).await, 0);
    })
    .await;
}
