//! The evidence that an incident was understood: a checklist of the policy's items (EV-1 to EV-3).
//!
//! What the system can check itself it checks from [`Facts`], which are read from the store and given to it; the rest is
//! signed by people. An item that was complete once stays so. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::planted::{self, Defect};
use service_kit::policy::{EvidenceItem, TargetPolicy};
use service_kit::template::values::format_number;
use shared_types::decision::Cause;
use shared_types::incident::{EvidenceItem as View, EvidenceState};
use shared_types::problem::Blocker;
use shared_types::{Decision, IncidentId, Timestamp};

use super::effect::Effect;
use super::incident::Incident;
use super::rca::same_person;
use super::state::TargetState;
use super::step::{Context, Reason, Rejection, Step, blocker};

/// How far dashboard and message may be apart.
pub const AGREES_WITHIN: f64 = 0.05;
/// What decimal fractions lose in binary is no difference.
const ROUNDING: f64 = 1e-9;

/// Part of an incident's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The facts as they were last looked at.
    pub facts: Facts,
    /// By item.
    pub signatures: BTreeMap<String, Signature>,
}

/// What the store knows about an incident, as far as items are checked by it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The page that PagerDuty accepted first; none: none was, or paging goes to the log only.
    pub page: Option<PageFact>,
    /// Windows of this incident's decisions that say the collector gave up, oldest first.
    pub exhausted: Vec<String>,
    /// The newest message with figures since the incident opened, beside the card of its decision.
    pub figures: Option<FiguresFact>,
}

/// A page that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFact {
    pub at: Timestamp,
    /// The id of the template it was written from.
    pub template: String,
    /// The rollback command that it names; none: it was sent where nothing is rolled back.
    pub command: Option<String>,
    /// Whether the text holds the command too.
    pub in_text: bool,
}

/// A message's figures beside the dashboard's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FiguresFact {
    pub phase: String,
    /// Whether the message names the card's phase.
    pub same_phase: bool,
    /// Placeholder, as in the message, as on the card; absent where one of the two does not show it.
    pub pairs: Vec<(String, Option<f64>, Option<f64>)>,
}

/// What a person puts their name to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub by: String,
    pub at: Timestamp,
    pub comment: Option<String>,
    pub link: Option<String>,
    /// What the system's check said then.
    pub figures: Option<String>,
    /// The follow-up that stands in `reports/checklist.md` until it is done.
    pub task: Option<Task>,
}

/// A follow-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub text: String,
    pub done: Option<(String, Timestamp)>,
}

/// What the system's own check of an item says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// Nothing here can be checked by the system.
    Unchecked { figures: Option<String> },
    /// It holds, by these figures.
    Holds { figures: String },
    /// It does not hold, for this; a person may find it good all the same.
    Fails { figures: Option<String>, missing: String },
    /// Somebody has to do this first; no signature stands in for it.
    Lacks { figures: Option<String>, missing: String },
}

impl Checked {
    fn figures(&self) -> Option<String> {
        match self {
            Self::Unchecked { figures } | Self::Fails { figures, .. } | Self::Lacks { figures, .. } => {
                figures.clone()
            }
            Self::Holds { figures } => Some(figures.clone()),
        }
    }

    fn missing(&self) -> Option<&str> {
        match self {
            Self::Fails { missing, .. } | Self::Lacks { missing, .. } => Some(missing),
            Self::Unchecked { .. } | Self::Holds { .. } => None,
        }
    }
}

/// Whether the item needs a name under it even when its check holds: EV-1 has the dashboard signed by a reviewer.
fn needs_reviewer(item: &EvidenceItem) -> bool {
    !item.auto || item.item == "dashboard"
}

/// Checks an item.
#[must_use]
pub fn check(incident: &Incident, item: &EvidenceItem) -> Checked {
    let facts = &incident.evidence.facts;
    match item.item.as_str() {
        "pagerduty" if item.auto => check_page(incident, facts),
        "rca" if item.auto => check_rca(incident),
        "dashboard" if item.auto => check_figures(facts),
        "retry_log" => Checked::Unchecked {
            figures: Some(match facts.exhausted.as_slice() {
                [] => "no retry was exhausted".to_owned(),
                windows => format!("retries exhausted in {}", windows.join(", ")),
            }),
        },
        _ => Checked::Unchecked { figures: None },
    }
}

fn check_page(incident: &Incident, facts: &Facts) -> Checked {
    let fails =
        |figures: Option<String>, missing: &str| Checked::Fails { figures, missing: missing.to_owned() };
    let Some(page) = &facts.page else { return fails(None, "PagerDuty has not accepted a page") };
    let command = page.command.as_deref().unwrap_or("none, nothing was rolled back");
    let paged = format!("template {}, command {command}, accepted at {}", page.template, page.at);
    if !page.in_text {
        return fails(Some(paged), "the page does not hold the rollback command");
    }
    let Some(acknowledged) = &incident.acknowledged else {
        return fails(Some(paged), "nobody has acknowledged it");
    };
    let figures = format!("{paged}, acknowledged at {} by {}", acknowledged.at, acknowledged.by);
    if acknowledged.at > incident.acknowledge_by {
        let late = format!("the acknowledgement was due at {}", incident.acknowledge_by);
        return fails(Some(figures), &late);
    }
    Checked::Holds { figures }
}

fn check_rca(incident: &Incident) -> Checked {
    let rca = &incident.rca;
    let Some(submitted) = rca.first_submitted_at else {
        let missing = format!("the root cause analysis, due at {}", rca.due_at);
        return Checked::Lacks { figures: None, missing };
    };
    let figures = format!("submitted at {submitted}, due at {}", rca.due_at);
    let Some(confirmation) = &rca.confirmation else {
        return Checked::Lacks { figures: Some(figures), missing: "the confirmation of the RCA".to_owned() };
    };
    let figures = format!("{figures}, confirmed at {} by {}", confirmation.at, confirmation.by);
    if submitted > rca.due_at {
        return Checked::Fails {
            figures: Some(figures),
            missing: "it was submitted after it was due".to_owned(),
        };
    }
    Checked::Holds { figures }
}

fn check_figures(facts: &Facts) -> Checked {
    let Some(fact) = &facts.figures else {
        let missing = "no message with figures has been sent since the incident opened".to_owned();
        return Checked::Fails { figures: None, missing };
    };
    let mut shown = Vec::new();
    let mut apart: Vec<&str> = if fact.same_phase { Vec::new() } else { vec!["phase"] };
    for (name, message, card) in &fact.pairs {
        let number = |it: &Option<f64>| format_number(*it);
        let mut line = format!("{name} {} in the message, {} on the card", number(message), number(card));
        match (message, card) {
            (Some(message), Some(card)) => {
                let by = difference(*message, *card);
                line.push_str(&format!(" ({} % apart)", format_number(Some(by * 100.0))));
                if by > AGREES_WITHIN + ROUNDING {
                    apart.push(name);
                }
            }
            (None, None) => {}
            _ => apart.push(name),
        }
        shown.push(line);
    }
    let figures = format!("phase {}; {}", fact.phase, shown.join("; "));
    match apart.as_slice() {
        [] => Checked::Holds { figures },
        names => Checked::Fails {
            figures: Some(figures),
            missing: format!("message and card do not agree on {}", names.join(", ")),
        },
    }
}

/// How far two figures are apart, relative to the card's; two zeros agree.
fn difference(message: f64, card: f64) -> f64 {
    let apart = (message - card).abs();
    if apart == 0.0 { 0.0 } else { apart / card.abs().max(f64::MIN_POSITIVE) }
}

/// Whether an item is complete: by its check alone, or by a signature.
#[must_use]
pub fn is_complete(incident: &Incident, item: &EvidenceItem) -> bool {
    let signed = incident.evidence.signatures.contains_key(&item.item);
    signed || (!needs_reviewer(item) && matches!(check(incident, item), Checked::Holds { .. }))
}

/// Items that are not complete, as people read them: `retry_log (sre)`.
#[must_use]
pub fn missing(incident: &Incident, policy: &TargetPolicy) -> Vec<String> {
    let open = policy.evidence.iter().filter(|item| !is_complete(incident, item));
    open.map(|item| format!("{} ({})", item.item, item.owner)).collect()
}

/// Every item as the API shows it.
#[must_use]
pub fn view(incident: &Incident, policy: &TargetPolicy) -> Vec<View> {
    policy.evidence.iter().map(|item| view_of(incident, item, policy)).collect()
}

fn view_of(incident: &Incident, item: &EvidenceItem, policy: &TargetPolicy) -> View {
    let checked = check(incident, item);
    let signature = incident.evidence.signatures.get(&item.item);
    let task = signature.and_then(|it| it.task.as_ref());
    let complete = is_complete(incident, item);
    let mut missing = waits_for(incident, item, policy);
    let waits = !missing.is_empty();
    if !complete {
        missing.extend(checked.missing().map(str::to_owned));
    }
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
        figures: signature.map_or_else(|| checked.figures(), |it| it.figures.clone()),
        link: signature.and_then(|it| it.link.clone()),
        signer: signature.map(|it| it.by.clone()),
        at: signature.map(|it| it.at),
        comment: signature.and_then(|it| it.comment.clone()),
        task: task.map(|it| it.text.clone()),
        task_done: task.map(|it| it.done.is_some()),
        missing: if complete { Vec::new() } else { missing },
    }
}

/// Items that have to be complete before this one and are not.
fn waits_for(incident: &Incident, item: &EvidenceItem, policy: &TargetPolicy) -> Vec<String> {
    let before = policy.evidence.iter().filter(|it| item.after.contains(&it.item));
    before.filter(|it| !is_complete(incident, it)).map(|it| it.item.clone()).collect()
}

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
    found.ok_or_else(|| {
        Rejection::new(Reason::NoSuchItem, format!("the policy has no evidence item `{name}`"))
    })
}

/// EV-2: a person signs what the system cannot check, or, with a comment, what its check does not find. The first
/// signature counts; the same again changes nothing.
pub(super) fn sign(
    mut step: Step,
    mut incident: Incident,
    signing: &Signing,
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    let item = named(&signing.item, context)?;
    if let Some(first) = incident.evidence.signatures.get(&item.item) {
        if !first.is_repeated_by(signing) {
            let detail = format!("`{}` was signed by {} at {}; that stays", item.item, first.by, first.at);
            return Err(Rejection::blocked(detail.clone(), vec![blocker("already_signed", detail)]));
        }
        step.incident = Some(incident);
        return Ok(step);
    }
    let hindrances = hindrances(&incident, item, signing, context.policy);
    if !hindrances.is_empty() {
        return Err(Rejection::blocked(format!("`{}` cannot be signed yet", item.item), hindrances));
    }
    let signature = Signature {
        by: signing.by.clone(),
        at: context.now,
        comment: signing.comment.clone(),
        link: signing.link.clone(),
        figures: check(&incident, item).figures(),
        task: signing.task.clone().map(|text| Task { text, done: None }),
    };
    incident.evidence.signatures.insert(item.item.clone(), signature);
    step.incident = Some(incident);
    let links =
        json!({ "item": item.item, "comment": signing.comment, "link": signing.link, "task": signing.task });
    step.hop_with(context.now, "evidence_signed", format!("{} signed `{}`", signing.by, item.item), links);
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
    let mut found: Vec<_> = waits.map(|it| blocker("evidence_incomplete", it)).collect();
    match check(incident, item) {
        Checked::Lacks { missing, .. } => found.push(blocker("evidence_missing", missing)),
        Checked::Fails { missing, .. } if signing.comment.is_none() => {
            let detail = format!("{missing}: sign it with a comment that says why it is good all the same");
            found.push(blocker("comment_missing", detail));
        }
        _ => {}
    }
    if item.item == "retry_log" && !incident.evidence.facts.exhausted.is_empty() && signing.task.is_none() {
        found.push(blocker("task_missing", "the follow-up task against the exhausted retries"));
    }
    if signed_all_alone(incident, item, &signing.by) {
        let detail = format!("{} signed all the others; `{}` takes another person", signing.by, item.item);
        found.push(blocker("signed_alone", detail));
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
pub(super) fn finish_task(
    mut step: Step,
    mut incident: Incident,
    (item, by): (&str, &str),
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    let item = named(item, context)?;
    let signature = incident.evidence.signatures.get_mut(&item.item);
    let Some(task) = signature.and_then(|it| it.task.as_mut()) else {
        let none = blocker("task_missing", format!("`{}` has no follow-up task", item.item));
        return Err(Rejection::blocked("there is no task to be done", vec![none]));
    };
    let first = task.done.is_none();
    task.done.get_or_insert_with(|| (by.to_owned(), context.now));
    let text = task.text.clone();
    step.incident = Some(incident);
    if first {
        let links = json!({ "item": item.item, "task": text });
        step.hop_with(
            context.now,
            "evidence_task_done",
            format!("{by} has done the task of `{}`", item.item),
            links,
        );
    }
    Ok(step)
}

/// The store knows something new.
pub(super) fn learn(mut step: Step, mut incident: Incident, news: &Facts) -> Step {
    let exhausted = std::mem::take(&mut incident.evidence.facts.exhausted);
    incident.evidence.facts = Facts { exhausted, ..news.clone() };
    step.incident = Some(incident);
    step
}

/// EV-1: a decision that says the collector gave up belongs to the incident it is about.
pub(super) fn note_exhausted(step: &mut Step, decision: &Decision) {
    const KEPT: usize = 100;
    if decision.cause != Cause::RetryExhausted || step.stale || step.target.incident.is_none() {
        return;
    }
    let Some(incident) = step.incident.as_mut() else { return };
    let (window, known) = (decision.window.to_string(), &mut incident.evidence.facts.exhausted);
    if !known.contains(&window) && known.len() < KEPT {
        known.push(window);
    }
}

/// An incident of this rollout whose evidence is not complete, as the target remembers it (PH-5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenEvidence {
    pub incident: IncidentId,
    /// Items with their owners.
    pub missing: Vec<String>,
}

/// A follow-up that is not done, as the target remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTask {
    pub incident: IncidentId,
    pub item: String,
    pub owner: String,
    pub text: String,
    pub by: String,
    pub at: Timestamp,
}

/// Brings what the target remembers of the step's incident up to date: open items (PH-5), open tasks.
pub(super) fn remember(step: &mut Step, policy: &TargetPolicy) {
    let Some(incident) = &step.incident else { return };
    let missing = missing(incident, policy);
    let open = &mut step.target.evidence_open;
    let known = open.iter().position(|it| it.incident == incident.id);
    match (known, missing.is_empty()) {
        (Some(at), true) => {
            open.remove(at);
        }
        (Some(at), false) => open[at].missing = missing,
        (None, false) if step.opened => open.push(OpenEvidence { incident: incident.id.clone(), missing }),
        (None, _) => {}
    }
    let before = step.target.evidence_tasks.clone();
    let tasks = open_tasks(incident, policy);
    step.target.evidence_tasks.retain(|it| it.incident != incident.id);
    step.target.evidence_tasks.extend(tasks);
    if step.target.evidence_tasks != before {
        step.then(Effect::WriteChecklist);
    }
}

fn open_tasks(incident: &Incident, policy: &TargetPolicy) -> Vec<OpenTask> {
    let task = |(item, signature): (&String, &Signature)| {
        let task = signature.task.as_ref().filter(|it| it.done.is_none())?;
        let owner = policy.evidence.iter().find(|it| it.item == *item).map(|it| it.owner.clone());
        Some(OpenTask {
            incident: incident.id.clone(),
            item: item.clone(),
            owner: owner.unwrap_or_default(),
            text: task.text.clone(),
            by: signature.by.clone(),
            at: signature.at,
        })
    };
    incident.evidence.signatures.iter().filter_map(task).collect()
}

/// PH-5, EV-3: what every incident of the rollout still lacks, one line an incident.
#[must_use]
pub fn blockers(target: &TargetState) -> Vec<Blocker> {
    let line = |it: &OpenEvidence| {
        blocker("evidence_incomplete", format!("{}: {}", it.incident, it.missing.join(", ")))
    };
    let open = target.evidence_open.iter().filter(|_| !planted::is(Defect::IgnoreEvidence));
    open.map(line).collect()
}
