//! Rows that every window writes again are changed in their place on PostgreSQL, so that no index grows with a day's windows.

use std::time::Duration;

use domain::effects::lower::Plan;
use domain::rollout::{Aggregate, Step};
use futures_util::future::join_all;
use phasegate_tests::counted;
use phasegate_tests::plans::Plans;
use reporter_svc::store::*;
use shared_types::{Decision, TargetName, Timestamp, Window};
use uuid::Uuid;

const DECISION: &str = r#"{"schema":"phasegate.decision/1","decision_id":"00000000-0000-0000-0000-000000000000","target":"t",
    "phase":"A","epoch":1,"window":{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:15:00Z"},"verdict":"ok",
    "rollback_required":false,"cause":"slo","metrics":[],"violated":[],"policy_version":"","decided_at":"1970-01-01T00:15:00Z"}"#;

#[tokio::test]
async fn a_day_is_added_to_in_place() {
    let plans = Plans::over("reporter", MIGRATIONS, &[]).await;
    let store = Store::new(plans.db());
    let names: Vec<_> = (0..256).map(|n| TargetName::parse(&format!("t{n}")).unwrap()).collect();
    store.ensure_targets(&names, Timestamp::from_millis(0)).await.unwrap();
    let plan = |before: &Aggregate, _: &Given| {
        let (step, answer) = (Step::from(before), serde_json::json!("done"));
        Ok(Plan { step, answer, messages: vec![], notifications: vec![], cancels: vec![], audit: vec![] })
    };
    for window in 0..4 {
        let start = Timestamp::from_millis(window * 900_000);
        let window = Window { start, end: start.plus(Duration::from_secs(900)) };
        let of = |target: &TargetName| Decision {
            decision_id: Uuid::now_v7(),
            target: target.clone(),
            window,
            ..serde_json::from_str(DECISION).unwrap()
        };
        let decisions: Vec<_> = names.iter().map(of).collect();
        let taken = decisions.iter().map(|decision| {
            store.change(Change {
                target: &decision.target,
                incident: None,
                of_transition: false,
                decision: Some(decision),
                act: None,
                settle: None,
                retry: None,
                lost: None,
                window: Duration::from_secs(900),
                now: window.end,
                plan: &plan,
            })
        });
        assert!(join_all(taken).await.iter().all(|it| matches!(it, Ok(Changed::Applied { .. }))));
        counted::clear_away(&plans.db(), "days").await;
    }
    let updates = counted::updates(&plans.db(), "days").await;
    // Without the room none would be in the first round.
    assert!(updates.all == 768 && updates.in_place * 10 > updates.all * 7, "{updates:?}");
}
