//! Writes a stored batch to its file (CO-3).

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use domain::effects::{Effect, NewMessage, RetrySchedule};
use domain::stored::Document;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::files::replace;
use service_kit::outbox::{Claim, Outcome, Perform};
use shared_types::{Batch, TargetName, Timestamp};

use super::context::{Effects, in_file};

/// Writes a stored batch to its file (CO-3).
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
        let path = archive_path(&effects.data_dir, &self.target, self.window_start);
        let answer = json!({ "path": path.display().to_string() });
        in_file(answer, move || replace(&path, &line_of(&batch)?)).await
    }
}

/// `logs/<target>/<window start, basic ISO 8601>.jsonl` under the data directory (CO-3).
#[must_use]
pub fn archive_path(data_dir: &Path, target: &TargetName, window_start: Timestamp) -> PathBuf {
    data_dir.join("logs").join(target.as_str()).join(format!("{}.jsonl", window_start.basic_format()))
}

/// A batch as a line of JSON, with its line break.
///
/// # Errors
/// It cannot be serialised.
pub fn line_of(batch: &Batch) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(batch)?;
    line.push(b'\n');
    Ok(line)
}
