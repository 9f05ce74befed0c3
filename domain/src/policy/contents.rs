//! A policy's text taken apart: the files it was put together from, its templates, and its targets, each where it stands.

use std::collections::HashMap;

use shared_types::TargetName;

use super::at::At;
use super::check::{Path, Wrong, WrongPlaces, one_of};
use super::forms::Whole;
use super::kind_section::Section;
use super::overlay::Overlaid;
use super::section::raw_target::{self, TEMPLATE};
use super::section::retention::RawRetention;
use super::stream::{self, Part, Pattern};
use super::tree::{Entry, Node, Tree};
use super::yaml;

/// The keys of a policy.
const KEYS: [&str; 5] = ["version", TEMPLATES, stream::KEY, TARGETS, "retention"];
const TEMPLATES: &str = "templates";
const TARGETS: &str = "targets";

/// A place in the text.
type Spot = (u64, u64);

/// See the module.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    pub(super) parts: Vec<Part<'a>>,
    pub(super) version: Option<At<Whole>>,
    pub(super) retention: Option<RawRetention>,
    templates: Vec<Template>,
    by_name: HashMap<String, usize>,
    /// In the order of the text.
    pub(super) targets: Vec<Entry>,
    /// Where they begin, or should.
    pub(super) targets_at: Spot,
}

#[derive(Debug)]
struct Template {
    name: String,
    value: At<Tree>,
    /// Up to what follows it.
    end: Spot,
}

impl<'a> Contents<'a> {
    /// What has not the shape of a policy is noted; targets are not looked into.
    pub(super) fn of(text: &'a str, wrong: &mut WrongPlaces) -> Self {
        let mut contents = Self {
            parts: stream::parts(text),
            version: None,
            retention: None,
            templates: Vec::new(),
            by_name: HashMap::new(),
            targets: Vec::new(),
            targets_at: (1, 1),
        };
        for part in contents.parts.clone() {
            let Some(root) = wrong.note(yaml::read(part.text, part.lines_before)) else { continue };
            if !matches!(root.value.0, Node::Map(_)) {
                wrong.add(root.wrong(&Path::root(), "expected a mapping"));
            } else if part.name.is_none() {
                contents.take_policy(&root, wrong);
            } else {
                contents.take_targets(&root, wrong);
            }
        }
        contents.no_target_twice(wrong);
        contents
    }

    fn take_policy(&mut self, root: &At<Tree>, wrong: &mut WrongPlaces) {
        known_keys(root, &KEYS, wrong);
        let path = Path::root();
        self.version = required(root, "version", wrong);
        self.retention = required(root, "retention", wrong);
        if let Some(templates) = root.value.get(TEMPLATES) {
            let at = root.value.entries().iter().position(|(key, _)| key.value == TEMPLATES);
            let after = at.and_then(|at| root.value.entries().get(at + 1)).map(|(key, _)| key.place());
            self.take_templates(templates, after, wrong);
        }
        let patterns = root.value.get(stream::KEY);
        if let Some(patterns) = patterns {
            self.take_patterns(patterns, wrong);
        } else {
            for part in self.parts.iter().filter(|part| part.name.is_some()) {
                let message = format!("no `{}` of the policy names this file", stream::KEY);
                wrong.add(Wrong::new((part.lines_before + 1, 1), String::new(), message));
            }
        }
        match root.value.get(TARGETS) {
            Some(targets) => {
                self.targets_at = targets.place();
                self.add_targets(targets, wrong);
            }
            None if patterns.is_some() => self.targets_at = root.place(),
            None => wrong.add(root.wrong(&path, format!("the key `{TARGETS}` is missing"))),
        }
    }

    /// A file of targets: it holds them and nothing else.
    fn take_targets(&mut self, root: &At<Tree>, wrong: &mut WrongPlaces) {
        known_keys(root, &[TARGETS], wrong);
        match root.value.get(TARGETS) {
            Some(targets) => self.add_targets(targets, wrong),
            None => wrong.add(root.wrong(&Path::root(), format!("the key `{TARGETS}` is missing"))),
        }
    }

    fn add_targets(&mut self, targets: &At<Tree>, wrong: &mut WrongPlaces) {
        let path = Path::root().key(TARGETS);
        self.targets.extend(named_mappings(targets, &path, wrong).cloned());
    }

    fn take_templates(&mut self, templates: &At<Tree>, after: Option<Spot>, wrong: &mut WrongPlaces) {
        let path = Path::root().key(TEMPLATES);
        let entries: Vec<&Entry> = named_mappings(templates, &path, wrong).collect();
        let ends = entries.iter().skip(1).map(|(key, _)| key.place()).map(Some).chain([after]);
        let ends: Vec<Spot> = ends.map(|end| end.unwrap_or((self.own_lines() + 1, 0))).collect();
        for ((name, value), end) in entries.into_iter().zip(ends) {
            raw_target::check_template(value, &path.key(&name.value), wrong);
            self.by_name.insert(name.value.clone(), self.templates.len());
            self.templates.push(Template { name: name.value.clone(), value: value.clone(), end });
        }
    }

    /// Lines of the policy's own file.
    fn own_lines(&self) -> u64 {
        self.parts.get(1).map_or(u64::MAX - 1, |next| next.lines_before)
    }

    /// Each file is one that is asked for, and each pattern has files.
    fn take_patterns(&self, patterns: &At<Tree>, wrong: &mut WrongPlaces) {
        let path = Path::root().key(stream::KEY);
        let mut known = Vec::new();
        for (index, text) in texts(patterns).into_iter().enumerate() {
            let path = if std::ptr::eq(text, patterns) { path.clone() } else { path.index(index) };
            let Some(written) = text.value.written().filter(|_| !text.value.is_null()) else {
                wrong.add(
                    text.wrong(&path, "expected files beside or below the policy, such as teams/*.yaml"),
                );
                continue;
            };
            match Pattern::parse(written) {
                Err(message) => wrong.add(text.wrong(&path, message)),
                Ok(pattern) => {
                    let names = self.parts.iter().filter_map(|part| part.name);
                    if names.clone().all(|name| !pattern.names(name)) {
                        wrong.add(text.wrong(&path, format!("no file is there for `{written}`")));
                    }
                    known.push(pattern);
                }
            }
        }
        for part in &self.parts {
            if part.name.is_some_and(|name| known.iter().all(|pattern| !pattern.names(name))) {
                let message = format!("no `{}` of the policy names this file", stream::KEY);
                wrong.add(Wrong::new((part.lines_before + 1, 1), String::new(), message));
            }
        }
    }

    fn no_target_twice(&mut self, wrong: &mut WrongPlaces) {
        let mut first: HashMap<&str, Spot> = HashMap::with_capacity(self.targets.len());
        let mut twice = Vec::new();
        for (index, (key, _)) in self.targets.iter().enumerate() {
            let before = *first.entry(&key.value).or_insert_with(|| key.place());
            if before == key.place() {
                continue;
            }
            twice.push(index);
            let place = stream::part_of(&self.parts, before.0).map_or_else(String::new, |part| {
                let file =
                    part.name.map_or_else(|| "the policy's own file".to_owned(), |name| format!("`{name}`"));
                format!(" in {file}, line {}", before.0 - part.lines_before)
            });
            let message = format!("the target `{}` stands there twice, first{place}", key.value);
            wrong.add(key.wrong(&Path::root().key(TARGETS).key(&key.value), message));
        }
        let mut index = 0;
        self.targets.retain(|_| {
            index += 1;
            twice.binary_search(&(index - 1)).is_err()
        });
    }

    /// A target with what its template says; none if there is no such template, which is noted.
    pub(super) fn overlaid(
        &self,
        target: &At<Tree>,
        path: &Path,
        wrong: &mut WrongPlaces,
    ) -> Option<Overlaid> {
        let Some(named) = target.value.get(TEMPLATE).filter(|it| !it.value.is_null()) else {
            return Some(Overlaid::alone(target));
        };
        let name = named.value.written().unwrap_or_default();
        if let Some(index) = self.by_name.get(name) {
            return Some(Overlaid::over(&self.templates[*index].value, target));
        }
        let known: Vec<&str> = self.templates.iter().map(|it| it.name.as_str()).collect();
        let message = match known.as_slice() {
            [] => format!("there is no template `{name}`; the policy has none"),
            known => format!("there is no template `{name}`; expected {}", one_of(known)),
        };
        wrong.add(named.wrong(&path.key(TEMPLATE), message));
        None
    }

    /// The template that a place stands in.
    pub(super) fn template_at(&self, place: Spot) -> Option<&str> {
        let after = self.templates.partition_point(|it| it.value.place() <= place);
        let template = &self.templates[after.checked_sub(1)?];
        (place < template.end).then_some(template.name.as_str())
    }

    /// A path to what a target has from its template, as a path to where that stands.
    pub(super) fn path_at(&self, place: Spot, path: String) -> String {
        let Some(template) = self.template_at(place) else { return path };
        let Some(inside) = path.strip_prefix("targets.") else { return path };
        let rest = inside.find(['.', '[']).map_or("", |end| &inside[end..]);
        format!("{TEMPLATES}.{template}{rest}")
    }
}

/// What a policy's own file asks for beside itself; what is wrong there is told when the whole is read.
pub(crate) fn patterns(text: &str) -> Vec<Pattern> {
    let root = yaml::read(text, 0).ok();
    let patterns = root.as_ref().and_then(|root| root.value.get(stream::KEY));
    let texts = patterns.map(texts).unwrap_or_default();
    texts.into_iter().filter_map(|it| Pattern::parse(it.value.written()?).ok()).collect()
}

/// The items of a list, or the one value that stands there instead.
fn texts(patterns: &At<Tree>) -> Vec<&At<Tree>> {
    match &patterns.value.0 {
        Node::List(items) if !items.is_empty() => items.iter().collect(),
        _ => vec![patterns],
    }
}

fn known_keys(root: &At<Tree>, known: &[&str], wrong: &mut WrongPlaces) {
    for (key, _) in root.value.entries().iter().filter(|(key, _)| !known.contains(&key.value.as_str())) {
        let message = format!("unknown key `{}`; expected {}", key.value, one_of(known));
        wrong.add(key.wrong(&Path::root().key(&key.value), message));
    }
}

fn required<T: serde::de::DeserializeOwned>(
    root: &At<Tree>,
    key: &str,
    wrong: &mut WrongPlaces,
) -> Option<T> {
    match root.value.get(key) {
        Some(value) => wrong.note(Section::of_policy(value, key).read()),
        None => {
            wrong.add(root.wrong(&Path::root(), format!("the key `{key}` is missing")));
            None
        }
    }
}

/// The entries of a mapping whose keys are names and whose values are mappings; others are noted.
fn named_mappings<'t>(
    mapping: &'t At<Tree>,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> impl Iterator<Item = &'t Entry> {
    if !matches!(mapping.value.0, Node::Map(_)) {
        wrong.add(mapping.wrong(path, "expected a mapping"));
    }
    let mut entries = Vec::with_capacity(mapping.value.entries().len());
    for entry @ (key, value) in mapping.value.entries() {
        if let Err(error) = TargetName::parse(&key.value) {
            wrong.add(key.wrong(&path.key(&key.value), error.to_string()));
        } else if matches!(value.value.0, Node::Map(_)) {
            entries.push(entry);
        } else {
            wrong.add(value.wrong(&path.key(&key.value), "expected a mapping"));
        }
    }
    entries.into_iter()
}
