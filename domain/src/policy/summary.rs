//! What `phasegate policy check` says of a policy that is in order.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::section::{metrics, phases};
use super::{Policy, TargetPolicy};
use crate::story::figures::format_duration;

pub use super::section::metrics::MetricSummary;
pub use super::section::phases::PhaseSummary;

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
    /// The key of its kind.
    pub source: &'static str,
    pub window_ms: u64,
    /// In the policy's order.
    pub metrics: Vec<MetricSummary>,
    /// Lowest first.
    pub phases: Vec<PhaseSummary>,
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
    TargetSummary {
        target: name.to_owned(),
        title: target.title.clone(),
        source: target.collection.source.kind(),
        window_ms: u64::try_from(target.collection.window.as_millis()).unwrap_or(u64::MAX),
        metrics: metrics::summary(&target.metrics),
        phases: phases::summary(&target.phases, &target.metrics),
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
                writeln!(f, "  {phase}")?;
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
            let advisory = if metric.on_violation.is_advisory() { " (advisory)" } else { "" };
            let _ = writeln!(text, "  {}{advisory}", metric.on_violation.as_str());
        }
        text
    }
}
