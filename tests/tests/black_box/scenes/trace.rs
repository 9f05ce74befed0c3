//! One trace from the batch to the command, through three processes and their outboxes.

use std::collections::BTreeMap;

use phasegate_tests::feeder::Feeder;
use phasegate_tests::otlp::OtlpReceiver;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;
use serde_json::json;

use crate::story::POLICY;

/// Every hop of a violation, by the process that does it.
const HOPS: [&str; 9] = [
    "collector-svc close_windows",
    "collector-svc effect deliver_batch",
    "analyzer-svc POST /v1/batches",
    "analyzer-svc effect DeliverDecision",
    "reporter-svc POST /v1/decisions",
    "reporter-svc effect PostSlackMessage",
    "reporter-svc effect TriggerPage",
    "reporter-svc effect RunTransition",
    "reporter-svc effect PushDirective",
];

/// DE-5: one trace id joins batch, decision, notifications and rollback command; every process names itself.
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_joins_batch_decision_notifications_and_rollback() {
    let (receiver, vendors) = (OtlpReceiver::start().await, Vendors::start().await);
    let environment = [receiver.environment(), vendors.environment()].concat();
    let stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &environment).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    feeder.violate(true);
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    wait::until("the rollback", || async {
        if stack.phase_changes() == ["off A", "A off"] { Ok(()) } else { Err("none yet") }
    })
    .await;
    feeder.stop().await;
    wait::until("a trace with every hop", || async {
        let mut traces: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for span in receiver.spans() {
            traces.entry(span.trace.clone()).or_default().push(span.label());
        }
        let whole = |labels: &&Vec<String>| HOPS.iter().all(|hop| labels.iter().any(|label| label == hop));
        match traces.values().find(whole) {
            Some(_) => Ok(()),
            None => Err(format!("the longest: {:#?}", traces.values().max_by_key(|labels| labels.len()))),
        }
    })
    .await;
}
