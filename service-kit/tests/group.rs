//! Work that shares a transaction.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::poll;
use phasegate_tests::postgres::TestDatabase;
use phasegate_tests::stores::both_engines;
use service_kit::db::{Company, Db, DbError, Done, Migration};
use tokio::sync::{Barrier, Notify};

const NOTES: &[Migration] = &[Migration {
    version: 100,
    name: "notes",
    postgres: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT CHECK (text <> ''));",
    sqlite: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT CHECK (text <> ''));",
}];

async fn note(db: &Db, id: i64, text: &str) -> Result<Option<i64>, DbError> {
    db.together(&id.to_string(), |mut tx, _| async move {
        // The others come meanwhile, however soon the transaction has begun.
        tokio::task::yield_now().await;
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
        let all = join_all((0..200).map(|id| note(&db, id, "a"))).await;
        assert!(all.into_iter().enumerate().all(|(id, it)| it.unwrap() == i64::try_from(id).ok()));
        assert_eq!((noted(&db).await, db.commits() - before), (200, 2), "128 at most in one");
        note(&db, 200, "alone").await.unwrap().unwrap();
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

/// A change that meets no row was decided about something that is gone: alone it looks first.
#[tokio::test]
async fn what_the_commit_finds_changed_is_done_alone_and_the_others_keep_theirs() {
    const REWRITE: &str =
        "UPDATE notes SET text = v.column2 FROM (VALUES {rows}) AS v WHERE notes.id = v.column1";
    both_engines("notes", NOTES, async |db| {
        join_all((0..3).map(|id| note(&db, id, "a"))).await;
        let (db, before) = (&db, db.commits());
        let rewrite = async |id: i64| {
            let about = id.to_string();
            let rewritten = db.together(&about, |mut tx, company| async move {
                tokio::task::yield_now().await;
                let look = sqlx::query("SELECT id FROM notes WHERE id = $1").bind(id);
                if company == Company::None && look.fetch_optional(&mut *tx).await?.is_none() {
                    return Ok((tx, Done::Nothing(false)));
                }
                tx.update(REWRITE, vec![id.into(), "b".into()]);
                tx.update_if_there(REWRITE, vec![(id + 100).into(), "c".into()]);
                Ok((tx, Done::Written(true)))
            });
            rewritten.await.unwrap()
        };
        let all = join_all([0, 1, 2].map(rewrite)).await;
        assert_eq!((all, db.commits() - before), (vec![Some(true); 3], 1), "by one statement");
        let all = join_all([0, 7, 2].map(rewrite)).await;
        assert_eq!(all, [Some(true), Some(false), Some(true)]);
        assert_eq!(rewrite(8).await, Some(false), "also where it has no company");
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

/// A row that somebody else holds, or a lost path, is the trouble of one.
#[tokio::test]
async fn one_that_is_held_up_holds_up_no_other() {
    let database = TestDatabase::create().await;
    let db = Db::connect(database.url(), "notes", NOTES).await.unwrap();
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
    assert_eq!(note(&db, 1, "a").await.unwrap(), Some(1), "in a transaction of its own");
    assert!(!stuck.is_finished());
    stuck.abort();
}

/// Nobody else would undo it: its rows and SQLite's turn to write would be held for ever.
#[tokio::test]
async fn what_is_left_by_all_who_did_it_is_undone() {
    both_engines("notes", NOTES, async |db| {
        let mut done = 0;
        // On a slow machine the next one does not wait for its turn; then it is not left.
        while is_done_before_it_is_left(&db, done).await {
            done += 1;
            assert!(done < 20, "it is always done");
        }
        db.begin().await.unwrap().commit().await.unwrap();
        assert_eq!(noted(&db).await, done);
    })
    .await;
}

async fn is_done_before_it_is_left(db: &Db, id: i64) -> bool {
    let (entered, leave) = (Notify::new(), Notify::new());
    let mut left = Box::pin(note(db, id, "a"));
    let mut next = Box::pin(db.together("next", |tx, _| async {
        entered.notify_one();
        leave.notified().await;
        Ok((tx, Done::Nothing(())))
    }));
    // It has the turn, the next one waits for it; then it has done its part, and waits for the next one.
    assert!(poll!(left.as_mut()).is_pending() && poll!(next.as_mut()).is_pending());
    tokio::select! {
        biased;
        done = &mut left => {
            assert_eq!(done.unwrap(), Some(id));
            return true;
        }
        _ = &mut next => unreachable!("it was not let go"),
        () = entered.notified() => {}
    }
    leave.notify_one();
    next.await.unwrap();
    false
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
