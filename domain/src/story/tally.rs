//! A day's decisions, counted: windows by verdict, each metric's worst and median against its threshold. Pure.

use std::collections::BTreeMap;

use shared_types::daily::{DailySlo, DailyWindows};
use shared_types::decision::{Cause, Direction, MetricVerdict};
use shared_types::{Decision, PhaseId, Timestamp, Verdict, Window};

/// Missing windows that are named.
const NAMED_MAX: usize = 20;

/// What has been counted so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// By their starts; `None`: no batch of it was judged.
    windows: BTreeMap<Timestamp, (Window, Option<Verdict>)>,
    stale: u64,
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    metric: String,
    phase: PhaseId,
    unit: String,
    threshold: f64,
    direction: Direction,
    values: Vec<f64>,
    worst: Option<(f64, Window)>,
    violated: u64,
}

impl Tally {
    /// Counts a decision; a stale one is only counted as such (PH-8).
    pub fn take(&mut self, decision: &Decision, stale: bool) {
        if stale {
            self.stale += 1;
            return;
        }
        let known = self.windows.entry(decision.window.start).or_insert((decision.window, None));
        if decision.cause != Cause::Slo {
            return;
        }
        *known = (decision.window, Some(decision.verdict));
        for verdict in &decision.metrics {
            self.measure(&decision.phase, decision.window, verdict);
        }
    }

    fn measure(&mut self, phase: &PhaseId, window: Window, it: &MetricVerdict) {
        let same = |series: &&mut Series| {
            series.metric == it.metric
                && series.phase == *phase
                && series.threshold.total_cmp(&it.threshold).is_eq()
                && series.direction == it.direction
        };
        let series = match self.series.iter_mut().find(same) {
            Some(series) => series,
            None => {
                self.series.push(Series {
                    metric: it.metric.clone(),
                    phase: phase.clone(),
                    unit: it.unit.clone(),
                    threshold: it.threshold,
                    direction: it.direction,
                    values: Vec::new(),
                    worst: None,
                    violated: 0,
                });
                let Some(series) = self.series.last_mut() else { return };
                series
            }
        };
        series.violated += u64::from(it.verdict == Verdict::Violation);
        // Of too few samples nothing can be said, here as at the gate.
        let Some(value) = it.observed.filter(|_| it.verdict != Verdict::Insufficient) else { return };
        series.values.push(value);
        if series.worst.is_none_or(|(worst, _)| it.direction.is_beyond(value, worst)) {
            series.worst = Some((value, window));
        }
    }

    /// The counts, as the report tells them.
    #[must_use]
    pub fn finish(self) -> (DailyWindows, Vec<DailySlo>) {
        let mut windows = DailyWindows { stale: self.stale, ..DailyWindows::default() };
        for (window, verdict) in self.windows.into_values() {
            *match verdict {
                Some(Verdict::Ok) => &mut windows.ok,
                Some(Verdict::Warn) => &mut windows.warn,
                Some(Verdict::Unsure) => &mut windows.unsure,
                Some(Verdict::Violation) => &mut windows.violation,
                Some(Verdict::Insufficient) => &mut windows.insufficient,
                None => &mut windows.missing,
            } += 1;
            if verdict.is_none() && windows.missing_windows.len() < NAMED_MAX {
                windows.missing_windows.push(window);
            }
        }
        (windows, self.series.into_iter().map(Series::finish).collect())
    }
}

impl Series {
    fn finish(mut self) -> DailySlo {
        self.values.sort_by(f64::total_cmp);
        let median = self.values.len().checked_sub(1).map(|last| self.values[last / 2]);
        let worst = self.worst.map(|(worst, _)| worst);
        DailySlo {
            metric: self.metric,
            phase: self.phase,
            unit: self.unit,
            threshold: self.threshold,
            direction: self.direction,
            worst,
            worst_ratio: worst.filter(|_| self.threshold > 0.0).map(|worst| worst / self.threshold),
            worst_window: self.worst.map(|(_, window)| window),
            median,
            observed: self.values.len() as u64,
            violated: self.violated,
        }
    }
}
