//! What a replay cannot say: gathered by reason, and counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared_types::{Epoch, Timestamp, Window};
use utoipa::ToSchema;

/// Different reasons that are listed.
const LISTED: usize = 100;

/// Something of the new policy that the past does not show. It is no agreement, and no difference either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotReplayed {
    pub reason: Unknown,
    /// In words.
    pub detail: String,
    pub windows: u64,
    /// The first of them; null if there is none.
    pub first: Option<Window>,
}

/// Why it is not known.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Unknown {
    /// Nothing was decided in that time, or it is not kept any more.
    NoHistory,
    /// Windows of an epoch of which nothing is kept.
    MissingWindows,
    /// Windows were longer or shorter than the policy asks for, and time cannot be cut anew.
    WindowLength,
    /// What is kept of a window is not enough to judge it by the policy, such as counts of a metric that it does not hold.
    NotJudged,
}

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Unknowns {
    found: BTreeMap<(Unknown, String), (u64, Option<Window>)>,
    /// The windows of each epoch that something is known of, by start and end.
    kept: BTreeMap<Epoch, BTreeSet<(Timestamp, Timestamp)>>,
}

impl Unknowns {
    /// Something is known of this window.
    pub(super) fn keep(&mut self, epoch: Epoch, window: Window) {
        self.kept.entry(epoch).or_default().insert((window.start, window.end));
    }

    pub(super) fn add(&mut self, reason: Unknown, detail: String, windows: u64, first: Option<Window>) {
        let key = (reason, detail);
        if self.found.len() < LISTED || self.found.contains_key(&key) {
            let (count, before) = self.found.entry(key).or_insert((0, first));
            *count += windows;
            *before = before.or(first);
        }
    }

    pub(super) fn finish(mut self) -> Vec<NotReplayed> {
        if self.kept.is_empty() {
            let detail = "the time holds no decision".to_owned();
            self.add(Unknown::NoHistory, detail, 0, None);
        }
        for (missing, first) in std::mem::take(&mut self.kept).values().filter_map(holes) {
            self.add(Unknown::MissingWindows, MISSING.to_owned(), missing, Some(first));
        }
        let one = |((reason, detail), (windows, first))| NotReplayed { reason, detail, windows, first };
        self.found.into_iter().map(one).collect()
    }
}

pub(super) const MISSING: &str = "nothing is kept of them";

/// How many windows an epoch lacks between its first and its last, and the first of them.
fn holes(kept: &BTreeSet<(Timestamp, Timestamp)>) -> Option<(u64, Window)> {
    let (mut missing, mut first) = (0, None);
    let mut covered: Option<Timestamp> = None;
    for &(start, end) in kept {
        let length = end.since(start);
        if let Some(from) = covered.filter(|covered| *covered < start && !length.is_zero()) {
            // As long as the window behind them, and one that is cut.
            missing +=
                u64::try_from(start.since(from).as_millis().div_ceil(length.as_millis())).unwrap_or(u64::MAX);
            first = first.or(Some(Window { start: from, end: from.plus(length).min(start) }));
        }
        covered = covered.max(Some(end));
    }
    first.map(|first| (missing, first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::fixture::window;

    fn missing(kept: &[(Epoch, u32)]) -> Vec<NotReplayed> {
        let mut unknowns = Unknowns::default();
        kept.iter().for_each(|(epoch, n)| unknowns.keep(*epoch, window(*n)));
        unknowns.finish()
    }

    /// PO-4: holes are counted within an epoch, whatever came in which order; nobody judges what lies between two.
    #[test]
    fn windows_that_an_epoch_lacks_are_counted() {
        assert_eq!(missing(&[(1, 0), (1, 2), (1, 1), (1, 1), (2, 7)]), []);
        let [told] = missing(&[(1, 9), (1, 0), (1, 3), (1, 10)]).try_into().unwrap();
        assert_eq!((told.reason, told.windows, told.first), (Unknown::MissingWindows, 7, Some(window(1))));
        let [told] = missing(&[]).try_into().unwrap();
        assert_eq!((told.reason, told.windows, told.first), (Unknown::NoHistory, 0, None));
    }
}
