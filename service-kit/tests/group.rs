//! Work that shares a transaction.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use std::sync::Arc;

use futures_util::future::join_all;
use phasegate_tests::stores::both_engines;
use service_kit::db::{Company, Db, DbError, Done, Migration};
use tokio::sync::Barrier;

const NOTES: &[Migration] = &[Migration {
    version: 100,
    name: "notes",
    postgres: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT CHECK (text <> ''));",
    sqlite: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT CHECK (text <> ''));",
}];

async fn note(db: &Db, id: i64, text: &str) -> Result<Option<i64>, DbError> {
    db.together(&id.to_string(), |mut tx, _| async move {
        tx.insert("notes", &["id", "text"], vec![id.into(), text.into()]);
        Ok((tx, Done::Written(id)))
    })
    .await
}

async fn noted(db: &Db) -> i64 {
    let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM notes").fetch_one(db.pool()).await.unwrap();
    count
}

#[tokio::test]
async fn what_comes_at_the_same_time_is_committed_together() {
    both_engines("notes", NOTES, async |db| {
        let before = db.commits();
        let all = join_all((0..100).map(|id| note(&db, id, "a"))).await;
        assert!(all.into_iter().enumerate().all(|(id, it)| it.unwrap() == i64::try_from(id).ok()));
        assert_eq!((noted(&db).await, db.commits() - before), (100, 2), "64 at most in one");
        note(&db, 100, "alone").await.unwrap().unwrap();
        assert_eq!(db.commits() - before, 3);
    })
    .await;
}

/// What one of them breaks is its own affair.
#[tokio::test]
async fn where_a_shared_commit_fails_each_is_done_alone() {
    both_engines("notes", NOTES, async |db| {
        let texts = ["a", "", "c"];
        let all = join_all((0..).zip(texts).map(|(id, text)| note(&db, id, text))).await;
        let told: Vec<bool> = all.iter().map(Result::is_ok).collect();
        assert_eq!((told, noted(&db).await), (vec![true, false, true], 2));
        assert!(all[1].as_ref().unwrap_err().is_check_violation(), "alone it is told why");
    })
    .await;
}

#[tokio::test]
async fn work_that_is_given_up_in_the_middle_leaves_the_others_theirs() {
    both_engines("notes", NOTES, async |db| {
        let arrived = Arc::new(Barrier::new(2));
        let (in_db, there) = (db.clone(), Arc::clone(&arrived));
        let stuck = tokio::spawn(async move {
            in_db
                .together("stuck", |tx, _| async {
                    there.wait().await;
                    std::future::pending::<()>().await;
                    Ok((tx, Done::Written(())))
                })
                .await
        });
        arrived.wait().await;
        let follower = note(&db, 1, "a");
        stuck.abort();
        assert_eq!(follower.await.unwrap(), Some(1), "a new transaction is begun");
        assert_eq!(noted(&db).await, 1);
    })
    .await;
}

/// Rows that a commit brings are not seen before it: the second about the same thing has to see the first.
#[tokio::test]
async fn two_pieces_of_work_about_the_same_never_share() {
    both_engines("notes", NOTES, async |db| {
        let once = || {
            db.together("same", |mut tx, _| async move {
                let there = sqlx::query("SELECT id FROM notes WHERE id = 7").fetch_optional(&mut *tx).await?;
                if there.is_some() {
                    return Ok((tx, Done::Nothing(false)));
                }
                tx.insert("notes", &["id", "text"], vec![7.into(), "a".into()]);
                Ok((tx, Done::Written(true)))
            })
        };
        let (one, other) = tokio::join!(once(), once());
        assert_eq!([one.unwrap(), other.unwrap()], [Some(true), Some(false)]);
    })
    .await;
}

/// Else two replicas could wait for each other, each with a row that the other one wants.
#[tokio::test]
async fn in_company_nobody_is_waited_for() {
    both_engines("notes", NOTES, async |db| {
        let companies = std::sync::Mutex::new(Vec::new());
        let done = db.together("x", |tx, company| {
            companies.lock().unwrap().push(company);
            let done = if company == Company::Others { Done::Elsewhere } else { Done::Nothing(7) };
            async { Ok((tx, done)) }
        });
        assert_eq!(done.await.unwrap(), Some(7));
        assert_eq!(*companies.lock().unwrap(), [Company::Others, Company::None]);
    })
    .await;
}
