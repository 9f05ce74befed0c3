//! Telemetry from a seed, for trying out and measuring: the same seed gives the same bytes, always.
//!
//! Saves with log-normal durations spread evenly over a time, some errors, and a little of everything that
//! goes wrong in the field: repeated lines, unknown names, broken lines.

use std::io::{self, Write};
use std::time::Duration;

use shared_types::Timestamp;

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct Generator {
    /// Lines.
    pub events: u64,
    pub seed: u64,
    /// Event names begin with it.
    pub target: String,
    /// `ts` of the first event.
    pub start: Timestamp,
    /// The events are spread evenly over it.
    pub span: Duration,
    /// Median duration of a save, in milliseconds.
    pub median_ms: f64,
    /// Shares of all lines, 0 to 1.
    pub error_ratio: f64,
    pub duplicate_ratio: f64,
    pub unknown_ratio: f64,
    pub malformed_ratio: f64,
}

/// What was generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generated {
    pub completed: u64,
    pub errors: u64,
    pub duplicates: u64,
    pub unknown: u64,
    pub malformed: u64,
    pub bytes: u64,
}

/// Lines that a repeated one is taken from.
const RECENT: usize = 64;

impl Generator {
    /// `events` lines over 24 h from `start` on, with the usual shares.
    #[must_use]
    pub fn new(events: u64, seed: u64, target: &str, start: Timestamp) -> Self {
        Self {
            events,
            seed,
            target: target.to_owned(),
            start,
            span: Duration::from_secs(24 * 3600),
            median_ms: 600.0,
            error_ratio: 0.004,
            duplicate_ratio: 0.005,
            unknown_ratio: 0.002,
            malformed_ratio: 0.001,
        }
    }

    /// Writes the lines.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut impl Write) -> io::Result<Generated> {
        let mut random = Random(self.seed);
        let mut generated = Generated::default();
        let mut line = Vec::with_capacity(256);
        let mut recent: Vec<Vec<u8>> = Vec::with_capacity(RECENT);
        let span_ms = u128::from(u64::try_from(self.span.as_millis()).unwrap_or(u64::MAX));
        for number in 0..self.events {
            let offset = span_ms * u128::from(number) / u128::from(self.events.max(1));
            let ts = self.start.plus(Duration::from_millis(u64::try_from(offset).unwrap_or(0)));
            let draw = random.unit();
            line.clear();
            let shares = [self.duplicate_ratio, self.malformed_ratio, self.unknown_ratio, self.error_ratio];
            match kind_of(draw, shares) {
                0 if !recent.is_empty() => {
                    let count = recent.len() as u64;
                    let at = usize::try_from(random.next() % count).unwrap_or(0);
                    line.extend_from_slice(&recent[at]);
                    generated.duplicates += 1;
                }
                1 => {
                    write!(line, "{{\"ts\":\"{ts}\",\"name\":\"{}.save.compl", self.target)?;
                    generated.malformed += 1;
                }
                2 => {
                    write!(line, "{{\"ts\":\"{ts}\",\"name\":\"{}.opened\"}}", self.target)?;
                    generated.unknown += 1;
                }
                3 => {
                    self.error(&mut line, ts, &mut random)?;
                    generated.errors += 1;
                }
                _ => {
                    self.completed(&mut line, ts, &mut random)?;
                    generated.completed += 1;
                    let at = usize::try_from(number).unwrap_or(0) % RECENT;
                    match recent.get_mut(at) {
                        Some(place) => place.clone_from(&line),
                        None => recent.push(line.clone()),
                    }
                }
            }
            line.push(b'\n');
            generated.bytes += line.len() as u64;
            out.write_all(&line)?;
        }
        out.flush()?;
        Ok(generated)
    }

    fn completed(&self, line: &mut Vec<u8>, ts: Timestamp, random: &mut Random) -> io::Result<()> {
        let duration = (self.median_ms * (0.5 * random.normal()).exp()).min(86_400_000.0);
        self.head(line, ts, "save.completed", random)?;
        write!(line, ",\"duration_ms\":{duration:.3}}}")
    }

    fn error(&self, line: &mut Vec<u8>, ts: Timestamp, random: &mut Random) -> io::Result<()> {
        const CODES: [(&str, bool); 4] =
            [("E_LOCK", true), ("E_IO", false), ("E_TIMEOUT", true), ("E_QUOTA", false)];
        let at = usize::try_from(random.next() % 4).unwrap_or(0);
        let (code, retryable) = CODES[at];
        self.head(line, ts, "save.error", random)?;
        write!(line, ",\"code\":\"{code}\",\"retryable\":{retryable}}}")
    }

    fn head(&self, line: &mut Vec<u8>, ts: Timestamp, name: &str, random: &mut Random) -> io::Result<()> {
        let (id, session) = (random.next(), random.next() % 100_000);
        write!(
            line,
            "{{\"ts\":\"{ts}\",\"name\":\"{}.{name}\",\"event_id\":\"{id:016x}\",\"phase\":\"A\",\"session\":\"s-{session}\"",
            self.target
        )
    }
}

/// Which share the draw falls into; 4: none of them.
fn kind_of(draw: f64, shares: [f64; 4]) -> usize {
    let mut upto = 0.0;
    shares
        .iter()
        .position(|share| {
            upto += share;
            draw < upto
        })
        .unwrap_or(shares.len())
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and its sequence will never change under us.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 ≤ x < 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use events::records::Records;
    use events::{EventSpec, EventSpecs};

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_they_are_what_is_said() {
        let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        let generator = Generator::new(20_000, 7, "autosave", start);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let generated = generator.write(&mut first).unwrap();
        generator.write(&mut second).unwrap();
        assert!(first == second);
        let specs = EventSpecs::new([
            EventSpec::timed("autosave.save.completed", "duration_ms"),
            EventSpec::failure("autosave.save.error", &["autosave.save.completed", "autosave.save.error"]),
        ])
        .unwrap();
        let records = Records::of_lines(&first, &specs);
        let named = |name: u16| records.events.iter().filter(|event| event.name == name).count() as u64;
        assert_eq!(named(0), generated.completed + generated.duplicates);
        assert_eq!((named(1), named(u16::MAX)), (generated.errors, generated.unknown));
        assert_eq!(records.malformed, generated.malformed);
        assert!(generated.duplicates > 50 && generated.malformed > 5 && generated.errors > 40);
    }
}
