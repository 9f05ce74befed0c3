//! The limits in force, and other ones to try: what the policy lab works with. Nothing is changed here.

use axum::extract::State;
use domain::policy::draft::{DraftError, LimitChange};
use domain::policy::{PhasePolicy, Policy, TargetPolicy};
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiError, Json};
use shared_types::decision::Direction;
use shared_types::problem::ProblemCode;
use shared_types::{PhaseId, TargetName};
use similar::TextDiff;
use utoipa::ToSchema;

use super::App;

/// More than any page sends at once.
const MOST_CHANGES: usize = 200;

/// The limits of the policy in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Limits {
    /// The policy's content hash.
    pub(super) version: String,
    pub(super) targets: Vec<TargetLimits>,
}

/// A target's limits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TargetLimits {
    pub(super) target: TargetName,
    pub(super) title: String,
    /// Lowest first.
    pub(super) phases: Vec<PhaseLimits>,
}

/// A phase's limits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PhaseLimits {
    pub(super) id: PhaseId,
    pub(super) name: String,
    /// In the policy's order of metrics.
    pub(super) limits: Vec<Limit>,
}

/// The last compliant value of a metric: the highest, or the lowest where it has a floor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Limit {
    pub(super) metric: String,
    /// In `unit`.
    pub(super) threshold: f64,
    /// `s`, `ms`, `%` or empty for a plain number.
    pub(super) unit: String,
    /// The side of the threshold that is compliant; absent: at most.
    #[serde(skip_serializing_if = "Direction::is_at_most")]
    pub(super) direction: Direction,
}

/// Other limits to try.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct DraftRequest {
    /// The version the changes start from; refused when another one is in force by now.
    #[serde(default)]
    pub(super) version: Option<String>,
    pub(super) changes: Vec<DraftChange>,
}

/// One limit to try.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct DraftChange {
    pub(super) target: TargetName,
    pub(super) phase: PhaseId,
    pub(super) metric: String,
    /// In the unit in which the metric is shown.
    pub(super) threshold: f64,
}

/// The policy with other limits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Draft {
    /// The whole text, ready for a backtest.
    pub(super) text: String,
    /// Its content hash.
    pub(super) version: String,
    /// Unified, against the policy in force; empty when nothing differs.
    pub(super) diff: String,
    /// The same in words, and whether it makes protection stricter or looser.
    pub(super) changes: Vec<String>,
}

/// The limits in force, by target and phase.
#[utoipa::path(
    get, path = "/v1/limits", tag = "policy", operation_id = "get_limits",
    responses((status = 200, description = "As in force", body = Limits))
)]
pub(super) async fn get(State(app): State<App>) -> Json<Limits> {
    Json(limits(&app.reporter.rules().policy))
}

/// Try other limits: the policy's text with them, checked, and the diff for a pull request. Stores nothing.
#[utoipa::path(
    post, path = "/v1/limits/drafts", tag = "policy", operation_id = "draft_limits",
    security(("bearer" = ["viewer"])),
    request_body = DraftRequest,
    responses(
        (status = 200, description = "The draft", body = Draft),
        (status = 409, description = "Another version is in force by now", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn draft(
    State(app): State<App>,
    Json(request): Json<DraftRequest>,
) -> Result<Json<Draft>, ApiError> {
    let rules = app.reporter.rules();
    let policy = &rules.policy;
    if let Some(version) = request.version.filter(|version| *version != policy.version) {
        let detail = format!("the draft starts from {version}, and {} is in force", policy.version);
        return Err(ApiError::conflict(ProblemCode::PolicyChanged, detail, Vec::new()));
    }
    if request.changes.len() > MOST_CHANGES {
        let detail = format!("field `changes`: at most {MOST_CHANGES}");
        return Err(ApiError::unprocessable(ProblemCode::InvalidBody, detail));
    }
    let changes: Vec<LimitChange> = request.changes.into_iter().map(Into::into).collect();
    let draft = policy.with_limits(&changes).map_err(|error| refused(&error))?;
    let changes = policy.diff(&draft).changes.iter().map(ToString::to_string).collect();
    let (diff, text) = (diff(policy, &draft), draft.text.to_string());
    Ok(Json(Draft { text, version: draft.version, diff, changes }))
}

impl From<DraftChange> for LimitChange {
    fn from(it: DraftChange) -> Self {
        Self { target: it.target, phase: it.phase, metric: it.metric, threshold: it.threshold }
    }
}

fn refused(error: &DraftError) -> ApiError {
    let detail = match error {
        DraftError::Wrong(source) => format!("{error}: {source}"),
        _ => error.to_string(),
    };
    ApiError::unprocessable(ProblemCode::InvalidLimit, detail)
}

fn diff(old: &Policy, new: &Policy) -> String {
    let (old, new) = (old.text.as_ref(), new.text.as_ref());
    let diff = TextDiff::from_lines(old, new);
    let file = ("a/governance/policy.yaml", "b/governance/policy.yaml");
    diff.unified_diff().context_radius(3).header(file.0, file.1).to_string()
}

fn limits(policy: &Policy) -> Limits {
    let target = |(name, it): (&TargetName, &TargetPolicy)| TargetLimits {
        target: name.clone(),
        title: it.title.clone(),
        phases: it.phases.iter().map(|phase| phase_limits(it, phase)).collect(),
    };
    Limits { version: policy.version.clone(), targets: policy.targets.iter().map(target).collect() }
}

fn phase_limits(target: &TargetPolicy, phase: &PhasePolicy) -> PhaseLimits {
    let limits = target.metrics.iter().filter_map(|metric| {
        let threshold = *phase.thresholds.get(&metric.name)?;
        Some(Limit {
            metric: metric.name.clone(),
            threshold,
            unit: metric.display.symbol().to_owned(),
            direction: metric.kind.direction(),
        })
    });
    PhaseLimits { id: phase.id.clone(), name: phase.name.clone(), limits: limits.collect() }
}
