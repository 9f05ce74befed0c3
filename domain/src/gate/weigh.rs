//! The verdict of one metric by evidence: not one quotient of one window, but whether it and those before it in the epoch
//! could be chance (JU-2 to JU-7, JU-15, JU-16).

use shared_types::Verdict;
use shared_types::decision::{InsufficientReason, MetricBefore, Weighed};

use super::changed;
use super::control::Beside;
use super::evidence::{Counts, Detector, Limit, SESSION_WINDOWS, Settings, of_neighbours, of_sessions};
use super::group::{Attempts, Group};
use super::memory::{RECENT, Remembered, WeighedAttempts, What};
use super::standing::Standing;
use super::threshold::{Threshold, hold_against};
use crate::policy::OnRegression;

/// Windows of a group that is judged as it stands.
const GROUP: u64 = RECENT as u64 + 1;
/// How many further windows like the present one are thought of.
const FORECAST: u32 = 96;

/// What is asked of one metric's window.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) metric: &'a str,
    pub(super) basis: String,
    /// What the epoch's windows before it have shown, if there were any.
    pub(super) before: Option<&'a MetricBefore>,
    pub(super) value: Option<f64>,
    /// The value, or as much as it may be where only bounds of it are known.
    pub(super) at_most: Option<f64>,
    pub(super) threshold: Threshold<'a>,
    /// Judged after a later window of its epoch.
    pub(super) late: bool,
    /// Nothing waits for it, so it waits for itself alone.
    pub(super) advisory: bool,
}

/// How a metric with attempts is weighed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    pub(super) limit: Limit,
    pub(super) settings: Settings,
    pub(super) min_samples: u64,
    pub(super) on_regression: OnRegression,
    /// The evidence that is needed of a version that is shown to have changed (JU-9f).
    pub(super) needed_if_changed: f64,
}

/// What comes out; nothing is remembered of a window without attempts, or without a value.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    pub(super) reason: Option<InsufficientReason>,
    pub(super) weighed: Option<Weighed>,
    pub(super) remembered: Option<Remembered>,
    /// Its windows do not hold enough attempts yet (JU-5).
    pub(super) waits: bool,
}

impl Question<'_> {
    /// What counts of the windows before: nothing of what was counted or weighed otherwise (JU-15).
    fn past(&self) -> Option<&MetricBefore> {
        self.before.filter(|before| before.basis == self.basis)
    }

    fn remember(&self, of: What) -> Remembered {
        Remembered { metric: self.metric.to_owned(), basis: self.basis.clone(), of }
    }

    fn capped(&self, verdict: Verdict) -> Verdict {
        if self.late { verdict.min(Verdict::Unsure) } else { verdict }
    }
}

/// JU-16: without attempts there is nothing to weigh. Beyond the threshold once is `unsure`, `windows` times in a row a
/// violation; at once where nothing at all is allowed (JU-7).
pub(super) fn by_value(question: &Question<'_>, enough_samples: bool, windows: u64) -> Answer {
    let Threshold { direction, limit, .. } = question.threshold;
    let verdict = hold_against(question.value, &question.threshold, enough_samples);
    let before = question.past().map_or(0, |past| past.over);
    let needed = if direction.allows_nothing(limit) { 1 } else { windows };
    let over = verdict == Verdict::Violation;
    let verdict = if over && before.saturating_add(1) < needed { Verdict::Unsure } else { verdict };
    let remembered = (verdict != Verdict::Insufficient).then(|| question.remember(What::Value { over }));
    let verdict = question.capped(verdict);
    Answer { verdict, reason: None, weighed: None, remembered, waits: false }
}

/// A metric with attempts.
pub(super) fn by_attempts(question: &Question<'_>, seen: &Attempts, weights: Weights) -> Answer {
    let Weights { limit, settings, min_samples, .. } = weights;
    let past = question.past();
    let counts = seen.exposed.judged();
    let mut beside = seen.control.map(|control| {
        let past = past.and_then(|past| past.control.as_ref());
        Beside::of(past, counts, control, limit)
    });
    // What is not held against the version says nothing of how its errors come either.
    let excused = beside.as_ref().is_some_and(Beside::excuses);
    let sessions = by_session(past, seen.exposed, excused);
    let design_effect = match &sessions {
        Some(windows) => of_sessions(windows),
        None => past.map_or(1.0, |past| of_neighbours(past.bunches)),
    };
    let before = past.map(|past| Detector::resume(&past.levels)).unwrap_or_default();
    let contradicted = limit.is_contradicted_by(counts);
    // Where none may be bad nothing is chance.
    let weighable = !limit.p0().is_zero();
    let grows = weighable && !contradicted && !excused;
    let grown = if grows { before.after(counts, design_effect, limit, settings) } else { before };
    let changed = past.and_then(|past| past.changed.as_ref()).filter(|_| grows);
    let changed = changed::after(changed, counts, design_effect, limit, settings);
    let mut weighed = Weighed {
        bad: seen.exposed.counts.bad,
        attempts: seen.exposed.counts.attempts,
        unresolved: seen.exposed.unresolved,
        allowed: limit.p0().value(),
        evidence: grown.evidence(),
        needed: settings.needed(),
        design_effect,
        more_windows: None,
        anew: question.before.is_some() && past.is_none(),
        changed: changed.as_ref().and_then(|(_, evidence)| *evidence),
        of_time: matches!(limit, Limit::OverTime(_)),
        sessions: seen.exposed.sessions,
        left_out: seen.exposed.left_out(),
        control: None,
    };
    let (group_windows, group_attempts) = past.map_or((0, 0), |past| past.group);
    let none_allowed = !weighable && counts.bad > 0;
    if contradicted || counts.attempts == 0 {
        let is_violated = none_allowed && !contradicted;
        let verdict = if is_violated { question.capped(Verdict::Violation) } else { Verdict::Insufficient };
        let reason = contradicted.then_some(InsufficientReason::NotAShare);
        let (weighed, waits) = (Some(weighed), group_windows > 0);
        return Answer { verdict, reason, weighed, remembered: None, waits };
    }
    let windows = Windows::of(past, counts);
    let looked_at = windows.newest_with(min_samples);
    // What is not surely bad is not thereby good.
    let possible = Windows::possible(past, counts, seen.exposed.unresolved);
    let at_worst = possible.newest_with(min_samples);
    let over = limit.is_exceeded_by(looked_at);
    let enough = |evidence: Option<f64>| evidence.is_some_and(|it| it >= settings.needed());
    let worse = enough(beside.as_ref().and_then(Beside::relative));
    if worse || enough(weighed.changed) {
        weighed.needed = weights.needed_if_changed;
    }
    let needed = weighed.needed;
    let proves = |detector: &Detector| detector.evidence().is_some_and(|it| it >= needed);
    let leans = beside.as_mut().is_some_and(|it| it.leans(before.evidence())) && over && proves(&grown);
    let after = if leans { before } else { grown };
    weighed.evidence = after.evidence();
    let outside = excused || leans;
    let standing = Standing {
        none_allowed,
        over,
        together_over: limit.is_exceeded_by(windows.together()),
        // Less evidence is enough for a violation only: of what is not over nothing more is asked.
        proven: if over { proves(&after) } else { enough(after.evidence()) },
        outside,
        worse,
        fell: beside.as_ref().is_some_and(Beside::fell),
        on_regression: weights.on_regression,
        level: level(question, &weighed, at_worst, weights),
    };
    if over && weighable && !outside && !standing.proven {
        weighed.more_windows = more_windows(after, counts, &weighed, weights);
    }
    let (verdict, finding) = standing.verdict();
    let (group_windows, group_attempts) = if question.advisory {
        (windows.len(), looked_at.attempts)
    } else {
        (group_windows + 1, group_attempts.saturating_add(counts.attempts))
    };
    let waits = group_attempts < min_samples && group_windows < GROUP;
    let at_worst = if over { possible.together() } else { at_worst };
    let unresolved = verdict.is_compliant() && limit.is_exceeded_by(at_worst);
    let hidden = waits && verdict < Verdict::Violation;
    let verdict = if hidden || unresolved { Verdict::Insufficient } else { question.capped(verdict) };
    let reason = (unresolved && !hidden).then_some(InsufficientReason::Resolution);
    weighed.control = beside.as_ref().map(|it| it.weighed(finding));
    let control = beside.map(|it| it.remembered(outside));
    let changed = changed.map(|(after, _)| after);
    let unresolved = seen.exposed.unresolved;
    let left = WeighedAttempts { counts, unresolved, detector: after, sessions, control, changed };
    let what = What::Attempts(Box::new(left));
    Answer { verdict, reason, weighed: Some(weighed), remembered: Some(question.remember(what)), waits }
}

/// What the value says by itself, of one that is not over.
fn level(question: &Question<'_>, weighed: &Weighed, looked_at: Counts, weights: Weights) -> Verdict {
    let Weights { limit, min_samples, .. } = weights;
    if weighed.attempts >= min_samples && weighed.left_out.is_none() {
        // Not over by exact arithmetic, so a value a hair beyond the threshold is rounding.
        return hold_against(question.at_most, &question.threshold, true).min(Verdict::Warn);
    }
    // The window alone holds too little for the figure that the metric is shown by, or is judged without a part of it.
    if limit.is_near(looked_at, question.threshold.warn_ratio) { Verdict::Warn } else { Verdict::Ok }
}

/// Bad attempts and their squares of the newest windows, this one last, where errors carry sessions (JU-14).
fn by_session(past: Option<&MetricBefore>, now: Group, excused: bool) -> Option<Vec<(u64, u64)>> {
    let mut windows = past.map(|past| past.sessions.clone()).unwrap_or_default();
    match now.bunches() {
        // Without errors there is nobody to name; errors that nobody is named of say nothing of sessions.
        None if windows.is_empty() || now.counts.bad > 0 => return None,
        None => windows.push((0, 0)),
        Some(_) if excused => {}
        Some(bunch) => windows.push(bunch),
    }
    let older = windows.len().saturating_sub(SESSION_WINDOWS);
    windows.drain(..older);
    Some(windows)
}

/// So many more windows like this one, and it is a violation.
fn more_windows(mut detector: Detector, counts: Counts, weighed: &Weighed, weights: Weights) -> Option<u32> {
    let Weights { limit, settings, .. } = weights;
    (1..=FORECAST).find(|_| {
        detector = detector.after(counts, weighed.design_effect, limit, settings);
        detector.evidence().is_some_and(|evidence| evidence >= weighed.needed)
    })
}

/// The newest windows of the epoch with attempts, this one last; at most sixteen.
struct Windows(Vec<Counts>);

impl Windows {
    fn of(past: Option<&MetricBefore>, now: Counts) -> Self {
        let recent = past.map(|past| past.recent.as_slice()).unwrap_or_default();
        let recent = recent.iter().copied().map(Counts::from);
        Self(recent.chain(std::iter::once(now)).collect())
    }

    /// As [`Self::of`], with all that may be bad.
    fn possible(past: Option<&MetricBefore>, now: Counts, unresolved: u64) -> Self {
        let mut windows = Self::of(past, now);
        let of_past = past.map(|past| past.unresolved.as_slice()).unwrap_or_default();
        let unresolved = std::iter::once(unresolved).chain(of_past.iter().rev().copied());
        for (window, unresolved) in windows.0.iter_mut().rev().zip(unresolved) {
            window.bad = window.bad.saturating_add(unresolved);
        }
        windows
    }

    fn len(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    fn together(&self) -> Counts {
        self.0.iter().fold(Counts::default(), |sum, window| sum.and(*window))
    }

    /// The shortest run of them that holds so many attempts; all, if none does.
    fn newest_with(&self, attempts: u64) -> Counts {
        let mut sum = Counts::default();
        for window in self.0.iter().rev() {
            sum = sum.and(*window);
            if sum.attempts >= attempts {
                break;
            }
        }
        sum
    }
}

#[cfg(test)]
#[path = "weigh_tests.rs"]
mod tests;
