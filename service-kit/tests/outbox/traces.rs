//! One trace joins what caused an effect and the effect.

use std::sync::Mutex;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use service_kit::db::Db;
use service_kit::outbox::{Claim, Handler, Outcome};
use service_kit::trace_context;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

use crate::harness::*;

#[derive(Default)]
struct Traced(Mutex<Vec<Option<String>>>);

#[async_trait]
impl Handler for Traced {
    async fn handle(&self, _: &Claim) -> Outcome {
        self.0.lock().unwrap().push(trace_context::trace_parent());
        done()
    }
}

#[tokio::test]
async fn an_effect_is_done_in_the_trace_of_the_transaction_that_enqueued_it() {
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let db = Db::connect("sqlite::memory:", "kit", &[]).await.unwrap();

    let cause = tracing::info_span!("decision");
    let caused_in = async {
        put(&db, &message("slack/x", "a")).await;
        trace_context::trace_parent().unwrap()
    };
    let caused_in = caused_in.instrument(cause).await;

    let handler = Traced::default();
    assert_eq!(service_kit::outbox::work_once(&db, &clock(), &handler).await.unwrap(), 1);
    let done_in = handler.0.lock().unwrap()[0].clone().unwrap();
    let trace_id = |trace_parent: &str| trace_parent.split('-').nth(1).unwrap().to_owned();
    assert_eq!(trace_id(&done_in), trace_id(&caused_in));
    assert_ne!(done_in, caused_in, "in a span of its own");
}
