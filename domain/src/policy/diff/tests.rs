//! Differences in words, on the shipped policy with parts of its text replaced.

use std::path::Path;

use super::{Effect, PolicyDiff};
use crate::policy::Policy;

fn shipped() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance/policy.yaml")).unwrap()
}

fn diff(replaced: &[(&str, &str)]) -> PolicyDiff {
    let old = shipped();
    let new = replaced.iter().fold(old.clone(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    let parse = |text: &str| Policy::parse(text, "policy.yaml").unwrap_or_else(|error| panic!("{error}"));
    parse(&old).diff(&parse(&new))
}

fn check(from: &str, to: &str, place: &str, change: &str, effect: Effect) {
    let diff = diff(&[(from, to)]);
    let found: Vec<_> =
        diff.changes.iter().map(|it| (it.place.as_str(), it.change.as_str(), it.effect)).collect();
    assert_eq!(found, [(place, change, effect)], "{from} → {to}");
}

/// PO-1: each change is said in words, and whether it loosens protection.
#[test]
fn every_change_is_one_line_that_says_what_it_does() {
    use Effect::{Looser, Other, Stricter};
    check(
        "save_latency_p95: 2.0s",
        "save_latency_p95: 1.8s",
        "autosave phase B",
        "save_latency_p95 ≤ 2 s → ≤ 1.8 s",
        Stricter,
    );
    check(
        "    title: AutoSave\n",
        "    title: AutoSave\n    allow: [PL-1]\n",
        "autosave",
        "PL-1 of the lint does not hold any more",
        Looser,
    );
    check("error_rate: 0.3%", "error_rate: 1.0%", "autosave phase C", "error_rate ≤ 0.3 % → ≤ 1 %", Looser);
    check(
        "approvals: [sre, dev-lead]",
        "approvals: [sre]",
        "autosave phase A",
        "approvals: − dev-lead",
        Looser,
    );
    check(
        "approvals: [sre, dev-lead]",
        "approvals: [sre, dev-lead, governance]",
        "autosave phase A",
        "approvals: + governance",
        Stricter,
    );
    check(
        "compliant_batches: 8",
        "compliant_batches: 4",
        "autosave phase A",
        "moves up after compliant batches: 8 → 4",
        Looser,
    );
    check(
        "compliant_for: 72h",
        "compliant_for: 96h",
        "autosave phase C",
        "moves up after compliance of 72h → 4d",
        Stricter,
    );
    check(
        "critical_alerts: 0",
        "critical_alerts: 2",
        "autosave phase B",
        "critical alerts allowed: 0 → 2",
        Looser,
    );
    check("critical_alerts: 0, ", "", "autosave phase B", "critical alerts allowed: 0 → not asked", Looser);
    check("audience: 30%", "audience: 50%", "autosave phase B", "audience 30% → 50%", Looser);
    check("warn_ratio: 80%", "warn_ratio: 70%", "autosave", "warn_ratio 80% → 70%", Stricter);
    check("min_samples: 50", "min_samples: 500", "autosave", "min_samples 50 → 500", Looser);
    check(
        "history_drift: rollback",
        "history_drift: hold",
        "autosave",
        "on violation of history_drift: rollback → hold",
        Looser,
    );
    check("escalate_after: 30m", "escalate_after: 45m", "autosave", "escalate after 30m → 45m", Looser);
    check("priority: P2", "priority: P1", "autosave", "page priority P2 → P1", Stricter);
    check("due: 24h", "due: 48h", "autosave", "RCA due after 24h → 48h", Looser);
    check("watch: 30m", "watch: 20m", "autosave", "recovery watch 30m → 20m", Looser);
    check("window: 15m", "window: 10m", "autosave", "window 15m → 10m", Other);
    check(
        "\"flags:rollback\"",
        "\"flags:off\"",
        "autosave",
        "rollback command `pnpm run flags:rollback --phase {prev}` → `pnpm run flags:off --phase {prev}`",
        Other,
    );
    check(
        "verify:   null",
        "verify: { command: [cat, phase] }",
        "autosave",
        "verify is new: `cat phase`",
        Stricter,
    );
    check("audit: forever", "audit: 400d", "retention", "audit forever → 400d", Looser);
    check(
        "batches: 400d",
        "batches: 400d, histograms: 30d",
        "retention",
        "histograms as batches → 30d",
        Other,
    );
    check(
        "at: \"09:00\"",
        "at: \"10:00\"",
        "autosave",
        "daily report in C at 09:00 Asia/Tokyo to #autosave-rollout → in C at 10:00 Asia/Tokyo to #autosave-rollout",
        Other,
    );
}

/// PO-1: a reviewer sees at the end how much loosens protection.
#[test]
fn the_text_ends_with_what_loosens_protection() {
    let diff = diff(&[("save_latency_p95: 2.0s", "save_latency_p95: 1.8s"), ("due: 24h", "due: 48h")]);
    let text = diff.to_string();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "  autosave phase B: save_latency_p95 ≤ 2 s → ≤ 1.8 s (stricter)",
            "  autosave: RCA due after 24h → 48h (LOOSER)",
            "1 change loosens protection",
        ]
    );
}

#[test]
fn layout_alone_is_no_difference() {
    let policy = Policy::parse(&shipped(), "policy.yaml").unwrap();
    let commented = Policy::parse(&format!("# a comment\n{}", shipped()), "policy.yaml").unwrap();
    let diff = policy.diff(&commented);
    assert!(diff.is_same() && diff.to_string().contains("only comments or layout differ"), "{diff}");
    assert!(policy.diff(&policy).to_string().starts_with("the same policy: sha256:"));
}

/// PO-1: targets come and go as a whole.
#[test]
fn targets_that_come_and_go_are_named() {
    let mut old = Policy::parse(&shipped(), "policy.yaml").unwrap();
    let new = old.clone();
    let (_, target) = old.targets.pop_first().unwrap();
    old.targets.insert(shared_types::TargetName::parse("search").unwrap(), target);
    let changes: Vec<String> = old.diff(&new).changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        changes,
        [
            "autosave: the target is new",
            "search: the target is left out: it is not collected or guarded any more (LOOSER)"
        ]
    );
}
