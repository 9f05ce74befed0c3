//! What a check found.

use serde::Serialize;

/// How bad something is; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Ok,
    /// It could not be looked at from here.
    NotChecked,
    Warning,
    Failed,
}

/// One thing that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    pub(crate) level: Level,
    pub(crate) said: String,
    pub(crate) remedy: String,
}

impl Problem {
    pub(crate) fn failed(said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Failed, said: said.into(), remedy: remedy.into() }
    }

    pub(crate) fn warning(said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, said: said.into(), remedy: remedy.into() }
    }

    pub(crate) fn not_checked(said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::NotChecked, said: said.into(), remedy: remedy.into() }
    }
}

/// What a look brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looked {
    figure: String,
    problems: Vec<Problem>,
}

impl Looked {
    /// In order where there are no problems; `figure` says what was counted.
    pub(crate) fn wrong(figure: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self { figure: figure.into(), problems }
    }
}

/// `1 target`, `3 targets`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// One check and how it came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    #[serde(skip)]
    pub(crate) title: &'static str,
    /// The worst of its problems.
    pub(crate) level: Level,
    /// What was counted.
    pub(crate) figure: String,
    /// The worst first, the first [`SHOWN`] of them.
    pub(crate) problems: Vec<Problem>,
}

/// Problems of a check that are listed.
const SHOWN: usize = 20;

impl Finding {
    pub(super) fn of(check: &'static str, title: &'static str, looked: Looked) -> Self {
        let Looked { figure, mut problems } = looked;
        problems.sort_by_key(|it| std::cmp::Reverse(it.level));
        let level = problems.first().map_or(Level::Ok, |worst| worst.level);
        let beyond = problems.len().saturating_sub(SHOWN);
        problems.truncate(SHOWN);
        if beyond > 0 {
            problems.push(Problem {
                level,
                said: format!("and {beyond} more"),
                remedy: "as above".to_owned(),
            });
        }
        Self { check, title, level, figure, problems }
    }
}
