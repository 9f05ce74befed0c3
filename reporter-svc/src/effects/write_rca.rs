//! Writes the file of a root cause analysis as things stand now (GO-1).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use domain::template::rca::{RcaFacts, rca_values};
use serde_json::json;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::{Decision, IncidentId};

use super::context::{Effects, in_file};
use crate::files;
use crate::reporter::{Cause, Reporter};
use crate::shown;
use domain::effects::WriteRca;
use domain::rollout::{Event, Finding, Incident};
use domain::story::rca;

/// Joined decisions whose figures are shown beside the opening one's.
const DECISIONS_SHOWN: usize = 20;

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum RcaError {
    #[error("the incident's state")]
    Db(#[from] DbError),
    #[error("{incident}: {what}")]
    Unrenderable { incident: IncidentId, what: String },
}

/// The template filled in for an incident, without what a person wrote.
///
/// # Errors
/// The database's; a target that is not in the policy any more.
pub async fn rendered(reporter: &Reporter, incident: &Incident) -> Result<String, RcaError> {
    let store = &reporter.store;
    let view = shown::whole(reporter, incident).await?;
    let mut decisions: Vec<Decision> = Vec::new();
    for id in view.decisions.iter().take(DECISIONS_SHOWN) {
        decisions.extend(store.decision(*id).await?.map(|it| it.decision));
    }
    let unrenderable = |what: String| RcaError::Unrenderable { incident: incident.id.clone(), what };
    let target = &incident.target;
    let rules = reporter.rules();
    let (policy, templates) = (rules.policy.targets.get(target), rules.templates.get(target));
    let (Some(policy), Some(templates)) = (policy, templates) else {
        return Err(unrenderable(format!("{target} is not in the policy any more")));
    };
    let values = rca_values(policy, &RcaFacts { incident: &view, decisions: &decisions });
    templates.rca.render(&values).map_err(|error| unrenderable(error.to_string()))
}

/// Where the file of an incident is.
#[must_use]
pub fn path(data_dir: &Path, incident: &Incident) -> PathBuf {
    data_dir.join(domain::rollout::state::rca_file(&incident.id, incident.opened_at))
}

/// What is there; none: nothing yet.
///
/// # Errors
/// The file system's.
pub fn existing(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

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
        let finding = incident.rca.submission.map(|it| it.finding);
        in_file(path, answer, move |path| put(path, &text, finding.as_ref())).await
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
fn put(path: &Path, rendered: &str, finding: Option<&Finding>) -> io::Result<()> {
    let there = existing(path)?;
    let text = rca::compose(rendered, there.as_deref(), finding);
    if there.as_deref() == Some(text.as_str()) {
        return Ok(());
    }
    if existing(path)? != there {
        return Err(io::Error::new(io::ErrorKind::WouldBlock, "it was changed while it was written anew"));
    }
    files::replace(path, text.as_bytes())
}
