//! What all sessions of the editor share: the flag, the open drafts, the merge lock, the telemetry.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::flag::Flag;
use super::lock::MergeLock;
use super::merge::{MergeReport, Merger};
use super::telemetry::Telemetry;
use super::tuning::Tuning;

/// One editor's common state.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) tuning: Tuning,
    pub(super) telemetry: Telemetry,
    pub(super) drafts: Drafts,
    pub(super) merge_lock: MergeLock,
    merger: Mutex<Merger>,
    flag: Mutex<Arc<Flag>>,
    stopping: Mutex<bool>,
    stopped: Condvar,
}

impl Shared {
    pub(super) fn new(tuning: Tuning, telemetry: Telemetry, flag: Flag) -> Self {
        Self {
            tuning,
            telemetry,
            drafts: Drafts::default(),
            merge_lock: MergeLock::default(),
            merger: Mutex::default(),
            flag: Mutex::new(Arc::new(flag)),
            stopping: Mutex::default(),
            stopped: Condvar::new(),
        }
    }

    /// The flag in force. Whoever keeps the `Arc` says: something is still under way under this flag.
    pub(super) fn flag(&self) -> Arc<Flag> {
        Arc::clone(&lock(&self.flag))
    }

    /// Puts a new flag in force and gives back the old one.
    pub(super) fn replace_flag(&self, flag: Flag) -> Arc<Flag> {
        let old = std::mem::replace(&mut *lock(&self.flag), Arc::new(flag));
        self.merge_lock.wake();
        old
    }

    /// Merges under the merge lock, which the caller holds.
    pub(super) fn merge(&self, user: &str, own: &[u64]) -> MergeReport {
        let peers = self.drafts.others(user);
        lock(&self.merger).merge(own, peers.iter().map(AsRef::as_ref))
    }

    /// Sleeps; false if the editor stops.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut stopping = lock(&self.stopping);
        while !*stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            stopping = self.stopped.wait_timeout(stopping, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    pub(super) fn is_stopping(&self) -> bool {
        *lock(&self.stopping)
    }

    /// Ends every session at its next pause or wait.
    pub(super) fn stop(&self) {
        *lock(&self.stopping) = true;
        self.stopped.notify_all();
        self.merge_lock.wake();
    }
}

/// The newest draft of every open autosave session, as line hashes.
#[derive(Debug, Default)]
pub(super) struct Drafts(Mutex<BTreeMap<String, Arc<[u64]>>>);

impl Drafts {
    pub(super) fn publish(&self, user: &str, lines: &[u64]) {
        lock(&self.0).insert(user.to_owned(), lines.into());
    }

    pub(super) fn close(&self, user: &str) {
        lock(&self.0).remove(user);
    }

    fn others(&self, user: &str) -> Vec<Arc<[u64]>> {
        lock(&self.0).iter().filter(|(name, _)| *name != user).map(|(_, draft)| Arc::clone(draft)).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
