//! How sure the gate is, in plain English: what was counted, how likely chance alone does as much, how far the evidence is and
//! what it would take (JU-12).

use shared_types::batch::{Example, LostFile};
use shared_types::decision::{
    Cause, ControlFinding, ControlWeighed, InsufficientReason, LeftOut, MetricVerdict, Uncounted,
    UncountedReason, Vanished, Weighed,
};
use shared_types::{Decision, Verdict};

use super::figures::{format_share, format_value, observed};
use crate::gate::Group;
use crate::gate::evidence::{Counts, at_least};
use crate::template::values::worst_metric;

/// Characters of what telemetry says of itself.
const QUOTED_MAX: usize = 64;

/// Of a whole decision, in one line: why it is no plain `ok`.
#[must_use]
pub fn of_decision(decision: &Decision) -> String {
    let uncounted = decision.uncounted.as_ref().filter(|it| it.over);
    if let Some(uncounted) = uncounted.filter(|_| decision.verdict <= Verdict::Insufficient) {
        return of_uncounted(uncounted);
    }
    let silent = decision.verdict == Verdict::Insufficient && decision.cause == Cause::Slo;
    if let Some(stale) = decision.gate.as_ref().and_then(|gate| gate.stale).filter(|_| silent) {
        return format!("no window since {} proves compliance ({} in a row)", stale.since, stale.windows);
    }
    match decision.cause {
        Cause::CollectionDelayed => return "the window's batch is missing".to_owned(),
        Cause::RetryExhausted => return "the collector has used up its retries".to_owned(),
        Cause::Slo => {}
    }
    let name = worst_metric(decision);
    let metric = decision.metrics.iter().find(|it| it.metric == name);
    match metric {
        Some(metric) => format!("{name}: {}", of_metric(metric)),
        None => name,
    }
}

/// `12 % of the telemetry could not be counted: events that the policy does not know, mostly `x.saved`
/// (perhaps `x.save`)`; `1 file was not read to the end: tel/a.jsonl (at least 120 bytes)`.
#[must_use]
pub fn of_uncounted(uncounted: &Uncounted) -> String {
    let lost = (uncounted.lost > 0).then(|| of_lost(uncounted.lost, &uncounted.lost_files));
    let uncounted = (uncounted.share > 0.0 || lost.is_none()).then(|| of_share(uncounted));
    let all: Vec<_> = uncounted.into_iter().chain(lost).collect();
    all.join("; ")
}

fn of_lost(lost: u64, files: &[LostFile]) -> String {
    let of = |LostFile { file, bytes }: &LostFile| match bytes {
        Some(bytes) => format!("{} (at least {bytes} bytes)", visible(file)),
        None => format!("{} (how much, nobody knows)", visible(file)),
    };
    let more = lost.saturating_sub(files.len() as u64);
    let named = files.iter().map(of).chain((more > 0).then(|| format!("{more} more")));
    let what = if lost == 1 { "1 file was not".to_owned() } else { format!("{lost} files were not") };
    format!("{what} read to the end: {}", named.collect::<Vec<_>>().join(", "))
}

fn of_share(uncounted: &Uncounted) -> String {
    let Uncounted { reason, share, commonest, example, .. } = uncounted;
    let (what, told): (_, fn(&str) -> String) = match reason {
        UncountedReason::Malformed => ("lines that are no events", |it| visible(it)),
        UncountedReason::Unknown => ("events that the policy does not know", quoted),
    };
    let mut text = format!("{} of the telemetry could not be counted: {what}", format_share(*share));
    if let Some(commonest) = commonest {
        text.push_str(&format!(", mostly {}", told(commonest)));
    }
    match (reason, example) {
        (UncountedReason::Malformed, Some(example)) => text.push_str(&format!(" ({})", of_line(example))),
        (UncountedReason::Unknown, Some(Example { meant: Some(meant), .. })) => {
            text.push_str(&format!(" (perhaps {})", quoted(meant)));
        }
        (UncountedReason::Unknown, _) | (_, None) => {}
    }
    text
}

/// `` line 17: text `000 xx` ``: the reason names the field.
fn of_line(example: &Example) -> String {
    let found = example.found.as_deref().map(visible);
    let seen: Vec<_> = found.into_iter().chain(example.text.as_deref().map(quoted)).collect();
    match seen.as_slice() {
        [] => format!("line {}", example.line),
        seen => format!("line {}: {}", example.line, seen.join(" ")),
    }
}

/// `` `autosave.save.error` came regularly, and not since 2026-11-22T12:00:00Z (3 windows) ``.
#[must_use]
pub fn of_vanished(vanished: &Vanished) -> String {
    let Vanished { event, windows, since } = vanished;
    let windows = if *windows == 1 { "1 window".to_owned() } else { format!("{windows} windows") };
    format!("{} came regularly, and not since {since} ({windows})", quoted(event))
}

fn quoted(text: &str) -> String {
    format!("`{}`", visible(text).replace('`', "?"))
}

/// What telemetry says, as part of one line.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(QUOTED_MAX).collect()
}

/// Of one metric: `9 of 300 against 1 %: 1 in 278 by luck; evidence 2.4 of 6.9`; of one that is not weighed, its value and
/// its threshold.
#[must_use]
pub fn of_metric(metric: &MetricVerdict) -> String {
    match metric.weighed.as_ref().filter(|it| it.attempts > 0) {
        Some(weighed) => of_weighed(weighed, metric),
        None => of_value(metric),
    }
}

/// P(at least as many bad ones) of a version that sits exactly at its limit; none, where there may be more bad ones than
/// attempts, or none at all.
#[must_use]
pub fn luck(weighed: &Weighed) -> Option<f64> {
    let (Counts { bad, attempts }, allowed) = (Group::of(weighed).judged(), weighed.allowed);
    (allowed > 0.0 && allowed < 1.0 && bad <= attempts).then(|| at_least(bad, attempts, allowed))
}

fn of_weighed(weighed: &Weighed, metric: &MetricVerdict) -> String {
    let Weighed { allowed, evidence, needed, more_windows, of_time, unresolved, .. } = *weighed;
    let Counts { bad, attempts } = Group::of(weighed).judged();
    match metric.reason {
        Some(InsufficientReason::NotAShare) => {
            return format!("{bad} bad of {attempts} attempts are no share");
        }
        Some(InsufficientReason::Resolution) => {
            let most = bad.saturating_add(unresolved);
            let allowed = format_share(allowed);
            return format!("{} ({bad} to {most} of {attempts} against {allowed})", of_value(metric));
        }
        None => {}
    }
    let mut text = match of_time {
        true => of_value(metric),
        false => format!("{bad} of {attempts} against {}", format_share(allowed)),
    };
    if let Some(luck) = luck(weighed).filter(|luck| *luck < 0.5) {
        text.push_str(&format!(": {}", one_in(luck)));
    }
    if let Some(evidence) = evidence {
        let [evidence, needed] = [evidence.max(0.0), needed].map(|it| format!("{it:.1}"));
        text.push_str(&format!("; evidence {evidence} of {needed}"));
    }
    if weighed.changed.is_some_and(|changed| changed >= needed) {
        text.push_str(", as it is worse than in the phases before");
    }
    match (metric.verdict, more_windows) {
        (Verdict::Violation, _) | (_, None) => {}
        (_, Some(1)) => text.push_str("; at this rate a violation in one more window"),
        (_, Some(more)) => text.push_str(&format!("; at this rate a violation in {more} more windows")),
    }
    if let Some(LeftOut { bad, attempts }) = weighed.left_out {
        let all = weighed.bad;
        text.push_str(&format!(
            "; without one session, which has {bad} of the {all} bad ones in {attempts} attempts"
        ));
    }
    if let Some(control) = &weighed.control {
        text.push_str(&of_control(control));
    }
    text
}

/// What the control group makes of it.
fn of_control(control: &ControlWeighed) -> String {
    let Counts { bad, attempts } = Group::of_control(control).judged();
    let group = format!("; control group {bad} of {attempts}");
    match control.finding {
        None => group,
        Some(ControlFinding::Outside) => format!("{group}, as bad: not held against the version"),
        Some(ControlFinding::Regression) => {
            format!("{group}: far worse than that, evidence {:.1}", control.evidence.unwrap_or(0.0))
        }
        Some(ControlFinding::Surroundings) => {
            format!("{group}, as bad since the move up: held against the version")
        }
    }
}

fn one_in(luck: f64) -> String {
    if luck < 1e-9 { "no luck".to_owned() } else { format!("1 in {:.0} by luck", 1.0 / luck) }
}

fn of_value(metric: &MetricVerdict) -> String {
    let threshold =
        format!("{} {}", metric.direction.words(), format_value(Some(metric.threshold), &metric.unit));
    let Some(told) = observed(metric, |value| format_value(Some(value), &metric.unit)) else {
        return format!("nothing was observed; {threshold}");
    };
    match metric.reason {
        Some(InsufficientReason::Resolution) => {
            format!("{told}, {threshold}: the buckets of the source do not tell")
        }
        _ => format!("{told}, {threshold}"),
    }
}

#[cfg(test)]
mod tests {
    use shared_types::decision::{Between, Direction, Sessions, ViolationAction};

    use super::*;

    fn metric(bad: u64, attempts: u64, evidence: f64, more_windows: Option<u32>) -> MetricVerdict {
        MetricVerdict {
            metric: "error_rate".to_owned(),
            observed: Some(3.0),
            between: None,
            threshold: 1.0,
            unit: "%".to_owned(),
            ratio: Some(3.0),
            verdict: Verdict::Unsure,
            on_violation: ViolationAction::Rollback,
            direction: Direction::AtMost,
            reason: None,
            weighed: Some(Weighed {
                bad,
                attempts,
                allowed: 0.01,
                evidence: Some(evidence),
                needed: 6.907_755,
                design_effect: 1.0,
                more_windows,
                anew: false,
                changed: None,
                sessions: None,
                left_out: None,
                control: None,
                of_time: false,
                unresolved: 0,
            }),
        }
    }

    /// JU-12: what people read.
    #[test]
    fn certainty_is_told_in_plain_words() {
        let told = of_metric(&metric(9, 300, 2.4, Some(2)));
        let expected = "9 of 300 against 1 %: 1 in 278 by luck; evidence 2.4 of 6.9; at this rate a violation in two more windows";
        assert_eq!(told, expected.replace("two", "2"));
        assert_eq!(of_metric(&metric(2, 300, -0.9, None)), "2 of 300 against 1 %; evidence 0.0 of 6.9");
        let mut broken = metric(25, 125, -0.4, None);
        let weighed = broken.weighed.as_mut().unwrap();
        weighed.sessions = Some(Sessions { distinct: 2, top: 24, top_attempts: 24, squares: 577 });
        weighed.left_out = Some(LeftOut { bad: 24, attempts: 24 });
        let told = "1 of 101 against 1 %; evidence 0.0 of 6.9; without one session, which has 24 of the 25 bad ones in 24 attempts";
        assert_eq!(of_metric(&broken), told);
        for (finding, told) in [
            (None, "control group 8 of 600"),
            (Some(ControlFinding::Outside), "control group 8 of 600, as bad: not held against the version"),
            (Some(ControlFinding::Regression), "control group 8 of 600: far worse than that, evidence 7.1"),
            (
                Some(ControlFinding::Surroundings),
                "control group 8 of 600, as bad since the move up: held against the version",
            ),
        ] {
            let mut beside = metric(2, 300, -0.9, None);
            let control = ControlWeighed {
                bad: 8,
                attempts: 600,
                sessions: None,
                left_out: None,
                evidence: Some(7.127),
                as_bad: false,
                finding,
            };
            beside.weighed.as_mut().unwrap().control = Some(control);
            assert_eq!(of_metric(&beside), format!("2 of 300 against 1 %; evidence 0.0 of 6.9; {told}"));
        }
        let mut count = metric(12, 900_000, 2.4, None);
        (count.observed, count.threshold, count.unit) = (Some(12.0), 10.0, String::new());
        let weighed = count.weighed.as_mut().unwrap();
        (weighed.of_time, weighed.allowed) = (true, 10.0 / 900_000.0);
        assert_eq!(of_metric(&count), "12, at most 10: 1 in 3 by luck; evidence 2.4 of 6.9");
        let weighed = count.weighed.as_mut().unwrap();
        weighed.attempts = 10;
        count.reason = Some(InsufficientReason::NotAShare);
        assert_eq!(of_metric(&count), "12 bad of 10 attempts are no share");
        let plain = MetricVerdict { weighed: None, ..metric(0, 0, 0.0, None) };
        assert_eq!(of_metric(&plain), "3 %, at most 1 %");
        assert_eq!(
            of_metric(&MetricVerdict { observed: None, ..plain.clone() }),
            "nothing was observed; at most 1 %"
        );
        // JU-1: what is known by bounds only.
        let between = |lower, upper| Some(Between { lower, upper });
        let open = MetricVerdict { observed: None, between: between(5.0, None), ..plain };
        assert_eq!(of_metric(&open), "above 5 %, at most 1 %");
        let mut unresolved = metric(2, 300, -0.9, None);
        (unresolved.observed, unresolved.between) = (None, between(0.5, Some(2.5)));
        unresolved.reason = Some(InsufficientReason::Resolution);
        unresolved.weighed.as_mut().unwrap().unresolved = 7;
        let told = "between 0.5 % and 2.5 %, at most 1 %: the buckets of the source do not tell";
        assert_eq!(of_metric(&unresolved), format!("{told} (2 to 9 of 300 against 1 %)"));
        unresolved.weighed = None;
        assert_eq!(of_metric(&unresolved), told);
    }

    fn example(kind: UncountedReason, what: &str) -> Example {
        let what = what.to_owned();
        Example { kind, what, line: 17, field: None, found: None, text: None, meant: None }
    }

    /// TE-6: what was not counted is named, with a line to look at.
    #[test]
    fn what_was_not_counted_is_named() {
        let of = |example: &Example| {
            let (reason, commonest) = (example.kind, Some(example.what.clone()));
            let example = Some(example.clone());
            of_uncounted(&Uncounted { commonest, example, ..plain(reason) })
        };
        let unknown = example(UncountedReason::Unknown, "autosave.save.compleeted");
        let told = "12 % of the telemetry could not be counted: events that the policy does not know, mostly `autosave.save.compleeted`";
        assert_eq!(of(&unknown), told);
        let meant = Some("autosave.save.completed".to_owned());
        assert_eq!(
            of(&Example { meant, ..unknown.clone() }),
            format!("{told} (perhaps `autosave.save.completed`)")
        );
        let malformed = Example {
            field: Some("duration_ms".to_owned()),
            found: Some("text".to_owned()),
            text: Some("000 xx".to_owned()),
            ..example(UncountedReason::Malformed, "`duration_ms` is not a number")
        };
        let told = "12 % of the telemetry could not be counted: lines that are no events, mostly `duration_ms` is not a number (line 17: text `000 xx`)";
        assert_eq!(of(&malformed), told);
        let hostile = example(UncountedReason::Unknown, &format!("a`\n{}", "x".repeat(200)));
        assert!(of(&hostile).ends_with(&format!("mostly `a??{}`", "x".repeat(61))), "{}", of(&hostile));
        let told = "12 % of the telemetry could not be counted: lines that are no events";
        assert_eq!(of_uncounted(&plain(UncountedReason::Malformed)), told);
    }

    fn plain(reason: UncountedReason) -> Uncounted {
        let (commonest, example, lost_files) = (None, None, vec![]);
        Uncounted { reason, share: 0.12, over: true, commonest, example, lost: 0, lost_files }
    }

    /// CO-9: files that were not read to their end are named, beside what was not counted or alone.
    #[test]
    fn lost_files_are_named() {
        let file = |file: &str, bytes| LostFile { file: file.to_owned(), bytes };
        let lost_files = vec![file("tel/a.jsonl", Some(120)), file("tel/b\n.jsonl", None)];
        let both = Uncounted { lost: 3, lost_files, ..plain(UncountedReason::Malformed) };
        let told = "3 files were not read to the end: tel/a.jsonl (at least 120 bytes), tel/b?.jsonl (how much, nobody knows), 1 more";
        assert_eq!(of_uncounted(&Uncounted { share: 0.0, ..both.clone() }), told);
        let share = "12 % of the telemetry could not be counted: lines that are no events";
        assert_eq!(of_uncounted(&both), format!("{share}; {told}"));
        let one = Uncounted { share: 0.0, lost: 1, lost_files: vec![file("a", Some(1))], ..both };
        assert_eq!(of_uncounted(&one), "1 file was not read to the end: a (at least 1 bytes)");
    }
}
