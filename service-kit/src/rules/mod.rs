//! The policy in force, and the texts that belong to it: one version at a time, taken over without a restart (PO-2).
//!
//! Whoever needs the policy asks a [`PolicyVersions`] once and works with the [`Rules`] it was given, so that nothing sees
//! half of one version and half of another. A window goes by the version that was in force when it began; what a
//! service has taken over, and when, is kept in its store, so that a restart and another replica say the same.
//! [`PolicyWatcher`] is the loop that looks at the files.

mod files;
mod forget;
mod look;
mod stamps;
mod store;
mod version;
mod view;
mod watcher;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use shared_types::Timestamp;
use tokio::sync::watch;

use crate::db::{Db, DbError};
use crate::gather::Gather;
use crate::http::CheckState;

pub use files::{RulesError, RulesFiles};
pub use forget::forget;
pub use store::{body_of, keep};
pub use version::{Adoption, Rules, RulesId};
pub use view::{InForce, PolicyText, PolicyVersion};
pub use watcher::{NoSubscriber, PolicySubscriber, PolicyWatcher};

/// The rules in force, and those that were. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct PolicyVersions(Arc<Shared>);

struct Shared {
    current: watch::Sender<Arc<Rules>>,
    /// `None`: these rules and no others, ever.
    log: Option<Db>,
    /// At a window's end all ask about the same moment.
    asked: Gather<Timestamp, Option<RulesId>>,
    /// Earlier versions that were asked for.
    known: Mutex<BTreeMap<RulesId, Arc<Rules>>>,
    /// What the file holds and is not in force.
    refused: Mutex<Option<String>>,
}

/// Earlier versions kept in memory, and how much text they may have in all: one of very many targets is dear.
const KNOWN_MAX: usize = 16;
const KNOWN_TEXT_MAX: usize = 32 << 20;

/// Moments that are asked about together.
const MOST_MOMENTS: usize = 256;

async fn ids_at(db: &Db, moments: Vec<Timestamp>) -> Result<Vec<Option<RulesId>>, DbError> {
    let mut ids = BTreeMap::new();
    for moment in &moments {
        if !ids.contains_key(moment) {
            ids.insert(*moment, store::id_at(db, *moment).await?);
        }
    }
    Ok(moments.iter().map(|moment| ids.get(moment).cloned().flatten()).collect())
}

impl std::fmt::Debug for PolicyVersions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PolicyVersions").field(&self.current().policy.version).finish()
    }
}

impl PolicyVersions {
    /// These rules for ever, for tests and for runs without a service.
    #[must_use]
    pub fn fixed(rules: Rules) -> Self {
        Self::over(rules, None)
    }

    fn over(rules: Rules, log: Option<Db>) -> Self {
        Self(Arc::new(Shared {
            current: watch::Sender::new(Arc::new(rules)),
            log,
            asked: Gather::of(MOST_MOMENTS),
            known: Mutex::default(),
            refused: Mutex::default(),
        }))
    }

    /// The newest rules. Ask once for one piece of work.
    #[must_use]
    pub fn current(&self) -> Arc<Rules> {
        Arc::clone(&self.0.current.borrow())
    }

    /// Wakes when other rules come into force.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Rules>> {
        self.0.current.subscribe()
    }

    /// The rules that were in force at a moment: those of the window that began then. The same answer for ever, from
    /// every replica.
    ///
    /// # Errors
    /// The database's.
    pub async fn at(&self, moment: Timestamp) -> Result<Arc<Rules>, DbError> {
        match &self.0.log {
            None => Ok(self.current()),
            Some(db) => match self.0.asked.ask(moment, |moments| ids_at(db, moments)).await?.flatten() {
                None => Ok(self.current()),
                Some(id) => self.of(db, id).await,
            },
        }
    }

    /// The rules in force at a moment and all that came after, each with the moment from which on windows go by it. Of what is
    /// older than all that are kept the oldest stand for those before.
    ///
    /// # Errors
    /// The database's.
    pub async fn since(&self, moment: Timestamp) -> Result<Vec<(Timestamp, Arc<Rules>)>, DbError> {
        let Some(db) = &self.0.log else {
            return Ok(vec![(Timestamp::from_millis(0), self.current())]);
        };
        let mut rules = Vec::new();
        for (from, id) in store::since(db, moment).await? {
            rules.push((from, self.of(db, id).await?));
        }
        match rules.first_mut() {
            Some((from, _)) => *from = (*from).min(moment),
            None => rules.push((Timestamp::from_millis(0), self.current())),
        }
        Ok(rules)
    }

    /// The versions taken over after the one with this number, oldest first; all of them after 0.
    ///
    /// # Errors
    /// The database's.
    pub async fn adoptions(&self, after: i64) -> Result<Vec<Adoption>, DbError> {
        let Some(db) = &self.0.log else { return Ok(Vec::new()) };
        let mut before: Option<RulesId> = None;
        let mut adoptions = Vec::new();
        for store::Entry { seq, from, id } in store::entries_from(db, after).await? {
            let replaced = before.replace(id.clone());
            if seq > after {
                adoptions.push(Adoption { number: seq, in_force_from: from, before: replaced, id });
            }
        }
        Ok(adoptions)
    }

    /// What is refused, for `/readyz`: the old version works on, and somebody should look.
    #[must_use]
    pub fn state(&self) -> CheckState {
        match &*self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            None => CheckState::Ok,
            Some(reason) => CheckState::Degraded(reason.clone()),
        }
    }

    async fn of(&self, db: &Db, id: RulesId) -> Result<Arc<Rules>, DbError> {
        let current = self.current();
        if current.id() == id {
            return Ok(current);
        }
        if let Some(known) = self.known().get(&id) {
            return Ok(Arc::clone(known));
        }
        let Some(kept) = store::kept(db, &id).await? else { return Ok(current) };
        match files::checked(&current.policy.kinds, &kept.body, &kept.texts) {
            Ok(rules) => {
                let rules = Arc::new(rules);
                let mut known = self.known();
                let text: usize = known.values().chain([&rules]).map(|it| it.policy.text.len()).sum();
                if known.len() >= KNOWN_MAX || text > KNOWN_TEXT_MAX {
                    known.clear();
                }
                known.insert(id, Arc::clone(&rules));
                Ok(rules)
            }
            Err(error) => {
                // Only another version of the program can have kept it.
                tracing::error!(version = id.version, %error, "a kept policy cannot be read; going by the newest");
                Ok(current)
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<RulesId, Arc<Rules>>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, rules: Arc<Rules>) {
        self.0.current.send_replace(rules);
    }

    fn refuse(&self, reason: Option<String>) {
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}
