//! One rollout of the corpus, judged by the gate and played by the rules of rollouts.
//!
//! As `corpus/evaluate.py` walks its rules: a window is served in the phase that the rollout is in when it begins, and what
//! its decision brings about has happened when the next one begins. People approve at once, and nothing moves up while they
//! work on an incident; a bad version that was rightly thrown out is not brought back.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use domain::policy::{Policy, TargetPolicy};
use domain::whatif::archive::{Archived, Judge};
use domain::whatif::play::{Assumptions, People, Player, Rules, Start, Telemetry};
use shared_types::decision::ViolationAction;
use shared_types::{Decision, PhaseId, TargetName, Verdict, Window};

use crate::batch::batch;
use crate::corpus::{AUDIENCE, Kind, PHASES, Trace, WINDOW, WINDOWS, window};
use crate::row::Row;

const TARGET: &str = "autosave";
/// So many windows after a rollback people have found its cause and signed its papers.
const PAPERWORK: usize = 32;
/// So many windows without harm, and a bad version that was thrown out is of no more interest.
const QUIET: usize = 96;
const OFF: i32 = -1;

/// A policy, as rollouts are judged and played by it.
#[derive(Debug, Clone)]
pub struct Gate {
    pub name: String,
    policy: Arc<Policy>,
    target: TargetName,
    rules: TargetPolicy,
}

impl Gate {
    /// # Errors
    /// A policy that cannot be read, or has other phases than the corpus.
    pub fn of(name: &str, text: &str) -> Result<Self> {
        let policy = Policy::parse(text, name)?;
        let target = TargetName::parse(TARGET)?;
        let mut rules = policy.targets.get(&target).context("the policy has no target `autosave`")?.clone();
        let phases: Vec<&str> = rules.phases.iter().map(|phase| phase.id.as_str()).collect();
        anyhow::ensure!(phases == PHASES, "the corpus is of the phases {PHASES:?}, the policy of {phases:?}");
        // The corpus has no shorter windows for a recovery watch: it has to wait for those that there are.
        rules.transitions.recovery_cadence = rules.transitions.recovery_cadence.max(WINDOW);
        Ok(Self { name: name.to_owned(), policy: Arc::new(policy), target, rules })
    }

    /// Judges windows one after the other.
    ///
    /// # Errors
    /// None, for a gate that was made.
    pub fn judge(&self) -> Result<Windows<'_>> {
        let judge = Judge::new(Arc::clone(&self.policy), self.target.clone(), None);
        Ok(Windows { gate: self, judge: judge.context("no such target")? })
    }

    fn player(&self) -> Result<Player> {
        let rules = Rules {
            target: self.target.clone(),
            policy: self.rules.clone(),
            version: self.policy.version.clone(),
        };
        let start = Start { phase: PhaseId::parse(PHASES[0])?, epoch: 1, at: window(0).start };
        let assumed = Assumptions { people: People::AtOnce, telemetry: Telemetry::EveryPhase };
        Ok(Player::begin(rules, start, assumed))
    }
}

/// The gate at work.
pub struct Windows<'g> {
    gate: &'g Gate,
    judge: Judge,
}

impl Windows<'_> {
    /// What is said of the w-th window in a phase: that it did not come, what it shows, or one after the other.
    ///
    /// # Errors
    /// A batch that cannot be judged.
    pub fn decide(&mut self, trace: &Trace, phase: &PhaseId, epoch: u64, w: usize) -> Result<Vec<Decision>> {
        let index = index_of(phase).context("a window of no gated phase")?;
        let batch = batch(trace, &self.gate.target, (index, phase), epoch, w);
        let of = Archived { batch: &batch, arrived: batch.collected_at, phase, epoch };
        let mut decisions = Vec::new();
        if trace.is_missing(w) || self.judge.gave_up_on(of) {
            decisions.extend(self.judge.alarm(of, batch.window));
        }
        if !trace.is_missing(w) {
            decisions
                .push(self.judge.judge(of, None).map_err(|why| anyhow!("{}, window {w}: {why}", trace.id))?);
        }
        Ok(decisions)
    }
}

fn index_of(phase: &PhaseId) -> Option<usize> {
    PHASES.iter().position(|id| *id == phase.as_str())
}

/// As rows number them; what is not gated is off.
fn number(phase: &PhaseId) -> i32 {
    let gated = index_of(phase).and_then(|index| i32::try_from(index).ok());
    gated.unwrap_or(OFF)
}

/// The rollout from its first window to its end.
///
/// # Errors
/// As [`Windows::decide`].
pub fn walk(trace: &Trace, gate: &Gate) -> Result<Row> {
    let rollout = Rollout {
        trace,
        windows: gate.judge()?,
        player: gate.player()?,
        row: Row::begin(&trace.id, &trace.class, trace.kind),
        no_move_before: 0,
        thrown_out: false,
        quiet: 0,
    };
    rollout.play()
}

struct Rollout<'a> {
    trace: &'a Trace,
    windows: Windows<'a>,
    player: Player,
    row: Row,
    /// Until people have done with the last rollback.
    no_move_before: usize,
    /// It was bad, and was rolled back for it.
    thrown_out: bool,
    quiet: usize,
}

impl Rollout<'_> {
    fn play(mut self) -> Result<Row> {
        for w in 0..WINDOWS {
            if self.player.phase().is_off() {
                if self.thrown_out {
                    break;
                }
                self.start(w);
            }
            let Some((phase, epoch)) = self.served(window(w)) else { continue };
            if self.met(&phase, w) {
                break;
            }
            self.judged(&phase, epoch, w)?;
            if self.row.completed.is_some() {
                break;
            }
        }
        Ok(self.row)
    }

    fn start(&mut self, w: usize) {
        if w < self.no_move_before {
            return;
        }
        self.player.start(window(w).start);
        if !self.player.phase().is_off() {
            self.row.steps.push((w, OFF, Some(0), "start".to_owned()));
        }
    }

    /// The phase and epoch of a window, if it is of a gated phase.
    fn served(&self, window: Window) -> Option<(PhaseId, u64)> {
        let stay = self.player.stay_at(window.start).filter(|stay| stay.phase.is_gated())?;
        Some((stay.phase.clone(), stay.epoch))
    }

    /// What users meet in the window. True when nothing more is to be seen.
    fn met(&mut self, phase: &PhaseId, w: usize) -> bool {
        let index = index_of(phase).unwrap_or(0);
        let is_bad = self.trace.phases[index].is_bad(w);
        if is_bad {
            self.row.exposure += AUDIENCE[index] * WINDOW.as_secs_f64() / 60.0;
            self.row.first_bad.get_or_insert(w);
        }
        self.quiet = if is_bad || !self.thrown_out { 0 } else { self.quiet + 1 };
        self.quiet > QUIET
    }

    fn judged(&mut self, phase: &PhaseId, epoch: u64, w: usize) -> Result<()> {
        let now = window(w).end;
        let was_watching = self.player.is_watching();
        let decisions = self.windows.decide(self.trace, phase, epoch, w)?;
        self.player.tick(now);
        let stays = w + 1 < self.no_move_before || self.thrown_out;
        for mut decision in decisions {
            self.count(&decision);
            if let Some(gate) = decision.gate.as_mut().filter(|_| stays) {
                // The one thing that people stand for here: what the gate has reached is not used yet.
                gate.satisfied = false;
            }
            self.player.decided(decision, now);
        }
        if self.player.phase().is_completed() {
            self.row.completed = Some(w + 1);
            return Ok(());
        }
        let (from, to) = (number(phase), number(self.player.phase()));
        if to != from {
            let why = if to > from { "promote" } else { "rollback" };
            self.row.steps.push((w + 1, from, Some(to), why.to_owned()));
        }
        if to < from {
            self.rolled_back(phase, was_watching, w);
        }
        Ok(())
    }

    fn count(&mut self, decision: &Decision) {
        self.row.judged += 1;
        self.row.pages += u64::from(decision.action == Some(ViolationAction::Page));
        self.row.unsure += u64::from(decision.verdict == Verdict::Unsure);
    }

    fn rolled_back(&mut self, from: &PhaseId, was_watching: bool, w: usize) {
        let counted = &self.trace.phases[index_of(from).unwrap_or(0)];
        let is_right = (w.saturating_sub(3)..=w).any(|w| counted.is_bad(w));
        if !was_watching {
            let rollback = (w, number(from), counted.is_worse(w));
            if is_right { &mut self.row.right } else { &mut self.row.wrong }.push(rollback);
        }
        if is_right {
            self.thrown_out = self.trace.kind == Kind::Bad;
            self.row.detected.get_or_insert(w);
        }
        self.no_move_before = w + 1 + PAPERWORK;
    }
}
