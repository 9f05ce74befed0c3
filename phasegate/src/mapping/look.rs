//! The lines of a log, each taken apart into what stands at its paths.

use std::collections::{BTreeMap, BTreeSet};

use events::map::{PRESETS, Preset, Wrapper};
use events::records::line_itself;
use serde_json::Value;

/// Objects within objects that are gone into.
const DEPTH: usize = 8;
/// Lines by which it is told who has written them.
const TOLD_BY: usize = 500;

/// What a path of a line holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar {
    Text(String),
    Number(String),
    Bool(bool),
}

impl Scalar {
    /// As it is written there.
    pub(super) fn written(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
        }
    }
}

/// An object, by path.
pub(super) type Object = BTreeMap<String, Scalar>;

/// A log, looked at.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) wrapper: Option<Wrapper>,
    /// The logger whose lines these look like.
    pub(super) preset: Option<&'static Preset>,
    pub(super) objects: Vec<Object>,
    /// Of all objects.
    paths: BTreeSet<String>,
    /// Lines that do not begin as an object, once what is around them was taken off.
    pub(super) texts: u64,
}

impl Look {
    pub(crate) fn at(lines: &[&[u8]]) -> Self {
        let lines = lines.iter().filter_map(|line| std::str::from_utf8(line_itself(line)).ok());
        let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
        let wrapper = Wrapper::ALL.iter().map(|(_, it)| *it).find(|it| wraps(*it, &lines));
        let mut look = Self { wrapper, preset: None, objects: Vec::new(), paths: BTreeSet::new(), texts: 0 };
        for line in lines {
            match wrapper.map(|it| it.unwrap(line)) {
                Some(Ok(inside)) if inside.goes_on => {}
                Some(Ok(inside)) => look.add(&inside.line),
                Some(Err(_)) => {}
                None => look.add(line),
            }
        }
        look.preset = look.logger();
        for path in look.objects.iter().flat_map(BTreeMap::keys) {
            if !look.paths.contains(path) {
                look.paths.insert(path.clone());
            }
        }
        look
    }

    fn add(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Value::Object(object)) => {
                let mut flat = Object::new();
                flatten(&Value::Object(object), "", DEPTH, &mut flat);
                self.objects.push(flat);
            }
            _ if line.trim_start().starts_with('{') => {}
            _ => self.texts += 1,
        }
    }

    /// The preset that nearly all lines are like.
    fn logger(&self) -> Option<&'static Preset> {
        let told_by = &self.objects[..self.objects.len().min(TOLD_BY)];
        let likeness = |preset: &Preset| -> u32 {
            let of = |object: &Object| preset.likeness(|path| object.get(path).map(Scalar::written));
            told_by.iter().map(of).sum()
        };
        // What is only like in time and text may be anybody's.
        let enough = u32::try_from(told_by.len()).unwrap_or(u32::MAX).saturating_mul(80);
        let best = PRESETS.iter().rev().max_by_key(|preset| likeness(preset))?;
        (likeness(best) >= enough.max(1)).then_some(best)
    }

    /// All paths, in order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// What stands at a path, where it stands.
    pub(super) fn at_path<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Scalar> {
        self.objects.iter().filter_map(move |object| object.get(path))
    }
}

/// Whether nearly all lines look wrapped like that.
fn wraps(wrapper: Wrapper, lines: &[&str]) -> bool {
    let told_by = &lines[..lines.len().min(TOLD_BY)];
    let wrapped = told_by.iter().filter(|line| wrapper.unwrap(line).is_ok()).count();
    !told_by.is_empty() && wrapped * 10 >= told_by.len() * 9
}

fn flatten(value: &Value, path: &str, depth: usize, flat: &mut Object) {
    let scalar = match value {
        Value::String(text) => Scalar::Text(text.clone()),
        Value::Number(number) => Scalar::Number(number.to_string()),
        Value::Bool(bool) => Scalar::Bool(*bool),
        Value::Object(entries) if depth > 0 => {
            for (key, value) in entries {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(value, &below, depth - 1, flat);
            }
            return;
        }
        Value::Object(_) | Value::Array(_) | Value::Null => return,
    };
    flat.insert(path.to_owned(), scalar);
}
