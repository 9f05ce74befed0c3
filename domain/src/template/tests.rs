//! The shipped texts, rendered with the shipped policy, and what the values are made of.

use shared_types::decision::{Cause, Decision, MetricVerdict, Verdict, ViolationAction};
use shared_types::{IncidentId, PhaseId, TargetName, Timestamp, Window};
use uuid::Uuid;

use super::values::{
    RollbackFacts, decision_values, incident_values, rollback_command_text, rollback_values,
};
use super::*;
use crate::policy::Policy;

fn autosave() -> TargetPolicy {
    let policy =
        Policy::parse(include_str!("../../../governance/policy.yaml"), "governance/policy.yaml").unwrap();
    policy.targets.into_values().next().unwrap()
}

fn shipped(file: &Path) -> std::io::Result<String> {
    let name = file.file_name().unwrap().to_str().unwrap();
    Ok(SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap().1.to_owned())
}

fn templates() -> Templates {
    Templates::load_with(&autosave(), shipped).unwrap()
}

fn phase(id: &str) -> PhaseId {
    PhaseId::parse(id).unwrap()
}

/// A decision whose metrics are given as (observed, verdict), in the policy's order.
fn decision(in_phase: &str, verdict: Verdict, observed: [(Option<f64>, Verdict); 4]) -> Decision {
    let policy = autosave();
    let at_phase = policy.phase(&phase(in_phase)).unwrap();
    let judged = policy.metrics.iter().zip(observed).map(|(metric, (observed, verdict))| {
        let threshold = at_phase.thresholds[&metric.name];
        let ratio = observed.filter(|_| threshold > 0.0).map(|observed| observed / threshold);
        let unit = metric.display.symbol().to_owned();
        let on_violation = ViolationAction::Rollback;
        let (metric, direction) = (metric.name.clone(), metric.kind.direction());
        MetricVerdict {
            metric,
            observed,
            between: None,
            threshold,
            unit,
            ratio,
            verdict,
            on_violation,
            direction,
            reason: None,
            weighed: None,
        }
    });
    let metrics: Vec<MetricVerdict> = judged.collect();
    let violated = metrics.iter().filter(|metric| metric.verdict == Verdict::Violation);
    let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
    Decision {
        schema: shared_types::decision::SCHEMA.into(),
        decision_id: Uuid::from_u128(7),
        target: TargetName::parse("autosave").unwrap(),
        phase: phase(in_phase),
        epoch: 2,
        window: Window { start, end: start.plus(std::time::Duration::from_mins(15)) },
        verdict,
        rollback_required: verdict == Verdict::Violation,
        action: None,
        cause: Cause::Slo,
        violated: violated.map(|metric| metric.metric.clone()).collect(),
        metrics,
        policy_version: "sha256:…".into(),
        decided_at: start,
        uncounted: None,
        vanished: vec![],
        gate: None,
        evidence: None,
    }
}

fn compliant() -> Decision {
    let ok = Verdict::Ok;
    decision("B", ok, [(Some(1.204), ok), (Some(0.25), ok), (Some(0.0), ok), (Some(31.25), ok)])
}

fn violation() -> Decision {
    let ok = Verdict::Ok;
    let late = (Some(2.8104), Verdict::Violation);
    decision("C", Verdict::Violation, [late, (Some(0.0), ok), (Some(0.0), ok), (Some(31.25), ok)])
}

/// NO-1, NO-2
#[test]
fn the_ok_text() {
    let values = decision_values(&autosave(), &compliant());
    insta::assert_snapshot!(
        templates().ok.render(&values).unwrap(),
        @"✅ AutoSave B OK / window=2026-11-22T10:00Z/10:15Z / p95=1.204s / err=0.25%"
    );
}

/// NO-1, NO-2
#[test]
fn the_warn_text() {
    let ok = Verdict::Ok;
    let near = (Some(2.4), Verdict::Warn);
    let warn = decision("A", Verdict::Warn, [near, (Some(0.1), ok), (Some(0.0), ok), (Some(31.25), ok)]);
    insta::assert_snapshot!(
        templates().warn.render(&decision_values(&autosave(), &warn)).unwrap(),
        @"
    ⚠️ AutoSave A nearing limits / p95=2.4s / err=0.1% / action=watch
    save_latency_p95: 2.4 s, at most 2.5 s
    "
    );
}

/// NO-1, NO-2, RB-2
#[test]
fn the_incident_text() {
    let decision = violation();
    let cmd = rollback_command_text(&decision.target, &decision.phase, "save_latency_p95 violation");
    let incident = IncidentId::parse("INC-20261122-001").unwrap();
    let values = incident_values(&autosave(), &decision, &incident, "P2", &cmd);
    insta::assert_snapshot!(
        templates().incident.render(&values).unwrap(),
        @r#"
    🚨 AutoSave C violation / metric=save_latency_p95 / window=2026-11-22T10:00Z/10:15Z / rollback=phasegate rollback --target autosave --phase C --reason "save_latency_p95 violation"
    save_latency_p95: 2.81 s, at most 1.8 s
    "#
    );
}

fn with_rollback_values<T>(decision: Option<&Decision>, check: impl Fn(&Values) -> T) -> T {
    let (target, from, to) = (TargetName::parse("autosave").unwrap(), phase("C"), phase("B"));
    let incident = IncidentId::parse("INC-20261122-001").unwrap();
    let facts = RollbackFacts {
        target: &target,
        from: &from,
        to: &to,
        incident: decision.map(|_| &incident),
        decision,
        reason: if decision.is_some() { "save_latency_p95 violation" } else { "support calls pile up" },
        initiator: if decision.is_some() { "reporter" } else { "kim" },
        command: "pnpm run flags:rollback --phase B",
        started_at: Timestamp::parse("2026-11-22T10:15:32Z").unwrap(),
    };
    check(&rollback_values(&autosave(), &facts))
}

/// NO-1, NO-2
#[test]
fn the_rollback_text() {
    let text =
        with_rollback_values(Some(&violation()), |values| templates().rollback.render(values).unwrap());
    insta::assert_snapshot!(
        text,
        @r#"Rollback invoked: `phasegate rollback --target autosave --phase C --reason "save_latency_p95 violation"` / initiated_by=reporter / reason=save_latency_p95"#
    );
}

/// NO-2, RB-7
#[test]
fn the_rollback_text_of_a_rollback_by_hand() {
    let text = with_rollback_values(None, |values| templates().rollback.render(values).unwrap());
    insta::assert_snapshot!(
        text,
        @r#"Rollback invoked: `phasegate rollback --target autosave --phase C --reason "support calls pile up"` / initiated_by=kim / reason=support calls pile up"#
    );
}

/// RB-8
#[test]
fn the_runbook() {
    let text = with_rollback_values(Some(&violation()), |values| templates().runbook.render(values).unwrap());
    insta::assert_snapshot!(text);
    with_rollback_values(None, |values| templates().runbook.render(values).unwrap());
}

/// NO-2
#[test]
fn every_placeholder_of_a_kind_is_filled_whatever_is_known() {
    let mut silent = violation();
    silent.cause = Cause::RetryExhausted;
    silent.metrics.clear();
    silent.violated.clear();
    let policy = autosave();
    let incident = IncidentId::parse("INC-20261122-001").unwrap();
    let filled = [
        (TemplateKind::Warn, decision_values(&policy, &silent)),
        (TemplateKind::Incident, incident_values(&policy, &silent, &incident, "P2", "cmd")),
        (TemplateKind::Runbook, with_rollback_values(Some(&silent), Values::clone)),
        (TemplateKind::Runbook, with_rollback_values(None, Values::clone)),
    ];
    for (kind, values) in filled {
        for name in kind.placeholders() {
            let value = values.get(*name).map_or("", String::as_str);
            assert!(!value.is_empty() && value != "NaN" && value != "null", "{kind:?} {{{name}}}: `{value}`");
        }
    }
    let values = decision_values(&policy, &silent);
    assert_eq!((values["metric"].as_str(), values["p95"].as_str()), ("retry_exhausted", "n/a"));
}

/// NO-2
#[test]
fn a_template_with_an_unknown_placeholder_is_refused_when_it_is_loaded() {
    let read = |file: &Path| match file.to_str() {
        Some("templates/alerts/autosave-warn.txt") => Ok("AutoSave {phase}\nnear {cmd}\n".to_owned()),
        _ => shipped(file),
    };
    let error = Templates::load_with(&autosave(), read).expect_err("{cmd} belongs to incidents");
    let expected = "template templates/alerts/autosave-warn.txt, line 2: unknown placeholder {cmd}; known here: \
                    {target} {title} {phase} {epoch} {window} {verdict} {metric} {decision} {certainty} {err_rate} {p95}";
    assert_eq!(error.to_string(), expected);
}

/// NO-2
#[test]
fn a_template_that_is_missing_or_empty_is_refused_by_name() {
    let missing = Templates::load(Path::new("/nowhere"), &autosave()).expect_err("missing");
    let missing: Vec<String> = missing.0.iter().map(ToString::to_string).collect();
    assert_eq!(missing.len(), 6, "each of them: {missing:?}");
    assert_eq!(missing[0], "[PL-5] template templates/alerts/autosave-ok.txt: cannot be read");
    let empty = Templates::load_with(&autosave(), |_| Ok(" \n".to_owned())).expect_err("empty");
    assert_eq!(empty.0[0].to_string(), "template templates/alerts/autosave-ok.txt: it is empty");
}

/// NO-1
#[test]
fn the_shipped_directory_holds_the_shipped_texts() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    assert_eq!(Templates::load(&directory, &autosave()).unwrap(), templates());
}

/// NO-3
#[test]
fn only_values_are_escaped_for_a_receiver_with_markup() {
    let policy = autosave();
    let mut decision = compliant();
    decision.metrics.clear();
    let mut values = decision_values(&policy, &decision);
    values.insert("phase".into(), "<B>".into());
    let template =
        Template::parse(Path::new("t.txt"), "<&> {phase}", TemplateKind::Ok, &policy.notifications);
    let text = template
        .unwrap()
        .message(&values)
        .map(|it| it.rendered(|value| value.replace('<', "&lt;").replace('>', "&gt;")));
    assert_eq!(text.unwrap(), "<&> &lt;B&gt;");
}

/// RB-2
#[test]
fn commands_are_written_so_that_a_shell_reads_them_back() {
    let (target, phase) = (TargetName::parse("autosave").unwrap(), phase("C"));
    assert_eq!(
        rollback_command_text(&target, &phase, r#"say "$HOME" `x`"#),
        r#"phasegate rollback --target autosave --phase C --reason "say \"\$HOME\" \`x\`""#
    );
}
