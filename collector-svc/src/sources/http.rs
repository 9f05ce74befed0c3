//! What is pushed over HTTP: parsed by the request handlers, queued with its share of the byte budget, and answered by the
//! flush that commits it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::kinds::Chosen;
use domain::sources::SourceSettings;
use serde::{Deserialize, Serialize};
use service_kit::http::BodyShare;
use shared_types::batch::{Example, is_zero};
use tokio::sync::{Notify, oneshot};
use utoipa::ToSchema;

use super::otlp::delivery::Delivery;
use super::otlp::metrics::Reading;
use super::otlp::refused::Refused;
use super::{Asked, Contribution, Input, Opened, Opening, Origin, Part, Reader, Source, SourceError};
use events::EventSpecs;
use events::records::{MalformedLine, Records};

/// Nothing is pulled: what is pushed comes through the target's queue, for every kind of source.
pub const READER: Reader = Reader { key: domain::sources::http::KIND.key, open };

fn open(_opening: &Opening<'_>) -> Opened {
    Ok(None)
}

/// Records that one flush takes from the queue.
const RECORDS_PER_FLUSH: usize = 100_000;

/// What became of a push.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Push {
    /// Events counted in their window.
    pub accepted: u64,
    /// Events whose `event_id` was already seen in their window.
    pub duplicates: u64,
    /// Events of windows already closed.
    pub late: u64,
    /// Lines that were no events.
    pub malformed: u64,
    /// Events of names that the policy does not use.
    #[serde(default)]
    pub unknown: u64,
    /// Lines that the source's map ignores (TE-7).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ignored: u64,
    /// The first 20 malformed lines.
    pub errors: Vec<MalformedLine>,
    /// Those names, the 16 most frequent of this body; the rest under `other`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown_names: BTreeMap<String, u64>,
    /// The first three of each reason and of each unknown name (TE-6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

/// Malformed lines that a refusal quotes.
const QUOTED: usize = 3;

impl Push {
    /// What is wrong with a body of which nothing could be accepted (TE-8). Events that came again or too late are events.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let none = self.accepted + self.duplicates + self.late == 0 && self.malformed + self.unknown > 0;
        none.then(|| {
            let lines = self.errors.iter().take(QUOTED);
            let mut said: Vec<String> =
                lines.map(|error| format!("line {}: {}", error.line, error.reason)).collect();
            if self.unknown > 0 {
                let names = self.unknown_names.keys().take(QUOTED).map(|name| self.named(name));
                let names: Vec<String> = names.collect();
                said.push(format!(
                    "{} of names that the policy does not use: {}",
                    self.unknown,
                    names.join(", ")
                ));
            }
            let all = self.malformed + self.unknown;
            format!("no event of {all} could be counted: {}", said.join("; "))
        })
    }

    fn named(&self, name: &str) -> String {
        let meant = self.examples.iter().find(|it| it.what == name).and_then(|it| it.meant.as_deref());
        meant.map_or_else(|| format!("`{name}`"), |meant| format!("`{name}` (`{meant}`?)"))
    }
}

/// The answer to a push.
#[derive(Debug, Clone, PartialEq)]
pub enum PushReply {
    /// Committed now.
    Committed(Push),
    /// Committed before, under the same key; the first answer, as JSON.
    Repeated(String),
    /// The key belongs to another body.
    KeyReused,
}

/// What has to happen when a push is committed.
#[derive(Debug)]
pub struct Receipt {
    /// `Idempotency-Key` and hash of the body.
    pub key: Option<(String, String)>,
    pub reply: oneshot::Sender<PushReply>,
    /// Its body's share of the byte budget, given back with the answer.
    pub share: BodyShare,
    /// The source whose windows alone it counts in; none: in all.
    pub of: Option<Chosen<dyn SourceSettings>>,
}

/// The handlers' end of the queue.
#[derive(Debug, Clone)]
pub struct PushQueue {
    waiting: Arc<Mutex<VecDeque<Contribution>>>,
    wake: Arc<Notify>,
}

impl PushQueue {
    /// A queue that wakes the target's worker.
    #[must_use]
    pub fn new(wake: Arc<Notify>) -> Self {
        Self { waiting: Arc::default(), wake }
    }

    /// Puts records, read with `specs`, into the queue; the reply comes when they are committed.
    pub fn push(
        &self,
        records: Records,
        specs: Arc<EventSpecs>,
        key: Option<(String, String)>,
        share: BodyShare,
    ) -> oneshot::Receiver<PushReply> {
        self.push_of(None, records, specs, key, share)
    }

    /// As [`Self::push`], of events that count in the windows of a source alone.
    pub fn push_of(
        &self,
        of: Option<Chosen<dyn SourceSettings>>,
        records: Records,
        specs: Arc<EventSpecs>,
        key: Option<(String, String)>,
        share: BodyShare,
    ) -> oneshot::Receiver<PushReply> {
        let (reply, answer) = oneshot::channel();
        let part = Part { records, specs, origin: Origin::Push(Receipt { key, reply, share, of }) };
        self.add(Contribution::Records(part));
        answer
    }

    /// Puts data points, which were read by the settings of `of`, into the queue; the reply comes when they are committed.
    pub fn deliver(
        &self,
        readings: Vec<Reading>,
        of: Chosen<dyn SourceSettings>,
        share: BodyShare,
    ) -> oneshot::Receiver<Refused> {
        let (reply, answer) = oneshot::channel();
        self.add(Contribution::Delivery(Delivery { readings, of, reply, share }));
        answer
    }

    fn add(&self, contribution: Contribution) {
        self.lock().push_back(contribution);
        self.wake.notify_one();
    }

    /// Whether somebody waits for an answer.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Contribution>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker's end of the queue.
#[derive(Debug)]
pub struct PushSource(pub PushQueue);

#[async_trait]
impl Source for PushSource {
    fn kind(&self) -> &'static str {
        READER.key
    }

    async fn read(&mut self, _asked: &Asked) -> Result<Input, SourceError> {
        let mut waiting = self.0.lock();
        let mut input = Input { caught_up: true, ..Input::default() };
        let (mut records, mut keys) = (0, HashSet::new());
        while let Some(next) = waiting.pop_front() {
            let (count, key) = match &next {
                Contribution::Records(Part { records, origin, .. }) => match origin {
                    Origin::Push(Receipt { key: Some((key, _)), .. }) => {
                        (records.events.len(), Some(key.clone()))
                    }
                    _ => (records.events.len(), None),
                },
                Contribution::Delivery(delivery) => (delivery.readings.len(), None),
                Contribution::Totals(_) | Contribution::Lost(_) => (0, None),
            };
            // A second push under a key waits until the first one's answer is stored.
            let full = records > 0 && records + count > RECORDS_PER_FLUSH;
            if full || key.is_some_and(|key| !keys.insert(key)) {
                waiting.push_front(next);
                input.caught_up = false;
                break;
            }
            records += count;
            input.contributions.push(next);
        }
        Ok(input)
    }

    fn take_back(&mut self, found: Vec<Contribution>) {
        let mut waiting = self.0.lock();
        for contribution in found.into_iter().rev() {
            waiting.push_front(contribution);
        }
    }
}
