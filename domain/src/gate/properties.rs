//! What holds for every batch, not only for those of the tables.

use proptest::prelude::*;
use shared_types::{PhaseId, Verdict};

use super::fixture::{
    COMPLETED, Counts, ERROR, autosave, earlier, judge_batch, policy, ten_o_clock, whole_policy, window,
};
use super::*;
use crate::whatif::dry_run::dry_run;

fn counts() -> impl Strategy<Value = Counts> {
    (
        0.0..100_000.0_f64,
        0..200_u64,
        0..200_u64,
        0..5_u64,
        0..400_000_u64,
        prop::sample::select(vec!["A", "B", "C"]),
    )
        .prop_map(|(save_ms, completed, errors, drift, latency_ms, phase)| Counts {
            save_ms,
            completed,
            errors,
            drift,
            latency_ms,
            phase,
            window: window(4),
            ..Counts::default()
        })
}

fn judge(counts: &Counts, earlier: &[EarlierBatch]) -> Judgement {
    let (policy, batch) = (policy(), counts.checked());
    judge_batch(&batch, earlier, &policy, batch.phase_policy(&policy).unwrap())
}

proptest! {
    /// SLO-9, SLO-10: the same batch and history give the same judgement, however often and in any order.
    #[test]
    fn judging_again_says_the_same(counts in counts(), drifts in prop::collection::vec(0..3_u64, 0..4)) {
        let mut before: Vec<_> =
            std::iter::zip(0.., &drifts).map(|(n, drift)| earlier(1, window(n), *drift)).collect();
        let first = judge(&counts, &before);
        before.reverse();
        prop_assert_eq!(&first, &judge(&counts, &before));
    }

    /// The gate is monotone: a worse observation never gives a better verdict, of its metric or of the whole.
    #[test]
    fn worse_is_never_judged_better(counts in counts(), which in 0..4_u8, by in 0..1_000_u64) {
        // Enough saves on both sides: SLO-6 asks for a minimum, not for a value.
        let before = Counts { completed: counts.completed + 50, ..counts };
        let mut after = before.clone();
        match which {
            0 => after.save_ms += by as f64,
            1 => (after.errors, after.completed) = (before.errors + by.min(before.completed - 50), before.completed - by.min(before.completed - 50)),
            2 => after.drift += by,
            _ => after.latency_ms += by * 1_000,
        }
        let (better, worse) = (judge(&before, &[]), judge(&after, &[]));
        prop_assert!(better.verdict <= worse.verdict, "{better:?}\n{worse:?}");
        for (better, worse) in std::iter::zip(&better.metrics, &worse.metrics) {
            prop_assert!(better.verdict <= worse.verdict && better.observed <= worse.observed, "{better:?}\n{worse:?}");
        }
        prop_assert!(!better.rollback_required() || worse.rollback_required());
    }

    /// SLO-9: neither the order nor the repetition of events changes a verdict.
    #[test]
    fn verdict_is_independent_of_order_and_repetition(
        saves in prop::collection::vec((0..1_800_u64, 0..4_000_u64), 1..120),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        turn in any::<prop::sample::Index>(),
    ) {
        let lines: Vec<String> = std::iter::zip(0.., &saves)
            .map(|(id, (second, duration))| {
                let ts = ten_o_clock().plus(std::time::Duration::from_secs(*second));
                match id % 9 {
                    0 => format!("{{\"ts\":\"{ts}\",\"name\":\"{ERROR}\",\"code\":\"E\",\"retryable\":true,\"event_id\":\"{id}\"}}"),
                    _ => format!("{{\"ts\":\"{ts}\",\"name\":\"{COMPLETED}\",\"duration_ms\":{duration},\"event_id\":\"{id}\"}}"),
                }
            })
            .collect();
        let mut shuffled: Vec<String> = again.iter().map(|index| lines[index.index(lines.len())].clone()).collect();
        shuffled.extend(lines.iter().rev().cloned());
        let turn = turn.index(shuffled.len());
        shuffled.rotate_left(turn);
        let judged = |lines: &[String]| {
            let phase = PhaseId::parse("A").unwrap();
            let decisions = dry_run(&whole_policy(), &autosave(), &phase, lines.join("\n").as_bytes()).unwrap();
            decisions.into_iter().map(|it| (it.window, it.verdict, it.metrics, it.violated)).collect::<Vec<_>>()
        };
        prop_assert_eq!(judged(&lines), judged(&shuffled));
    }

    /// A judgement holds no NaN and no infinity, and its verdict agrees with its metrics.
    #[test]
    fn judgement_is_finite_and_consistent(counts in counts()) {
        let judgement = judge(&counts, &[]);
        for metric in &judgement.metrics {
            prop_assert!(metric.observed.is_none_or(f64::is_finite));
            prop_assert!(metric.ratio.is_none_or(f64::is_finite));
            let over = metric.observed.is_some_and(|observed| observed > metric.threshold);
            prop_assert!(metric.verdict != Verdict::Violation || over);
        }
        let worst = judgement.metrics.iter().map(|metric| metric.verdict).max();
        prop_assert_eq!(worst, Some(judgement.verdict));
        prop_assert_eq!(judgement.verdict == Verdict::Violation, !judgement.violated.is_empty());
        prop_assert_eq!(judgement.rollback_required(), !judgement.violated.is_empty());
    }

    /// SLO-2: a window whose saves all take exactly the threshold, whatever it is, is compliant.
    #[test]
    fn saves_exactly_at_the_threshold_are_compliant(threshold_ms in 1_u32..10_000_000, completed in 50_u64..60) {
        let mut policy = policy();
        let threshold = f64::from(threshold_ms) / 1000.0;
        policy.phases[0].thresholds.insert("save_latency_p95".into(), threshold);
        let batch = Counts { save_ms: f64::from(threshold_ms), completed, ..Counts::default() }.checked();
        let judgement = judge_batch(&batch, &[], &policy, &policy.phases[0]);
        prop_assert!(judgement.verdict.is_compliant(), "{judgement:?}");
    }

    /// PH-7: a run never counts more than the time its windows cover, and taking a window again changes nothing.
    #[test]
    fn run_counts_no_more_than_was_covered(takes in prop::collection::vec((0..12_u32, 0..3_u8), 0..40)) {
        let contribution = |kind| match kind {
            0 => Contribution::Feeds,
            1 => Contribution::Passes,
            _ => Contribution::Breaks { cause: shared_types::decision::Cause::Slo, metric: None },
        };
        let condition = crate::policy::AdvanceCondition::CompliantBatches(8);
        let mut run = Run::fresh(1);
        for (n, kind) in takes {
            run.take(window(n), contribution(kind));
            let once = run.clone();
            run.take(window(n), contribution(if kind == 2 { 2 } else { 1 }));
            prop_assert_eq!(once.progress(condition).compliant_ms, run.progress(condition).compliant_ms);
            prop_assert!(run.progress(condition).compliant_batches <= 12);
        }
    }
}
