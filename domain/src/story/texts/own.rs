//! The product's own sentences, for what the policy has no template of: who is asked to approve, who has frozen
//! a target, whose root cause analysis is due. They have no placeholders, so that none can stay unfilled.

use crate::policy::TargetPolicy;
use shared_types::decision::ViolationAction;
use shared_types::{Epoch, PhaseId, TargetName, Window};

use super::{Text, first_line, one_line};
use crate::effects::Loss;
use crate::notifiers::{Message, Span};
use crate::rollout::effect::Asked;
use crate::rollout::storm::StormFacts;
use crate::rollout::{Notice, NoticeKind};
use crate::story::certainty;
use crate::story::figures::{format_duration, format_number};
use crate::story::visible::last_lines;

/// PH-5: who is asked, and what they type.
pub(super) fn approval_asked(
    target: &TargetName,
    policy: &TargetPolicy,
    notice: &Notice,
    asked: &Asked,
) -> Text {
    let (title, phase, next) = (&policy.title, &notice.phase, &asked.next);
    let roles = asked.roles.join(", ");
    let ready = Message::value(format!("🗳️ {title} {phase} is ready for {next} / approval={roles}"));
    let message = asked.roles.iter().fold(ready, |message, role| {
        let command = format!("phasegate approve --target {target} --phase {phase} --role {role}");
        message.and(Span::Value("\n".to_owned())).and(Span::Code(command))
    });
    Text { message, template: "approval-asked".to_owned() }
}

/// JU-8: which window did not come, and what follows if it stays so.
pub(super) fn gap(policy: &TargetPolicy, notice: &Notice) -> Text {
    let (title, phase) = (&policy.title, &notice.phase);
    let window = notice.decision.as_ref().map(|it| it.window.to_string()).unwrap_or_default();
    let gaps = policy.gate.gaps;
    let blind = match gaps.blind {
        ViolationAction::Rollback => "rolls back",
        ViolationAction::Page => "pages",
        ViolationAction::Hold | ViolationAction::Note => "holds the promotion",
    };
    let tolerated = if gaps.tolerated == 1 {
        "it passes".to_owned()
    } else {
        format!("up to {} in a row pass", gaps.tolerated)
    };
    let words = format!(
        "📭 {title} {phase}: the window {window} did not come / {tolerated}, one more {blind} / action=watch"
    );
    text("gap", words)
}

/// TE-6: which events are missed.
pub(super) fn vanished(policy: &TargetPolicy, notice: &Notice) -> Text {
    let (title, phase) = (&policy.title, &notice.phase);
    let decision = notice.decision.as_ref();
    let missed = decision.and_then(|it| it.gate.as_ref()).map(|gate| gate.vanished.as_slice());
    let is_new = |event: &String| decision.is_some_and(|it| it.vanished.contains(event));
    let missed = missed.unwrap_or_default().iter().filter(|it| is_new(&it.event));
    let missed: Vec<_> = missed.map(certainty::of_vanished).collect();
    let words = format!("🔍 {title} {phase}: {} / action=look where it went", missed.join("; "));
    text("vanished", words)
}

/// NO-9: how many at once, which, and what becomes of their rollbacks.
pub(super) fn storm(policy: &TargetPolicy, notice: &Notice, facts: &StormFacts) -> Text {
    let StormFacts { incidents, targets, held } = facts;
    let window = format_duration(policy.collection.window);
    let named: Vec<&str> = targets.iter().map(TargetName::as_str).collect();
    let more = if targets.len() < *incidents { ", …" } else { "" };
    let begun = notice.incident.as_ref().map(|it| format!(" / newest={it}")).unwrap_or_default();
    let follows = if *held {
        "required rollbacks wait (`storm: hold`): `phasegate status`, then `phasegate rollback` for each"
    } else {
        "required rollbacks go on"
    };
    let words = format!(
        "🌩️ Storm: {incidents} incidents within {window} / {}{more}{begun} / {follows} / \
         action=look for what they share (telemetry, a backend, the flag system); further ones are named on the page \
         and by `phasegate incidents`, not here",
        named.join(", ")
    );
    text("storm", words)
}

/// NO-7: what did not get through, and how it is tried again.
pub(super) fn given_up(policy: &TargetPolicy, notice: &Notice, loss: &Loss) -> Text {
    let (title, phase) = (&policy.title, &notice.phase);
    let Loss { effect, kind, lane, reason, .. } = loss;
    let about = notice.incident.as_ref().map(|it| format!(" of {it}")).unwrap_or_default();
    let reason = one_line(&first_line(reason));
    let words = format!(
        "📵 {title} {phase}: {kind}{about} to {lane} did not get through / {reason} / \
         action=tell whom it was for, mend it, then POST /v1/effects/{effect}/retry"
    );
    text("given-up", words)
}

/// OP-3: what shows that the past is lost, and what to do.
pub(super) fn store_behind(
    policy: &TargetPolicy,
    notice: &Notice,
    told_by: &str,
    (known, own): ((Epoch, u64), (Epoch, u64)),
) -> Text {
    let (title, phase) = (&policy.title, &notice.phase);
    let words = format!(
        "🕰️ {title} {phase}: this reporter's store is older than what its neighbours know: restored? / the {told_by} was told \
         epoch {} (sequence {}), the store knows epoch {} (sequence {}); decisions wait, nothing is rolled back by itself / \
         action=put the newest copy back, or `phasegate restore --accept --reason \"...\"`; see docs/backup.md",
        known.0, known.1, own.0, own.1
    );
    text("store-behind", words)
}

/// OP-3: what was required before the store was restored, and what is on record.
pub(super) fn rollback_lost(
    target: &TargetName,
    policy: &TargetPolicy,
    notice: &Notice,
    required: &PhaseId,
    window: Window,
) -> Text {
    let (title, phase) = (&policy.title, &notice.phase);
    let share = format_number(Some(policy.audience_percent(phase)));
    let words = format!(
        "🚨 {title} {phase}: {required} was violated in {window} and had to be rolled back; the restored store knows {phase} only, \
         so nothing is done by itself / action=look what {target} serves, and set the flag to {phase} ({share}%) or below"
    );
    text("rollback-lost", words)
}

/// Who froze it, and why.
pub(super) fn frozen(policy: &TargetPolicy, notice: &Notice, by: &str, reason: &str) -> Text {
    let (title, phase) = (&policy.title, &notice.phase);
    let (by, reason) = (one_line(by), one_line(reason));
    text("frozen", format!("🧊 {title} {phase} frozen / by={by} / reason={reason}"))
}

/// Who lifted it; what waited for it starts.
pub(super) fn unfrozen(policy: &TargetPolicy, notice: &Notice, by: &str, reason: Option<&str>) -> Text {
    let (title, phase) = (&policy.title, &notice.phase);
    let mut words = format!("▶️ {title} {phase} unfrozen / by={}", one_line(by));
    if let Some(reason) = reason {
        words.push_str(&format!(" / reason={}", one_line(reason)));
    }
    if let (Some(command), None) = (&notice.command, &notice.waiting) {
        words.push_str(&format!("\nThe rollback starts: {}", one_line(command)));
    }
    text("unfrozen", words)
}

/// RB-11, PH-10: what the flag system serves, or that a move up did not come to pass, and what to do about it.
pub(super) fn served(target: &TargetName, policy: &TargetPolicy, notice: &Notice) -> Text {
    let (title, phase) = (&policy.title, &notice.phase);
    let words = match &notice.kind {
        NoticeKind::Drifted { served, recorded, upward, corrects } => {
            let sign = if *upward { "🚨" } else { "⚠️" };
            let share = format_number(Some(*recorded));
            let what = if *upward {
                "more users than anybody approved, or nobody can tell"
            } else {
                "fewer users than on record"
            };
            let action = if *corrects {
                format!("setting {phase} again")
            } else {
                format!(
                    "moving up is blocked; set the flag to {phase} ({share}%) again, or \
                     `phasegate rollback --target {target} --phase {phase}`"
                )
            };
            let served = one_line(served);
            format!(
                "{sign} {title} {phase}: the flag system serves {served:?}, on record is {phase} ({share}%): {what} / \
                 action={action}"
            )
        }
        NoticeKind::DriftOver { served, since } => {
            let served = one_line(served);
            format!(
                "✅ {title} {phase}: the flag system serves {phase} again; it served {served:?} since {since}"
            )
        }
        NoticeKind::ServedUnread { since, reason } => format!(
            "🙈 {title} {phase}: what is served could not be read since {since}: {} / action=look at the flag system",
            first_line(reason)
        ),
        NoticeKind::MoveFailed { to, attempts, reason } => {
            let again = if phase.is_off() { "start" } else { "promote" };
            format!(
                "⚠️ {title} {phase}: the move to {to} failed after {attempts} attempts: {} / \
                 action=repair it, then `phasegate {again} --target {target}` again, or leave it",
                last_lines(reason)
            )
        }
        _ => String::new(),
    };
    text(notice.kind.name().into(), words)
}

/// What is said of a root cause analysis and its review: to whom it matters, and what to type.
pub(super) fn about_rca(policy: &TargetPolicy, notice: &Notice) -> Text {
    let (title, phase) = (&policy.title, &notice.phase);
    let incident = notice.incident.as_ref().map(ToString::to_string).unwrap_or_default();
    let words = match &notice.kind {
        NoticeKind::RcaReminder { due_at } => format!(
            "⏰ {title}: the RCA of {incident} is due at {due_at} / \
             complete cause and prevention, then `phasegate rca submit {incident}`"
        ),
        NoticeKind::ReviewOpened { due_at, to } => {
            let advice = match to {
                Some(to) => format!("go back from {phase} to {to}"),
                None => format!("stay in {phase}"),
            };
            format!(
                "⚖️ {title} {phase}: no RCA of {incident} by {due_at}, so {} has to decide / \
                 recommendation: {advice} / `phasegate review {incident} --approve` or `--decline`",
                policy.rca.approver
            )
        }
        NoticeKind::ReviewDecided { by, comment, to } => {
            let by = one_line(by);
            let decided = match to {
                Some(to) => format!("{by} approved it: the rollback from {phase} to {to} is asked for"),
                None => format!("{by} declined it: phase {phase} stays"),
            };
            format!("⚖️ {title} {phase}: review of {incident} / {decided} / {}", one_line(comment))
        }
        _ => String::new(),
    };
    text(notice.kind.name().into(), words)
}

fn text(template: &str, words: String) -> Text {
    Text { message: Message::value(words), template: template.to_owned() }
}
