//! A bundle made by the gate itself, and every way to spoil it.
#![allow(clippy::unwrap_used, reason = "a test's helpers may unwrap")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use domain::audit::{AuditDraft, digest};
use domain::gate::GateState;
use domain::gate::ledger::{Judged, Rules, decide};
use domain::gate::{CheckedBatch, EarlierBatch, Subject, batch_hash, observe_batch};
use domain::kinds::Kinds;
use domain::policy::Policy;
use serde_json::json;
use service_kit::seal::{SealKey, seal};
use shared_types::audit::{AuditHead, FaultKind};
use shared_types::batch::{Distribution, Intake, SCHEMA as BATCH_SCHEMA};
use shared_types::story::Deed;
use shared_types::{
    Actor, AuditEntry, Batch, Decision, Histogram, PhaseId, TargetName, Timestamp, Verdict, Via, Window,
};

use super::{BundleReport, Header, Line, Part, SCHEMA, Span, verify};

const WINDOW: Duration = Duration::from_secs(900);
const COUNT: u32 = 5;

fn target() -> TargetName {
    TargetName::parse("autosave").unwrap()
}

fn policy() -> Policy {
    Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policies/source-document.yaml"))
        .unwrap()
}

fn batch(number: u32, drift: u64) -> Batch {
    let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap().plus(WINDOW * number);
    let window = Window { start, end: start.plus(WINDOW) };
    let mut histogram = Histogram::default();
    (0..100).for_each(|_| histogram.record(500.0));
    let quantile = |q| histogram.quantile(q).unwrap();
    let distribution = Distribution {
        unit: "ms".into(),
        count: 100,
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        max: 500.0,
        histogram: histogram.encode(),
    };
    let name = |name: &str| format!("autosave.{name}");
    Batch {
        schema: BATCH_SCHEMA.into(),
        target: target(),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        window,
        counters: BTreeMap::from([
            (name("save.completed"), 100),
            (name("save.error"), 0),
            (name("history.drift"), drift),
        ]),
        distributions: BTreeMap::from([(name("save.completed"), distribution)]),
        buckets: BTreeMap::new(),
        breakdowns: BTreeMap::new(),
        values: BTreeMap::new(),
        queries: Vec::new(),
        intake: Intake::default(),
        collector_latency_ms: 31_250,
        attempts: 1,
        source: "http".into(),
        collected_at: window.end.plus(Duration::from_millis(31_250)),
        next_window: None,
        policy_version: None,
    }
}

/// Windows one after the other, the fourth with a drift, so that the fifth looks back at it.
fn history() -> Vec<(Batch, Decision)> {
    let policy = policy();
    let terms = &policy.targets[&target()];
    let mut state = GateState::unheard(target());
    let mut made: Vec<(Batch, Decision)> = Vec::new();
    for number in 0..COUNT {
        let batch = batch(number, u64::from(number == 3));
        let phase = terms.phase(&batch.phase).unwrap();
        let earlier: Vec<EarlierBatch> = made.iter().map(|(batch, _)| EarlierBatch::of(batch)).collect();
        let checked = CheckedBatch::check(batch.clone(), terms).unwrap();
        let judged = Judged {
            subject: Subject::of(&batch),
            observed: observe_batch(&checked, &earlier, terms, phase),
            batch_hash: Some(batch_hash(&batch)),
            elapsed_ms: None,
            sequence: u64::from(number) + 1,
            at: batch.collected_at,
        };
        let rules = Rules { version: &policy.version, policy: terms, phase };
        made.push((batch, decide(&mut state, rules, judged)));
    }
    made
}

fn lines() -> Vec<Line> {
    let policy = policy();
    let made = history();
    assert_eq!(made[3].1.verdict, Verdict::Violation);
    let mut rows: Vec<AuditEntry> = Vec::new();
    for (_, decision) in &made {
        let draft = AuditDraft {
            actor: Actor::service("analyzer", Via::Analyzer),
            action: Deed::DecisionReceived,
            subject: Some(decision.decision_id.to_string()),
            detail: json!({
                "decision_id": decision.decision_id,
                "window": decision.window,
                "digest": digest(&serde_json::to_value(decision).unwrap()),
            }),
        };
        let last = rows.last().map(|row| (row.seq, row.hash.clone()));
        rows.push(draft.after(last, Some(&target()), decision.decided_at));
    }
    let header = Header {
        schema: SCHEMA.into(),
        exported_at: rows[0].at,
        span: Span { target: Some(target()), ..Span::default() },
        streams: vec![Part { stream: "autosave".into(), rows: u64::from(COUNT), last_seq: u64::from(COUNT) }],
        decisions: u64::from(COUNT),
        decisions_from: Some(made[0].1.window.start),
        policies: 1,
    };
    let mut lines =
        vec![Line::Header(header), Line::Policy { version: policy.version, text: policy.text.to_string() }];
    for (batch, decision) in made {
        lines.push(Line::Batch { decision_id: decision.decision_id, batch });
        lines.push(Line::Decision { decision });
    }
    lines.extend(rows.into_iter().map(|row| Line::Row { row }));
    lines
}

fn checked(lines: &[Line]) -> BundleReport {
    checked_by(lines, None)
}

fn checked_by(lines: &[Line], public: Option<&str>) -> BundleReport {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.jsonl");
    let text: Vec<String> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    std::fs::write(&file, text.join("\n") + "\n").unwrap();
    verify(&file, None, public, &Kinds::shipped()).unwrap()
}

/// GO-4, SLO-10
#[test]
fn an_untouched_bundle_holds_and_its_decisions_come_out_the_same() {
    let report = checked(&lines());
    assert!(report.ok, "{report:?}");
    let count = u64::from(COUNT);
    let decisions = &report.decisions;
    assert_eq!((decisions.recomputed, decisions.same, decisions.agree), (count, count, count));
    assert_eq!(report.streams[0].rows, count);
}

#[track_caller]
fn spoilt(change: impl FnOnce(&mut Vec<Line>), words: &str) {
    let mut lines = lines();
    change(&mut lines);
    let report = checked(&lines);
    assert!(!report.ok);
    assert!(report.faults.iter().any(|it| it.contains(words)), "{words}: {:?}", report.faults);
}

/// GO-4, SLO-10: what a decision was made from, and the decision itself, cannot be exchanged.
#[test]
fn a_changed_decision_batch_or_policy_is_named() {
    let decision = |lines: &mut Vec<Line>, change: fn(&mut Decision)| {
        for line in lines {
            if let Line::Decision { decision } = line
                && decision.verdict == Verdict::Violation
            {
                change(decision);
                return;
            }
        }
    };
    spoilt(|it| decision(it, |it| it.verdict = Verdict::Ok), "is not the one that was taken in");
    spoilt(
        |it| decision(it, |it| it.verdict = Verdict::Ok),
        "verdict is \"ok\", but comes out as \"violation\"",
    );
    spoilt(|it| it.retain(|line| !matches!(line, Line::Decision { .. })), "is not in the bundle");
    spoilt(|it| it.retain(|line| !matches!(line, Line::Batch { .. })), "batch");
    spoilt(|it| it.retain(|line| !matches!(line, Line::Policy { .. })), "its policy");
    let batches = |lines: &mut Vec<Line>| {
        for line in lines {
            if let Line::Batch { batch, .. } = line {
                batch.counters.insert("autosave.history.drift".into(), 0);
            }
        }
    };
    spoilt(batches, "but comes out as");
    let looser = |lines: &mut Vec<Line>| {
        for line in lines {
            if let Line::Policy { text, .. } = line {
                text.push_str("# looser\n");
            }
        }
    };
    spoilt(looser, "policy_version is");
}

/// GO-4
#[test]
fn a_changed_row_is_named_by_stream_and_number() {
    let first = COUNT as usize * 2 + 2;
    let fault = |change: &dyn Fn(&mut Vec<Line>)| {
        let mut lines = lines();
        change(&mut lines);
        let report = checked(&lines);
        assert!(!report.ok);
        report.streams[0].fault.as_ref().map(|it| (it.seq, it.kind))
    };
    let edit = |lines: &mut Vec<Line>| {
        if let Line::Row { row } = &mut lines[first + 2] {
            row.actor.name = "mallory".into();
        }
    };
    assert_eq!(fault(&edit), Some((3, FaultKind::Edited)));
    assert_eq!(fault(&|it| drop(it.remove(first + 2))), Some((3, FaultKind::Missing)));
    assert_eq!(fault(&|it| it.swap(first + 2, first + 3)), Some((3, FaultKind::Reordered)));
    assert_eq!(fault(&|it| drop(it.pop())), Some((5, FaultKind::Truncated)));
    assert_eq!(fault(&|it| it.truncate(first)), Some((1, FaultKind::Truncated)));
}

/// OP-9: whoever cuts a bundle makes its header fit; the seal's heads they cannot sign.
#[test]
fn a_bundle_that_is_cut_with_its_header_does_not_fit_its_seal() {
    let key = |digits: &str| SealKey::parse(&digits.repeat(32).into()).unwrap();
    let sealed = |key: &SealKey| {
        let mut lines = lines();
        let Some(Line::Row { row }) = lines.last().cloned() else { panic!() };
        let head = AuditHead { stream: row.stream, first_seq: 1, last_seq: row.seq, hash: row.hash };
        lines.insert(1, Line::Seal { seal: seal(Some(key), (None, None), vec![head], row.at) });
        lines
    };
    let public = key("42").public();
    let whole = checked_by(&sealed(&key("42")), Some(&public));
    assert!(whole.ok && whole.sealed, "{whole:?}");
    assert!(!checked(&sealed(&key("42"))).sealed, "no key was named");
    let mut cut = sealed(&key("42"));
    cut.pop();
    if let Line::Header(header) = &mut cut[0] {
        header.streams[0].rows -= 1;
        header.streams[0].last_seq -= 1;
    }
    let fault = checked_by(&cut, Some(&public)).streams[0].fault.clone().unwrap();
    assert_eq!((fault.seq, fault.kind), (u64::from(COUNT), FaultKind::Truncated));
    // Sealed with another key, the seal edited with the rest, or left out.
    let refused = |lines: &[Line], words: &str| {
        let report = checked_by(lines, Some(&public));
        assert!(!report.ok && !report.sealed);
        assert!(report.faults.iter().any(|it| it.contains(words)), "{words}: {:?}", report.faults);
    };
    refused(&sealed(&key("43")), "signed with another key");
    if let Line::Seal { seal } = &mut cut[1] {
        seal.heads[0].last_seq -= 1;
    }
    refused(&cut, "its signature does not hold");
    cut.remove(1);
    refused(&cut, "it carries no seal");
    let mut narrowed = sealed(&key("42"));
    if let Line::Header(header) = &mut narrowed[0] {
        header.span.to = Some(header.exported_at);
    }
    refused(&narrowed, "another span");
}
