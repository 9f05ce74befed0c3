//! What was found, as scripts read it.

use collector_svc::look::ReadThrough;
use serde::Serialize;
use shared_types::batch::Query;
use shared_types::decision::Between;
use shared_types::{TargetName, Timestamp, Window};

use super::origin::Origin;
use super::pushes::Pushes;
use crate::doctor::{Level, Problem};
use crate::exit::Exit;

/// All targets that were looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) at: Timestamp,
    pub(crate) targets: Vec<TargetReport>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct TargetReport {
    pub(crate) target: TargetName,
    /// Where its telemetry comes from, with all settings.
    pub(crate) source: String,
    pub(crate) window: Window,
    /// Why the source cannot be read.
    pub(crate) unreachable: Option<String>,
    /// What of the source was gone through; null where nothing is pulled.
    pub(crate) read: Option<ReadThrough>,
    /// What a running collector says of events that are pushed; null where none are.
    pub(crate) pushes: Option<Pushes>,
    /// In the policy's order.
    pub(crate) metrics: Vec<MetricReport>,
    /// Events that came and that no metric asks for.
    pub(crate) unknown: Vec<UnknownName>,
    /// What is wrong with all of it.
    pub(crate) problems: Vec<Problem>,
}

/// A metric, and whether its limits can be judged by what comes.
#[derive(Debug, Serialize)]
pub(crate) struct MetricReport {
    pub(crate) metric: String,
    pub(crate) standing: Standing,
    /// Of the window alone.
    pub(crate) value: Option<f64>,
    /// Its bounds, where no more is known.
    pub(crate) between: Option<Between>,
    pub(crate) unit: &'static str,
    /// What it stands on; null where no minimum is asked for.
    pub(crate) attempts: Option<u64>,
    /// `gate.min_samples`, where it is asked for.
    pub(crate) min_samples: Option<u64>,
    /// So many windows like this one hold them; null without any.
    pub(crate) windows_needed: Option<u64>,
    /// Of durations.
    pub(crate) resolution: Option<Resolution>,
    pub(crate) made_of: Vec<Ingredient>,
    pub(crate) problems: Vec<Problem>,
}

/// Whether a metric's limits can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Judged,
    /// Not in each window by itself.
    TooFew,
    /// Its bounds lie on both sides of a limit.
    Unresolved,
    /// What it is made from is pushed, and no collector says how often it came.
    NotSeen,
    /// The source does not have what it is made from.
    Missing,
}

/// How well durations are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resolution {
    /// Each by itself: any limit can be told (SLO-2).
    Exact,
    /// By the bounds of buckets: a limit that is a bound can be told.
    Bounds,
}

/// What a metric is made from.
#[derive(Debug, Serialize)]
pub(crate) struct Ingredient {
    /// An event, or a number of the source.
    pub(crate) name: String,
    pub(crate) from: Origin,
    /// Selector, patterns of files, or who else says it.
    pub(crate) made_of: String,
    /// How often the event came in the window; of one that is pushed, in the collector's newest batch.
    pub(crate) events: Option<u64>,
    pub(crate) missing: Option<String>,
    /// Why its number is an estimate of the source.
    pub(crate) extrapolated: Option<String>,
    /// What the source was asked for it, where it is asked by queries.
    pub(crate) queries: Vec<Query>,
}

/// An event's name that the policy does not use.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UnknownName {
    pub(crate) name: String,
    pub(crate) events: u64,
    /// The one that is perhaps meant.
    pub(crate) meant: Option<String>,
}

impl TargetReport {
    pub(super) fn new(target: TargetName, source: String, window: Window) -> Self {
        Self {
            target,
            source,
            window,
            unreachable: None,
            read: None,
            pushes: None,
            metrics: Vec::new(),
            unknown: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Metrics that can be judged.
    pub(super) fn judged(&self) -> usize {
        self.metrics.iter().filter(|it| it.standing == Standing::Judged).count()
    }

    fn exit(&self) -> Exit {
        let fails = self.problems.iter().any(|it| it.level == Level::Failed);
        if self.unreachable.is_some() {
            Exit::Unreachable
        } else if fails || self.judged() < self.metrics.len() {
            Exit::Refused
        } else {
            Exit::Ok
        }
    }
}

impl Report {
    /// The worst of all targets.
    pub(crate) fn exit(&self) -> Exit {
        self.targets.iter().map(TargetReport::exit).max_by_key(|exit| exit.code()).unwrap_or(Exit::Ok)
    }
}
