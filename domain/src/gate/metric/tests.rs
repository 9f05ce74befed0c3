//! What every kind of metric keeps, run over the registry.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;

use super::*;
use crate::gate::fixture::{policy, whole_policy, window, with_source_of};
use crate::kinds::Kinds;
use crate::policy::{MetricPolicy, Policy};

const SHIPPED_LINE: &str = "history_drift:     { mean: autosave.history.drift, over: 1h }";

/// The shipped policy with a metric written as `section` says, in the place of the drift.
fn read(section: &str) -> Result<MetricPolicy, String> {
    let text = whole_policy().text.replacen(SHIPPED_LINE, &format!("history_drift: {section}"), 1);
    // Only a source that gives it can have a metric of a number.
    let text =
        if section.contains("value: success_rate") { with_source_of(&text, "success_rate") } else { text };
    let policy = Policy::parse_with(&text, "p", &Kinds::shipped()).map_err(|error| error.to_string())?;
    let mut target = policy.targets.into_values().next().unwrap();
    Ok(target.metrics.swap_remove(2))
}

#[test]
fn the_example_of_every_kind_is_one_of_it() {
    for kind in SHIPPED {
        let metric = read(kind.example).unwrap_or_else(|error| panic!("{}: {error}", kind.key));
        assert!(!metric.kind.words().is_empty() && metric.kind == read(kind.example).unwrap().kind);
        let others = policy().metrics.into_iter().filter(|other| other.kind == metric.kind);
        assert!(others.count() <= 1, "{}: kinds are told apart", kind.key);
        assert!(kind.example.contains(kind.key));
    }
}

/// PO-3: the schema describes each of its keys, and asks for the one by which it is told from others.
#[test]
fn every_kind_describes_its_keys() {
    for kind in SHIPPED {
        let schema = (kind.schema)(&mut SchemaGenerator::default()).to_value();
        let required = schema["required"].as_array().unwrap();
        assert!(required.iter().any(|key| key == kind.key), "{}", kind.key);
        assert_eq!(schema["additionalProperties"], false, "{}", kind.key);
        for (key, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{}.{key}", kind.key);
        }
    }
}

/// PO-1: what a kind refuses is refused with line and path, whichever kind it is.
#[test]
fn a_wrong_section_is_refused_by_its_place() {
    for kind in SHIPPED {
        let strange = kind.example.replacen('{', "{ strange: 1,", 1);
        let error = read(&strange).unwrap_err();
        assert!(error.starts_with("p:20:"), "{error}");
        assert!(error.contains("metrics.history_drift.strange: unknown key `strange`"), "{error}");
    }
}

/// SLO-7: of a window in which nothing was counted no kind makes a number out of nothing but a count.
#[test]
fn without_what_it_is_made_from_no_kind_has_a_value_that_is_none() {
    let (counters, earlier) = (BTreeMap::new(), []);
    for kind in SHIPPED {
        let metric = read(kind.example).unwrap();
        let facts = Facts {
            metric: "m",
            display: metric.display,
            epoch: 1,
            window: window(0),
            counters: &counters,
            breakdowns: None,
            histograms: None,
            buckets: None,
            values: None,
            collector_latency_ms: None,
            earlier: &earlier,
            siblings: &[],
        };
        let observed = metric.kind.observe(&facts);
        assert!(observed.value.is_none_or(f64::is_finite), "{}: {observed:?}", kind.key);
        assert!(metric.kind.needs().is_empty() || observed.samples.is_none_or(|samples| samples == 0));
        assert!(metric.kind.look_back().is_some() || observed.history.is_empty(), "{}", kind.key);
    }
}

/// PO-1: the limits of a kind's own numbers belong to it, or not.
#[test]
fn numbers_at_their_limits_are_taken_or_refused() {
    let quantile = |q: &str| format!("{{ quantile: {q}, of: a.b, field: duration_ms, display: s }}");
    let mean = |over: &str| format!("{{ mean: autosave.history.drift, over: {over} }}");
    for (section, taken) in [
        (quantile("0"), false),
        (quantile("0.001"), true),
        (quantile("1"), true),
        (quantile("1.001"), false),
        (mean("14m"), false),
        (mean("15m"), true),
    ] {
        assert_eq!(read(&section).is_ok(), taken, "{section}");
    }
}
