//! What PagerDuty tells us: the signature over the body as it came, written down, answered; the work comes later.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::effects::NewMessage;
use secrecy::SecretString;
use serde::Serialize;
use service_kit::http::{ApiError, Json};
use strum::IntoStaticStr;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::webhook::{self, PageEvent};
use crate::api::App;
use crate::pagers::incident_of;
use domain::effects::{ApplyPageEvent, PageAct};

/// Enough for any event; a body is read whole before its signature can be checked.
const LARGEST_BODY: usize = 512 * 1024;

/// What PagerDuty signs with.
#[derive(Debug, Clone)]
pub struct WebhookSecret(pub SecretString);

/// What comes in from PagerDuty. Without [`WebhookSecret`] as an extension nothing is believed.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(receive_event))
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookReceipt {
    pub outcome: WebhookOutcome,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WebhookOutcome {
    /// Written down; it is applied next.
    Accepted,
    /// Known already.
    Repeated,
    /// Nothing to do for it here.
    Ignored,
}

/// Events of PagerDuty's webhooks, version 3: an acknowledgement is taken over, all others are ignored.
///
/// `X-PagerDuty-Signature` is checked over the raw body. An event is known by its id for 48 hours.
#[utoipa::path(
    post, path = "/v1/webhooks/pagerduty", tag = "webhooks", operation_id = "receive_pagerduty_event",
    params(("X-PagerDuty-Signature" = String, Header, description = "`v1=<hex>`, several parted by commas")),
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses(
        (status = 202, description = "Written down, or nothing to do", body = WebhookReceipt),
        (status = 401, description = "No signature is right", body = shared_types::Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "PAGERDUTY_WEBHOOK_SECRET is not set", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(crate) async fn receive_event(
    State(app): State<App>,
    secret: Option<Extension<WebhookSecret>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Some(Extension(WebhookSecret(secret))) = secret else {
        return Err(ApiError::not_found(
            "PAGERDUTY_WEBHOOK_SECRET is not set, so PagerDuty's events are not taken",
        ));
    };
    if body.len() > LARGEST_BODY {
        return Err(ApiError::too_large(format!("an event is at most {LARGEST_BODY} bytes")));
    }
    let header = headers.get(webhook::SIGNATURE_HEADER).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !webhook::is_genuine(&secret, header, &body) {
        count("refused");
        return Err(ApiError::unauthorized("no signature in X-PagerDuty-Signature is right for this body"));
    }
    let outcome = match webhook::read(&body) {
        Ok(event) => receive(&app, event).await?,
        Err(reason) => {
            // Sending it again would not help, so it is not refused.
            tracing::warn!(reason, "PagerDuty signed an event that is not as documented; it is ignored");
            WebhookOutcome::Ignored
        }
    };
    count(outcome.into());
    Ok((StatusCode::ACCEPTED, Json(WebhookReceipt { outcome })).into_response())
}

fn count(outcome: &'static str) {
    metrics::counter!("phasegate_webhooks_total", "vendor" => "pagerduty", "outcome" => outcome).increment(1);
}

async fn receive(app: &App, event: PageEvent) -> Result<WebhookOutcome, ApiError> {
    let now = app.reporter.clock.now();
    let page = event.page.as_ref();
    // Only pages of ours are worth remembering.
    let ours = |key: &String| incident_of(key).is_some();
    let named =
        page.and_then(|it| Some((format!("pagerduty:{}", it.id), it.incident_key.clone().filter(ours)?)));
    let act = match event.kind.as_str() {
        "incident.acknowledged" => Some(PageAct::Acknowledged),
        "incident.resolved" if event.by_person => Some(PageAct::Resolved),
        _ => None,
    };
    let work = act.zip(page).map(|(act, page)| {
        let verb = ApplyPageEvent {
            act,
            page: format!("pagerduty:{}", page.id),
            dedup_key: page.incident_key.clone(),
            by: event.by.clone(),
            at: event.occurred_at,
        };
        let incident = page.incident_key.as_deref().and_then(incident_of);
        let subject = incident.map_or_else(|| page.id.clone(), |(_, incident)| incident.to_string());
        NewMessage::of(&verb, format!("webhook:pagerduty:{}", event.id), subject, now)
    });
    let id = format!("pagerduty:{}", event.id);
    let named = named.as_ref().map(|(page, key)| (page.as_str(), key.as_str()));
    let new = app.reporter.store.receive_event(&id, &event.kind, named, work.as_ref(), now).await?;
    Ok(match (new, work.is_some()) {
        (false, _) => WebhookOutcome::Repeated,
        (true, true) => WebhookOutcome::Accepted,
        (true, false) => WebhookOutcome::Ignored,
    })
}
