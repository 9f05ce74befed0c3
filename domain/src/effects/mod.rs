//! What is to be done about a decision, as data: the rows an outbox keeps, complete before the first attempt.

pub mod buttons;
pub mod lower;
mod message;
pub mod notification;
mod payload;
mod retry;
mod severity;

pub use message::NewMessage;
pub use payload::*;
pub use retry::{AfterLastRetry, RetrySchedule};
pub use severity::Severity;
