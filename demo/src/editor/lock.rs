//! The lock that all precise merges share: first come, first served, with a time-out.
//!
//! A waiter can also give up because what it waited for is no longer wanted (the flag moved, the editor
//! stops); it is asked again at every [`MergeLock::wake`].

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A fair lock with a time-out.
#[derive(Debug, Default)]
pub(crate) struct MergeLock {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    next_ticket: u64,
    held: bool,
    waiting: VecDeque<u64>,
}

/// Why a waiter did not get the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotLocked {
    /// The lock was not free in time.
    TimedOut,
    /// The merge is no longer wanted.
    Abandoned,
}

/// The right to merge, until dropped.
#[derive(Debug)]
pub(crate) struct Held<'l>(&'l MergeLock);

impl MergeLock {
    /// Waits for the lock, at most `patience`, and only as long as `wanted` says so.
    pub(crate) fn acquire(
        &self,
        patience: Duration,
        wanted: impl Fn() -> bool,
    ) -> Result<Held<'_>, NotLocked> {
        let deadline = Instant::now() + patience;
        let mut queue = self.lock();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.push_back(ticket);
        loop {
            if !wanted() {
                return Err(self.leave(queue, ticket, NotLocked::Abandoned));
            }
            if !queue.held && queue.waiting.front() == Some(&ticket) {
                queue.waiting.pop_front();
                queue.held = true;
                return Ok(Held(self));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.leave(queue, ticket, NotLocked::TimedOut));
            }
            queue = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Asks every waiter again whether it still wants the lock.
    pub(crate) fn wake(&self) {
        self.changed.notify_all();
    }

    fn leave(&self, mut queue: MutexGuard<'_, Queue>, ticket: u64, why: NotLocked) -> NotLocked {
        queue.waiting.retain(|other| *other != ticket);
        drop(queue);
        self.wake(); // the head may have been the one that left
        why
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.lock().held = false;
        self.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_waiter_times_out_while_another_holds_the_lock() {
        let lock = MergeLock::default();
        let held = lock.acquire(Duration::from_secs(5), || true).unwrap();
        assert_eq!(lock.acquire(Duration::from_millis(5), || true).unwrap_err(), NotLocked::TimedOut);
        drop(held);
        assert!(lock.acquire(Duration::from_millis(5), || true).is_ok());
    }

    #[test]
    fn a_waiter_that_is_no_longer_wanted_gives_up_when_woken() {
        let lock = MergeLock::default();
        let wanted = AtomicBool::new(true);
        let held = lock.acquire(Duration::from_secs(5), || true).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope
                .spawn(|| lock.acquire(Duration::from_secs(60), || wanted.load(Ordering::SeqCst)).map(drop));
            wanted.store(false, Ordering::SeqCst);
            while !waiter.is_finished() {
                lock.wake();
                std::thread::yield_now();
            }
            assert_eq!(waiter.join().unwrap().unwrap_err(), NotLocked::Abandoned);
        });
        drop(held);
    }

    #[test]
    fn the_lock_is_passed_on_in_the_order_of_arrival() {
        let lock = MergeLock::default();
        let order = Mutex::new(Vec::new());
        let held = lock.acquire(Duration::from_secs(5), || true).unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (lock, order) = (&lock, &order);
                scope.spawn(move || {
                    let _held = lock.acquire(Duration::from_secs(60), || true).unwrap();
                    order.lock().unwrap().push(number);
                });
                while lock.lock().waiting.len() <= number {
                    std::thread::yield_now();
                }
            }
            drop(held);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
