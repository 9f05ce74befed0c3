//! Writes a stored batch into the archive (CO-3).

use async_trait::async_trait;
use domain::effects::{Effect, NewMessage, RetrySchedule};
use domain::stored::Document;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::outbox::{Claim, Outcome, Perform};
use shared_types::{TargetName, Timestamp};

use super::context::{Effects, in_file};
use crate::archive;

/// Writes a stored batch into the archive (CO-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteArchive {
    pub target: TargetName,
    pub window_start: Timestamp,
}

impl WriteArchive {
    #[must_use]
    pub fn message(&self, now: Timestamp) -> NewMessage {
        let key = format!("archive/{}/{}", self.target, self.window_start.as_millis());
        let subject = format!("{}/{}", self.target, self.window_start.basic_format());
        NewMessage::of(self, key, subject, now)
    }
}

impl Document for WriteArchive {
    const KIND: &'static str = "write_archive";
}

impl Effect for WriteArchive {
    fn lane(&self) -> String {
        format!("archive/{}", self.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_neighbours()
    }
}

#[async_trait]
impl Perform<Effects> for WriteArchive {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        let batch = match effects.batch(&self.target, self.window_start).await {
            Ok(batch) => batch,
            Err(outcome) => return outcome,
        };
        let path = archive::path(&effects.data_dir, &self.target, self.window_start);
        let answer = json!({ "path": path.display().to_string() });
        let data_dir = effects.data_dir.clone();
        in_file(answer, move || archive::put(&data_dir, &batch).map(drop)).await
    }
}
