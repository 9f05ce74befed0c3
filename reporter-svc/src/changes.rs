//! Which targets this process has changed, for those who show or copy what changed: each is told of them once, however often and
//! by whomever it was changed meanwhile.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use shared_types::TargetName;
use tokio::sync::Notify;

/// Who is told.
#[derive(Debug, Default)]
pub struct Changes(Mutex<Vec<Weak<Told>>>);

#[derive(Debug, Default)]
struct Told {
    targets: Mutex<BTreeSet<TargetName>>,
    wake: Notify,
}

/// What one reader has not looked at yet.
#[derive(Debug)]
pub struct Changed(Arc<Told>);

impl Changes {
    /// Of what is changed from now on.
    #[must_use]
    pub fn subscribe(&self) -> Changed {
        let told = Arc::<Told>::default();
        self.lock().push(Arc::downgrade(&told));
        Changed(told)
    }

    /// To be called after the commit.
    pub(crate) fn tell(&self, target: &TargetName) {
        self.lock().retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            if reader.lock().insert(target.clone()) {
                reader.wake.notify_one();
            }
            true
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Told>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<TargetName>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changed {
    /// Waits until there is something that was not taken.
    pub async fn some(&self) {
        while self.0.lock().is_empty() {
            self.0.wake.notified().await;
        }
    }

    /// All that has changed since it was asked last.
    #[must_use]
    pub fn take(&self) -> BTreeSet<TargetName> {
        std::mem::take(&mut *self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_reader_is_told_of_each_target_once() {
        let changes = Changes::default();
        let (one, other) = (changes.subscribe(), changes.subscribe());
        let names: Vec<TargetName> = ["a", "b", "a"].map(|it| TargetName::parse(it).unwrap()).into();
        names.iter().for_each(|it| changes.tell(it));
        one.some().await;
        assert_eq!(one.take().len(), 2);
        assert!(one.take().is_empty());
        drop(one);
        changes.tell(&names[0]);
        other.some().await;
        assert_eq!(other.take().len(), 2);
        assert_eq!(changes.lock().len(), 1, "who has gone is told nothing");
    }
}
