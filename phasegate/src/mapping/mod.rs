//! `phasegate map`: what stands in an app's log, a map that reads it (TE-7), and what becomes of its lines.

mod look;
mod propose;
mod text;
mod trial;
mod yaml;

pub(crate) use look::Look;
pub(crate) use propose::{Proposal, propose};
pub(crate) use text::text;
pub(crate) use trial::{Trial, tried};
pub(crate) use yaml::section;

use serde::Serialize;

/// All that is told of a log.
#[derive(Debug, Serialize)]
pub(crate) struct Mapped {
    /// Lines looked at, blank ones left out.
    pub(crate) lines: u64,
    /// Whether the log goes on behind them.
    pub(crate) more: bool,
    /// `source.map`, as YAML.
    pub(crate) map: String,
    /// Whether it is a proposal, and not the policy's.
    pub(crate) proposed: bool,
    /// What only somebody can say who knows the app.
    pub(crate) asked: Vec<String>,
    #[serde(flatten)]
    pub(crate) trial: Trial,
}
