//! How much what a data point counts has grown, exactly once, by its stream and its times. Pure.
//!
//! OTLP names no request: one whose answer was lost comes again. So of each stream (a resource, a scope, a metric and
//! attributes) it is stored how far it was counted, and by that a point is new, known, or of somebody else.
//! Shapes: <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#sums>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_types::Timestamp;

use super::spread::Spread;

/// Nanoseconds since 1970.
pub(crate) type Nanos = u64;

/// Streams that are kept of one resource.
const STREAMS_MAX: usize = 2_000;
/// Gaps that are kept of one stream.
const GAPS_MAX: usize = 8;
/// A stream without a point for so long makes room for another one.
const STREAM_KEPT: Nanos = 3_600_000_000_000;
/// Points of one export are as far apart at most.
const EXPORT: Nanos = 500_000_000;

/// What a stream counts, so far or since the point before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Amount {
    pub(crate) count: f64,
    /// Of a histogram whose durations are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<Spread>,
}

impl Amount {
    /// What came since `before`; `None` if this does not go on from there.
    fn since(&self, before: &Self) -> Option<Self> {
        let spread = match (&self.spread, &before.spread) {
            (Some(now), Some(before)) => Some(now.since(before)?),
            (now, _) => now.clone(),
        };
        let count = self.count - before.count;
        (count >= 0.0).then_some(Self { count, spread })
    }
}

/// The times and the amount of a data point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// Whether it says what came since the point before; else what came since its start.
    pub(crate) is_delta: bool,
    /// 0: unknown.
    pub(crate) start: Nanos,
    pub(crate) time: Nanos,
    pub(crate) amount: Amount,
}

/// Where [`Instance`] has its newest point.
pub(crate) const SEEN: &str = "seen";

/// What is known of the process that sends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// The first point.
    known_from: Nanos,
    /// The newest point.
    seen: Nanos,
    /// The newest point of the exports before that one.
    seen_before: Nanos,
    streams: BTreeMap<String, Stream>,
}

/// How far a stream was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stream {
    start: Nanos,
    time: Nanos,
    amount: Amount,
    /// Of deltas: times before `time` of which none came yet. What is sent side by side, or again, may come in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<(Nanos, Nanos)>,
}

/// What a point adds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Growth {
    /// So much, after `from` and until the point's time.
    Grown { from: Nanos, amount: Amount },
    /// How much of it was counted by others, or before anybody looked, is not known: it is what later ones count from.
    Baseline,
    /// It was counted before.
    Known,
    /// It cannot be what it says: two processes write one stream.
    Torn,
    /// There are too many streams.
    TooMany,
}

impl Instance {
    /// Counts a point of a stream; `window` says when that of the point begins.
    pub(crate) fn count(&mut self, stream: &str, point: &Point, window: Timestamp) -> Growth {
        if self.known_from == 0 {
            self.known_from = point.time;
        }
        if point.time > self.seen + EXPORT {
            self.seen_before = self.seen;
        }
        self.seen = self.seen.max(point.time);
        if let Some(known) = self.streams.get_mut(stream) {
            return known.take(point);
        }
        if self.streams.len() >= STREAMS_MAX {
            // What has ended makes room.
            self.streams.retain(|_, known| known.time + STREAM_KEPT >= point.time);
            if self.streams.len() >= STREAMS_MAX {
                return Growth::TooMany;
            }
        }
        self.streams.insert(stream.to_owned(), Stream::of(point));
        let grown = |from| Growth::Grown { from, amount: point.amount.clone() };
        if point.is_delta || point.start > 0 && millis(point.start) >= window {
            grown(point.start)
        } else if self.known_from + EXPORT < point.time {
            // It was in none of the exports before.
            grown(point.start.max(self.seen_before))
        } else {
            Growth::Baseline
        }
    }
}

impl Stream {
    /// Counted up to a point, and from nowhere before.
    fn of(point: &Point) -> Self {
        let Point { is_delta, start, time, .. } = *point;
        let spread = point.amount.spread.as_ref().filter(|_| !is_delta).cloned();
        let amount = Amount { count: point.amount.count, spread };
        let gaps = if is_delta && start > 0 { vec![(0, start)] } else { Vec::new() };
        Self { start, time, amount, gaps }
    }

    fn take(&mut self, point: &Point) -> Growth {
        if point.is_delta { self.take_delta(point) } else { self.take_total(point) }
    }

    fn take_delta(&mut self, point: &Point) -> Growth {
        let grown = |from: Nanos| Growth::Grown { from, amount: point.amount.clone() };
        let Point { start, time, .. } = *point;
        if (start, time) == (self.start, self.time) {
            return self.again(point);
        }
        if time <= self.time {
            let gap = self.gaps.iter().position(|(from, to)| *from <= start && time <= *to);
            let Some(gap) = gap.filter(|_| start < time) else { return Growth::Known };
            let (from, to) = self.gaps.remove(gap);
            self.gaps.extend([(from, start), (time, to)].into_iter().filter(|(from, to)| from < to));
            return grown(start);
        }
        if start > 0 && start < self.time {
            *self = Self::of(point);
            return Growth::Torn;
        }
        let from = if start == 0 { self.time } else { start };
        if from > self.time {
            self.gaps.push((self.time, from));
            self.gaps.drain(..self.gaps.len().saturating_sub(GAPS_MAX));
        }
        (self.start, self.time) = (from, time);
        self.amount.count = point.amount.count;
        grown(from)
    }

    fn take_total(&mut self, point: &Point) -> Growth {
        let Point { start, time, .. } = *point;
        if (start, time) == (self.start, self.time) {
            return self.again(point);
        }
        // A late repeat of the process before is one too.
        if time <= self.start || start == self.start && time <= self.time {
            return Growth::Known;
        }
        if time <= self.time {
            return Growth::Torn;
        }
        let last = std::mem::replace(self, Self::of(point));
        if start == last.start {
            let grown = |amount| Growth::Grown { from: last.time, amount };
            return point.amount.since(&last.amount).map_or(Growth::Torn, grown);
        }
        // The next process begins when this one has ended.
        let follows = start >= last.time;
        if follows { Growth::Grown { from: start, amount: point.amount.clone() } } else { Growth::Torn }
    }

    /// One with the same times is the same, or of another instrument.
    #[expect(clippy::float_cmp, reason = "the same request again has the same bits")]
    fn again(&self, point: &Point) -> Growth {
        if point.amount.count == self.amount.count { Growth::Known } else { Growth::Torn }
    }
}

/// The millisecond in which a nanosecond lies.
pub(crate) fn millis(at: Nanos) -> Timestamp {
    Timestamp::from_millis(i64::try_from(at / 1_000_000).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;
    /// When the window begins, in seconds.
    const WINDOW: Nanos = 1_795_341_600;

    /// Seconds of the window.
    fn at(second: i64) -> Nanos {
        (WINDOW * SECOND).checked_add_signed(second * 1_000_000_000).unwrap()
    }

    fn amount(count: f64) -> Amount {
        Amount { count, spread: None }
    }

    fn cumulative(start: i64, time: i64, count: f64) -> Point {
        let amount = amount(count);
        Point { is_delta: false, start: at(start), time: at(time), amount }
    }

    fn delta(start: i64, time: i64, count: f64) -> Point {
        Point { is_delta: true, ..cumulative(start, time, count) }
    }

    #[derive(Default)]
    struct Counted(Instance);

    impl Counted {
        /// Of one export.
        fn point(&mut self, stream: &str, point: &Point) -> Growth {
            self.0.count(stream, point, millis(at(0)))
        }

        fn amount(&mut self, stream: &str, point: &Point) -> Option<f64> {
            match self.point(stream, point) {
                Growth::Grown { amount, .. } => Some(amount.count),
                _ => None,
            }
        }
    }

    /// TE-5: what came since the point before, once, however often it is sent.
    #[test]
    fn a_delta_counts_once() {
        let mut counted = Counted::default();
        let first = delta(-30, 30, 7.0);
        assert_eq!(counted.point("a", &first), Growth::Grown { from: at(-30), amount: amount(7.0) });
        assert_eq!(counted.point("a", &first), Growth::Known);
        assert_eq!(counted.amount("a", &delta(30, 60, 2.0)), Some(2.0));
        assert_eq!(counted.amount("a", &delta(70, 80, 1.0)), Some(1.0));
        assert_eq!(counted.point("a", &delta(30, 60, 2.0)), Growth::Known);
        assert_eq!(counted.point("a", &delta(75, 135, 9.0)), Growth::Torn);
    }

    /// TE-5: what was sent first may come last, once.
    #[test]
    fn deltas_may_come_in_any_order() {
        let mut counted = Counted::default();
        assert_eq!(counted.amount("a", &delta(60, 90, 3.0)), Some(3.0));
        assert_eq!(counted.amount("a", &delta(0, 30, 1.0)), Some(1.0));
        assert_eq!(counted.amount("a", &delta(120, 150, 5.0)), Some(5.0));
        for (from, to, count) in [(30, 60, 2.0), (90, 120, 4.0)] {
            assert_eq!(counted.amount("a", &delta(from, to, count)), Some(count));
            assert_eq!(counted.point("a", &delta(from, to, count)), Growth::Known);
        }
        assert_eq!(counted.point("a", &delta(60, 90, 3.0)), Growth::Known);
        assert_eq!(counted.point("a", &delta(0, 30, 1.0)), Growth::Known);
    }

    /// TE-5: what a process counts since its start is counted by its differences; the next process begins with nothing.
    #[test]
    fn a_cumulative_stream_counts_its_differences_over_restarts() {
        let mut counted = Counted::default();
        assert_eq!(counted.amount("a", &cumulative(5, 10, 4.0)), Some(4.0));
        assert_eq!(counted.amount("a", &cumulative(5, 20, 10.0)), Some(6.0));
        assert_eq!(counted.point("a", &cumulative(5, 20, 10.0)), Growth::Known);
        assert_eq!(counted.point("a", &cumulative(5, 15, 8.0)), Growth::Known);
        assert_eq!(
            counted.point("a", &cumulative(25, 30, 3.0)),
            Growth::Grown { from: at(25), amount: amount(3.0) }
        );
        assert_eq!(counted.point("a", &cumulative(5, 20, 10.0)), Growth::Known);
        assert_eq!(counted.amount("a", &cumulative(25, 40, 4.0)), Some(1.0));
    }

    /// What was counted before anybody looked is of another time; what is born in a process that was there before is not.
    #[test]
    fn a_stream_that_is_new_counts_if_its_process_is_known() {
        let mut counted = Counted::default();
        assert_eq!(counted.point("saves", &cumulative(-900, 10, 500.0)), Growth::Baseline);
        assert_eq!(counted.point("more", &cumulative(-900, 10, 30.0)), Growth::Baseline);
        assert_eq!(
            counted.point("errors", &cumulative(-900, 20, 9.0)),
            Growth::Grown { from: at(10), amount: amount(9.0) }
        );
        assert_eq!(counted.amount("saves", &cumulative(-900, 20, 542.0)), Some(42.0));
    }

    /// Two processes that write one stream are found by their starts, and counted from anew.
    #[test]
    fn two_processes_with_one_stream_are_found() {
        let mut counted = Counted::default();
        counted.point("a", &cumulative(1, 10, 5.0));
        assert_eq!(counted.point("a", &cumulative(3, 12, 50.0)), Growth::Torn);
        assert_eq!(counted.point("a", &cumulative(1, 20, 9.0)), Growth::Torn);
        assert_eq!(counted.point("a", &cumulative(3, 22, 60.0)), Growth::Torn);
        assert_eq!(counted.amount("a", &cumulative(3, 32, 70.0)), Some(10.0));
        // Two instruments of one name, in one export.
        for point in [cumulative, delta] {
            let mut counted = Counted::default();
            counted.point("a", &point(1, 10, 5.0));
            assert_eq!(counted.point("a", &point(1, 10, 5.0)), Growth::Known);
            assert_eq!(counted.point("a", &point(1, 10, 7.0)), Growth::Torn);
        }
    }

    /// PH-8: an export that is sent in several requests is one: what is born with it may be as old as the one before.
    #[test]
    fn the_pieces_of_an_export_are_of_one_time() {
        let mut counted = Counted::default();
        counted.point("saves", &cumulative(-900, -10, 500.0));
        counted.point("saves", &cumulative(-900, 5, 520.0));
        let born = counted.point("errors", &cumulative(-900, 5, 60.0));
        assert_eq!(born, Growth::Grown { from: at(-10), amount: amount(60.0) });
    }

    /// A clock that was put back makes the next process begin before the last one ended: told once, and counted from there.
    #[test]
    fn a_process_that_seems_older_is_counted_from_its_second_point() {
        let mut counted = Counted::default();
        counted.point("a", &cumulative(50, 60, 5.0));
        assert_eq!(counted.point("a", &cumulative(40, 70, 2.0)), Growth::Torn);
        assert_eq!(counted.amount("a", &cumulative(40, 80, 6.0)), Some(4.0));
    }

    #[test]
    fn streams_of_one_process_are_bounded() {
        let mut counted = Counted::default();
        for n in 0..STREAMS_MAX {
            assert_eq!(counted.amount(&n.to_string(), &delta(0, 10, 1.0)), Some(1.0));
        }
        assert_eq!(counted.point("more", &delta(0, 10, 1.0)), Growth::TooMany);
        assert_eq!(counted.amount("0", &delta(10, 20, 1.0)), Some(1.0));
        assert_eq!(counted.amount("more", &delta(3600, 3620, 1.0)), Some(1.0));
    }
}
