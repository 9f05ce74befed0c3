//! What a list is narrowed to.

use shared_types::{Epoch, PhaseId, TargetName, Timestamp, Verdict};

use crate::store::Filter;

/// What a list is narrowed to.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    target: Option<TargetName>,
    /// Windows that begin at or after this.
    from: Option<Timestamp>,
    /// Windows that begin before this.
    to: Option<Timestamp>,
    verdict: Option<Verdict>,
    phase: Option<PhaseId>,
    epoch: Option<Epoch>,
}

impl From<FilterQuery> for Filter {
    fn from(query: FilterQuery) -> Self {
        let FilterQuery { target, from, to, verdict, phase, epoch } = query;
        Self { target, from, to, verdict, phase, epoch }
    }
}
