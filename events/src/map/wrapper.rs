//! What a container's runtime writes around each line of its program.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use crate::Reason;

/// Who has wrapped the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    /// Docker's `json-file`: `{"log":"…\n","stream":"stdout","time":"…"}`.
    Docker,
    /// Kubernetes' container runtimes: `2026-11-22T10:00:00.25Z stdout F …`.
    Cri,
}

/// A program's line.
#[derive(Debug, PartialEq)]
pub(crate) struct Unwrapped<'a> {
    pub(crate) line: Cow<'a, str>,
    /// When the runtime has taken it.
    pub(crate) ts: Option<&'a str>,
}

#[derive(Deserialize)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    time: Option<&'a str>,
}

impl Wrapper {
    /// All, each with its name in the policy.
    pub const ALL: [(&'static str, Self); 2] = [("docker", Self::Docker), ("cri", Self::Cri)];

    /// # Errors
    /// It is not wrapped like that, or is only a piece of a line: both runtimes cut lines up that are longer than 16 KiB.
    pub(crate) fn unwrap(self, line: &str) -> Result<Unwrapped<'_>, Reason> {
        match self {
            Self::Docker => {
                let outer: Docker<'_> =
                    serde_json::from_str(line).map_err(|_| Reason::NotWrapped { by: "docker" })?;
                let mut line = outer.log;
                let end = line.strip_suffix('\n').ok_or(Reason::CutUp)?.len();
                // A line break can't stand there unless it is escaped, so the text is an own one.
                line.to_mut().truncate(end);
                Ok(Unwrapped { line, ts: outer.time })
            }
            Self::Cri => {
                let mut parts = line.splitn(4, ' ');
                let (ts, stream, tag) = (parts.next(), parts.next(), parts.next());
                let is_cri = matches!(stream, Some("stdout" | "stderr"));
                match (ts, tag, parts.next()) {
                    (Some(ts), Some("F"), Some(inner)) if is_cri => {
                        Ok(Unwrapped { line: Cow::Borrowed(inner), ts: Some(ts) })
                    }
                    (Some(_), Some("P"), _) if is_cri => Err(Reason::CutUp),
                    _ => Err(Reason::NotWrapped { by: "cri" }),
                }
            }
        }
    }
}

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::name_of(self, &Self::ALL))
    }
}
