//! Changes that wait for a transaction, for whoever has it to read for them too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use service_kit::db::MOST_TOGETHER;
use shared_types::{IncidentId, TargetName};

/// What one change has to know.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) target: TargetName,
    /// Whether it was taken in before.
    pub(super) decision: Option<String>,
    /// Whether it was answered before.
    pub(super) request: Option<String>,
    pub(super) incident: Option<IncidentId>,
    pub(super) of_transition: bool,
}

/// By a number each, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Coming {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<u64, Wanted>>,
}

/// A change that waits, until it is dropped.
pub(super) struct Ticket<'c> {
    coming: &'c Coming,
    number: u64,
    wanted: Wanted,
}

impl Coming {
    pub(super) fn announce(&self, wanted: Wanted) -> Ticket<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, wanted.clone());
        Ticket { coming: self, number, wanted }
    }
}

impl Ticket<'_> {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// This one, and those that came after it.
    pub(super) fn with_those_after(&self) -> Vec<(u64, Wanted)> {
        let waiting = self.coming.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.range(self.number..).take(MOST_TOGETHER).map(|(number, it)| (*number, it.clone())).collect()
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.coming.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_transaction_reads_for_those_that_came_later_and_still_wait() {
        let coming = Coming::default();
        let announce = |target: &str| {
            let target = TargetName::parse(target).unwrap();
            coming.announce(Wanted {
                target,
                decision: None,
                request: None,
                incident: None,
                of_transition: false,
            })
        };
        let tickets = ["a", "b", "c", "d"].map(announce);
        let of = |ticket: &Ticket<'_>| {
            let all = ticket.with_those_after();
            all.iter().map(|(_, it)| it.target.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(&tickets[1]), ["b", "c", "d"]);
        let [a, b, gone, d] = tickets;
        drop(gone);
        assert_eq!(
            (of(&a), of(&b), of(&d)),
            (vec!["a".into(), "b".into(), "d".into()], vec!["b".into(), "d".into()], vec!["d".into()])
        );
    }
}
