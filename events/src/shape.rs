//! Lines of one program look alike: the same fields in the same order. What stands between their values is compared as a
//! whole with the line before, and only the values are read.

use super::EventSpecs;
use super::fields::{Field, Fields};
use super::scan::{self, Scanner};

/// Lines without the shape after which it is another one's turn.
const MISSES_MAX: u32 = 4;
/// Lines that are read without a shape then, so that lines that are never alike are not read twice.
const PAUSE: u32 = 64;

/// What the lines before looked like.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// What stands before each value, and which field it is of.
    parts: Vec<(String, Option<Field>)>,
    /// What stands after the last one.
    tail: String,
    misses: u32,
    pause: u32,
}

impl Shape {
    /// As [`scan::read_any`].
    #[inline]
    pub(super) fn read<'a>(
        &mut self,
        text: &'a str,
        specs: &EventSpecs,
        fields: &mut Fields<'a>,
    ) -> Option<()> {
        if !self.parts.is_empty() {
            if self.read_alike(text, fields).is_some() {
                self.misses = 0;
                return Some(());
            }
            self.misses += 1;
        }
        self.read_and_learn(text, specs, fields)
    }

    #[inline]
    fn read_alike<'a>(&self, text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
        let mut scanner = Scanner::of(text);
        for (before, field) in &self.parts {
            scanner.literal(before)?;
            let value = scanner.value()?;
            if let Some(field) = field {
                fields.put(*field, value.of(*field)?);
            }
        }
        scanner.literal(&self.tail)?;
        scanner.is_at_end().then_some(())
    }

    #[cold]
    fn read_and_learn<'a>(
        &mut self,
        text: &'a str,
        specs: &EventSpecs,
        fields: &mut Fields<'a>,
    ) -> Option<()> {
        if self.misses > MISSES_MAX {
            *self = Self { pause: PAUSE, ..Self::default() };
        }
        self.pause = self.pause.saturating_sub(1);
        if self.pause > 0 || !self.parts.is_empty() {
            return scan::read_any(text, specs, fields, |_, _| {});
        }
        let (mut parts, mut end) = (Vec::new(), 0);
        scan::read_any(text, specs, fields, |value, field| {
            parts.push((text[end..value.start].to_owned(), field));
            end = value.end;
        })?;
        (self.parts, self.tail) = (parts, text[end..].to_owned());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{scanned, specs};
    use super::*;

    fn line(id: &str, duration: &str) -> String {
        format!(
            r#"{{"ts":"2026-11-22T10:00:00Z", "name":"autosave.save.completed","event_id":{id},"duration_ms":{duration}}}"#
        )
    }

    fn alike<'a>(shape: &Shape, text: &'a str) -> Option<Fields<'a>> {
        let mut fields = Fields::default();
        shape.read_alike(text, &mut fields).map(|()| fields)
    }

    #[test]
    fn a_line_of_the_same_shape_is_read_by_it() {
        let (mut shape, first, mut fields) = (Shape::default(), line("\"a\"", "640.5"), Fields::default());
        shape.read(&first, &specs(), &mut fields).unwrap();
        assert_eq!(Some(fields), scanned(&first));
        for other in [line("\"bcdefghijkl\"", "7"), line("null", "1e3"), line("\"\"", "0")] {
            assert!(alike(&shape, &other).is_some());
            assert_eq!(alike(&shape, &other), scanned(&other), "{other}");
        }
        let another = first.replace("event_id", "event_ie");
        for other in ["{}".to_owned(), line("x", "7"), line("\"a\"", "7") + "}", another] {
            assert_eq!(alike(&shape, &other), None, "{other}");
        }
    }

    #[test]
    fn another_shape_takes_its_turn() {
        let (one, other) = (line("\"a\"", "1"), r#"{"name":"x","ts":"2026-11-22T10:00:00Z"}"#);
        let mut shape = Shape::default();
        shape.read(&one, &specs(), &mut Fields::default()).unwrap();
        for _ in 0..=MISSES_MAX + PAUSE {
            shape.read(other, &specs(), &mut Fields::default()).unwrap();
        }
        assert!(alike(&shape, other).is_some() && alike(&shape, &one).is_none());
    }
}
