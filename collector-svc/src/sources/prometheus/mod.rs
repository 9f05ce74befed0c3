//! Counters, histograms and numbers over Prometheus' HTTP API, read once a window, when its last samples are there.
//!
//! What is read is raw samples (`count`): an answer that may lack some is an outage and no count.

mod among;
mod answer;
pub(super) mod ask;
pub(super) mod asking;
mod count;
mod digest;
mod grown;
mod histogram;
mod series;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use domain::sources::Filling;
use domain::sources::prometheus::{Counter, Durations, KIND, Prometheus};
use domain::telemetry::totals::Totals;
use shared_types::{TargetName, Timestamp};

use super::windows::{Held, WindowReader, by_window};
use super::{AskedWindow, Opened, Opening, Reader, SourceError};
use ask::{Endpoint, Server};
use asking::{Asking, Samples, Shown};
use count::{Instance, first_seen, known_at, started_in, was_up};
use grown::{extrapolated, grown, grown_durations};

/// What reads the kind.
pub const READER: Reader = Reader { key: KIND.key, open };

fn open(opening: &Opening<'_>) -> Opened {
    let collection = &opening.policy.collection;
    let Some(settings) = collection.source.of_kind::<Prometheus>() else { return Ok(None) };
    let target = opening.target.clone();
    let server = Server::of(Endpoint {
        url: settings.url.clone(),
        path: "api/v1/query",
        headers: settings.headers.clone(),
        auth: settings.auth.clone(),
        timeout: collection.source_timeout,
        harmless: &[],
    })?;
    let source = PrometheusSource { server, settings: settings.clone(), target };
    Ok(Some(by_window(source, collection)))
}

#[derive(Debug)]
struct PrometheusSource {
    server: Arc<Server>,
    settings: Prometheus,
    target: TargetName,
}

#[async_trait]
impl WindowReader for PrometheusSource {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn says(&self, reason: String) -> SourceError {
        self.server.says(reason)
    }

    async fn count(&self, asked_for: &AskedWindow, now: Timestamp) -> Result<Held, SourceError> {
        let AskedWindow { window, phase, begins_stay } = asked_for;
        let filling = Filling { target: &self.target, phase, length: window.length() };
        let settings = self.settings.filled(filling);
        let Prometheus { lookback, samples_most, .. } = settings;
        let (server, target, window, queries) = (&*self.server, &self.target, *window, Vec::new());
        let mut asking = Asking { server, target, window, lookback, samples_most, now, queries };
        let mut held = counted(&mut asking, &settings, *begins_stay).await?;
        held.totals.queries = asking.queries;
        Ok(held)
    }
}

/// What the server says now.
async fn counted(
    asking: &mut Asking<'_>,
    settings: &Prometheus,
    begins_stay: bool,
) -> Result<Held, SourceError> {
    let Prometheus { up, started, counters, distributions, values, .. } = settings;
    let window = asking.window;
    let up_read = match up {
        Some(up) => Some(asking.samples("up", up, 0).await?),
        None => None,
    };
    let up_series = up_read.as_ref().map_or(&[][..], |read| &read.series);
    // Of what there are too many samples, there would be at any time.
    let (mut totals, mut never) = (Totals::default(), BTreeMap::new());
    if let Some(up) = up.as_ref().filter(|_| !was_up(window, up_series)) {
        let why = format!("nothing of `{up}` was up in the window {window}");
        let names = counters.keys().chain(distributions.keys()).chain(values.keys());
        totals.intake.missing = names.map(|name| (name.clone(), why.clone())).collect();
        return Ok(Held { totals, never });
    }
    let mut read: Vec<(&String, &Counter, Shown)> = Vec::new();
    for (event, counter) in counters {
        read.push((event, counter, asking.counter(event, &counter.series).await?));
    }
    let mut timed: Vec<(&String, &Durations, Samples, Samples)> = Vec::new();
    for (event, of) in distributions {
        match asking.histogram(event, of).await? {
            Ok((classic, native)) => timed.push((event, of, classic, native)),
            Err(why) => _ = never.insert(event.clone(), why),
        }
    }
    let of_timed = || timed.iter().flat_map(|(.., classic, native)| [classic, native]);
    let all = || read.iter().filter_map(|(.., shown)| shown.samples()).chain(of_timed()).map(|it| &it.series);
    let known = all().flat_map(|series| known_at(window.start, series, up_series));
    let mut known: BTreeSet<Instance> = known.collect();
    // What a stay's first sample shows may have happened in the stay before: it counts for neither.
    let seen = || all().flatten().chain(up_series);
    let from = if begins_stay { first_seen(window, &known, seen()) } else { BTreeMap::new() };
    if let Some(started) = started {
        known.extend(started_in(window, &asking.samples("started", started, 0).await?.series));
    }
    let Totals { counters, buckets, intake, values: numbers, .. } = &mut totals;
    for (event, of, classic, native) in timed {
        match grown_durations(of, &classic.series, &native.series, window, &known, &from) {
            Ok((count, durations)) => {
                counters.insert(event.clone(), count);
                buckets.insert(event.clone(), durations);
            }
            Err(why) => _ = intake.missing.insert(event.clone(), why),
        }
    }
    for (name, query) in values {
        match asking.number(name, query).await? {
            Ok(value) => _ = numbers.insert(name.clone(), value),
            Err(why) => _ = intake.missing.insert(name.clone(), why),
        }
    }
    for (event, counter, shown) in read {
        let (grown, estimate) = match shown {
            Shown::Samples(read) => (grown(counter, &read.series, window, &known, &from), None),
            Shown::Extrapolated(series, why) => (extrapolated(counter, &series, window), Some(why)),
        };
        match grown {
            Ok(grown) => {
                grown.add_to(event, &mut totals);
                totals.intake.extrapolated.extend(estimate.map(|why| (event.clone(), why)));
            }
            Err(why) => _ = totals.intake.missing.insert(event.clone(), why),
        }
    }
    Ok(Held { totals, never })
}
