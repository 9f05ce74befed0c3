//! The items of the checklist, and how one came out.

use serde::Serialize;
use strum::EnumIter;

/// The items, in the order of the checklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum, EnumIter)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Item {
    /// Each window has its line in the archive, whole, and equal to the batch that was judged
    Jsonl,
    /// Every stored decision comes out the same again
    Recompute,
    /// The dashboard agrees with an independent count
    Dashboard,
    /// No drift was seen
    Drift,
    /// Every notification is filled in
    Notifications,
    /// Every rollback_required is traced to its finished command
    Rollbacks,
}

impl Item {
    /// What it asks, in a few words.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Jsonl => "JSONL archive complete",
            Self::Recompute => "dry run agrees with the stored decisions",
            Self::Dashboard => "dashboard agrees with an independent count",
            Self::Drift => "drift is 0",
            Self::Notifications => "notifications filled in",
            Self::Rollbacks => "rollback_required traced to its finished command",
        }
    }

    /// What to do when it is not so.
    fn remedy(self) -> &'static str {
        match self {
            Self::Jsonl => {
                "see the collector's /readyz and log (a full or read-only disk?): it tries on until the line is written; \
                 one that was changed or taken away afterwards is not written again"
            }
            Self::Recompute => {
                "`phasegate explain DECISION` names each field; do not promote until it is understood"
            }
            Self::Dashboard => {
                "compare `GET /v1/dashboard` with the window's line in logs/; until they agree read the batch, not the \
                 dashboard"
            }
            Self::Drift => {
                "current.json and index.json differed: hold the windows against the GC's `maxGenerations` log"
            }
            Self::Notifications => {
                "correct the template or the policy's `values`; `phasegate policy check` finds most"
            }
            Self::Rollbacks => {
                "`phasegate status --target T` shows where it stands; a failed command is retried with `POST \
                 /v1/effects/{id}/retry`, or rolled back by hand"
            }
        }
    }
}

/// How an item came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Ok,
    Failed,
    /// It could not be looked at from here.
    NotChecked,
    /// It was not to be looked at.
    Skipped,
}

/// One item with its figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finding {
    pub(crate) item: Item,
    pub(crate) outcome: Outcome,
    /// What was counted.
    pub(crate) figure: String,
    /// Each thing that is wrong, the first [`SHOWN`] of them.
    pub(crate) problems: Vec<String>,
    /// What to do about it; none if there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<&'static str>,
}

/// Problems of an item that are listed; the figure counts all of them.
const SHOWN: usize = 20;

impl Finding {
    /// Ok if nothing is wrong.
    pub(super) fn of(item: Item, figure: String, mut problems: Vec<String>) -> Self {
        let outcome = if problems.is_empty() { Outcome::Ok } else { Outcome::Failed };
        let beyond = problems.len().saturating_sub(SHOWN);
        problems.truncate(SHOWN);
        if beyond > 0 {
            problems.push(format!("and {beyond} more"));
        }
        let remedy = (outcome == Outcome::Failed).then(|| item.remedy());
        Self { item, outcome, figure, problems, remedy }
    }

    /// It could not be looked at.
    pub(super) fn not_checked(item: Item, why: impl Into<String>) -> Self {
        Self {
            item,
            outcome: Outcome::NotChecked,
            figure: why.into(),
            problems: Vec::new(),
            remedy: Some(
                "run it where this can be read and over a time that has it, or leave it out by name with --skip",
            ),
        }
    }

    pub(super) fn skipped(item: Item) -> Self {
        let figure = "left out".to_owned();
        Self { item, outcome: Outcome::Skipped, figure, problems: Vec::new(), remedy: None }
    }
}
