//! The collector's and the analyzer's state.

use analyzer_svc::store::{Filter, Store};
use collector_svc::effects::DeliverBatch;
use collector_svc::state::TargetState;
use collector_svc::store::Position;
use domain::effects::RetrySchedule;
use domain::gate::Run;
use domain::gate::watch::Watch;
use domain::stored::{Document, read, read_wire};
use domain::telemetry::totals::Totals;
use service_kit::outbox::Registry;
use shared_types::{Batch, Decision, TargetName, Timestamp};

use crate::fixture::{Left, left};

pub(crate) async fn read_all<D: Document>(left: &Left, id: &str, column: &str, table: &str) {
    for (id, text) in left.texts(id, column, table).await {
        read::<D>(&text).unwrap_or_else(|error| panic!("{table} {id}: {error}: {text}"));
    }
}

/// What waits in the outbox, and what was done, can be read by the effects of this release. Returns their kinds.
pub(crate) async fn read_effects<S: Registry>(left: &Left) -> Vec<String> {
    let rows = left.texts("kind", "payload", "outbox").await;
    for (kind, text) in &rows {
        let effect = S::effect(kind).unwrap_or_else(|| panic!("no effect is called {kind}"));
        effect.check(text).unwrap_or_else(|error| panic!("{kind}: {error}: {text}"));
    }
    rows.into_iter().map(|(kind, _)| kind).collect()
}

/// OP-6: every document of the collector, read one by one and through its store; then the next write.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_released_collector_stored_is_read() {
    for left in left("collector", collector_svc::store::MIGRATIONS).await {
        read_all::<TargetState>(&left, "target", "state", "targets").await;
        read_all::<Totals>(&left, "target", "totals", "partials").await;
        read_all::<Position>(&left, "file_id", "position", "source_positions").await;
        read_all::<RetrySchedule>(&left, "id", "retry", "outbox").await;
        for (id, text) in left.texts("target", "batch", "batches").await {
            read_wire::<Batch>(&text).unwrap_or_else(|error| panic!("batch {id}: {error}"));
        }
        for (id, text) in left.texts("idempotency_key", "answer", "push_answers").await {
            serde_json::from_str::<collector_svc::sources::Push>(&text)
                .unwrap_or_else(|error| panic!("{id}: {error}"));
        }
        let kinds = read_effects::<collector_svc::effects::Effects>(&left).await;
        assert!(kinds.iter().any(|kind| kind == DeliverBatch::KIND), "{kinds:?}");

        let store = collector_svc::store::Store::new(left.db.clone());
        let initial = TargetState::initial(std::time::Duration::from_secs(900));
        for (name, _) in left.texts("target", "state", "targets").await {
            let target = TargetName::parse(&name).unwrap();
            let loaded = store.load(&target, &initial).await.unwrap();
            for start in &loaded.open {
                store.totals(&target, *start).await.unwrap();
            }
            store.last_batch(&target).await.unwrap();
            store.oldest_undelivered(&target, Timestamp::from_millis(0)).await.unwrap();
        }
        assert_eq!(left.db.forms().state(), service_kit::http::CheckState::Ok);
        left.db.close().await;
    }
}

/// OP-6: every document of the analyzer, read one by one and through its store.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_released_analyzer_stored_is_read() {
    for left in left("analyzer", analyzer_svc::store::MIGRATIONS).await {
        read_all::<Run>(&left, "target", "run", "targets").await;
        read_all::<Watch>(&left, "target", "watch", "targets").await;
        read_all::<RetrySchedule>(&left, "id", "retry", "outbox").await;
        for (id, text) in left.texts("decision_id", "body", "batches").await {
            read_wire::<Batch>(&text).unwrap_or_else(|error| panic!("batch of {id}: {error}"));
        }
        for (id, text) in left.texts("decision_id", "body", "decisions").await {
            let decision = read_wire::<Decision>(&text).unwrap_or_else(|error| panic!("{id}: {error}"));
            assert!(decision.evidence.is_some(), "its evidence is in it: {text}");
        }
        read_effects::<analyzer_svc::effects::Effects>(&left).await;
        for (id, text) in left.texts("id", "payload", "outbox").await {
            read_wire::<Decision>(&text).unwrap_or_else(|error| panic!("{id}: {error}"));
        }
        let waiting: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM outbox WHERE state <> 'done'")
            .fetch_one(left.db.pool())
            .await
            .unwrap();
        assert!(waiting.0 > 0, "some wait to be delivered");

        let store = Store::new(left.db.clone());
        let decisions = store.decisions(&Filter::default(), None, 1000).await.unwrap();
        let batches = store.batches(&Filter::default(), None, 1000).await.unwrap();
        assert!(!batches.is_empty());
        for decision in &decisions {
            store.target(&decision.target).await.unwrap();
            store.batch_of(decision.decision_id).await.unwrap();
            store.event_of(decision.decision_id).await.unwrap();
        }
        assert_eq!(left.db.forms().state(), service_kit::http::CheckState::Ok);
        left.db.close().await;
    }
}
