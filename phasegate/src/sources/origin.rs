//! Where each event and number of a policy comes from.

use domain::policy::TargetPolicy;
use serde::Serialize;

/// Who says how often an event came, or what a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// The policy's source.
    Source,
    /// Whoever pushes it to a running collector.
    Pushed,
    /// The collector itself.
    Collector,
}

/// Of an event, or a variant's, or a number. What counts by itself is asked for what it names, and the rest is pushed beside it.
pub(super) fn origin(policy: &TargetPolicy, name: &str) -> Origin {
    let source = &policy.collection.source;
    let known = [source.counted(), source.timed()].concat();
    let counts_itself = !known.is_empty() || !source.values().is_empty();
    let named = |name: &str| known.contains(&name) || source.values().contains_key(name);
    let of_event = name.rsplit_once('@').is_some_and(|(event, _)| named(event));
    if source.is_pushed() || counts_itself && !named(name) && !of_event {
        Origin::Pushed
    } else {
        Origin::Source
    }
}

/// What it is read from there, as the policy says it.
pub(super) fn made_of(policy: &TargetPolicy, origin: Origin, name: &str) -> String {
    let source = &policy.collection.source;
    match (origin, source.made_of(name), source.files()) {
        (Origin::Source, Some(selector), _) => selector.to_owned(),
        (Origin::Source, None, Some(patterns)) => patterns.join(", "),
        (Origin::Source, None, None) => source.kind().to_owned(),
        (Origin::Pushed, Some(metric), _) if source.is_pushed() => format!("{metric}, sent to the collector"),
        (Origin::Pushed, ..) => "pushed to the collector".to_owned(),
        (Origin::Collector, ..) => "the collector itself".to_owned(),
    }
}
