//! How the outbox finds its rows, on both engines, however much was done and however many lanes there were.

use futures_util::future::join_all;
use phasegate_tests::plans::{Plans, busy_outbox};
use service_kit::db::Db;
use service_kit::outbox::{
    Outcome, cancel, claim, due_receivers, enqueue, forget_empty_lanes, losses, renew, retry_dead, stats,
    take_loss,
};
use tokio_util::sync::CancellationToken;

use crate::harness::*;

async fn busy() -> Plans {
    Plans::over("kit", &[], &busy_outbox()).await
}

async fn put_and_take(db: &Db, round: &str) {
    for lane in 0..8 {
        put(db, &message(&format!("slack/{round}-{lane}"), &format!("{round}-{lane}"))).await;
    }
    due_receivers(db).await.unwrap();
    let claims = claim(db, "tester", "slack", 8, &|_| LEASE, start()).await.unwrap();
    assert_eq!(claims.len(), 8);
    join_all(claims.iter().map(|it| renew(db, it, start().plus(LEASE * 2)))).await;
    for (number, claim) in claims.iter().enumerate() {
        let never = Outcome::Never { reason: "no".to_owned() };
        settle(db, claim, if number == 0 { never } else { done() }, start()).await;
    }
}

#[tokio::test]
async fn claims_and_what_comes_of_them_read_only_their_own_rows() {
    let mut plans = busy().await;
    let db = plans.db();
    put_and_take(&db, "first").await;
    let dead = losses(&db, 1).await.unwrap().remove(0).id;
    let mut tx = db.begin().await.unwrap();
    enqueue(&mut tx, &message("slack/again", "again"), start()).unwrap();
    assert!(take_loss(&mut tx, &dead).await.unwrap());
    assert!(retry_dead(&mut tx, &dead, start()).await.unwrap());
    assert!(cancel(&mut tx, &dead, start()).await.unwrap());
    tx.commit().await.unwrap();
    stats(&db, start()).await.unwrap();
    plans.assert_by_index(&[]).await;
}

#[tokio::test]
async fn empty_lanes_are_gone_through_in_the_order_of_their_names() {
    let mut plans = busy().await;
    let gone = forget_empty_lanes(&plans.db(), start(), &CancellationToken::new()).await.unwrap();
    assert_eq!(gone, 19_996);
    plans.assert_by_index(&[]).await;
}
