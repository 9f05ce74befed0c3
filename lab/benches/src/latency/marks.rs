//! When each hop of the violation under way was reached, seen from outside: the services' own spans begin
//! and end at the right places, so a subscriber can watch them without a hook in the product.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use analyzer_svc::effects::DeliverDecision;
use domain::effects::RunTransition;
use domain::stored::Document as _;
use shared_types::story::HopKind;
use tracing::Event;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer};

/// A place on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The batch is about to be sent.
    Sent,
    /// The analyzer's worker has the delivery, which it can only once the decision is committed.
    DeliveryBegun,
    /// The decision is in at the reporter.
    DecisionArrived,
    /// The reporter has committed what follows from it.
    DecisionCommitted,
    /// The reporter's worker has the rollback.
    RollbackBegun,
    /// The command begins; the stop directive goes beside it.
    CommandStarted,
}

/// The hop that ends at each mark but the first.
pub(crate) const HOPS: [(Mark, &str); 5] = [
    (Mark::DeliveryBegun, "analyzer: judge, commit, hand the delivery over"),
    (Mark::DecisionArrived, "HTTP to the reporter"),
    (Mark::DecisionCommitted, "reporter: incident, start, messages; commit"),
    (Mark::RollbackBegun, "hand the rollback over"),
    (Mark::CommandStarted, "read the state, start the command"),
];

/// What one violation went through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marked([Option<Instant>; 6]);

impl Marked {
    fn at(&self, mark: Mark) -> Option<Instant> {
        self.0[mark as usize]
    }

    /// From the batch to the command.
    pub(crate) fn whole(&self) -> Duration {
        match (self.at(Mark::Sent), self.at(Mark::CommandStarted)) {
            (Some(from), Some(to)) => to.saturating_duration_since(from),
            _ => Duration::ZERO,
        }
    }

    /// As [`HOPS`]. A hop may be over before the one before it is answered; it then took no time.
    pub(crate) fn hops(&self) -> impl Iterator<Item = Duration> {
        let mut before = self.at(Mark::Sent);
        HOPS.iter().map(move |(mark, _)| {
            let (from, to) = (before, self.at(*mark));
            before = before.max(to);
            from.zip(to).map_or(Duration::ZERO, |(from, to)| to.saturating_duration_since(from))
        })
    }

    /// Whether every place was passed.
    pub(crate) fn complete(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }
}

/// The marks of the violation under way; each is set once.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<Option<Marked>>);

impl Marks {
    /// From here on marks are taken.
    pub(crate) fn begin(&self) {
        let mut marked = Marked::default();
        marked.0[Mark::Sent as usize] = Some(Instant::now());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(marked);
    }

    pub(crate) fn set(&self, mark: Mark) {
        self.set_at(mark, Instant::now());
    }

    pub(crate) fn set_at(&self, mark: Mark, at: Instant) {
        if let Some(marked) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            marked.0[mark as usize].get_or_insert(at);
        }
    }

    /// What was marked; nothing is from here on.
    pub(crate) fn end(&self) -> Marked {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

/// Takes the marks that spans show.
pub(crate) struct MarkLayer {
    marks: Arc<Marks>,
}

impl MarkLayer {
    pub(crate) fn new(marks: Arc<Marks>) -> Self {
        Self { marks }
    }
}

/// The two fields that tell spans, and events, apart.
#[derive(Default)]
struct Fields {
    kind: String,
    name: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "kind" => self.kind = format!("{value:?}"),
            "otel.name" => self.name = format!("{value:?}"),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "kind" => value.clone_into(&mut self.kind),
            "otel.name" => value.clone_into(&mut self.name),
            _ => {}
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for MarkLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        let name = attributes.metadata().name();
        if name != "effect" && name != "http" {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        match (fields.kind.as_str(), fields.name.as_str()) {
            (DeliverDecision::KIND, _) => self.marks.set(Mark::DeliveryBegun),
            (RunTransition::KIND, _) => self.marks.set(Mark::RollbackBegun),
            (_, "POST /v1/decisions") => self.marks.set(Mark::DecisionArrived),
            _ => {}
        }
    }

    /// The reporter logs each hop of an incident as soon as it is committed.
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() != "reporter_svc::reporter" {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.kind == <&str>::from(HopKind::RollbackRequested) {
            self.marks.set(Mark::DecisionCommitted);
        }
    }
}
