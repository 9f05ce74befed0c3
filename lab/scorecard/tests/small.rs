//! The gate on the two small corpora that are checked in, and beside its reference.

use std::path::PathBuf;

use phasegate_scorecard::compare::Comparison;
use phasegate_scorecard::corpus::each_rollout_of;
use phasegate_scorecard::python::folder;
use phasegate_scorecard::row::Row;
use phasegate_scorecard::score::{Figures, figures};
use phasegate_scorecard::walk::{Gate, walk};

fn gate(file: &str) -> Gate {
    let text = std::fs::read_to_string(folder().join("../../..").join(file)).expect("a policy");
    Gate::of(file, &text).expect("a policy of the corpus's phases")
}

fn small() -> [PathBuf; 2] {
    ["seed-2.small.jsonl.gz", "seed-3.small.jsonl.gz"].map(|name| folder().join(name))
}

/// What the gate makes of all rollouts, and what a rule of the corpus made of the same.
fn played(gate: &Gate, reference: &str) -> (Vec<Row>, Vec<Row>) {
    let (mut rows, mut of_reference) = (Vec::new(), Vec::new());
    for file in small() {
        each_rollout_of(&file, |trace| {
            rows.push(walk(&trace, gate)?);
            of_reference.push(serde_json::from_value(trace.rules[reference].clone())?);
            Ok(())
        })
        .expect("a corpus");
    }
    // One of each class a seed: nothing was left out.
    assert_eq!(rows.len(), 62);
    (rows, of_reference)
}

fn of(rows: &[Row]) -> Figures {
    figures(&rows.iter().collect::<Vec<_>>())
}

/// From when on it was in which phase, and when it was through.
fn course(row: &Row) -> (Vec<(usize, Option<i32>)>, Option<usize>) {
    (row.steps.iter().map(|(w, _, to, _)| (*w, *to)).collect(), row.completed)
}

/// Up to its first rollback: what follows that is watched by evidence (JU-11), and by the reference to the letter of RB-6.
fn until_watched(row: &Row) -> (Vec<(usize, Option<i32>)>, Option<usize>) {
    let rollback = row.steps.iter().position(|(_, from, to, _)| to.is_some_and(|to| to < *from));
    let (steps, completed) = course(row);
    match rollback {
        Some(first) => (steps.into_iter().take(first + 1).collect(), None),
        None => (steps, completed),
    }
}

/// What a policy makes of all, beside the same rule of the reference: the same courses, and within two points in figures.
fn beside_reference(policy: &str, reference: &str) -> (Vec<Row>, Figures) {
    let (rows, reference) = played(&gate(policy), reference);
    for (row, reference) in std::iter::zip(&rows, &reference) {
        // The reference has no limit for the latency of batches.
        let is_late = ["missing_late", "step_missing"].contains(&row.class.as_str());
        assert!(is_late || until_watched(row) == until_watched(reference), "{} goes otherwise", row.id);
    }
    let (it, reference) = (of(&rows), of(&reference));
    assert_eq!(it.bad_completed.hit, 0);
    assert!(it.recall.percent() >= Some(95.0), "{:?}", it.recall);
    let percent = |it: &Figures| it.precision.percent().expect("some were rolled back");
    let differs = percent(&it) - percent(&reference);
    assert!(differs.abs() <= 2.0, "{:?}, reference {:?}", it.precision, reference.precision);
    (rows, it)
}

/// JU-9, JU-10: beside a control group nearly all first rollbacks are right, whatever is clearly bad is found, and the healthy
/// get through.
#[test]
fn beside_a_control_group_the_bad_are_found_and_the_healthy_left_alone() {
    let (_, it) = beside_reference("examples/policies/control-group.yaml", "reference");
    assert!(it.precision.percent() >= Some(95.0), "{:?}", it.precision);
    assert!(it.healthy_hit.percent() <= Some(5.0), "{:?}", it.healthy_hit);
    assert!(it.healthy_completed.percent() >= Some(94.0), "{:?}", it.healthy_completed);
}

/// JU-3: without one what comes from outside cannot be told from the version's doing; all else can.
#[test]
fn by_evidence_alone_only_what_comes_from_outside_deceives() {
    let (rows, it) = beside_reference("governance/policy.yaml", "reference, no control group");
    assert!(it.precision_inside.percent() >= Some(90.0), "{:?}", it.precision_inside);
    assert!(it.healthy_completed.percent() >= Some(80.0), "{:?}", it.healthy_completed);
    let outside = ["noisy_blip", "outside_incident", "step_in_incident"];
    let hit = |row: &&Row| row.first_rollback_is_right() == Some(false);
    for row in rows.iter().filter(hit) {
        assert!(outside.contains(&row.class.as_str()), "{} is rolled back without a cause", row.id);
    }
}

/// The gate as it was is the reference's `phasegate now`, step for step.
#[test]
fn window_by_window_the_gate_is_as_it_was() {
    let (rows, reference) = played(&gate("examples/policies/source-document.yaml"), "phasegate now");
    for (row, reference) in std::iter::zip(&rows, &reference) {
        assert_eq!(course(row), course(reference), "{}", row.id);
        assert_eq!((row.first_bad, row.detected), (reference.first_bad, reference.detected), "{}", row.id);
    }
    assert!(of(&rows).precision.percent() <= Some(35.0), "evidence has nothing to be better than");
}

/// The same counts to the gate and to its reference: the same evidence, design effect and verdict, but for what
/// is known.
#[test]
fn the_gate_weighs_as_its_reference_does() {
    let (gate, mut comparison) = (gate("examples/policies/control-group.yaml"), Comparison::default());
    each_rollout_of(&folder().join("seed-2.log.jsonl.gz"), |trace| comparison.add(&trace, &gate)).unwrap();
    assert!(comparison.windows() >= 7000, "{comparison}");
    assert_eq!(comparison.unexplained(), 0, "{comparison}");
}
