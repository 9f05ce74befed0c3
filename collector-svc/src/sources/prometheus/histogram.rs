//! How much histograms have grown within a window, bucket by bucket, from their raw samples: classic ones, whose buckets are
//! counters of their own by `le`, and native ones. Pure.

use std::collections::{BTreeMap, BTreeSet};

use shared_types::{Timestamp, Window};

use super::count::{Instance, Native, Sample, Series, at, instance};

/// Of a histogram: what is not its series' own.
const NOT_ITS_OWN: [&str; 2] = ["__name__", "le"];

type Labels = BTreeMap<String, String>;

/// A histogram as it was scraped.
#[derive(Debug)]
pub(super) struct Histogram<'s> {
    pub(super) labels: Labels,
    scrapes: BTreeMap<Timestamp, Scrape<'s>>,
}

#[derive(Debug)]
enum Scrape<'s> {
    /// By `le`, each with all below it.
    Classic(Vec<(&'s str, &'s Sample)>),
    Native(&'s Native),
}

/// So many durations above `lower` and at most `upper`, in the histogram's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) count: f64,
}

/// What a histogram shows, or how much it has grown. Its count may be more than its buckets hold: what is no number is in none.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counted {
    pub(super) count: f64,
    pub(super) buckets: Vec<Bucket>,
}

/// The histograms of series: of one that is scraped in both forms the native one, which is finer.
pub(super) fn histograms<'s>(
    classic: &'s [Series],
    native: &'s [Series],
) -> Result<Vec<Histogram<'s>>, String> {
    let mut all: BTreeMap<Labels, BTreeMap<Timestamp, Scrape<'s>>> = BTreeMap::new();
    for series in native {
        if !series.values.is_empty() {
            return Err(format!("a series is no histogram: {:?}", series.metric));
        }
        let scrapes = series.histograms.iter().map(|it| (at(it.0), Scrape::Native(&it.1)));
        all.entry(own(&series.metric)).or_default().extend(scrapes);
    }
    let is_native: BTreeSet<Labels> = all.keys().cloned().collect();
    for series in classic {
        let labels = own(&series.metric);
        let Some(le) = series.metric.get("le") else {
            return Err(format!("a bucket has no label `le`: {:?}", series.metric));
        };
        if is_native.contains(&labels) {
            continue;
        }
        let scrapes = all.entry(labels).or_default();
        for sample in &series.values {
            let scrape = scrapes.entry(sample.at()).or_insert_with(|| Scrape::Classic(Vec::new()));
            if let Scrape::Classic(buckets) = scrape {
                buckets.push((le, sample));
            }
        }
    }
    Ok(all.into_iter().map(|(labels, scrapes)| Histogram { labels, scrapes }).collect())
}

fn own(labels: &Labels) -> Labels {
    let is_own = |label: &String| !NOT_ITS_OWN.contains(&label.as_str());
    labels.iter().filter(|(label, _)| is_own(label)).map(|(label, it)| (label.clone(), it.clone())).collect()
}

impl Histogram<'_> {
    pub(super) fn instance(&self) -> Instance {
        instance(&self.labels)
    }

    /// How much it has grown within the window, by the rules of a counter's growth. Or why nobody knows.
    pub(super) fn growth(&self, window: Window, known: &BTreeSet<Instance>) -> Result<Counted, String> {
        let mut last = match self.scrapes.range(..=window.start).next_back() {
            Some((_, scrape)) => Some(scrape.counted()?),
            None => known.contains(&self.instance()).then(Counted::default),
        };
        let (mut count, mut buckets) = (0.0, BTreeMap::<(u64, u64), f64>::new());
        for (at, scrape) in self.scrapes.range(..=window.end).filter(|(at, _)| **at > window.start) {
            let now = scrape.counted()?;
            if let Some(last) = &last {
                let grown = now.since(last).ok_or_else(|| format!("its buckets are others from {at} on"))?;
                count += grown.count;
                for Bucket { lower, upper, count } in grown.buckets {
                    // Numbers that are not negative are in the order of their bits.
                    *buckets.entry((lower.to_bits(), upper.to_bits())).or_default() += count;
                }
            }
            last = Some(now);
        }
        let bucket = |((lower, upper), count)| {
            let [lower, upper] = [lower, upper].map(f64::from_bits);
            Bucket { lower, upper, count }
        };
        Ok(Counted { count, buckets: buckets.into_iter().map(bucket).collect() })
    }
}

impl Counted {
    /// What came to it since it was so: all of it, if it has begun anew in between. A client may join its buckets as it goes
    /// on; `None` where it has others and nobody knows whether it has begun anew.
    fn since(&self, before: &Self) -> Option<Self> {
        if self.count < before.count {
            return Some(self.clone());
        }
        let mut grown = self.clone();
        grown.count -= before.count;
        for old in before.buckets.iter().filter(|old| old.count > 0.0) {
            let holds = |new: &&mut Bucket| new.lower <= old.lower && old.upper <= new.upper;
            grown.buckets.iter_mut().find(holds)?.count -= old.count;
        }
        // A counter never falls but when it begins anew.
        let fell = grown.buckets.iter().any(|it| it.count < 0.0);
        Some(if fell { self.clone() } else { grown })
    }
}

impl Scrape<'_> {
    fn counted(&self) -> Result<Counted, String> {
        let counted = match self {
            Scrape::Classic(buckets) => of_classic(buckets),
            Scrape::Native(native) => of_native(native),
        }?;
        if counted.buckets.iter().any(|it| it.upper < 0.0 && it.count > 0.0) {
            return Err("durations below 0".to_owned());
        }
        let bucket = |it: Bucket| Bucket { lower: it.lower.max(0.0), upper: it.upper.max(0.0), ..it };
        Ok(Counted { buckets: counted.buckets.into_iter().map(bucket).collect(), ..counted })
    }
}

fn of_classic(written: &[(&str, &Sample)]) -> Result<Counted, String> {
    let read = |(le, sample): &(&str, &Sample)| {
        let count = sample.value().filter(|it| *it >= 0.0);
        bound(le).zip(count).ok_or_else(|| format!("a bucket is no count: le {le}, {}", sample.1))
    };
    let mut cumulative: Vec<(f64, f64)> = written.iter().map(read).collect::<Result<_, _>>()?;
    cumulative.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let Some((_, count)) = cumulative.last().copied().filter(|(le, _)| le.is_infinite()) else {
        return Err("it has no bucket `+Inf`".to_owned());
    };
    let (mut lower, mut below, mut buckets) = (f64::NEG_INFINITY, 0.0, Vec::new());
    for (upper, up_to) in cumulative {
        if up_to < below {
            return Err(format!("its bucket up to {upper} holds less than the one below it"));
        }
        buckets.push(Bucket { lower, upper, count: up_to - below });
        (lower, below) = (upper, up_to);
    }
    Ok(Counted { count, buckets })
}

fn of_native(native: &Native) -> Result<Counted, String> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|it| it.is_finite() && *it >= 0.0);
    let wrong = || format!("it is no histogram of counts: {native:?}");
    let read = |(_, lower, upper, count): &(u8, String, String, String)| {
        Some(Bucket { lower: bound(lower)?, upper: bound(upper)?, count: number(count)? })
    };
    let buckets = native.buckets.iter().map(read).collect::<Option<_>>().ok_or_else(wrong)?;
    Ok(Counted { count: number(&native.count).ok_or_else(wrong)?, buckets })
}

/// Perhaps infinite.
fn bound(text: &str) -> Option<f64> {
    text.parse().ok().filter(|it: &f64| !it.is_nan())
}

#[cfg(test)]
#[path = "histogram_tests.rs"]
mod tests;
