//! Explanations of decisions of every cause, on both engines.

use shared_types::Verdict;
use shared_types::collector_event::CollectorEventKind;
use std::time::Duration;

use super::*;
use crate::testing::{World, on_each_engine};
use domain::gate::fixture::{Counts, whole_policy, window};

async fn of(world: &World, decision: &Decision) -> Explanation {
    explain(&world.store, &world.analyzer.policy().kinds, decision.decision_id).await.unwrap().unwrap()
}

async fn kept(db: service_kit::db::Db) -> World {
    let world = World::new(db);
    let policy = whole_policy();
    world.store.keep_policy(&policy.version, &policy.text, world.analyzer.now()).await.unwrap();
    world
}

/// SLO-10: observed, threshold, ratio, window and the policy's line; made again it is the same.
#[tokio::test]
async fn decision_is_explained_by_the_policys_lines_and_its_history() {
    on_each_engine(|db| async move {
        let world = kept(db).await;
        for n in 0..3 {
            let counts =
                Counts { window: window(n), phase: "B", drift: u64::from(n == 1), ..Counts::default() };
            world.batch(&counts).await;
        }
        let made = world.decisions().await;
        let explained = of(&world, &made[2]).await;
        assert!(explained.recomputed.same, "{:?}", explained.recomputed);
        let (p95, drift) = (&explained.metrics[0], &explained.metrics[2]);
        let line = p95.policy.clone().unwrap();
        assert_eq!(line.path, "targets.autosave.phases[1].thresholds.save_latency_p95");
        let text = whole_policy().text;
        assert!(text.lines().nth(usize::try_from(line.line).unwrap() - 1).unwrap().contains("2.0s"));
        assert_eq!((line.text.as_str(), p95.warn_above), ("2.0s", Some(1.6)));
        assert_eq!(drift.verdict.verdict, Verdict::Violation);
        assert_eq!(drift.warn_above, None);
        assert_eq!(drift.history.iter().map(|it| it.value).collect::<Vec<_>>(), [0.0, 1.0]);
        assert_eq!(
            explained.batch.unwrap().batch_hash,
            made[2].evidence.clone().unwrap().batch_hash.unwrap()
        );
        assert_eq!(explain(&world.store, &world.analyzer.policy().kinds, Uuid::nil()).await.unwrap(), None);
    })
    .await;
}

/// SLO-10: a decision whose histograms were let go is explained, and says why it is not made again.
#[tokio::test]
async fn a_decision_whose_histograms_were_let_go_says_so() {
    on_each_engine(|db| async move {
        let world = kept(db.clone()).await;
        world.batch(&Counts::default()).await;
        sqlx::query("UPDATE batches SET histograms = NULL").execute(db.pool()).await.unwrap();
        let explained = of(&world, &world.decisions().await[0]).await;
        assert!(!explained.recomputed.same && explained.batch.is_some());
        let why = explained.recomputed.differences[0].why.clone().unwrap();
        assert_eq!(
            why,
            "the histogram of `autosave.save.completed` is no longer kept (retention.histograms); without it nothing is made again"
        );
    })
    .await;
}

/// SLO-10, SLO-8, SLO-7: so are decisions on windows whose batch is missing, whoever noticed.
#[tokio::test]
async fn decisions_without_a_batch_are_explained() {
    on_each_engine(|db| async move {
        let world = kept(db).await;
        world.batch(&Counts::default()).await;
        let watch = world.watch();
        world.clock.set(window(1).end.plus(Duration::from_secs(300)));
        world.event(CollectorEventKind::Delayed, window(1)).await.unwrap();
        world.event(CollectorEventKind::RetryExhausted, window(1)).await.unwrap();
        world.directs("A", 1, true);
        world.clock.set(window(2).end.plus(Duration::from_secs(301)));
        watch.tick().await.unwrap();
        let made = world.decisions().await;
        assert_eq!(made.len(), 4, "{made:?}");
        for decision in &made {
            let explained = of(&world, decision).await;
            assert!(explained.recomputed.same, "{:?} {:?}", decision.cause, explained.recomputed);
        }
        let heard = of(&world, &made[1]).await.event;
        assert!(heard.is_some());
    })
    .await;
}

/// SLO-10: what somebody changed in the store afterwards is found.
#[tokio::test]
async fn tampering_with_the_store_is_found() {
    on_each_engine(|db| async move {
        let world = kept(db.clone()).await;
        for n in 0..3 {
            world.batch(&Counts { window: window(n), drift: u64::from(n == 1), ..Counts::default() }).await;
        }
        let made = world.decisions().await;
        let update = async |sql: &'static str| {
            sqlx::query(sql).execute(db.pool()).await.unwrap();
        };
        let rewrite = async |from: &str, to: &str| {
            for decision in world.decisions().await {
                let text = serde_json::to_string(&decision).unwrap().replace(from, to);
                let sql = "UPDATE decisions SET body = $2 WHERE decision_id = $1";
                let sql = sqlx::query(sql).bind(decision.decision_id.to_string()).bind(text);
                sql.execute(db.pool()).await.unwrap();
            }
        };
        update("UPDATE batches SET counters = REPLACE(counters, 'drift\":1', 'drift\":0')").await;
        let fields = |it: &Explanation| {
            it.recomputed.differences.iter().map(|it| it.field.clone()).collect::<Vec<_>>()
        };
        let found = fields(&of(&world, &made[2]).await);
        assert!(found.contains(&"evidence.history[1].value".to_owned()), "{found:?}");
        rewrite("\"compliant_batches\":1", "\"compliant_batches\":9").await;
        let found = fields(&of(&world, &made[0]).await);
        assert_eq!(found, ["gate.compliant_batches"]);
        rewrite("\"compliant_ms\":900000,\"from\"", "\"compliant_ms\":1,\"from\"").await;
        let found = fields(&of(&world, &made[1]).await);
        assert!(found.contains(&"evidence.run".to_owned()), "{found:?}");
        update("DELETE FROM rules").await;
        let explained = of(&world, &made[0]).await;
        assert_eq!(
            (fields(&explained), explained.recomputed.same),
            (vec!["policy_version".to_owned()], false)
        );
    })
    .await;
}
