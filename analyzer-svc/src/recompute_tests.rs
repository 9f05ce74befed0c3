//! A decision and what it stands on, changed piece by piece: each change is found.

use domain::gate::EarlierBatch;
use domain::gate::recompute::{Recomputed, history_before, recompute};
use domain::policy::Policy;
use shared_types::Decision;

use crate::testing::{World, recorded};
use domain::gate::fixture::{Counts, DRIFT, window};
use domain::whatif::Recorded;

/// Four batches of phase A, the third with a drift, and all decisions on them.
async fn history() -> (World, Vec<Recorded>) {
    let world = World::in_memory().await;
    for n in 0..4 {
        world.batch(&Counts { window: window(n), drift: u64::from(n == 2), ..Counts::default() }).await;
    }
    let recorded = recorded(&world).await;
    (world, recorded)
}

fn again(world: &World, recorded: &[Recorded], of: usize, change: impl FnOnce(&mut Decision)) -> Recomputed {
    let known = recorded.iter().map(|it| (&it.decision, it.batch.as_ref().unwrap()));
    let history = history_before(&recorded[of].decision, known);
    let mut decision = recorded[of].decision.clone();
    change(&mut decision);
    recompute(&decision, recorded[of].batch.as_ref(), &history, &Ok((*world.analyzer.policy()).clone()))
}

fn fields(recomputed: &Recomputed) -> Vec<&str> {
    recomputed.differences.iter().map(|it| it.field.as_str()).collect()
}

/// SLO-10: untouched, every decision comes out the same.
#[tokio::test]
async fn untouched_decisions_come_out_the_same() {
    let (world, recorded) = history().await;
    for of in 0..4 {
        let recomputed = again(&world, &recorded, of, |_| {});
        assert!(recomputed.same, "{of}: {recomputed:?}");
    }
}

/// SLO-10: whatever is changed in the decision is named.
#[tokio::test]
async fn changed_fields_are_named() {
    let (world, recorded) = history().await;
    #[expect(clippy::type_complexity, reason = "a table")]
    let cases: [(&str, fn(&mut Decision)); 8] = [
        ("verdict", |it| it.verdict = shared_types::Verdict::Ok),
        ("rollback_required", |it| it.rollback_required = false),
        ("metrics[0].observed", |it| it.metrics[0].observed = Some(0.1)),
        ("metrics[2].threshold", |it| it.metrics[2].threshold = 9.0),
        ("violated", |it| it.violated.clear()),
        ("policy_version", |it| it.policy_version = "sha256:0".into()),
        ("evidence.history[1].value", |it| it.evidence.as_mut().unwrap().history[1].value = 7.0),
        ("gate.compliant_batches", |it| it.gate.as_mut().unwrap().compliant_batches = 8),
    ];
    for (field, change) in cases {
        let recomputed = again(&world, &recorded, 2, change);
        assert_eq!((fields(&recomputed), recomputed.same), (vec![field], false), "{recomputed:?}");
    }
}

/// SLO-10: so is a change of what it stands on.
#[tokio::test]
async fn changed_evidence_is_found() {
    let (world, recorded) = history().await;
    let text = world.analyzer.policy().text.to_string();
    let read = |text: &str| Policy::parse_with(text, "policy", &world.analyzer.policy().kinds);
    let Recorded { decision, batch, .. } = recorded[3].clone();
    let mut batch = batch.unwrap();
    let known: Vec<EarlierBatch> =
        recorded[..3].iter().map(|it| EarlierBatch::of(it.batch.as_ref().unwrap())).collect();
    assert!(recompute(&decision, Some(&batch), &known, &read(&text)).same);

    let other = text.replace("save_latency_p95: 2.5s", "save_latency_p95: 0.1s");
    let recomputed = recompute(&decision, Some(&batch), &known, &read(&other));
    assert!(fields(&recomputed).contains(&"policy_version"), "{recomputed:?}");
    assert!(fields(&recomputed).contains(&"metrics[0].threshold"), "{recomputed:?}");
    let recomputed = recompute(&decision, Some(&batch), &known[..2], &read(&text));
    assert!(fields(&recomputed).contains(&"evidence.history"), "{recomputed:?}");
    batch.counters.insert(DRIFT.into(), 5);
    let recomputed = recompute(&decision, Some(&batch), &known, &read(&text));
    assert!(fields(&recomputed).contains(&"evidence.batch_hash"), "{recomputed:?}");
    let recomputed = recompute(&decision, None, &known, &read(&text));
    assert_eq!(fields(&recomputed), ["evidence.batch_hash"]);
    assert!(recomputed.differences[0].why.is_some());
    let recomputed = recompute(&decision, Some(&batch), &known, &read("version: 9"));
    assert_eq!(fields(&recomputed), ["policy_version"]);
}

/// A batch that came after a decision is no part of what it could look at.
#[tokio::test]
async fn what_came_later_is_not_looked_at() {
    let world = World::in_memory().await;
    for n in [0, 2, 1] {
        world.clock.set(window(3).end);
        world
            .send(&Counts { window: window(n), drift: u64::from(n == 1), ..Counts::default() })
            .await
            .unwrap();
    }
    let recorded = recorded(&world).await;
    let windows: Vec<_> = recorded.iter().map(|it| it.decision.window).collect();
    assert_eq!(windows, [window(0), window(2), window(1)], "in the order in which they were made");
    for of in 0..3 {
        assert!(again(&world, &recorded, of, |_| {}).same, "{of}");
    }
}
