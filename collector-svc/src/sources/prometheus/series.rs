//! What a target's series hold, asked for together with those of other targets. Each is told what the server would have
//! answered to it alone, and by that query it can be asked again.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use shared_types::TargetName;

use super::among::Among;
use super::answer::Number;
use super::ask::{Asker, Server};
use super::count::Series;
use super::digest;
use super::together::{Together, Turn};
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
        // No name is that short.
        let question = (T::query(&among.of_all([].into_iter()), span, among.label()), asker.at);
        let alone = T::query(selector, span, None);
        let group = match T::together(self).ask(question, asker.target, samples, most).await {
            Turn::Told(Some(said)) => return Ok(said),
            Turn::Told(None) => return self.said(&alone, asker).await,
            Turn::Mine(group) => group,
        };
        if !group.is_of_several() {
            let said = self.said(&alone, asker).await;
            if said.is_err() {
                group.give_up();
            }
            return said;
        }
        let query = T::query(&among.of_all(group.targets()), span, among.label());
        // What fails for all may be too much at once, or the fault of one: then each asks alone.
        let Ok(series) = self.answer::<Vec<T>>(&query, asker).await else {
            group.give_up();
            return self.said(&alone, asker).await;
        };
        let Some(label) = among.label().map(str::to_owned) else {
            let said = self.apart(move || Arc::new(Said::new(series))).await?;
            group.tell(|_| Arc::clone(&said));
            return Ok(said);
        };
        let parts = self.apart(move || Said::parted(series, &label)).await?;
        let nothing = Arc::new(Said::new(Vec::new()));
        let of = |target: &TargetName| Arc::clone(parts.get(target.as_str()).unwrap_or(&nothing));
        group.tell(of);
        Ok(of(asker.target))
    }

    async fn said<T: OfSeries>(&self, query: &str, asker: Asker<'_>) -> Result<Arc<Said<T>>, SourceError> {
        let series = self.answer(query, asker).await?;
        self.apart(move || Arc::new(Said::new(series))).await
    }
}
