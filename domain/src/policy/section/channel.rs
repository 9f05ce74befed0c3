//! A channel of `notifications`: where a message can go.

use crate::policy::at::At;
use crate::policy::check::{Checked, Path};

pub(crate) fn channel(raw: &At<String>, path: &Path) -> Checked<String> {
    if raw.value == "runbook" {
        return Ok(raw.value.clone());
    }
    slack_name(raw, "a Slack channel such as \"#incident\", or `runbook`", path)
}

pub(crate) fn slack_channel(raw: &At<String>, path: &Path) -> Checked<String> {
    slack_name(raw, "a Slack channel such as \"#incident\"", path)
}

fn slack_name(raw: &At<String>, expected: &str, path: &Path) -> Checked<String> {
    let plain = |c: char| !c.is_whitespace() && !",#=".contains(c);
    let name = raw.value.strip_prefix('#').filter(|name| (1..=80).contains(&name.chars().count()));
    if name.is_some_and(|name| name.chars().all(plain)) {
        return Ok(raw.value.clone());
    }
    Err(raw.wrong(path, format!("expected {expected}, found `{}`", raw.value)))
}
