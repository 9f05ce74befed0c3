//! The label `target` of metrics. Each target has series of its own while there are few; where there are many, only those that
//! something has gone wrong with, and what is counted of the others is one sum: a scrape and what it is kept in do not grow with
//! the targets.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use metrics::SharedString;
use shared_types::TargetName;

/// The label of all that have no series of their own.
pub const OTHERS: &str = "*";
/// So many targets have series of their own.
pub const NAMED_MOST: usize = 200;

/// The targets of a service that have series of their own. None loses them: a counter that ends looks like one that was reset.
#[derive(Debug, Default)]
pub struct Named(RwLock<BTreeSet<TargetName>>);

impl Named {
    /// None has series of its own yet.
    #[must_use]
    pub const fn none() -> Self {
        Self(RwLock::new(BTreeSet::new()))
    }

    /// Names all of a policy's targets where that many may be named, and returns the labels that are to begin at 0.
    pub fn begin<'t>(&self, targets: impl ExactSizeIterator<Item = &'t TargetName>) -> Vec<SharedString> {
        let mut named = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut labels = Vec::new();
        let all = targets.len() <= NAMED_MOST;
        let mut others = false;
        for target in targets {
            if named.contains(target) || all && named.len() < NAMED_MOST {
                named.insert(target.clone());
                labels.push(label(target));
            } else {
                others = true;
            }
        }
        labels.extend(others.then(|| SharedString::const_str(OTHERS)));
        labels
    }

    /// What to count under.
    #[must_use]
    pub fn label(&self, target: &TargetName) -> SharedString {
        match self.0.read().unwrap_or_else(PoisonError::into_inner).contains(target) {
            true => label(target),
            false => SharedString::const_str(OTHERS),
        }
    }

    /// What to count something under that people should look at. The target has series of its own from then on, which `begin` makes,
    /// at 0: the first of its kind is counted where a counter is already, as an alert rule does not see one that is born at 1.
    pub fn urgent(&self, target: &TargetName, begin: impl FnOnce(&SharedString)) -> SharedString {
        let now = self.label(target);
        if *now == *OTHERS {
            let mut named = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if named.len() < NAMED_MOST && named.insert(target.clone()) {
                drop(named);
                begin(&label(target));
            }
        }
        now
    }
}

fn label(target: &TargetName) -> SharedString {
    SharedString::from(target.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(count: usize) -> Vec<TargetName> {
        (0..count).map(|n| TargetName::parse(&format!("t{n}")).unwrap()).collect()
    }

    #[test]
    fn each_of_few_targets_has_its_own() {
        let (named, few) = (Named::none(), targets(NAMED_MOST));
        assert_eq!(named.begin(few.iter()).len(), NAMED_MOST);
        assert_eq!(&*named.label(&few[199]), "t199");
        // More came, and those that were named stay so.
        let many = targets(NAMED_MOST + 1);
        let labels = named.begin(many.iter());
        assert_eq!((labels.len(), &*labels[NAMED_MOST]), (NAMED_MOST + 1, OTHERS));
        assert_eq!((&*named.label(&many[0]), &*named.label(&many[NAMED_MOST])), ("t0", OTHERS));
    }

    #[test]
    fn of_many_only_those_in_need_have_their_own_and_no_more_than_can_be_kept() {
        let (named, many) = (Named::none(), targets(10_000));
        assert_eq!(named.begin(many.iter()).iter().map(|it| &**it).collect::<Vec<_>>(), [OTHERS]);
        let mut begun = Vec::new();
        assert_eq!(
            &*named.urgent(&many[7], |it| begun.push(it.to_string())),
            OTHERS,
            "a counter that is there"
        );
        assert_eq!(&*named.urgent(&many[7], |it| begun.push(it.to_string())), "t7");
        assert_eq!((begun, &*named.label(&many[8])), (vec!["t7".to_owned()], OTHERS));
        for target in &many {
            let _ = named.urgent(target, |_| ());
        }
        assert_eq!(many.iter().filter(|it| &*named.label(it) != OTHERS).count(), NAMED_MOST);
    }
}
