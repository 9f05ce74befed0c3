//! How a service does its effects: one implementation of [`Perform`] an effect, one line of [`Registry::EFFECTS`] each.
//! What they have in common stands here: which one a row is, its stored form, damage, and names that nobody knows.

use std::time::Duration;

use async_trait::async_trait;
use domain::effects::Effect;
use domain::stored::{self, Form, Unreadable};
use futures_util::future::BoxFuture;
use serde_json::Value;
use shared_types::Timestamp;
use shared_types::story::hop::ToldBy;

use super::record::FOR_ANOTHER;
use super::{Claim, Handler, Outcome, Recorded, Room, record};
use crate::db::{Db, DbError, Done};

/// How long a row may be worked at, where its effect does not say.
pub const USUAL_LEASE: Duration = Duration::from_secs(60);

/// How an effect is done with what the service `S` has.
#[async_trait]
pub trait Perform<S: Sync>: Effect + Send + Sync {
    /// As [`Handler::lease`].
    fn lease(_service: &S) -> Duration {
        USUAL_LEASE
    }

    /// As [`Handler::handle`].
    async fn run(&self, service: &S, claim: &Claim) -> Outcome;

    /// As [`Handler::settle`]: for effects whose outcome changes more than their row.
    async fn settle(&self, _service: &S, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        attempt.record().await
    }
}

/// An attempt that has ended, to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub db: &'a Db,
    pub claim: &'a Claim,
    pub outcome: &'a Outcome,
    pub ended_at: Timestamp,
}

impl Attempt<'_> {
    /// Records the outcome and nothing else.
    ///
    /// # Errors
    /// The database's.
    pub async fn record(&self) -> Result<Recorded, DbError> {
        let recorded = self.db.together(&self.claim.id, |mut tx, company| async move {
            let recorded = record(&mut tx, self.claim, self.outcome, self.ended_at, company).await?;
            let fenced = recorded == Recorded::Fenced;
            Ok((tx, if fenced { Done::Nothing(recorded) } else { Done::Written(recorded) }))
        });
        recorded.await?.ok_or(DbError::Busy)
    }
}

/// The line of an effect in its service's registry.
pub struct EffectKind<S> {
    /// In which its payload is stored; its name is the rows' kind.
    pub form: Form,
    also: &'static [&'static str],
    check: fn(&str) -> Result<(), Unreadable>,
    told_if_lost: fn(Value) -> Option<ToldBy>,
    lease: fn(&S) -> Duration,
    run: for<'a> fn(&'a S, &'a Claim) -> BoxFuture<'a, Outcome>,
    settle: for<'a> fn(&'a S, Attempt<'a>) -> BoxFuture<'a, Result<Recorded, DbError>>,
}

impl<S: Sync> EffectKind<S> {
    /// Of an effect.
    #[must_use]
    pub const fn of<E: Perform<S>>() -> Self {
        Self {
            form: Form::of::<E>(),
            also: E::ALSO,
            check: |payload| stored::read::<E>(payload).map(drop),
            // What cannot be read was something that somebody waits for.
            told_if_lost: |payload| {
                stored::read_value::<E>(payload).map_or(Some(ToldBy::Message), |it| it.told_if_lost())
            },
            lease: E::lease,
            run: run::<S, E>,
            settle: settle::<S, E>,
        }
    }

    /// Whether rows of that kind hold this effect.
    #[must_use]
    pub fn is_kind(&self, kind: &str) -> bool {
        self.form.kind == kind || self.also.contains(&kind)
    }

    /// Whether a stored payload can be read.
    ///
    /// # Errors
    /// It cannot.
    pub fn check(&self, payload: &str) -> Result<(), Unreadable> {
        (self.check)(payload)
    }
}

/// As [`Effect::told_if_lost`], of a row's payload; what nobody here knows is told of as well.
#[must_use]
pub fn told_if_lost<S: Registry>(kind: &str, payload: &Value) -> Option<ToldBy> {
    S::effect(kind).map_or(Some(ToldBy::Message), |effect| (effect.told_if_lost)(payload.clone()))
}

/// A service that does effects. It is the [`Handler`] of its outbox.
pub trait Registry: Send + Sync + Sized + 'static {
    /// All it can do.
    const EFFECTS: &'static [EffectKind<Self>];

    /// As [`Handler::room`].
    #[must_use]
    fn room_of(_receiver: &str) -> Room {
        Room::USUAL
    }

    /// The effect that rows of that kind hold.
    #[must_use]
    fn effect(kind: &str) -> Option<&'static EffectKind<Self>> {
        Self::EFFECTS.iter().find(|effect| effect.is_kind(kind))
    }

    /// The payloads it stores.
    fn forms() -> impl Iterator<Item = Form> {
        Self::EFFECTS.iter().map(|effect| effect.form)
    }
}

#[async_trait]
impl<S: Registry> Handler for S {
    async fn handle(&self, claim: &Claim) -> Outcome {
        match S::effect(&claim.kind) {
            Some(effect) => (effect.run)(self, claim).await,
            None => {
                let reason =
                    format!("no effect of this release is called {}: run the newer release", claim.kind);
                Outcome::KindUnknown { reason }
            }
        }
    }

    fn lease(&self, kind: &str) -> Duration {
        S::effect(kind).map_or(USUAL_LEASE, |effect| (effect.lease)(self))
    }

    fn room(&self, receiver: &str) -> Room {
        S::room_of(receiver)
    }

    async fn settle(
        &self,
        db: &Db,
        claim: &Claim,
        outcome: &Outcome,
        ended_at: Timestamp,
    ) -> Result<Recorded, DbError> {
        let attempt = Attempt { db, claim, outcome, ended_at };
        match S::effect(&claim.kind) {
            Some(effect) => (effect.settle)(self, attempt).await,
            None => attempt.record().await,
        }
    }
}

/// A newer replica does what it wrote; damage is shown to a person.
fn run<'a, S: Sync, E: Perform<S>>(service: &'a S, claim: &'a Claim) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        match claim.decode::<E>() {
            Ok(effect) => effect.run(service, claim).await,
            Err(error @ Unreadable::TooNew { .. }) => {
                Outcome::Postponed { after: FOR_ANOTHER, reason: error.to_string() }
            }
            Err(error) => Outcome::Never { reason: error.to_string() },
        }
    })
}

/// What cannot be read was not done, so there is nothing to settle but the row.
fn settle<'a, S: Sync, E: Perform<S>>(
    service: &'a S,
    attempt: Attempt<'a>,
) -> BoxFuture<'a, Result<Recorded, DbError>> {
    Box::pin(async move {
        match attempt.claim.decode::<E>() {
            Ok(effect) => effect.settle(service, attempt).await,
            Err(_) => attempt.record().await,
        }
    })
}
