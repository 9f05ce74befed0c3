//! The hash of an answer's data, whatever order or statistics a server sends them with (SLO-10). It is that of what
//! `jq -cS '.data.result | sort_by(.metric)[]'` writes of the answer, so that anybody can look whether a server still says it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::stored::plain_text;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::answer::Number;
use super::count::{Sample, Series};

type Labels = BTreeMap<String, String>;

/// Of raw samples.
pub(super) fn of_samples(series: &[Series]) -> String {
    of_series(series, |it| &it.metric)
}

/// Of what a query computes.
pub(super) fn of_numbers(series: &[Number]) -> String {
    of_series(series, |it| &it.metric)
}

/// Of a scalar, which has no labels: the pair itself.
pub(super) fn of_scalar(pair: &Sample) -> String {
    of_lines([pair])
}

fn of_series<T: Serialize>(series: &[T], labels: impl Fn(&T) -> &Labels) -> String {
    let mut sorted: Vec<&T> = series.iter().collect();
    sorted.sort_by(|a, b| in_order(labels(a), labels(b)));
    of_lines(sorted)
}

/// By the names of the labels, and then by their values.
fn in_order(a: &Labels, b: &Labels) -> Ordering {
    a.keys().cmp(b.keys()).then_with(|| a.values().cmp(b.values()))
}

fn of_lines<T: Serialize>(lines: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(plain_text(&line));
        hash.update(b"\n");
    }
    hash.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn samples() -> Vec<Value> {
        vec![
            json!({ "values": [[1_795_341_600, "7"], [1_795_341_615.25, "9.5"]],
                "metric": { "job": "shop", "instance": "b", "__name__": "pays_total" } }),
            json!({ "metric": { "__name__": "pays_total", "instance": "a é\"\\", "job": "shop" },
                "values": [[1_795_341_600, "1e+06"]] }),
            json!({ "metric": { "__name__": "pay_seconds", "instance": "a" },
                "histograms": [[1_795_341_600, { "count": "4", "sum": "1.5", "buckets": [[0, "0.5", "1", "4"]] }]] }),
        ]
    }

    fn hash(series: Vec<Value>) -> String {
        let series: Vec<Series> = serde_json::from_value(Value::Array(series)).unwrap();
        of_samples(&series)
    }

    /// SLO-10: the hashes are those of `jq -cS '.data.result | sort_by(.metric)[]' | sha256sum`.
    #[test]
    fn the_hash_is_that_of_jq_and_sha256sum() {
        let expected = "sha256:20dc5f23a1784999eee0cf269428f72de301109b31cd9e1affd43ef5bcbc5843";
        assert_eq!(hash(samples()), expected);
        let numbers = |data: Value| of_numbers(&serde_json::from_value::<Vec<Number>>(data).unwrap());
        assert_eq!(
            numbers(json!([{ "metric": {}, "value": [1_795_341_660, "0.75"] }])),
            "sha256:090aa914c788429dd5ddf2ed59c82906940c7c12d43e92636e53599942fe0578"
        );
        assert_eq!(
            of_scalar(&Sample(1_795_341_660.0, "12".to_owned())),
            "sha256:8b6a02872d3a5c4dd834e17f4b33fe3c1c3421e07c447ff0042bad0d98c07880"
        );
        let of_nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!((hash(vec![]).as_str(), numbers(json!([])).as_str()), (of_nothing, of_nothing));
    }

    /// SLO-10: a server may send its series in any order; another sample is another answer.
    #[test]
    fn only_what_was_said_makes_the_hash() {
        let mut turned = samples();
        turned.reverse();
        assert_eq!(hash(turned), hash(samples()));
        let mut late = samples();
        late[1]["values"].as_array_mut().unwrap().push(json!([1_795_341_615, "1e+06"]));
        assert_ne!(hash(late), hash(samples()));
    }
}
