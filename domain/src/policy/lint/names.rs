//! Names that nothing stands behind (PL-5): a phase without an incident text, a role that may not act.

use super::findings::Findings;
use super::rule::Rule;
use crate::policy::at::At;
use crate::policy::check::Path;
use crate::policy::section::target::Parts;
use crate::role;

pub(super) fn check(target: &Parts<'_, '_>, found: &mut Findings) {
    incident_text(target, found);
    let (raw, path) = (target.raw, &target.path);
    signer(&raw.rca.approver, &path.key("rca").key("approver"), "no analysis would be confirmed", found);
    for (index, item) in raw.evidence.iter().enumerate() {
        let path = path.key("evidence").index(index).key("owner");
        signer(&item.value.owner, &path, "the item would never be done", found);
    }
    for (_, phase, path) in target.placed() {
        for (index, approval) in phase.advance.value.approvals.iter().enumerate() {
            let path = path.key("advance").key("approvals").index(index);
            approver(approval, &path, found);
        }
    }
}

/// Each incident is told (DE-3).
fn incident_text(target: &Parts<'_, '_>, found: &mut Findings) {
    let told = &target.raw.notifications.incident.phases;
    let ids = || target.phases.iter().map(|phase| phase.id.as_str());
    let silent: Vec<&str> = ids().filter(|id| told.value.iter().all(|it| it.value != *id)).collect();
    if silent.is_empty() {
        return;
    }
    let all: Vec<&str> = ids().collect();
    let message = format!(
        "leaves out {}: nobody would be told of an incident there; write [{}]",
        silent.join(", "),
        all.join(", ")
    );
    let path = target.path.key("notifications").key("incident").key("phases");
    found.refuse(Rule::Names, told.wrong(&path, message));
}

fn signer(raw: &At<String>, path: &Path, then: &str, found: &mut Findings) {
    if !role::MAY_ANSWER.contains(&raw.value.as_str()) {
        let message =
            format!("the role `{}` may not sign, so {then}; write {}", raw.value, among(&role::MAY_ANSWER));
        found.refuse(Rule::Names, raw.wrong(path, message));
    }
}

/// A policy may have roles of its own for approvals; whether somebody holds one is known by the tokens alone.
fn approver(raw: &At<String>, path: &Path, found: &mut Findings) {
    if !role::PEOPLE.contains(&raw.value.as_str()) {
        let message = format!(
            "the role `{}` is none of {}: a token has to hold it as its own role, or nobody can approve",
            raw.value,
            among(&role::PEOPLE)
        );
        found.warn(Rule::Names, raw.wrong(path, message));
    }
}

fn among(roles: &[&str]) -> String {
    crate::policy::check::one_of(roles)
}
