//! History under another policy (PO-4).

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use domain::policy::Policy;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiError, Json};
use shared_types::problem::ProblemCode;
use shared_types::{TargetName, Timestamp};
use utoipa::ToSchema;

use crate::analyzer::Analyzer;
use crate::backtest::{BacktestError, Question, backtest};
use domain::whatif::compare::{Backtest, Limits};

use super::Stop;

const CHANGES: u32 = 1_000;
const CHANGES_MAX: u32 = 10_000;
const STRIP: u32 = 3_000;
const STRIP_MAX: u32 = 50_000;

/// Which history, and under what.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BacktestRequest {
    pub target: TargetName,
    /// Windows that begin at or after this.
    pub from: Timestamp,
    /// And before this; now if not given.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// The text of the policy to try.
    #[serde(default)]
    pub policy: Option<String>,
    /// Or the version of one that was in force. Neither: each decision is made again under its own.
    #[serde(default)]
    pub policy_version: Option<String>,
    /// From the batches with their distributions, also where what was observed then would do: slower, and it proves more.
    #[serde(default)]
    pub whole: bool,
    /// So many changed decisions are listed: 1000 if not given, at most 10000. All are counted.
    #[serde(default)]
    pub limit: Option<u32>,
    /// So many decisions, the newest, are in the strip: 3000 if not given, at most 50000.
    #[serde(default)]
    pub strip: Option<u32>,
}

/// Try a policy on what was
///
/// Judges stored history again and compares: changed decisions, rollbacks gained and lost, when each epoch's success
/// condition held, how soon bad stretches were noticed. What was measured at the audience of its time stays so.
#[utoipa::path(
    post,
    path = "/v1/backtests",
    tag = "trial",
    security(("bearer" = ["viewer"])),
    responses((status = 200, description = "What was decided against what would have been", body = Backtest))
)]
pub(super) async fn post_backtest(
    State(analyzer): State<Analyzer>,
    Extension(Stop(stop)): Extension<Stop>,
    Json(request): Json<BacktestRequest>,
) -> Result<Json<Backtest>, ApiError> {
    let question = question(&analyzer, request).await?;
    // A caller that hangs up, or waited for too long, takes this call's future with it, and the guard in it.
    let given_up = stop.child_token();
    let _guard = given_up.clone().drop_guard();
    Ok(Json(backtest(analyzer.store(), question, &given_up).await?))
}

async fn question(analyzer: &Analyzer, request: BacktestRequest) -> Result<Question, ApiError> {
    let limits = Limits {
        changes: bounded("limit", request.limit, CHANGES, CHANGES_MAX)?,
        strip: bounded("strip", request.strip, STRIP, STRIP_MAX)?,
    };
    let to = request.to.unwrap_or_else(|| analyzer.now());
    if to <= request.from {
        return Err(ApiError::unprocessable(
            ProblemCode::InvalidBody,
            "field `to`: expected a time after `from`",
        ));
    }
    let text = match (request.policy, request.policy_version) {
        (Some(_), Some(_)) => {
            let detail = "expected at most one of `policy` and `policy_version`";
            return Err(ApiError::unprocessable(ProblemCode::InvalidBody, detail));
        }
        (Some(text), None) => Some(text),
        (None, Some(version)) => {
            let text = analyzer.store().policy_text(&version).await?;
            let missing = || {
                ApiError::unprocessable(ProblemCode::UnknownPolicy, format!("no policy {version} is kept"))
            };
            Some(text.ok_or_else(missing)?)
        }
        (None, None) => None,
    };
    let kinds = Arc::clone(&analyzer.policy().kinds);
    let policy = match text {
        // Reading a policy takes milliseconds that the threads which answer batches should have.
        Some(text) => {
            let kinds = Arc::clone(&kinds);
            let parsed =
                tokio::task::spawn_blocking(move || Policy::parse_with(&text, "policy", &kinds)).await;
            let wrong = |error: domain::policy::PolicyError| {
                ApiError::unprocessable(ProblemCode::InvalidPolicy, error.to_string())
            };
            Some(Arc::new(parsed.map_err(ApiError::internal)?.map_err(wrong)?))
        }
        None => None,
    };
    let BacktestRequest { target, from, whole, .. } = request;
    Ok(Question { target, kinds, from, to, policy, whole, limits })
}

fn bounded(field: &str, asked: Option<u32>, default: u32, most: u32) -> Result<usize, ApiError> {
    let asked = asked.unwrap_or(default);
    if asked > most {
        let detail = format!("field `{field}`: expected at most {most}");
        return Err(ApiError::unprocessable(ProblemCode::InvalidBody, detail));
    }
    Ok(usize::try_from(asked).unwrap_or(usize::MAX))
}

impl From<BacktestError> for ApiError {
    fn from(error: BacktestError) -> Self {
        let detail = error.to_string();
        match error {
            BacktestError::UnknownTarget(_) => Self::unprocessable(ProblemCode::UnknownTarget, detail),
            BacktestError::TooMany(_) => Self::unprocessable(ProblemCode::TooManyDecisions, detail),
            BacktestError::GivenUp => Self::unavailable("the service is stopping", Duration::from_secs(1)),
            BacktestError::Broke(error) => Self::internal(error),
            BacktestError::Store(error) => error.into(),
        }
    }
}
