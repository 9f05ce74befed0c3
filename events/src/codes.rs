//! The error codes of a chunk, or its unknown names: each record says its own by number.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::frequent::excess;

/// The code of what has no place of its own.
pub const OTHER_CODE: &str = "other";
/// A longer code, in bytes, is counted under [`OTHER_CODE`].
const CODE_LENGTH_MAX: usize = 64;
/// Places for the codes of one chunk; see [`crate::frequent`].
const PLACES: usize = 1024;

/// Codes by number. The text of one that lost its place is given up, and its records are [`OTHER_CODE`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Codes {
    texts: Vec<Option<Arc<str>>>,
    places: BTreeMap<Arc<str>, Place>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    number: u32,
    count: u64,
}

impl Codes {
    /// The number of [`OTHER_CODE`].
    pub(super) const OTHER: u32 = u32::MAX;

    /// The code with a number.
    #[must_use]
    pub fn get(&self, number: u32) -> &str {
        let text = usize::try_from(number).ok().and_then(|at| self.texts.get(at)?.as_deref());
        text.unwrap_or(OTHER_CODE)
    }

    /// The number of a code that came once more.
    #[inline]
    pub(super) fn number(&mut self, code: &str) -> u32 {
        if let Some(place) = self.places.get_mut(code) {
            place.count += 1;
            return place.number;
        }
        let next = u32::try_from(self.texts.len()).unwrap_or(Self::OTHER);
        if code.len() > CODE_LENGTH_MAX || code == OTHER_CODE || next == Self::OTHER {
            return Self::OTHER;
        }
        let text: Arc<str> = code.into();
        self.texts.push(Some(Arc::clone(&text)));
        self.places.insert(text, Place { number: next, count: 1 });
        self.prune();
        next
    }

    /// Whether it has a place, and came so often at most.
    pub(super) fn is_rare(&self, code: &str, at_most: u64) -> bool {
        self.places.get(code).is_some_and(|place| place.count <= at_most)
    }

    /// Those that have a place, with how often they came; never above the truth.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.places.iter().map(|(text, place)| (&**text, place.count))
    }

    fn prune(&mut self) {
        let excess = excess(self.places.values().map(|place| place.count), PLACES);
        if excess == 0 {
            return;
        }
        let texts = &mut self.texts;
        self.places.retain(|_, place| {
            place.count = place.count.saturating_sub(excess);
            if place.count == 0
                && let Some(text) = usize::try_from(place.number).ok().and_then(|at| texts.get_mut(at))
            {
                *text = None;
            }
            place.count > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts in memory are bounded, and a code that comes often late among many is named.
    #[test]
    fn many_different_codes_do_not_hide_the_frequent_one() {
        let mut codes = Codes::default();
        let mut numbers = Vec::new();
        for n in 0..100_000 {
            codes.number(&format!("E{n}"));
            if n > 50_000 && n % 10 == 0 {
                numbers.push(codes.number("E_LOCK"));
            }
        }
        let texts = codes.texts.iter().flatten().count();
        assert_eq!(texts, codes.places.len());
        assert!(texts <= 2 * PLACES, "{texts}");
        let named = numbers.iter().filter(|number| codes.get(**number) == "E_LOCK").count();
        assert!(named + 105_000 / PLACES >= numbers.len(), "{named} of {}", numbers.len());
        assert_eq!(codes.get(0), OTHER_CODE);
    }

    #[test]
    fn a_code_that_is_too_long_is_other() {
        let mut codes = Codes::default();
        assert_eq!((codes.number("B"), codes.number("A"), codes.number("")), (0, 1, 2));
        assert_eq!((codes.get(0), codes.get(2)), ("B", ""));
        let long = "x".repeat(CODE_LENGTH_MAX + 1);
        assert_eq!((codes.number(&long), codes.get(Codes::OTHER)), (Codes::OTHER, OTHER_CODE));
    }
}
