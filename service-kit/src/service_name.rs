//! The three services by name, and what follows from the name.

use strum::{Display, IntoStaticStr, VariantArray};

/// A service: decides its port, its variables and the names it goes by in logs, metrics and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ServiceName {
    Collector,
    Analyzer,
    Reporter,
}

impl ServiceName {
    /// All of them, upstream first.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// `collector`, `analyzer`, `reporter`: also the database schema, the metric label, the section of the
    /// configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.into_str()
    }

    /// The binary's name.
    #[must_use]
    pub const fn binary(self) -> &'static str {
        match self {
            Self::Collector => "collector-svc",
            Self::Analyzer => "analyzer-svc",
            Self::Reporter => "reporter-svc",
        }
    }

    /// Where it listens unless told otherwise.
    #[must_use]
    pub const fn default_listen(self) -> &'static str {
        match self {
            Self::Collector => "127.0.0.1:7101",
            Self::Analyzer => "127.0.0.1:7102",
            Self::Reporter => "127.0.0.1:7103",
        }
    }

    /// The environment variable with its listen address.
    #[must_use]
    pub const fn listen_variable(self) -> &'static str {
        match self {
            Self::Collector => "PHASEGATE_COLLECTOR_LISTEN",
            Self::Analyzer => "PHASEGATE_ANALYZER_LISTEN",
            Self::Reporter => "PHASEGATE_REPORTER_LISTEN",
        }
    }
}
