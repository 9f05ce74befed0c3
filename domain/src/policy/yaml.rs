//! The YAML reader: a document's text to a [`Tree`].
//!
//! There is no limit on how much an honest file holds. What a few lines could blow up to is bounded: how much aliases
//! repeat, and how deep values are nested.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::at::At;
use super::check::Wrong;
use super::tree::{Entry, Node, Plain, Tree};

/// Values that the aliases of a document may repeat, all together.
const REPEATED_MAX: usize = 1_000_000;
/// A policy has some ten levels.
const DEPTH_MAX: usize = 64;
/// A mapping with more keys is asked by a set whether it has a key.
const FEW_KEYS: usize = 16;

/// Reads the one document of a text whose first line is the line after `lines_before`.
pub(super) fn read(text: &str, lines_before: u64) -> Result<At<Tree>, Wrong> {
    let mut reader = Reader { lines_before, ..Reader::default() };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| reader.unreadable(&error))?;
        reader.take(event, span)?;
    }
    reader.root.take().ok_or_else(|| reader.wrong((lines_before + 1, 1), "expected a mapping, found nothing"))
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    lines_before: u64,
    /// Lists and mappings that have not ended, the outermost first.
    open: Vec<Open>,
    anchors: HashMap<usize, Read>,
    repeated: usize,
    root: Option<At<Tree>>,
}

/// A value, and how many it consists of.
#[derive(Clone)]
struct Read {
    value: At<Tree>,
    size: usize,
}

struct Open {
    place: (u64, u64),
    anchor: usize,
    size: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<At<Tree>>),
    Map { entries: Vec<Entry>, key: Option<At<String>>, seen: HashSet<String> },
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Wrong> {
        let place = (span.start.line() as u64 + self.lines_before, span.start.col() as u64 + 1);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text_only = self.tag_says_text(tag.as_deref(), place)?;
                let plain = if style == ScalarStyle::Plain && !text_only { Plain::of(&text) } else { None };
                if plain.is_none() && style == ScalarStyle::Plain && text == "<<" && self.expects_key() {
                    return Err(self.wrong(place, "merge key not allowed here"));
                }
                let text = text.into_owned();
                let node = match plain {
                    Some(it) => Node::Plain(it, text),
                    None => Node::Text(text),
                };
                self.put(anchor, Read { value: at(Tree(node), place), size: 1 })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag_says_text(tag.as_deref(), place)?;
                self.begin(place, anchor, Inside::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag_says_text(tag.as_deref(), place)?;
                let inside = Inside::Map { entries: Vec::new(), key: None, seen: HashSet::new() };
                self.begin(place, anchor, inside)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.repeat(anchor, place),
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(self.wrong(place, "expected one document, found another after it"))
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, place: (u64, u64), anchor: usize, inside: Inside) -> Result<(), Wrong> {
        if self.expects_key() {
            return Err(self.wrong(place, "expected a key that is a single value"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(self.wrong(place, format!("expected at most {DEPTH_MAX} levels, one inside another")));
        }
        self.open.push(Open { place, anchor, size: 1, inside });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let Some(Open { place, anchor, size, inside }) = self.open.pop() else { return Ok(()) };
        let tree = match inside {
            Inside::List(items) => Tree::list(items),
            Inside::Map { entries, .. } => Tree::map(entries),
        };
        self.put(anchor, Read { value: at(tree, place), size })
    }

    /// An alias is what its anchor names, in the place of the alias.
    fn repeat(&mut self, anchor: usize, place: (u64, u64)) -> Result<(), Wrong> {
        let Some(Read { value, size }) = self.anchors.get(&anchor).cloned() else {
            return Err(self.wrong(place, "expected an anchor before this alias that does not hold it"));
        };
        self.repeated = self.repeated.saturating_add(size);
        if self.repeated > REPEATED_MAX {
            let message = format!("the aliases up to here repeat more than {REPEATED_MAX} values");
            return Err(self.wrong(place, message));
        }
        self.put(0, Read { value: at(value.value, place), size })
    }

    fn put(&mut self, anchor: usize, read: Read) -> Result<(), Wrong> {
        if anchor != 0 {
            self.anchors.insert(anchor, read.clone());
        }
        let Read { value, size } = read;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        open.size = open.size.saturating_add(size);
        match &mut open.inside {
            Inside::List(items) => items.push(value),
            Inside::Map { entries, key, seen } => match key.take() {
                Some(name) => entries.push((name, value)),
                None => {
                    let place = value.place();
                    let Some(name) = value.value.written() else {
                        return Err(self.wrong(place, "expected a key that is a single value"));
                    };
                    let name = name.to_owned();
                    if has(entries, seen, &name) {
                        let message = format!("duplicate mapping key `{name}` is not allowed here");
                        return Err(self.wrong(place, message));
                    }
                    *key = Some(At::new(&name, place));
                }
            },
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { inside: Inside::Map { key: None, .. }, .. }))
    }

    /// Tags of YAML's own schema say what is said anyway; others would ask for something that is not done here.
    fn tag_says_text(&self, tag: Option<&Tag>, place: (u64, u64)) -> Result<bool, Wrong> {
        match tag {
            None => Ok(false),
            Some(tag) if tag.is_yaml_core_schema() => Ok(tag.is_yaml_core_schema_tag("str")),
            Some(tag) => Err(self.wrong(place, format!("expected no tag, found `{}`", tag.original()))),
        }
    }

    fn unreadable(&self, error: &ScanError) -> Wrong {
        let at = error.marker();
        self.wrong((at.line() as u64 + self.lines_before, at.col() as u64 + 1), error.info())
    }

    fn wrong(&self, place: (u64, u64), message: impl Into<String>) -> Wrong {
        let mut path = String::new();
        for open in &self.open {
            match &open.inside {
                Inside::List(items) => path.push_str(&format!("[{}]", items.len())),
                Inside::Map { key: Some(key), .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&key.value);
                }
                Inside::Map { key: None, .. } => {}
            }
        }
        Wrong::new(place, path, message.into())
    }
}

fn at(value: Tree, (line, column): (u64, u64)) -> At<Tree> {
    At { value, line, column }
}

/// Whether a mapping has the key already; notes it.
fn has(entries: &[Entry], seen: &mut HashSet<String>, name: &str) -> bool {
    if entries.len() < FEW_KEYS {
        return entries.iter().any(|(key, _)| key.value == name);
    }
    if seen.is_empty() {
        seen.extend(entries.iter().map(|(key, _)| key.value.clone()));
    }
    !seen.insert(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let wrong = read(text, 0).unwrap_err();
        format!("{}:{}: {}: {}", wrong.line, wrong.column, wrong.path, wrong.message)
    }

    /// PO-1: an honest file has no limit of nodes.
    #[test]
    fn a_file_may_hold_as_much_as_it_needs() {
        let text: String = (0..300_000).map(|it| format!("key-{it}: [{it}]\n")).collect();
        let tree = read(&text, 0).unwrap();
        assert_eq!(tree.value.entries().len(), 300_000);
        assert!(error(&format!("{text}key-7: again\n")).contains("duplicate mapping key `key-7`"));
    }

    /// PO-1
    #[test]
    fn an_alias_is_what_its_anchor_names_where_it_stands() {
        let tree = read("a: &it { x: 1 }\nb: *it\n", 10).unwrap();
        let (a, b) = (tree.value.get("a").unwrap(), tree.value.get("b").unwrap());
        assert_eq!((a.value.identity(), b.place()), (b.value.identity(), (12, 4)));
        assert_eq!(
            error("a: &it [*it]\n"),
            "1:9: a[0]: expected an anchor before this alias that does not hold it"
        );
        assert!(error("a: *nobody\n").starts_with("1:4: a: "), "{}", error("a: *nobody\n"));
    }

    /// PO-1: nine lines that stand for ten to the ninth values.
    #[test]
    fn aliases_repeat_only_so_much() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = level - 1;
            let ten = vec![format!("*a{before}"); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{ten}]\n"));
        }
        assert!(error(&text).contains("repeat more than 1000000 values"), "{}", error(&text));
    }

    /// PO-1
    #[test]
    fn what_no_policy_has_is_refused() {
        let deep = format!("a: {}{}\n", "[".repeat(80), "]".repeat(80));
        for (text, expected) in [
            (deep.as_str(), "expected at most 64 levels"),
            ("? [a, b]\n: c\n", "1:3: : expected a key that is a single value"),
            ("a: !secret b\n", "1:12: a: expected no tag, found `!secret`"),
            ("a: 1\n---\nb: 2\n", "2:1: : expected one document, found another after it"),
            ("# nothing\n", "1:1: : expected a mapping, found nothing"),
            ("a: [\n", "a[0]: "),
        ] {
            assert!(error(text).contains(expected), "{text}: {}", error(text));
        }
        assert_eq!(
            read("a: !!str 5\n", 0).unwrap().value.get("a").unwrap().value,
            Tree(Node::Text("5".into()))
        );
    }
}
