//! What moves a target from phase to phase: the half of an executor that decides. Its other half, which acts, is the
//! reporter's (`reporter-svc/src/executors`).
//!
//! A kind reads its section of the policy and plans a move as a [`Request`], which is kept whole with the transition before
//! anything happens. Nobody but its own two files looks into that; all others know the request's words.

pub mod command;
pub mod flagd;
mod kind;
pub mod share;
pub mod stored;
pub mod unleash;
pub mod users;
pub mod webhook;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use kind::{Description, ExecutorKind, ExecutorPolicy, Facts, Planner, Report, Request};

/// The kinds of the product, one line each.
#[must_use]
pub fn shipped() -> Vec<Arc<dyn ExecutorKind>> {
    vec![
        Arc::new(command::Command),
        Arc::new(flagd::Flagd),
        Arc::new(unleash::Unleash),
        Arc::new(webhook::Webhook),
    ]
}
