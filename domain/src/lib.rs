//! Every decision Phasegate makes, and all it says of them: what people write for it to go by (`policy`, `template`,
//! `placeholder`), what telemetry counts (`telemetry`), the verdict on a window (`gate`), what follows from it
//! (`rollout`), what is to be done about that (`effects`), how it is told (`story`), and the same played without a
//! service (`whatif`).
//!
//! Plain functions over plain data: nothing here talks to anything or reads a clock, so the live services, the dry run,
//! the backtest and the verification of a bundle go through the same code. The crate has no dependency that could.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests read fixtures"))]

pub mod audit;
mod chosen;
pub mod effects;
pub mod executors;
pub mod gate;
pub mod kinds;
pub mod load;
pub mod notifiers;
pub mod pagers;
pub mod placeholder;
pub mod policy;
pub mod role;
pub mod rollout;
pub mod server;
pub mod sources;
pub mod stored;
pub mod story;
pub mod telemetry;
pub mod template;
pub mod whatif;
