//! How long the work of a claim may go on (RB-10).
//!
//! The row says until when it belongs to its worker; the work ends before that, so that it is over when another begins. Of
//! every lease the last three tenths are for the end: work is given up when they begin, what it has left running (a command)
//! is over a tenth before the row may be taken. That tenth is what clocks of replicas may differ by.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::moment::Moment;

/// The lease of a claim, as far as this worker knows; it is extended while it is renewed.
#[derive(Debug, Clone)]
pub struct Lease(Arc<watch::Sender<Term>>);

/// How long work may go on as things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// When it is given up.
    pub give_up: Moment,
    /// When nothing of it may be left.
    pub over: Moment,
}

impl Term {
    fn of(begun: Moment, lease: Duration) -> Self {
        Self { give_up: begun.plus(lease * 7 / 10), over: begun.plus(lease * 9 / 10) }
    }
}

impl Lease {
    /// Of a row that was taken for so long; counted from a moment at which that was not asked for yet.
    #[must_use]
    pub fn new(begun: Moment, lease: Duration) -> Self {
        Self(Arc::new(watch::Sender::new(Term::of(begun, lease))))
    }

    pub(super) fn renewed(&self, begun: Moment, lease: Duration) {
        self.0.send_replace(Term::of(begun, lease));
    }

    #[must_use]
    pub fn term(&self) -> Term {
        *self.0.borrow()
    }

    /// Tells of renewals.
    #[must_use]
    pub fn terms(&self) -> watch::Receiver<Term> {
        self.0.subscribe()
    }

    /// Waits until the work has to be given up.
    pub async fn given_up(&self) {
        while !self.term().give_up.is_over() {
            self.term().give_up.reached().await;
        }
    }
}
