//! The queries of one window, each kept with the hash of its answer (SLO-10).

use std::sync::Arc;
use std::time::Duration;

use domain::sources::prometheus::Durations;
use domain::sources::range;
use shared_types::batch::Query;
use shared_types::{TargetName, Timestamp, Window};

use super::answer::{Number, Numbers};
use super::ask::{Asker, Server};
use super::count::{Sample, Series};
use super::digest;
use super::series::{OfSeries as _, Said};
use crate::sources::{SourceError, whole};

/// Asks for a window.
#[derive(Debug)]
pub(in crate::sources) struct Asking<'a> {
    pub(super) server: &'a Server,
    pub(super) target: &'a TargetName,
    pub(super) window: Window,
    /// How far before it samples are read too.
    pub(super) lookback: Duration,
    /// Of more samples than that, none are read.
    pub(super) samples_most: u64,
    pub(super) now: Timestamp,
    /// What was asked and answered so far.
    pub(in crate::sources) queries: Vec<Query>,
}

/// Raw samples.
pub(super) type Samples = Arc<Said<Series>>;

/// What a counter shows.
pub(super) enum Shown {
    Samples(Samples),
    /// How much the server says that each of its series has grown, and why it was asked for that.
    Extrapolated(Vec<Number>, String),
}

impl Shown {
    pub(super) fn samples(&self) -> Option<&Samples> {
        match self {
            Self::Samples(samples) => Some(samples),
            Self::Extrapolated(..) => None,
        }
    }
}

/// How many samples a selector has.
enum Held {
    Samples(u64),
    /// Why they are not read.
    TooMany(String),
}

impl<'a> Asking<'a> {
    /// For numbers alone.
    pub(in crate::sources) fn for_numbers(
        server: &'a Server,
        target: &'a TargetName,
        window: Window,
        now: Timestamp,
    ) -> Self {
        let (lookback, samples_most, queries) = (Duration::ZERO, 0, Vec::new());
        Self { server, target, window, lookback, samples_most, now, queries }
    }

    /// What a counter shows; where its samples are too many, how much it has grown by the server's estimate.
    pub(super) async fn counter(&mut self, name: &str, selector: &str) -> Result<Shown, SourceError> {
        let why = match self.held(name, selector).await? {
            Held::Samples(held) => return Ok(Shown::Samples(self.samples(name, selector, held).await?)),
            Held::TooMany(why) => why,
        };
        let query = format!("increase({selector}[{}])", range(self.window.length()));
        let numbers: Vec<Number> = self.server.answer(&query, self.asker()).await?;
        self.keep(name, query, digest::of_numbers(&numbers));
        Ok(Shown::Extrapolated(numbers, format!("by increase() of the server: {why}")))
    }

    /// The samples of a histogram, of its classic form and of its native one. Or that they are too many: an estimate of buckets
    /// would not tell what is certain.
    pub(super) async fn histogram(
        &mut self,
        name: &str,
        of: &Durations,
    ) -> Result<Result<(Samples, Samples), String>, SourceError> {
        let too_many = |why| Ok(Err(format!("{why}: select less of it, or raise that")));
        let classic = of.classic();
        let in_classic = match self.held(name, &classic).await? {
            Held::Samples(held) => held,
            Held::TooMany(why) => return too_many(why),
        };
        let in_native = match self.held(name, &of.histogram).await? {
            Held::Samples(held) => held,
            Held::TooMany(why) => return too_many(why),
        };
        let classic = self.samples(name, &classic, in_classic).await?;
        Ok(Ok((classic, self.samples(name, &of.histogram, in_native).await?)))
    }

    /// How many samples a selector has, or why they are not read.
    async fn held(&mut self, name: &str, selector: &str) -> Result<Held, SourceError> {
        let (span, most) = (self.span(), self.samples_most);
        let sums = self.server.series::<Number>(self.asker(), (selector, &span), (0, 0)).await?;
        let held = whole(sums.series.iter().filter_map(|it| it.value.as_ref()?.value()).sum());
        if held <= most {
            return Ok(Held::Samples(held));
        }
        self.keep(name, Number::query(selector, &span, None), sums.hash.clone());
        Ok(Held::TooMany(format!(
            "`{selector}` has {held} samples in {span}, more than `samples_most` ({most})"
        )))
    }

    /// The raw samples of all series of a selector, of the window and the time before it: about so many.
    pub(super) async fn samples(
        &mut self,
        name: &str,
        selector: &str,
        held: u64,
    ) -> Result<Samples, SourceError> {
        let span = self.span();
        let most = self.samples_most;
        let said = self.server.series::<Series>(self.asker(), (selector, &span), (held, most)).await?;
        self.keep(name, Series::query(selector, &span, None), said.hash.clone());
        Ok(said)
    }

    fn span(&self) -> String {
        range(self.window.length() + self.lookback)
    }

    fn asker(&self) -> Asker<'a> {
        Asker { target: self.target, at: self.window.end, now: self.now }
    }

    /// The one number that a query gives at the window's end, or why it gives none.
    pub(in crate::sources) async fn number(
        &mut self,
        name: &str,
        query: &str,
    ) -> Result<Result<f64, String>, SourceError> {
        let numbers = self.server.numbers(query, self.asker()).await?;
        let hash = match numbers.as_ref() {
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
