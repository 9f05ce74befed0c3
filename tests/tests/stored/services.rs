//! The collector's and the analyzer's state.

use analyzer_svc::store::{AnalyzerStore as _, Filter, SqlStore};
use collector_svc::messages::*;
use collector_svc::state::TargetState;
use collector_svc::store::{CollectorStore as _, Position};
use collector_svc::totals::Totals;
use domain::effects::RetrySchedule;
use domain::gate::Run;
use domain::gate::watch::Watch;
use domain::stored::{Document, read, read_wire};
use shared_types::{Batch, Decision, TargetName, Timestamp};

use crate::fixture::{Left, left};

pub(crate) async fn read_all<D: Document>(left: &Left, id: &str, column: &str, table: &str) {
    for (id, text) in left.texts(id, column, table).await {
        read::<D>(&text).unwrap_or_else(|error| panic!("{table} {id}: {error}: {text}"));
    }
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
        let mut kinds = Vec::new();
        for (kind, text) in left.texts("kind", "payload", "outbox").await {
            let read = match kind.as_str() {
                DeliverBatch::KIND => read::<DeliverBatch>(&text).map(drop),
                DeliverEvent::KIND => read::<DeliverEvent>(&text).map(drop),
                WriteArchive::KIND => read::<WriteArchive>(&text).map(drop),
                AppendRetryFailure::KIND => read::<AppendRetryFailure>(&text).map(drop),
                TellAct::KIND => read::<TellAct>(&text).map(drop),
                other => panic!("no effect is called {other}"),
            };
            read.unwrap_or_else(|error| panic!("{kind}: {error}: {text}"));
            kinds.push(kind);
        }
        assert!(kinds.iter().any(|kind| kind == DeliverBatch::KIND), "{kinds:?}");

        let store = collector_svc::store::SqlStore::new(left.db.clone());
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
    for left in left("analyzer", analyzer_svc::store::migrations()).await {
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
        for (kind, text) in left.texts("kind", "payload", "outbox").await {
            assert_eq!(kind, analyzer_svc::delivery::DELIVER_DECISION);
            read_wire::<Decision>(&text).unwrap();
        }
        let waiting: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM outbox WHERE state <> 'done'")
            .fetch_one(left.db.pool())
            .await
            .unwrap();
        assert!(waiting.0 > 0, "some wait to be delivered");

        let store = SqlStore::new(left.db.clone());
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
