//! From what went wrong to what is answered: one table.

use std::time::Duration;

use service_kit::causes::in_full;
use service_kit::http::ApiError;
use shared_types::problem::ProblemCode;

use crate::analyzer::IntakeError;
use domain::whatif::dry_run::DryRunError;

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        let detail = in_full(&error);
        match error {
            IntakeError::UnknownTarget(_) => Self::unprocessable(ProblemCode::UnknownTarget, detail),
            IntakeError::Batch(_) | IntakeError::Untold { .. } => {
                Self::unprocessable(ProblemCode::InvalidBatch, detail)
            }
            IntakeError::Future(_) => Self::unprocessable(ProblemCode::WindowInTheFuture, detail),
            IntakeError::Different { .. } => Self::conflict(ProblemCode::BatchDiffers, detail, Vec::new()),
            IntakeError::TooEarly(_) => Self::unavailable(detail, Duration::from_secs(5)),
            IntakeError::Contended => Self::unavailable(detail, Duration::from_secs(1)),
            IntakeError::Store(error) => error.into(),
        }
    }
}

/// The answer to what cannot be tried.
#[allow(clippy::needless_pass_by_value, reason = "what `map_err` hands on")]
pub(super) fn not_tried(error: DryRunError) -> ApiError {
    let detail = in_full(&error);
    match error {
        DryRunError::UnknownTarget(_) => ApiError::unprocessable(ProblemCode::UnknownTarget, detail),
        DryRunError::UnknownPhase { .. } => ApiError::unprocessable(ProblemCode::UnknownPhase, detail),
        _ => ApiError::unprocessable(ProblemCode::InvalidFixture, detail),
    }
}
