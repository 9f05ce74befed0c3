//! Lanes, leases and fences.

use std::collections::HashMap;

use service_kit::outbox::{Outcome, Recorded, claim, record, renew};

use crate::harness::*;

#[tokio::test]
async fn a_lane_is_first_in_first_out_and_does_one_thing_at_a_time() {
    everywhere(async |db| {
        for key in ["a", "b", "c"] {
            put(&db, &message("slack/x", key)).await;
        }
        for key in ["a", "b", "c"] {
            let claim = take_one(&db, "slack", start()).await;
            assert_eq!(claim.dedup_key, key);
            assert!(take(&db, "slack", start()).await.is_empty(), "the lane is busy");
            assert_eq!(settle(&db, &claim, done(), start()).await, Recorded::Done);
        }
        assert!(take(&db, "slack", start()).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_failing_lane_holds_up_neither_its_receiver_s_other_lanes_nor_other_receivers() {
    everywhere(async |db| {
        for key in ["a1", "a2"] {
            put(&db, &message("slack/a", key)).await;
        }
        put(&db, &message("slack/b", "b1")).await;
        put(&db, &message("pagerduty", "p1")).await;
        let claims = take(&db, "slack", start()).await;
        assert_eq!(keys(&claims), ["a1", "b1"]);
        settle(&db, &claims[0], failed(), start()).await;
        settle(&db, &claims[1], done(), start()).await;

        put(&db, &message("slack/b", "b2")).await;
        assert_eq!(keys(&take(&db, "slack", start().plus(seconds(29))).await), ["b2"]);
        assert_eq!(keys(&take(&db, "pagerduty", start()).await), ["p1"]);
        assert_eq!(keys(&take(&db, "slack", start().plus(seconds(30))).await), ["a1"], "order is kept");
    })
    .await;
}

/// NO-4, RB-3: what a crashed worker had begun is done again, marked as possibly done before.
#[tokio::test]
async fn a_lease_that_ran_out_is_claimed_again_and_counts_as_unknown_not_as_failure() {
    everywhere(async |db| {
        put(&db, &message("slack/x", "a")).await;
        let lost = take_one(&db, "slack", start()).await;
        assert!(
            take(&db, "slack", start().plus(LEASE).minus(std::time::Duration::from_millis(1)))
                .await
                .is_empty()
        );

        let again = take_one(&db, "slack", start().plus(LEASE)).await;
        assert_eq!((again.id == lost.id, again.fence), (true, 2));
        assert_eq!((again.unknowns, again.failures, again.step), (1, 0, 0));
        let seen = view(&db, "a").await;
        assert_eq!((seen.unknowns, seen.failures, seen.claims), (1, 0, 2));
        assert!(seen.last_error.unwrap().contains("tester"));
    })
    .await;
}

/// A worker that lives keeps what it has; one that was taken for dead does not get it back.
#[tokio::test]
async fn a_renewed_lease_holds_and_a_lost_one_is_not_renewed() {
    everywhere(async |db| {
        put(&db, &message("slack/x", "a")).await;
        let first = take_one(&db, "slack", start()).await;
        assert!(renew(&db, &first, start().plus(LEASE * 2)).await.unwrap());
        assert!(take(&db, "slack", start().plus(LEASE)).await.is_empty());
        let second = take_one(&db, "slack", start().plus(LEASE * 2)).await;
        assert_eq!(second.fence, 2);
        assert!(!renew(&db, &first, start().plus(LEASE * 9)).await.unwrap());
        assert_eq!(view(&db, "a").await.due_at, second.lease_until);
        assert_eq!(settle(&db, &second, done(), start()).await, Recorded::Done);
        assert!(!renew(&db, &second, start().plus(LEASE * 9)).await.unwrap());
        assert!(take(&db, "slack", start().plus(LEASE * 9)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_to_another_records_nothing() {
    everywhere(async |db| {
        put(&db, &message("slack/x", "a")).await;
        let late = take_one(&db, "slack", start()).await;
        let now = start().plus(LEASE);
        let current = take_one(&db, "slack", now).await;
        assert_eq!(settle(&db, &late, done(), now).await, Recorded::Fenced);
        assert_eq!(settle(&db, &late, Outcome::Never { reason: "late".into() }, now).await, Recorded::Fenced);
        assert_eq!(view(&db, "a").await.state, "leased");
        assert_eq!(settle(&db, &current, done(), now).await, Recorded::Done);
        assert_eq!(settle(&db, &current, failed(), now).await, Recorded::Fenced, "once");
        assert_eq!(view(&db, "a").await.state, "done");
    })
    .await;
}

#[tokio::test]
async fn a_late_outcome_counts_as_long_as_nobody_else_has_the_row() {
    everywhere(async |db| {
        put(&db, &message("slack/x", "a")).await;
        let late = take_one(&db, "slack", start()).await;
        assert_eq!(settle(&db, &late, done(), start().plus(LEASE * 2)).await, Recorded::Done);
        assert!(take(&db, "slack", start().plus(LEASE * 3)).await.is_empty());
    })
    .await;
}

/// The former worker of a lease that ran out is recording while another looks for work: neither waits for the other.
#[tokio::test]
async fn a_row_whose_outcome_is_being_recorded_is_not_claimed() {
    let database = phasegate_tests::postgres::TestDatabase::create().await;
    let db = service_kit::db::Db::connect(database.url(), "kit", &[]).await.unwrap();
    put(&db, &message("slack/x", "a")).await;
    let late = take_one(&db, "slack", start()).await;
    let now = start().plus(LEASE);
    let mut recording = db.begin().await.unwrap();
    record(&mut recording, &late, &done(), now, service_kit::db::Company::None).await.unwrap();
    assert!(take(&db, "slack", now).await.is_empty());
    recording.commit().await.unwrap();
    assert!(take(&db, "slack", now).await.is_empty());
    assert_eq!(view(&db, "a").await.state, "done");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_dead_and_holds_up_nobody() {
    everywhere(async |db| {
        for (lane, key) in [("slack/x", "bad"), ("slack/x", "next"), ("slack/y", "other")] {
            put(&db, &message(lane, key)).await;
        }
        let break_it = "UPDATE outbox SET retry = 'of another version' WHERE dedup_key = 'bad'";
        sqlx::query(break_it).execute(db.pool()).await.unwrap();
        assert_eq!(keys(&take(&db, "slack", start()).await), ["other"]);
        assert_eq!(keys(&take(&db, "slack", start()).await), ["next"]);
        let bad = view(&db, "bad").await;
        assert_eq!(bad.state, "dead");
        assert_eq!(
            bad.last_error.as_deref(),
            Some("retry schedule in form 1 is damaged: expected value at line 1 column 1")
        );
    })
    .await;
}

#[tokio::test]
async fn a_kind_can_have_a_longer_lease() {
    everywhere(async |db| {
        let mut command = message("command/autosave", "a");
        command.kind = "RunRollback";
        put(&db, &command).await;
        put(&db, &message("command/other", "b")).await;
        let lease = |kind: &str| if kind == "RunRollback" { seconds(600) } else { seconds(60) };
        let mut claims = claim(&db, "w", "command", 10, &lease, start()).await.unwrap();
        claims.sort_by(|a, b| a.lane.cmp(&b.lane));
        assert_eq!(claims[0].lease_until, start().plus(seconds(600)));
        assert_eq!(claims[1].lease_until, start().plus(seconds(60)));
    })
    .await;
}

#[tokio::test]
async fn racing_workers_claim_every_row_exactly_once() {
    const LANES: usize = 20;
    const ROWS: usize = 10;
    everywhere(async |db| {
        for row in 0..ROWS {
            let mut tx = db.begin().await.unwrap();
            for lane in 0..LANES {
                let message = message(&format!("slack/{lane}"), &format!("{lane}-{row}"));
                service_kit::outbox::enqueue(&mut tx, &message, start()).unwrap();
            }
            tx.commit().await.unwrap();
        }
        let workers: Vec<_> = (0..4).map(|_| tokio::spawn(drain(db.clone()))).collect();
        let mut taken: Vec<String> = Vec::new();
        for worker in workers {
            let mine = worker.await.unwrap();
            let mut last: HashMap<String, usize> = HashMap::new();
            for key in &mine {
                let (lane, row) = key.split_once('-').unwrap();
                let row = row.parse().unwrap();
                let before = last.insert(lane.to_owned(), row);
                assert!(before.is_none_or(|before| before < row), "lane {lane} out of order");
            }
            taken.extend(mine);
        }
        assert_eq!(taken.len(), LANES * ROWS);
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), LANES * ROWS, "nothing was claimed twice");
    })
    .await;
}

async fn drain(db: service_kit::db::Db) -> Vec<String> {
    let mut mine = Vec::new();
    loop {
        let claims = claim(&db, "racer", "slack", 3, &|_| LEASE, start()).await.unwrap();
        for claim in &claims {
            assert_eq!(claim.fence, 1);
            assert_eq!(settle(&db, claim, done(), start()).await, Recorded::Done);
            mine.push(claim.dedup_key.clone());
        }
        if claims.is_empty() {
            let left = service_kit::outbox::stats(&db, start()).await.unwrap().ready;
            if left == 0 {
                return mine;
            }
            tokio::task::yield_now().await;
        }
    }
}
