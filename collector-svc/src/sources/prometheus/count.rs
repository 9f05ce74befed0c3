//! How much counters have grown within a window, from their raw samples. Pure.
//!
//! A query function that estimates growth loses what a series that is born within the window begins with, and a part of what
//! is around a restart. The samples themselves lose nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use shared_types::{Timestamp, Window};

/// A series of an answer: its labels, and its samples by time. The keys of all of them are in order, as `digest` writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Series {
    /// Samples of a native histogram, which is no counter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) histograms: Vec<HistogramSample>,
    pub(super) metric: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) values: Vec<Sample>,
}

/// Seconds since 1970, and the value as a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample(#[serde(serialize_with = "second")] pub(super) f64, pub(super) String);

/// Seconds since 1970, and a native histogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct HistogramSample(#[serde(serialize_with = "second")] pub(super) f64, pub(super) Native);

/// A native histogram: its count, and of each bucket the rule which bounds belong to it, both bounds and its count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Native {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) buckets: Vec<(u8, String, String, String)>,
    pub(super) count: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sum: Option<String>,
}

/// As servers write it: a whole one without a point.
fn second<S: Serializer>(second: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let ms = at(*second).as_millis();
    if ms % 1000 == 0 { serializer.serialize_i64(ms / 1000) } else { serializer.serialize_f64(*second) }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a time in milliseconds is far below what a float keeps exactly"
)]
pub(super) fn at(second: f64) -> Timestamp {
    Timestamp::from_millis((second * 1000.0).round() as i64)
}

impl Sample {
    pub(super) fn at(&self) -> Timestamp {
        at(self.0)
    }

    pub(super) fn value(&self) -> Option<f64> {
        self.1.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// Of `up`, which is 1 or 0.
    fn is_up(&self) -> bool {
        self.value().is_some_and(|value| value > 0.5)
    }
}

/// What scrapes come from.
pub(super) type Instance = (Option<String>, Option<String>);

pub(super) fn instance(labels: &BTreeMap<String, String>) -> Instance {
    (labels.get("job").cloned(), labels.get("instance").cloned())
}

impl Series {
    pub(super) fn instance(&self) -> Instance {
        instance(&self.metric)
    }

    /// Its samples of the window: what stands at its begin belongs to the one before.
    fn within(&self, window: Window) -> impl Iterator<Item = &Sample> {
        self.values.iter().filter(move |sample| sample.at() > window.start && sample.at() <= window.end)
    }

    /// When it has samples, of either kind.
    fn times(&self) -> impl Iterator<Item = Timestamp> {
        self.values.iter().map(Sample::at).chain(self.histograms.iter().map(|it| at(it.0)))
    }

    /// When it has its first sample within the window.
    fn first_in(&self, window: Window) -> Option<Timestamp> {
        self.times().filter(|at| *at > window.start && *at <= window.end).min()
    }

    /// Whether it has a sample within the window.
    pub(super) fn is_in(&self, window: Window) -> bool {
        self.first_in(window).is_some()
    }

    /// Its last sample at or before a moment.
    fn before(&self, moment: Timestamp) -> Option<&Sample> {
        self.values.iter().take_while(|sample| sample.at() <= moment).last()
    }
}

/// Instances that were there when the window began: by these series any value tells it, by `up` only a 1.
pub(super) fn known_at(start: Timestamp, series: &[Series], up: &[Series]) -> BTreeSet<Instance> {
    let of_any = series.iter().filter(|it| it.times().any(|at| at <= start));
    let of_up = up.iter().filter(|it| it.before(start).is_some_and(Sample::is_up));
    of_any.chain(of_up).map(Series::instance).collect()
}

/// When instances that were there before the window were first seen in it.
pub(super) fn first_seen<'s>(
    window: Window,
    known: &BTreeSet<Instance>,
    series: impl Iterator<Item = &'s Series>,
) -> BTreeMap<Instance, Timestamp> {
    let mut first: BTreeMap<Instance, Timestamp> = BTreeMap::new();
    for series in series.filter(|it| known.contains(&it.instance())) {
        if let Some(at) = series.first_in(window) {
            let first = first.entry(series.instance()).or_insert(at);
            *first = at.min(*first);
        }
    }
    first
}

/// Instances that were started within the window, by series of the second of their start: their counters began with nothing.
pub(super) fn started_in(window: Window, started: &[Series]) -> BTreeSet<Instance> {
    let begin = Duration::from_millis(window.start.as_millis().unsigned_abs()).as_secs_f64();
    let in_it = |series: &&Series| {
        series.is_in(window)
            && series.values.iter().any(|it| it.value().is_some_and(|second| second >= begin))
    };
    started.iter().filter(in_it).map(Series::instance).collect()
}

/// Whether anything was up within the window.
pub(super) fn was_up(window: Window, up: &[Series]) -> bool {
    up.iter().any(|series| series.within(window).any(Sample::is_up))
}

/// How much a counter has grown within the window. `None`: one of its samples is no number that can be counted with.
pub(super) fn growth(series: &Series, window: Window, known: &BTreeSet<Instance>) -> Option<f64> {
    if !series.histograms.is_empty() {
        return None;
    }
    let mut last = match series.before(window.start) {
        Some(sample) => Some(sample.value()?),
        // Born within the window, at an instance that was there before: it began with nothing.
        None => known.contains(&series.instance()).then_some(0.0),
    };
    let mut sum = 0.0;
    for sample in series.within(window) {
        let value = sample.value().filter(|value| *value >= 0.0)?;
        // After a fall it has begun anew.
        sum += match last {
            Some(last) if value >= last => value - last,
            Some(_) => value,
            None => 0.0,
        };
        last = Some(value);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_S: f64 = 1_795_341_600.0;

    fn window() -> Window {
        let start = Timestamp::from_millis(1_795_341_600_000);
        Window { start, end: start.plus(Duration::from_secs(60)) }
    }

    fn series(samples: &[(i32, &str)]) -> Series {
        let labels = [("job", "checkout"), ("instance", "a:80")];
        let sample =
            |(second, value): &(i32, &str)| Sample(START_S + f64::from(*second), (*value).to_owned());
        Series {
            metric: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            values: samples.iter().map(sample).collect(),
            histograms: Vec::new(),
        }
    }

    #[track_caller]
    fn grows(samples: &[(i32, &str)], known: bool, expected: Option<f64>) {
        let series = series(samples);
        let known = if known { BTreeSet::from([series.instance()]) } else { BTreeSet::new() };
        assert_eq!(growth(&series, window(), &known), expected);
    }

    /// TE-5, SLO-2: rises between the window's bounds, restarts, and series that are born in it.
    #[test]
    fn each_rise_within_the_window_counts() {
        grows(&[(-10, "100"), (5, "110"), (20, "130"), (60, "142"), (70, "150")], true, Some(42.0));
        grows(&[(0, "100"), (30, "130"), (45, "4"), (60, "10")], true, Some(40.0));
        grows(&[(20, "2"), (40, "9")], true, Some(9.0));
        grows(&[(20, "2"), (40, "9")], false, Some(7.0));
        grows(&[(-20, "5"), (-5, "7")], true, Some(0.0));
        grows(&[(61, "7")], true, Some(0.0));
        grows(&[], true, Some(0.0));
        grows(&[(-10, "1.5"), (10, "2.75")], true, Some(1.25));
    }

    /// What is no count is none.
    #[test]
    fn a_sample_that_is_no_count_is_refused() {
        grows(&[(-10, "NaN"), (10, "2")], true, None);
        grows(&[(-10, "1"), (10, "+Inf")], true, None);
        grows(&[(-10, "1"), (10, "-2")], true, None);
        grows(&[(-10, "1"), (10, "x")], true, None);
    }

    /// An instance that was started before the window began may have counted before it.
    #[test]
    fn what_was_started_in_the_window_began_with_nothing() {
        let started = |second: &'static str| started_in(window(), &[series(&[(5, second)])]).len();
        assert_eq!([started("1795341590.5"), started("1795341600"), started("1795341604.2")], [0, 1, 1]);
        assert_eq!(started_in(window(), &[series(&[(70, "1795341604")])]).len(), 0);
    }

    /// PH-8: what grew between the last scrape of a stay and the first of the next is of nobody knows which; what is born after
    /// that scrape is of the stay.
    #[test]
    fn a_stay_counts_from_its_first_scrape() {
        let (saves, errors) = ([(-10, "100"), (5, "160"), (20, "170"), (60, "190")], [(20, "2"), (40, "9")]);
        let (saves, errors) = (series(&saves), series(&errors));
        let known = known_at(window().start, std::slice::from_ref(&saves), &[]);
        let from = first_seen(window(), &known, [&errors, &saves].into_iter());
        let start = from[&saves.instance()];
        assert_eq!(start, window().start.plus(Duration::from_secs(5)));
        let stay = Window { start, ..window() };
        let counts = [&saves, &errors].map(|it| (growth(it, window(), &known), growth(it, stay, &known)));
        assert_eq!(counts, [(Some(90.0), Some(30.0)), (Some(9.0), Some(9.0))]);
        assert!(first_seen(window(), &BTreeSet::new(), [&saves].into_iter()).is_empty());
    }

    /// An instance was there if it was scraped, or if another series of it had a sample.
    #[test]
    fn an_instance_is_known_by_up_and_by_its_other_series() {
        let start = window().start;
        let (before, after) = ([series(&[(-5, "3")])], [series(&[(5, "3")])]);
        let known = |series: &[Series], up: &[Series]| known_at(start, series, up).len();
        assert_eq!([known(&before, &[]), known(&after, &[])], [1, 0]);
        assert_eq!(known(&after, &[series(&[(-20, "1")])]), 1);
        assert_eq!(known(&after, &[series(&[(-20, "1"), (-5, "0")])]), 0);
        assert!(was_up(window(), &[series(&[(5, "0"), (10, "1")])]));
        assert!(!was_up(window(), &[series(&[(-5, "1"), (5, "0"), (70, "1")])]));
        assert_eq!([before[0].is_in(window()), after[0].is_in(window())], [false, true]);
    }
}
