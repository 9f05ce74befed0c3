//! Each rule: the shipped policy with one change, what is said of it, and that its `allow` lets it pass.

use super::Rule;
use crate::policy::{Policy, PolicyError};

const SHIPPED: &str = include_str!("../../../../governance/policy.yaml");

fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(SHIPPED.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "`{from}` is not in the policy");
        text.replacen(from, to, 1)
    })
}

fn allowing(text: &str, rules: &str) -> String {
    text.replacen("    title: AutoSave", &format!("    title: AutoSave\n    allow: [{rules}]"), 1)
}

/// What is wrong with a text, a line each.
fn refusals(text: &str) -> Vec<String> {
    match Policy::parse(text, "p").and_then(Policy::admitted) {
        Ok(_) => Vec::new(),
        Err(PolicyError::Wrong(places)) => places.iter().map(ToString::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

fn warnings(text: &str) -> Vec<String> {
    Policy::parse(text, "p").unwrap().lint.warnings.iter().map(ToString::to_string).collect()
}

/// One change is refused by one rule, and its opt-out names that rule.
#[track_caller]
fn refused(rule: &str, from: &str, to: &str, expected: &str) {
    let text = changed(&[(from, to)]);
    let found = refusals(&text);
    assert_eq!(found, [format!("p:{expected}")], "{from} → {to}");
    assert!(found[0].contains(&format!(": [{rule}] ")), "{found:?}");
    assert_eq!(refusals(&allowing(&text, rule)), Vec::<String>::new(), "allow: [{rule}]");
    assert_eq!(refusals(&allowing(&text, "PL-2, PL-6")).len(), 1, "another rule's opt-out is none");
}

const ROLLBACK: &str = r#"[pnpm, run, "flags:rollback", --phase, "{prev}"]"#;

/// PL-1
#[test]
fn a_rollback_names_the_phase_to_reach() {
    let refused = |to: &str, expected: &str| refused("PL-1", ROLLBACK, to, expected);
    refused(
        r#"[pnpm, run, "flags:rollback", --phase, "{next}"]"#,
        "51:67: targets.autosave.transitions.rollback.command[4]: [PL-1] `{next}` is the phase above: a rollback would raise exposure; write `{prev}`",
    );
    refused(
        r#"[pnpm, run, "flags:rollback"]"#,
        "51:28: targets.autosave.transitions.rollback.command: [PL-1] the command does not learn the phase to reach; write `{prev}` where the phase belongs",
    );
    refused(
        r#"[pnpm, run, "flags:rollback", "{phase}"]"#,
        "51:28: targets.autosave.transitions.rollback.command: [PL-1] the command does not learn the phase to reach; write `{prev}` where the phase belongs",
    );
    refused(
        r#"[pnpm, run, "flags:rollback", --phase, A]"#,
        "51:67: targets.autosave.transitions.rollback.command[4]: [PL-1] `A` is the same phase for every rollback; write `{prev}`, the phase to reach",
    );
    refused(
        r#"[pnpm, run, "flags:rollback", "--phase=off", "{prev}"]"#,
        "51:58: targets.autosave.transitions.rollback.command[3]: [PL-1] `--phase=off` is the same phase for every rollback; write `{prev}`, the phase to reach",
    );
}

/// PL-1: the share of users to reach says it as well; a flag system knows the phase by itself.
#[test]
fn a_rollback_that_learns_the_goal_otherwise_is_let_through() {
    let share = changed(&[(ROLLBACK, r#"[flags, set, --percent, "{audience}"]"#)]);
    assert_eq!(refusals(&share), Vec::<String>::new());
    let (before, rest) = SHIPPED.split_once("      rollback: { command").unwrap();
    let (_, after) = rest.split_once("not read back\n").unwrap();
    let flag = r#"flag: { flagd: { file: f.json, flag: autosave, variant: "on" } }"#;
    assert_eq!(refusals(&format!("{before}      {flag}\n{after}")), Vec::<String>::new());
}

/// PL-3
#[test]
fn a_limit_can_be_crossed_and_be_kept() {
    let refused = |from: &str, to: &str, expected: &str| refused("PL-3", from, to, expected);
    refused(
        "error_rate: 0.5%",
        "error_rate: 150%",
        "42:59: targets.autosave.phases[1].thresholds.error_rate: [PL-3] `150%` is over 100%, which no share is: it is never crossed; write a share such as 1%",
    );
    refused(
        "error_rate: 0.5%",
        "error_rate: 100%",
        "42:59: targets.autosave.phases[1].thresholds.error_rate: [PL-3] `100%` lets all be bad: it is never crossed; write a share such as 1%",
    );
    refused(
        "save_latency_p95: 2.0s",
        "save_latency_p95: 0s",
        "42:41: targets.autosave.phases[1].thresholds.save_latency_p95: [PL-3] `0s` is shorter than any duration: it is always crossed; write one such as 2s",
    );
    refused(
        "collector_latency: 3m",
        "collector_latency: 30s",
        "37:102: targets.autosave.phases[0].thresholds.collector_latency: [PL-3] `30s` is always crossed: a batch is made 30s after its window's end (`collection.grace`); write more",
    );
    refused(
        "min_samples: 50 ",
        "min_samples: 0 ",
        "28:20: targets.autosave.gate.min_samples: [PL-3] 0: a window with one event would be judged like one with a thousand; write at least 1",
    );
    refused(
        "warn_ratio: 80%",
        "warn_ratio: 100%",
        "27:19: targets.autosave.gate.warn_ratio: [PL-3] `100%` leaves no band for warnings: nothing lies between it and the limit; write less, such as 80%",
    );
}

/// PL-3
#[test]
fn one_is_not_a_percentage() {
    for (from, to, expected) in [
        ("audience: 100%", "audience: 1", "46:19: targets.autosave.phases[2].audience"),
        ("audience: 100%", "audience: 1.0", "46:19: targets.autosave.phases[2].audience"),
        ("warn_ratio: 80%", "warn_ratio: 1", "27:19: targets.autosave.gate.warn_ratio"),
        ("uncounted: 5%", "uncounted: 1", "29:18: targets.autosave.gate.uncounted"),
    ] {
        let written = to.split_once(": ").unwrap().1;
        let expected =
            format!("{expected}: [PL-3] `{written}` may mean 1% or 100%; write the one that is meant");
        refused("PL-3", from, to, &expected);
    }
    // Nothing can be made of a limit without its unit, allowed or not.
    let limit = "p:42:59: targets.autosave.phases[1].thresholds.error_rate: [PL-3] `1` may mean 1% or 100%; write the one that is meant";
    let text = changed(&[("error_rate: 0.5%", "error_rate: 1")]);
    assert_eq!(refusals(&text), [limit]);
    assert_eq!(refusals(&allowing(&text, "PL-3")), [limit.replacen(":42:", ":43:", 1)]);
}

/// PL-3: a limit of 0 has no warn band, and needs none.
#[test]
fn nothing_allowed_is_a_limit_like_others() {
    assert_eq!(refusals(&changed(&[("error_rate: 0.5%", "error_rate: 0")])), Vec::<String>::new());
}

/// PL-4
#[test]
fn an_audience_does_not_fall() {
    refused(
        "PL-4",
        "audience: 30%",
        "audience: 3%",
        "41:19: targets.autosave.phases[1].audience: [PL-4] expected at least the 5% of phase A, found `3%`: moving up would take the feature from users",
    );
}

/// PL-5, DE-3
#[test]
fn every_phase_has_an_incident_text() {
    refused(
        "PL-5",
        r##"channel: "#incident-autosave", phases: [A, B, C] }"##,
        r##"channel: "#incident-autosave", phases: [A, C] }"##,
        "63:88: targets.autosave.notifications.incident.phases: [PL-5] leaves out B: nobody would be told of an incident there; write [A, B, C]",
    );
}

/// PL-5
#[test]
fn who_signs_has_a_role_that_may() {
    refused(
        "PL-5",
        "approver: governance",
        "approver: auditor",
        "69:35: targets.autosave.rca.approver: [PL-5] the role `auditor` may not sign, so no analysis would be confirmed; write `sre`, `dev-lead`, `release-ops` or `governance`",
    );
    refused(
        "PL-5",
        "owner: release-ops",
        "owner: release",
        "75:37: targets.autosave.evidence[4].owner: [PL-5] the role `release` may not sign, so the item would never be done; write `sre`, `dev-lead`, `release-ops` or `governance`",
    );
}

/// PL-5: a role of the policy's own may approve, and only the tokens know whether somebody holds it.
#[test]
fn an_approval_by_a_role_of_the_policys_own_is_a_warning() {
    let text = changed(&[("approvals: [sre, dev-lead]", "approvals: [sre, dev-laed]")]);
    assert_eq!(refusals(&text), Vec::<String>::new());
    let told = "p:38:59: targets.autosave.phases[0].advance.approvals[1]: [PL-5] the role `dev-laed` is none of `sre`, `dev-lead`, `governance` or `release-ops`: a token has to hold it as its own role, or nobody can approve";
    assert!(warnings(&text).contains(&told.to_owned()), "{:?}", warnings(&text));
}

/// PL: what is wrong by shape and what cannot protect come together, of all targets, in the order of the file.
#[test]
fn all_that_is_wrong_is_told_in_one_run() {
    let start = SHIPPED.find("  autosave:").unwrap();
    let end = SHIPPED.find("\nretention:").unwrap();
    let second =
        SHIPPED[start..end].replacen("autosave:", "second:", 1).replacen("priority: P2", "priority: P9", 1);
    let first = changed(&[
        ("window: 15m", "window: 15 minutes"),
        ("quantile: 0.95", "quantile: 95"),
        ("min_samples: 50 ", "min_samples: 0 "),
        ("audience: 30%", "audience: 3%"),
        ("error_rate: 0.5%", "error_rate: 150%"),
        (ROLLBACK, r#"[pnpm, run, "flags:rollback", --phase, "{next}"]"#),
        ("due: 24h", "due: soon"),
    ]);
    let text = first.replacen("\nretention:", &format!("\n{second}\nretention:"), 1);
    let places: Vec<String> =
        refusals(&text).iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(
        places,
        [
            "targets.autosave.collection.window:",
            "targets.autosave.metrics.save_latency_p95.quantile:",
            "targets.autosave.gate.min_samples:",
            "targets.autosave.phases[1].audience:",
            "targets.autosave.phases[1].thresholds.error_rate:",
            "targets.autosave.transitions.rollback.command[4]:",
            "targets.autosave.rca.due:",
            "targets.second.paging.priority:",
        ]
    );
}

/// PL: an opt-out that nothing needs is told, and one of no rule is refused.
#[test]
fn an_opt_out_is_needed_and_names_a_rule() {
    let told = "p:8:13: targets.autosave.allow[0]: [PL-1] nothing here breaks this rule; leave it out";
    assert!(warnings(&allowing(SHIPPED, "PL-1")).contains(&told.to_owned()));
    let needed = allowing(&changed(&[(ROLLBACK, "[back]")]), "PL-1, PL-2");
    assert!(warnings(&needed).iter().all(|it| !it.contains(".allow[")), "{:?}", warnings(&needed));
    let unknown = refusals(&allowing(SHIPPED, "PL-7"));
    assert_eq!(unknown.len(), 1);
    assert!(unknown[0].starts_with("p:8:13: targets.autosave.allow[0]: expected `PL-1`, "), "{unknown:?}");
}

/// PL: versions that were kept are read by every release, whatever its lint says of them.
#[test]
fn a_version_that_cannot_protect_is_read_but_not_admitted() {
    let text = changed(&[(ROLLBACK, "[back]")]);
    let policy = Policy::parse(&text, "p").unwrap();
    assert_eq!(policy.lint.refused.iter().map(|it| it.rule).collect::<Vec<_>>(), [Some(Rule::Rollback)]);
    assert!(policy.admitted().is_err());
}

/// PL: nothing that is shipped or tested with needs to be refused.
#[test]
fn every_policy_of_the_repository_is_admitted() {
    for text in [
        SHIPPED,
        include_str!("../../../../examples/policies/source-document.yaml"),
        include_str!("../../../../tests/fixtures/policy.fast.yaml"),
        &crate::policy::render::example(),
    ] {
        assert_eq!(refusals(text), Vec::<String>::new());
    }
}

/// What no target can opt out of.
#[track_caller]
fn refused_whole(from: &str, to: &str, expected: &str) {
    let text = changed(&[(from, to)]);
    assert_eq!(refusals(&text), [format!("p:{expected}")]);
    assert_eq!(refusals(&allowing(&text, "PL-1, PL-3, PL-4, PL-5")).len(), 1, "{to}");
}

/// GO-4: a target's files are not mixed with the audit log's.
#[test]
fn a_target_is_not_called_as_the_audit_logs_files() {
    refused_whole(
        "  autosave:\n",
        "  audit:\n",
        "7:5: targets.audit: `logs/audit` holds the audit log; give the target another name, such as `audit-log`",
    );
}

/// PO-1: history that is deleted before it is looked back on would turn a violation into `ok`.
#[test]
fn retention_is_no_shorter_than_what_is_looked_back_on() {
    let because =
        "shorter than what is looked back on: `compliant_for` of phase C, 72h; keep them for at least 72h";
    refused_whole("batches: 400d", "batches: 71h", &format!("77:23: retention.batches: {because}"));
    refused_whole("decisions: 400d", "decisions: 1d", &format!("77:40: retention.decisions: {because}"));
    assert_eq!(refusals(&changed(&[("batches: 400d", "batches: 72h")])), Vec::<String>::new());
    assert_eq!(refusals(&changed(&[("batches: 400d", "batches: forever")])), Vec::<String>::new());
    let over = changed(&[("over: 1h", "over: 96h"), ("batches: 400d", "batches: 80h")]);
    let found = refusals(&over);
    assert!(found.len() == 1 && found[0].contains("`over` of history_drift, 4d"), "{found:?}");
}

/// PL-6: the least traffic that the policy reckons with, and what it can show.
#[test]
fn traps_are_told_with_their_arithmetic() {
    assert_eq!(
        warnings(SHIPPED),
        [
            "p:28:20: targets.autosave.gate.min_samples: [PL-6] error_rate: one of 50 is 2%, over the limit; such a window is compliant only if those before it make up for it. One may be bad from so many on: 100 in A, 200 in B, 334 in C",
            "p:37:59: targets.autosave.phases[0].thresholds.error_rate: [PL-6] with 50 attempts a window (`min_samples`, the least there may be) twice this limit is found after 37 windows, 9h 15m; the phase asks for 8. It needs more traffic, longer windows or another limit",
        ]
    );
    let single = changed(&[("judge: evidence", "judge: window"), ("min_samples: 50 ", "min_samples: 15 ")]);
    assert_eq!(
        warnings(&single),
        [
            "p:28:20: targets.autosave.gate.min_samples: [PL-6] save_latency_p95 of 15 values is the largest of them, so one slow one is over the limit; that is a violation. One may be bad from so many on: 20 in A, 20 in B, 20 in C",
            "p:28:20: targets.autosave.gate.min_samples: [PL-6] error_rate: one of 15 is 6.667%, over the limit; that is a violation. One may be bad from so many on: 100 in A, 200 in B, 334 in C",
        ]
    );
    let forgotten = changed(&[
        ("min_samples: 50 ", "min_samples: 2600 "),
        ("to: [autosave.save.completed, autosave.save.error]", "to: [autosave.save.completed]"),
    ]);
    let told = warnings(&forgotten);
    assert_eq!(told.len(), 1, "{told:?}");
    let expected = "targets.autosave.metrics.error_rate: [PL-6] `autosave.save.error` is none of `to`, so this is a rate";
    assert!(told[0].contains(expected), "{told:?}");
    // A count asks for no samples: it has the time for its attempts.
    let counted = changed(&[
        ("min_samples: 50 ", "min_samples: 2600 "),
        ("{ mean: autosave.history.drift, over: 1h }", "{ count: autosave.history.drift }"),
        ("history_drift: 0,", "history_drift: 3,"),
    ]);
    assert_eq!(warnings(&counted), Vec::<String>::new());
    let busy = changed(&[("min_samples: 50 ", "min_samples: 2600 ")]);
    assert_eq!(warnings(&busy), Vec::<String>::new());
    assert_eq!(warnings(&allowing(SHIPPED, "PL-6")), Vec::<String>::new());
}
