//! What a target's series hold, asked for together with those of other targets. Each is told what the server would have
//! answered to it alone, and by that query it can be asked again.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::among::Among;
use super::answer::Number;
use super::ask::{Asker, Server};
use super::count::Series;
use super::digest;
use super::together::{Share, Together};
use crate::sources::SourceError;

/// Series, or their values, with the hash of all.
#[derive(Debug)]
pub(super) struct Said<T> {
    pub(super) series: Vec<T>,
    pub(super) hash: String,
}

/// What a query for several targets gives.
pub(super) trait OfSeries: DeserializeOwned + Send + Sync + 'static {
    /// A query of a selector's series; `by` the label whose values are to be told apart.
    fn query(selector: &str, span: &str, by: Option<&str>) -> String;

    /// Who else asks for the same.
    fn together(server: &Server) -> &Together<Arc<Said<Self>>>;

    /// Whose it is, by that label; as it would be if it were asked for alone.
    fn parted(&mut self, label: &str) -> Option<String>;

    /// The hash of all of an answer.
    fn hash(series: &[Self]) -> String;
}

/// Raw samples.
impl OfSeries for Series {
    fn query(selector: &str, span: &str, _by: Option<&str>) -> String {
        format!("{selector}[{span}]")
    }

    fn together(server: &Server) -> &Together<Arc<Said<Self>>> {
        &server.samples
    }

    fn parted(&mut self, label: &str) -> Option<String> {
        self.metric.get(label).cloned()
    }

    fn hash(series: &[Self]) -> String {
        digest::of_samples(series)
    }
}

/// How many of them there are.
impl OfSeries for Number {
    fn query(selector: &str, span: &str, by: Option<&str>) -> String {
        let by = by.map(|label| format!(" by ({label}) ")).unwrap_or_default();
        format!("sum{by}(count_over_time({selector}[{span}]))")
    }

    fn together(server: &Server) -> &Together<Arc<Said<Self>>> {
        &server.sums
    }

    fn parted(&mut self, label: &str) -> Option<String> {
        self.metric.remove(label)
    }

    fn hash(series: &[Self]) -> String {
        digest::of_numbers(series)
    }
}

impl<T: OfSeries> Said<T> {
    fn new(series: Vec<T>) -> Self {
        Self { hash: T::hash(&series), series }
    }

    /// By the values of a label.
    fn parted(series: Vec<T>, label: &str) -> HashMap<String, Arc<Self>> {
        let mut parts: HashMap<String, Vec<T>> = HashMap::new();
        for mut one in series {
            if let Some(whose) = one.parted(label) {
                parts.entry(whose).or_default().push(one);
            }
        }
        parts.into_iter().map(|(whose, series)| (whose, Arc::new(Self::new(series)))).collect()
    }
}

/// For so many targets is asked at once.
const TARGETS_MOST: usize = 100;

/// Targets in their order, as many at once as their samples are no more than `most`; at least one.
fn pieces(shares: &[Share], most: u64) -> Vec<&[Share]> {
    let (mut pieces, mut from, mut samples) = (Vec::new(), 0, 0_u64);
    for (at, (_, of_this)) in shares.iter().enumerate() {
        samples = samples.saturating_add(*of_this);
        if at > from && (samples > most || at - from == TARGETS_MOST) {
            pieces.push(&shares[from..at]);
            (from, samples) = (at, *of_this);
        }
    }
    pieces.push(&shares[from..]);
    pieces
}

impl Server {
    /// What a target's series hold in a span before the moment. Targets whose name is a label of them are asked for together, as
    /// long as that is no more than `most` samples.
    pub(super) async fn series<T: OfSeries>(
        &self,
        asker: Asker<'_>,
        (selector, span): (&str, &str),
        (samples, most): (u64, u64),
    ) -> Result<Arc<Said<T>>, SourceError> {
        let among = Among::of(selector, asker.target);
        // What all have in common: that of no name at all.
        let question = (T::query(&among.of_all([].into_iter()), span, among.label()), asker.at);
        let ask = |shares: Vec<Share>| {
            let among = &among;
            async move {
                let mut said = Vec::with_capacity(shares.len());
                for piece in pieces(&shares, most) {
                    said.extend(self.said_of(among, span, piece, asker).await?);
                }
                Ok(said)
            }
        };
        let said = T::together(self).ask(question, (asker.target.clone(), samples), ask).await?;
        said.ok_or_else(|| self.says(format!("`{selector}`: not answered")))
    }

    /// By one query.
    async fn said_of<T: OfSeries>(
        &self,
        among: &Among,
        span: &str,
        shares: &[Share],
        asker: Asker<'_>,
    ) -> Result<Vec<Arc<Said<T>>>, SourceError> {
        let names = || shares.iter().map(|(name, _)| name);
        let label = among.label().filter(|_| shares.len() > 1);
        let series = self.answer(&T::query(&among.of_all(names()), span, label), asker).await?;
        let Some(label) = label.map(str::to_owned) else {
            let said = self.apart(move || Arc::new(Said::new(series))).await?;
            return Ok(vec![said; shares.len()]);
        };
        let parts = self.apart(move || Said::parted(series, &label)).await?;
        let nothing = Arc::new(Said::new(Vec::new()));
        Ok(names().map(|name| Arc::clone(parts.get(name.as_str()).unwrap_or(&nothing))).collect())
    }
}

#[cfg(test)]
mod tests {
    use shared_types::TargetName;

    use super::*;

    /// TE-5: an answer holds no more than is asked for, unless one target alone has more.
    #[test]
    fn targets_are_asked_for_in_pieces() {
        let lengths = |samples: &[u64], most| {
            let share = |samples: &u64| (TargetName::parse("shop").unwrap(), *samples);
            let shares: Vec<Share> = samples.iter().map(share).collect();
            pieces(&shares, most).iter().map(|it| it.len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[4, 4, 2, 1, 11, 3], 10), [3, 1, 1, 1]);
        assert_eq!(lengths(&[5, 5, 5], 10), [2, 1]);
        assert_eq!(lengths(&[0; 201], 0), [100, 100, 1]);
    }
}
