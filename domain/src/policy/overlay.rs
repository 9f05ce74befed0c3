//! A target laid over its template: what the target says goes before what the template says.
//!
//! Mappings are laid over each other key by key, as deep as they go; anything else, lists above all, is replaced whole. A key with
//! nothing in it (`null`) takes the template's away. So does a JSON merge patch (RFC 7396).

use std::sync::Arc;

use super::at::At;
use super::tree::{Entry, Node, Tree};

/// A target's keys, each with whether its value is the template's own.
#[derive(Debug)]
pub(crate) struct Overlaid {
    /// Where the target's own begin.
    pub(super) place: (u64, u64),
    entries: Vec<(Entry, bool)>,
}

impl Overlaid {
    /// A target that names no template.
    pub(super) fn alone(own: &At<Tree>) -> Self {
        let entries = own.value.entries().iter().map(|entry| (entry.clone(), false));
        Self { place: own.place(), entries: entries.collect() }
    }

    /// A target over a template.
    pub(super) fn over(template: &At<Tree>, own: &At<Tree>) -> Self {
        let entries = laid(template.value.entries(), own.value.entries());
        Self { place: own.place(), entries }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &At<String>> {
        self.entries.iter().map(|((key, _), _)| key)
    }

    /// The value under a key, and whether it is the template's own.
    pub(super) fn get(&self, key: &str) -> Option<(&At<Tree>, bool)> {
        let found = self.entries.iter().find(|((name, _), _)| name.value == key);
        found.map(|((_, value), of_template)| (value, *of_template))
    }
}

fn laid(below: &[Entry], above: &[Entry]) -> Vec<(Entry, bool)> {
    let mut entries = Vec::with_capacity(below.len() + above.len());
    for entry in below {
        match above.iter().find(|(key, _)| key.value == entry.0.value) {
            None => entries.push((entry.clone(), true)),
            Some((_, value)) if value.value.is_null() => {}
            Some((key, value)) => entries.push(((key.clone(), over(&entry.1, value)), false)),
        }
    }
    let is_below = |key: &str| below.iter().any(|(name, _)| name.value == key);
    let new = above.iter().filter(|(key, value)| !is_below(&key.value) && !value.value.is_null());
    entries.extend(new.map(|entry| (entry.clone(), false)));
    entries
}

fn over(below: &At<Tree>, above: &At<Tree>) -> At<Tree> {
    let (Node::Map(under), Node::Map(upper)) = (&below.value.0, &above.value.0) else { return above.clone() };
    let entries = laid(under, upper).into_iter().map(|(entry, _)| entry).collect();
    At { value: Tree(Node::Map(Arc::new(entries))), line: above.line, column: above.column }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::yaml;

    fn written(value: &At<Tree>) -> String {
        match &value.value.0 {
            Node::List(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(" ")),
            Node::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{}: {}", key.value, written(value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
            }
            _ => value.value.written().unwrap_or_default().to_owned(),
        }
    }

    /// PO-1
    #[test]
    fn what_a_target_says_goes_before_what_its_template_says() {
        for (template, own, expected) in [
            ("{a: 1, b: 2}", "{b: 3}", "a: 1 b: 3"),
            ("{a: {b: {c: 1, d: 2}}}", "{a: {b: {c: 3}, e: 4}}", "a: {b: {c: 3 d: 2} e: 4}"),
            ("{a: [1, 2, 3]}", "{a: [4]}", "a: [4]"),
            ("{a: {b: 1}}", "{a: x}", "a: x"),
            ("{a: {b: 1, c: 2}, d: 1}", "{a: {b: null}, d: ~, e: null}", "a: {c: 2}"),
        ] {
            let [template, own] = [template, own].map(|text| yaml::read(text, 0).unwrap());
            let laid = Overlaid::over(&template, &own);
            let entries =
                laid.entries.iter().map(|((key, value), _)| format!("{}: {}", key.value, written(value)));
            assert_eq!(entries.collect::<Vec<_>>().join(" "), expected);
        }
    }

    #[test]
    fn a_value_that_the_target_leaves_alone_is_the_templates_own() {
        let [template, own] =
            ["{a: {b: 1}, c: {d: 1}}", "{c: {e: 1}}"].map(|text| yaml::read(text, 0).unwrap());
        let laid = Overlaid::over(&template, &own);
        let (a, of_template) = laid.get("a").unwrap();
        assert_eq!(
            (a.value.identity(), of_template),
            (template.value.get("a").unwrap().value.identity(), true)
        );
        assert!(!laid.get("c").unwrap().1);
    }
}
