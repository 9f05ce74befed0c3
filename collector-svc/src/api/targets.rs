//! A target as the collector sees it, and what the reporter tells about it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use domain::policy::TargetPolicy;
use serde::{Deserialize, Serialize};
use service_kit::auth::Identity;
use service_kit::http::acts::actor;
use service_kit::http::{ApiError, Json, Path};
use service_kit::rules::Rules;
use shared_types::batch::{Distribution, Intake};
use shared_types::problem::ProblemCode;
use shared_types::{Buckets, Directive, Epoch, PhaseId, TargetName, Timestamp, Via, Window};
use utoipa::ToSchema;

use super::app::{Api, unknown};
use crate::counters;
use crate::schedule::Planned;
use crate::sources::LeftOut;
use crate::state::{Lost, PAUSE_MAX, TargetState};
use crate::store::{BatchRow, Loaded, Position};

/// Open windows and files that are shown.
const SHOWN_MAX: usize = 50;
/// The longest cadence that is believed: a day.
const CADENCE_MS_MAX: u64 = 86_400_000;

/// So many epochs may have begun unheard: an emptied collector is told of one that has long been at work.
const EPOCHS_AHEAD: u64 = 1_000_000;
/// And so many changes: each decision is one.
const CHANGES_AHEAD: u64 = 1 << 32;

/// What the collector knows of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetView {
    pub target: TargetName,
    /// The one in force; null before the first.
    pub directive: Option<Directive>,
    /// The window that is open now.
    pub current: OpenWindowView,
    /// What could not be counted in it so far, with examples (TE-6).
    pub intake: Intake,
    /// Windows with events that are not closed, oldest first; 50 at most.
    pub open_windows: Vec<OpenWindowView>,
    /// How long ago the oldest window ended that is not closed yet; 0 while none waits.
    pub lag_ms: u64,
    /// The newest `ts` counted.
    pub newest_event: Option<Timestamp>,
    pub paused_until: Option<Timestamp>,
    pub last_batch: Option<LastBatch>,
    pub source: SourceView,
}

/// A window that is not closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OpenWindowView {
    pub window: Window,
    pub phase: PhaseId,
    pub epoch: Epoch,
    /// Events counted so far.
    pub events: u64,
}

/// The newest batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LastBatch {
    pub window: Window,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub collected_at: Timestamp,
    /// When the analyzer had it; null before, and for phases that are not gated.
    pub delivered_at: Option<Timestamp>,
    /// Deliveries attempted.
    pub attempts: u32,
    pub last_error: Option<String>,
    /// Events by name.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
    /// Durations by event.
    #[serde(default)]
    pub distributions: BTreeMap<String, Distribution>,
    /// Durations that are known by bounds only, by event.
    #[serde(default)]
    pub buckets: BTreeMap<String, Buckets>,
    /// What could not be counted, with examples (TE-6).
    pub intake: Intake,
}

/// How reading goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    /// Failures in a row.
    pub failures: u32,
    pub last_error: Option<String>,
    pub next_attempt_at: Option<Timestamp>,
    /// Files and how far they were read, with their first malformed lines; 50 at most.
    pub positions: Vec<Position>,
    /// What cannot be read while the rest is, on this replica (CO-9).
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Files that were not read to their end: found in the last day, 50 at most (CO-9).
    #[serde(default)]
    pub lost: Vec<Lost>,
}

/// Body of a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PauseRequest {
    /// 1 to 300; 0 resumes.
    #[schema(maximum = 300)]
    pub seconds: u64,
    /// Who asks, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// A pause that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Paused {
    /// When windows are closed again, by itself.
    pub paused_until: Timestamp,
}

/// Directive in force, open windows, lag, last batch, source positions.
#[utoipa::path(
    get, path = "/v1/targets/{target}", tag = "targets", operation_id = "get_target",
    params(("target" = TargetName, Path, description = "A target of the policy")),
    responses((status = 200, description = "The target", body = TargetView)),
)]
pub(super) async fn get_target(
    State(api): State<Api>,
    Path(target): Path<TargetName>,
) -> Result<Json<TargetView>, ApiError> {
    let (entry, rules) = api.target_and_rules(&target)?;
    let Some(policy) = rules.policy.targets.get(&target) else { return Err(unknown(&target)) };
    let initial = TargetState::initial(policy.collection.window);
    let loaded = api.store.load(&target, &initial).await?;
    let now = api.clock.now();
    let current = loaded.state.schedule.at(now).window.start;
    let (mut open_windows, mut intake) = (Vec::new(), Intake::default());
    for start in loaded.open.iter().take(SHOWN_MAX) {
        let totals = api.store.totals(&target, *start).await?;
        open_windows.push(view(loaded.state.schedule.at(*start), totals.counters.values().sum()));
        if *start == current {
            intake = totals.intake;
        }
    }
    let last_batch = api.store.last_batch(&target).await?.map(last_batch);
    let mut view = target_view(target, policy, loaded, open_windows, last_batch, now);
    view.source.left_out = entry.worker.source_ails().left_out;
    Ok(Json(TargetView { intake, ..view }))
}

/// The reporter's directive; an older `sequence` than the one in force is ignored. Answers the one in force.
#[utoipa::path(
    put, path = "/v1/targets/{target}/directive", tag = "targets", operation_id = "put_directive",
    security(("bearer" = ["service:reporter"])),
    params(("target" = TargetName, Path, description = "A target of the policy")),
    request_body = Directive,
    responses((status = 200, description = "The directive in force", body = Directive)),
)]
pub(super) async fn put_directive(
    State(api): State<Api>,
    Path(target): Path<TargetName>,
    Json(directive): Json<Directive>,
) -> Result<Json<Directive>, ApiError> {
    let known = api.target_and_rules(&target);
    // The reporter may have taken over a version that has not been seen here yet: it tries again.
    let (entry, rules) = known.map_err(|_| not_yet(format!("no target `{target}` is collected here")))?;
    check(&target, &rules, &directive)?;
    let initial = TargetState::initial(
        rules.policy.targets.get(&target).map_or(Duration::ZERO, |it| it.collection.window),
    );
    let in_force = api.store.load(&target, &initial).await?.state.directive;
    if let Some(detail) = implausible(in_force.as_ref(), &directive) {
        counters::directive_refused(&target);
        tracing::warn!(target_name = %target, detail, "a directive is refused");
        return Err(ApiError::unprocessable(ProblemCode::InvalidDirective, detail));
    }
    if let Some(newer) = in_force.filter(|it| it.sequence > directive.sequence) {
        tracing::warn!(
            target_name = %target, sequence = directive.sequence, in_force = newer.sequence,
            "an older directive is ignored; if that does not stay alone, the reporter's store was restored (docs/backup.md)"
        );
    }
    let in_force = entry.worker.direct(directive).await.map_err(stopping)??;
    Ok(Json(in_force))
}

/// Closes no windows for a while; events are taken in all the same. It ends by itself.
///
/// The reporter is told who asked, for the audit log; and of the end.
#[utoipa::path(
    post, path = "/v1/targets/{target}/pause", tag = "targets", operation_id = "pause_target",
    security(("bearer" = ["service:reporter", "sre"])),
    params(("target" = TargetName, Path, description = "A target of the policy")),
    request_body = PauseRequest,
    responses((status = 200, description = "Until when", body = Paused)),
)]
pub(super) async fn pause(
    State(api): State<Api>,
    identity: Identity,
    Path(target): Path<TargetName>,
    Json(request): Json<PauseRequest>,
) -> Result<Json<Paused>, ApiError> {
    let entry = api.target(&target)?;
    let actor = actor(&identity, request.by, Via::Collector)?;
    if request.seconds > PAUSE_MAX.as_secs() {
        return Err(ApiError::unprocessable(ProblemCode::PauseTooLong, "`seconds` must be 300 or less"));
    }
    let paused_until = entry.worker.pause(request.seconds, actor).await.map_err(stopping)??;
    Ok(Json(Paused { paused_until }))
}

fn check(target: &TargetName, rules: &Rules, directive: &Directive) -> Result<(), ApiError> {
    let refuse = |detail: String| Err(ApiError::unprocessable(ProblemCode::InvalidDirective, detail));
    if directive.target != *target {
        return refuse(format!("`target` is `{}`, the path says `{target}`", directive.target));
    }
    if !(1..=CADENCE_MS_MAX).contains(&directive.cadence_ms) {
        return refuse("`cadence_ms` must lie between 1 and 86400000".to_owned());
    }
    let phase = &directive.phase;
    let policy = rules.policy.targets.get(target);
    if phase.is_gated() && policy.is_none_or(|policy| policy.phase(phase).is_none()) {
        return Err(not_yet(format!("the policy here has no phase `{phase}` for this target")));
    }
    Ok(())
}

/// OP-4: a directive far beyond the one in force would make every real one that follows look old.
fn implausible(in_force: Option<&Directive>, directive: &Directive) -> Option<String> {
    let (epoch, sequence) = in_force.map_or((0, 0), |it| (it.epoch, it.sequence));
    let beyond = |field: &str, found: u64, in_force: u64, most: u64| {
        let newest = in_force.saturating_add(most);
        (found > newest)
            .then(|| format!("`{field}` is {found}: beyond {newest}, the newest that is believed"))
    };
    beyond("epoch", directive.epoch, epoch, EPOCHS_AHEAD)
        .or_else(|| beyond("sequence", directive.sequence, sequence, CHANGES_AHEAD))
}

fn not_yet(detail: String) -> ApiError {
    ApiError::unavailable(detail, Duration::from_secs(5))
}

fn stopping(error: impl std::error::Error + Send + Sync + 'static) -> ApiError {
    let detail = error.to_string();
    ApiError::unavailable(detail, Duration::from_secs(1)).caused_by(error)
}

fn target_view(
    target: TargetName,
    policy: &TargetPolicy,
    loaded: Loaded,
    open_windows: Vec<OpenWindowView>,
    last_batch: Option<LastBatch>,
    now: Timestamp,
) -> TargetView {
    let Loaded { state, places, .. } = loaded;
    let current = state.schedule.at(now);
    let counted = open_windows.iter().find(|open| open.window.start == current.window.start);
    let events = counted.map_or(0, |open| open.events);
    let waiting = state.schedule.at(state.closed_until);
    let oldest = if waiting.phase.is_gated() {
        Some(waiting.window.end)
    } else {
        open_windows.first().map(|open| open.window.end)
    };
    let lag = oldest.map(|end| now.since(end.plus(policy.collection.grace)).as_millis());
    TargetView {
        target,
        directive: state.directive,
        current: view(current, events),
        intake: Intake::default(),
        open_windows,
        lag_ms: lag.and_then(|lag| u64::try_from(lag).ok()).unwrap_or(0),
        newest_event: (state.newest_event.as_millis() > 0).then_some(state.newest_event),
        paused_until: state.paused_until,
        last_batch,
        source: SourceView {
            failures: state.source.failures,
            last_error: state.source.last_error,
            next_attempt_at: state.source.next_attempt_at,
            positions: places
                .iter()
                .filter_map(Position::of)
                .filter(|it| !it.cursor.gone)
                .take(SHOWN_MAX)
                .collect(),
            left_out: Vec::new(),
            lost: state.lost.into_iter().filter(|lost| lost.is_told(now)).collect(),
        },
    }
}

fn view(planned: Planned, events: u64) -> OpenWindowView {
    OpenWindowView { window: planned.window, phase: planned.phase, epoch: planned.epoch, events }
}

fn last_batch(row: BatchRow) -> LastBatch {
    LastBatch {
        window: row.batch.window,
        phase: row.batch.phase,
        epoch: row.batch.epoch,
        collected_at: row.batch.collected_at,
        delivered_at: row.delivered_at,
        attempts: row.attempts,
        last_error: row.last_error,
        counters: row.batch.counters,
        distributions: row.batch.distributions,
        buckets: row.batch.buckets,
        intake: row.batch.intake,
    }
}
