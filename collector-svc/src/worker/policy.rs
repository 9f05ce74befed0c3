//! Taking over another version of the policy, between two windows and without a stop (PO-2).

use std::sync::Arc;

use service_kit::db::DbError;

use super::ahead::Ahead;
use super::{ReadWith, Worker};
use crate::sources::{self, Opening};

impl Worker {
    /// Asks which versions the windows go by that are not closed. The source is that of the oldest of them, so that
    /// what still belongs to its window is read before another source takes its place.
    pub(super) async fn follow_policy(&mut self) -> Result<(), DbError> {
        let log = self.policies.since(self.state.closed_until).await?;
        self.versions = self.versions.follow(&self.target, &log);
        let specs = self.versions.specs();
        let other_specs = !Arc::ptr_eq(specs, self.intake.specs());
        if other_specs {
            self.intake.use_specs(Arc::clone(specs));
        }
        let read_with = ReadWith::of(&self.versions);
        self.read_with.send_if_modified(|known| {
            let other = !Arc::ptr_eq(&known.specs, &read_with.specs) || known.sources != read_with.sources;
            if other {
                *known = read_with;
            }
            other
        });
        let version = self.versions.of(self.state.closed_until);
        let same_source = self.pull_of.as_ref().is_some_and(|known| {
            let (known, wanted) = (&known.policy.collection, &version.policy.collection);
            known.source == wanted.source && known.source_timeout == wanted.source_timeout
        });
        if other_specs || !same_source {
            let (target, policy) = (&self.target, &version.policy);
            let opening = Opening { target, policy, specs, threads: self.reading.parse_threads };
            self.pull = sources::open(&self.reading.readers, &opening);
            self.source = version.policy.collection.source.kind();
            self.pull_of = Some(Arc::clone(version));
            self.ahead = Ahead::default();
        }
        Ok(())
    }
}
