//! What decisions add to their days, for charts over longer times. Pure sums: the same in whatever order decisions come.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_types::days::{DayMetric, DayTotals, DayWindows};
use shared_types::decision::{Cause, Direction, MetricVerdict};
use shared_types::{Decision, Timestamp, Verdict};

/// A day, as it is counted here: by UTC, so that every policy has the same.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// Stands for the windows themselves beside the metrics; none is called so.
pub const WINDOWS: &str = "";

/// Figures by day and metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DaySums(BTreeMap<(Timestamp, String), Figures>);

/// What was counted of one metric on one day, or of the windows themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    pub windows: DayWindows,
    /// Of a metric only.
    pub worst: Option<Worst>,
}

/// The value that was furthest beyond its threshold, or nearest to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Worst {
    /// None: of too few samples nothing can be said, here as at the gate.
    pub observed: Option<f64>,
    pub threshold: f64,
    pub unit: String,
    pub direction: Direction,
}

impl DaySums {
    /// Adds a decision to the day on which its window began; a stale one is only counted as such (PH-8). A window is judged
    /// once, and the alarms beside it are counted apart.
    pub fn take(&mut self, decision: &Decision, stale: bool) {
        let day = decision.window.start.align_down(DAY);
        let mut windows = DayWindows::default();
        if stale {
            windows.stale = 1;
        } else if decision.cause != Cause::Slo {
            windows.alarms = 1;
        } else {
            windows = of_verdict(decision.verdict);
            windows.rollback_required = u64::from(decision.rollback_required);
            for metric in &decision.metrics {
                self.add(day, &metric.metric, Figures::of(metric));
            }
        }
        self.add(day, WINDOWS, Figures { windows, worst: None });
    }

    /// Adds what was summed up before.
    pub fn add(&mut self, day: Timestamp, metric: &str, figures: Figures) {
        let sum = self.0.entry((day, metric.to_owned())).or_default();
        add_windows(&mut sum.windows, figures.windows);
        if let Some(worst) = figures.worst
            && sum.worst.as_ref().is_none_or(|than| worst.is_worse(than))
        {
            sum.worst = Some(worst);
        }
    }

    /// In the order of days, and on each by name.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, &str, &Figures)> {
        self.0.iter().map(|((day, metric), figures)| (*day, metric.as_str(), figures))
    }

    /// As the API tells them, with how many incidents opened on which day.
    #[must_use]
    pub fn told(self, incidents: &BTreeMap<Timestamp, u64>) -> Vec<DayTotals> {
        let mut days: BTreeMap<Timestamp, DayTotals> = BTreeMap::new();
        let of = |day: Timestamp| DayTotals {
            date: day.to_jiff().strftime("%Y-%m-%d").to_string(),
            windows: DayWindows::default(),
            incidents: incidents.get(&day).copied().unwrap_or(0),
            metrics: Vec::new(),
        };
        for day in incidents.keys() {
            days.insert(*day, of(*day));
        }
        for ((day, metric), Figures { windows, worst }) in self.0 {
            let told = days.entry(day).or_insert_with(|| of(day));
            match worst {
                Some(Worst { observed, threshold, unit, direction }) => told.metrics.push(DayMetric {
                    metric,
                    worst: observed,
                    threshold,
                    unit,
                    direction,
                    verdict: worst_verdict(windows),
                    violated: windows.violation,
                }),
                None => told.windows = windows,
            }
        }
        days.into_values().collect()
    }
}

impl Figures {
    fn of(it: &MetricVerdict) -> Self {
        let observed = it.observed.filter(|_| it.verdict != Verdict::Insufficient);
        let worst =
            Worst { observed, threshold: it.threshold, unit: it.unit.clone(), direction: it.direction };
        Self { windows: of_verdict(it.verdict), worst: Some(worst) }
    }
}

impl Worst {
    /// By how far they are beyond their own thresholds: those of two phases of a day may differ.
    fn is_worse(&self, than: &Self) -> bool {
        match (self.observed, than.observed) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(this), Some(other)) => {
                self.direction.is_beyond(this - self.threshold, other - than.threshold)
            }
        }
    }
}

fn of_verdict(verdict: Verdict) -> DayWindows {
    let mut windows = DayWindows::default();
    *match verdict {
        Verdict::Ok => &mut windows.ok,
        Verdict::Warn => &mut windows.warn,
        Verdict::Unsure => &mut windows.unsure,
        Verdict::Violation => &mut windows.violation,
        Verdict::Insufficient => &mut windows.insufficient,
    } = 1;
    windows
}

fn worst_verdict(windows: DayWindows) -> Verdict {
    let DayWindows { warn, unsure, violation, insufficient, .. } = windows;
    let all = [
        (violation, Verdict::Violation),
        (unsure, Verdict::Unsure),
        (warn, Verdict::Warn),
        (insufficient, Verdict::Insufficient),
    ];
    all.into_iter().find(|(count, _)| *count > 0).map_or(Verdict::Ok, |(_, verdict)| verdict)
}

fn add_windows(sum: &mut DayWindows, more: DayWindows) {
    let DayWindows { ok, warn, unsure, violation, insufficient, alarms, stale, rollback_required } = more;
    sum.ok += ok;
    sum.warn += warn;
    sum.unsure += unsure;
    sum.violation += violation;
    sum.insufficient += insufficient;
    sum.alarms += alarms;
    sum.stale += stale;
    sum.rollback_required += rollback_required;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day_one() -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn worst(observed: Option<f64>, threshold: f64, direction: Direction) -> Worst {
        Worst { observed, threshold, unit: "s".to_owned(), direction }
    }

    /// The worst of two, whichever came first.
    fn worse_of(one: &Worst, other: &Worst) -> Vec<Option<f64>> {
        [[one, other], [other, one]]
            .into_iter()
            .map(|order| {
                let mut sums = DaySums::default();
                for it in order {
                    sums.add(
                        day_one(),
                        "m",
                        Figures { windows: DayWindows::default(), worst: Some(it.clone()) },
                    );
                }
                sums.told(&BTreeMap::new())[0].metrics[0].worst
            })
            .collect()
    }

    #[test]
    fn the_worst_is_furthest_beyond_its_own_threshold_on_either_side() {
        use Direction::{AtLeast, AtMost};
        let cases = [
            ((Some(1.0), 2.0, AtMost), (Some(1.5), 2.0, AtMost), Some(1.5)),
            ((Some(2.5), 3.0, AtMost), (Some(2.1), 2.0, AtMost), Some(2.1)),
            ((Some(99.0), 95.0, AtLeast), (Some(96.0), 95.0, AtLeast), Some(96.0)),
            ((None, 2.0, AtMost), (Some(0.1), 2.0, AtMost), Some(0.1)),
            ((None, 2.0, AtMost), (None, 2.0, AtMost), None),
        ];
        for (one, other, expected) in cases {
            let of = |it: (Option<f64>, f64, Direction)| worst(it.0, it.1, it.2);
            assert_eq!(worse_of(&of(one), &of(other)), [expected, expected], "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_day_on_which_only_an_incident_opened_is_told_too() {
        let days = DaySums::default().told(&BTreeMap::from([(day_one(), 2)]));
        assert_eq!((days[0].date.as_str(), days[0].incidents), ("1970-01-01", 2));
        assert_eq!(days[0].windows, DayWindows::default());
    }

    #[test]
    fn a_metric_is_as_bad_as_its_worst_window() {
        let mut sums = DaySums::default();
        for verdict in [Verdict::Ok, Verdict::Warn, Verdict::Insufficient, Verdict::Ok] {
            let worst = Some(worst(Some(1.0), 2.0, Direction::AtMost));
            sums.add(day_one(), "m", Figures { windows: of_verdict(verdict), worst });
        }
        let told = sums.told(&BTreeMap::new());
        assert_eq!((told[0].metrics[0].verdict, told[0].metrics[0].violated), (Verdict::Warn, 0));
    }
}
