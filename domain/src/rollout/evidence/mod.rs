//! The evidence that an incident was understood: a checklist of the policy's items (EV-1 to EV-3).
//!
//! What the system can check itself it checks from [`Facts`], which are read from the store and given to it (`check`); the
//! rest is signed by people (`sign`). An item that was complete once stays so. What the target remembers of it keeps phases
//! from moving up (`remember`). Pure.

mod check;
mod finding;
mod remember;
mod sign;

use crate::policy::{EvidenceItem, TargetPolicy};
use shared_types::incident::{EvidenceItem as View, EvidenceState};

use super::state::Incident;
use crate::story::words;

pub use super::state::evidence::{Evidence, Facts, FiguresFact, PageFact, Signature, Task};
pub use check::{AGREES_WITHIN, CheckResult, Checked, check};
pub use finding::{Figure, Lack};
pub use remember::blockers;
pub(super) use remember::{learn, note_exhausted, remember};
pub use sign::Signing;
pub(super) use sign::{finish_task, sign};

/// Whether the item needs a name under it even when its check holds: EV-1 has the dashboard signed by a reviewer.
fn needs_reviewer(item: &EvidenceItem) -> bool {
    !item.auto || item.item == "dashboard"
}

/// Whether an item is complete: by its check alone, or by a signature.
#[must_use]
pub fn is_complete(incident: &Incident, item: &EvidenceItem) -> bool {
    let signed = incident.evidence.signatures.contains_key(&item.item);
    signed || (!needs_reviewer(item) && check(incident, item).result == CheckResult::Holds)
}

/// Items that are not complete, as people read them: `retry_log (sre)`.
#[must_use]
pub fn missing(incident: &Incident, policy: &TargetPolicy) -> Vec<String> {
    if incident.notice {
        return Vec::new();
    }
    let open = policy.evidence.iter().filter(|item| !is_complete(incident, item));
    open.map(|item| format!("{} ({})", item.item, item.owner)).collect()
}

/// Every item as the API shows it.
#[must_use]
pub fn view(incident: &Incident, policy: &TargetPolicy) -> Vec<View> {
    if incident.notice {
        return Vec::new();
    }
    policy.evidence.iter().map(|item| view_of(incident, item, policy)).collect()
}

fn view_of(incident: &Incident, item: &EvidenceItem, policy: &TargetPolicy) -> View {
    let checked = check(incident, item);
    let signature = incident.evidence.signatures.get(&item.item);
    let task = signature.and_then(|it| it.task.as_ref());
    let complete = is_complete(incident, item);
    let mut missing = waits_for(incident, item, policy);
    let waits = !missing.is_empty();
    let lack = checked.lack().filter(|_| !complete);
    missing.extend(lack.map(words::lack));
    let data = |it: &Figure| crate::stored::plain(it);
    View {
        item: item.item.clone(),
        owner: item.owner.clone(),
        auto: item.auto,
        state: match (signature, complete) {
            (Some(_), _) => EvidenceState::Signed,
            (None, true) => EvidenceState::Satisfied,
            (None, false) if waits => EvidenceState::Waiting,
            (None, false) => EvidenceState::Open,
        },
        figures: signature.map_or_else(|| words::figures(&checked.figures), |it| it.figures.clone()),
        figures_data: if signature.is_some() {
            Vec::new()
        } else {
            checked.figures.iter().map(data).collect()
        },
        link: signature.and_then(|it| it.link.clone()),
        signer: signature.map(|it| it.by.clone()),
        at: signature.map(|it| it.at),
        comment: signature.and_then(|it| it.comment.clone()),
        task: task.map(|it| it.text.clone()),
        task_done: task.map(|it| it.done.is_some()),
        missing: if complete { Vec::new() } else { missing },
        missing_data: lack.map(crate::stored::plain).unwrap_or_default(),
    }
}

/// Items that have to be complete before this one and are not.
fn waits_for(incident: &Incident, item: &EvidenceItem, policy: &TargetPolicy) -> Vec<String> {
    let before = policy.evidence.iter().filter(|it| item.after.contains(&it.item));
    before.filter(|it| !is_complete(incident, it)).map(|it| it.item.clone()).collect()
}
