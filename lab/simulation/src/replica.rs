//! Which service, and which of its replicas.

use std::fmt;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Collector,
    Analyzer,
    Reporter,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Collector, Self::Analyzer, Self::Reporter];

    /// Also the host name it has in the simulated network.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Analyzer => "analyzer",
            Self::Reporter => "reporter",
        }
    }

    /// The other way round.
    #[must_use]
    pub fn of_host(host: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == host)
    }
}

/// A replica of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplicaId {
    pub service: Service,
    pub index: u8,
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service.name(), self.index)
    }
}
