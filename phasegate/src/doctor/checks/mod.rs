//! The checks, in the order in which they are told: what others stand on comes first.

mod alerts;
mod certificates;
mod channels;
mod clocks;
mod disk;
mod effects;
mod flags;
mod incidents;
mod neighbours;
mod policy;
mod rollouts;
mod services;
mod sources;
mod stores;
mod telemetry;

use super::check::Check;

/// All of them.
pub(crate) const CHECKS: [Check; 15] = [
    services::CHECK,
    stores::CHECK,
    disk::CHECK,
    clocks::CHECK,
    policy::CHECK,
    neighbours::CHECK,
    rollouts::CHECK,
    incidents::CHECK,
    flags::CHECK,
    effects::CHECK,
    channels::CHECK,
    sources::CHECK,
    telemetry::CHECK,
    alerts::CHECK,
    certificates::CHECK,
];
