//! A kind of executor: what it reads of the policy, and what it plans.

use std::fmt;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_types::rollout::TransitionKind;
use shared_types::{IncidentId, PhaseId, TargetName};

use crate::policy::Wrong;
use crate::policy::kind_section::Section;

/// A kind of executor.
pub trait ExecutorKind: Send + Sync {
    /// Its name below `transitions.flag`, in stored requests, and of its other half.
    fn name(&self) -> &'static str;

    /// The shape of its section below `transitions.flag`, for the policy's schema; none: the schema does not know it.
    fn schema(&self, _generator: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    /// Reads its section.
    ///
    /// # Errors
    /// The place that is wrong, and what was expected there.
    fn check(&self, section: &Section) -> Result<Box<dyn Planner>, Wrong>;

    /// Where a section that is in order would not bring a target back to the phase to reach, and what to write instead (PL-1);
    /// nowhere, for a kind that knows the phase by itself.
    fn lint(&self, _section: &Section, _phases: &[&PhaseId]) -> Vec<Wrong> {
        Vec::new()
    }
}

/// A kind with the settings of a target.
pub trait Planner: fmt::Debug + Send + Sync {
    /// A move, written down whole. The same facts always give the same request, and running it twice is as running it once:
    /// it names what is to be reached, never a step.
    fn plan(&self, facts: &Facts<'_>) -> Request;

    /// Why a share of users, in percent, cannot be served by it at all (PH-12).
    fn cannot_serve(&self, _percent: f64) -> Option<String> {
        None
    }

    /// Its settings, for people who compare two policies; two that say the same are the same.
    fn describe(&self) -> Description;
}

/// What a move is planned from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub kind: TransitionKind,
    pub target: &'a TargetName,
    /// The phase to leave.
    pub from: &'a PhaseId,
    /// The phase to reach.
    pub to: &'a PhaseId,
    /// The phases next to the one to leave; `off` and `completed` where there is none.
    pub below: &'a PhaseId,
    pub above: &'a PhaseId,
    /// The share of users in the phase to leave, percent.
    pub audience_before: f64,
    /// The share of users to reach, percent.
    pub audience_percent: f64,
    /// The phases of that share, the one to reach among them: who reads back a share cannot tell which of them it is (PH-10).
    pub served_alike: &'a [PhaseId],
    pub incident: Option<&'a IncidentId>,
    /// Why, in words; may be empty.
    pub reason: &'a str,
}

/// A planned move. Everything its executor needs stands in it, so that what was decided is what is done, whatever the
/// policy says by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The executor's name.
    pub kind: String,
    /// What will be done, as people read it; one line.
    pub words: String,
    /// Whether what is served is read back before the move counts as done (RB-9).
    pub reads_back: bool,
    /// The kind's own.
    pub data: Value,
}

/// Settings in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// Name and value of each, in an order that does not change: `rollback command`, `` `make back` ``.
    pub settings: Vec<(&'static str, String)>,
    /// How a move is read back; none: it is not.
    pub read_back: Option<String>,
}

/// What a target's policy says of its executor.
#[derive(Debug, Clone)]
pub struct ExecutorPolicy {
    kind: &'static str,
    planner: Arc<dyn Planner>,
}

impl ExecutorPolicy {
    pub fn new(kind: &'static str, planner: impl Into<Arc<dyn Planner>>) -> Self {
        Self { kind, planner: planner.into() }
    }

    /// The executor's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// As [`Planner::plan`].
    #[must_use]
    pub fn plan(&self, facts: &Facts<'_>) -> Request {
        self.planner.plan(facts)
    }

    /// As [`Planner::cannot_serve`].
    #[must_use]
    pub fn cannot_serve(&self, percent: f64) -> Option<String> {
        self.planner.cannot_serve(percent)
    }

    /// As [`Planner::describe`].
    #[must_use]
    pub fn describe(&self) -> Description {
        self.planner.describe()
    }
}

impl PartialEq for ExecutorPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.describe() == other.describe()
    }
}

/// What a move that is done left behind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// In a few words: `exit status 0`.
    pub summary: String,
    /// What it said, at length; may be empty.
    pub detail: String,
    pub duration_ms: u64,
    /// What was read back; none where nothing is.
    pub verified: Option<String>,
    /// The kind's own figures, which logs keep as they are: an object.
    #[serde(default)]
    pub facts: serde_json::Map<String, Value>,
}
