//! An executor: does what was planned, and reads it back.

use async_trait::async_trait;
use domain::effects::RunTransition;
use domain::executors::{Report, Request};
use service_kit::outbox::{Lease, Outcome};

/// One kind. It makes one attempt and says what came of it; retrying is the outbox's business. Running twice is as running
/// once, and no secret is in what it says.
#[async_trait]
pub trait Executor: Send + Sync {
    /// That of its other half.
    fn name(&self) -> &'static str;

    /// What would keep a planned move from being made here at all, in words, such as a program that is not there; nothing is
    /// done. Asked before a rollout starts (PL-2).
    fn obstacle(&self, _planned: &Request) -> Option<String> {
        None
    }

    /// Does what was planned. An attempt whose lease is over has no effect any more, nor one whose fence is below another's
    /// that the flag system has seen, where it can tell (RB-10).
    ///
    /// # Errors
    /// Anything but done, for the outbox; a failure's reason ends with what the system said.
    async fn run(&self, it: &RunTransition, turn: &Turn) -> Result<Report, Outcome>;

    /// Looks at what is served now. Asked only where the request says that it can be.
    ///
    /// # Errors
    /// It could not be looked at.
    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome>;
}

/// One attempt among all at moves of a target.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Which attempt at this move it is, from 1.
    pub attempt: u32,
    /// Higher than that of every attempt before, at whichever move.
    pub fence: u64,
    /// How long it may go on.
    pub lease: Lease,
}

/// What is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBack {
    /// The phase, or what stands in its place, in a few words.
    pub served: String,
    /// Whether that is what was asked for, share of users and all.
    pub as_asked: bool,
}
