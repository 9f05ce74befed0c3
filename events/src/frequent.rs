//! Which of many keys come often, in bounded memory: space-saving in the form of Misra and Gries.
//!
//! A table of so many places may hold twice as many keys. When it grows beyond, the count of the first one without a place
//! is taken off all counts, and keys that have nothing left go. A count is then never above the truth, and below it by no
//! more than all that was counted ÷ places; a key that comes more often than that is there whenever it came, early or
//! late. Tables are merged by adding them up, so it does not matter where or in which pieces something was counted
//! (Agarwal et al., *Mergeable summaries*, 2012). Up to twice as many keys as places everything is exact.

use std::hash::Hasher;

/// What has to be taken off each count; 0 while there are no more than twice as many as places.
#[must_use]
pub fn excess(counts: impl ExactSizeIterator<Item = u64>, places: usize) -> u64 {
    if counts.len() <= 2 * places {
        return 0;
    }
    let mut counts: Vec<u64> = counts.collect();
    let (_, first_without_place, _) = counts.select_nth_unstable_by(places, |a, b| b.cmp(a));
    *first_without_place
}

/// xxh3-64 hashes need no second hash.
#[derive(Debug, Default, Clone)]
pub struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_off_up_to_twice_the_places_and_then_what_leaves_so_many() {
        assert_eq!(excess([3, 1, 2, 2].into_iter(), 2), 0);
        assert_eq!(excess([3, 1, 9, 2, 5].into_iter(), 2), 3);
        assert_eq!(excess([1; 5].into_iter(), 2), 1);
    }
}
