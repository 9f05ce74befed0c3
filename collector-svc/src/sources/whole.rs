//! Counts of what counters say as numbers with a fraction.

/// Of a sum of rises of counters, which count whole things.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rises are not negative; a counter beyond 2^53 does not count singly any more"
)]
pub(crate) fn whole(sum: f64) -> u64 {
    sum.round() as u64
}
