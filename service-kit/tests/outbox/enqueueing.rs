//! What a transaction puts in is there with its commit, once, or not at all.

use service_kit::outbox::{self, ListFilter, enqueue};

use crate::harness::*;

#[tokio::test]
async fn a_message_comes_out_as_it_was_put_in() {
    everywhere(async |db| {
        let mut put_in = message("slack/#incident", "a");
        put_in.payload = serde_json::json!({ "text": "🚨 ≤ 'quoted' \"text\"", "n": 1.5, "none": null });
        assert!(put(&db, &put_in).await);

        let claim = take_one(&db, "slack", start()).await;
        assert_eq!(claim.payload, put_in.payload);
        assert_eq!((claim.kind.as_str(), claim.lane.as_str()), ("PostSlackMessage", "slack/#incident"));
        assert_eq!((claim.subject.as_str(), &claim.retry), ("subject of a", &four_retries()));
        assert_eq!((claim.fence, claim.step, claim.failures, claim.unknowns), (1, 0, 0, 0));
        assert_eq!((claim.enqueued_at, claim.lease_until), (start(), start().plus(LEASE)));
    })
    .await;
}

/// Architecture, principle 2: state and effects commit together.
#[tokio::test]
async fn a_rolled_back_enqueue_leaves_nothing() {
    everywhere(async |db| {
        let mut tx = db.begin().await.unwrap();
        enqueue(&mut tx, &message("slack/x", "rolled back"), start()).unwrap();
        tx.rollback().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        enqueue(&mut tx, &message("slack/x", "dropped"), start()).unwrap();
        drop(tx);

        assert!(take(&db, "slack", start()).await.is_empty());
        assert!(outbox::list(&db, &ListFilter::default(), None, 10).await.unwrap().items.is_empty());
        assert!(outbox::due_receivers(&db).await.unwrap().is_empty());
        assert!(put(&db, &message("slack/x", "rolled back")).await, "its key is free");
    })
    .await;
}

#[tokio::test]
async fn a_key_is_enqueued_once_even_after_it_was_done() {
    everywhere(async |db| {
        assert!(put(&db, &message("slack/x", "a")).await);
        assert!(!put(&db, &message("slack/x", "a")).await);
        let claim = take_one(&db, "slack", start()).await;
        settle(&db, &claim, done(), start()).await;
        assert!(!put(&db, &message("slack/y", "a")).await);
        assert!(take(&db, "slack", start()).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn two_transactions_that_enqueue_one_key_at_once_enqueue_it_once() {
    everywhere(async |db| {
        let racing = (0..8).map(|_| {
            let db = db.clone();
            tokio::spawn(async move { put(&db, &message("slack/x", "same")).await })
        });
        for task in racing.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(outbox::list(&db, &ListFilter::default(), None, 10).await.unwrap().items.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_due_waits() {
    everywhere(async |db| {
        let clock = clock();
        let mut later = message("slack/x", "later");
        later.due_at = start().plus(seconds(10));
        put(&db, &later).await;
        assert_eq!(next_in(&db, "slack", &clock).await, Some(10));
        assert!(take(&db, "slack", start().plus(seconds(9))).await.is_empty());
        assert_eq!(keys(&take(&db, "slack", start().plus(seconds(10))).await), ["later"]);
    })
    .await;
}
