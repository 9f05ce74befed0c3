//! How a target stands, in one sentence.

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};
use utoipa::ToSchema;

/// How urgent it is, the most urgent first.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    /// Somebody has to act now.
    Critical,
    /// Something is not as it should be, or is being dealt with.
    Warning,
    /// People's part is all that is missing.
    Asked,
    Ok,
    /// Off or completed.
    Idle,
}

impl Severity {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The most urgent thing there is to say of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Standing {
    pub severity: Severity,
    /// `rollback_failed`, `store_behind`, `not_measured`, `incident_open`, `rollback_waits`, `move_failed`, `drifted`, `served_unread`, `silent`,
    /// `without_data`, `held`, `unsure`, `moving`, `watching`, `frozen`, `asked`, `near_limit`, `waiting`, `healthy`, `off`,
    /// `completed`: the first of these that is so.
    pub code: String,
    /// In words.
    pub sentence: String,
    /// What to do about it; null: nothing.
    pub action: Option<String>,
    /// Roles of which anyone may; empty: nobody is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<String>,
    /// The facts that both put into words.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}
