//! What the control group makes of a window (JU-9): users, or events, that the feature cannot have touched.
//!
//! Where they are as bad, it is not the feature's doing; where the feature is far worse than they are, it is.

use shared_types::decision::{ControlBefore, ControlFinding, ControlWeighed};

use super::evidence::{Counts, Limit, RelativeDetector, odds_of_part};
use super::group::Group;

/// Windows of the control group before the present one that are looked at together with it.
const RECENT: usize = 3;
/// So unlikely of a group that keeps the limit: it is as bad (JU-9a).
const AS_BAD: f64 = 0.01;
/// Less likely than not, and it leans to it (JU-9d). At 0.2, as the rule was first written, more blips of one window are taken for
/// the version's, and nothing is found sooner (docs/judgement.md).
const LEANS: f64 = 0.5;
/// A difference between the groups that is likelier than this is not shown (JU-9d).
const NOT_SHOWN: f64 = 0.01;
/// Windows of an epoch in which a move up may have pulled the control group down with it, and windows before the move in
/// which it has to have kept the limit (JU-9g).
const WINDOWS: u64 = 4;

/// A window of a metric beside that of its control group.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    exposed: Counts,
    /// The control group.
    group: Group,
    limit: Limit,
    memory: ControlBefore,
    relative: Option<f64>,
    as_bad: bool,
}

impl Beside {
    pub(super) fn of(past: Option<&ControlBefore>, exposed: Counts, group: Group, limit: Limit) -> Self {
        let control = group.judged();
        let mut memory = past.cloned().unwrap_or_default();
        let mut relative = RelativeDetector::resume(&memory.levels);
        relative.take(exposed, control);
        memory.levels = relative.levels();
        let recent = memory.recent.iter().copied().map(Counts::from);
        let together = recent.fold(control, Counts::and);
        let unlikely = |counts| limit.luck(counts, 1.0) < AS_BAD;
        let as_bad = control.attempts > 0 && (unlikely(control) || unlikely(together));
        memory.recent.push(control.into());
        if memory.recent.len() > RECENT {
            memory.recent.remove(0);
        }
        memory.kept = if as_bad { 0 } else { memory.kept.saturating_add(1) };
        memory.fell = as_bad && (memory.fell || memory.moved_up.is_some());
        memory.moved_up = memory.moved_up.filter(|_| !as_bad).map(|it| it + 1).filter(|it| *it < WINDOWS);
        memory.held = false;
        Self { exposed, group, limit, memory, relative: relative.evidence(), as_bad }
    }

    /// JU-9a: what the version shows is not held against it, unless its last move up pulled the control group down (JU-9g).
    pub(super) fn excuses(&self) -> bool {
        self.as_bad && !self.memory.fell
    }

    /// JU-9d: the control group leans to being as bad, and no difference is shown since the evidence was last small. `before`
    /// is the evidence without this window.
    pub(super) fn leans(&mut self, before: Option<f64>) -> bool {
        if before.is_none_or(|evidence| evidence <= 0.0) {
            self.memory.since_calm = [(0, 0); 2];
        }
        let [exposed, control] = self.memory.since_calm.map(Counts::from);
        let (exposed, control) = (exposed.and(self.exposed), control.and(self.group.judged()));
        self.memory.since_calm = [exposed, control].map(Into::into);
        !self.as_bad
            && control.bad > 0
            && self.limit.luck(control, 1.0) < LEANS
            && odds_of_part(exposed, control) > NOT_SHOWN
    }

    pub(super) fn fell(&self) -> bool {
        self.memory.fell
    }

    /// R (JU-9b).
    pub(super) fn relative(&self) -> Option<f64> {
        self.relative
    }

    /// For the decision; `finding` is what it made of the verdict.
    pub(super) fn weighed(&self, finding: Option<ControlFinding>) -> ControlWeighed {
        ControlWeighed {
            bad: self.group.counts.bad,
            attempts: self.group.counts.attempts,
            sessions: self.group.sessions,
            left_out: self.group.left_out(),
            evidence: self.relative,
            as_bad: self.as_bad,
            finding,
        }
    }

    /// What later windows go on from; `held`: this one was not held against the version.
    pub(super) fn remembered(self, held: bool) -> ControlBefore {
        ControlBefore { held, ..self.memory }
    }
}

/// The memory of an epoch that a move up begins; none, where the control group did not keep the limit before: then it has not
/// fallen with the version (JU-9g).
pub(super) fn after_move_up(before: &ControlBefore) -> Option<ControlBefore> {
    (before.kept >= WINDOWS).then(|| ControlBefore { moved_up: Some(0), ..ControlBefore::default() })
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
