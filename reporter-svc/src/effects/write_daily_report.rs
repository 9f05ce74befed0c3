//! Writes a day's report as a file, whole or not at all (DA-5).

use async_trait::async_trait;
use domain::effects::WriteDailyReport;
use serde_json::json;
use service_kit::files::replace;
use service_kit::outbox::{Claim, Outcome, Perform};

use super::context::{Effects, in_file};
use crate::files;

#[async_trait]
impl Perform<Effects> for WriteDailyReport {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        let path = files::daily(&effects.data_dir, &self.target, &self.date);
        let (answer, text) = (json!({ "file": path.display().to_string() }), self.text.clone());
        in_file(path, answer, move |path| replace(path, text.as_bytes())).await
    }
}
