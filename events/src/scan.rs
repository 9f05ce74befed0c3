//! The fast reader: one pass over a flat JSON object without escapes, on a text that is known to have none.
//!
//! It may only ever say "I read exactly what serde_json would" or "ask the other"; a property test in the
//! parent module holds it to that. Nested values, escapes, repeated fields and everything malformed go to
//! the other reader.

use std::borrow::Cow;
use std::ops::Range;

use super::fields::{Field, Fields, Value};
use super::{EventSpecs, Map, strings};

/// Fills in the fields of a plain text, by the map if there is one; `None` when the strict reader has to look. Each scalar is
/// told, where it stands and which field it is of.
#[inline]
pub(super) fn read_any<'a>(
    text: &'a str,
    specs: &EventSpecs,
    fields: &mut Fields<'a>,
    tell: impl FnMut(Range<usize>, Option<Field>),
) -> Option<()> {
    match specs.map() {
        Some(map) => read_mapped(text, map, fields, tell),
        None => read(text, specs, fields, tell),
    }
}

/// Fills in the fields of a plain text; `None` when the strict reader has to look. Each value is told, where it stands and which
/// field it is of.
#[inline]
fn read<'a>(
    text: &'a str,
    specs: &EventSpecs,
    fields: &mut Fields<'a>,
    mut tell: impl FnMut(Range<usize>, Option<Field>),
) -> Option<()> {
    let mut scanner = Scanner::of(text);
    *fields = Fields::default();
    let mut seen = 0_u32;
    scanner.skip_space();
    scanner.each(b'{', b'}', |scanner| {
        let key = scanner.key()?;
        let start = scanner.at;
        let value = scanner.value()?;
        let field = Field::of(key, specs);
        tell(start..scanner.at, field);
        put_once(fields, &mut seen, field, value)
    })?;
    scanner.skip_space();
    scanner.is_at_end().then_some(())
}

/// Fills in the field that a value is of; none may be there twice.
#[inline]
fn put_once<'a>(
    fields: &mut Fields<'a>,
    seen: &mut u32,
    field: Option<Field>,
    value: Token<'a>,
) -> Option<()> {
    if let Some(field) = field {
        if *seen & field.bit() != 0 {
            return None;
        }
        *seen |= field.bit();
        fields.put(field, value.of(field)?);
    }
    Some(())
}

/// Deeper than that a line is the other reader's.
const DEPTH_MAX: usize = 16;

/// As [`read`], of what a map asks for: values in objects and arrays too. Each scalar is told.
fn read_mapped<'a>(
    text: &'a str,
    map: &Map,
    fields: &mut Fields<'a>,
    tell: impl FnMut(Range<usize>, Option<Field>),
) -> Option<()> {
    let mut scanner = Scanner::of(text);
    *fields = Fields::default();
    let mut nested = Nested { map, fields, seen: 0, path: String::new(), depth: 0, tell };
    scanner.skip_space();
    nested.object(&mut scanner, true)?;
    scanner.skip_space();
    scanner.is_at_end().then_some(())
}

struct Nested<'s, 'a, T> {
    map: &'s Map,
    fields: &'s mut Fields<'a>,
    seen: u32,
    /// Of what is being read.
    path: String,
    depth: usize,
    tell: T,
}

impl<'a, T: FnMut(Range<usize>, Option<Field>)> Nested<'_, 'a, T> {
    /// `wanted`: something in it may be asked for.
    fn object(&mut self, scanner: &mut Scanner<'a>, wanted: bool) -> Option<()> {
        scanner.each(b'{', b'}', |scanner| {
            let key = scanner.key()?;
            let above = self.path.len();
            if wanted {
                if above > 0 {
                    self.path.push('.');
                }
                self.path.push_str(key);
            }
            self.value(scanner, wanted)?;
            self.path.truncate(above);
            Some(())
        })
    }

    fn value(&mut self, scanner: &mut Scanner<'a>, wanted: bool) -> Option<()> {
        let field = if wanted { self.map.field(&self.path) } else { None };
        let opening = scanner.peek()?;
        if matches!(opening, b'{' | b'[') {
            self.depth += 1;
            if field.is_some() || self.depth > DEPTH_MAX {
                return None;
            }
            if opening == b'{' {
                self.object(scanner, wanted && self.map.leads_on(&self.path))
            } else {
                scanner.each(b'[', b']', |scanner| self.value(scanner, false))
            }?;
            self.depth -= 1;
            return Some(());
        }
        let start = scanner.at;
        let value = scanner.value()?;
        (self.tell)(start..scanner.at, field);
        put_once(self.fields, &mut self.seen, field, value)
    }
}

/// Goes through a plain text ([`strings::is_plain`]).
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A value that is valid JSON, not yet looked into.
pub(super) enum Token<'a> {
    Text(&'a str),
    Number(&'a str),
    Bool(bool),
    Null,
}

impl<'a> Token<'a> {
    /// As what it counts in a field.
    #[inline]
    pub(super) fn of(self, field: Field) -> Option<Value<'a>> {
        if field.is_written() { Some(self.written()) } else { self.read() }
    }

    /// A number as its digits.
    #[inline]
    fn written(self) -> Value<'a> {
        match self {
            Self::Text(text) | Self::Number(text) => Value::Text(Cow::Borrowed(text)),
            Self::Bool(value) => Value::Bool(value),
            Self::Null => Value::Absent,
        }
    }

    #[inline]
    fn read(self) -> Option<Value<'a>> {
        Some(match self {
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            // serde_json refuses what overflows; the strict reader then says so.
            Self::Number(digits) => Value::Number(digits.parse().ok().filter(|n: &f64| n.is_finite())?),
            Self::Bool(value) => Value::Bool(value),
            Self::Null => Value::Absent,
        })
    }
}

impl<'a> Scanner<'a> {
    #[inline]
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// What stands between two brackets with commas in between, one after the other.
    #[inline]
    fn each(&mut self, open: u8, close: u8, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(open)?;
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Some(());
        }
        loop {
            one(self)?;
            self.skip_space();
            match self.next()? {
                b',' => self.skip_space(),
                end if end == close => return Some(()),
                _ => return None,
            }
        }
    }

    /// A key and what stands before its value.
    #[inline]
    fn key(&mut self) -> Option<&'a str> {
        let key = self.string()?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Some(key)
    }

    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let start = self.at;
        let end = start + strings::quote(&self.text.as_bytes()[start..])?;
        self.at = end + 1;
        self.text.get(start..end)
    }

    #[inline]
    pub(super) fn value(&mut self) -> Option<Token<'a>> {
        match self.peek()? {
            b'"' => self.string().map(Token::Text),
            b'-' | b'0'..=b'9' => self.number().map(Token::Number),
            b't' => self.literal("true").map(|()| Token::Bool(true)),
            b'f' => self.literal("false").map(|()| Token::Bool(false)),
            b'n' => self.literal("null").map(|()| Token::Null),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn literal(&mut self, word: &str) -> Option<()> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    #[inline]
    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => {
                self.digits();
            }
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            (self.digits() > 0).then_some(())?;
        }
        self.text.get(start..self.at)
    }

    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }
}
