//! The file of a root cause analysis: what it is written from, where it is, and how it stands to what was submitted (GO-1).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use domain::rollout::Incident;
use domain::story::rca;
use domain::template::rca::{RcaFacts, rca_values};
use service_kit::db::DbError;
use shared_types::incident::RcaFileState;
use shared_types::{Decision, IncidentId};

use crate::reporter::Reporter;
use crate::shown;

/// Larger than any analysis, small enough to be read at once.
const LARGEST_FILE: u64 = 1 << 20;
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

/// The file as it is; none where this reporter has not written it.
///
/// # Errors
/// The file system's; it is larger than any analysis.
pub async fn read(data_dir: &Path, incident: &Incident) -> io::Result<Option<String>> {
    let path = path(data_dir, incident);
    let read = move || match fs::metadata(&path) {
        Ok(there) if there.len() > LARGEST_FILE => {
            Err(io::Error::other(format!("{} is larger than {LARGEST_FILE} bytes", path.display())))
        }
        _ => existing(&path),
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// How the file stands to what was submitted; none while nothing was.
///
/// # Errors
/// The database's.
pub async fn state(
    reporter: &Reporter,
    data_dir: &Path,
    incident: &Incident,
) -> Result<Option<RcaFileState>, DbError> {
    let Some(submission) = &incident.rca.submission else { return Ok(None) };
    let there = match read(data_dir, incident).await {
        Ok(Some(there)) => there,
        Ok(None) => return Ok(Some(RcaFileState::Absent)),
        Err(_) => return Ok(Some(RcaFileState::Unreadable)),
    };
    let template = match rendered(reporter, incident).await {
        Ok(template) => template,
        // No template is left to be told from what people wrote.
        Err(RcaError::Unrenderable { .. }) => there.clone(),
        Err(RcaError::Db(error)) => return Err(error),
    };
    Ok(Some(rca::file_state(&template, &there, submission)))
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
