//! How much the series of an event have grown together within a window. Pure.

use std::collections::{BTreeMap, BTreeSet};

use domain::sources::prometheus::{Counter, Durations};
use domain::telemetry::totals::Totals;
use events::map::NO_CODE;
use shared_types::{Buckets, Timestamp, Window};

use super::answer::Number;
use super::count::{Instance, Sample, Series, growth};
use super::histogram::{Bucket, histograms};
use crate::sources::whole;

/// How much the series of a counter have grown together.
#[derive(Default)]
pub(super) struct Grown {
    all: f64,
    /// By field and value.
    by: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Grown {
    fn add(&mut self, counter: &Counter, labels: &BTreeMap<String, String>, growth: f64) {
        self.all += growth;
        for (field, label) in counter.breakdown.iter().filter(|_| growth > 0.0) {
            let value = labels.get(label).map_or(NO_CODE, String::as_str);
            *self.by.entry(field.clone()).or_default().entry(value.to_owned()).or_default() += growth;
        }
    }

    pub(super) fn add_to(self, event: &str, totals: &mut Totals) {
        let mut count = whole(self.all);
        for (field, values) in self.by {
            // What is estimated is no whole number: nothing that happened is rounded away, and parts are no more than all.
            let part = |(value, sum): (String, f64)| (value, whole(sum).max(1));
            let values: BTreeMap<String, u64> = values.into_iter().map(part).collect();
            count = count.max(values.values().sum());
            totals.breakdowns.entry(event.to_owned()).or_default().insert(field, values);
        }
        totals.counters.insert(event.to_owned(), count);
    }
}

/// By raw samples. Or why nobody knows.
pub(super) fn grown(
    counter: &Counter,
    series: &[Series],
    window: Window,
    known: &BTreeSet<Instance>,
    from: &BTreeMap<Instance, Timestamp>,
) -> Result<Grown, String> {
    let Counter { series: selector, absent_is_zero, .. } = counter;
    if !absent_is_zero && !series.iter().any(|it| it.is_in(window)) {
        return Err(nothing_of(selector, window));
    }
    let mut grown = Grown::default();
    for series in series {
        let start = from.get(&series.instance()).copied().unwrap_or(window.start);
        let growth = growth(series, Window { start, ..window }, known)
            .ok_or_else(|| no_count(selector, &series.metric))?;
        grown.add(counter, &series.metric, growth);
    }
    Ok(grown)
}

/// By what the server's `increase()` says of each series. Or why nobody knows: it says nothing of series that have one sample.
pub(super) fn extrapolated(counter: &Counter, series: &[Number], window: Window) -> Result<Grown, String> {
    let Counter { series: selector, .. } = counter;
    // There are samples: they were too many.
    if series.is_empty() {
        return Err(nothing_of(selector, window));
    }
    let mut grown = Grown::default();
    for Number { metric, value } in series {
        let growth = value.as_ref().and_then(Sample::value).filter(|it| *it >= 0.0);
        grown.add(counter, metric, growth.ok_or_else(|| no_count(selector, metric))?);
    }
    Ok(grown)
}

/// How much the histograms of an event have grown together, and its durations. Or why nobody knows.
pub(super) fn grown_durations(
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

fn no_count(selector: &str, labels: &BTreeMap<String, String>) -> String {
    format!("a sample of `{selector}` is no count: {labels:?}")
}

fn nothing_of(selector: &str, window: Window) -> String {
    format!(
        "no sample of `{selector}` in the window {window}; \
         `absent: zero` says of a counter that it is born with its first event"
    )
}
