//! What `phasegate policy check` says of a policy that is in order.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::render::{advance_text, threshold_text};
use super::units::format_duration;
use super::{MetricPolicy, Policy, TargetPolicy};
use crate::template::values::format_number;

/// A policy at a glance; as JSON for scripts, as text for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicySummary {
    /// `sha256:<hex>` over the file's bytes.
    pub version: String,
    pub targets: Vec<TargetSummary>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetSummary {
    pub target: String,
    pub title: String,
    /// Its kind: `jsonl`, `http`.
    pub source: &'static str,
    pub window_ms: u64,
    /// In the policy's order.
    pub metrics: Vec<MetricSummary>,
    /// Lowest first.
    pub phases: Vec<PhaseSummary>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricSummary {
    pub metric: String,
    /// `s`, `ms`, `%` or empty.
    pub unit: &'static str,
    pub on_violation: shared_types::decision::ViolationAction,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseSummary {
    pub phase: String,
    pub name: String,
    pub audience_percent: f64,
    /// By metric, in its unit.
    pub thresholds: std::collections::BTreeMap<String, f64>,
    /// In words.
    pub advance: String,
    pub approvals: Vec<String>,
    /// The thresholds as people read them, in the order of the metrics.
    #[serde(skip)]
    limits: Vec<String>,
}

impl Policy {
    /// The policy at a glance.
    #[must_use]
    pub fn summary(&self) -> PolicySummary {
        let targets = self.targets.iter().map(|(name, target)| target_summary(name.as_str(), target));
        PolicySummary { version: self.version.clone(), targets: targets.collect() }
    }
}

fn target_summary(name: &str, target: &TargetPolicy) -> TargetSummary {
    let metric = |metric: &MetricPolicy| MetricSummary {
        metric: metric.name.clone(),
        unit: metric.display.symbol(),
        on_violation: metric.on_violation,
    };
    let phases = target.phases.iter().map(|phase| PhaseSummary {
        phase: phase.id.to_string(),
        name: phase.name.clone(),
        audience_percent: phase.audience_percent,
        thresholds: phase.thresholds.clone(),
        advance: advance_text(&phase.advance),
        approvals: phase.advance.approvals.clone(),
        limits: target.metrics.iter().map(|metric| threshold_text(metric, phase)).collect(),
    });
    TargetSummary {
        target: name.to_owned(),
        title: target.title.clone(),
        source: target.collection.source.kind(),
        window_ms: u64::try_from(target.collection.window.as_millis()).unwrap_or(u64::MAX),
        metrics: target.metrics.iter().map(metric).collect(),
        phases: phases.collect(),
    }
}

impl fmt::Display for PolicySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "policy {}", self.version)?;
        for target in &self.targets {
            let window = format_duration(std::time::Duration::from_millis(target.window_ms));
            writeln!(
                f,
                "\n{} ({}): windows of {window} from {}",
                target.target, target.title, target.source
            )?;
            f.write_str(&target.thresholds_text())?;
            for phase in &target.phases {
                let approvals = match phase.approvals.as_slice() {
                    [] => "no approval".to_owned(),
                    roles => format!("approved by {}", roles.join(", ")),
                };
                let audience = format_number(Some(phase.audience_percent));
                writeln!(
                    f,
                    "  {} {} {audience}%: up after {}, {approvals}",
                    phase.phase, phase.name, phase.advance
                )?;
            }
        }
        Ok(())
    }
}

impl TargetSummary {
    /// Metrics by phases, in columns.
    fn thresholds_text(&self) -> String {
        let first = self.metrics.iter().map(|metric| metric.metric.chars().count()).max().unwrap_or(0);
        let limits = self.phases.iter().flat_map(|phase| &phase.limits);
        let width = limits.map(|limit| limit.chars().count()).max().unwrap_or(0).max(4);
        let mut text = format!("  {:first$}", "");
        for phase in &self.phases {
            let _ = write!(text, "  {:width$}", phase.phase);
        }
        text.push_str("  on violation\n");
        for (row, metric) in self.metrics.iter().enumerate() {
            let _ = write!(text, "  {:first$}", metric.metric);
            for phase in &self.phases {
                let _ = write!(text, "  {:width$}", phase.limits[row]);
            }
            let _ = writeln!(text, "  {}", format!("{:?}", metric.on_violation).to_lowercase());
        }
        text
    }
}
