//! What moves a target: the half of an executor that acts. What a move is was planned before (`domain::executors`), and is
//! kept whole; here it is done, in one attempt, and read back.

mod all;
pub mod command;
mod executor;
pub mod flagd;
pub mod unleash;
mod users;
pub mod webhook;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use clap::ArgMatches;

use crate::kind::{Kind, Opening};

/// The kinds of the product, one line each.
pub const SHIPPED: [Kind<dyn Executor>; 4] = [command::KIND, flagd::KIND, unleash::KIND, webhook::KIND];

pub use all::Executors;
pub(crate) use all::not_here;
pub use executor::{Executor, ReadBack, Turn};
use users::UserCheck;

impl Executors {
    /// With what they were told.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn open(kinds: &[Kind<dyn Executor>], told: &ArgMatches, with: &Opening) -> anyhow::Result<Self> {
        let users =
            Self { users: Some(UserCheck::new(with.timeout, Arc::clone(&with.clock))?), ..Self::default() };
        kinds.iter().try_fold(users, |all, kind| Ok(all.with((kind.open)(told, with)?)))
    }
}
