//! How common loggers write their lines. Each is where the logger puts things when nobody has told it otherwise; what an
//! application adds by itself (durations, codes, ids) has no place that a logger could know.

use super::{Rules, TimeFormat, Unit};

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
}

/// The loggers, in the order of the documentation.
pub const PRESETS: [Preset; 9] = [
    Preset {
        key: "pino",
        of: "pino and pino-http (JavaScript)",
        ts: ("time", TimeFormat::EpochMs),
        name: "msg",
        duration: Some(("responseTime", Unit::Milliseconds)),
        code: Some("err.type"),
    },
    Preset {
        key: "bunyan",
        of: "bunyan (JavaScript)",
        ts: ("time", TimeFormat::Rfc3339),
        name: "msg",
        duration: None,
        code: Some("err.name"),
    },
    Preset {
        key: "zap",
        of: "zap, production encoder (Go)",
        ts: ("ts", TimeFormat::EpochS),
        name: "msg",
        duration: Some(("duration", Unit::Seconds)),
        code: Some("error"),
    },
    Preset {
        key: "logrus",
        of: "logrus, JSON formatter (Go)",
        ts: ("time", TimeFormat::Rfc3339),
        name: "msg",
        duration: Some(("duration", Unit::Nanoseconds)),
        code: Some("error"),
    },
    Preset {
        key: "slog",
        of: "log/slog, JSON handler (Go)",
        ts: ("time", TimeFormat::Rfc3339),
        name: "msg",
        duration: Some(("duration", Unit::Nanoseconds)),
        code: Some("err"),
    },
    Preset {
        key: "structlog",
        of: "structlog, JSON renderer with ISO times (Python)",
        ts: ("timestamp", TimeFormat::Rfc3339),
        name: "event",
        duration: None,
        code: None,
    },
    Preset {
        key: "log4j2",
        of: "Log4j 2, JsonLayout (Java)",
        ts: ("instant.epochSecond", TimeFormat::EpochS),
        name: "message",
        duration: None,
        code: Some("thrown.name"),
    },
    Preset {
        key: "serilog",
        of: "Serilog, compact JSON (.NET)",
        ts: ("@t", TimeFormat::Rfc3339),
        name: "@mt",
        duration: Some(("Elapsed", Unit::Milliseconds)),
        code: None,
    },
    Preset {
        key: "ecs",
        of: "Elastic Common Schema: ecs-logging of any language, JsonTemplateLayout of Log4j 2",
        ts: ("@timestamp", TimeFormat::Rfc3339),
        name: "message",
        duration: Some(("event.duration", Unit::Nanoseconds)),
        code: Some("error.type"),
    },
];

impl Preset {
    /// The preset of a name.
    #[must_use]
    pub fn find(key: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.key == key)
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
