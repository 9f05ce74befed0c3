//! The queries of one window, each kept with the hash of its answer (SLO-10).

use std::time::Duration;

use domain::sources::prometheus::range;
use shared_types::batch::Query;
use shared_types::{Timestamp, Window};

use super::ask::{Numbers, Server};
use super::count::{Sample, Series};
use super::digest;
use crate::sources::SourceError;

/// Asks for a window.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    pub(super) server: &'a Server,
    pub(super) window: Window,
    /// How far before it samples are read too.
    pub(super) lookback: Duration,
    pub(super) now: Timestamp,
    /// What was asked and answered so far.
    pub(super) queries: Vec<Query>,
}

impl Asking<'_> {
    /// The raw samples of all series of a selector, of the window and the time before it.
    pub(super) async fn samples(&mut self, name: &str, selector: &str) -> Result<Vec<Series>, SourceError> {
        let query = format!("{selector}[{}]", range(self.window.length() + self.lookback));
        let series: Vec<Series> = self.server.answer(&query, self.window.end, self.now).await?;
        self.keep(name, query, digest::of_samples(&series));
        Ok(series)
    }

    /// The one number that a query gives at the window's end, or why it gives none.
    pub(super) async fn number(
        &mut self,
        name: &str,
        query: &str,
    ) -> Result<Result<f64, String>, SourceError> {
        let numbers = self.server.answer(query, self.window.end, self.now).await?;
        self.keep(name, query.to_owned(), digest::of_numbers(&numbers));
        let number = one(query, &numbers, self.window);
        Ok(number)
    }

    fn keep(&mut self, name: &str, query: String, answer: String) {
        self.queries.push(Query { name: name.to_owned(), query, time: self.window.end, answer });
    }
}

fn one(query: &str, numbers: &Numbers, window: Window) -> Result<f64, String> {
    let value = match numbers {
        Numbers::Scalar(sample) => sample.value(),
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
