//! What a running collector has counted of events that are pushed: nobody else can see them.

use std::collections::BTreeMap;

use collector_svc::api::TargetView;
use serde::Serialize;
use shared_types::batch::{Distribution, Intake};
use shared_types::{Buckets, TargetName, Timestamp, Window};

use crate::api::{Api, encoded};

/// See the module.
#[derive(Debug, Serialize)]
pub(crate) struct Pushes {
    /// Where it was asked.
    pub(crate) collector: String,
    /// Why it said nothing.
    pub(crate) unseen: Option<String>,
    /// Its newest batch's.
    pub(crate) window: Option<Window>,
    /// Events of that batch, by name.
    pub(crate) counters: BTreeMap<String, u64>,
    /// Durations of that batch, by event.
    #[serde(skip)]
    pub(crate) distributions: BTreeMap<String, Distribution>,
    /// The same where only bounds are known.
    #[serde(skip)]
    pub(crate) buckets: BTreeMap<String, Buckets>,
    /// Events of the window that is open.
    pub(crate) counting: u64,
    pub(crate) newest_event: Option<Timestamp>,
    /// What it could not count, in that batch and since.
    pub(crate) intake: Intake,
}

impl Pushes {
    pub(super) async fn ask(collector: &Api, target: &TargetName) -> Self {
        let path = format!("/v1/targets/{}", encoded(target.as_str()));
        Self::said(collector.base(), collector.get(&path).await.map_err(|error| error.to_string()))
    }

    fn said(collector: String, answer: Result<TargetView, String>) -> Self {
        let (view, unseen) = match answer {
            Ok(view) => (Some(view), None),
            Err(why) => (None, Some(why)),
        };
        let counting = view.as_ref().map_or(0, |view| view.current.events);
        let newest_event = view.as_ref().and_then(|view| view.newest_event);
        let mut intake = view.as_ref().map(|view| view.intake.clone()).unwrap_or_default();
        let batch = view.and_then(|view| view.last_batch);
        let window = batch.as_ref().map(|batch| batch.window);
        let (mut counters, mut distributions, mut buckets) = <(_, _, _)>::default();
        if let Some(batch) = batch {
            domain::telemetry::totals::add_intake(&mut intake, &batch.intake);
            (counters, distributions, buckets) = (batch.counters, batch.distributions, batch.buckets);
        }
        Self { collector, unseen, window, counters, distributions, buckets, counting, newest_event, intake }
    }

    /// How often an event came in the newest batch, or why nobody knows.
    pub(super) fn count(&self, event: &str) -> Result<u64, String> {
        let Self { collector, unseen, window, counters, .. } = self;
        match (unseen, window, counters.get(event)) {
            (Some(why), ..) => Err(format!("pushes are seen by a running collector alone: {why}")),
            (None, None, _) => Err(format!("the collector at {collector} has closed no window of it yet")),
            (None, Some(_), Some(count)) => Ok(*count),
            (None, Some(window), None) => {
                Err(format!("the collector at {collector} did not count it in the window {window}"))
            }
        }
    }
}
