//! Unleash: the share of users is the `rollout` of one gradual strategy of a feature in one environment.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use shared_types::SecretFrom;

use super::share::{self, Share};
use super::{Description, ExecutorKind, ExecutorPolicy, Facts, Planner, Request};
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text};
use crate::server;

/// Its name.
pub const NAME: &str = "unleash";

/// The strategy that gives a feature to a share of users.
const STRATEGY: &str = "flexibleRollout";
/// Where a feature belongs if nobody said otherwise.
const PROJECT: &str = "default";
/// One percent, in thousandths: what Unleash counts in.
const STEP: u32 = 1000;

/// The kind.
#[derive(Debug, Clone, Copy)]
pub struct Unleash;

/// A feature of Unleash: the `rollout` of its gradual strategy is set to the phase's share of users, and read back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawUnleash {
    /// The server, such as `http://unleash:4242`.
    url: Text,
    /// Variable of the environment that holds a token of the Admin API.
    token_env: Option<Text>,
    /// File that holds a token of the Admin API; read anew each time.
    token_file: Option<Text>,
    /// The feature's project; `default` shipped.
    project: Option<Text>,
    /// The environment whose users are moved.
    environment: Text,
    /// The feature's name.
    feature: Text,
    /// The strategy's name, or its id where the feature has several of that name; `flexibleRollout` shipped.
    strategy: Option<Text>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Without the slash at the end.
    pub url: String,
    pub token: SecretFrom,
    pub project: String,
    pub environment: String,
    pub feature: String,
    /// Name or id.
    pub strategy: String,
}

impl ExecutorKind for Unleash {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(RawUnleash::json_schema(generator))
    }

    fn check(&self, section: &Section) -> Result<Box<dyn Planner>, Wrong> {
        let raw: RawUnleash = section.read()?;
        let token = server::secret(section, "token", raw.token_env.as_ref(), raw.token_file.as_ref())?;
        let or = |key: &str, text: &Option<Text>, shipped: &str| {
            text.as_ref().map_or_else(|| Ok(shipped.to_owned()), |text| section.text(key, text))
        };
        Ok(Box::new(Settings {
            url: server::base(section, "url", &raw.url)?,
            token: token.ok_or_else(|| section.missing("token_env"))?,
            project: or("project", &raw.project, PROJECT)?,
            environment: section.text("environment", &raw.environment)?,
            feature: section.text("feature", &raw.feature)?,
            strategy: or("strategy", &raw.strategy, STRATEGY)?,
        }))
    }
}

impl From<Settings> for ExecutorPolicy {
    fn from(settings: Settings) -> Self {
        Self::new(NAME, Box::new(settings) as Box<dyn Planner>)
    }
}

/// A request's own part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    #[serde(flatten)]
    pub settings: Settings,
    #[serde(flatten)]
    pub share: Share,
}

impl Planned {
    /// Of a request.
    ///
    /// # Errors
    /// It is not one of Unleash.
    pub fn of(request: &Request) -> Result<Self, serde_json::Error> {
        Self::deserialize(&request.data)
    }
}

impl Planner for Settings {
    fn plan(&self, facts: &Facts<'_>) -> Request {
        let share = Share::of(facts);
        let Self { feature, environment, .. } = self;
        Request {
            kind: NAME.to_owned(),
            words: format!("Unleash feature {feature} in {environment}: {} of users", share.words()),
            reads_back: true,
            data: crate::stored::plain(&Planned { settings: self.clone(), share }),
        }
    }

    fn cannot_serve(&self, percent: f64) -> Option<String> {
        let share = share::thousandths(percent);
        (!share.is_multiple_of(STEP))
            .then(|| format!("Unleash knows whole percents only, found {}", share::percent(share)))
    }

    fn describe(&self) -> Description {
        let Self { url, token, project, environment, feature, strategy } = self;
        Description {
            settings: vec![
                ("Unleash server", url.clone()),
                ("token", token.words()),
                ("project", project.clone()),
                ("environment", environment.clone()),
                ("feature", feature.clone()),
                ("strategy", strategy.clone()),
            ],
            read_back: Some("the feature in Unleash".to_owned()),
        }
    }
}

/// What `rollout` is called for a share, and the other way round: whole percents as a text.
impl Planned {
    /// Of the share to reach.
    #[must_use]
    pub fn rollout(&self) -> String {
        (self.share.thousandths / STEP).to_string()
    }
}

/// The share of a `rollout`, in thousandths of a percent; none of what is no whole percent from 0 to 100.
#[must_use]
pub fn share_of(rollout: &str) -> Option<u32> {
    let percent: u32 = rollout.trim().parse().ok()?;
    (percent <= 100).then_some(percent * STEP)
}
