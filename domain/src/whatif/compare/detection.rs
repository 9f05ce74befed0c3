//! How soon each side notices what is bad.
//!
//! A bad stretch begins with the first window of an epoch that violates on either side, and ends before the first
//! that violates on neither: so both sides are measured against one beginning.

use shared_types::{Decision, Timestamp, Verdict};

use super::report::{Detected, Detection, Episode};

/// Stretches so far, and the one that goes on.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    open: Option<Episode>,
    closed: Vec<Episode>,
    listed_beyond: u64,
}

/// Beyond so many stretches only their number is kept.
const KEPT: usize = 100_000;

impl Episodes {
    pub(super) fn add(&mut self, any: &Decision, old: Option<&Decision>, new: Option<&Decision>) {
        let (old, new) = (old.filter(|it| violates(it)), new.filter(|it| violates(it)));
        if self.open.as_ref().is_some_and(|open| open.epoch != any.epoch) {
            self.close();
        }
        if old.is_none() && new.is_none() {
            // A window may have several decisions; one that is fine does not end what another began.
            if self.open.as_ref().is_some_and(|open| any.window.start >= open.end) {
                self.close();
            }
            return;
        }
        let open = self.open.get_or_insert_with(|| Episode {
            epoch: any.epoch,
            phase: any.phase.clone(),
            start: any.window.start,
            end: any.window.end,
            old_delay_ms: None,
            new_delay_ms: None,
        });
        open.end = open.end.max(any.window.end);
        let start = open.start;
        open.old_delay_ms = open.old_delay_ms.or_else(|| delay(start, old));
        open.new_delay_ms = open.new_delay_ms.or_else(|| delay(start, new));
    }

    fn close(&mut self) {
        let Some(episode) = self.open.take() else { return };
        if self.closed.len() < KEPT {
            self.closed.push(episode);
        } else {
            self.listed_beyond += 1;
        }
    }

    pub(super) fn finish(mut self, listed: usize) -> Detection {
        self.close();
        let detected = |delay: fn(&Episode) -> Option<u64>| {
            let mut delays: Vec<u64> = self.closed.iter().filter_map(delay).collect();
            delays.sort_unstable();
            Detected {
                noticed: delays.len() as u64,
                median_ms: delays.get(delays.len() / 2).copied(),
                worst_ms: delays.last().copied(),
            }
        };
        let (old, new) = (detected(|it| it.old_delay_ms), detected(|it| it.new_delay_ms));
        let episodes = self.closed.len() as u64 + self.listed_beyond;
        self.closed.truncate(listed);
        Detection { episodes, old, new, items: self.closed }
    }
}

fn violates(decision: &Decision) -> bool {
    decision.verdict == Verdict::Violation
}

fn delay(start: Timestamp, side: Option<&Decision>) -> Option<u64> {
    side.and_then(|it| u64::try_from(it.decided_at.since(start).as_millis()).ok())
}
