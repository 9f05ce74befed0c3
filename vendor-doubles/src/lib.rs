//! Slack, PagerDuty, GitHub, Unleash and a receiver of webhooks as small real HTTP servers on 127.0.0.1, for tests and for the demo.
//!
//! A double refuses what its vendor refuses, enforces its limits, keeps everything it was asked with its
//! time, and can be told to misbehave as networks and vendors do ([`Mode`]). It is not a mock: it knows
//! nothing of who calls it, and what it says was sent, was sent.

mod cut;
mod github;
mod mode;
mod pagerduty;
mod receiver;
mod server;
mod slack;
mod unleash;

pub use github::{GithubComment, GithubDouble};
pub use mode::{Answered, Attempt, Mode};
pub use pagerduty::{
    Delivery, PagerDutyDouble, PagerDutyEvent, PagerDutyIncident, PagerDutyOptions, PagerDutyStatus,
    signature,
};
pub use receiver::ReceiverDouble;
pub use slack::{SlackDouble, SlackMessage, SlackOptions, SlackPress};
pub use unleash::UnleashDouble;
