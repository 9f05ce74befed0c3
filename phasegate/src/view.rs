//! Rollouts and incidents as text for people.

use std::fmt::Write;
use std::time::Duration;

use domain::story::certainty;
use domain::story::figures::{format_duration, format_number, observed};
use shared_types::dashboard::DashboardTarget;
use shared_types::decision::{GateProgress, MetricVerdict};
use shared_types::incident::Incident;
use shared_types::rollout::{Approval, Rollout, RolloutState};
use shared_types::standing::Standing;

/// One rollout in a few lines.
pub(crate) fn rollout(rollout: &Rollout) -> String {
    let mut text = format!(
        "{}: phase {}, epoch {}, {}",
        rollout.target,
        rollout.phase,
        rollout.epoch,
        rollout.state.as_str()
    );
    if let Some(since) = rollout.since {
        let _ = write!(text, ", since {since}");
    }
    text.push('\n');
    if let Some(Standing { severity, sentence, action, who, .. }) = &rollout.standing {
        let _ = write!(text, "  {}: {sentence}", severity.as_str());
        if let Some(action) = action {
            let _ = write!(text, "; {action}");
        }
        if !who.is_empty() {
            let _ = write!(text, " ({})", who.join(", "));
        }
        text.push('\n');
    }
    if let Some(transition) = &rollout.transition {
        let how = transition.state.as_str();
        let _ = writeln!(text, "  move {} → {}: {how}", transition.from, transition.to);
    }
    if let Some(it) = &rollout.frozen {
        let _ = writeln!(text, "  frozen by {} since {}: {}", it.by, it.at, it.reason);
    }
    if let Some(it) = &rollout.rollback_waiting {
        let _ = writeln!(text, "  rollback {} → {} is required and waits: {}", it.from, it.to, it.detail);
        let _ = writeln!(text, "    by hand: {}", it.command);
    }
    let spent = rollout.automatic_rollbacks;
    if spent.started > 0 {
        let per = format_duration(Duration::from_millis(spent.per_ms));
        let _ = writeln!(text, "  automatic rollbacks: {} of {} per {per}", spent.started, spent.allowed);
    }
    if let Some(incident) = &rollout.incident {
        let _ = writeln!(text, "  incident {incident}");
    }
    for it in &rollout.given_up {
        let about = it.incident.as_ref().map(|it| format!(" of {it}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "  not delivered: {}{about} to {}, given up at {}: {}",
            it.kind, it.lane, it.at, it.reason
        );
        let _ = writeln!(text, "    try again: POST /v1/effects/{}/retry", it.effect);
    }
    if let Some(progress) = &rollout.gate {
        let _ = writeln!(text, "  gate: {}", gate(progress));
    }
    if let Some(uncounted) = &rollout.uncounted {
        let _ = writeln!(text, "  {}", certainty::of_uncounted(uncounted));
    }
    for event in rollout.gate.iter().flat_map(|progress| &progress.vanished) {
        let _ = writeln!(text, "  {}", certainty::of_vanished(event));
    }
    for it in &rollout.approvals {
        let _ = writeln!(text, "  approved as {} by {} at {}{}", it.role, it.by, it.at, comment(it));
    }
    for it in rollout.approvals_void.iter().filter(|it| it.approval.epoch == rollout.epoch) {
        let (role, by) = (&it.approval.role, &it.approval.by);
        let _ = writeln!(text, "  void: {by}'s approval as {role}, {} at {}", it.why.as_str(), it.void_since);
    }
    if rollout.blockers.is_empty() && rollout.state == RolloutState::Running {
        let _ = writeln!(text, "  nothing stands in the way of the next phase");
    }
    for blocker in &rollout.blockers {
        let _ = writeln!(text, "  - {}: {}", blocker.code, blocker.detail);
    }
    text
}

fn comment(approval: &Approval) -> String {
    approval.comment.as_ref().map_or_else(String::new, |it| format!(": {it}"))
}

/// The newest verdict's SLO cards.
pub(crate) fn cards(target: &DashboardTarget) -> String {
    let Some(window) = target.window else { return "  no window has been judged yet\n".to_owned() };
    let verdict = target.verdict.map_or("", |verdict| verdict.as_str());
    let mut text = format!("  window {window}: {verdict}\n");
    for card in &target.slos {
        let _ = writeln!(text, "    {:<20} {}", card.metric, measured(card));
    }
    if target.rollback_active {
        text.push_str("  rollback_active\n");
    }
    text
}

/// An incident with its timeline.
pub(crate) fn incident(incident: &Incident) -> String {
    let mut text = format!(
        "  {}: {} of phase {}, {}{}, {}\n",
        incident.id,
        incident.metric,
        incident.phase,
        incident.state.as_str(),
        if incident.unproven { " (not proven)" } else { "" },
        incident.priority
    );
    for entry in &incident.timeline {
        let _ = writeln!(text, "    {}  {:<22} {}", entry.at, entry.kind, entry.detail);
    }
    text
}

/// How far a success condition is.
pub(crate) fn gate(progress: &GateProgress) -> String {
    let mut text = match (progress.needed_batches, progress.needed_ms) {
        (Some(needed), _) => format!("{} of {needed} compliant windows", progress.compliant_batches),
        (None, Some(needed)) => {
            let span = |ms: u64| format_duration(Duration::from_millis(ms));
            format!("{} of {} compliant", span(progress.compliant_ms), span(needed))
        }
        (None, None) => format!("{} compliant windows", progress.compliant_batches),
    };
    if progress.satisfied {
        text.push_str(", satisfied");
    }
    if let Some(broken) = &progress.broken_by {
        let metric = broken.metric.as_deref().unwrap_or(broken.cause.as_str());
        let _ = write!(text, " (broken last by {metric} in {})", broken.window);
    }
    text
}

/// `0.74 s of at most 0.3 s: violation`
pub(crate) fn measured(card: &MetricVerdict) -> String {
    let unit = if card.unit.is_empty() { String::new() } else { format!(" {}", card.unit) };
    let with_unit = |value: f64| format!("{}{unit}", format_number(Some(value)));
    let observed = observed(card, with_unit).unwrap_or_else(|| "nothing".to_owned());
    let (side, limit) = (card.direction.words(), with_unit(card.threshold));
    let advisory = if card.on_violation.is_advisory() { ", advisory" } else { "" };
    format!("{observed} of {side} {limit}: {}{advisory}", card.verdict.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_rollout_says_what_it_waits_for() {
        let json = serde_json::json!({
            "target": "autosave", "phase": "A", "epoch": 1, "state": "running",
            "standing": {"severity": "warning", "code": "drifted", "sentence": "The flag system serves 50%", "action": "set it to A again",
                "who": ["sre", "release-ops"]},
            "since": "2026-11-22T10:00:00.000Z", "frozen": null, "rollback_waiting": null,
            "automatic_rollbacks": {"started": 2, "allowed": 6, "per_ms": 86_400_000}, "transition": null, "incident": null,
            "gate": {"epoch": 1, "compliant_batches": 3, "compliant_ms": 2_700_000, "needed_batches": 8,
                "needed_ms": null, "satisfied": false, "broken_by": null, "through": null,
                "vanished": [{"event": "autosave.save.error", "windows": 3, "since": "2026-11-22T12:00:00.000Z"}]},
            "uncounted": {"reason": "unknown", "share": 0.031, "over": false, "commonest": "autosave.save.compleeted",
                "example": {"kind": "unknown", "what": "autosave.save.compleeted", "line": 7, "meant": "autosave.save.completed"}},
            "approvals": [{"role": "dev-lead", "by": "ana", "at": "2026-11-22T12:00:00.000Z", "phase": "A",
                "epoch": 1, "policy_version": "sha256:0", "comment": "looks good"}],
            "approvals_void": [{"role": "sre", "by": "ben", "at": "2026-11-22T11:00:00.000Z", "phase": "A",
                "epoch": 1, "policy_version": "sha256:9", "comment": null,
                "void_since": "2026-11-22T11:30:00.000Z", "why": "policy_changed"}],
            "approvals_missing": ["sre"],
            "blockers": [{"code": "gate_unsatisfied", "detail": "3 of 8 compliant windows"},
                {"code": "approval_missing", "detail": "sre"}],
            "directive": null,
            "given_up": [{"effect": "019aab3c", "kind": "TriggerPage", "lane": "pagerduty/autosave",
                "incident": "INC-20261122-001", "reason": "400 Invalid routing key", "at": "2026-11-22T12:05:00.000Z"}],
        });
        insta::assert_snapshot!(rollout(&serde_json::from_value(json).unwrap()), @r"
        autosave: phase A, epoch 1, running, since 2026-11-22T10:00:00.000Z
          warning: The flag system serves 50%; set it to A again (sre, release-ops)
          automatic rollbacks: 2 of 6 per 24h
          not delivered: TriggerPage of INC-20261122-001 to pagerduty/autosave, given up at 2026-11-22T12:05:00.000Z: 400 Invalid routing key
            try again: POST /v1/effects/019aab3c/retry
          gate: 3 of 8 compliant windows
          3.1 % of the telemetry could not be counted: events that the policy does not know, mostly `autosave.save.compleeted` (perhaps `autosave.save.completed`)
          `autosave.save.error` came regularly, and not since 2026-11-22T12:00:00.000Z (3 windows)
          approved as dev-lead by ana at 2026-11-22T12:00:00.000Z: looks good
          void: ben's approval as sre, the policy has changed at 2026-11-22T11:30:00.000Z
          - gate_unsatisfied: 3 of 8 compliant windows
          - approval_missing: sre
        ");
    }
}
