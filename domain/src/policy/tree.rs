//! A policy's text as a tree of values that know their place, before anything is asked of their shape.
//!
//! What a value is made of is shared: a copy of a branch costs nothing, so ten thousand targets can hold one template.

use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::at::At;

/// A value, as YAML means it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<T> {
    /// What is no text, as it is written.
    Plain(Plain, String),
    Text(String),
    List(Arc<Vec<T>>),
    /// In the file's order.
    Map(Arc<Vec<(At<String>, T)>>),
}

/// A scalar that is no text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    Whole(u64),
    Number(f64),
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree(pub(crate) Node<At<Tree>>);

/// A mapping's entry.
pub(crate) type Entry = (At<String>, At<Tree>);

impl Tree {
    pub(crate) fn list(items: Vec<At<Self>>) -> Self {
        Self(Node::List(Arc::new(items)))
    }

    pub(crate) fn map(entries: Vec<Entry>) -> Self {
        Self(Node::Map(Arc::new(entries)))
    }

    /// The entries of a mapping; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.0 {
            Node::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value under a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&At<Self>> {
        self.entries().iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.0, Node::Plain(Plain::Null, _))
    }

    /// A scalar as it is written; none of a list and a mapping.
    pub(crate) fn written(&self) -> Option<&str> {
        match &self.0 {
            Node::Plain(_, text) | Node::Text(text) => Some(text),
            Node::List(_) | Node::Map(_) => None,
        }
    }

    /// Which list or mapping it is: the same of copies. None of a scalar.
    pub(crate) fn identity(&self) -> Option<usize> {
        match &self.0 {
            Node::List(items) => Some(Arc::as_ptr(items).addr()),
            Node::Map(entries) => Some(Arc::as_ptr(entries).addr()),
            Node::Plain(..) | Node::Text(_) => None,
        }
    }
}

impl Plain {
    /// What a scalar without quotes means (YAML 1.2, core schema); none: it is a text.
    pub(crate) fn of(text: &str) -> Option<Self> {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Some(Self::Null),
            "true" | "True" | "TRUE" => return Some(Self::Bool(true)),
            "false" | "False" | "FALSE" => return Some(Self::Bool(false)),
            _ => {}
        }
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        match unsigned {
            ".nan" | ".NaN" | ".NAN" => return Some(Self::Number(f64::NAN)),
            ".inf" | ".Inf" | ".INF" => {
                return Some(Self::Number(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
            }
            _ => {}
        }
        if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
            return None;
        }
        match whole(unsigned) {
            Some(it) if !negative => Some(Self::Whole(it)),
            // Whatever is negative is wrong wherever it stands, so its kind does not matter.
            Some(it) => Some(Self::Number(-rounded(it))),
            None => text.parse().ok().map(Self::Number),
        }
    }
}

fn whole(digits: &str) -> Option<u64> {
    let based = |prefix: &str, radix: u32| {
        let digits = digits.strip_prefix(prefix)?;
        digits
            .starts_with(|it: char| it.is_ascii_hexdigit())
            .then(|| u64::from_str_radix(digits, radix).ok())?
    };
    let decimal = || {
        let plain = digits == "0" || !digits.starts_with('0');
        digits.parse().ok().filter(|_| plain)
    };
    based("0x", 16).or_else(|| based("0o", 8)).or_else(decimal)
}

#[allow(clippy::cast_precision_loss, reason = "it is refused anyway")]
fn rounded(it: u64) -> f64 {
    it as f64
}

/// From a section that was read already: what a scalar was written like is lost, what it means is not.
impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree(Node::Plain(Plain::Null, "null".to_owned())))
            }
            fn visit_bool<E>(self, it: bool) -> Result<Tree, E> {
                Ok(Tree(Node::Plain(Plain::Bool(it), it.to_string())))
            }
            fn visit_u64<E>(self, it: u64) -> Result<Tree, E> {
                Ok(Tree(Node::Plain(Plain::Whole(it), it.to_string())))
            }
            fn visit_f64<E>(self, it: f64) -> Result<Tree, E> {
                let text = match it {
                    it if it.is_nan() => ".nan".to_owned(),
                    it if it.is_infinite() => if it > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
                    it => it.to_string(),
                };
                Ok(Tree(Node::Plain(Plain::Number(it), text)))
            }
            fn visit_str<E>(self, it: &str) -> Result<Tree, E> {
                Ok(Tree(Node::Text(it.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Tree::list(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Tree::map(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PO-1
    #[test]
    fn a_scalar_without_quotes_is_what_yaml_says() {
        for (text, expected) in [
            ("", Some(Plain::Null)),
            ("~", Some(Plain::Null)),
            ("True", Some(Plain::Bool(true))),
            ("yes", None),
            ("0", Some(Plain::Whole(0))),
            ("15", Some(Plain::Whole(15))),
            ("0x10", Some(Plain::Whole(16))),
            ("0x-1", None),
            ("-1", Some(Plain::Number(-1.0))),
            ("1.0", Some(Plain::Number(1.0))),
            (".5", Some(Plain::Number(0.5))),
            ("1e400", Some(Plain::Number(f64::INFINITY))),
            ("-.inf", Some(Plain::Number(f64::NEG_INFINITY))),
            ("007", Some(Plain::Number(7.0))),
            ("inf", None),
            ("15m", None),
            ("80%", None),
            ("+", None),
            ("-", None),
            (".", None),
        ] {
            assert_eq!(Plain::of(text), expected, "{text}");
        }
        assert!(matches!(Plain::of(".nan"), Some(Plain::Number(it)) if it.is_nan()));
    }
}
