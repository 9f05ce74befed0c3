//! What users really get: a flag is evaluated for fixed keys that nobody has, by OFREP
//! (<https://openfeature.dev/docs/reference/other-technologies/ofrep/>), whatever system moves it.
//!
//! Of `n` keys the share that has the feature lies within `4·√(p(1−p)/n)` of the true share `p` (four standard deviations of a
//! binomial share); of nobody and of everybody it is exact. `n` is large enough to tell the shares of a target's phases apart.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared_types::SecretFrom;

use super::share::{EVERYBODY, percent, thousandths};
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text, Whole};
use crate::server;

/// As many at least.
const KEYS: u32 = 1000;
/// More would ask a flag server for too much.
const MOST_KEYS: u32 = 20_000;
/// Standard deviations that a share may lie beside the true one.
const DEVIATIONS: f64 = 4.0;

/// What users get, as a server of flags evaluates it (OFREP): asked with fixed keys after each move and once in each window.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["token_env"] },
    { "required": ["token_file"] },
    { "not": { "anyOf": [{ "required": ["token_env"] }, { "required": ["token_file"] }] } },
]))]
pub(crate) struct RawUsers {
    /// The server, such as `http://flagd:8016`.
    ofrep: Text,
    /// The flag's key.
    flag: Text,
    /// The variant of those who have the feature; left out: the value `true`.
    variant: Option<Text>,
    /// How many keys are evaluated; left out: 1000, or as many as tell the shares of the phases apart.
    keys: Option<Whole>,
    /// Variable of the environment that holds a bearer token.
    token_env: Option<Text>,
    /// File that holds a bearer token; read anew each time.
    token_file: Option<Text>,
    /// Sent along with each request. Never a secret.
    #[serde(default)]
    headers: BTreeMap<String, Text>,
}

/// Where it is asked what users get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// Without the slash at the end.
    pub ofrep: String,
    pub flag: String,
    pub variant: Option<String>,
    /// None: as many as it takes.
    pub keys: Option<u32>,
    pub token: Option<SecretFrom>,
    pub headers: BTreeMap<String, String>,
}

/// What is asked after a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    #[serde(flatten)]
    pub users: Users,
    /// The share that shall have the feature, in thousandths of a percent.
    pub thousandths: u32,
    /// How many keys are evaluated.
    pub count: u32,
}

pub(crate) fn read(section: &Section) -> Result<Users, Wrong> {
    let raw: RawUsers = section.read()?;
    let keys = raw.keys.as_ref().map(|raw| section.whole("keys", raw, 1)).transpose()?;
    let keys = keys.map(|keys| u32::try_from(keys).ok().filter(|keys| *keys <= MOST_KEYS));
    let too_many = || section.at("keys").wrong(format!("expected at most {MOST_KEYS} keys"));
    Ok(Users {
        ofrep: server::base(section, "ofrep", &raw.ofrep)?,
        flag: section.text("flag", &raw.flag)?,
        variant: raw.variant.as_ref().map(|it| section.text("variant", it)).transpose()?,
        keys: keys.map(|keys| keys.ok_or_else(too_many)).transpose()?,
        token: server::secret(section, "token", raw.token_env.as_ref(), raw.token_file.as_ref())?,
        headers: server::headers(section, &raw.headers)?,
    })
}

impl Users {
    /// What is asked after a move to a share, percent; `shares`: those of all phases.
    #[must_use]
    pub fn asked(&self, share: f64, shares: &[f64]) -> Asked {
        let enough = narrowest(shares).map_or(KEYS, |(needed, _)| needed.clamp(KEYS, MOST_KEYS));
        Asked { users: self.clone(), thousandths: thousandths(share), count: self.keys.unwrap_or(enough) }
    }

    /// Why so many keys cannot tell the shares of the phases, in percent, apart.
    #[must_use]
    pub fn cannot_tell(&self, shares: &[f64]) -> Option<String> {
        let (needed, (lower, upper)) = narrowest(shares)?;
        let keys = self.keys.unwrap_or(MOST_KEYS);
        let [lower, upper] = [lower, upper].map(|share| percent(thousandths(share)));
        (needed > keys).then(|| {
            format!("{keys} keys cannot tell {lower} of users from {upper}: that takes {needed} of them")
        })
    }

    pub(crate) fn words(&self) -> String {
        let Self { ofrep, flag, variant, keys, token, headers } = self;
        let mut words = format!("flag {flag} at {ofrep}");
        if let Some(variant) = variant {
            words.push_str(&format!(", variant {variant}"));
        }
        if let Some(keys) = keys {
            words.push_str(&format!(", {keys} keys"));
        }
        if let Some(token) = token {
            words.push_str(&format!(", token of {}", token.words()));
        }
        for (name, value) in headers {
            words.push_str(&format!(", header {name}: {value}"));
        }
        words
    }
}

impl Asked {
    /// Whether so many of the keys that were evaluated are the share that was asked for.
    #[must_use]
    pub fn is_met(&self, have_it: u32) -> bool {
        let share = f64::from(self.thousandths) / f64::from(EVERYBODY);
        let found = f64::from(have_it) / f64::from(self.count.max(1));
        match self.thousandths {
            0 => have_it == 0,
            EVERYBODY => have_it == self.count,
            _ => (found - share).abs() <= DEVIATIONS * deviation(share) / f64::from(self.count.max(1)).sqrt(),
        }
    }
}

/// Of one key.
fn deviation(share: f64) -> f64 {
    (share * (1.0 - share)).sqrt()
}

/// How many keys it takes to tell the two shares that lie closest apart, and those.
fn narrowest(shares: &[f64]) -> Option<(u32, (f64, f64))> {
    let mut shares: Vec<f64> = [0.0].into_iter().chain(shares.iter().copied()).collect();
    shares.sort_by(f64::total_cmp);
    shares.dedup_by(|a, b| a.total_cmp(b).is_eq());
    let pairs = shares.windows(2).map(|pair| (needed(pair[0] / 100.0, pair[1] / 100.0), (pair[0], pair[1])));
    pairs.max_by_key(|(needed, _)| *needed)
}

/// So many that the two do not overlap.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
fn needed(lower: f64, upper: f64) -> u32 {
    (DEVIATIONS * (deviation(lower) + deviation(upper)) / (upper - lower)).powi(2).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(keys: Option<u32>) -> Users {
        let [ofrep, flag] = ["http://flagd:8016", "autosave"].map(str::to_owned);
        Users { ofrep, flag, variant: None, keys, token: None, headers: BTreeMap::new() }
    }

    /// RB-9: neighbouring shares are told apart, by more keys where they lie close together.
    #[test]
    fn there_are_keys_enough_to_tell_the_phases_apart() {
        let count = |shares: &[f64]| users(None).asked(shares[0], shares).count;
        assert_eq!(count(&[5.0, 30.0, 100.0]), 1000);
        assert_eq!(count(&[0.5, 5.0, 100.0]), 3184);
        assert_eq!(count(&[1.0, 2.0, 100.0]), 9178);
        assert_eq!(users(None).cannot_tell(&[1.0, 2.0]), None);
        assert_eq!(
            users(None).cannot_tell(&[0.01, 5.0]).unwrap(),
            "20000 keys cannot tell 0% of users from 0.01%: that takes 159984 of them"
        );
        assert!(users(Some(1000)).cannot_tell(&[0.5, 5.0]).unwrap().ends_with("that takes 3184 of them"));
    }

    /// RB-9: nobody and everybody are exact, a share lies within four standard deviations.
    #[test]
    fn a_share_is_met_by_what_chance_allows() {
        let met = |share: f64, have_it: u32| users(None).asked(share, &[5.0, 30.0, 100.0]).is_met(have_it);
        assert!(met(0.0, 0) && !met(0.0, 1));
        assert!(met(100.0, 1000) && !met(100.0, 999));
        assert!([23, 50, 77].into_iter().all(|it| met(5.0, it)));
        assert!([0, 22, 78, 300].into_iter().all(|it| !met(5.0, it)));
    }
}
