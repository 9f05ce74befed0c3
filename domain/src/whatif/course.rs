//! A rollout played over telemetry that was recorded, under any policy (PO-4).
//!
//! Pure. Each window is judged by the thresholds of the phase that this rollout would have been in, at the time when its
//! batch was there; what follows is the player's ([`play`](super::play)). What people and commands do is assumed, and said so
//! in the help: a move up is made as soon as nothing stands in its way, and a rollout that went off starts again when the
//! recorded one did.

use std::sync::Arc;

use crate::policy::{Policy, TargetPolicy};
use crate::whatif::archive::{Archived, Judge, holes};
use crate::whatif::play::{Assumptions, People, Player, Rules, Start, Telemetry};
use shared_types::{Batch, Decision, Epoch, PhaseId, TargetName, Timestamp, Window};

pub use super::story::{Course, Entered, RolledBack};

/// Who does what is asked, and what was measured.
const ASSUMED: Assumptions = Assumptions { people: People::AtOnce, telemetry: Telemetry::EveryPhase };

/// A rollout under way.
pub struct Rollout {
    judge: Judge,
    target: TargetName,
    policy: TargetPolicy,
    /// None before the first batch.
    player: Option<Player>,
    last: Option<(Epoch, Window)>,
    /// The recorded epoch in which it went off.
    off_in: Option<Epoch>,
    unjudged: u64,
}

impl Rollout {
    /// `measured_by`: the policy of the decisions that are given along. `None`: the policy does not know the target.
    pub fn new(policy: Arc<Policy>, target: &TargetName, measured_by: &Policy) -> Option<Self> {
        let mut rules = policy.targets.get(target)?.clone();
        // The recorded windows after a rollback that never was are as long as all others: a watch has to wait for them.
        rules.transitions.recovery_cadence = rules.transitions.recovery_cadence.max(rules.collection.window);
        Some(Self {
            judge: Judge::new(policy, target.clone(), Some(measured_by))?,
            target: target.clone(),
            policy: rules,
            player: None,
            last: None,
            off_in: None,
            unjudged: 0,
        })
    }

    /// Takes the next recorded batch; `observed` is what was said of it by the policy it is measured by.
    pub fn add(&mut self, batch: &Batch, arrived: Timestamp, observed: Option<&Decision>) {
        let mut player = self.player.take().unwrap_or_else(|| self.begin(batch));
        self.restart(&mut player, batch);
        self.judged(&mut player, batch, arrived, observed);
        self.off_in = player.phase().is_off().then(|| self.off_in.unwrap_or(batch.epoch));
        self.player = Some(player);
    }

    /// How it went.
    pub fn finish(self) -> Course {
        let course = self.player.map(Player::finish).unwrap_or_default();
        Course { unjudged: self.unjudged, ..course }
    }

    /// In the phase of the first batch, as if it had just been entered.
    fn begin(&self, batch: &Batch) -> Player {
        let version = self.judge.version().to_owned();
        let rules = Rules { target: self.target.clone(), policy: self.policy.clone(), version };
        let start = Start { phase: batch.phase.clone(), epoch: 1, at: batch.window.start };
        Player::begin(rules, start, ASSUMED)
    }

    /// A rollout that went off starts again when the recorded one enters its first phase anew.
    fn restart(&mut self, player: &mut Player, batch: &Batch) {
        let first = self.policy.phases.first().map(|phase| &phase.id);
        let anew = self.off_in.is_some_and(|epoch| epoch != batch.epoch) && first == Some(&batch.phase);
        if player.phase().is_off() && anew {
            player.start(batch.window.start);
        }
        self.off_in = self.off_in.filter(|_| player.phase().is_off());
    }

    /// The windows up to this batch, and the batch itself.
    fn judged(
        &mut self,
        player: &mut Player,
        batch: &Batch,
        arrived: Timestamp,
        observed: Option<&Decision>,
    ) {
        for hole in holes(self.last, batch) {
            self.silence(player, batch, arrived, hole);
        }
        self.last = Some((batch.epoch, batch.window));
        let Some((phase, epoch)) = served(player, batch.window) else { return };
        let of = Archived { batch, arrived, phase: &phase, epoch };
        if self.judge.gave_up_on(of) {
            self.silence(player, batch, arrived, batch.window);
        }
        player.tick(arrived);
        match self.judge.judge(of, observed) {
            Ok(decision) => player.decided(decision, arrived),
            Err(_) => self.unjudged += 1,
        }
    }

    fn silence(&mut self, player: &mut Player, batch: &Batch, arrived: Timestamp, window: Window) {
        let Some((phase, epoch)) = served(player, window) else { return };
        let of = Archived { batch, arrived, phase: &phase, epoch };
        if let Some(alarm) = self.judge.alarm(of, window) {
            let at = alarm.decided_at;
            player.tick(at);
            player.decided(alarm, at);
        }
    }
}

/// The phase and epoch that a window is of, if that is gated.
fn served(player: &Player, window: Window) -> Option<(PhaseId, Epoch)> {
    let stay = player.stay_at(window.start).filter(|stay| stay.phase.is_gated())?;
    Some((stay.phase.clone(), stay.epoch))
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
