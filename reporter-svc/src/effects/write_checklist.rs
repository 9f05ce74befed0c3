//! Writes the follow-up tasks into `reports/checklist.md` as they stand now (EV-1).

use async_trait::async_trait;
use domain::effects::WriteChecklist;
use domain::rollout::state::OpenTask;
use domain::story::markdown::code;
use serde_json::json;
use service_kit::db::DbError;
use service_kit::files::replace;
use service_kit::outbox::{Claim, Outcome, Perform};

use super::context::{Effects, in_file};
use crate::files;
use crate::store::Store;

const TARGETS_AT_ONCE: u32 = 200;
/// The longest text the API takes.
const LONGEST: usize = 2000;

#[async_trait]
impl Perform<Effects> for WriteChecklist {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        let tasks = match open_tasks(&effects.reporter.store).await {
            Ok(tasks) => tasks,
            Err(error) => return Outcome::Failed { reason: error.to_string() },
        };
        let (path, text) = (files::checklist(&effects.data_dir), text(&tasks));
        let answer = json!({ "file": path.display().to_string(), "open": tasks.len() });
        in_file(path, answer, move |path| replace(path, text.as_bytes())).await
    }
}

/// Of all targets, by the target's name.
async fn open_tasks(store: &Store) -> Result<Vec<(String, OpenTask)>, DbError> {
    let mut tasks: Vec<(String, OpenTask)> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let found = store.targets(after.as_deref(), TARGETS_AT_ONCE).await?;
        let Some(last) = found.last() else { return Ok(tasks) };
        after = Some(last.state.target.to_string());
        for stored in found {
            let name = stored.state.target.to_string();
            tasks.extend(stored.state.evidence_tasks.into_iter().map(|task| (name.clone(), task)));
        }
    }
}

/// Pure.
fn text(tasks: &[(String, OpenTask)]) -> String {
    let mut text = "# Follow-up tasks\n\n\
        Written by the reporter, and written anew when a task is added or done: changes here are lost.\n\
        `phasegate evidence INCIDENT --sign ITEM --task-done` takes one off.\n\n"
        .to_owned();
    if tasks.is_empty() {
        text.push_str("Nothing is open.\n");
    }
    for (target, it) in tasks {
        text.push_str(&format!(
            "- [ ] {} ({target}, {}, {}, owner {}, recorded by {} at {})\n",
            code(&it.text, LONGEST),
            it.incident,
            it.item,
            it.owner,
            code(&it.by, LONGEST),
            it.at
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use shared_types::{IncidentId, Timestamp};

    use super::*;

    /// EV-1: a line a task, whatever was typed.
    #[test]
    fn every_open_task_is_one_line() {
        let task = OpenTask {
            incident: IncidentId::parse("INC-20261122-001").unwrap(),
            item: "retry_log".to_owned(),
            owner: "sre".to_owned(),
            text: "shard the lock\n- [x] done".to_owned(),
            by: "ana".to_owned(),
            at: Timestamp::parse("2026-11-22T10:00:00Z").unwrap(),
        };
        let text = text(&[("autosave".to_owned(), task)]);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("- [")).collect();
        assert_eq!(
            lines,
            ["- [ ] `shard the lock - [x] done` (autosave, INC-20261122-001, retry_log, owner sre, \
              recorded by `ana` at 2026-11-22T10:00:00.000Z)"]
        );
    }

    /// EV-1
    #[test]
    fn a_list_without_tasks_says_so() {
        assert!(text(&[]).ends_with("\n\nNothing is open.\n"));
    }
}
