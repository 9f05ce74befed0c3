//! Wrong policies: each is the shipped one with one change, and the exact line that refuses it.

use proptest::prelude::*;

use super::SHIPPED;
use crate::policy::{Policy, PolicyError};

/// Changes `from` (its first place in the shipped policy) to `to`.
#[track_caller]
fn refused(from: &str, to: &str, expected: &str) {
    assert!(SHIPPED.contains(from), "`{from}` is not in the shipped policy");
    let text = SHIPPED.replacen(from, to, 1);
    let error = Policy::parse(&text, "policy.yaml").and_then(Policy::admitted).expect_err(to);
    assert_eq!(error.to_string(), format!("policy.yaml:{expected}"), "{from} → {to}");
}

/// PO-1
#[test]
fn unknown_missing_and_repeated_keys_are_refused() {
    for (from, to, expected) in [
        (
            "warn_ratio: 80%",
            "warn_ration: 80%",
            "27:7: targets.autosave.gate.warn_ration: unknown key `warn_ration`; expected `judge`, `certainty`, `certainty_if_changed`, `spread`, `uncounted`, `gaps`, `on_regression`, `warn_ratio`, `min_samples` or `on_violation`",
        ),
        ("      window: 15m\n", "", "10:7: targets.autosave.collection: the key `window` is missing"),
        (
            "title: AutoSave",
            "title: AutoSave\n    titel: x",
            "8:5: targets.autosave.titel: unknown key `titel`; expected `template`, `title`, `allow`, `collection`, `metrics`, `gate`, `phases`, `transitions`, `notifications`, `paging`, `rca` or `evidence`",
        ),
        (
            "title: AutoSave",
            "title: AutoSave\n    title: again",
            "8:5: targets.autosave: duplicate mapping key `title` is not allowed here",
        ),
        (
            "error_rate: rollback",
            "error_rate: rollback, error_rate: page",
            "31:73: targets.autosave.gate.on_violation: duplicate mapping key `error_rate` is not allowed here",
        ),
        (
            "  autosave:\n",
            "  auto save:\n",
            "6:3: targets.auto save: `auto save` is not a name: expected 1 to 64 of a-z A-Z 0-9 _ -, not starting with -",
        ),
        ("version: 1", "version: 2", "4:10: version: expected 1, the only version of the format, found `2`"),
        ("version: 1", "version: [1]", "4:10: version: expected a single value"),
        ("title: AutoSave", "title:", "7:10: targets.autosave.title: expected a value, found none"),
        (
            "title: AutoSave",
            r#"title: " ""#,
            "7:12: targets.autosave.title: expected a text that is not empty",
        ),
        ("auto: true }", "auto: yes }", "71:56: targets.autosave.evidence[0].auto: expected true or false"),
        (
            "    title: AutoSave",
            "\ttitle: AutoSave",
            "7:2: targets.autosave: tabs disallowed within this context (block indentation)",
        ),
        (
            "    title: AutoSave",
            "   title: AutoSave",
            "9:15: targets.autosave: mapping values are not allowed in this context",
        ),
        ("retention:", "---\nretention:", "77:1: expected one document, found another after it"),
        (
            "of: autosave.save.completed",
            "of: 1.0",
            "18:48: targets.autosave.metrics.save_latency_p95.of: expected a text, found a number: put it in quotes",
        ),
        (
            "to: [autosave.save.completed",
            "to: [true",
            "19:61: targets.autosave.metrics.error_rate.to[0]: expected a text, found `true`: put it in quotes",
        ),
        (
            "builtin: collector_latency",
            "0x10: collector_latency",
            "21:26: targets.autosave.metrics.collector_latency: expected exactly one of `quantile`, `ratio`, `count`, `mean`, `value` and `builtin`",
        ),
        (
            "builtin: collector_latency",
            "builtin: collector_latency, 1.0: x",
            "21:56: targets.autosave.metrics.collector_latency.1.0: unknown key `1.0`; expected `builtin` or `display`",
        ),
        ("    rca:    { due", "    <<: { due", "69:5: targets.autosave: merge key not allowed here"),
        (
            "  autosave:\n    title: AutoSave",
            "  autosave: {}\n  other:\n    title: AutoSave",
            "6:13: targets.autosave: the keys `title`, `collection`, `metrics`, `gate`, `phases`, `transitions`, `notifications`, `paging`, `rca` are missing",
        ),
        (
            "      retry: [30s, 60s, 120s, 240s]\n      source",
            "      retry: 30s\n      source",
            "14:14: targets.autosave.collection.retry: expected a list",
        ),
        (
            "auto: true }",
            "auto: true, when: 'a\u{1b}b' }",
            "71:70: targets.autosave.evidence[0]: unexpected character: `\\u{1b}'",
        ),
    ] {
        refused(from, to, expected);
    }
}

/// PO-1
#[test]
fn durations_are_checked_one_by_one_and_against_each_other() {
    for (from, to, expected) in [
        (
            "window: 15m",
            "window: 15 minutes",
            "11:15: targets.autosave.collection.window: expected a duration such as 500ms, 30s, 15m, 24h or 400d, found `15 minutes`",
        ),
        (
            "window: 15m",
            "window: 500ms",
            "11:15: targets.autosave.collection.window: expected a window of 1s to 24h, found `500ms`",
        ),
        (
            "window: 15m",
            "window: [15m]",
            "11:15: targets.autosave.collection.window: expected a single value",
        ),
        (
            "grace: 30s",
            "grace: 15m",
            "12:14: targets.autosave.collection.grace: expected less than the window, found `15m`",
        ),
        (
            "delayed_after: 5m",
            "delayed_after: 30s",
            "13:22: targets.autosave.collection.delayed_after: expected more than `grace`, found `30s`",
        ),
        (
            "retry: [30s, 60s,",
            "retry: [30s, 0s,",
            "14:20: targets.autosave.collection.retry[1]: expected a duration longer than 0",
        ),
        (
            "timeout: 60s",
            "timeout: -1s",
            "54:16: targets.autosave.transitions.timeout: expected a duration such as 500ms, 30s, 15m, 24h or 400d, found `-1s`",
        ),
        (
            "cadence: 5m",
            "cadence: 31m",
            "56:40: targets.autosave.transitions.recovery.cadence: expected more than `collection.grace` and at most the watch, found `31m`",
        ),
        (
            "over: 1h",
            "over: 5m",
            "20:64: targets.autosave.metrics.history_drift.over: expected at least one window, found `5m`",
        ),
        (
            "escalate_after: 30m",
            "escalate_after: 10m",
            "68:89: targets.autosave.paging.escalate_after: expected at least `acknowledge_within`, found `10m`",
        ),
        (
            "batches: 400d",
            "batches: 4000d",
            "77:23: retention.batches: expected a duration such as 400d, or `forever`, found `4000d`",
        ),
        (
            "audit: forever",
            "audit: always",
            "77:74: retention.audit: expected a duration such as 400d, or `forever`, found `always`",
        ),
        (
            "compliant_for: 24h",
            "compliant_for: 0h",
            "43:35: targets.autosave.phases[1].advance.compliant_for: expected a duration longer than 0",
        ),
    ] {
        refused(from, to, expected);
    }
}

/// PO-1
#[test]
fn numbers_are_finite_and_in_their_unit_and_range() {
    for (from, to, expected) in [
        (
            "warn_ratio: 80%",
            "warn_ratio: 100%",
            "27:19: targets.autosave.gate.warn_ratio: [PL-3] `100%` leaves no band for warnings: nothing lies between it and the limit; write less, such as 80%",
        ),
        (
            "warn_ratio: 80%",
            "warn_ratio: .nan",
            "27:19: targets.autosave.gate.warn_ratio: expected a ratio between 0 and 1, such as 0.8 or 80%, found `.nan`",
        ),
        (
            "quantile: 0.95",
            "quantile: .inf",
            "18:38: targets.autosave.metrics.save_latency_p95.quantile: expected a number above 0 and at most 1, such as 0.95, found `.inf`",
        ),
        (
            "quantile: 0.95",
            "quantile: 95",
            "18:38: targets.autosave.metrics.save_latency_p95.quantile: expected a number above 0 and at most 1, such as 0.95, found `95`",
        ),
        (
            "min_samples: 50",
            "min_samples: 5.5",
            "28:20: targets.autosave.gate.min_samples: expected a whole number from 0 on, found `5.5`",
        ),
        (
            "audience: 5%",
            "audience: 500%",
            "36:19: targets.autosave.phases[0].audience: expected a share above 0 and at most 100%, such as 5%, found `500%`",
        ),
        (
            "audience: 30%",
            "audience: 3%",
            "41:19: targets.autosave.phases[1].audience: [PL-4] expected at least the 5% of phase A, found `3%`: moving up would take the feature from users",
        ),
        (
            "error_rate: 0.5%",
            "error_rate: 0.5",
            "42:59: targets.autosave.phases[1].thresholds.error_rate: expected a percentage such as 1.0%, found `0.5`",
        ),
        (
            "error_rate: 0.5%",
            "error_rate: .nan",
            "42:59: targets.autosave.phases[1].thresholds.error_rate: expected a percentage such as 1.0%, found `.nan`",
        ),
        (
            "save_latency_p95: 1.8s",
            "save_latency_p95: -1.8s",
            "47:41: targets.autosave.phases[2].thresholds.save_latency_p95: expected a duration such as 2.5s or 180s, found `-1.8s`",
        ),
        (
            "history_drift: 0, collector_latency: 3m",
            "history_drift: 1e400, collector_latency: 3m",
            "37:80: targets.autosave.phases[0].thresholds.history_drift: expected a number such as 0 or 2.5, found `1e400`",
        ),
        (
            "compliant_batches: 8",
            "compliant_batches: 0",
            "38:39: targets.autosave.phases[0].advance.compliant_batches: expected a whole number from 1 on, found `0`",
        ),
    ] {
        refused(from, to, expected);
    }
}

/// PO-1
#[test]
fn metrics_have_one_kind_a_threshold_and_an_answer_to_a_violation() {
    for (from, to, expected) in [
        (
            "history_drift: 0, collector_latency: 3m",
            "collector_latency: 3m",
            "37:21: targets.autosave.phases[0].thresholds: the metric `history_drift` is missing",
        ),
        (
            "history_drift: 0, collector_latency: 3m",
            "history_drift: 0, drift: 1, collector_latency: 3m",
            "37:90: targets.autosave.phases[0].thresholds.drift: `drift` is not a metric; expected one of save_latency_p95, error_rate, history_drift, collector_latency",
        ),
        (
            ", error_rate: rollback,",
            ",",
            "31:21: targets.autosave.gate.on_violation: the metric `error_rate` is missing",
        ),
        (
            "error_rate: rollback",
            "error_rate: retreat",
            "31:63: targets.autosave.gate.on_violation.error_rate: expected `note`, `hold`, `page` or `rollback`, found `retreat`",
        ),
        (
            "error_rate: rollback",
            "error_rate: rollback, errors: page",
            "31:81: targets.autosave.gate.on_violation.errors: `errors` is not a metric; expected one of save_latency_p95, error_rate, history_drift, collector_latency",
        ),
        (
            "{ builtin: collector_latency, display: s }",
            "{ builtin: collector_lag, display: s }",
            "21:37: targets.autosave.metrics.collector_latency.builtin: expected `collector_latency`, found `collector_lag`",
        ),
        (
            "{ builtin: collector_latency, display: s }",
            "{ builtin: collector_latency }",
            "21:26: targets.autosave.metrics.collector_latency: the key `display` is missing",
        ),
        (
            "{ mean: autosave.history.drift, over: 1h }",
            "{ mean: autosave.history.drift, ratio: x, over: 1h }",
            "20:26: targets.autosave.metrics.history_drift: expected exactly one of `quantile`, `ratio`, `count`, `mean`, `value` and `builtin`",
        ),
        (
            "{ mean: autosave.history.drift, over: 1h }",
            "{ mean: autosave.history.drift, over: 1h, field: duration_ms }",
            "20:75: targets.autosave.metrics.history_drift.field: does not belong to this kind of metric",
        ),
        (
            "{ mean: autosave.history.drift, over: 1h }",
            "{ mean: autosave.history.drift, over: 1h, display: h }",
            "20:77: targets.autosave.metrics.history_drift.display: expected `s`, `ms` or `%`, found `h`",
        ),
        (
            "field: duration_ms",
            "field: duration",
            "18:80: targets.autosave.metrics.save_latency_p95.field: expected a field in milliseconds, its name ending in `_ms`, found `duration`",
        ),
        (
            "to: [autosave.save.completed, autosave.save.error]",
            "at_least: true, to: [autosave.save.completed]",
            "19:76: targets.autosave.metrics.error_rate.to: expected `autosave.save.error` among the events of the whole",
        ),
    ] {
        refused(from, to, expected);
    }
}

/// PO-1
#[test]
fn phases_are_unique_and_name_one_condition_to_advance() {
    for (from, to, expected) in [
        ("id: B", "id: A", "39:13: targets.autosave.phases[1].id: the phase `A` stands there twice"),
        (
            "id: B",
            "id: off",
            "39:13: targets.autosave.phases[1].id: `off` is reserved for an end of the rollout",
        ),
        (
            "id: C",
            "id: completed",
            "44:13: targets.autosave.phases[2].id: `completed` is reserved for an end of the rollout",
        ),
        (
            "id: B",
            "id: B/2",
            "39:13: targets.autosave.phases[1].id: `B/2` is not a name: expected 1 to 64 of a-z A-Z 0-9 _ -, not starting with -",
        ),
        (
            "{ compliant_for: 24h, critical_alerts: 0, approvals: [sre] }",
            "{ approvals: [sre] }",
            "43:18: targets.autosave.phases[1].advance: expected exactly one of `compliant_batches` and `compliant_for`",
        ),
        (
            "{ compliant_for: 24h, critical_alerts: 0, approvals: [sre] }",
            "{ compliant_for: 24h, compliant_batches: 8 }",
            "43:18: targets.autosave.phases[1].advance: expected exactly one of `compliant_batches` and `compliant_for`",
        ),
        (
            "recovery: { watch: 30m, cadence: 5m }",
            "recovery: { watch: 30m, cadence: 5m }\n      budget: { automatic_rollbacks: 0, per: 24h }",
            "57:38: targets.autosave.transitions.budget.automatic_rollbacks: expected a whole number from 1 on, found `0`",
        ),
        (
            "recovery: { watch: 30m, cadence: 5m }",
            "recovery: { watch: 30m, cadence: 5m }\n      budget: { automatic_rollbacks: 1001, per: 24h }",
            "57:38: targets.autosave.transitions.budget.automatic_rollbacks: expected at most 1000, found `1001`",
        ),
        (
            "recovery: { watch: 30m, cadence: 5m }",
            "recovery: { watch: 30m, cadence: 5m }\n      budget: { automatic_rollbacks: 3, per: 0s }",
            "57:46: targets.autosave.transitions.budget.per: expected a duration longer than 0",
        ),
        (
            "approvals: [sre, dev-lead]",
            "approvals: [sre, sre]",
            "38:59: targets.autosave.phases[0].advance.approvals[1]: `sre` stands there twice",
        ),
    ] {
        refused(from, to, expected);
    }
}

/// PO-1
#[test]
fn names_that_refer_to_something_must_find_it() {
    for (from, to, expected) in [
        (
            r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#,
            r#"{ carrier_pigeon: { loft: "x" } }"#,
            "10:17: targets.autosave.collection.source: source `carrier_pigeon` is not supported in this version; supported: `jsonl`, `http`, `prometheus`, `otlp`, `nats`, `loki`, `cloudwatch` or `datadog`",
        ),
        (
            r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#,
            "{ jsonl: { paths: [] } }",
            "10:33: targets.autosave.collection.source.jsonl.paths: expected at least one glob pattern",
        ),
        (
            r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#,
            r#"{ jsonl: { path: "x" } }"#,
            "10:26: targets.autosave.collection.source.jsonl.path: unknown key `path`; expected `paths`",
        ),
        (
            r#""{prev}""#,
            r#""{previous}""#,
            "51:67: targets.autosave.transitions.rollback.command[4]: unknown placeholder {previous}; known here: {target} {phase} {prev} {next} {audience} {incident} {reason}",
        ),
        (
            r#""{next}""#,
            r#""{next""#,
            "52:66: targets.autosave.transitions.promote.command[4]: `{` without `}`; write `{{` for a literal brace",
        ),
        (
            r#"[pnpm, run, "flags:promote", --phase, "{next}"]"#,
            "[]",
            "52:28: targets.autosave.transitions.promote.command: expected a program and its arguments",
        ),
        (
            "err_rate: error_rate }",
            "err_rate: errors }",
            "60:50: targets.autosave.notifications.values.err_rate: `errors` is not a metric; expected one of save_latency_p95, error_rate, history_drift, collector_latency",
        ),
        (
            "err_rate: error_rate }",
            "phase: error_rate }",
            "60:47: targets.autosave.notifications.values.phase: `phase` is already the name of a placeholder",
        ),
        (
            "phases: [B, C] }",
            "phases: [B, D] }",
            "61:92: targets.autosave.notifications.ok.phases[1]: `D` is not a phase; expected one of A, B, C",
        ),
        (
            "channel: runbook",
            "channel: incident-autosave",
            r##"64:58: targets.autosave.notifications.rollback.channel: expected a Slack channel such as "#incident", `runbook` or `log`, found `incident-autosave`"##,
        ),
        (
            "template: autosave-ok",
            "template: ../autosave-ok",
            "61:30: targets.autosave.notifications.ok.template: expected a name of 1 to 64 a-z A-Z 0-9 _ -, found `../autosave-ok`",
        ),
        (
            r#"at: "09:00""#,
            r#"at: "9:00""#,
            r#"66:40: targets.autosave.notifications.daily_report.at: expected a time of day such as "09:00", found `9:00`"#,
        ),
        (
            "Asia/Tokyo",
            "Asia/Edo",
            "66:60: targets.autosave.notifications.daily_report.time_zone: expected an IANA time zone such as Asia/Tokyo, found `Asia/Edo`",
        ),
        (
            "priority: P2",
            "priority: high",
            "68:44: targets.autosave.paging.priority: expected a priority from P1 to P5, found `high`",
        ),
        (
            "escalate_to: P1",
            "escalate_to: P3",
            "68:107: targets.autosave.paging.escalate_to: expected P2 or a higher priority, found `P3`",
        ),
        (
            "propose: rollback",
            "propose: nothing",
            "69:67: targets.autosave.rca.overdue.propose: expected `rollback`, found `nothing`",
        ),
        (
            "after: [pagerduty,",
            "after: [release,",
            "75:58: targets.autosave.evidence[4].after[0]: expected an item listed above this one, found `release`",
        ),
        (
            "item: rca, ",
            "item: pagerduty, ",
            "73:17: targets.autosave.evidence[2].item: the item `pagerduty` stands there twice; \
             policy.yaml:75:80: targets.autosave.evidence[4].after[2]: expected an item listed above this one, found `rca`",
        ),
        (
            r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#,
            "{ jsonl: { paths: [x] }, http: {} }",
            "10:40: targets.autosave.collection.source.jsonl: expected one source with its settings, such as { http: {} }",
        ),
        (
            r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#,
            "jsonl",
            "10:15: targets.autosave.collection.source: expected one source with its settings, such as { http: {} }",
        ),
        (
            r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#,
            "{ http: }",
            "10:21: targets.autosave.collection.source.http: expected one source with its settings, such as { http: {} }",
        ),
        (
            r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#,
            "{}",
            "10:15: targets.autosave.collection.source: expected one source with its settings, such as { http: {} }",
        ),
        (
            r##"escalation_channel: "#incident""##,
            "escalation_channel: #incident",
            "65:25: targets.autosave.notifications.escalation_channel: expected a value, found none",
        ),
        (
            "channel: runbook",
            r##"channel: "#a b""##,
            r##"64:58: targets.autosave.notifications.rollback.channel: expected a Slack channel such as "#incident", `runbook` or `log`, found `#a b`"##,
        ),
        (
            "verify:   null",
            r#"verify: "{phase}""#,
            "53:15: targets.autosave.transitions.verify: expected a mapping",
        ),
        (
            "templates: templates/alerts",
            r#"templates: """#,
            "59:18: targets.autosave.notifications.templates: expected a text that is not empty",
        ),
        (
            r#"display: "%""#,
            "display: s",
            "19:117: targets.autosave.metrics.error_rate.display: expected `%`, or none for a plain number, found `s`",
        ),
    ] {
        refused(from, to, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// PO-1
    #[test]
    fn a_damaged_file_is_read_or_refused_in_one_line(
        at in 0..SHIPPED.len(), cut in 0..12_usize, put in "[\\[\\]{}:,#&*!|>'\"\n\t 0a~-]{0,3}",
    ) {
        let start = SHIPPED.floor_char_boundary(at);
        let end = SHIPPED.ceil_char_boundary((start + cut).min(SHIPPED.len()));
        let text = format!("{}{put}{}", &SHIPPED[..start], &SHIPPED[end..]);
        if let Err(PolicyError::Wrong(places)) = Policy::parse(&text, "policy.yaml").and_then(Policy::admitted) {
            let lines = text.lines().count() as u64 + 1;
            prop_assert!(!places.is_empty());
            for wrong in places {
                prop_assert!((1..=lines).contains(&wrong.line), "{wrong}");
                prop_assert!(wrong.column >= 1 && !wrong.message.is_empty(), "{wrong}");
                prop_assert!(!wrong.to_string().contains('\n'), "{wrong}");
            }
        }
    }
}

/// JU-9: an event's name with `@` would be counted with the twin of another.
#[test]
fn event_names_with_a_variant_are_refused() {
    let why = "`<event>@<variant>` is how events of a variant are counted";
    let name = "autosave.save.error@control";
    for (from, to, place) in [
        (
            "ratio: autosave.save.error,",
            format!("ratio: {name},"),
            "19:35: targets.autosave.metrics.error_rate.ratio",
        ),
        (
            "autosave.save.error], display",
            format!("{name}], display"),
            "19:86: targets.autosave.metrics.error_rate.to[1]",
        ),
        (
            "mean: autosave.history.drift",
            format!("mean: {name}"),
            "20:34: targets.autosave.metrics.history_drift.mean",
        ),
    ] {
        let expected = format!("{place}: expected the name of an event without `@`, found `{name}`: {why}");
        refused(from, &to, &expected);
    }
}

/// TE-7: a map that cannot be read as it is meant says where and what was expected.
#[test]
fn a_wrong_map_says_where() {
    for (map, expected) in [
        (
            "{ http: {}, map: { name: msg } }",
            "10:32: targets.autosave.collection.source.map: the key `ts` is missing",
        ),
        (
            "{ http: {}, map: { preset: morgan } }",
            "10:42: targets.autosave.collection.source.map.preset: expected `pino`, `bunyan`, `zap`, `logrus`, `slog`, `structlog`, `log4j2`, `serilog`, `winston`, `tracing` or `ecs`, found `morgan`",
        ),
        (
            "{ http: {}, map: { preset: pino, ts: { path: t, format: unix } } }",
            "10:71: targets.autosave.collection.source.map.ts.format: expected `rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us` or `epoch_ns`, found `unix`",
        ),
        (
            "{ http: {}, map: { preset: pino, if: { level: [9..1] } } }",
            "10:61: targets.autosave.collection.source.map.if.level: a range must begin below its end: 9..1",
        ),
        (
            "{ http: {}, map: { preset: pino, events: { ok: autosave.save.complete } } }",
            "10:62: targets.autosave.collection.source.map.events.ok: expected an event of a metric (`autosave.history.drift`, `autosave.save.completed` or `autosave.save.error`), found `autosave.save.complete`",
        ),
        (
            "{ http: {}, map: { preset: pino, if: { level: [] } } }",
            "10:61: targets.autosave.collection.source.map.if.level: expected a single value",
        ),
        (
            "{ map: { preset: pino } }",
            "10:15: targets.autosave.collection.source: expected one source with its settings, such as { http: {} }",
        ),
        (
            "{ http: {}, map: { preset: pino, duration: { unit: ms } } }",
            "10:58: targets.autosave.collection.source.map.duration: the key `path` is missing",
        ),
    ] {
        refused(r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#, map, expected);
    }
}
