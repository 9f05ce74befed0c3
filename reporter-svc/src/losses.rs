//! Effects that were given up, whatever kind and however they died: each is an event of its target, once (NO-7).

use domain::effects::Loss;
use domain::rollout::Event;
use service_kit::db::DbError;
use service_kit::outbox::{MessageView, told_if_lost};
use shared_types::IncidentId;

use crate::effects::Effects;
use crate::reporter::{Cause, Reporter};
use crate::store::{Changed, target_of};

/// So many are told of in one turn.
const AT_ONCE: u32 = 200;

impl Reporter {
    /// Tells of what was given up since the last look; returns how much that was.
    ///
    /// # Errors
    /// The database's.
    pub async fn tell_losses(&self) -> Result<usize, DbError> {
        let losses = self.store.losses(AT_ONCE).await?;
        for row in &losses {
            self.tell_loss(row).await?;
        }
        Ok(losses.len())
    }

    async fn tell_loss(&self, row: &MessageView) -> Result<(), DbError> {
        let told = told_if_lost::<Effects>(&row.kind, &row.payload);
        let (Some(target), Some(told)) = (target_of(row), told) else {
            return self.store.pass_loss(&row.id).await;
        };
        let incident = row.payload["incident"].as_str().and_then(|it| IncidentId::parse(it).ok());
        let loss = Loss {
            effect: row.id.clone(),
            kind: row.kind.clone(),
            lane: row.lane.clone(),
            incident: incident.clone(),
            reason: row.last_error.clone().unwrap_or_default(),
            told,
        };
        let event = Event::GivenUp(Box::new(loss));
        let cause = |incident| Cause { incident, lost: Some(&row.id), ..Cause::default() };
        let mut changed = self.apply(&target, cause(incident.as_ref()), &|_| event.clone()).await?;
        if matches!(changed, Changed::UnknownIncident) {
            changed = self.apply(&target, cause(None), &|_| event.clone()).await?;
        }
        match changed {
            Changed::Applied { .. } | Changed::NotDead => Ok(()),
            // Its target left the policy, and its texts with it: what is left is the log, the readiness and the list of effects.
            _ => self.store.pass_loss(&row.id).await,
        }
    }
}
