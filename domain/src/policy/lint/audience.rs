//! An audience that falls from phase to phase (PL-4): moving up would take the feature away from users.

use super::findings::Findings;
use super::rule::Rule;
use crate::policy::section::target::Parts;

pub(super) fn check(target: &Parts<'_, '_>, found: &mut Findings) {
    for (below, (phase, raw, path)) in std::iter::zip(&target.phases, target.placed().skip(1)) {
        if below.audience_percent > phase.audience_percent {
            let message = format!(
                "expected at least the {}% of phase {}, found `{}`: moving up would take the feature from users",
                below.audience_percent, below.id, raw.audience.value.0
            );
            found.refuse(Rule::Audience, raw.audience.wrong(&path.key("audience"), message));
        }
    }
}
