//! The queries of one window, each kept with the hash of its answer (SLO-10).

use std::time::Duration;

use domain::sources::prometheus::Durations;
use domain::sources::range;
use shared_types::batch::Query;
use shared_types::{Timestamp, Window};

use super::ask::{Number, Numbers, Server};
use super::count::{Sample, Series};
use super::digest;
use crate::sources::{SourceError, whole};

/// Asks for a window.
#[derive(Debug)]
pub(in crate::sources) struct Asking<'a> {
    pub(super) server: &'a Server,
    pub(super) window: Window,
    /// How far before it samples are read too.
    pub(super) lookback: Duration,
    /// Of more samples than that, none are read.
    pub(super) samples_most: u64,
    pub(super) now: Timestamp,
    /// What was asked and answered so far.
    pub(in crate::sources) queries: Vec<Query>,
}

/// What a counter shows.
pub(super) enum Shown {
    Samples(Vec<Series>),
    /// How much the server says that each of its series has grown, and why it was asked for that.
    Extrapolated(Vec<Number>, String),
}

impl Shown {
    pub(super) fn samples(&self) -> Option<&Vec<Series>> {
        match self {
            Self::Samples(series) => Some(series),
            Self::Extrapolated(..) => None,
        }
    }
}

impl<'a> Asking<'a> {
    /// For numbers alone.
    pub(in crate::sources) fn for_numbers(server: &'a Server, window: Window, now: Timestamp) -> Self {
        let (lookback, samples_most, queries) = (Duration::ZERO, 0, Vec::new());
        Self { server, window, lookback, samples_most, now, queries }
    }

    /// What a counter shows; where its samples are too many, how much it has grown by the server's estimate.
    pub(super) async fn counter(&mut self, name: &str, selector: &str) -> Result<Shown, SourceError> {
        let Some(why) = self.too_many(name, selector).await? else {
            return Ok(Shown::Samples(self.samples(name, selector).await?));
        };
        let query = format!("increase({selector}[{}])", range(self.window.length()));
        let numbers: Vec<Number> = self.server.answer(&query, self.window.end, self.now).await?;
        self.keep(name, query, digest::of_numbers(&numbers));
        Ok(Shown::Extrapolated(numbers, format!("by increase() of the server: {why}")))
    }

    /// The samples of a histogram, of its classic form and of its native one. Or that they are too many: an estimate of buckets
    /// would not tell what is certain.
    pub(super) async fn histogram(
        &mut self,
        name: &str,
        of: &Durations,
    ) -> Result<Result<(Vec<Series>, Vec<Series>), String>, SourceError> {
        let forms = [of.classic(), of.histogram.clone()];
        for selector in &forms {
            if let Some(why) = self.too_many(name, selector).await? {
                return Ok(Err(format!("{why}: select less of it, or raise that")));
            }
        }
        let [classic, native] = &forms;
        Ok(Ok((self.samples(name, classic).await?, self.samples(name, native).await?)))
    }

    /// Why the samples of a selector are not read, if they are too many.
    async fn too_many(&mut self, name: &str, selector: &str) -> Result<Option<String>, SourceError> {
        let span = range(self.window.length() + self.lookback);
        let query = format!("sum(count_over_time({selector}[{span}]))");
        let sums: Vec<Number> = self.server.answer(&query, self.window.end, self.now).await?;
        let held = whole(sums.iter().filter_map(|it| it.value.as_ref()?.value()).sum());
        let most = self.samples_most;
        if held <= most {
            return Ok(None);
        }
        self.keep(name, query, digest::of_numbers(&sums));
        Ok(Some(format!("`{selector}` has {held} samples in {span}, more than `samples_most` ({most})")))
    }

    /// The raw samples of all series of a selector, of the window and the time before it.
    pub(super) async fn samples(&mut self, name: &str, selector: &str) -> Result<Vec<Series>, SourceError> {
        let query = format!("{selector}[{}]", range(self.window.length() + self.lookback));
        let series: Vec<Series> = self.server.answer(&query, self.window.end, self.now).await?;
        self.keep(name, query, digest::of_samples(&series));
        Ok(series)
    }

    /// The one number that a query gives at the window's end, or why it gives none.
    pub(in crate::sources) async fn number(
        &mut self,
        name: &str,
        query: &str,
    ) -> Result<Result<f64, String>, SourceError> {
        let numbers = self.server.answer(query, self.window.end, self.now).await?;
        let hash = match &numbers {
            Numbers::OfSeries(series) => digest::of_numbers(series),
            Numbers::Scalar(sample) => digest::of_scalar(sample),
            Numbers::OfLines(streams) => {
                let streams = streams.len();
                return Ok(Err(format!("`{query}` gives the lines of {streams} streams and no number")));
            }
        };
        self.keep(name, query.to_owned(), hash);
        Ok(one(query, &numbers, self.window))
    }

    fn keep(&mut self, name: &str, query: String, answer: String) {
        self.queries.push(Query { name: name.to_owned(), query, time: self.window.end, answer });
    }
}

fn one(query: &str, numbers: &Numbers, window: Window) -> Result<f64, String> {
    let value = match numbers {
        Numbers::Scalar(sample) => sample.value(),
        Numbers::OfLines(_) => None,
        Numbers::OfSeries(series) => match series.as_slice() {
            [] => return Err(format!("`{query}` gives nothing for the window {window}")),
            [one] => one.value.as_ref().and_then(Sample::value),
            [one, other, ..] => {
                return Err(format!(
                    "`{query}` gives {} series where one is expected: {:?}, {:?}",
                    series.len(),
                    one.metric,
                    other.metric
                ));
            }
        },
    };
    value.ok_or_else(|| format!("`{query}` gives no finite number for the window {window}"))
}
