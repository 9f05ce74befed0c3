//! Asks a server of flags what users get: OFREP, one key after the other
//! (<https://github.com/open-feature/protocol/blob/main/service/openapi.yaml>, 0.3.0).

use std::sync::Arc;
use std::time::Duration;

use domain::effects::RunTransition;
use domain::executors::share::percent;
use domain::executors::users::Asked;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::clock::Clock;
use service_kit::outbox::Outcome;
use service_kit::vendors::VendorSettingsError;
use service_kit::vendors::http::{self, Client, Url};
use service_kit::vendors::secrets::{Secrets, secret};

use super::ReadBack;

/// Keys asked for side by side.
const SIDE_BY_SIDE: usize = 16;

/// Evaluates flags for keys that nobody has.
#[derive(Clone)]
pub(super) struct UserCheck {
    client: Client,
    clock: Arc<dyn Clock>,
}

/// An evaluation.
#[derive(Debug, Deserialize)]
struct Evaluated {
    variant: Option<String>,
    #[serde(default)]
    value: Value,
}

/// Why there is none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NotEvaluated {
    error_code: String,
    #[serde(default)]
    error_details: String,
}

impl UserCheck {
    /// # Errors
    /// The client cannot be built.
    pub(super) fn new(timeout: Duration, clock: Arc<dyn Clock>) -> Result<Self, VendorSettingsError> {
        Ok(Self { client: http::client(timeout)?, clock })
    }

    /// The share of the keys that have the feature, within the time limit of the move.
    ///
    /// # Errors
    /// One of them could not be evaluated.
    pub(super) async fn look(&self, it: &RunTransition, asked: &Asked) -> Result<ReadBack, Outcome> {
        let limit = Duration::from_millis(it.timeout_ms);
        let counted = tokio::time::timeout(limit, self.count(asked)).await;
        let late = || Err(format!("{} keys could not be evaluated in time", asked.count));
        let have_it = counted.unwrap_or_else(|_| late()).map_err(|reason| Outcome::Failed {
            reason: format!("what users get could not be read back: {reason}"),
        })?;
        if asked.is_met(have_it) {
            return Ok(ReadBack { served: it.to.to_string(), as_asked: true });
        }
        let share = u64::from(have_it) * 100_000 / u64::from(asked.count.max(1));
        let share = percent(u32::try_from(share).unwrap_or(u32::MAX));
        Ok(ReadBack { served: format!("{share} of users, by {} keys", asked.count), as_asked: false })
    }

    async fn count(&self, asked: &Asked) -> Result<u32, String> {
        let token = asked.users.token.as_ref().map(secret).transpose()?;
        let url = Url::parse(&asked.users.ofrep).ok().and_then(|mut url| {
            let path = ["ofrep", "v1", "evaluate", "flags", &asked.users.flag];
            url.path_segments_mut().ok()?.pop_if_empty().extend(path);
            Some(url)
        });
        let url = url.ok_or_else(|| format!("{} is no URL", asked.users.ofrep))?;
        let each = (0..asked.count).map(|key| self.has_it(asked, url.clone(), token.as_ref(), key));
        let each = stream::iter(each).buffer_unordered(SIDE_BY_SIDE);
        each.try_fold(0, |sum, has_it| async move { Ok(sum + u32::from(has_it)) }).await
    }

    async fn has_it(
        &self,
        asked: &Asked,
        url: Url,
        token: Option<&SecretString>,
        key: u32,
    ) -> Result<bool, String> {
        let body = json!({ "context": { "targetingKey": format!("phasegate-{key}") } });
        let mut request = self.client.post(url).json(&body);
        for (name, value) in &asked.users.headers {
            request = request.header(name, value);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = http::exchange(request, self.clock.now()).await;
        let answer = answer.map_err(|outcome| outcome.reason().unwrap_or_default().to_owned())?;
        if answer.status != 200 {
            let said = match serde_json::from_slice(&answer.body) {
                Ok(NotEvaluated { error_code, error_details }) => format!("{error_code} {error_details}"),
                Err(_) => http::excerpt(&answer.body),
            };
            let said = format!("the flag server said {} {said}", answer.status);
            return Err(Secrets::new(token.cloned()).scrub(said.trim_end()));
        }
        let evaluated: Evaluated = serde_json::from_slice(&answer.body)
            .map_err(|_| "the flag server's answer is no evaluation".to_owned())?;
        match (&asked.users.variant, evaluated.value) {
            (Some(variant), _) => Ok(evaluated.variant.as_ref() == Some(variant)),
            (None, Value::Bool(has_it)) => Ok(has_it),
            (None, _) => {
                Err("the flag's value is no boolean: name the `variant` of those who have it".to_owned())
            }
        }
    }
}
