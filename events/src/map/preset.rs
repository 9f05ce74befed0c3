//! How common loggers write their lines. Each is where the logger puts things when nobody has told it otherwise; what an
//! application adds by itself (durations, codes, ids) has no place that a logger could know.

use super::{Pattern, Rules, TimeFormat, Unit};

/// A logger's usual shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name in the policy.
    pub key: &'static str,
    /// What it is, for people.
    pub of: &'static str,
    ts: (&'static str, TimeFormat),
    name: &'static str,
    duration: Option<(&'static str, Unit)>,
    code: Option<&'static str>,
    /// What else its lines hold, by which they are told from those of others that put time and text at the same places.
    marks: &'static [(&'static str, &'static [&'static str])],
}

/// The loggers, in the order of the documentation.
pub const PRESETS: [Preset; 11] = [
    Preset {
        key: "pino",
        of: "pino and pino-http (JavaScript)",
        ts: ("time", TimeFormat::EpochMs),
        name: "msg",
        duration: Some(("responseTime", Unit::Milliseconds)),
        code: Some("err.type"),
        marks: &[("level", &["10..60"]), ("v", &["!*"])],
    },
    Preset {
        key: "bunyan",
        of: "bunyan (JavaScript)",
        ts: ("time", TimeFormat::Rfc3339),
        name: "msg",
        duration: None,
        code: Some("err.name"),
        marks: &[("level", &["10..60"]), ("v", &["0"])],
    },
    Preset {
        key: "zap",
        of: "zap, production encoder (Go)",
        ts: ("ts", TimeFormat::EpochS),
        name: "msg",
        duration: Some(("duration", Unit::Seconds)),
        code: Some("error"),
        marks: &[("level", &["debug", "info", "warn", "error", "dpanic", "panic", "fatal"])],
    },
    Preset {
        key: "logrus",
        of: "logrus, JSON formatter (Go)",
        ts: ("time", TimeFormat::Rfc3339),
        name: "msg",
        duration: Some(("duration", Unit::Nanoseconds)),
        code: Some("error"),
        marks: &[("level", &["trace", "debug", "info", "warning", "error", "panic", "fatal"])],
    },
    Preset {
        key: "slog",
        of: "log/slog, JSON handler (Go)",
        ts: ("time", TimeFormat::Rfc3339),
        name: "msg",
        duration: Some(("duration", Unit::Nanoseconds)),
        code: Some("err"),
        marks: &[("level", &["DEBUG*", "INFO*", "WARN*", "ERROR*"])],
    },
    Preset {
        key: "structlog",
        of: "structlog, JSON renderer with ISO times (Python)",
        ts: ("timestamp", TimeFormat::Rfc3339),
        name: "event",
        duration: None,
        code: None,
        marks: &[("level", &["*"])],
    },
    Preset {
        key: "log4j2",
        of: "Log4j 2, JsonLayout (Java)",
        ts: ("instant.epochSecond", TimeFormat::EpochS),
        name: "message",
        duration: None,
        code: Some("thrown.name"),
        marks: &[("loggerName", &["*"])],
    },
    Preset {
        key: "serilog",
        of: "Serilog, compact JSON (.NET)",
        ts: ("@t", TimeFormat::Rfc3339),
        name: "@mt",
        duration: Some(("Elapsed", Unit::Milliseconds)),
        code: None,
        marks: &[("@m", &["!*"])],
    },
    Preset {
        key: "winston",
        of: "winston, json and timestamp formats (JavaScript)",
        ts: ("timestamp", TimeFormat::Rfc3339),
        name: "message",
        duration: Some(("durationMs", Unit::Milliseconds)),
        code: None,
        marks: &[("level", &["*"])],
    },
    Preset {
        key: "tracing",
        of: "tracing-subscriber, JSON format (Rust)",
        ts: ("timestamp", TimeFormat::Rfc3339),
        name: "fields.message",
        duration: None,
        code: Some("fields.error"),
        marks: &[("target", &["*"])],
    },
    Preset {
        key: "ecs",
        of: "Elastic Common Schema: ecs-logging of any language, JsonTemplateLayout of Log4j 2",
        ts: ("@timestamp", TimeFormat::Rfc3339),
        name: "message",
        duration: Some(("event.duration", Unit::Nanoseconds)),
        code: Some("error.type"),
        marks: &[("ecs.version", &["*"])],
    },
];

impl Preset {
    /// The preset of a name.
    #[must_use]
    pub fn find(key: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.key == key)
    }

    /// How many in a hundred of its marks a line has, whose values `value` gives as they are written. 0 of one that has no time
    /// or no text where this logger puts them.
    #[must_use]
    pub fn likeness<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> u32 {
        let has_time = value(self.ts.0).is_some_and(|text| self.ts.1.parse_ms(text).is_some());
        if !has_time || value(self.name).is_none() {
            return 0;
        }
        let fits = |patterns: &[&str], found: Option<&str>| {
            let mut patterns = patterns.iter().filter_map(|pattern| pattern.parse::<Pattern>().ok());
            patterns.any(|pattern| pattern.fits_what_may_be_absent(found))
        };
        let had = self.marks.iter().filter(|(path, patterns)| fits(patterns, value(path))).count();
        u32::try_from(1 + 99 * had / self.marks.len()).unwrap_or(1)
    }

    /// As rules, which name no event yet.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let owned = |path: &str| path.to_owned();
        Rules {
            ts: Some((owned(self.ts.0), self.ts.1)),
            name: owned(self.name),
            duration: self.duration.map(|(path, unit)| (owned(path), unit)),
            code: self.code.map(owned),
            ..Rules::default()
        }
    }
}
