//! An app's own log as telemetry (TE-7): where a foreign line keeps the parts of an event, and what they mean.
//!
//! A line is read as it stands: of every path that the map names the value is taken as it is written, and what it means is
//! said here. A path is the keys on the way to a value, with dots between them: `err.code` is `{"err":{"code":…}}` and
//! `{"err.code":…}` alike.

mod moment;
mod pattern;
mod pieces;
mod preset;
mod span;
mod wrapper;

use std::borrow::Cow;
use std::fmt;

pub use moment::TimeFormat;
pub use pattern::{Pattern, PatternError};
pub(crate) use pieces::{Begun, Pieces};
pub use preset::{PRESETS, Preset};
pub use span::Unit;
pub use wrapper::{Stream, Unwrapped, Wrapper};

use crate::fields::{Field, Fields, Value};
use crate::{ErrorDetail, Event, EventSpecs, Reason};

/// The code of an error that names none.
pub const NO_CODE: &str = "none";

/// Where the parts stand, as the policy says it; shown in one line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    pub wrapper: Option<Wrapper>,
    /// Of the wrapper where it is none.
    pub ts: Option<(String, TimeFormat)>,
    /// The path whose value names the event.
    pub name: String,
    /// What its values mean: the first pattern that fits decides. A value that none fits is taken as it is where it is the name
    /// of an event of the policy.
    pub events: Vec<(Pattern, String)>,
    /// Whether any other value is of an unknown event, and not ignored.
    pub others_are_unknown: bool,
    pub duration: Option<(String, Unit)>,
    pub code: Option<String>,
    pub retryable: Option<String>,
    pub event_id: Option<String>,
    pub session: Option<String>,
    pub variant: Option<String>,
    /// A line is ignored unless the value at each path fits one of its patterns.
    pub only: Vec<(String, Vec<Pattern>)>,
    /// Whether lines are ignored that do not begin as a JSON object.
    pub ignores_text: bool,
}

impl Rules {
    /// The event that a value of the name means by an entry of its own.
    fn meaning(&self, value: &str) -> Option<&str> {
        let entry = self.events.iter().find(|(pattern, _)| pattern.fits(value));
        entry.map(|(_, event)| event.as_str())
    }

    /// Whether a line with that value of the name is an event, be it an unknown one; any other is ignored.
    #[must_use]
    pub fn is_event(&self, value: &str, specs: &EventSpecs) -> bool {
        self.meaning(value).is_some() || specs.find_event(value, None).is_some() || self.others_are_unknown
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wrapper, ts, name, events, others_are_unknown, duration, only, ignores_text, .. } = self;
        write!(f, "name {name}")?;
        for (value, event) in events {
            write!(f, ", {value} -> {event}")?;
        }
        f.write_str(if *others_are_unknown { ", others unknown" } else { ", others ignored" })?;
        if let Some((path, format)) = ts {
            write!(f, ", ts {path} {format}")?;
        }
        if let Some((path, unit)) = duration {
            write!(f, ", duration {path} {unit}")?;
        }
        let paths = [
            ("code", &self.code),
            ("retryable", &self.retryable),
            ("event_id", &self.event_id),
            ("session", &self.session),
            ("variant", &self.variant),
        ];
        for (key, path) in paths.iter().filter_map(|(key, path)| Some((key, path.as_ref()?))) {
            write!(f, ", {key} {path}")?;
        }
        for (path, patterns) in only {
            let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            write!(f, ", if {path} {}", patterns.join(" or "))?;
        }
        if let Some(wrapper) = wrapper {
            write!(f, ", wrapped by {wrapper}")?;
        }
        if *ignores_text { f.write_str(", text lines ignored") } else { Ok(()) }
    }
}

/// The map asks for more than is read of a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at most {} different paths in a map", Field::ALL)]
pub struct TooManyPaths;

/// [`Rules`], with the places of the paths in a line's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    rules: Rules,
    paths: Vec<String>,
    ts: Option<Field>,
    name: Field,
    duration: Option<Field>,
    code: Option<Field>,
    retryable: Option<Field>,
    event_id: Option<Field>,
    session: Option<Field>,
    variant: Option<Field>,
    only: Vec<Field>,
}

impl Map {
    /// # Errors
    /// [`TooManyPaths`].
    pub fn new(rules: Rules) -> Result<Self, TooManyPaths> {
        let mut paths: Vec<String> = Vec::new();
        let mut place = |path: &String| {
            let at = paths.iter().position(|known| known == path).unwrap_or_else(|| {
                paths.push(path.clone());
                paths.len() - 1
            });
            Field::mapped(at)
        };
        let map = Self {
            ts: rules.ts.as_ref().map(|(path, _)| place(path)),
            name: place(&rules.name),
            duration: rules.duration.as_ref().map(|(path, _)| place(path)),
            code: rules.code.as_ref().map(&mut place),
            retryable: rules.retryable.as_ref().map(&mut place),
            event_id: rules.event_id.as_ref().map(&mut place),
            session: rules.session.as_ref().map(&mut place),
            variant: rules.variant.as_ref().map(&mut place),
            only: rules.only.iter().map(|(path, _)| place(path)).collect(),
            paths: Vec::new(),
            rules,
        };
        if paths.len() > Field::ALL {
            return Err(TooManyPaths);
        }
        Ok(Self { paths, ..map })
    }

    /// What the policy says.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The field at a path, if anything asks for it.
    pub(crate) fn field(&self, path: &str) -> Option<Field> {
        self.paths.iter().position(|known| known == path).map(Field::mapped)
    }

    /// Whether something is asked for below a path.
    pub(crate) fn leads_on(&self, path: &str) -> bool {
        let below = |known: &String| known.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.paths.iter().any(below)
    }

    /// What is inside of the wrapper.
    pub(crate) fn unwrap<'a>(&self, line: &'a str) -> Result<Unwrapped<'a>, Reason> {
        Ok(match self.rules.wrapper {
            Some(wrapper) => wrapper.unwrap(line)?,
            None => Unwrapped { line: Cow::Borrowed(line), ts: None, stream: Stream::Stdout, goes_on: false },
        })
    }

    /// Whether the map ignores a line for being no object.
    pub(crate) fn ignores_text(&self, line: &str) -> bool {
        self.rules.ignores_text && !line.trim_start().starts_with('{')
    }

    /// How many of these bytes, which are whole lines, can be read without what follows them.
    pub(crate) fn settled(&self, lines: &[u8]) -> usize {
        self.rules.wrapper.map_or(lines.len(), |wrapper| pieces::settled(wrapper, lines))
    }

    /// The event of a line with these fields. `None`: the map ignores it.
    pub(crate) fn interpret<'a>(
        &self,
        fields: &Fields<'a>,
        wrapper_ts: Option<&str>,
        specs: &EventSpecs,
    ) -> Result<Option<Event<'a>>, Reason> {
        let mut only = self.only.iter().zip(&self.rules.only);
        if !only.all(|(field, (_, patterns))| fits(fields.get(*field), patterns)) {
            return Ok(None);
        }
        let Some(name) = self.event(fields, specs) else { return Ok(None) };
        let ts_ms = match (self.ts, &self.rules.ts) {
            (Some(field), Some((path, format))) => {
                let text = written(fields.get(field)).ok_or_else(|| Reason::missing(path))?;
                format
                    .parse_ms(&text)
                    .ok_or_else(|| Reason::BadTimeAt { field: path.clone(), format: *format })?
            }
            _ => {
                let text = wrapper_ts.ok_or_else(|| Reason::missing("ts"))?;
                TimeFormat::Rfc3339.parse_ms(text).ok_or(Reason::BadTime)?
            }
        };
        let text = |field: Option<Field>| {
            field.and_then(|field| written(fields.get(field))).filter(|text| !text.is_empty())
        };
        let index = specs.find_event(&name, text(self.variant).as_deref());
        let event_id = text(self.event_id);
        let mut event = Event {
            ts_ms,
            name: index,
            unknown: None,
            event_id,
            duration_ms: 0.0,
            error: None,
            session: None,
        };
        let Some((index, spec)) = index.and_then(|index| Some((index, specs.get(index)?))) else {
            event.unknown = Some(Cow::Owned(name.into_owned()));
            return Ok(Some(event));
        };
        if spec.error || !specs.errors_of_attempt(index).is_empty() {
            event.session = text(self.session);
        }
        if let (Some(field), Some((path, unit))) = (self.duration, &self.rules.duration)
            && spec.duration.is_some()
        {
            let text = written(fields.get(field)).ok_or_else(|| Reason::missing(path))?;
            let ms = unit.parse_ms(&text).ok_or_else(|| Reason::wrong_type(path, "a duration"))?;
            event.duration_ms = crate::duration(&Value::Number(ms), || path.clone())?;
        }
        if spec.error {
            let code = text(self.code).unwrap_or(Cow::Borrowed(NO_CODE));
            let retryable = self.retryable.and_then(|field| match fields.get(field) {
                Value::Bool(retryable) => Some(*retryable),
                Value::Text(text) => text.parse().ok(),
                _ => None,
            });
            event.error = Some(ErrorDetail { code, retryable });
        }
        Ok(Some(event))
    }

    /// The name of the event that a line tells, or of an unknown one.
    fn event<'m>(&'m self, fields: &'m Fields<'_>, specs: &EventSpecs) -> Option<Cow<'m, str>> {
        let value = written(fields.get(self.name)).unwrap_or(Cow::Borrowed(""));
        match self.rules.meaning(&value) {
            Some(event) => Some(Cow::Borrowed(event)),
            None => self.rules.is_event(&value, specs).then_some(value),
        }
    }
}

fn name_of<T: PartialEq>(it: &T, all: &[(&'static str, T)]) -> &'static str {
    all.iter().find(|(_, other)| other == it).map_or("", |(name, _)| name)
}

/// A text or a number as it stands there, a truth value as its word.
fn written<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Absent | Value::Other => None,
    }
}

fn fits(value: &Value<'_>, patterns: &[Pattern]) -> bool {
    let text = written(value);
    patterns.iter().any(|pattern| pattern.fits_what_may_be_absent(text.as_deref()))
}

#[cfg(test)]
mod tests;
