//! The fast reader: one pass over a flat JSON object without escapes.
//!
//! It may only ever say "I read exactly what serde_json would" or "ask the other"; a property test in the
//! parent module holds it to that. Nested values, escapes, repeated fields and everything malformed go to
//! the other reader.

use std::borrow::Cow;

use super::{EventSpecs, Fields, Value};

/// The fields, or `None` when the strict reader has to look.
#[inline]
pub(super) fn fields<'a>(text: &'a str, specs: &EventSpecs) -> Option<Fields<'a>> {
    let mut scanner = Scanner { text, at: 0 };
    let mut fields = Fields::default();
    let mut seen = 0_u32;
    scanner.skip_space();
    scanner.expect(b'{')?;
    scanner.skip_space();
    if scanner.peek() == Some(b'}') {
        scanner.at += 1;
    } else {
        loop {
            let key = scanner.string()?;
            scanner.skip_space();
            scanner.expect(b':')?;
            scanner.skip_space();
            let value = scanner.value()?;
            if let Some(bit) = known_field(key, specs) {
                if seen & bit != 0 {
                    return None;
                }
                seen |= bit;
                *fields.slot(key, specs)? = if bit == SESSION { value.written() } else { value.read()? };
            }
            scanner.skip_space();
            match scanner.next()? {
                b',' => scanner.skip_space(),
                b'}' => break,
                _ => return None,
            }
        }
    }
    scanner.skip_space();
    (scanner.at == text.len()).then_some(fields)
}

const SESSION: u32 = 64;

/// A bit of its own for each field that is asked for.
#[inline]
fn known_field(key: &str, specs: &EventSpecs) -> Option<u32> {
    match key {
        "ts" => Some(1),
        "name" => Some(2),
        "event_id" => Some(4),
        "code" => Some(8),
        "retryable" => Some(16),
        "variant" if specs.want_variants() => Some(32),
        "session" if specs.want_sessions() => Some(SESSION),
        _ => specs.duration_fields().iter().position(|field| field == key).map(|at| 128 << at),
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A value that is valid JSON, not yet looked into.
enum Token<'a> {
    Text(&'a str),
    Number(&'a str),
    Bool(bool),
    Null,
}

impl<'a> Token<'a> {
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

    /// A string without escapes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let length = rest.iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20)?;
        if rest[length] != b'"' {
            return None;
        }
        self.at = start + length + 1;
        self.text.get(start..start + length)
    }

    #[inline]
    fn value(&mut self) -> Option<Token<'a>> {
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
    fn literal(&mut self, word: &str) -> Option<()> {
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
