//! What is found out of the ways to people, and who finds it out.

use async_trait::async_trait;
use domain::policy::Policy;
use serde::{Deserialize, Serialize};
use service_kit::outbox::Outcome;
use shared_types::{TargetName, Timestamp};
use utoipa::ToSchema;

/// How a way to people stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelState {
    Ok,
    /// Nobody reads it there: it goes to the log only.
    Warning,
    /// Nothing arrives.
    Failing,
}

/// What was found out of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub state: ChannelState,
    pub detail: String,
    /// Scheme, host and port of who receives it, where it is a vendor.
    pub receiver: Option<String>,
}

impl Look {
    #[must_use]
    pub fn ok(detail: impl Into<String>) -> Self {
        Self { state: ChannelState::Ok, detail: detail.into(), receiver: None }
    }

    #[must_use]
    pub fn warning(detail: impl Into<String>) -> Self {
        Self { state: ChannelState::Warning, ..Self::ok(detail) }
    }

    #[must_use]
    pub fn failing(detail: impl Into<String>) -> Self {
        Self { state: ChannelState::Failing, ..Self::ok(detail) }
    }

    /// With the address of who receives it: scheme, host and port.
    #[must_use]
    pub fn at(self, receiver: String) -> Self {
        Self { receiver: Some(receiver), ..self }
    }

    /// What one attempt at sending shows.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done(answer) if answer.get("logged").is_some() => {
                Self::warning("it went to the reporter's log only: nothing else is configured")
            }
            Outcome::Done(_) => Self::ok("delivered"),
            other => Self::failing(other.reason().unwrap_or("it was not answered").to_owned()),
        }
    }
}

/// A way to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Channel {
    /// As the policy names it; of the pager its name.
    pub channel: String,
    /// The notifier, or the pager.
    pub by: String,
    /// Whose messages go there.
    pub targets: Vec<TargetName>,
    pub state: ChannelState,
    pub detail: String,
    /// Scheme, host and port of who receives it, where it is a vendor.
    pub receiver: Option<String>,
}

/// Who says so, and when.
#[derive(Debug, Clone, Copy)]
pub struct Test<'a> {
    pub by: &'a str,
    pub at: Timestamp,
}

/// Who knows the ways to people.
#[async_trait]
pub trait Ways: Send + Sync {
    /// How each stands, the pager last; nothing is sent.
    async fn look(&self, policy: &Policy) -> Vec<Channel>;

    /// One attempt at a message through each that says it is a test, and a page that is taken back at once. It has no part in any
    /// rollout, so it does not go through the outbox: what comes of it is the answer.
    async fn test(&self, policy: &Policy, test: Test<'_>) -> Vec<Channel>;
}
