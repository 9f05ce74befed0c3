//! What a run is: drawn whole from its seed, or written out.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::faults::{Crash, Rates};
use crate::people::Manner;
use crate::replica::Service;
use crate::world::VIOLATION;

/// A run.
#[derive(Debug, Clone)]
pub struct Spec {
    pub seed: u64,
    /// How long things go wrong; then it goes on until all is quiet.
    pub trouble: Duration,
    /// Replicas of collector, analyzer, reporter.
    pub replicas: [u8; 3],
    /// Clock errors, by service and replica, in milliseconds.
    pub skews: [[i64; 2]; 3],
    pub rates: Rates,
    /// Windows in a thousand that are not good.
    pub ill: u32,
    /// People pause the collector now and then.
    pub pauses: bool,
    /// Windows are weighed together and beside a control group, not each for itself.
    pub weighs: bool,
    /// Services that are gone by plan.
    pub away: Vec<Away>,
    /// The flag system refuses every command, from and to such a minute of the run.
    pub jams: Vec<(u64, u64)>,
    /// Somebody sets the flag by hand.
    pub tamper: Option<Tamper>,
    /// Somebody makes batches and decisions up, of stays that never were.
    pub forges: bool,
    /// People take a rollout to `off` at once, now and then, and do not always write their names alike.
    pub hasty: bool,
    /// The reporter's store is put back to an earlier moment, once.
    pub restore: Option<Restore>,
    /// Tasks take turns, people and telemetry do the same each time.
    pub calm: bool,
    pub crash: Option<Crash>,
    pub script: Script,
    /// A line for each boundary.
    pub verbose: bool,
}

/// All replicas of a service are gone, from and to such a minute of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away {
    pub service: Service,
    pub from: u64,
    pub to: u64,
}

/// The flag is set to the phase at that place (0 = `off`) by hand, from and to such a minute of the run; without an end a command
/// sets it again, or nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tamper {
    pub from: u64,
    pub to: Option<u64>,
    pub position: usize,
}

/// In which minutes of the run the reporter's store is copied, put back to that copy while the other services go on, and gone on
/// from by a person's word (OP-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    pub copied: u64,
    pub back: u64,
    pub accepted: u64,
}

impl Restore {
    /// Up to three quarters of an hour are lost, and it is accepted before the trouble ends.
    fn draw(rng: &mut SmallRng, trouble: Duration) -> Self {
        let latest = (trouble.as_secs() / 60).saturating_sub(65).max(6);
        let copied = rng.random_range(5..latest);
        let back = copied + rng.random_range(1..=45);
        Self { copied, back, accepted: back + rng.random_range(3..20) }
    }
}

/// What happens by plan, not by draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Script {
    #[value(skip)]
    None,
    /// One window in phase B is too slow.
    Violation,
    /// As before, and nobody acknowledges.
    Escalation,
    /// As before, and people try to move up while it is open.
    Impatience,
    /// The window that spans the move from A to B is too slow: its batch is of an epoch that is over.
    Straggler,
    /// The collector is away for three quarters of an hour.
    Silence,
    /// The analyzer is away for that long: retries are exhausted.
    Deafness,
    /// In each phase one person approves everything, or approves what they ask for; the right ones do so later.
    Sloppiness,
    /// One window in phase B is too slow while the target is frozen.
    Frost,
    /// The reporter gets another policy between the approvals and the move.
    Amendment,
    /// From one window in phase B on all are too slow, however often the rollout is begun anew.
    Persistence,
    /// One window in phase B is too slow, the incident is taken on late and at PagerDuty, and nobody finds its cause.
    Negligence,
    /// By evidence: from one window in phase B on some saves fail, more than chance makes them, and it takes several windows to tell.
    Doubt,
    /// By evidence: in phase A saves fail as often without the feature as with it.
    Outside,
    /// By evidence: the collector is away for two windows, and later for five.
    Gaps,
    /// By evidence: in phase B somebody sets the flag to C by hand, and sets it back later.
    Drift,
    /// The flag system takes no command while phase B is due, and none after one window in B is too slow.
    Jam,
    /// The reporter's store is put back from phase B to A, and forgets an incident with it. What is too slow in the stay in A that
    /// is lost waits for a person to go on from the store.
    Restore,
}

impl Script {
    /// All but none.
    pub const ALL: [Self; 17] = [
        Self::Violation,
        Self::Escalation,
        Self::Impatience,
        Self::Straggler,
        Self::Silence,
        Self::Deafness,
        Self::Sloppiness,
        Self::Frost,
        Self::Amendment,
        Self::Persistence,
        Self::Negligence,
        Self::Doubt,
        Self::Outside,
        Self::Gaps,
        Self::Drift,
        Self::Jam,
        Self::Restore,
    ];

    /// Until what it is about has happened.
    fn length(self) -> Duration {
        let minutes = match self {
            Self::Escalation => 90,
            Self::Sloppiness | Self::Persistence | Self::Restore => 160,
            Self::Negligence | Self::Doubt | Self::Drift => 120,
            Self::Gaps => 240,
            _ => 75,
        };
        Duration::from_secs(60 * minutes)
    }

    fn weighs(self) -> bool {
        matches!(self, Self::Doubt | Self::Outside | Self::Gaps | Self::Drift)
    }

    fn tamper(self) -> Option<Tamper> {
        let tamper = Tamper { from: VIOLATION + 5, to: Some(VIOLATION + 40), position: 3 };
        (self == Self::Drift).then_some(tamper)
    }

    /// Longer than all retries take.
    fn jams(self) -> Vec<(u64, u64)> {
        if self == Self::Jam { vec![(16, 46), (VIOLATION + 15, VIOLATION + 30)] } else { Vec::new() }
    }

    fn restore(self) -> Option<Restore> {
        let restore = Restore { copied: VIOLATION - 35, back: VIOLATION + 18, accepted: VIOLATION + 50 };
        (self == Self::Restore).then_some(restore)
    }

    fn away(self) -> Vec<Away> {
        let of = |service, from, minutes| Away { service, from, to: from + minutes };
        match self {
            Self::Silence => vec![of(Service::Collector, VIOLATION + 5, 45)],
            Self::Deafness => vec![of(Service::Analyzer, VIOLATION + 5, 45)],
            Self::Gaps => vec![
                of(Service::Collector, VIOLATION + 5, GAP * 2 + 3),
                of(Service::Collector, VIOLATION + 65, GAP * 5 + 3),
            ],
            _ => Vec::new(),
        }
    }
}

/// The longest clock error, in minutes.
const SKEW_MAX: i64 = 31;
/// So many minutes more without a collector, and one window more does not come in time.
const GAP: u64 = 15;

impl Spec {
    /// Drawn from the seed.
    #[must_use]
    pub fn seeded(seed: u64, trouble: Duration) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let replicas = [0; 3].map(|_| if rng.random_bool(0.5) { 2 } else { 1 });
        let skewed = rng.random_bool(0.3);
        let skews = [[0; 2]; 3].map(|of_service| {
            of_service.map(|_| {
                let minutes = rng.random_range(-SKEW_MAX..=SKEW_MAX);
                if skewed && rng.random_bool(0.5) { minutes * 60_000 } else { 0 }
            })
        });
        let rates = if rng.random_bool(0.1) { Rates::default() } else { Rates::draw(&mut rng) };
        let ill = rng.random_range(20..250);
        // The others draw as they did before there were pauses, and evidence: what they are known to catch they catch still.
        let pauses = seed % 6 == 5;
        let weighs = matches!(seed % 12, 1 | 5..=7);
        let away = if weighs { Self::gap(&mut rng, trouble) } else { Vec::new() };
        let tamper = (seed % 12 == 6).then(|| Tamper {
            from: rng.random_range(15..trouble.as_secs() / 60),
            to: None,
            position: rng.random_range(0..4),
        });
        let (forges, hasty) = (seed % 12 == 9, seed % 12 == 3);
        let jammed = |rng: &mut SmallRng| {
            let from = rng.random_range(5..trouble.as_secs() / 60);
            vec![(from, from + rng.random_range(10..30))]
        };
        let jams = if seed % 12 == 2 { jammed(&mut rng) } else { Vec::new() };
        let restored = seed % 12 == 4 || seed % 24 == 19;
        let restore = restored.then(|| Restore::draw(&mut rng, trouble));
        let drawn = Self::calm(seed, trouble, Script::None, false);
        Self {
            skews,
            replicas,
            rates,
            ill,
            pauses,
            weighs,
            away,
            jams,
            tamper,
            forges,
            hasty,
            restore,
            ..drawn
        }
    }

    /// Mostly one to five windows do not come; before the trouble ends the collector is back.
    fn gap(rng: &mut SmallRng, trouble: Duration) -> Vec<Away> {
        let length = rng.random_range(1..=5) * GAP + rng.random_range(0..10);
        let latest = (trouble.as_secs() / 60).saturating_sub(length).max(16);
        let from = rng.random_range(15..latest);
        let to = from + length;
        let away = Away { service: Service::Collector, from, to };
        if rng.random_bool(0.6) { vec![away] } else { Vec::new() }
    }

    /// Without draws.
    #[must_use]
    pub fn scripted(script: Script, crash: Option<Crash>) -> Self {
        Self { crash, ..Self::calm(1, script.length(), script, true) }
    }

    fn calm(seed: u64, trouble: Duration, script: Script, calm: bool) -> Self {
        Self {
            seed,
            trouble,
            replicas: [1; 3],
            skews: [[0; 2]; 3],
            rates: Rates::default(),
            ill: 0,
            pauses: false,
            weighs: script.weighs(),
            away: script.away(),
            jams: script.jams(),
            tamper: script.tamper(),
            forges: false,
            hasty: false,
            restore: script.restore(),
            calm,
            crash: None,
            script,
            verbose: false,
        }
    }

    /// How people go about it.
    #[must_use]
    pub fn manner(&self) -> Manner {
        match self.script {
            Script::Escalation => Manner::Absent,
            Script::Impatience => Manner::Hasty,
            Script::Sloppiness => Manner::Sloppy,
            Script::Negligence => Manner::Negligent,
            _ if self.calm => Manner::Calm,
            _ => Manner::Drawn,
        }
    }

    /// The largest difference between two clocks.
    #[must_use]
    pub fn spread(&self) -> Duration {
        let all = self.skews.iter().flatten().copied();
        let (low, high) = all.fold((0, 0), |(low, high), skew: i64| (low.min(skew), high.max(skew)));
        Duration::from_millis(u64::try_from(high - low).unwrap_or(0))
    }
}
