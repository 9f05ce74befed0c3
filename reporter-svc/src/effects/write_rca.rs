//! Writes the file of a root cause analysis as things stand now (GO-1).

use std::io;
use std::path::Path;

use async_trait::async_trait;
use serde_json::json;
use service_kit::db::DbError;
use service_kit::files::replace;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};

use super::context::{Effects, in_file};
use crate::rca_file::{RcaError, existing, path, rendered};
use crate::reporter::Cause;
use domain::effects::WriteRca;
use domain::rollout::Event;
use domain::rollout::state::Submission;
use domain::story::rca;

#[async_trait]
impl Perform<Effects> for WriteRca {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        let incident = match effects.reporter.store.incident(&self.incident).await {
            Ok(Some(incident)) => incident,
            Ok(None) => return Outcome::Never { reason: format!("there is no incident {}", self.incident) },
            Err(error) => return Outcome::Failed { reason: error.to_string() },
        };
        let text = match rendered(&effects.reporter, &incident).await {
            Ok(text) => text,
            Err(error @ RcaError::Unrenderable { .. }) => {
                return Outcome::Never { reason: error.to_string() };
            }
            Err(RcaError::Db(error)) => return Outcome::Failed { reason: error.to_string() },
        };
        let path = path(&effects.data_dir, &incident);
        let answer = json!({ "file": path.display().to_string() });
        let submission = incident.rca.submission;
        in_file(path, answer, move |path| put(path, &text, submission.as_ref())).await
    }

    /// The first time the incident learns that its file is there.
    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        if !self.prepare || !matches!(attempt.outcome, Outcome::Done(_)) {
            return attempt.record().await;
        }
        let cause = Cause { incident: Some(&self.incident), ..Cause::default() };
        effects.apply(&attempt, &self.target, cause, &|_| Event::RcaPrepared).await
    }
}

/// Replaces the file as a whole, unless somebody saved it meanwhile: then it is done again with what they wrote.
fn put(path: &Path, rendered: &str, submission: Option<&Submission>) -> io::Result<()> {
    let there = existing(path)?;
    let text = rca::compose(rendered, there.as_deref(), submission);
    if there.as_deref() == Some(text.as_str()) {
        return Ok(());
    }
    if existing(path)? != there {
        return Err(io::Error::new(io::ErrorKind::WouldBlock, "it was changed while it was written anew"));
    }
    replace(path, text.as_bytes())
}
