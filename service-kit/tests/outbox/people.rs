//! What people see and do, and the housekeeping.

use domain::effects::NewMessage;
use service_kit::clock::Clock;
use service_kit::outbox::{self, ListFilter, Outcome, Recorded, cancel, finished, retry_dead};
use service_kit::retention;
use tokio_util::sync::CancellationToken;

use crate::harness::*;

/// RB-4: a dead effect stays until a person retries it; it then has its whole schedule again.
#[tokio::test]
async fn a_person_retries_a_dead_row_and_it_starts_over() {
    everywhere(async |db| {
        let clock = clock();
        put(&db, &message("command/autosave", "a")).await;
        let claim = take_one(&db, "command", clock.now()).await;
        settle(&db, &claim, Outcome::Never { reason: "no such program".into() }, clock.now()).await;
        clock.advance(seconds(3600));

        let mut tx = db.begin().await.unwrap();
        assert!(retry_dead(&mut tx, &claim.id, clock.now()).await.unwrap());
        assert!(!retry_dead(&mut tx, &claim.id, clock.now()).await.unwrap(), "it is no longer dead");
        assert!(!retry_dead(&mut tx, "no such id", clock.now()).await.unwrap());
        tx.commit().await.unwrap();

        let again = take_one(&db, "command", clock.now()).await;
        assert_eq!((again.fence, again.step, again.failures), (2, 0, 1));
        settle(&db, &again, failed(), clock.now()).await;
        assert_eq!(next_in(&db, "command", &clock).await, Some(30));
        clock.advance(seconds(30));
        let last = take_one(&db, "command", clock.now()).await;
        assert_eq!(settle(&db, &last, done(), clock.now()).await, Recorded::Done);
    })
    .await;
}

#[tokio::test]
async fn a_retried_row_does_not_run_beside_the_lane_s_current_one() {
    everywhere(async |db| {
        put(&db, &message("slack/x", "old")).await;
        put(&db, &message("slack/x", "new")).await;
        let old = take_one(&db, "slack", start()).await;
        settle(&db, &old, Outcome::Never { reason: "400".into() }, start()).await;
        let new = take_one(&db, "slack", start()).await;
        let mut tx = db.begin().await.unwrap();
        assert!(retry_dead(&mut tx, &old.id, start()).await.unwrap());
        tx.commit().await.unwrap();
        assert!(take(&db, "slack", start()).await.is_empty());
        settle(&db, &new, done(), start()).await;
        assert_eq!(keys(&take(&db, "slack", start()).await), ["old"]);
    })
    .await;
}

#[tokio::test]
async fn only_what_nobody_works_at_can_be_cancelled() {
    everywhere(async |db| {
        for key in ["a", "b"] {
            put(&db, &message("slack/x", key)).await;
        }
        let claim = take_one(&db, "slack", start()).await;
        let mut tx = db.begin().await.unwrap();
        assert!(!cancel(&mut tx, "a", start()).await.unwrap(), "it is being done");
        assert!(cancel(&mut tx, "b", start()).await.unwrap());
        tx.commit().await.unwrap();
        settle(&db, &claim, done(), start()).await;
        assert!(take(&db, "slack", start()).await.is_empty());
        assert_eq!(view(&db, "b").await.state, "cancelled");
        let mut tx = db.begin().await.unwrap();
        assert!(!cancel(&mut tx, &claim.id, start()).await.unwrap(), "it is done");
    })
    .await;
}

/// RB-4: a person who takes over has dealt with what was given up; it is not shown as a trouble any longer.
#[tokio::test]
async fn what_was_given_up_can_be_cancelled() {
    everywhere(async |db| {
        put(&db, &message("command/x", "given up")).await;
        let claim = take_one(&db, "command", start()).await;
        settle(&db, &claim, Outcome::Never { reason: "refused".into() }, start()).await;
        assert_eq!(outbox::stats(&db, start()).await.unwrap().dead, 1);
        let mut tx = db.begin().await.unwrap();
        assert!(cancel(&mut tx, "given up", start()).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(view(&db, "given up").await.state, "cancelled");
        assert_eq!(outbox::stats(&db, start()).await.unwrap().dead, 0);
    })
    .await;
}

#[tokio::test]
async fn the_list_is_newest_first_in_pages_and_filtered() {
    everywhere(async |db| {
        for key in ["a", "b", "c", "d", "e"] {
            put(&db, &message(if key == "c" { "pagerduty" } else { "slack/x" }, key)).await;
        }
        let all = ListFilter::default();
        let first = outbox::list(&db, &all, None, 2).await.unwrap();
        let second = outbox::list(&db, &all, first.next, 2).await.unwrap();
        let third = outbox::list(&db, &all, second.next, 2).await.unwrap();
        let read: Vec<_> = [&first, &second, &third]
            .iter()
            .flat_map(|page| &page.items)
            .map(|row| row.dedup_key.as_str())
            .collect();
        assert_eq!(read, ["e", "d", "c", "b", "a"]);
        assert_eq!(third.next, None);

        let claim = take_one(&db, "pagerduty", start()).await;
        settle(&db, &claim, done(), start()).await;
        let filters = [
            (ListFilter { state: Some("done".into()), ..all.clone() }, vec!["c"]),
            (ListFilter { lane: Some("pagerduty".into()), ..all.clone() }, vec!["c"]),
            (ListFilter { subject: Some("subject of d".into()), ..all.clone() }, vec!["d"]),
            (
                ListFilter { state: Some("ready".into()), kind: Some("PostSlackMessage".into()), ..all },
                vec!["e", "d", "b", "a"],
            ),
        ];
        for (filter, expected) in filters {
            let page = outbox::list(&db, &filter, None, 10).await.unwrap();
            let found: Vec<_> = page.items.iter().map(|row| row.dedup_key.as_str()).collect();
            assert_eq!(found, expected, "{filter:?}");
        }
        assert_eq!(view(&db, "c").await.outcome, Some(serde_json::json!({ "ok": true })));
    })
    .await;
}

#[tokio::test]
async fn depth_age_and_failing_lanes_are_told() {
    everywhere(async |db| {
        assert_eq!(outbox::stats(&db, start()).await.unwrap(), outbox::OutboxStats::default());
        for (lane, key) in [("slack/x", "a"), ("slack/x", "b"), ("pagerduty", "p"), ("analyzer/t", "t")] {
            put(&db, &message(lane, key)).await;
        }
        let now = start().plus(seconds(5));
        let claim = take_one(&db, "slack", now).await;
        settle(&db, &claim, failed(), now).await;
        let claim = take_one(&db, "pagerduty", now).await;
        settle(&db, &claim, Outcome::Never { reason: "400".into() }, now).await;

        let stats = outbox::stats(&db, start().plus(seconds(20))).await.unwrap();
        assert_eq!((stats.ready, stats.dead, stats.oldest_due_ms), (3, 1, 20_000));
        assert_eq!(stats.failing_lanes, [("slack/x".to_owned(), "503 from the receiver".to_owned())]);
    })
    .await;
}

/// The lanes of past incidents stood there for ever.
#[tokio::test]
async fn lanes_in_which_nothing_is_left_go_and_come_again() {
    everywhere(async |db| {
        for (lane, key) in [("rca/INC-1", "a"), ("rca/INC-2", "b"), ("slack/x", "c")] {
            put(&db, &message(lane, key)).await;
        }
        let lanes = async || {
            let sql = "SELECT lane FROM outbox_lanes ORDER BY lane";
            let lanes: Vec<(String,)> = sqlx::query_as(sql).fetch_all(db.pool()).await.unwrap();
            lanes.into_iter().map(|(lane,)| lane).collect::<Vec<_>>()
        };
        let go = CancellationToken::new();
        assert_eq!(outbox::forget_empty_lanes(&db, start(), &go).await.unwrap(), 0);
        let claims = take(&db, "rca", start()).await;
        settle(&db, &claims[0], done(), start()).await;
        assert_eq!(outbox::forget_empty_lanes(&db, start(), &go).await.unwrap(), 1);
        assert_eq!(lanes().await, ["rca/INC-2", "slack/x"], "what is being done is not over");

        put(&db, &message("rca/INC-1", "again")).await;
        assert_eq!(take_one(&db, "rca", start()).await.dedup_key, "again");
    })
    .await;
}

/// NO-8: the pause that a receiver asked for outlives what was sent.
#[tokio::test]
async fn a_lane_that_rests_stays_until_it_has_rested() {
    everywhere(async |db| {
        put(&db, &NewMessage { pace: seconds(60), ..message("slack/x", "a") }).await;
        let claim = take_one(&db, "slack", start()).await;
        settle(&db, &claim, done(), start()).await;
        let go = CancellationToken::new();
        assert_eq!(outbox::forget_empty_lanes(&db, start().plus(seconds(59)), &go).await.unwrap(), 0);
        assert_eq!(outbox::forget_empty_lanes(&db, start().plus(seconds(60)), &go).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn finished_rows_go_and_dead_ones_stay() {
    everywhere(async |db| {
        for key in ["a", "b", "c", "dead", "open"] {
            put(&db, &message("slack/x", key)).await;
        }
        for _ in 0..3 {
            let claim = take_one(&db, "slack", start()).await;
            settle(&db, &claim, done(), start()).await;
        }
        let claim = take_one(&db, "slack", start()).await;
        settle(&db, &claim, Outcome::Never { reason: "400".into() }, start()).await;
        let later = start().plus(seconds(10));
        let go = CancellationToken::new();
        assert_eq!(retention::turn(&db, &[finished(start())], &go).await, 0, "too young");
        assert_eq!(retention::turn(&db, &[finished(later)], &go).await, 3);
        let left = outbox::list(&db, &ListFilter::default(), None, 10).await.unwrap();
        let left: Vec<_> = left.items.iter().map(|row| row.dedup_key.as_str()).collect();
        assert_eq!(left, ["open", "dead"]);
    })
    .await;
}
