//! Counters over Prometheus' HTTP API, read once a window, when its last samples are there.
//!
//! What is read is raw samples (`count`): an answer that may lack some is an outage and no count.

mod ask;
mod count;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use domain::sources::prometheus::{Counter, KIND, Prometheus};
use domain::telemetry::totals::Totals;
use events::map::NO_CODE;
use serde_json::json;
use shared_types::{Timestamp, Window};

use super::{Asked, Contribution, Input, Moved, Opened, Opening, Reader, Source, SourceError, WindowTotals};
use ask::Server;
use count::{Series, growth, known_at, was_up};

/// What reads the kind.
pub const READER: Reader = Reader { key: KIND.key, open };

/// The one place of the source, and how far it was read: the end of the last window.
const PLACE: &str = "windows";
const READ_UNTIL: &str = "read_until";

fn open(opening: &Opening<'_>) -> Opened {
    let collection = &opening.policy.collection;
    let Some(settings) = collection.source.of_kind::<Prometheus>() else { return Ok(None) };
    let server = Server::new(settings, collection.source_timeout)?;
    let retry = &collection.retry;
    let patience = settings.settle + retry.iter().sum() + retry.last().copied().unwrap_or_default();
    Ok(Some(Box::new(PrometheusSource { server, settings: settings.clone(), patience })))
}

#[derive(Debug)]
struct PrometheusSource {
    server: Server,
    settings: Prometheus,
    /// So long after a window's end what is not there is waited for: an outage, tried again along the schedule and told at its
    /// end. What came later would be of another time.
    patience: Duration,
}

#[async_trait]
impl Source for PrometheusSource {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    async fn read(&mut self, asked: &Asked) -> Result<Input, SourceError> {
        let read_until = asked.cursor.get(PLACE).and_then(|it| it[READ_UNTIL].as_str());
        let read_until = read_until.and_then(|text| Timestamp::parse(text).ok());
        let is_due = |window: &&Window| {
            read_until.is_none_or(|until| window.end > until)
                && window.end.plus(self.settings.settle) <= asked.now
        };
        let mut due = asked.windows.iter().filter(is_due);
        let Some(window) = due.next() else { return Ok(Input { caught_up: true, ..Input::default() }) };
        let totals = self.count(*window, asked.now).await?;
        let cursor = json!({ READ_UNTIL: window.end.to_string() });
        Ok(Input {
            contributions: vec![Contribution::Totals(WindowTotals { window: *window, totals })],
            moved: vec![Moved { place: PLACE.to_owned(), cursor, anew: false }],
            caught_up: due.next().is_none(),
            ..Input::default()
        })
    }
}

impl PrometheusSource {
    async fn count(&self, window: Window, now: Timestamp) -> Result<Totals, SourceError> {
        let Prometheus { up, counters, lookback, .. } = &self.settings;
        let span = window.length() + *lookback;
        let ask = async |selector: &str| self.server.samples(selector, span, window.end, now).await;
        let mut totals = Totals::default();
        let missing = &mut totals.intake.missing;
        let up_series = match up {
            Some(up) => ask(up).await?,
            None => Vec::new(),
        };
        if let Some(up) = up.as_ref().filter(|_| !was_up(window, &up_series)) {
            let why = format!("nothing of `{up}` was up in the window {window}");
            missing.extend(counters.keys().map(|event| (event.clone(), why.clone())));
            return self.waited(window, now, why, totals);
        }
        let mut read: Vec<(&String, &Counter, Vec<Series>)> = Vec::new();
        for (event, counter) in counters {
            let series = ask(&counter.series).await?;
            if counter.absent_is_zero || series.iter().any(|it| it.is_in(window)) {
                read.push((event, counter, series));
                continue;
            }
            let why = format!("no sample of `{}` in the window {window}", counter.series);
            missing.insert(event.clone(), why);
        }
        if let Some(why) = missing.values().next().cloned() {
            let hint = "`absent: zero` says of a counter that it is born with its first event";
            self.waited(window, now, format!("{why}; {hint}"), ())?;
        }
        let known = read.iter().flat_map(|(.., series)| known_at(window.start, series, &up_series)).collect();
        for (event, counter, series) in read {
            let mut sum = 0.0;
            let mut broken_down: BTreeMap<&String, BTreeMap<String, f64>> = BTreeMap::new();
            for series in &series {
                let growth = growth(series, window, &known).ok_or_else(|| {
                    self.server
                        .says(format!("a sample of `{}` is no count: {:?}", counter.series, series.metric))
                })?;
                sum += growth;
                for (field, label) in counter.breakdown.iter().filter(|_| growth > 0.0) {
                    let value = series.metric.get(label).map_or(NO_CODE, String::as_str);
                    *broken_down.entry(field).or_default().entry(value.to_owned()).or_default() += growth;
                }
            }
            totals.counters.insert(event.clone(), whole(sum));
            for (field, values) in broken_down {
                let values = values.into_iter().map(|(value, sum)| (value, whole(sum))).collect();
                totals.breakdowns.entry(event.clone()).or_default().insert(field.clone(), values);
            }
        }
        Ok(totals)
    }

    /// What is known of a window where something is not there: nothing, as long as it is waited for.
    fn waited<T>(&self, window: Window, now: Timestamp, why: String, known: T) -> Result<T, SourceError> {
        if now.since(window.end) < self.patience {
            return Err(self.server.says(why));
        }
        tracing::warn!(why, "what the source does not have is not waited for any longer");
        Ok(known)
    }
}

/// Of a sum of rises of counters, which count whole things.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rises are not negative; a counter beyond 2^53 does not count singly any more"
)]
fn whole(sum: f64) -> u64 {
    sum.round() as u64
}

/// As a query writes a duration.
fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs() + u64::from(span.subsec_nanos() > 0))
}
