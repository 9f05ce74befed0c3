//! What the reporter says of rollouts: the one voice that says which epochs there are, and how far it was told.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use service_kit::client::{ClientError, Neighbour};
use shared_types::{Directive, Epoch, Page, TargetName, Window};

/// Rollouts asked for at once.
const PAGE: usize = 1000;

/// Of what the reporter says of a rollout, all that is read here, so that a reporter of an older release can say it too (OP-6).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Word {
    /// In force now.
    pub directive: Option<Directive>,
    /// How far the decisions have told it.
    pub gate: Option<Told>,
}

/// The newest window that the reporter knows a decision of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Told {
    pub epoch: Epoch,
    pub through: Option<Window>,
}

/// What it says of all targets; of those that are left out it says nothing.
pub type Words = BTreeMap<TargetName, Word>;

/// Knows what the reporter wants of targets.
#[async_trait]
pub trait Directives: Send + Sync {
    /// Nothing, if the reporter cannot be reached or does not know the target.
    async fn of(&self, target: &TargetName) -> Word;

    /// Of all targets in a few questions; `None`: it has to be asked about each.
    async fn of_all(&self) -> Option<Words> {
        None
    }
}

/// The reporter's word on what is collected.
pub struct ReporterDirectives(pub Neighbour);

/// An item of `GET /v1/directives`.
#[derive(Debug, Deserialize)]
struct Said {
    target: TargetName,
    #[serde(flatten)]
    word: Word,
}

#[async_trait]
impl Directives for ReporterDirectives {
    async fn of(&self, target: &TargetName) -> Word {
        match self.0.get_json(&format!("/v1/rollouts/{target}")).await {
            Ok(word) => word,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(target_name = %target, error, "the reporter has no directive for us");
                Word::default()
            }
        }
    }

    async fn of_all(&self) -> Option<Words> {
        let mut words = Words::new();
        let mut next = String::new();
        loop {
            let page = format!("/v1/directives?limit={PAGE}{next}");
            let page: Page<Said> = match self.0.get_json(&page).await {
                Ok(page) => page,
                // A reporter of an older release.
                Err(ClientError::Refused { status: 404, .. }) => return None,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "the reporter has no directives for us");
                    return Some(words);
                }
            };
            words.extend(page.items.into_iter().map(|it| (it.target, it.word)));
            match page.next {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => return Some(words),
            }
        }
    }
}
