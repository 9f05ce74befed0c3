//! Counters, histograms and numbers over Prometheus' HTTP API, read once a window, when its last samples are there.
//!
//! What is read is raw samples (`count`): an answer that may lack some is an outage and no count.

mod ask;
mod asking;
mod auth;
mod count;
mod digest;
mod histogram;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use domain::sources::prometheus::{Counter, Durations, Filling, KIND, Prometheus};
use domain::telemetry::totals::Totals;
use events::map::NO_CODE;
use serde_json::json;
use shared_types::{Buckets, TargetName, Timestamp, Window};

use super::{
    Asked, AskedWindow, Contribution, Input, Moved, Opened, Opening, Reader, Source, SourceError,
    WindowTotals, whole,
};
use ask::Server;
use asking::Asking;
use count::{Instance, Series, first_seen, growth, known_at, started_in, was_up};
use histogram::{Bucket, histograms};

/// What reads the kind.
pub const READER: Reader = Reader { key: KIND.key, open };

/// The one place of the source, and how far it was read: the end of the last window.
const PLACE: &str = "windows";
const READ_UNTIL: &str = "read_until";

fn open(opening: &Opening<'_>) -> Opened {
    let collection = &opening.policy.collection;
    let Some(settings) = collection.source.of_kind::<Prometheus>() else { return Ok(None) };
    let target = opening.target.clone();
    let server = Server::new(settings, collection.source_timeout)?;
    let retry = &collection.retry;
    let patience = settings.settle + retry.iter().sum() + retry.last().copied().unwrap_or_default();
    Ok(Some(Box::new(PrometheusSource { server, settings: settings.clone(), target, patience })))
}

#[derive(Debug)]
struct PrometheusSource {
    server: Server,
    settings: Prometheus,
    target: TargetName,
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
        let is_due = |asked_for: &&AskedWindow| {
            read_until.is_none_or(|until| asked_for.window.end > until)
                && asked_for.window.end.plus(self.settings.settle) <= asked.now
        };
        let mut due = asked.windows.iter().filter(is_due);
        let Some(asked_for) = due.next() else { return Ok(Input { caught_up: true, ..Input::default() }) };
        let window = asked_for.window;
        let totals = self.count(asked_for, asked.now).await?;
        let cursor = json!({ READ_UNTIL: window.end.to_string() });
        Ok(Input {
            contributions: vec![Contribution::Totals(WindowTotals { window, totals })],
            moved: vec![Moved { place: PLACE.to_owned(), cursor, anew: false }],
            caught_up: due.next().is_none(),
            ..Input::default()
        })
    }
}

impl PrometheusSource {
    /// What a window holds. As long as something may still come that is not there, its absence is an error.
    async fn count(&self, asked_for: &AskedWindow, now: Timestamp) -> Result<Totals, SourceError> {
        let AskedWindow { window, phase, begins_stay } = asked_for;
        let (window, begins_stay) = (*window, *begins_stay);
        let settings = self.settings.filled(Filling { target: &self.target, phase, length: window.length() });
        let Prometheus { up, started, counters, distributions, values, lookback, .. } = &settings;
        let mut asking =
            Asking { server: &self.server, window, lookback: *lookback, now, queries: Vec::new() };
        let up_series = match up {
            Some(up) => asking.samples("up", up).await?,
            None => Vec::new(),
        };
        let mut totals = Totals::default();
        if let Some(up) = up.as_ref().filter(|_| !was_up(window, &up_series)) {
            let why = format!("nothing of `{up}` was up in the window {window}");
            let names = counters.keys().chain(distributions.keys()).chain(values.keys());
            totals.intake.missing = names.map(|name| (name.clone(), why.clone())).collect();
        } else {
            let mut read: Vec<(&String, &Counter, Vec<Series>)> = Vec::new();
            for (event, counter) in counters {
                read.push((event, counter, asking.samples(event, &counter.series).await?));
            }
            let mut timed: Vec<(&String, &Durations, Vec<Series>, Vec<Series>)> = Vec::new();
            for (event, of) in distributions {
                let classic = asking.samples(event, &of.classic()).await?;
                timed.push((event, of, classic, asking.samples(event, &of.histogram).await?));
            }
            let of_timed = || timed.iter().flat_map(|(.., classic, native)| [classic, native]);
            let all = || read.iter().map(|(.., series)| series).chain(of_timed());
            let known = all().flat_map(|series| known_at(window.start, series, &up_series));
            let mut known: BTreeSet<Instance> = known.collect();
            // What a stay's first sample shows may have happened in the stay before: it counts for neither.
            let seen = || all().flatten().chain(&up_series);
            let from = if begins_stay { first_seen(window, &known, seen()) } else { BTreeMap::new() };
            if let Some(started) = started {
                known.extend(started_in(window, &asking.samples("started", started).await?));
            }
            for (event, counter, series) in read {
                match grown(counter, &series, window, &known, &from) {
                    Ok(grown) => grown.add(event, &mut totals),
                    Err(why) => _ = totals.intake.missing.insert(event.clone(), why),
                }
            }
            for (event, of, classic, native) in timed {
                match grown_durations(of, &classic, &native, window, &known, &from) {
                    Ok((count, buckets)) => {
                        totals.counters.insert(event.clone(), count);
                        totals.buckets.insert(event.clone(), buckets);
                    }
                    Err(why) => _ = totals.intake.missing.insert(event.clone(), why),
                }
            }
            for (name, query) in values {
                match asking.number(name, query).await? {
                    Ok(value) => _ = totals.values.insert(name.clone(), value),
                    Err(why) => _ = totals.intake.missing.insert(name.clone(), why),
                }
            }
        }
        totals.queries = asking.queries;
        match totals.intake.missing.values().next() {
            Some(why) if now.since(window.end) < self.patience => Err(self.server.says(why.clone())),
            Some(why) => {
                tracing::warn!(why, "what the source does not have is not waited for any longer");
                Ok(totals)
            }
            None => Ok(totals),
        }
    }
}

/// How much the series of a counter have grown together.
#[derive(Default)]
struct Grown {
    all: f64,
    /// By field and value.
    by: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Grown {
    fn add(self, event: &str, totals: &mut Totals) {
        totals.counters.insert(event.to_owned(), whole(self.all));
        for (field, values) in self.by {
            let values = values.into_iter().map(|(value, sum)| (value, whole(sum))).collect();
            totals.breakdowns.entry(event.to_owned()).or_default().insert(field, values);
        }
    }
}

/// Or why nobody knows.
fn grown(
    counter: &Counter,
    series: &[Series],
    window: Window,
    known: &BTreeSet<Instance>,
    from: &BTreeMap<Instance, Timestamp>,
) -> Result<Grown, String> {
    let Counter { series: selector, breakdown, absent_is_zero } = counter;
    if !absent_is_zero && !series.iter().any(|it| it.is_in(window)) {
        return Err(nothing_of(selector, window));
    }
    let mut grown = Grown::default();
    for series in series {
        let start = from.get(&series.instance()).copied().unwrap_or(window.start);
        let growth = growth(series, Window { start, ..window }, known)
            .ok_or_else(|| format!("a sample of `{selector}` is no count: {:?}", series.metric))?;
        grown.all += growth;
        for (field, label) in breakdown.iter().filter(|_| growth > 0.0) {
            let value = series.metric.get(label).map_or(NO_CODE, String::as_str);
            *grown.by.entry(field.clone()).or_default().entry(value.to_owned()).or_default() += growth;
        }
    }
    Ok(grown)
}

/// How much the histograms of an event have grown together, and its durations. Or why nobody knows.
fn grown_durations(
    of: &Durations,
    classic: &[Series],
    native: &[Series],
    window: Window,
    known: &BTreeSet<Instance>,
    from: &BTreeMap<Instance, Timestamp>,
) -> Result<(u64, Buckets), String> {
    let Durations { histogram: selector, unit, absent_is_zero } = of;
    if !absent_is_zero && !classic.iter().chain(native).any(|it| it.is_in(window)) {
        return Err(nothing_of(selector, window));
    }
    let (mut count, mut buckets) = (0, Buckets::default());
    for histogram in histograms(classic, native).map_err(|why| format!("{why}: `{selector}`"))? {
        let start = from.get(&histogram.instance()).copied().unwrap_or(window.start);
        let grown = histogram.growth(Window { start, ..window }, known);
        let grown = grown.map_err(|why| format!("{why}: `{selector}`, {:?}", histogram.labels))?;
        count += whole(grown.count);
        for Bucket { lower, upper, count } in grown.buckets {
            buckets.add(unit.in_ms(lower), unit.in_ms(upper), whole(count));
        }
    }
    // Of counts that are not whole, each is rounded by itself.
    Ok((count.max(buckets.count()), buckets))
}

fn nothing_of(selector: &str, window: Window) -> String {
    format!(
        "no sample of `{selector}` in the window {window}; \
         `absent: zero` says of a counter that it is born with its first event"
    )
}
