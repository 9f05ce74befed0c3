//! The rules of the lint, by the names that findings and opt-outs have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

/// A rule of the lint.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, Display,
)]
pub enum Rule {
    /// A rollback learns the phase to reach.
    #[serde(rename = "PL-1")]
    #[strum(serialize = "PL-1")]
    Rollback,
    /// The programs are there; known only where they are to run.
    #[serde(rename = "PL-2")]
    #[strum(serialize = "PL-2")]
    Programs,
    /// A limit can be crossed, and be kept.
    #[serde(rename = "PL-3")]
    #[strum(serialize = "PL-3")]
    Limits,
    /// The audience does not fall from phase to phase.
    #[serde(rename = "PL-4")]
    #[strum(serialize = "PL-4")]
    Audience,
    /// What is named is there: roles, and the phases of the incident text.
    #[serde(rename = "PL-5")]
    #[strum(serialize = "PL-5")]
    Names,
    /// Numbers that do not do what one would think.
    #[serde(rename = "PL-6")]
    #[strum(serialize = "PL-6")]
    Traps,
}
