//! Bytes to records: the first half of the hot path, pure and free to run on any thread.
//!
//! A chunk of lines becomes a vector of small fixed-size records plus what was malformed in it. Records
//! live until the flush that holds them is committed, so that a flush that fails can be counted again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;
use shared_types::batch::Example;
use xxhash_rust::xxh3::xxh3_64;

pub use crate::codes::{Codes, OTHER_CODE};
use crate::examples::{self, OF_EACH};
use crate::map::{Begun, Map, Pieces};
use crate::shape::Shape;
use crate::{EventSpecs, Reason};

/// A line beyond this is malformed (TE-2), in bytes without its line break.
pub const LINE_LENGTH_MAX: usize = 64 * 1024;
/// Bytes that a thread reads at once. Short, so that none waits long for the others, and that what was read is still near the
/// processor when it is counted.
const SLICE: usize = 256 * 1024;
/// Malformed lines kept with number and reason, per source and per push.
pub const MALFORMED_KEPT: usize = 20;

/// One event, as far as counting needs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record {
    pub ts_ms: i64,
    /// xxh3-64 of the event id; meaningless without `has_id`.
    pub id_hash: u64,
    pub duration_ms: f64,
    /// xxh3-64 of the session, or [`Record::SESSIONLESS`].
    pub session: u64,
    /// From 1; saturates.
    pub line: u32,
    /// Number in [`Records::codes`], of an error; in [`Records::names`], of an event of an unknown name.
    pub code: u32,
    /// Index into the specs, or [`Record::UNKNOWN`].
    pub name: u16,
    pub has_id: bool,
    /// Of an error that says it.
    pub retryable: Option<bool>,
}

impl Record {
    /// The name of an event that the policy does not use.
    pub const UNKNOWN: u16 = u16::MAX;
    /// The session of an event that names none.
    pub const SESSIONLESS: u64 = 0;
}

/// A malformed line.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct MalformedLine {
    /// From 1.
    pub line: u64,
    pub reason: String,
}

/// What a chunk held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Records {
    pub events: Vec<Record>,
    pub codes: Codes,
    /// Names that the policy does not use.
    pub names: Codes,
    /// Malformed lines by [`Reason::sort`].
    pub reasons: BTreeMap<String, u64>,
    /// Of malformed lines and unknown names; see [`examples`].
    pub examples: Vec<Example>,
    /// All malformed lines.
    pub malformed: u64,
    /// Lines that the map ignores (TE-7).
    pub ignored: u64,
    /// The first [`MALFORMED_KEPT`] of them.
    pub kept: Vec<MalformedLine>,
    /// Lines gone through, blank ones included.
    pub lines: u64,
}

/// What is remembered from line to line.
#[derive(Debug, Default)]
pub struct Before {
    /// Of the lines before.
    shape: Shape,
    pieces: Pieces,
}

impl Records {
    /// Reads whole lines: every line ends with `\n`, except that the last may lack it.
    #[must_use]
    pub fn of_lines(bytes: &[u8], specs: &EventSpecs) -> Self {
        let mut records = Self { events: Vec::with_capacity(bytes.len() / 128), ..Self::default() };
        let mut before = Before::default();
        // Looked at as a whole it is UTF-8 sooner than line by line.
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut from = 0;
        while from < bytes.len() {
            let end = memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |at| from + at);
            match text.get(from..end) {
                Some(line) => records.push_text(line, specs, &mut before),
                None => records.push_line(&bytes[from..end], specs, &mut before),
            }
            from = end + 1;
        }
        records.end(before);
        records
    }

    /// Reads a body or a file as a whole: a JSON array of objects, or lines. An array's elements count as its
    /// lines.
    ///
    /// # Errors
    /// It begins as an array, and is none.
    pub fn of_body(bytes: &[u8], specs: &EventSpecs) -> Result<Self, serde_json::Error> {
        if !is_array(bytes) {
            return Ok(Self::of_lines(bytes, specs));
        }
        let mut records = Self::default();
        let mut json = serde_json::Deserializer::from_slice(line_itself(bytes));
        let mut before = Before::default();
        json.deserialize_seq(Elements { records: &mut records, specs, before: &mut before })?;
        json.end()?;
        records.end(before);
        Ok(records)
    }

    /// Reads whole lines on `threads` threads, in slices that follow each other; one slice's first line is its line 1.
    #[must_use]
    pub fn of_slices(threads: usize, bytes: &[u8], specs: &EventSpecs) -> Vec<Self> {
        let slices = slices_of_lines(bytes, SLICE, specs);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(slice) = slices.get(at) else { return done };
                done.push((at, Self::of_lines(slice, specs)));
            }
        };
        let helpers = threads.min(slices.len()).saturating_sub(1);
        let mut done = std::thread::scope(|scope| {
            let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for helper in helpers {
                match helper.join() {
                    Ok(theirs) => done.extend(theirs),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, records)| records).collect()
    }

    /// The same records as read with other specs. An event of which those want more than was read is unknown to them.
    #[must_use]
    pub fn translated(mut self, from: &EventSpecs, to: &EventSpecs) -> Self {
        let same = |name: usize| {
            let spec = from.get(name)?;
            let index = to.find_again(&spec.name)?;
            let wanted = to.get(index)?;
            let enough = (wanted.duration_field.is_none() || wanted.duration_field == spec.duration_field)
                && (!wanted.error || spec.error);
            u16::try_from(index).ok().filter(|_| enough)
        };
        let names: Vec<u16> =
            (0..from.all().len()).map(|name| same(name).unwrap_or(Record::UNKNOWN)).collect();
        for record in &mut self.events {
            let at = usize::from(record.name);
            let (Some(name), Some(spec)) = (names.get(at), from.get(at)) else { continue };
            record.name = *name;
            if *name == Record::UNKNOWN {
                record.code = self.names.number(&spec.name);
            }
        }
        self
    }

    /// Reads one line; a blank one only counts as a line. [`Self::end`] tells what `before` still holds.
    #[inline]
    pub fn push_line(&mut self, line: &[u8], specs: &EventSpecs, before: &mut Before) {
        self.lines += 1;
        let line = line_itself(line);
        if line.len() > LINE_LENGTH_MAX {
            self.malformed_at(self.lines, &Reason::TooLong, line);
            return;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match (specs.map(), std::str::from_utf8(line)) {
            (Some(map), Ok(text)) => self.push_mapped(text, map, specs, before),
            _ => self.push_parsed(line, crate::parse(line, specs)),
        }
    }

    /// Counts the lines that go on and have no end as malformed.
    pub fn end(&mut self, before: Before) {
        for Begun { line, .. } in before.pieces.unfinished() {
            self.malformed_at(self.lines, &Reason::CutUp, line.as_bytes());
        }
    }

    /// Reads one line of a foreign log.
    fn push_mapped(&mut self, line: &str, map: &Map, specs: &EventSpecs, before: &mut Before) {
        let inside = match map.unwrap(line) {
            Ok(inside) => inside,
            Err(reason) => return self.malformed_at(self.lines, &reason, line.as_bytes()),
        };
        if before.pieces.is_whole(&inside) {
            self.push_inner(&inside.line, inside.ts, map, specs, &mut before.shape);
        } else if let Some(Begun { line, ts }) = before.pieces.join(&inside) {
            self.push_inner(&line, ts.as_deref(), map, specs, &mut before.shape);
        }
    }

    /// Reads what was inside of a wrapper.
    #[inline]
    fn push_inner(&mut self, line: &str, ts: Option<&str>, map: &Map, specs: &EventSpecs, shape: &mut Shape) {
        if line.len() > LINE_LENGTH_MAX {
            self.malformed_at(self.lines, &Reason::TooLong, line.as_bytes());
        } else if map.ignores_text(line) {
            self.ignored += 1;
        } else {
            self.push_parsed(line.as_bytes(), crate::parse_alike(line, ts, specs, shape));
        }
    }

    #[inline]
    fn push_text(&mut self, line: &str, specs: &EventSpecs, before: &mut Before) {
        let map = specs.map();
        // A runtime that wraps lines without braces begins them with a time.
        let begins =
            line.starts_with('{') || (map.is_some() && line.starts_with(|c: char| c.is_ascii_digit()));
        if !begins || line.len() > LINE_LENGTH_MAX || line.ends_with('\r') {
            return self.push_line(line.as_bytes(), specs, before);
        }
        self.lines += 1;
        match map {
            Some(map) => self.push_mapped(line, map, specs, before),
            None => {
                self.push_parsed(line.as_bytes(), crate::parse_alike(line, None, specs, &mut before.shape));
            }
        }
    }

    #[inline]
    fn push_parsed(&mut self, line: &[u8], parsed: Result<Option<crate::Event<'_>>, Reason>) {
        match parsed {
            Ok(Some(event)) => {
                let record = self.record(&event);
                self.events.push(record);
            }
            Ok(None) => self.ignored += 1,
            Err(reason) => self.malformed_at(self.lines, &reason, line),
        }
    }

    /// Counts a line as malformed; `bytes` may be only its beginning.
    #[cold]
    pub fn malformed_at(&mut self, line: u64, reason: &Reason, bytes: &[u8]) {
        self.malformed += 1;
        if self.kept.len() < MALFORMED_KEPT {
            self.kept.push(MalformedLine { line, reason: reason.to_string() });
        }
        *self.reasons.entry(reason.sort()).or_default() += 1;
        examples::keep_malformed(&mut self.examples, reason, line, bytes);
    }

    #[inline]
    fn record(&mut self, event: &crate::Event<'_>) -> Record {
        let name = event.name.and_then(|name| u16::try_from(name).ok()).unwrap_or(Record::UNKNOWN);
        let (code, retryable) = match (&event.error, &event.unknown) {
            (Some(error), _) => (self.codes.number(&error.code), error.retryable),
            (None, Some(name)) => (self.unknown(name), None),
            (None, None) => (Codes::OTHER, None),
        };
        Record {
            ts_ms: event.ts_ms,
            id_hash: event.event_id.as_deref().map_or(0, |id| xxh3_64(id.as_bytes())),
            duration_ms: event.duration_ms,
            session: event.session.as_deref().map_or(Record::SESSIONLESS, session_hash),
            line: u32::try_from(self.lines).unwrap_or(u32::MAX),
            name,
            code,
            has_id: event.event_id.is_some(),
            retryable,
        }
    }

    fn unknown(&mut self, name: &str) -> u32 {
        let number = self.names.number(name);
        if self.names.is_rare(name, OF_EACH as u64) {
            examples::keep(&mut self.examples, examples::of_name(name, self.lines));
        }
        number
    }
}

/// Never that of none.
#[inline]
fn session_hash(session: &str) -> u64 {
    xxh3_64(session.as_bytes()).max(1)
}

/// Whether a body or a file begins as a JSON array.
#[must_use]
pub fn is_array(start: &[u8]) -> bool {
    line_itself(start).iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// Without what is no part of it (TE-8): the hole that a writer leaves at the start of a file that was cut off under it, the
/// mark of UTF-8 (in the middle too: files are put together), and the rest of a line break.
#[inline]
#[must_use]
pub fn line_itself(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.first() == Some(&b'{') {
        return line;
    }
    let hole = line.iter().take_while(|byte| **byte == 0).count();
    let line = &line[hole..];
    line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
}

/// Reads an array's elements one by one: a list of them first would be many times as large as the body.
struct Elements<'a> {
    records: &'a mut Records,
    specs: &'a EventSpecs,
    before: &'a mut Before,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            self.records.push_line(element.get().as_bytes(), self.specs, self.before);
        }
        Ok(())
    }
}

/// Cuts after the first line end at or beyond each multiple of `length`, before a line that goes on behind it.
fn slices_of_lines<'a>(bytes: &'a [u8], length: usize, specs: &EventSpecs) -> Vec<&'a [u8]> {
    let mut slices = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let next = |from: usize| memchr::memchr(b'\n', rest.get(from..)?).map(|at| from + at + 1);
        let mut ends = std::iter::successors(next(length), |end| next(end + length));
        let end = ends.find_map(|end| Some(specs.settled(&rest[..end])).filter(|end| *end > 0));
        let (slice, after) = rest.split_at(end.unwrap_or(rest.len()));
        slices.push(slice);
        rest = after;
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventSpec;

    fn specs() -> EventSpecs {
        EventSpecs::new([EventSpec::timed("save", "ms"), EventSpec::failure("fail", &["save", "fail"])])
            .unwrap()
    }

    fn saved(id: usize) -> String {
        format!(r#"{{"ts":"2026-11-22T10:00:00Z","name":"save","event_id":"{id}","ms":{id}}}"#)
    }

    /// TE-2: malformed lines are counted, the first 20 kept with number and reason, the rest goes on.
    #[test]
    fn malformed_lines_never_stop_the_rest() {
        let long = format!("{{\"x\":\"{}\"}}", "y".repeat(LINE_LENGTH_MAX));
        let text = format!("{}\r\n\n{long}\n{}\n{}", saved(1), saved(2), "oops\n".repeat(30));
        let records = Records::of_lines(text.as_bytes(), &specs());
        assert_eq!((records.events.len(), records.malformed, records.lines), (2, 31, 34));
        assert_eq!(records.kept.len(), 20);
        assert_eq!(records.kept[0], MalformedLine { line: 3, reason: "longer than 64 KiB".to_owned() });
        assert_eq!(records.kept[1].line, 5);
    }

    /// TE-2: a line of exactly 64 KiB is read, one byte more is not.
    #[test]
    fn a_line_may_have_64_kib_and_not_a_byte_more() {
        let event = r#"{"ts":"2026-11-22T10:00:00Z","name":"save","ms":1,"note":""}"#;
        let of_length = |length: usize| {
            let note = "n".repeat(length - event.len());
            format!("{}{note}\"}}\n", event.strip_suffix("\"}").unwrap())
        };
        let records = Records::of_lines(of_length(LINE_LENGTH_MAX).as_bytes(), &specs());
        assert_eq!((records.events.len(), records.malformed), (1, 0));
        let records = Records::of_lines(of_length(LINE_LENGTH_MAX + 1).as_bytes(), &specs());
        assert_eq!((records.events.len(), records.malformed), (0, 1));
        assert_eq!(records.kept[0].reason, "longer than 64 KiB");
    }

    #[test]
    fn slices_on_several_threads_give_what_one_gives() {
        let mut text = String::new();
        for id in 0..20_000 {
            text.push_str(&match id % 7 {
                5 => "broken\n".to_owned(),
                6 => {
                    format!(
                        r#"{{"ts":"2026-11-22T10:00:00Z","name":"fail","code":"E{}","retryable":true}}"#,
                        id % 90
                    ) + "\n"
                }
                _ => saved(id) + "\n",
            });
        }
        let named = |records: &Records| -> Vec<(u64, String)> {
            let code = |event: &Record| match event.name {
                1 => records.codes.get(event.code).to_owned(),
                _ => String::new(),
            };
            records.events.iter().map(|event| (event.id_hash, code(event))).collect()
        };
        let one = Records::of_lines(text.as_bytes(), &specs());
        for threads in [1, 2, 3] {
            let several = Records::of_slices(threads, text.as_bytes(), &specs());
            assert!(several.len() > 3, "{}", several.len());
            let (a, b) = (several.iter().flat_map(named).collect::<Vec<_>>(), named(&one));
            let differ = a.iter().zip(&b).position(|(a, b)| a != b);
            assert_eq!((a.len(), differ.map(|at| (at, a[at].clone(), b[at].clone()))), (b.len(), None));
            let sum = |of: fn(&Records) -> u64| several.iter().map(of).sum::<u64>();
            assert_eq!((sum(|it| it.malformed), sum(|it| it.lines)), (one.malformed, one.lines));
            assert_eq!(several[0].kept, one.kept);
        }
        assert!(Records::of_slices(2, b"", &specs()).is_empty());
    }

    /// TE-8: the mark of UTF-8, line breaks of two bytes and a hole before a line are no part of it; an array may have a mark.
    #[test]
    fn marks_and_holes_are_no_part_of_a_line() {
        let (mark, hole) = ("\u{feff}", "\0".repeat(LINE_LENGTH_MAX + 1));
        let text = format!("{mark}{}\r\n{mark}\r\n{hole}{}\r\n\0\0\n{mark}{}", saved(1), saved(2), saved(3));
        let records = Records::of_body(text.as_bytes(), &specs()).unwrap();
        assert_eq!((records.events.len(), records.malformed, records.lines), (3, 0, 5));
        let records = Records::of_body(format!("{mark} [{}]\r\n", saved(1)).as_bytes(), &specs()).unwrap();
        assert_eq!((records.events.len(), records.malformed), (1, 0));
    }

    /// TE-6: unknown names are counted by name and shown with their first lines.
    #[test]
    fn unknown_names_are_counted_and_shown() {
        let opened = |name: &str| format!("{{\"ts\":\"2026-11-22T10:00:00Z\",\"name\":\"{name}\"}}\n");
        let text = opened("opened") + "oops\n" + &opened("closed") + &opened("opened").repeat(4);
        let records = Records::of_lines(text.as_bytes(), &specs());
        let names: Vec<_> = records.events.iter().map(|event| records.names.get(event.code)).collect();
        assert_eq!(names[..3], ["opened", "closed", "opened"]);
        let counts: Vec<(&str, u64)> = records.names.counts().collect();
        assert_eq!(counts, [("closed", 1), ("opened", 5)]);
        assert_eq!(records.reasons, BTreeMap::from([("not JSON of an event".to_owned(), 1)]));
        let shown: Vec<(&str, u64)> = records.examples.iter().map(|it| (it.what.as_str(), it.line)).collect();
        let expected =
            [("opened", 1), ("not JSON of an event", 2), ("closed", 3), ("opened", 4), ("opened", 5)];
        assert_eq!(shown, expected);
    }

    /// PO-2: what other specs do not know has its name among the unknown ones, and a variant they do not tell apart is none.
    #[test]
    fn records_go_over_to_other_specs() {
        let both = specs().with_variants(["control"]).unwrap();
        let text = saved(1).replace("\"ms\"", "\"variant\":\"control\",\"ms\"") + "\n" + &saved(2);
        let read = || Records::of_lines(text.as_bytes(), &both);
        let names = |specs: &EventSpecs| {
            let records = read().translated(&both, specs);
            records
                .events
                .iter()
                .map(|event| (event.name, records.names.get(event.code).to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&specs()), [(0, OTHER_CODE.to_owned()), (0, OTHER_CODE.to_owned())]);
        let drift = EventSpecs::new([EventSpec::counted("drift")]).unwrap();
        let unknown = |name: &str| (Record::UNKNOWN, name.to_owned());
        assert_eq!(names(&drift), [unknown("save@control"), unknown("save")]);
    }
}
