//! Whether a new version of the policy may follow while rollouts are under way (PO-2). Pure.
//!
//! Almost everything may change at any time. What a rollout stands on may not vanish below it: its target while it is
//! in a phase, and the phases it is in or on its way to. Such a version is refused with the reason, and looked at
//! again and again: it takes its place as soon as nothing stands in its way.

use shared_types::{PhaseId, TargetName};

use super::Policy;

/// Something that a version must still have, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub target: TargetName,
    /// `off` and `completed` ask only for the target.
    pub phase: PhaseId,
    /// Ends the sentence "the target cannot leave the policy while …".
    pub why: String,
}

impl Standing {
    /// A rollout that is in a phase; none if it is in none that a policy lists.
    #[must_use]
    pub fn in_phase(target: &TargetName, phase: &PhaseId) -> Option<Self> {
        let why = format!("it is in phase {phase}");
        phase.is_gated().then(|| Self { target: target.clone(), phase: phase.clone(), why })
    }
}

impl Policy {
    /// The first thing that rollouts stand on and that this version lacks; `None`: it may follow.
    #[must_use]
    pub fn objection(&self, standing: &[Standing]) -> Option<String> {
        standing.iter().find_map(|it| {
            let Standing { target, phase, why } = it;
            match self.targets.get(target) {
                None => Some(format!("targets.{target}: it cannot leave the policy while {why}")),
                Some(policy) if phase.is_gated() && policy.phase(phase).is_none() => {
                    Some(format!("targets.{target}.phases: {phase} cannot be left out while {why}"))
                }
                Some(_) => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance/policy.yaml");
        let mut policy = Policy::load(&path).unwrap();
        change(&mut policy);
        policy
    }

    fn standing(phase: &str) -> Vec<Standing> {
        let target = TargetName::parse("autosave").unwrap();
        Standing::in_phase(&target, &PhaseId::parse(phase).unwrap()).into_iter().collect()
    }

    /// PO-2: what a rollout stands on cannot vanish below it.
    #[test]
    fn targets_and_phases_in_use_cannot_be_left_out() {
        let without_b = policy(|it| it.targets.values_mut().for_each(|target| _ = target.phases.remove(1)));
        let refused = without_b.objection(&standing("B")).unwrap();
        assert_eq!(refused, "targets.autosave.phases: B cannot be left out while it is in phase B");
        assert_eq!(without_b.objection(&standing("A")), None);
        let empty = policy(|it| it.targets.clear());
        let refused = empty.objection(&standing("A")).unwrap();
        assert_eq!(refused, "targets.autosave: it cannot leave the policy while it is in phase A");
        assert_eq!(empty.objection(&standing("off")), None);
        assert_eq!(empty.objection(&standing("completed")), None);
    }

    /// PO-2: everything else may change at any time.
    #[test]
    fn anything_else_may_follow() {
        let other = policy(|it| {
            for target in it.targets.values_mut() {
                target.collection.window *= 2;
                target.phases[1].thresholds.clear();
            }
        });
        assert_eq!(other.objection(&standing("B")), None);
    }
}
