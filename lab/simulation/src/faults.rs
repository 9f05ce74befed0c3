//! What goes wrong, drawn from the seed: how often, of which kind, and until when.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use shared_types::Timestamp;

use crate::boundary::{Kind, Verdict};
use crate::replica::ReplicaId;

/// Shares of a thousand, each asked where it can happen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    pub kill: u32,
    pub pause: u32,
    pub lost_commit: u32,
    pub dropped: u32,
    pub delayed: u32,
    pub duplicated: u32,
    pub lost_reply: u32,
    pub vendor: u32,
    pub command: u32,
}

impl Rates {
    /// Much of everything.
    #[must_use]
    pub fn draw(rng: &mut SmallRng) -> Self {
        let mut share = |most: u32| if rng.random_bool(0.3) { 0 } else { rng.random_range(0..=most) };
        Self {
            kill: share(6),
            pause: share(4),
            lost_commit: share(8),
            dropped: share(60),
            delayed: share(60),
            duplicated: share(80),
            lost_reply: share(60),
            vendor: share(250),
            command: share(300),
        }
    }
}

/// One kill at one numbered boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    pub at: u64,
}

/// The plan of a run.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rates: Rates,
    until: Option<Timestamp>,
    crash: Option<Crash>,
    in_turn: bool,
    /// From and to when the flag system refuses whatever it is asked.
    jams: Vec<(Timestamp, Timestamp)>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    Dropped,
    /// The caller gives up; it arrives after so long.
    Delayed(Duration),
    /// It arrives now, and once more after so long.
    Duplicated(Duration),
    /// It arrives, and its answer does not.
    ReplyLost,
}

/// What a vendor does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VendorFate {
    Accepts,
    /// Accepts, and nobody hears of it.
    AcceptsSilently,
    /// An error that says nothing has happened: a 5xx before the effect, or `ok: false`.
    Refuses,
    /// An error after it has happened.
    AcceptsAndFails,
    /// 429 with a time.
    AsksForPatience,
    /// 429 without one.
    Throttles,
    /// Nothing happens and nobody answers.
    IsSilent,
    /// Never will.
    RefusesForEver,
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandFate {
    Works,
    /// Exits with an error, without effect.
    Fails,
    /// Has its effect, and its end is not seen.
    IsCutOff,
}

impl Faults {
    /// At these rates until then.
    #[must_use]
    pub fn seeded(rates: Rates, until: Timestamp) -> Self {
        Self { rates, until: Some(until), ..Self::default() }
    }

    /// Nothing goes wrong but one crash, if any; tasks take turns.
    #[must_use]
    pub fn one_crash(crash: Option<Crash>) -> Self {
        Self { crash, in_turn: true, ..Self::default() }
    }

    /// The flag system refuses everything in these times as well.
    #[must_use]
    pub fn jammed(self, jams: Vec<(Timestamp, Timestamp)>) -> Self {
        Self { jams, ..self }
    }

    /// Whether tasks are granted in the order of their beginnings.
    #[must_use]
    pub fn takes_turns(&self) -> bool {
        self.in_turn
    }

    fn active(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Decides at a boundary.
    pub fn at(
        &mut self,
        kind: Kind,
        owner: Option<ReplicaId>,
        number: u64,
        now: Timestamp,
        rng: &mut SmallRng,
    ) -> Verdict {
        if self.crash.is_some_and(|crash| crash.at == number) && owner.is_some() {
            return Verdict::Kill;
        }
        if !self.active(now) || owner.is_none() {
            return Verdict::Go;
        }
        let drawn = rng.random_range(0..1000);
        let Rates { mut kill, pause, lost_commit, .. } = self.rates;
        if matches!(kind, Kind::Ask | Kind::Effect | Kind::Told) {
            // Few of many; what they interrupt matters most.
            kill *= 16;
        }
        if drawn < kill {
            Verdict::Kill
        } else if drawn < kill + pause && kind.may_stop() {
            Verdict::Pause(Duration::from_secs(rng.random_range(2..150)))
        } else if drawn < kill + pause + lost_commit && kind == Kind::Committed {
            Verdict::Fail
        } else {
            Verdict::Go
        }
    }

    /// Decides what becomes of a message.
    pub fn message(&mut self, now: Timestamp, rng: &mut SmallRng) -> Fate {
        if !self.active(now) {
            return Fate::Delivered;
        }
        let rates = self.rates;
        let mut drawn = rng.random_range(0..1000);
        let later = Duration::from_secs(rng.random_range(1..600));
        let fates = [
            (rates.dropped, Fate::Dropped),
            (rates.delayed, Fate::Delayed(later)),
            (rates.duplicated, Fate::Duplicated(later)),
            (rates.lost_reply, Fate::ReplyLost),
        ];
        for (share, fate) in fates {
            if drawn < share {
                return fate;
            }
            drawn -= share;
        }
        Fate::Delivered
    }

    /// Decides what a vendor does.
    pub fn vendor(&mut self, now: Timestamp, rng: &mut SmallRng) -> VendorFate {
        if !self.active(now) || rng.random_range(0..1000) >= self.rates.vendor {
            return VendorFate::Accepts;
        }
        match rng.random_range(0..40) {
            0..8 => VendorFate::AcceptsSilently,
            8..16 => VendorFate::Refuses,
            16..22 => VendorFate::AcceptsAndFails,
            22..28 => VendorFate::AsksForPatience,
            28..33 => VendorFate::Throttles,
            33..39 => VendorFate::IsSilent,
            _ => VendorFate::RefusesForEver,
        }
    }

    /// Decides what a command does.
    pub fn command(&mut self, now: Timestamp, rng: &mut SmallRng) -> CommandFate {
        if self.jams.iter().any(|(from, to)| (*from..*to).contains(&now)) {
            CommandFate::Fails
        } else if !self.active(now) || rng.random_range(0..1000) >= self.rates.command {
            CommandFate::Works
        } else if rng.random_bool(0.5) {
            CommandFate::Fails
        } else {
            CommandFate::IsCutOff
        }
    }
}
