//! One user at work: types, pauses, and is saved. Inside the audience by autosave with the precise merge,
//! outside of it by hand, seldom, the plain way.
//!
//! Only what happens to users inside the audience is telemetry of the feature. Saves by hand write none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::SmallRng;

use super::audience::User;
use super::document::Document;
use super::flag::Flag;
use super::lock::NotLocked;
use super::shared::Shared;
use super::telemetry::Event;

/// A user outside the audience saves by hand once in so many pauses.
const PAUSES_BETWEEN_SAVES_BY_HAND: u32 = 40;

/// One user, one document.
pub(super) struct Session {
    user: User,
    document: Document,
    random: SmallRng,
}

impl Session {
    pub(super) fn new(user: User, document: Document, random: SmallRng) -> Self {
        Self { user, document, random }
    }

    /// Works until the editor stops.
    pub(super) fn run(mut self, shared: &Shared) -> std::io::Result<()> {
        let pause = shared.tuning.pause();
        // Users do not type in step.
        let mut next = pause.mul_f64(self.random.random_range(0.0..1.0));
        while shared.pause(next) {
            self.type_something();
            let flag = shared.flag();
            if self.user.is_served_at(flag.audience_percent) {
                self.autosave(shared, &flag)?;
            } else {
                shared.drafts.close(&self.user.name);
                if self.random.random_ratio(1, PAUSES_BETWEEN_SAVES_BY_HAND) {
                    self.document.save(0, 0)?;
                }
            }
            drop(flag); // held through the save, so that the flag counts as served only after it
            next = pause.mul_f64(self.random.random_range(0.8..1.2));
        }
        shared.drafts.close(&self.user.name);
        Ok(())
    }

    fn type_something(&mut self) {
        let line = self.random.random_range(0..self.document.line_count());
        let word: u32 = self.random.random();
        self.document.edit(line, format!("{line:04} item {word:08x}"));
    }

    /// The feature under rollout.
    fn autosave(&mut self, shared: &Shared, flag: &Arc<Flag>) -> std::io::Result<()> {
        let begun = Instant::now();
        shared.drafts.publish(&self.user.name, self.document.line_hashes());
        let still_wanted = || self.user.is_served_at(shared.flag().audience_percent) && !shared.is_stopping();
        let held = match shared.merge_lock.acquire(shared.tuning.lock_patience(), still_wanted) {
            Ok(held) => held,
            Err(NotLocked::Abandoned) => return Ok(()), // no longer in the audience
            Err(NotLocked::TimedOut) => {
                let event = Event::Failed { code: "E_LOCK", retryable: true };
                return shared.telemetry.write(&flag.phase, &self.user.name, &event);
            }
        };
        let report = shared.merge(&self.user.name, self.document.line_hashes());
        drop(held);
        if self.document.save(report.peers, report.conflicts).is_err() {
            let event = Event::Failed { code: "E_IO", retryable: true };
            return shared.telemetry.write(&flag.phase, &self.user.name, &event);
        }
        let took: Duration = begun.elapsed();
        shared.telemetry.write(&flag.phase, &self.user.name, &Event::Completed(took))?;
        if let Some(difference) = self.document.drift()? {
            shared.telemetry.write(&flag.phase, &self.user.name, &Event::Drift(difference))?;
        }
        Ok(())
    }
}
