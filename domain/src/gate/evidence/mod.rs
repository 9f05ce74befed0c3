//! How sure the gate may be that a limit is broken (JU-1, JU-2, JU-9, JU-14).
//!
//! A window is reduced to how many of its attempts were bad. Each window adds to an evidence that grows while the rate of
//! bad ones lies above the limit and stays small while it does not; errors that come in bunches weigh as many as are
//! independent. Plain numbers in, plain numbers out: what is done about it is the gate's.

mod bunches;
mod counts;
mod detector;
mod level;
mod relative;
mod share;
mod tail;

pub use bunches::{Neighbours, WINDOWS as SESSION_WINDOWS, difference_of, of_neighbours, of_sessions};
pub use counts::{Counts, Limit};
pub use detector::{Detector, Settings, of_small_share};
pub use relative::{RelativeDetector, odds_of_part};
pub use share::{Share, ShareError};
pub use tail::{at_least, at_least_of_rate};

#[cfg(test)]
mod promise;
#[cfg(test)]
mod vectors;
