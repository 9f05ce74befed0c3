//! Which fault each round has, all kinds in turn, repeatable by the seed.

use std::time::Duration;

use phasegate_tests::proxy::Mode;
use phasegate_tests::stack::SERVICES;

use crate::dice::Dice;
use crate::world::LINKS;

/// The kinds of faults, in the order of a short run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Freeze,
    RollingRestart,
    HalfOpen,
    PostgresKill,
    Kill,
    DiskFull,
    Throttle,
    LostReplies,
    Cut,
}

/// The longest first, so that rounds side by side end together.
pub(crate) const KINDS: [Kind; 9] = [
    Kind::Freeze,
    Kind::RollingRestart,
    Kind::HalfOpen,
    Kind::PostgresKill,
    Kind::Kill,
    Kind::DiskFull,
    Kind::Throttle,
    Kind::LostReplies,
    Kind::Cut,
];

/// What a round does to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL, so many times, and started again after a while.
    Kill { service: &'static str, times: u64, down: Duration },
    /// SIGSTOP for longer than a lease, with a second replica beside it.
    Freeze { service: &'static str, hold: Duration },
    /// SIGKILL to PostgreSQL's postmaster, and started again after a while.
    PostgresKill { down: Duration },
    /// The data directory takes no byte more for a while.
    DiskFull { hold: Duration },
    /// A line misbehaves for a while.
    Link { link: &'static str, mode: Mode, hold: Duration },
    /// Every service is replaced while its other replica works.
    RollingRestart,
}

/// One round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    pub(crate) fault: Fault,
    /// The violation is in phase B, so that there are two phases to leave; else in A.
    pub(crate) in_b: bool,
    /// From the start of the violation to the fault.
    pub(crate) after: Duration,
}

/// The rounds of a run.
pub(crate) fn rounds(seed: u64, count: usize) -> Vec<Planned> {
    let mut dice = Dice::seeded(seed);
    let planned = |number| {
        let kind = KINDS[number % KINDS.len()];
        let fault = fault(kind, &mut dice);
        Planned {
            number: number + 1,
            kind,
            fault: if number < KINDS.len() { telling(fault) } else { fault },
            in_b: dice.one_in(3),
            after: dice.millis(0, 2_000),
        }
    };
    (0..count).map(planned).collect()
}

/// The first round of a kind is on a line where it shows for sure: telemetry alone never stops.
fn telling(fault: Fault) -> Fault {
    let Fault::Link { mode, hold, .. } = fault else { return fault };
    let link = match mode {
        Mode::LoseReplies => "push",
        Mode::HalfOpen => "reporter",
        Mode::Throttled(_) => "reporter-db",
        Mode::Cut | Mode::Pass => "analyzer",
    };
    Fault::Link { link, mode, hold }
}

fn fault(kind: Kind, dice: &mut Dice) -> Fault {
    let service = dice.pick(&SERVICES);
    let link = dice.pick(&LINKS);
    let hold = dice.millis(1_500, 4_000);
    let on = |mode| Fault::Link { link, mode, hold };
    match kind {
        Kind::Kill => Fault::Kill { service, times: 1 + dice.below(3), down: dice.millis(0, 800) },
        // The first lease is 10 s.
        Kind::Freeze => Fault::Freeze { service, hold: dice.millis(10_500, 12_500) },
        Kind::PostgresKill => Fault::PostgresKill { down: dice.millis(0, 1_500) },
        Kind::DiskFull => Fault::DiskFull { hold },
        Kind::Throttle => on(Mode::Throttled(4_000 + dice.below(30_000))),
        Kind::HalfOpen => on(Mode::HalfOpen),
        Kind::LostReplies => on(Mode::LoseReplies),
        Kind::Cut => on(Mode::Cut),
        Kind::RollingRestart => Fault::RollingRestart,
    }
}
