//! What holds for every text, whatever it is filled with (NO-2).

use proptest::prelude::*;
use shared_types::decision::{Cause, Decision, Direction, MetricVerdict, Verdict, ViolationAction};
use shared_types::{IncidentId, PhaseId, TargetName, Timestamp, Window};
use uuid::Uuid;

use super::values::{RollbackFacts, decision_values, incident_values, rollback_values};
use super::*;
use crate::policy::Policy;

fn autosave() -> TargetPolicy {
    let text = include_str!("../../../governance/policy.yaml");
    Policy::parse(text, "governance/policy.yaml").unwrap().targets.into_values().next().unwrap()
}

fn templates(policy: &TargetPolicy) -> Templates {
    let shipped = |file: &Path| {
        let name = file.file_name().unwrap().to_str().unwrap();
        Ok(SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap().1.to_owned())
    };
    Templates::load_with(policy, shipped).unwrap()
}

/// Any number there is, those that are none included, or nothing observed.
fn number() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![Just(None), any::<f64>().prop_map(Some), Just(Some(f64::NAN)), Just(Some(f64::INFINITY))]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(Verdict::iter().collect::<Vec<_>>())
}

prop_compose! {
    fn metric()(
        name in prop::sample::select(vec!["save_latency_p95", "error_rate", "history_drift", "of another policy"]),
        observed in number(),
        threshold in any::<f64>(),
        ratio in number(),
        verdict in verdict(),
    ) -> MetricVerdict {
        let (metric, unit) = (name.to_owned(), "s".to_owned());
        let (on_violation, direction) = (ViolationAction::Rollback, Direction::AtMost);
        let (between, reason, weighed) = (None, None, None);
        MetricVerdict { metric, observed, between, threshold, unit, ratio, verdict, on_violation, direction, reason, weighed }
    }
}

prop_compose! {
    fn decision()(
        metrics in prop::collection::vec(metric(), 0..5),
        verdict in verdict(),
        start in 0..200_000_000_000_000_i64,
        length in 0..10_000_000_i64,
        epoch in any::<u64>(),
        cause in prop::sample::select(vec![Cause::Slo, Cause::CollectionDelayed, Cause::RetryExhausted]),
    ) -> Decision {
        let violated = metrics.iter().filter(|it| it.verdict == Verdict::Violation).map(|it| it.metric.clone()).collect();
        let start = Timestamp::from_millis(start);
        Decision {
            schema: shared_types::decision::SCHEMA.into(),
            decision_id: Uuid::from_u128(7),
            target: TargetName::parse("autosave").unwrap(),
            phase: PhaseId::parse("B").unwrap(),
            epoch,
            window: Window { start, end: Timestamp::from_millis(start.as_millis() + length) },
            verdict,
            rollback_required: false,
            action: None,
            cause,
            metrics,
            violated,
            policy_version: "sha256:0".into(),
            decided_at: start,
            uncounted: None,
            vanished: vec![],
            gate: None,
            evidence: None,
        }
    }
}

/// No placeholder, no number that is none, no empty value: what people must never read.
fn is_whole(text: &str) -> bool {
    let bad = ["{", "}", "NaN", "null", "inf", "None", "= ", "=%", "=s "];
    !text.is_empty() && !bad.iter().any(|bad| text.contains(bad))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// NO-2
    #[test]
    fn no_text_has_an_unfilled_placeholder_or_a_number_that_is_none(decision in decision()) {
        let policy = autosave();
        let templates = templates(&policy);
        let incident = IncidentId::parse("INC-20261122-001").unwrap();
        let of_decision = decision_values(&policy, &decision);
        let of_incident = incident_values(&policy, &decision, &incident, "P2", "phasegate rollback");
        for text in [
            templates.ok.render(&of_decision).unwrap(),
            templates.warn.render(&of_decision).unwrap(),
            templates.incident.render(&of_incident).unwrap(),
        ] {
            prop_assert!(is_whole(&text), "{}", text);
        }
    }

    /// NO-2, RB-8: what a person types as a reason stays on its line and fills no placeholder of its own.
    #[test]
    fn a_reason_is_taken_at_its_word(decision in prop::option::of(decision()), reason in "[\\PC{}\\n\\x00\\x1b]{0,40}") {
        let policy = autosave();
        let templates = templates(&policy);
        let (target, from, to) =
            (TargetName::parse("autosave").unwrap(), PhaseId::parse("C").unwrap(), PhaseId::parse("B").unwrap());
        let facts = RollbackFacts {
            target: &target,
            from: &from,
            to: &to,
            incident: None,
            decision: decision.as_ref(),
            reason: &reason,
            initiator: &reason,
            command: &reason,
            started_at: Timestamp::from_millis(0),
        };
        let values = rollback_values(&policy, &facts);
        let line = templates.rollback.render(&values).unwrap();
        prop_assert!(!line.contains(char::is_control), "{:?}", line);
        let runbook = templates.runbook.render(&values).unwrap();
        prop_assert_eq!(runbook.lines().count(), templates.runbook.source.lines().count());
        prop_assert!(values.values().all(|value| !value.trim().is_empty()));
    }
}
