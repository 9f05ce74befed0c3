//! Writes a day's report as a file, whole or not at all (DA-5).

use serde_json::json;
use service_kit::outbox::Outcome;

use super::Effects;
use crate::files;
use domain::effects::WriteDailyReport;

pub(super) async fn write(effects: &Effects, it: WriteDailyReport) -> Outcome {
    let path = files::daily(&effects.data_dir, &it.target, &it.date);
    let shown = path.display().to_string();
    match tokio::task::spawn_blocking(move || files::replace(&path, it.text.as_bytes())).await {
        Ok(Ok(())) => Outcome::Done(json!({ "file": shown })),
        Ok(Err(error)) => Outcome::Failed { reason: format!("{shown}: {error}") },
        Err(error) => Outcome::Unknown { reason: error.to_string() },
    }
}
