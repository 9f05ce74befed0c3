//! Buttons pressed in Slack. The request is signed by Slack; who pressed is whom the configuration names.
//!
//! Slack wants an answer within three seconds and shows none of it: what came of the press is told to the one who
//! pressed, where only they see it. A press that was taken is known again by its signature.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::effects::NewMessage;
use domain::stored::plain;
use serde::Serialize;
use serde_json::json;
use service_kit::auth::{Access, Identity, Lookup};
use service_kit::http::{ApiError, Body, Json};
use shared_types::problem::ProblemCode;
use shared_types::{Actor, IncidentId, TargetName, Via};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::inbound::{self, SlackInbound};
use crate::api::App;
use crate::api::approvals::held;
use crate::reporter::Cause;
use crate::store::{Act, Changed};
use domain::effects::TellUser;
use domain::effects::buttons::ButtonAct;
use domain::notifiers::slack::{Slack, escape};
use domain::rollout::Event;
use domain::rollout::event::Expected;

/// What comes in from Slack. Without [`SlackInbound`] as an extension nothing is believed.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(press))
}

/// What came of a pressed button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SlackAnswer {
    pub outcome: SlackOutcome,
    /// What the one who pressed it is told.
    pub text: String,
}

/// Whether a pressed button changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlackOutcome {
    Done,
    /// It stood so already.
    Unchanged,
    /// This very request was taken before; nothing was done again.
    Repeated,
    Refused,
}

/// Take a pressed button.
///
/// `X-Slack-Signature` must be Slack's over the raw body, not older than five minutes.
#[utoipa::path(
    post, path = "/v1/webhooks/slack", tag = "webhooks", operation_id = "press_slack_button",
    params(("X-Slack-Signature" = String, Header), ("X-Slack-Request-Timestamp" = String, Header)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
                 description = "`payload=` and a block_actions interaction as JSON"),
    responses(
        (status = 200, description = "Committed, or refused with the reason", body = SlackAnswer),
        (status = 401, description = "Not signed by Slack, or not fresh", body = shared_types::Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "SLACK_SIGNING_SECRET is not set", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(crate) async fn press(
    State(app): State<App>,
    inbound: Option<Extension<Arc<SlackInbound>>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Json<SlackAnswer>, ApiError> {
    let Some(Extension(inbound)) = inbound else {
        return Err(ApiError::not_found(
            "SLACK_SIGNING_SECRET is not set, so nothing from Slack can be trusted",
        ));
    };
    let now = app.reporter.clock.now();
    let signature = once(&headers, "x-slack-signature");
    inbound
        .check(once(&headers, "x-slack-request-timestamp"), signature, &body, now)
        .map_err(|forged| ApiError::unauthorized(forged.to_string()))?;
    let pressed = inbound::pressed(&body)
        .map_err(|wrong| ApiError::unprocessable(ProblemCode::InvalidInteraction, wrong))?;
    let request_id = format!("slack:{}", signature.unwrap_or_default());
    let act = Act::new(request_id, &pressed.user, (&pressed.act).into(), plain(&pressed.act));
    let answer = answer(&app, &inbound, &pressed.user, &pressed.act, &act).await?;
    if answer.outcome != SlackOutcome::Repeated {
        let message = pressed.channel.map(|channel| tell(&act, channel, pressed.user, &answer.text, now));
        let kept = json!({ "outcome": answer.outcome, "text": answer.text });
        app.reporter.store.remember(&act, &kept, message.as_ref(), now).await?;
    }
    Ok(Json(answer))
}

/// A header that is there exactly once.
fn once<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

async fn answer(
    app: &App,
    inbound: &SlackInbound,
    user: &str,
    pressed: &ButtonAct,
    act: &Act,
) -> Result<SlackAnswer, ApiError> {
    let refused = |text: String| Ok(SlackAnswer { outcome: SlackOutcome::Refused, text });
    let Some(identity) = inbound.users.identity(user) else {
        return refused(format!("Not done: PHASEGATE_SLACK_USERS names no Slack user {user}."));
    };
    let asked = match event(app, identity, pressed).await {
        Ok(asked) => asked,
        Err(refusal) if refusal.status().is_client_error() => {
            return refused(format!("Not done: {}.", refusal.problem().detail));
        }
        Err(failure) => return Err(failure),
    };
    let Asked { target, incident, event, done } = asked;
    let actor =
        Actor { name: identity.name.clone(), roles: identity.roles.clone(), via: Via::Slack, verified: true };
    let cause = Cause { actor, incident: incident.as_ref(), act: Some(act), ..Cause::default() };
    let changed = app.reporter.apply(&target, cause, &|_| event.clone()).await?;
    match changed {
        Changed::Applied { step, .. } => {
            if step.repeated {
                let text = "Nothing has changed: it stood so already.".to_owned();
                return Ok(SlackAnswer { outcome: SlackOutcome::Unchanged, text });
            }
            Ok(SlackAnswer { outcome: SlackOutcome::Done, text: done })
        }
        Changed::Repeated { .. } | Changed::KeyReused => Ok(SlackAnswer {
            outcome: SlackOutcome::Repeated,
            text: "This request was taken before; nothing was done again.".to_owned(),
        }),
        Changed::Rejected { rejection, .. } => refused(format!("Not done: {rejection}.")),
        Changed::UnknownTarget | Changed::UnknownIncident => {
            refused("Not done: it is not there any more.".to_owned())
        }
        Changed::Differs | Changed::NotDead | Changed::Fenced => {
            Err(ApiError::internal(anyhow::anyhow!("an act of a person was fenced")))
        }
    }
}

struct Asked {
    target: TargetName,
    incident: Option<IncidentId>,
    event: Event,
    /// What is said when it is done.
    done: String,
}

/// What the button asks for, if this person may ask for it: the rules are those of the same call over HTTP.
async fn event(app: &App, identity: &Identity, pressed: &ButtonAct) -> Result<Asked, ApiError> {
    let by = identity.name.clone();
    match pressed {
        ButtonAct::Acknowledge { incident } => {
            may(app, identity, "/v1/incidents/{id}/acknowledgement")?;
            let found = app.reporter.store.incident(incident).await?;
            let found = found.ok_or_else(|| ApiError::not_found(format!("no incident {incident}")))?;
            let done = format!("{incident} is acknowledged by {by}.");
            let event = Event::Acknowledged { by, at: app.reporter.clock.now() };
            Ok(Asked { target: found.target, incident: Some(incident.clone()), event, done })
        }
        ButtonAct::Approve { target, role, phase, epoch, policy_version } => {
            may(app, identity, "/v1/rollouts/{target}/approvals")?;
            let role = held(identity, &by, role)?;
            let expected = Expected {
                phase: Some(phase.clone()),
                epoch: Some(*epoch),
                policy_version: Some(policy_version.clone()),
            };
            let done = format!("{by} approves {target} as {role}: the move out of phase {phase}.");
            let event = Event::Approve { by, role, comment: None, expected };
            Ok(Asked { target: target.clone(), incident: None, event, done })
        }
    }
}

/// As the OpenAPI document declares it.
fn may(app: &App, identity: &Identity, route: &str) -> Result<(), ApiError> {
    let access: &Access = &app.access;
    let allowed = match access.lookup(&axum::http::Method::POST, route) {
        Lookup::Found(rule) => rule.allows(identity),
        Lookup::OtherMethods(_) | Lookup::Unknown => false,
    };
    if allowed {
        return Ok(());
    }
    let roles: Vec<&str> = identity.roles.iter().map(String::as_str).collect();
    let detail = format!("the roles of {} ({}) do not allow it", identity.name, roles.join(", "));
    Err(ApiError::forbidden(detail))
}

fn tell(act: &Act, channel: String, user: String, text: &str, now: shared_types::Timestamp) -> NewMessage {
    let notifier = Slack::NAME.to_owned();
    let verb = TellUser { notifier, channel, user, text: escape(text).into_owned() };
    NewMessage::of(&verb, format!("tell:{}", act.request_id), verb.user.clone(), now)
}
