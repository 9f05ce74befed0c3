//! The mergeable, sparse histogram of durations (SLO-2).
//!
//! A value's bucket is the top 22 bits of its IEEE 754 form (sign, exponent, 10 bits of mantissa), so a
//! bucket's lower bound is at most 2⁻¹⁰ ≈ 0.098 % below any value in it, at every magnitude. A quantile
//! is the lower bound of the nearest-rank value's bucket: never above the exact one, at most 0.1 % below.
//! (Below 2⁻¹⁰²² a value counts as its bucket's bound all the same, but the ratio is no longer kept.)

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// How far a value's bits are shifted to give its bucket.
const BUCKET_SHIFT: u32 = 42;
/// The bucket of `f64::MAX`; what lies above would be infinite or no number.
const LAST_BUCKET: u32 = 0x1F_FBFF;
/// The first byte of the encoded form.
const FORMAT_VERSION: u8 = 1;
/// Longer texts are refused before they are looked at; some 400,000 buckets fit.
const ENCODED_LENGTH_MAX: usize = 2 << 20;

/// Counts of non-negative finite values, in a small open-addressing table: recording costs a multiplication
/// and, nearly always, one probe; an empty histogram owns no memory.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// A power of two long, or empty; at most three quarters in use. `count == 0` marks a free slot.
    slots: Vec<Slot>,
    used: usize,
    count: u64,
    /// Meaningless while `count` is 0.
    max: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Slot {
    bucket: u32,
    count: u64,
}

/// A text that is not a histogram this version reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a phasegate histogram: {0}")]
pub struct HistogramError(pub String);

impl Histogram {
    /// Counts one value; NaN, infinities and negatives are a caller's bug and are not counted.
    #[inline]
    pub fn record(&mut self, value: f64) {
        if !(value.is_finite() && value >= 0.0) {
            return;
        }
        let value = value + 0.0; // turns -0.0 into 0.0
        if self.count == 0 || value > self.max {
            self.max = value;
        }
        self.add(bucket_of(value), 1);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.max = if self.count == 0 { other.max } else { self.max.max(other.max) };
        for slot in other.slots.iter().filter(|slot| slot.count > 0) {
            self.add(slot.bucket, slot.count);
        }
    }

    /// Values counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest value, exactly; `None` when empty.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// In ascending order: what asks for several things has the buckets sorted once.
    #[must_use]
    pub fn ordered(&self) -> Ordered<'_> {
        let mut slots: Vec<Slot> = self.slots.iter().copied().filter(|slot| slot.count > 0).collect();
        slots.sort_unstable_by_key(|slot| slot.bucket);
        Ordered { of: self, slots }
    }

    /// Nearest-rank quantile, `0 < q <= 1`; `None` when empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.ordered().quantile(q)
    }

    /// Values of the buckets whose lower bound is one that `is_meant`.
    #[must_use]
    pub fn count_where(&self, is_meant: impl Fn(f64) -> bool) -> u64 {
        let used = self.slots.iter().filter(|slot| slot.count > 0);
        used.filter(|slot| is_meant(lower_bound(slot.bucket)))
            .map(|slot| slot.count)
            .fold(0, u64::saturating_add)
    }

    /// Each value, by the lower bound of its bucket, with its count; in no order.
    pub fn values(&self) -> impl Iterator<Item = (f64, u64)> {
        self.slots.iter().filter(|slot| slot.count > 0).map(|slot| (lower_bound(slot.bucket), slot.count))
    }

    /// Base64 of a versioned binary form: version, maximum (f64, little endian), then for each bucket in
    /// ascending order the distance from the one before and its count, as LEB128 varints.
    #[must_use]
    pub fn encode(&self) -> String {
        self.ordered().encode()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`HistogramError`] for anything else.
    pub fn decode(text: &str) -> Result<Self, HistogramError> {
        if text.len() > ENCODED_LENGTH_MAX {
            return Err(refused("too long"));
        }
        let bytes = BASE64.decode(text).map_err(|_| refused("not base64"))?;
        let (version, mut rest) = bytes.split_first().ok_or_else(|| refused("empty"))?;
        if *version != FORMAT_VERSION {
            return Err(refused("unknown version"));
        }
        let mut histogram = Self::default();
        if rest.is_empty() {
            return Ok(histogram);
        }
        let (max, buckets) = rest.split_first_chunk().ok_or_else(|| refused("cut off"))?;
        rest = buckets;
        let mut bucket = None;
        while !rest.is_empty() {
            bucket = Some(next_bucket(bucket, take_varint(&mut rest)?)?);
            let count = take_varint(&mut rest)?;
            if count == 0 || histogram.count.checked_add(count).is_none() {
                return Err(refused("impossible count"));
            }
            histogram.add(bucket.unwrap_or_default(), count);
        }
        histogram.max = f64::from_le_bytes(*max);
        let consistent = histogram.max.is_finite()
            && histogram.max.is_sign_positive()
            && bucket == Some(bucket_of(histogram.max));
        if consistent { Ok(histogram) } else { Err(refused("maximum outside the last bucket")) }
    }

    #[inline]
    fn add(&mut self, bucket: u32, count: u64) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = first_probe(bucket) & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.count == 0 {
                *slot = Slot { bucket, count };
                self.used += 1;
                break;
            }
            if slot.bucket == bucket {
                slot.count = slot.count.saturating_add(count);
                break;
            }
            at = (at + 1) & mask;
        }
        self.count = self.count.saturating_add(count);
    }

    #[cold]
    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(8);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); length]);
        let mask = length - 1;
        for slot in old.into_iter().filter(|slot| slot.count > 0) {
            let mut at = first_probe(slot.bucket) & mask;
            while self.slots[at].count > 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }
}

/// A histogram's buckets in ascending order.
#[derive(Debug)]
pub struct Ordered<'a> {
    of: &'a Histogram,
    slots: Vec<Slot>,
}

impl Ordered<'_> {
    /// As [`Histogram::quantile`].
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = nearest_rank(q, self.of.count)?;
        let mut seen = 0_u64;
        let reached = self.slots.iter().find(|slot| {
            seen = seen.saturating_add(slot.count);
            seen >= rank
        });
        reached.map(|slot| lower_bound(slot.bucket))
    }

    /// As [`Histogram::encode`].
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![FORMAT_VERSION];
        if self.of.count > 0 {
            bytes.extend_from_slice(&self.of.max.to_le_bytes());
            let mut previous = 0;
            for slot in &self.slots {
                put_varint(&mut bytes, u64::from(slot.bucket - previous));
                put_varint(&mut bytes, slot.count);
                previous = slot.bucket;
            }
        }
        BASE64.encode(bytes)
    }
}

/// Equal when they counted the same, whatever the order.
impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count
            && self.max().map(f64::to_bits) == other.max().map(f64::to_bits)
            && self.ordered().slots == other.ordered().slots
    }
}

/// The rank of the nearest-rank quantile, ⌈q·n⌉, from 1 to n; `None` for no values.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a rank beyond 2^53 would only be off by rounding")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=n")]
pub fn nearest_rank(q: f64, n: u64) -> Option<u64> {
    // 0.07 × 100 is 7.000000000000001 in floating point; a rank must not grow by that.
    let exact = q * n as f64 * (1.0 - 4.0 * f64::EPSILON);
    (n > 0).then(|| (exact.ceil() as u64).clamp(1, n))
}

#[inline]
fn bucket_of(value: f64) -> u32 {
    (value.to_bits() >> BUCKET_SHIFT) as u32
}

fn lower_bound(bucket: u32) -> f64 {
    f64::from_bits(u64::from(bucket) << BUCKET_SHIFT)
}

/// Fibonacci hashing: neighbouring buckets land far apart.
#[inline]
fn first_probe(bucket: u32) -> usize {
    (bucket.wrapping_mul(0x9E37_79B1) >> 8) as usize
}

fn next_bucket(previous: Option<u32>, distance: u64) -> Result<u32, HistogramError> {
    let ascending = previous.is_none() || distance > 0;
    u64::from(previous.unwrap_or(0))
        .checked_add(distance)
        .and_then(|bucket| u32::try_from(bucket).ok())
        .filter(|bucket| ascending && *bucket <= LAST_BUCKET)
        .ok_or_else(|| refused("buckets out of order or range"))
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7F) as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, HistogramError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(|| refused("cut off"))?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7F);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(refused("number too large"))
}

fn refused(why: &str) -> HistogramError {
    HistogramError(why.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    fn exact_quantile(values: &[f64], q: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = nearest_rank(q, sorted.len() as u64).unwrap();
        sorted[usize::try_from(rank).unwrap() - 1]
    }

    fn duration() -> impl Strategy<Value = f64> {
        prop_oneof![0.0..5000.0_f64, 0.0..1e-6_f64, 0.0..86_400_000.0_f64, Just(0.0), Just(2500.0)]
    }

    proptest! {
        /// SLO-2: never above the exact value and at most 0.1 % below it.
        #[test]
        fn a_quantile_is_never_above_the_exact_one_and_at_most_a_thousandth_below(
            values in prop::collection::vec(duration(), 1..400), q in 0.001..=1.0_f64,
        ) {
            let (exact, ours) = (exact_quantile(&values, q), of(&values).quantile(q).unwrap());
            prop_assert!(ours <= exact, "{} > {}", ours, exact);
            prop_assert!(exact < 1e-300 || ours >= exact * 0.999, "{} << {}", ours, exact);
        }

        /// SLO-2: mergeable.
        #[test]
        fn merging_is_the_same_as_recording_all(
            a in prop::collection::vec(duration(), 0..200), b in prop::collection::vec(duration(), 0..200),
        ) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged, of(&[a, b].concat()));
        }

        /// Sorted once, it says the same.
        #[test]
        fn what_is_ordered_says_what_the_histogram_says(
            values in prop::collection::vec(duration(), 0..300), q in 0.001..=1.0_f64,
        ) {
            let histogram = of(&values);
            let ordered = histogram.ordered();
            prop_assert!(ordered.slots.is_sorted_by_key(|slot| slot.bucket));
            prop_assert_eq!(ordered.slots.iter().map(|slot| slot.count).sum::<u64>(), histogram.count());
            prop_assert_eq!(ordered.quantile(q), histogram.quantile(q));
            prop_assert_eq!(ordered.encode(), histogram.encode());
        }

        #[test]
        fn what_is_encoded_can_be_decoded(values in prop::collection::vec(duration(), 0..300)) {
            let histogram = of(&values);
            prop_assert_eq!(Histogram::decode(&histogram.encode()), Ok(histogram));
        }

        #[test]
        fn hostile_text_is_refused_or_read_but_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), text in ".{0,40}") {
            let _ = Histogram::decode(&text);
            let mut versioned = vec![FORMAT_VERSION];
            versioned.extend_from_slice(&bytes);
            if let Ok(read) = Histogram::decode(&BASE64.encode(&versioned)) {
                prop_assert_eq!(Histogram::decode(&read.encode()), Ok(read));
            }
        }
    }

    /// SLO-2: a window whose saves all take exactly the threshold is compliant.
    #[test]
    fn the_shipped_thresholds_are_not_exceeded_by_saves_that_take_exactly_so_long() {
        for threshold_ms in [1800.0, 2000.0, 2500.0] {
            let p95 = of(&[threshold_ms; 100]).quantile(0.95).unwrap();
            assert!(p95 <= threshold_ms && p95 >= threshold_ms * 0.999);
        }
    }

    #[test]
    fn numbers_that_are_no_durations_are_not_counted() {
        let mut histogram = of(&[f64::NAN, f64::INFINITY, -1.0, -0.0]);
        assert_eq!((histogram.count(), histogram.max()), (1, Some(0.0)));
        histogram.record(f64::MAX);
        assert_eq!(Histogram::decode(&histogram.encode()), Ok(histogram));
    }

    #[test]
    fn an_empty_histogram_has_no_quantile_and_no_maximum() {
        let empty = Histogram::default();
        assert_eq!((empty.quantile(0.95), empty.max()), (None, None));
        assert_eq!(Histogram::decode(&empty.encode()), Ok(empty));
    }

    #[test]
    fn nearest_rank_does_not_grow_by_rounding() {
        assert_eq!(nearest_rank(0.07, 100), Some(7));
        assert_eq!(nearest_rank(0.95, 20), Some(19));
        assert_eq!(nearest_rank(0.95, 21), Some(20));
        assert_eq!(nearest_rank(0.5, 1), Some(1));
    }
}
