//! What a query is answered with (<https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview>).

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::count::Sample;

/// An answer, good or not.
#[derive(Deserialize)]
pub(super) struct Answer<T> {
    pub(super) status: String,
    pub(super) data: Option<Data<T>>,
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Data<T> {
    pub(super) result: T,
}

/// What a query gives that is not of raw samples.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Numbers {
    OfSeries(Vec<Number>),
    OfLines(Vec<Lines>),
    Scalar(Sample),
}

/// The value of a series; none of one that has a histogram, or several samples.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Number {
    pub(super) metric: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Sample>,
}

/// Lines of a log, which an older Loki gives.
#[derive(Debug, Deserialize)]
pub(super) struct Lines {
    #[serde(rename = "stream")]
    _stream: IgnoredAny,
}
