//! What a judged window changes at its target: the compliant run of its epoch, and what is expected next.
//!
//! Plain functions over the state that the store keeps; see `gate::run` and `watch` for the rules themselves.

use shared_types::decision::{Cause, GateProgress, RunBefore};
use shared_types::{Decision, PhaseId, Timestamp, Verdict, Window};
use std::time::Duration;

use crate::policy::{JudgeBy, PhasePolicy, TargetPolicy};

use super::decide::Subject;
use super::judge::{Basis, Judgement, basis, judge};
use super::memory::InPhase;
use super::observe::Observed;
use super::run::{Contribution, Run};
use super::state::GateState;

/// Whether a batch received then was there before it counted as missing (CO-4).
#[must_use]
pub fn in_time(window: Window, received_at: Timestamp, delayed_after: Duration) -> bool {
    received_at <= window.end.plus(delayed_after)
}

/// What a judgement means for the compliant run. By `judge: window` a batch that came after it was given up counts as
/// missing, whatever it says: otherwise the order in which batch and alarm are heard would decide.
#[must_use]
pub fn contribution(judgement: &Judgement, in_time: bool, judge: JudgeBy) -> Contribution {
    let breaks = |cause| Contribution::Breaks { cause, metric: judgement.violated.first().cloned() };
    let weighs = judge.weighs();
    match (judgement.cause, judgement.verdict) {
        (Cause::CollectionDelayed, Verdict::Insufficient) if weighs => Contribution::Passes,
        (Cause::CollectionDelayed | Cause::RetryExhausted, _) => breaks(judgement.cause),
        (Cause::Slo, Verdict::Violation) => breaks(Cause::Slo),
        // Its window was told as missing; that it came after all makes it no compliant one.
        (Cause::Slo, _) if !in_time && weighs => Contribution::Passes,
        (Cause::Slo, _) if !in_time => breaks(Cause::CollectionDelayed),
        (Cause::Slo, Verdict::Unsure) => Contribution::Doubts,
        (Cause::Slo, Verdict::Insufficient) if waits(judgement) => Contribution::Waits,
        (Cause::Slo, Verdict::Insufficient) => Contribution::Passes,
        (Cause::Slo, Verdict::Ok | Verdict::Warn) => Contribution::Feeds,
    }
}

/// Whether it holds attempts that wait for more: by `judge: window` nothing is remembered.
fn waits(judgement: &Judgement) -> bool {
    let counted = judgement.uncounted.as_ref().is_none_or(|uncounted| !uncounted.over);
    counted && judgement.has_attempts()
}

/// A window to be judged, with what its decision names besides.
#[derive(Debug, Clone)]
pub struct Judged {
    pub subject: Subject,
    pub observed: Observed,
    /// Of the batch, if there was one.
    pub batch_hash: Option<String>,
    /// Since the window's end, if there was none.
    pub elapsed_ms: Option<u64>,
    pub sequence: u64,
    pub at: Timestamp,
}

/// By what a window is judged.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'p> {
    pub version: &'p str,
    pub policy: &'p TargetPolicy,
    pub phase: &'p PhasePolicy,
}

/// The decision on a window, taken into the run of its epoch. Whoever decides, replays or recomputes comes through here.
pub fn decide(state: &mut GateState, rules: Rules<'_>, judged: Judged) -> Decision {
    let Judged { subject, observed, batch_hash, elapsed_ms, sequence, at } = judged;
    let in_time = in_time(subject.window, at, rules.policy.collection.delayed_after);
    enter(state, &subject, rules);
    let run = run_before(state, &subject);
    let judgement = judge(&observed, subject.window, run.as_ref(), rules.policy, rules.phase);
    let gate = advance(state, &subject, &judgement, in_time, rules);
    let basis = Basis { batch_hash, elapsed_ms, run, sequence };
    judgement.into_decision(subject, basis, rules.version, gate, at)
}

/// The run of the same epoch that a decision goes on from.
fn run_before(state: &GateState, subject: &Subject) -> Option<RunBefore> {
    let (_, run) = state.run.as_ref().filter(|(_, run)| run.epoch == subject.epoch)?;
    Some(run.before()).filter(|before| *before != RunBefore::default())
}

/// A newer epoch begins a fresh run. By evidence it knows which events came, and before a move up how the control groups did.
fn enter(state: &mut GateState, subject: &Subject, rules: Rules<'_>) {
    let Rules { policy, phase, .. } = rules;
    let run = match &state.run {
        Some((_, run)) if run.epoch >= subject.epoch => return,
        Some((from, run)) if policy.gate.judge.weighs() && is_below(policy, from, &phase.id) => {
            let before = policy.phase(from);
            run.after_move_up(subject.epoch, |metric| in_phase(metric, policy, before, phase))
        }
        Some((_, run)) if policy.gate.judge.weighs() => run.after_move(subject.epoch),
        _ => Run::fresh(subject.epoch),
    };
    state.run = Some((subject.phase.clone(), run));
}

fn is_below(policy: &TargetPolicy, phase: &PhaseId, than: &PhaseId) -> bool {
    let place = |id: &PhaseId| policy.phases.iter().position(|phase| phase.id == *id);
    place(phase).is_some_and(|it| Some(it) < place(than))
}

fn in_phase(
    metric: &str,
    policy: &TargetPolicy,
    before: Option<&PhasePolicy>,
    phase: &PhasePolicy,
) -> Option<InPhase> {
    let metric = policy.metrics.iter().find(|it| it.name == metric)?;
    let limit = *phase.thresholds.get(&metric.name)?;
    let was = before.and_then(|phase| phase.thresholds.get(&metric.name).copied());
    // What is slow in one phase is not in another, by another limit; an error is one everywhere.
    let alike = metric.kind.is_counted() || was == Some(limit);
    let vouched = policy.gate.certainty_if_changed.is_some() && alike;
    Some(InPhase { basis: basis(metric, limit, &policy.gate), vouched })
}

/// Takes a judged window into the run of its epoch. `None` for a window of
/// an epoch that is over: it is judged and kept, but says nothing of the present one (PH-8).
fn advance(
    state: &mut GateState,
    subject: &Subject,
    judgement: &Judgement,
    in_time: bool,
    rules: Rules<'_>,
) -> Option<GateProgress> {
    let (_, run) = state.run.as_mut().filter(|(_, run)| run.epoch == subject.epoch)?;
    let Rules { policy, phase, .. } = rules;
    let (judge, tolerated) = (policy.gate.judge, policy.gate.gaps.tolerated);
    if judge.weighs() {
        run.bridge(subject.window, tolerated);
    }
    let contribution = contribution(judgement, in_time, judge);
    run.remember(subject.window, judgement, &contribution);
    run.take(subject.window, contribution);
    let progress = run.progress(phase.advance.condition);
    if !judge.weighs() {
        return Some(progress);
    }
    let (stay_over, stale) = (run.stay_over(policy, phase), run.stale(tolerated));
    let vanished = run.vanished();
    Some(GateProgress { stay_over, stale, vanished, ..by_time(progress, policy.collection.window) })
}

/// So many batches of the policy's length are in compliant windows of this number and time.
#[must_use]
pub fn whole_batches(batches: u64, compliant_ms: u64, window: Duration) -> u64 {
    let whole = u128::from(compliant_ms) / window.as_millis().max(1);
    batches.min(u64::try_from(whole).unwrap_or(u64::MAX))
}

/// PH-9: batches are windows of the policy's length; shorter ones, of a recovery watch or cut by a transition, count by
/// their time.
fn by_time(progress: GateProgress, window: Duration) -> GateProgress {
    let batches = whole_batches(progress.compliant_batches, progress.compliant_ms, window);
    let satisfied = progress.satisfied && progress.needed_batches.is_none_or(|needed| batches >= needed);
    GateProgress { compliant_batches: batches, satisfied, ..progress }
}

#[cfg(test)]
mod tests {
    use shared_types::TargetName;

    use super::*;
    use crate::gate::fixture::{policy, window};

    fn subject(epoch: u64, n: u32) -> Subject {
        Subject {
            target: TargetName::parse("autosave").unwrap(),
            phase: PhaseId::parse("A").unwrap(),
            epoch,
            window: window(n),
        }
    }

    fn judgement(verdict: Verdict) -> Judgement {
        Judgement {
            cause: Cause::Slo,
            verdict,
            metrics: vec![],
            violated: vec![],
            action: None,
            samples: 0,
            history: vec![],
            uncounted: None,
            remembered: vec![],
            groups_end: false,
            held: false,
            events: None,
            vanished: vec![],
        }
    }

    fn feed(state: &mut GateState, epoch: u64, n: u32) -> Option<GateProgress> {
        let policy = policy();
        let rules = Rules { version: "v", policy: &policy, phase: &policy.phases[0] };
        let subject = subject(epoch, n);
        enter(state, &subject, rules);
        advance(state, &subject, &judgement(Verdict::Ok), true, rules)
    }

    /// PH-8: a new epoch starts a fresh run, and windows of the old one do not touch it.
    #[test]
    fn epochs_do_not_share_runs() {
        let mut state = GateState::unheard(TargetName::parse("autosave").unwrap());
        assert_eq!(feed(&mut state, 1, 0).unwrap().compliant_batches, 1);
        assert_eq!(feed(&mut state, 1, 1).unwrap().compliant_batches, 2);
        let fresh = feed(&mut state, 2, 2).unwrap();
        assert_eq!((fresh.epoch, fresh.compliant_batches), (2, 1));
        let before = state.clone();
        assert_eq!(feed(&mut state, 1, 3), None);
        assert_eq!(state, before);
    }

    /// PH-7: a batch that came only after it was given up is a missing batch.
    #[test]
    fn late_batch_counts_as_missing() {
        let means = |verdict, in_time| contribution(&judgement(verdict), in_time, JudgeBy::Window);
        let broken = |cause| Contribution::Breaks { cause, metric: None };
        assert_eq!(means(Verdict::Warn, true), Contribution::Feeds);
        assert_eq!(means(Verdict::Insufficient, true), Contribution::Passes);
        for verdict in [Verdict::Ok, Verdict::Warn, Verdict::Insufficient] {
            assert_eq!(means(verdict, false), broken(Cause::CollectionDelayed));
        }
        assert_eq!(means(Verdict::Violation, false), broken(Cause::Slo));
        assert!(in_time(window(0), window(0).end.plus(Duration::from_secs(300)), Duration::from_secs(300)));
    }

    /// JU-8: by evidence a batch that came late neither feeds the run nor breaks it, unless it is bad.
    #[test]
    fn late_batch_breaks_nothing_by_evidence() {
        let means = |verdict| contribution(&judgement(verdict), false, JudgeBy::Evidence);
        for verdict in [Verdict::Ok, Verdict::Warn, Verdict::Insufficient, Verdict::Unsure] {
            assert_eq!(means(verdict), Contribution::Passes);
        }
        let broken = Contribution::Breaks { cause: Cause::Slo, metric: None };
        assert_eq!(means(Verdict::Violation), broken);
    }
}
