//! Several collectors on one database.

use std::fs;

use collector_svc::sources::PushReply;
use collector_svc::store::MIGRATIONS;
use phasegate_tests::stores::both_engines;
use service_kit::db::Db;

use crate::rig::{Rig, directive, push, saved, saves, turn};

/// CO-1, TE-4, TE-5: two replicas push and read at the same time; each event counts once, each window gives
/// one batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_count_each_event_once_and_close_each_window_once() {
    Box::pin(both_engines("collector", MIGRATIONS, two_replicas)).await;
}

async fn two_replicas(db: Db) {
    let mut rig = Rig::on(db, true).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    let (mut other, other_queue) = rig.replica();
    let (mut accepted, mut duplicates) = (0, 0);
    for round in 0..20 {
        rig.append(&saved("10:05:00", &format!("file-{round}")));
        let body = |own: &str| {
            saved("10:01:00", &format!("both-{round}")) + &saved("10:02:00", &format!("{own}-{round}"))
        };
        let replies = [rig.push(&body("here"), None), push(&other_queue, &body("there"), None)];
        let worker = &mut rig.worker;
        tokio::join!(turn(worker), turn(&mut other));
        for reply in replies {
            let PushReply::Committed(push) = reply.await.unwrap() else { panic!("not committed") };
            accepted += push.accepted;
            duplicates += push.duplicates;
        }
    }
    assert_eq!((accepted, duplicates), (60, 20));
    rig.clock.set(crate::rig::at("10:15:30"));
    tokio::join!(turn(&mut rig.worker), turn(&mut other));
    rig.work().await;
    let batches = rig.analyzer.batches();
    assert_eq!((batches.len(), saves(&batches[0])), (1, 80));
    assert_eq!(fs::read_dir(rig.directory.path().join("logs/autosave")).unwrap().count(), 1);
    rig.assert_outbox_empty().await;
}
