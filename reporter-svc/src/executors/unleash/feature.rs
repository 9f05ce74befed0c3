//! A feature in one environment as Unleash describes it, and what users get by it. Pure.

use domain::executors::share::{EVERYBODY, percent};
use domain::executors::unleash::share_of;
use serde::Deserialize;
use serde_json::Value;

/// The strategy that gives a feature to everybody.
const EVERYBODY_GETS_IT: &str = "default";

/// A feature in one environment.
#[derive(Debug, Deserialize)]
pub(super) struct Feature {
    enabled: bool,
    #[serde(default)]
    strategies: Vec<Strategy>,
}

/// What gives a feature to some users; any one of a feature's strategies is enough.
#[derive(Debug, Deserialize)]
pub(super) struct Strategy {
    pub(super) id: String,
    name: String,
    title: Option<String>,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    constraints: Vec<Value>,
    #[serde(default)]
    segments: Vec<Value>,
    #[serde(default)]
    parameters: Value,
}

impl Strategy {
    /// As it stands there, whatever it is.
    pub(super) fn rollout(&self) -> &Value {
        &self.parameters["rollout"]
    }

    /// In thousandths of a percent; none where it is no share.
    pub(super) fn share(&self) -> Option<u32> {
        share_of(self.rollout().as_str()?)
    }

    /// What it gives to users about whom nothing is known, in thousandths of a percent.
    fn gives(&self) -> u32 {
        match self.share() {
            Some(share) => share,
            None if self.name == EVERYBODY_GETS_IT => EVERYBODY,
            None => 0,
        }
    }

    fn words(&self) -> String {
        let title = self.title.as_deref().map(|title| format!(" {title:?}")).unwrap_or_default();
        let rollout = self.rollout().as_str().map(|it| format!(" at {it}")).unwrap_or_default();
        format!("{}{title}{rollout} ({})", self.name, self.id)
    }
}

impl Feature {
    /// The one of that name or id.
    ///
    /// # Errors
    /// There is none, or more than one of that name, in words.
    pub(super) fn strategy(&self, wanted: &str) -> Result<&Strategy, String> {
        let by_id = self.strategies.iter().find(|it| it.id == wanted);
        let named = self.strategies.iter().filter(|it| it.name == wanted);
        let found: Vec<&Strategy> = by_id.map_or_else(|| named.collect(), |it| vec![it]);
        match found.as_slice() {
            [it] if it.share().is_some() => Ok(it),
            [it] => Err(format!("the share of {} is no whole percentage from 0 to 100", it.words())),
            [] => {
                let all: Vec<String> = self.strategies.iter().map(Strategy::words).collect();
                let found = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
                Err(format!("there is no strategy {wanted}; found {found}"))
            }
            several => {
                let all: Vec<String> = several.iter().map(|it| it.words()).collect();
                Err(format!("there are several strategies {wanted}: name one by its id: {}", all.join(", ")))
            }
        }
    }

    /// The share of users who get it, in thousandths of a percent: the highest of all strategies that ask nothing of a user.
    pub(super) fn served(&self, ours: &Strategy) -> u32 {
        if !self.enabled {
            return 0;
        }
        let own = if ours.disabled { 0 } else { ours.gives() };
        self.beside(ours).map(Strategy::gives).fold(own, u32::max)
    }

    /// Why it is another share than the strategy's.
    pub(super) fn why(&self, ours: &Strategy) -> Option<String> {
        let own = ours.gives();
        let more = self.beside(ours).filter(|it| it.gives() > own).max_by_key(|it| it.gives());
        self.nobody(ours).or_else(|| Some(format!("by {}", more?.words())))
    }

    /// Why nobody gets anything by it, whatever its share is.
    pub(super) fn nobody(&self, ours: &Strategy) -> Option<String> {
        match (self.enabled, ours.disabled) {
            (false, _) => Some("the environment is off for the feature".to_owned()),
            (true, true) => {
                Some(format!("the strategy {} is disabled at {}", ours.words(), percent(ours.gives())))
            }
            (true, false) => None,
        }
    }

    fn beside<'f>(&'f self, ours: &'f Strategy) -> impl Iterator<Item = &'f Strategy> {
        let others = self.strategies.iter().filter(|it| it.id != ours.id);
        others.filter(|it| !it.disabled && it.constraints.is_empty() && it.segments.is_empty())
    }
}
