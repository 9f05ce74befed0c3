//! One run after the other in one thread, and what came of each.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use service_kit::outbox::Recorded;
use shared_types::Verdict;
use shared_types::decision::{Cause, ControlFinding};
use shared_types::incident::ReviewState;
use shared_types::story::{Hop, HopKind, Recovery};
use tokio::runtime::{Builder, Runtime};

use crate::checks::check;
use crate::databases::Databases;
use crate::facts::Facts;
use crate::spec::Spec;
use crate::trace::Trace;
use crate::world::{Setting, World};

/// Lines of a failing run's timeline that are shown.
const SHOWN: usize = 60;

/// What came of a run.
pub struct Report {
    pub seed: u64,
    /// By the name of the check.
    pub findings: BTreeMap<&'static str, Vec<String>>,
    pub trace: Trace,
    /// Boundaries passed.
    pub boundaries: u64,
}

/// A thread's runs.
pub struct Simulation {
    runtime: Runtime,
    setting: Setting,
    databases: Databases,
}

impl Simulation {
    /// Reads policies and templates, and opens the databases, once.
    ///
    /// # Panics
    /// Without a runtime there is nothing to run; SQLite in memory fails.
    #[must_use]
    pub fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
        let databases = runtime.block_on(Databases::open()).unwrap_or_else(|error| panic!("{error}"));
        Self { runtime, setting: Setting::new(), databases }
    }

    /// One run.
    ///
    /// # Panics
    /// SQLite in memory fails.
    #[must_use]
    pub fn run(&self, spec: Spec) -> Report {
        let seed = spec.seed;
        self.runtime.block_on(async {
            let mut world = World::new(&self.setting, &self.databases, spec);
            world.run().await;
            let facts = Facts::of(&mut world).await.unwrap_or_else(|error| panic!("{error}"));
            met(&facts).for_each(|what| world.scheduler.met(what));
            let report = Report {
                seed,
                findings: check(&facts),
                trace: world.scheduler.trace(),
                boundaries: world.scheduler.boundaries(),
            };
            world.close().await;
            self.databases.empty().await.unwrap_or_else(|error| panic!("{error}"));
            report
        })
    }
}

/// What a proof over nothing would not have met, as the facts tell it.
fn met(facts: &Facts) -> impl Iterator<Item = &'static str> {
    let acts = facts.audit.iter().filter_map(|row| {
        Some(match row.action.as_str() {
            "rollout.promote" => "promotions",
            "rollout.approve" => "approvals",
            "rollout.withdraw" => "withdrawn approvals",
            "rollout.freeze" => "freezes",
            "rollout.rollback" => "rollbacks by hand",
            "rollout.abort" => "rollouts taken back at once",
            "rca.submitted" => "root causes",
            "evidence.signed" => "signatures",
            "collector.pause" => "collector pauses",
            "collector.resume" => "collector resumptions",
            "store.behind" => "stores found behind",
            "store.accepted" => "restored stores gone on from",
            _ => return None,
        })
    });
    let hops = facts.incidents.iter().flat_map(|(_, timeline)| timeline).filter_map(|hop| {
        Some(match HopKind::from(&hop.hop) {
            HopKind::IncidentOpened => "incidents",
            HopKind::Escalated => "escalations",
            HopKind::RollbackWaiting => "rollbacks that wait",
            HopKind::RcaReminded => "reminders",
            HopKind::ReviewOpened => "reviews",
            HopKind::Closed => "closed incidents",
            HopKind::PageResolvedByPerson => "pages resolved by a person",
            _ => return None,
        })
    });
    let rulings = facts.incidents.iter().filter_map(|(incident, _)| {
        let review = incident.review.as_ref()?;
        Some(match review.state {
            ReviewState::Open => "undecided reviews",
            ReviewState::Approved => "forced rollbacks",
            ReviewState::Declined => "declined reviews",
            ReviewState::Void => "void reviews",
        })
    });
    let exhausted = facts.effects.iter().filter(|(_, it)| it.kind == "deliver_event");
    let fenced = facts.books.settled.iter().filter(|it| it.recorded == Recorded::Fenced);
    let effects = exhausted.map(|_| "collector events").chain(fenced.map(|_| "takeovers"));
    let failed = facts.notifications.iter().filter(|it| it.kind == "move_failed").map(|_| "failed moves up");
    let lost = facts.received.iter().filter(|it| facts.is_lost(it.decision.epoch)).map(|it| {
        match (it.decision.rollback_required, it.stale) {
            (true, false) => "rollbacks of a lost past made",
            (true, true) => "rollbacks of a lost past told",
            _ => "decisions of a lost past",
        }
    });
    let unaware = facts.books.moved.iter().filter(|it| it.unaware && it.before != it.from);
    let lost = lost.chain(unaware.map(|_| "commands that found another phase after a restore"));
    acts.chain(hops).chain(rulings).chain(effects).chain(failed).chain(lost).chain(met_by_evidence(facts))
}

/// The same of what only windows that are weighed together lead to.
fn met_by_evidence(facts: &Facts) -> impl Iterator<Item = &'static str> {
    let weighs = facts.policy.gate.judge.weighs();
    let decisions = facts.received.iter().filter(move |it| weighs && !it.stale).map(|it| &it.decision);
    let verdicts = decisions.clone().filter_map(|it| match (it.cause, it.verdict) {
        (Cause::Slo, Verdict::Unsure) => Some("doubtful windows"),
        (Cause::Slo, Verdict::Violation) if it.rollback_required => Some("proofs"),
        (Cause::CollectionDelayed, Verdict::Insufficient) => Some("tolerated gaps"),
        (Cause::CollectionDelayed, Verdict::Violation) => Some("blind pages"),
        _ => None,
    });
    let weighed = decisions.flat_map(|it| &it.metrics).filter_map(|it| it.weighed.as_ref());
    let left_out = weighed.clone().filter(|it| it.left_out.is_some()).map(|_| "sessions left out");
    let findings = weighed.filter_map(|it| match it.control.as_ref()?.finding? {
        ControlFinding::Outside => Some("held windows"),
        ControlFinding::Surroundings => Some("broken surroundings"),
        ControlFinding::Regression => Some("regressions"),
    });
    let notices = facts.incidents.iter().filter(|(it, _)| it.notice).map(|_| "notices");
    let watched =
        facts.incidents.iter().flat_map(|(_, timeline)| timeline).filter_map(move |it| match it.hop {
            Hop::Recovered { how: Recovery::Watched } if weighs => Some("recoveries by evidence"),
            Hop::Recovered { how: Recovery::Unproven } => Some("unproven recoveries"),
            Hop::WatchFailed { .. } if weighs => Some("failed recoveries by evidence"),
            _ => None,
        });
    verdicts.chain(left_out).chain(findings).chain(notices).chain(watched)
}

impl Default for Simulation {
    fn default() -> Self {
        Self::new()
    }
}

/// Does something with each, in so many threads, each with a simulation of its own; in the order given.
///
/// # Panics
/// When the work does.
pub fn each<I: Sync, T: Send>(
    items: &[I],
    threads: usize,
    work: impl Fn(&Simulation, &I) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let begin = || {
            let simulation = Simulation::new();
            let mut mine = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::SeqCst);
                let Some(item) = items.get(at) else { return mine };
                mine.push((at, work(&simulation, item)));
            }
        };
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(begin)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, it)| it).collect()
}

impl Report {
    /// Whether every promise held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}:", self.seed)?;
        for (check, findings) in &self.findings {
            writeln!(f, "  broken: {check}")?;
            findings.iter().take(5).try_for_each(|finding| writeln!(f, "    {finding}"))?;
        }
        let lines: Vec<&str> = self.trace.text().lines().collect();
        let from = lines.len().saturating_sub(SHOWN);
        lines[from..].iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}
