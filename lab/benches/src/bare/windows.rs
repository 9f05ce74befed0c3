//! What a bare program knows of each window: how many events, each id once, and the buckets of their durations.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

use super::line::Line;

const WINDOW_MS: i64 = 900_000;
/// Durations from 2⁻⁷ ms to a day, in the buckets of the product's histogram, but for every one a place.
const FIRST_BUCKET: u64 = (0x3FF - 7) << 10;
const BUCKETS: usize = (7 + 27) << 10;

#[derive(Default)]
pub(super) struct Windows {
    by_number: BTreeMap<i64, Window>,
    /// The window of the line before, taken out.
    current: Option<(i64, Window)>,
    unread: u64,
}

struct Window {
    completed: u64,
    errors: u64,
    others: u64,
    duplicates: u64,
    seen: HashSet<u64, BuildHasherDefault<Identity>>,
    durations: Vec<u32>,
}

impl Windows {
    pub(super) fn count(&mut self, line: Option<Line<'_>>) {
        let Some(line) = line else {
            self.unread += 1;
            return;
        };
        let number = line.ts_ms / WINDOW_MS;
        if self.current.as_ref().is_none_or(|(current, _)| *current != number) {
            self.put_away();
            let window = self.by_number.remove(&number).unwrap_or_else(Window::new);
            self.current = Some((number, window));
        }
        if let Some((_, window)) = &mut self.current {
            window.count(&line);
        }
    }

    fn put_away(&mut self) {
        self.by_number.extend(self.current.take());
    }

    /// Adds what another thread counted. An id that both met is one event; its duration stays where it is.
    pub(super) fn merge(&mut self, mut more: Self) {
        self.put_away();
        more.put_away();
        self.unread += more.unread;
        for (number, theirs) in more.by_number {
            match self.by_number.get_mut(&number) {
                Some(ours) => ours.merge(&theirs),
                None => _ = self.by_number.insert(number, theirs),
            }
        }
    }

    /// All lines, each window's p95 having been looked up.
    pub(super) fn lines(mut self) -> u64 {
        self.put_away();
        let p95: usize = self.by_number.values().map(Window::p95).sum();
        std::hint::black_box(p95);
        let of = |window: &Window| window.completed + window.errors + window.others + window.duplicates;
        self.unread + self.by_number.values().map(of).sum::<u64>()
    }
}

impl Window {
    fn new() -> Self {
        let durations = vec![0; BUCKETS];
        Self { completed: 0, errors: 0, others: 0, duplicates: 0, seen: HashSet::default(), durations }
    }

    fn count(&mut self, line: &Line<'_>) {
        let counter = match line.name {
            b"autosave.save.completed" => &mut self.completed,
            b"autosave.save.error" => &mut self.errors,
            _ => &mut self.others,
        };
        if line.event_id.is_some_and(|id| !self.seen.insert(xxh3_64(id))) {
            self.duplicates += 1;
            return;
        }
        *counter += 1;
        if let Some(duration) = line.duration_ms {
            let bucket = usize::try_from((duration.to_bits() >> 42).saturating_sub(FIRST_BUCKET));
            self.durations[bucket.unwrap_or(0).min(BUCKETS - 1)] += 1;
        }
    }

    fn merge(&mut self, more: &Self) {
        let before = self.seen.len();
        self.seen.extend(&more.seen);
        let both = (before + more.seen.len() - self.seen.len()) as u64;
        self.completed += more.completed - both.min(more.completed);
        self.errors += more.errors;
        self.others += more.others;
        self.duplicates += more.duplicates + both;
        self.durations.iter_mut().zip(&more.durations).for_each(|(ours, theirs)| *ours += theirs);
    }

    fn p95(&self) -> usize {
        let mut above = self.durations.iter().map(|count| u64::from(*count)).sum::<u64>() / 20;
        let holds = |count: &u32| match above.checked_sub(u64::from(*count)) {
            Some(left) => {
                above = left;
                false
            }
            None => true,
        };
        self.durations.iter().rposition(holds).unwrap_or(0)
    }
}

#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _bytes: &[u8]) {}
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
