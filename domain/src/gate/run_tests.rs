//! What makes and breaks a compliant run (PH-7).

use std::time::Duration;

use super::super::fixture::{WINDOW, ten_o_clock, window};
use super::*;

const EIGHT: AdvanceCondition = AdvanceCondition::CompliantBatches(8);

fn violation() -> Contribution {
    Contribution::Breaks { cause: Cause::Slo, metric: Some("error_rate".into()) }
}

fn missing() -> Contribution {
    Contribution::Breaks { cause: Cause::CollectionDelayed, metric: None }
}

fn run(windows: impl IntoIterator<Item = (u32, Contribution)>) -> GateProgress {
    let mut run = Run::fresh(3);
    for (n, contribution) in windows {
        run.take(window(n), contribution);
    }
    run.progress(EIGHT)
}

fn feeds(windows: impl IntoIterator<Item = u32>) -> Vec<(u32, Contribution)> {
    windows.into_iter().map(|n| (n, Contribution::Feeds)).collect()
}

/// PH-2: eight compliant batches in a row.
#[test]
fn eight_compliant_batches_satisfy_phase_a() {
    assert!(!run(feeds(0..7)).satisfied);
    let eighth = run(feeds(0..8));
    assert!(eighth.satisfied);
    assert_eq!((eighth.compliant_batches, eighth.needed_batches, eighth.needed_ms), (8, Some(8), None));
    assert_eq!(eighth.through, Some(window(7)));
}

/// PH-3, PH-4, PH-7: a time condition counts covered window time.
#[test]
fn time_condition_counts_covered_windows() {
    let mut run = Run::fresh(1);
    let day = AdvanceCondition::CompliantFor(Duration::from_secs(24 * 3600));
    for n in 0..95 {
        run.take(window(n), Contribution::Feeds);
    }
    assert!(!run.progress(day).satisfied);
    run.take(window(95), Contribution::Feeds);
    assert!(run.progress(day).satisfied);
    assert_eq!(run.progress(day).compliant_ms, 24 * 3600 * 1000);
}

/// PH-7: silence never ripens a phase; days without a window add nothing, and break the run.
#[test]
fn hole_between_windows_breaks_the_run() {
    let progress = run(feeds([0, 1, 2, 500]));
    assert_eq!(progress.compliant_batches, 1);
    let hole = Window { start: window(2).end, end: window(500).start };
    let broken_by = progress.broken_by.unwrap();
    assert_eq!((broken_by.window, broken_by.cause), (hole, Cause::CollectionDelayed));
}

/// PH-7: a violation and a missing batch break the run; it starts again after them.
#[test]
fn violation_and_missing_batch_break_the_run() {
    for (breaks, cause) in [(violation(), Cause::Slo), (missing(), Cause::CollectionDelayed)] {
        let mut windows = feeds(0..7);
        windows.push((7, breaks));
        let broken = run(windows.clone());
        assert_eq!((broken.compliant_batches, broken.compliant_ms), (0, 0));
        assert_eq!(broken.broken_by.unwrap().cause, cause);
        windows.extend(feeds(8..16));
        assert!(run(windows).satisfied);
    }
}

/// PH-7: an `insufficient` batch neither breaks nor feeds.
#[test]
fn insufficient_batch_neither_breaks_nor_feeds() {
    let mut windows = feeds(0..4);
    windows.push((4, Contribution::Passes));
    windows.extend(feeds(5..8));
    let progress = run(windows);
    assert_eq!((progress.compliant_batches, progress.broken_by), (7, None));
    assert_eq!(progress.compliant_ms, 7 * u64::try_from(WINDOW.as_millis()).unwrap());
}

/// SLO-9: a window that comes again counts once.
#[test]
fn repeated_window_counts_once() {
    assert_eq!(run(feeds([0, 0, 1, 0, 1])), run(feeds([0, 1])));
}

/// A batch that comes after it was given up stays missing, in whichever order the two are heard of.
#[test]
fn late_batch_does_not_mend_the_run() {
    let before = || feeds(0..3);
    let event_first: Vec<_> =
        before().into_iter().chain([(3, missing()), (3, Contribution::Feeds)]).collect();
    let batch_first: Vec<_> = before().into_iter().chain([(3, missing()), (3, missing())]).collect();
    assert_eq!(run(event_first), run(batch_first));

    let caught_up =
        run(before().into_iter().chain([(3, missing()), (4, Contribution::Feeds), (3, missing())]));
    assert_eq!(caught_up.compliant_batches, 1, "a repeat of an old break spares the run after it");
}

/// A violation inside the present run ends it even when it is heard of late.
#[test]
fn late_break_inside_the_run_ends_it() {
    let progress = run(feeds(0..6).into_iter().chain([(3, violation())]));
    assert_eq!(progress.compliant_batches, 0);
    assert_eq!(progress.through, Some(window(5)));
}

/// PH-7: a shorter cadence counts its time, not its number, towards a time condition.
#[test]
fn mixed_window_lengths_add_up() {
    let mut run = Run::fresh(1);
    let minutes = |n: u64| ten_o_clock().plus(Duration::from_secs(60 * n));
    for (start, end) in [(0, 5), (5, 10), (10, 15), (15, 30)] {
        run.take(Window { start: minutes(start), end: minutes(end) }, Contribution::Feeds);
    }
    let progress = run.progress(EIGHT);
    assert_eq!((progress.compliant_batches, progress.compliant_ms), (4, 30 * 60 * 1000));
}

/// JU-12, OP-6: while the older form has to be written the memory of the epoch is kept all the same, and a run that it knows
/// nothing of is read with an empty one.
#[test]
fn the_older_form_does_not_make_the_gate_forget() {
    let mut run = Run::fresh(3);
    run.take(window(0), Contribution::Waits);
    let older = crate::stored::write(&run, 1).unwrap();
    assert_eq!(crate::stored::read::<Run>(&older).unwrap(), run);
    assert!(run.so_far.waiting_ms > 0);
    let mut bare: Value = serde_json::from_str(&older).unwrap();
    for key in ["waiting_ms", "gaps", "undecided", "stale", "memory"] {
        bare.as_object_mut().unwrap().remove(key);
    }
    let read = crate::stored::read::<Run>(&bare.to_string()).unwrap();
    assert_eq!((read.so_far.waiting_ms, read.so_far.through), (0, run.so_far.through));
}
