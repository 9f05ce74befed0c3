//! What is to be done about a decision, as data: the rows an outbox keeps, complete before the first attempt.

pub mod buttons;
mod effect;
mod loss;
pub mod lower;
mod message;
pub mod notification;
mod payload;
mod retry;
mod storm;

pub use effect::Effect;
pub use loss::Loss;
pub use message::NewMessage;
pub use payload::*;
pub use retry::{AfterLastRetry, RetrySchedule};
