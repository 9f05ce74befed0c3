//! The one outbox: effects are committed with the state that caused them, done by a worker, and their
//! outcome is recorded.
//!
//! A row lives in a *lane* (`analyzer/autosave`, `runbook/autosave`, `command/autosave`); what stands before the first
//! `/` is its *receiver*. Lanes are strictly first-in-first-out and independent of each other, and each receiver has
//! slots of its own ([`Room`]), so a failing receiver holds up nobody else. A lane rests after an attempt for as long as the row's
//! `pace` says, whichever replica made it. A claim is a lease with a fencing token (`claims`, which grows with every
//! claim): once a row was claimed again, the worker before can no longer record anything. Failures follow the row's own
//! schedule exactly. A reply that never came (which follows the schedule too) and a lease that ran out (done again at
//! once) count as *unknown* outcomes, kept apart from failures. A `dead` row no longer holds up its lane; people are told
//! of it, and a person can retry it.

mod claim;
mod empty;
mod enqueue;
mod handler;
pub(crate) mod handover;
mod housekeeping;
pub(crate) mod lane;
mod lease;
mod loss;
mod manage;
mod message;
pub(crate) mod outgoing;
mod perform;
mod precedence;
mod record;
mod room;
mod view;
mod worker;

pub use claim::{DueReceiver, claim, due_receivers, renew};
pub use empty::forget_empty_lanes;
pub use enqueue::enqueue;
pub use handler::{Handler, WorkerOptions};
pub use lease::{Lease, Term};
pub use loss::{given_up, losses, take_loss};
pub use manage::{cancel, finished, retry_dead};
pub use message::{Claim, Outcome, Recorded};
pub use perform::{Attempt, EffectKind, Perform, Registry, USUAL_LEASE, told_if_lost};
pub use precedence::{First, Precedence};
pub use record::record;
pub use room::Room;
pub use view::{ListFilter, MessagePage, MessageView, OutboxStats, get, list, stats};
pub use worker::{run_worker, work_once};
