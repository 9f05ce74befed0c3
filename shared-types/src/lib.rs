//! What passes between the Phasegate services, and the units it is said in.
//!
//! Pure data: every type here is serialised somewhere (HTTP, a store, a JSONL line), so its shape is a
//! contract. No I/O, no clock, no policy. Receivers ignore fields they do not know.

pub mod audit;
pub mod batch;
pub mod buckets;
pub mod bulk;
pub mod collector_event;
pub mod daily;
pub mod dashboard;
pub mod days;
pub mod decision;
pub mod directive;
pub mod histogram;
pub mod ids;
pub mod incident;
pub mod judged;
pub mod page;
pub mod problem;
pub mod rollout;
pub mod secret_from;
pub mod standing;
pub mod story;
pub mod time;
pub mod verdict;

pub use audit::{Actor, AuditEntry, Via};
pub use batch::Batch;
pub use buckets::Buckets;
pub use collector_event::CollectorEvent;
pub use decision::{Decision, Verdict};
pub use directive::{Directed, Directive};
pub use histogram::Histogram;
pub use ids::{Epoch, IncidentId, PhaseId, TargetName};
pub use page::Page;
pub use problem::{Problem, one_line};
pub use secret_from::SecretFrom;
pub use time::{Timestamp, Window};
pub use verdict::TargetVerdict;
