//! What moves a target: the half of an executor that acts. What a move is was planned before (`domain::executors`), and is
//! kept whole; here it is done, in one attempt, and read back.

mod all;
pub mod command;
mod executor;
pub mod flagd;

#[cfg(test)]
mod tests;

use clap::ArgMatches;

use crate::kind::{Kind, Opening};

/// The kinds of the product, one line each.
pub const SHIPPED: [Kind<dyn Executor>; 2] = [command::KIND, flagd::KIND];

pub use all::Executors;
pub use executor::{Executor, ReadBack, Turn};

impl Executors {
    /// With what they were told.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn open(kinds: &[Kind<dyn Executor>], told: &ArgMatches, with: &Opening) -> anyhow::Result<Self> {
        kinds.iter().try_fold(Self::default(), |all, kind| Ok(all.with((kind.open)(told, with)?)))
    }
}
