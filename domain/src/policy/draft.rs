//! Other limits in an existing policy text: only the named numbers change, comments and layout stay.

use shared_types::{PhaseId, TargetName};

use super::place::Places;
use super::{DisplayUnit, Policy, PolicyError};

/// One limit to change.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitChange {
    pub target: TargetName,
    pub phase: PhaseId,
    pub metric: String,
    /// In the unit in which the metric is shown.
    pub threshold: f64,
}

/// Why there is no such draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    #[error("the policy has no limit of {metric} in phase {phase} of {target}")]
    NoSuchLimit { target: TargetName, phase: PhaseId, metric: String },
    #[error("a limit is a number that is not negative")]
    NotALimit,
    #[error("with these limits the policy would be wrong")]
    Wrong(#[from] PolicyError),
}

impl Policy {
    /// The policy with other limits, checked as a file of that text would be.
    ///
    /// # Errors
    /// [`DraftError`].
    pub fn with_limits(&self, changes: &[LimitChange]) -> Result<Self, DraftError> {
        let mut text = self.text.to_string();
        for change in changes {
            text = self.with_limit(&text, change)?;
        }
        Ok(Self::parse_with(&text, "draft", &self.kinds)?)
    }

    fn with_limit(&self, text: &str, change: &LimitChange) -> Result<String, DraftError> {
        if !change.threshold.is_finite() || change.threshold < 0.0 {
            return Err(DraftError::NotALimit);
        }
        let places = Places::of(text);
        let place =
            places.and_then(|it| it.threshold(change.target.as_str(), change.phase.as_str(), &change.metric));
        let unit = self.targets.get(&change.target).and_then(|target| {
            target.metrics.iter().find(|metric| metric.name == change.metric).map(|metric| metric.display)
        });
        let change_of = place.zip(unit).and_then(|(place, unit)| {
            let start = offset(text, place.line, place.column)?;
            Some((start, start + scalar_length(&text[start..]), written(change.threshold, unit)))
        });
        let Some((start, end, value)) = change_of else {
            let LimitChange { target, phase, metric, .. } = change.clone();
            return Err(DraftError::NoSuchLimit { target, phase, metric });
        };
        Ok(format!("{}{value}{}", &text[..start], &text[end..]))
    }
}

/// Where a line and column, both counted from 1 and in characters, stand in the text.
fn offset(text: &str, line: u64, column: u64) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let begin: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let inside: usize = text.get(begin..)?.chars().take(column).map(char::len_utf8).sum();
    Some(begin + inside)
}

/// How long the scalar is that the text begins with: a quoted one up to its quote, a plain one up to what ends it.
fn scalar_length(text: &str) -> usize {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text[1..].find(quote).map_or(text.len(), |end| end + 2),
        _ => text.find([',', '}', ' ', '\t', '\r', '\n']).unwrap_or(text.len()),
    }
}

/// A limit as people write it: whole milliseconds, at most six decimals of anything else.
fn written(threshold: f64, unit: DisplayUnit) -> String {
    let decimals = match unit {
        DisplayUnit::Seconds => 3,
        DisplayUnit::Milliseconds => 0,
        DisplayUnit::Percent | DisplayUnit::Number => 6,
    };
    let number = format!("{threshold:.decimals$}");
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => &number,
    };
    format!("{number}{}", unit.symbol())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../governance/policy.yaml");

    fn change(phase: &str, metric: &str, threshold: f64) -> LimitChange {
        LimitChange {
            target: "autosave".parse().unwrap(),
            phase: phase.parse().unwrap(),
            metric: metric.to_owned(),
            threshold,
        }
    }

    /// PO-4: what is tried is a policy like any other, and only what was asked for differs.
    #[test]
    fn only_the_named_limits_change() {
        let policy = Policy::parse(SHIPPED, "policy.yaml").unwrap();
        let changes = [change("B", "save_latency_p95", 1.75), change("C", "error_rate", 0.25)];
        let draft = policy.with_limits(&changes).unwrap();
        let differing: Vec<(&str, &str)> =
            SHIPPED.lines().zip(draft.text.lines()).filter(|(old, new)| old != new).collect();
        assert_eq!(differing.len(), 2, "{differing:?}");
        assert!(differing[0].1.contains("save_latency_p95: 1.75s, error_rate: 0.5%"), "{differing:?}");
        assert!(differing[1].1.contains("save_latency_p95: 1.8s, error_rate: 0.25%"), "{differing:?}");
        let phases = &draft.targets[&"autosave".parse().unwrap()].phases;
        assert_eq!(phases[1].thresholds["save_latency_p95"].to_bits(), 1.75_f64.to_bits());
        assert_eq!(phases[2].thresholds["error_rate"].to_bits(), 0.25_f64.to_bits());
        assert_eq!(policy.with_limits(&[]).unwrap().version, policy.version);
    }

    #[test]
    fn every_limit_of_the_shipped_policy_can_be_changed_and_changed_back() {
        let policy = Policy::parse(SHIPPED, "policy.yaml").unwrap();
        for (target, it) in &policy.targets {
            for phase in &it.phases {
                for (metric, threshold) in &phase.thresholds {
                    let one = |threshold| LimitChange {
                        target: target.clone(),
                        phase: phase.id.clone(),
                        metric: metric.clone(),
                        threshold,
                    };
                    let other = policy.with_limits(&[one(threshold + 1.0)]).unwrap();
                    let back = other.with_limits(&[one(*threshold)]).unwrap();
                    assert_eq!(back.targets, policy.targets, "{metric} of {}", phase.id);
                }
            }
        }
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        let policy = Policy::parse(SHIPPED, "policy.yaml").unwrap();
        for wrong in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(matches!(
                policy.with_limits(&[change("A", "error_rate", wrong)]),
                Err(DraftError::NotALimit)
            ));
        }
        let unknown = policy.with_limits(&[change("A", "no_such", 1.0)]).unwrap_err().to_string();
        assert_eq!(unknown, "the policy has no limit of no_such in phase A of autosave");
        assert!(policy.with_limits(&[change("Z", "error_rate", 1.0)]).is_err());
    }
}
