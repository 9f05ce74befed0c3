//! Runs that may catch a defect of the product, by names that another program can give: the defects that it plants are not
//! known here (`lab/defects`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum as _;

use crate::spec::{Script, Spec};

/// A run: a script by its name, or a seed of two hours of trouble by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    Script(Script),
    Seed(u64),
}

impl Trap {
    /// Scripts first, then seeds.
    pub fn all(seeds: u64) -> impl Iterator<Item = Self> {
        Script::ALL.into_iter().map(Self::Script).chain((0..seeds).map(Self::Seed))
    }

    /// As a run.
    #[must_use]
    pub fn spec(self) -> Spec {
        match self {
            Self::Script(script) => Spec::scripted(script, None),
            Self::Seed(seed) => Spec::seeded(seed, Duration::from_secs(7200)),
        }
    }
}

impl FromStr for Trap {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if let Ok(seed) = name.parse() {
            return Ok(Self::Seed(seed));
        }
        Script::from_str(name, false).map(Self::Script)
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(seed) => write!(f, "{seed}"),
            Self::Script(script) => match script.to_possible_value() {
                Some(value) => f.write_str(value.get_name()),
                None => f.write_str("none"),
            },
        }
    }
}
