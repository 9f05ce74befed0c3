//! What a container's runtime writes around each line of its program.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
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

/// Where a program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// A program's line, or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwrapped<'a> {
    pub line: Cow<'a, str>,
    /// When the runtime has taken it.
    pub ts: Option<&'a str>,
    pub stream: Stream,
    /// Whether the line goes on in the next piece of its stream.
    pub goes_on: bool,
}

#[derive(Deserialize)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    stream: Stream,
    time: Option<&'a str>,
}

/// Bytes of a line that Docker writes at once (`defaultBufSize` of its log copier).
const DOCKER_PIECE: usize = 16 * 1024;

impl Wrapper {
    /// All, each with its name in the policy.
    pub const ALL: [(&'static str, Self); 2] = [("docker", Self::Docker), ("cri", Self::Cri)];

    /// # Errors
    /// It is not wrapped like that.
    pub fn unwrap(self, line: &str) -> Result<Unwrapped<'_>, Reason> {
        match self {
            Self::Docker => {
                let Docker { mut log, stream, time: ts } =
                    serde_json::from_str(line).map_err(|_| Reason::NotWrapped { by: "docker" })?;
                let end = log.strip_suffix('\n').map(str::len);
                // A line break can't stand there unless it is escaped, so the text is an own one.
                end.inspect(|end| log.to_mut().truncate(*end));
                // The last line of a program may lack its break; a piece is as long as what is written at once.
                let goes_on = end.is_none() && log.len() >= DOCKER_PIECE;
                Ok(Unwrapped { line: log, ts, stream, goes_on })
            }
            Self::Cri => {
                let mut parts = line.splitn(4, ' ');
                let (ts, stream, tag) = (parts.next(), parts.next(), parts.next());
                let stream = match stream {
                    Some("stdout") => Stream::Stdout,
                    Some("stderr") => Stream::Stderr,
                    _ => return Err(Reason::NotWrapped { by: "cri" }),
                };
                match (tag, parts.next()) {
                    (Some(tag @ ("F" | "P")), Some(inner)) => {
                        let goes_on = tag == "P";
                        Ok(Unwrapped { line: Cow::Borrowed(inner), ts, stream, goes_on })
                    }
                    _ => Err(Reason::NotWrapped { by: "cri" }),
                }
            }
        }
    }

    /// The stream of a line, and whether it goes on: all that is known without reading what is inside. `None`: not wrapped
    /// like that.
    pub(super) fn ending(self, line: &[u8]) -> Option<(Stream, bool)> {
        // As Docker writes the end of nearly all lines.
        const WHOLE: [(&[u8], Stream); 2] =
            [(br#"\n","stream":"stdout""#, Stream::Stdout), (br#"\n","stream":"stderr""#, Stream::Stderr)];
        let known = WHOLE.iter().find(|(end, _)| self == Self::Docker && memmem::find(line, end).is_some());
        let read = || {
            let line = std::str::from_utf8(crate::records::line_itself(line)).ok()?;
            let unwrapped = self.unwrap(line).ok()?;
            Some((unwrapped.stream, unwrapped.goes_on))
        };
        known.map(|(_, stream)| (*stream, false)).or_else(read)
    }
}

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::name_of(self, &Self::ALL))
    }
}
