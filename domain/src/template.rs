//! The texts in `templates/alerts/`: one file an id, each with the placeholders its kind may use (NO-1, NO-2, RB-8).
//!
//! A template with an unknown placeholder is refused here, when it is loaded; the values that fill it are made in
//! [`values`], which fills every placeholder of a kind, so that a loaded template can always be rendered.

pub mod names;
pub mod rca;
pub mod sections;
pub mod texts;
pub mod values;

use std::path::{Path, PathBuf};

use strum::{IntoEnumIterator as _, IntoStaticStr, VariantArray};

use crate::notifiers::Message;
use crate::placeholder::{Pattern, PlaceholderError, Values};
use crate::policy::lint::Rule;
use crate::policy::{Notifications, TargetPolicy};
use sections::Section;

/// File name of the runbook text, in the same directory.
pub const RUNBOOK_FILE: &str = "rollback.md";

/// File name of the root cause analysis, in the same directory.
pub const RCA_FILE: &str = "rca.md";

/// The templates shipped with the product, by file name: what `templates/alerts/` holds.
pub const SHIPPED: [(&str, &str); 6] = [
    ("autosave-ok.txt", include_str!("../../templates/alerts/autosave-ok.txt")),
    ("autosave-warn.txt", include_str!("../../templates/alerts/autosave-warn.txt")),
    ("autosave-incident.txt", include_str!("../../templates/alerts/autosave-incident.txt")),
    ("autosave-rollback.txt", include_str!("../../templates/alerts/autosave-rollback.txt")),
    (RUNBOOK_FILE, include_str!("../../templates/alerts/rollback.md")),
    (RCA_FILE, include_str!("../../templates/alerts/rca.md")),
];

/// What a text is for; it decides which placeholders the text may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum TemplateKind {
    Ok,
    Warn,
    Incident,
    /// The line in the runbook log.
    Rollback,
    /// `rollback.md`, kept with the incident.
    Runbook,
    /// `rca.md`, written for each incident and completed by a person.
    Rca,
}

impl TemplateKind {
    /// All of them, in the order of the documentation.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// As in the policy's `notifications`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The placeholders a text of this kind may use, beside the policy's `values` (messages only).
    #[must_use]
    pub fn placeholders(self) -> &'static [&'static str] {
        match self {
            Self::Ok | Self::Warn => &names::DECISION,
            Self::Incident => &names::INCIDENT,
            Self::Rollback | Self::Runbook => &names::ROLLBACK,
            Self::Rca => &rca::RCA,
        }
    }
}

/// One text, checked against its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// File name without its ending, e.g. `autosave-ok`.
    pub id: String,
    pub kind: TemplateKind,
    /// As in the file, without the newline at its end.
    pub source: String,
    pattern: Pattern,
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("[{}] template {}: cannot be read", Rule::Names, file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("template {}, line {line}: {reason}", file.display())]
    Text { file: PathBuf, line: usize, reason: PlaceholderError },
    #[error("template {}: it is empty", file.display())]
    Empty { file: PathBuf },
    #[error(
        "template {}: expected the markers `{}` and `{}` once each, in this order",
        file.display(), section.begin(), section.end()
    )]
    Section { file: PathBuf, section: Section },
}

/// All texts of a target that cannot be used, each with its cause, in one line; never empty.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.lines().join("; "))]
pub struct TemplateErrors(pub Vec<TemplateError>);

impl TemplateErrors {
    /// One each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let one = |error: &TemplateError| match error {
            TemplateError::Read { source, .. } => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        self.0.iter().map(one).collect()
    }
}

impl Template {
    /// What a text that was rendered from it shows for each placeholder; see [`Pattern::read`].
    #[must_use]
    pub fn read<'a>(&self, text: &'a str) -> Option<Vec<(&str, &'a str)>> {
        self.pattern.read(text)
    }

    /// Checks a text against what its kind and the policy's `values` allow.
    ///
    /// # Errors
    /// [`TemplateError`] with the file (only named, not read) and the line.
    pub fn parse(
        file: &Path,
        text: &str,
        kind: TemplateKind,
        notifications: &Notifications,
    ) -> Result<Self, TemplateError> {
        let source = text.trim_end().to_owned();
        if source.is_empty() {
            return Err(TemplateError::Empty { file: file.to_owned() });
        }
        let lacks = |section: &Section| sections::place(&source, *section).is_none();
        if let Some(section) = Section::iter().find(lacks).filter(|_| kind == TemplateKind::Rca) {
            return Err(TemplateError::Section { file: file.to_owned(), section });
        }
        let mut known: Vec<&str> = kind.placeholders().to_vec();
        if matches!(kind, TemplateKind::Ok | TemplateKind::Warn | TemplateKind::Incident) {
            known.extend(notifications.values.keys().map(String::as_str));
        }
        let pattern = Pattern::parse(&source, &known).map_err(|reason| {
            // The line is found by parsing the lines alone; a placeholder never spans two.
            let wrong = source.lines().position(|line| Pattern::parse(line, &known).is_err());
            TemplateError::Text { file: file.to_owned(), line: wrong.map_or(1, |index| index + 1), reason }
        })?;
        let id = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { id, kind, source, pattern })
    }

    /// The finished text.
    ///
    /// # Errors
    /// [`PlaceholderError::Unfilled`]; with the values of [`values`] it does not happen.
    pub fn render(&self, values: &Values) -> Result<String, PlaceholderError> {
        Ok(self.message(values)?.plain())
    }

    /// The finished text, values told from the template's own words.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn message(&self, values: &Values) -> Result<Message, PlaceholderError> {
        self.pattern.message(values)
    }
}

/// The texts of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    pub ok: Template,
    pub warn: Template,
    pub incident: Template,
    pub rollback: Template,
    pub runbook: Template,
    pub rca: Template,
}

impl Templates {
    /// As [`Self::load`], with the files read by `read`, which gets paths as the policy names them.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(
        target: &TargetPolicy,
        read: impl Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Self, TemplateErrors> {
        let notifications = &target.notifications;
        let mut wrong = Vec::new();
        let mut one = |kind: TemplateKind, name: String| {
            let file = Path::new(&notifications.templates).join(name);
            let text = read(&file).map_err(|source| TemplateError::Read { file: file.clone(), source });
            let parsed = text.and_then(|text| Template::parse(&file, &text, kind, notifications));
            parsed.map_err(|error| wrong.push(error)).ok()
        };
        let (ok, warn) = (
            one(TemplateKind::Ok, format!("{}.txt", notifications.ok.template)),
            one(TemplateKind::Warn, format!("{}.txt", notifications.warn.template)),
        );
        let incident = one(TemplateKind::Incident, format!("{}.txt", notifications.incident.template));
        let rollback = one(TemplateKind::Rollback, format!("{}.txt", notifications.rollback.template));
        let runbook = one(TemplateKind::Runbook, RUNBOOK_FILE.to_owned());
        let rca = one(TemplateKind::Rca, RCA_FILE.to_owned());
        let whole = || {
            let (ok, warn, incident) = (ok?, warn?, incident?);
            Some(Self { ok, warn, incident, rollback: rollback?, runbook: runbook?, rca: rca? })
        };
        whole().ok_or(TemplateErrors(wrong))
    }

    /// The text of one kind.
    #[must_use]
    pub fn get(&self, kind: TemplateKind) -> &Template {
        match kind {
            TemplateKind::Ok => &self.ok,
            TemplateKind::Warn => &self.warn,
            TemplateKind::Incident => &self.incident,
            TemplateKind::Rollback => &self.rollback,
            TemplateKind::Runbook => &self.runbook,
            TemplateKind::Rca => &self.rca,
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
