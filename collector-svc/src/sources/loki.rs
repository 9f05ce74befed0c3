//! Numbers that Loki makes of logs. An instant query is asked and answered as Prometheus' is
//! (<https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-at-a-single-point-in-time>).

use std::sync::Arc;

use async_trait::async_trait;
use domain::sources::Filling;
use domain::sources::loki::{KIND, Loki};
use domain::telemetry::totals::Totals;
use shared_types::{TargetName, Timestamp};

use super::prometheus::ask::{Endpoint, Server};
use super::prometheus::asking::Asking;
use super::windows::{Held, WindowReader, by_window};
use super::{AskedWindow, Opened, Opening, Reader, SourceError};

/// What reads the kind.
pub const READER: Reader = Reader { key: KIND.key, open };

/// What a Loki of the newer engine says of each answer.
const HARMLESS: &[&str] = &["Query was executed using the next-generation Loki query engine."];

fn open(opening: &Opening<'_>) -> Opened {
    let collection = &opening.policy.collection;
    let Some(settings) = collection.source.of_kind::<Loki>() else { return Ok(None) };
    let server = Server::of(Endpoint {
        url: settings.url.clone(),
        path: "loki/api/v1/query",
        headers: settings.headers.clone(),
        auth: settings.auth.clone(),
        timeout: collection.source_timeout,
        harmless: HARMLESS,
    })?;
    let target = opening.target.clone();
    Ok(Some(by_window(LokiSource { server, settings: settings.clone(), target }, collection)))
}

#[derive(Debug)]
struct LokiSource {
    server: Arc<Server>,
    settings: Loki,
    target: TargetName,
}

#[async_trait]
impl WindowReader for LokiSource {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn says(&self, reason: String) -> SourceError {
        self.server.says(reason)
    }

    async fn count(&self, asked_for: &AskedWindow, now: Timestamp) -> Result<Held, SourceError> {
        let AskedWindow { window, phase, .. } = asked_for;
        let filling = Filling { target: &self.target, phase, length: window.length() };
        let mut asking = Asking::for_numbers(&self.server, &self.target, *window, now);
        let mut totals = Totals::default();
        for (name, query) in self.settings.filled(filling).values {
            match asking.number(&name, &query).await? {
                Ok(value) => _ = totals.values.insert(name, value),
                Err(why) => _ = totals.intake.missing.insert(name, why),
            }
        }
        totals.queries = asking.queries;
        Ok(totals.into())
    }
}
