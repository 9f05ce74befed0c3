//! A source that is asked for a window once, when what belongs to it is there.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use domain::policy::Collection;
use domain::telemetry::totals::Totals;
use serde_json::json;
use shared_types::Timestamp;

use super::{Asked, AskedWindow, Contribution, Input, Moved, Source, SourceError, WindowTotals};

/// The one place of such a source, and how far it was read: the end of the last window.
const PLACE: &str = "windows";
const READ_UNTIL: &str = "read_until";

/// What is asked for one window at a time.
#[async_trait]
pub(super) trait WindowReader: Send + Sync {
    /// The kind's key.
    fn kind(&self) -> &'static str;

    /// The error that something is wrong with what it has.
    fn says(&self, reason: String) -> SourceError;

    /// What a window holds; what is not there yet stands under `intake.missing`.
    async fn count(&self, asked_for: &AskedWindow, now: Timestamp) -> Result<Held, SourceError>;
}

/// What a window holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) totals: Totals,
    /// What nobody need wait for, by name, and why.
    pub(super) never: BTreeMap<String, String>,
}

impl From<Totals> for Held {
    fn from(totals: Totals) -> Self {
        Self { totals, never: BTreeMap::new() }
    }
}

/// The source that asks it for each window, once `settle` has passed since the window's end.
pub(super) fn by_window(reader: impl WindowReader + 'static, collection: &Collection) -> Box<dyn Source> {
    let settle = collection.source.settle();
    let retry = &collection.retry;
    let patience = settle + retry.iter().sum::<Duration>() + retry.last().copied().unwrap_or_default();
    Box::new(ByWindow { reader, settle, patience })
}

struct ByWindow<R> {
    reader: R,
    settle: Duration,
    /// So long after a window's end what is not there is waited for: an outage, tried again along the schedule and told at its
    /// end. What came later would be of another time.
    patience: Duration,
}

#[async_trait]
impl<R: WindowReader> Source for ByWindow<R> {
    fn kind(&self) -> &'static str {
        self.reader.kind()
    }

    async fn read(&mut self, asked: &Asked) -> Result<Input, SourceError> {
        let read_until = asked.cursor.get(PLACE).and_then(|it| it[READ_UNTIL].as_str());
        let read_until = read_until.and_then(|text| Timestamp::parse(text).ok());
        let is_due = |asked_for: &&AskedWindow| {
            read_until.is_none_or(|until| asked_for.window.end > until)
                && asked_for.window.end.plus(self.settle) <= asked.now
        };
        let mut due = asked.windows.iter().filter(is_due);
        let Some(asked_for) = due.next() else { return Ok(Input { caught_up: true, ..Input::default() }) };
        let window = asked_for.window;
        let Held { mut totals, never } = self.reader.count(asked_for, asked.now).await?;
        // As long as something may still come that is not there, its absence is an error.
        if let Some(why) = totals.intake.missing.values().next() {
            if asked.now.since(window.end) < self.patience {
                return Err(self.reader.says(why.clone()));
            }
            tracing::warn!(why, "what the source does not have is not waited for any longer");
        }
        totals.intake.missing.extend(never);
        let cursor = json!({ READ_UNTIL: window.end.to_string() });
        Ok(Input {
            contributions: vec![Contribution::Totals(WindowTotals { window, totals })],
            moved: vec![Moved { place: PLACE.to_owned(), cursor, anew: false }],
            caught_up: due.next().is_none(),
            ..Input::default()
        })
    }
}
