//! What people put their names to, and what keeps them from it (EV-2).

use crate::policy::{EvidenceItem, TargetPolicy};
use shared_types::story::Hop;

use super::check::{CheckResult, check};
use super::waits_for;
use crate::rollout::blocker::{Blocker, TaskMissing};
use crate::rollout::person::same_person;
use crate::rollout::refusal::{Refusal, Rejection};
use crate::rollout::state::Incident;
use crate::rollout::state::evidence::{Signature, Task};
use crate::rollout::step::{Context, Step};
use crate::story::words;

/// What somebody signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    pub item: String,
    pub by: String,
    pub comment: Option<String>,
    pub link: Option<String>,
    pub task: Option<String>,
}

/// What is still asked of the item under that name, and who may sign it.
fn named<'a>(name: &str, context: &Context<'a>) -> Result<&'a EvidenceItem, Rejection> {
    let found = context.policy.evidence.iter().find(|it| it.item == name);
    found.ok_or_else(|| Refusal::NoSuchItem { item: name.to_owned() }.into())
}

/// EV-2: a person signs what the system cannot check, or, with a comment, what its check does not find. The first
/// signature counts; the same again changes nothing.
pub(in crate::rollout) fn sign(
    mut step: Step,
    mut incident: Incident,
    signing: &Signing,
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    let item = named(&signing.item, context)?;
    if let Some(first) = incident.evidence.signatures.get(&item.item) {
        if !first.is_repeated_by(signing) {
            let (item, by, at) = (item.item.clone(), first.by.clone(), first.at);
            let refusal = Refusal::AlreadySigned { item: item.clone(), by: by.clone(), at };
            return Err(Rejection::blocked(refusal, vec![Blocker::AlreadySigned { item, by, at }]));
        }
        step.incident = Some(incident);
        return Ok(step);
    }
    let hindrances = hindrances(&incident, item, signing, context.policy);
    if !hindrances.is_empty() {
        return Err(Rejection::blocked(Refusal::CannotSign { item: item.item.clone() }, hindrances));
    }
    let signature = Signature {
        by: signing.by.clone(),
        at: context.now,
        comment: signing.comment.clone(),
        link: signing.link.clone(),
        figures: words::figures(&check(&incident, item).figures),
        task: signing.task.clone().map(|text| Task { text, done: None }),
    };
    incident.evidence.signatures.insert(item.item.clone(), signature);
    step.incident = Some(incident);
    let signed = Hop::EvidenceSigned {
        by: signing.by.clone(),
        item: item.item.clone(),
        comment: signing.comment.clone(),
        link: signing.link.clone(),
        task: signing.task.clone(),
    };
    step.hop(context.now, signed);
    Ok(step)
}

impl Signature {
    /// Whether a signing says nothing else than this one did.
    fn is_repeated_by(&self, again: &Signing) -> bool {
        let same =
            |first: Option<&String>, again: &Option<String>| again.is_none() || first == again.as_ref();
        same_person(&self.by, &again.by)
            && same(self.comment.as_ref(), &again.comment)
            && same(self.link.as_ref(), &again.link)
            && same(self.task.as_ref().map(|it| &it.text), &again.task)
    }
}

/// Everything that keeps an item from being signed so, by name.
fn hindrances(
    incident: &Incident,
    item: &EvidenceItem,
    signing: &Signing,
    policy: &TargetPolicy,
) -> Vec<Blocker> {
    let waits = waits_for(incident, item, policy).into_iter();
    let waits_for = |it| Blocker::EvidenceIncomplete { incident: None, missing: vec![it] };
    let mut found: Vec<_> = waits.map(waits_for).collect();
    match check(incident, item).result {
        CheckResult::Lacks(lack) => found.push(Blocker::EvidenceMissing { lack }),
        CheckResult::Fails(lack) if signing.comment.is_none() => {
            found.push(Blocker::CommentMissing { lack });
        }
        _ => {}
    }
    if item.item == "retry_log" && !incident.evidence.facts.exhausted.is_empty() && signing.task.is_none() {
        found.push(Blocker::TaskMissing { how: TaskMissing::Asked, item: item.item.clone() });
    }
    if signed_all_alone(incident, item, &signing.by) {
        found.push(Blocker::SignedAlone { by: signing.by.clone(), item: item.item.clone() });
    }
    found
}

/// Whether all the signatures that an item stands upon are of the one who would sign it too.
fn signed_all_alone(incident: &Incident, item: &EvidenceItem, by: &str) -> bool {
    let signatures = &incident.evidence.signatures;
    let mut signers = item.after.iter().filter_map(|name| signatures.get(name)).peekable();
    signers.peek().is_some() && signers.all(|it| same_person(&it.by, by))
}

/// The follow-up of an item is done; again changes nothing.
pub(in crate::rollout) fn finish_task(
    mut step: Step,
    mut incident: Incident,
    (item, by): (&str, &str),
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    let item = named(item, context)?;
    let signature = incident.evidence.signatures.get_mut(&item.item);
    let Some(task) = signature.and_then(|it| it.task.as_mut()) else {
        let none = Blocker::TaskMissing { how: TaskMissing::None, item: item.item.clone() };
        return Err(Rejection::blocked(Refusal::NoTask, vec![none]));
    };
    let first = task.done.is_none();
    task.done.get_or_insert_with(|| (by.to_owned(), context.now));
    let text = task.text.clone();
    step.incident = Some(incident);
    if first {
        let (by, item) = (by.to_owned(), item.item.clone());
        step.hop(context.now, Hop::EvidenceTaskDone { by, item, task: text });
    }
    Ok(step)
}
