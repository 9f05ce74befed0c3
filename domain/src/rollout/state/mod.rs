//! What is remembered between two events: data alone, kept as JSON documents (see `stored.rs`). The rules stand beside this
//! folder.

mod behind;
pub(super) mod evidence;
mod incident;
mod rca;
mod review;
mod served;
mod stored;
mod target;
mod transition;

pub use behind::{Behind, LostStays};
pub use evidence::{OpenEvidence, OpenTask};
pub use incident::{
    Acknowledgement, Incident, IncidentStatus, Mitigation, NewestRollback, OfStorm, RollbackAsked,
};
pub use rca::{Confirmation, Finding, Rca, Submission, file as rca_file};
pub use review::{Review, Ruling};
pub use served::{Drift, Served, Unread};
pub use target::{Banner, Latest, NOTICES_KEPT, Stage, TargetState, Unproven, Waiting};
pub use transition::{ITSELF, Transition};
