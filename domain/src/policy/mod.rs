//! `governance/policy.yaml`, parsed once into types that cannot hold a wrong value (PO-1).
//!
//! Pure: text in, types or an error that names file, line, path and what was expected out. All there is to a section of
//! the file stands in one file of `section`; the modules beside it are what every section is made with.

pub(crate) mod at;
pub(crate) mod check;
mod common;
pub(crate) mod contents;
pub mod diff;
pub mod draft;
mod error;
pub(crate) mod forms;
pub mod kind_section;
pub mod lint;
mod overlay;
pub(crate) mod parse;
pub mod place;
pub mod render;
pub mod schema;
mod schema_part;
mod section;
mod shape;
pub(crate) mod shared;
pub mod stream;
mod succession;
pub mod summary;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
pub mod units;
mod yaml;

pub use check::Wrong;
pub use error::{PolicyError, WrongPolicy};
pub use section::advance::{Advance, AdvanceCondition};
pub use section::budget::RollbackBudget;
pub use section::collection::Collection;
pub use section::control::Control;
pub use section::daily_report::DailyReport;
pub use section::evidence::EvidenceItem;
pub use section::file::Policy;
pub use section::gate::{Gaps, GatePolicy, JudgeBy, OnRegression};
pub use section::metrics::MetricPolicy;
pub use section::notifications::{NotificationPolicy, Notifications};
pub use section::paging::Paging;
pub use section::phases::PhasePolicy;
pub use section::rca::RcaPolicy;
pub use section::retention::Retention;
pub use section::target::TargetPolicy;
pub use section::transitions::Transitions;
pub use section::transitions::{OnDrift, OnStorm};
pub use shared::Shared;
pub use succession::Standing;
pub use units::DisplayUnit;
