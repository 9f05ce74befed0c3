//! The precise merge, the feature under rollout: a draft is aligned, line by line, with the draft of every
//! other open autosave session, to find where two people changed the same place.
//!
//! It is right, and its flaw is real: one merge costs (lines of one draft × lines of the other) for every
//! open session, and all of it happens under one lock. With 5 % of the users nobody notices. With six times
//! the sessions each merge takes six times as long and there are six times as many of them.

/// What a merge found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MergeReport {
    /// Drafts it was held against.
    pub(crate) peers: u64,
    /// Lines that stand in both, over all peers.
    pub(crate) agreeing: u64,
    /// Places that both changed.
    pub(crate) conflicts: u64,
}

/// Aligns drafts; keeps its working table between merges.
#[derive(Debug, Default)]
pub(crate) struct Merger {
    table: Vec<u16>,
}

impl Merger {
    /// Holds `own` against every peer's draft. Lines are given as hashes.
    pub(crate) fn merge<'d>(
        &mut self,
        own: &[u64],
        peers: impl IntoIterator<Item = &'d [u64]>,
    ) -> MergeReport {
        let mut report = MergeReport::default();
        for peer in peers {
            let (agreeing, conflicts) = self.align(own, peer);
            report.peers += 1;
            report.agreeing += agreeing;
            report.conflicts += conflicts;
        }
        report
    }

    /// The longest common subsequence of two drafts: its length, and how many of the gaps between its
    /// lines hold lines of both sides.
    fn align(&mut self, own: &[u64], peer: &[u64]) -> (u64, u64) {
        let width = peer.len() + 1;
        self.table.clear();
        self.table.resize((own.len() + 1) * width, 0);
        for (row, line) in own.iter().enumerate().rev() {
            let (head, tail) = self.table.split_at_mut((row + 1) * width);
            let (this, below) = (&mut head[row * width..], &tail[..width]);
            for column in (0..peer.len()).rev() {
                this[column] = if *line == peer[column] {
                    below[column + 1] + 1
                } else {
                    below[column].max(this[column + 1])
                };
            }
        }
        self.walk(own, peer, width)
    }

    fn walk(&self, own: &[u64], peer: &[u64], width: usize) -> (u64, u64) {
        let (mut row, mut column, mut agreeing, mut conflicts) = (0, 0, 0, 0);
        let (mut own_changed, mut peer_changed) = (false, false);
        while row < own.len() || column < peer.len() {
            let matched = row < own.len() && column < peer.len() && own[row] == peer[column];
            if matched {
                conflicts += u64::from(own_changed && peer_changed);
                (own_changed, peer_changed) = (false, false);
                (row, column, agreeing) = (row + 1, column + 1, agreeing + 1);
            } else if column == peer.len()
                || (row < own.len()
                    && self.table[(row + 1) * width + column] >= self.table[row * width + column + 1])
            {
                (row, own_changed) = (row + 1, true);
            } else {
                (column, peer_changed) = (column + 1, true);
            }
        }
        (agreeing, conflicts + u64::from(own_changed && peer_changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn equal_drafts_agree_everywhere() {
        let draft = [1, 2, 3, 4];
        let report = Merger::default().merge(&draft, [draft.as_slice()]);
        assert_eq!(report, MergeReport { peers: 1, agreeing: 4, conflicts: 0 });
    }

    #[test]
    fn a_place_that_both_changed_is_a_conflict_and_one_that_only_one_changed_is_not() {
        let own = [1, 20, 3, 4, 5];
        let peer = [1, 21, 3, 4, 50, 5];
        let report = Merger::default().merge(&own, [peer.as_slice()]);
        assert_eq!(report, MergeReport { peers: 1, agreeing: 4, conflicts: 1 });
    }

    #[test]
    fn a_merge_with_many_sessions_is_really_slower_than_one_with_few() {
        let draft: Vec<u64> = (0..200).collect();
        let time = |peers: usize| {
            let mut merger = Merger::default();
            let once = |merger: &mut Merger| {
                let from = Instant::now();
                std::hint::black_box(merger.merge(&draft, std::iter::repeat_n(draft.as_slice(), peers)));
                from.elapsed()
            };
            (0..5).map(|_| once(&mut merger)).min().unwrap_or(Duration::ZERO)
        };
        let (few, many) = (time(4), time(24));
        assert!(many > few * 3, "6 times the sessions took {many:?} after {few:?}");
    }
}
