//! What is told of an incident, as data: which words it gets, and in which language, is decided where it is shown.

pub mod deed;
pub mod hop;

use crate::Timestamp;

pub use deed::Deed;
pub use hop::{
    Acknowledgement, EscalationReason, Hold, Hop, HopKind, InTime, Links, Recovery, Ruling, StillHeld, Told,
    ToldBy, WatchFailure,
};

/// A hop with its time.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedHop {
    pub at: Timestamp,
    pub hop: Hop,
}
