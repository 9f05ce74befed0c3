//! `gate`: how metrics are judged.

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::decision::ViolationAction;
use strum::IntoStaticStr;

use crate::policy::at::{At, Entries};
use crate::policy::check::{Checked, Path, WrongPlaces};
use crate::policy::diff::changes::Changes;
use crate::policy::forms::{Ratio, Whole, whole};
use crate::policy::units::parse_ratio;
use crate::story::figures::format_number;

/// How metrics are judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGate {
    /// `evidence`, the default: a violation is what those windows of the epoch that were judged so far show together, and no
    /// chance. `window`: each window for itself, one quotient against one limit.
    judge: Option<At<JudgeBy>>,
    /// How rare a false alarm is: with a metric that sits exactly at its limit, one in so many windows on average; 100 to
    /// 1000000. Default 1000.
    certainty: Option<At<Whole>>,
    /// Windows between two false alarms of a version that is shown to have changed: to be worse than its control group, or than
    /// it was in the phases before; 10 to `certainty`. A lower number finds it sooner, and sends back more versions that are worse
    /// and not yet beyond the limit. Without it: as `certainty`.
    certainty_if_changed: Option<At<Whole>>,
    /// How much the rate of one version may differ between windows, good hours and bad hours; 0 to 50%. Default 15%.
    spread: Option<At<Ratio>>,
    /// With more malformed lines, or more events of unknown names, than this part of all, a window is never compliant;
    /// 100% for a source that others write to as well. Default 5%.
    pub(in crate::policy) uncounted: Option<At<Ratio>>,
    /// Windows that did not come. Default: three in a row pass, the fourth pages.
    gaps: Option<At<RawGaps>>,
    /// What a version leads to that is far worse than its control group while it keeps the limit: `hold`, the default (nothing
    /// moves up), `rollback` or `ignore`. Only for metrics with a `control`.
    on_regression: Option<At<OnRegression>>,
    /// A warning is due above this part of a threshold; between 0 and 1.
    pub(in crate::policy) warn_ratio: At<Ratio>,
    /// Windows with fewer attempts than this are put together until they hold so many; by `judge: window` quantiles and ratios
    /// of such a batch are `insufficient`.
    pub(in crate::policy) min_samples: At<Whole>,
    /// What each metric's violation leads to: `rollback`, `page` (an incident, no rollback), `hold` (blocks promotion) or `note`
    /// (advisory: shown, and never in the way).
    // Kept with each metric, see `metrics::check`.
    pub(super) on_violation: At<Entries<ViolationAction>>,
}

/// Windows that did not come.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGaps {
    /// So many in a row say nothing of the feature.
    tolerated: At<Whole>,
    /// What one more leads to, when nobody sees: `page`, `hold` or `rollback`.
    blind: At<ViolationAction>,
}

/// How a window is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum JudgeBy {
    /// With the windows before it in its epoch.
    Evidence,
    /// For itself.
    Window,
}

impl JudgeBy {
    /// Whether windows are weighed together.
    #[must_use]
    pub fn weighs(self) -> bool {
        self == Self::Evidence
    }
}

/// What a version leads to that is far worse than its control group while it keeps the limit (JU-9e).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum OnRegression {
    /// Nothing: the limit is all there is.
    Ignore,
    /// It does not move up.
    Hold,
    /// It is rolled back, as if it broke the limit.
    Rollback,
}

/// What missing windows lead to (JU-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// So many in a row pass.
    pub tolerated: u64,
    /// The one after them.
    pub blind: ViolationAction,
}

pub(crate) const EXAMPLE: &str = "\
gate:
  judge: evidence
  certainty: 1000
  certainty_if_changed: 1000
  spread: 15%
  warn_ratio: 80%
  min_samples: 50
  uncounted: 5%
  gaps: { tolerated: 3, blind: page }
  on_regression: hold
  on_violation:
    pay_latency_p95: rollback
    error_rate: rollback
    paid: rollback
    retries: note
    crashes: rollback
    traffic: page
    lost_carts: page
    collector_latency: hold
";

#[derive(Debug, Clone, PartialEq)]
pub struct GatePolicy {
    pub judge: JudgeBy,
    /// Mean windows between two false alarms of a metric that sits exactly at its limit; 100 to 1,000,000.
    pub certainty: f64,
    /// Of a version that is shown to have changed; 10 to `certainty`.
    pub certainty_if_changed: Option<f64>,
    /// 0 to 0.5.
    pub spread: f64,
    /// 0 to 1.
    pub uncounted: f64,
    pub gaps: Gaps,
    pub on_regression: OnRegression,
    /// 0 < ratio; 1 only where the lint is told to allow that there is no warn band.
    pub warn_ratio: f64,
    pub min_samples: u64,
}

const CERTAINTY: u64 = 1000;
const SPREAD: f64 = 0.15;
const SPREAD_MAX: f64 = 0.5;
const UNCOUNTED: f64 = 0.05;
const GAPS: Gaps = Gaps { tolerated: 3, blind: ViolationAction::Page };

pub(crate) fn check(raw: &RawGate, path: &Path, wrong: &mut WrongPlaces) -> Option<GatePolicy> {
    let judge = raw.judge.as_ref().map_or(JudgeBy::Evidence, |judge| judge.value);
    let certainty = match &raw.certainty {
        Some(raw) => wrong.note(certainty(raw, &path.key("certainty"))),
        None => Some(CERTAINTY),
    };
    let if_changed = raw.certainty_if_changed.as_ref().map(|raw| {
        wrong.note(if_changed(raw, certainty.unwrap_or(CERTAINTY), &path.key("certainty_if_changed")))
    });
    let spread = match &raw.spread {
        Some(raw) => wrong.note(part(raw, SPREAD_MAX, &path.key("spread"))),
        None => Some(SPREAD),
    };
    let uncounted = match &raw.uncounted {
        Some(raw) => wrong.note(part(raw, 1.0, &path.key("uncounted"))),
        None => Some(UNCOUNTED),
    };
    let gaps = match &raw.gaps {
        Some(raw) => wrong.note(gaps(&raw.value, &path.key("gaps"))),
        None => Some(GAPS),
    };
    let on_regression = raw.on_regression.as_ref().map_or(OnRegression::Hold, |it| it.value);
    let warn_ratio = wrong.note(warn_ratio(&raw.warn_ratio, &path.key("warn_ratio")));
    let min_samples = wrong.note(whole(&raw.min_samples, 0, &path.key("min_samples")));
    Some(GatePolicy {
        judge,
        certainty: certainty? as f64,
        certainty_if_changed: match if_changed {
            Some(found) => Some(found? as f64),
            None => None,
        },
        spread: spread?,
        uncounted: uncounted?,
        gaps: gaps?,
        on_regression,
        warn_ratio: warn_ratio?,
        min_samples: min_samples?,
    })
}

fn warn_ratio(raw: &At<Ratio>, path: &Path) -> Checked<f64> {
    let ratio = parse_ratio(&raw.value.0).filter(|ratio| *ratio > 0.0 && *ratio <= 1.0);
    ratio.ok_or_else(|| {
        let found = &raw.value.0;
        raw.wrong(path, format!("expected a ratio between 0 and 1, such as 0.8 or 80%, found `{found}`"))
    })
}

fn certainty(raw: &At<Whole>, path: &Path) -> Checked<u64> {
    let found = whole(raw, 0, path)?;
    if (100..=1_000_000).contains(&found) {
        return Ok(found);
    }
    Err(raw.wrong(path, format!("expected 100 to 1000000 windows between two false alarms, found `{found}`")))
}

fn if_changed(raw: &At<Whole>, certainty: u64, path: &Path) -> Checked<u64> {
    let found = whole(raw, 0, path)?;
    if (10..=certainty).contains(&found) {
        return Ok(found);
    }
    Err(raw.wrong(
        path,
        format!("expected 10 to {certainty} windows, no more than `certainty`, found `{found}`"),
    ))
}

fn part(raw: &At<Ratio>, at_most: f64, path: &Path) -> Checked<f64> {
    let found = parse_ratio(&raw.value.0).filter(|ratio| *ratio <= at_most);
    found.ok_or_else(|| {
        let message = format!("expected a ratio of 0 to {}%, found `{}`", at_most * 100.0, raw.value.0);
        raw.wrong(path, message)
    })
}

fn gaps(raw: &RawGaps, path: &Path) -> Checked<Gaps> {
    let blind = raw.blind.value;
    if blind.is_advisory() {
        let message =
            "expected `hold`, `page` or `rollback`, found `note`: that nobody sees is never only shown";
        return Err(raw.blind.wrong(&path.key("blind"), message));
    }
    Ok(Gaps { tolerated: whole(&raw.tolerated, 0, &path.key("tolerated"))?, blind })
}

pub(crate) fn diff(place: &str, old: &GatePolicy, new: &GatePolicy, list: &mut Changes) {
    let GatePolicy {
        judge,
        certainty,
        certainty_if_changed,
        spread,
        uncounted,
        gaps,
        on_regression,
        warn_ratio,
        min_samples,
    } = new;
    let if_changed = |it: Option<f64>, certainty: f64| it.unwrap_or(certainty);
    list.more_is_looser(
        place,
        "certainty_if_changed",
        if_changed(old.certainty_if_changed, old.certainty),
        if_changed(*certainty_if_changed, *certainty),
        |it| format_number(Some(it)),
    );
    let percent = |ratio: f64| format!("{}%", format_number(Some(ratio * 100.0)));
    list.text(place, "judge", old.judge.into(), (*judge).into());
    list.more_is_looser(place, "certainty", old.certainty, *certainty, |it| format_number(Some(it)));
    list.more_is_looser(place, "spread", old.spread, *spread, percent);
    list.more_is_looser(place, "uncounted", old.uncounted, *uncounted, percent);
    list.more_is_looser(place, "gaps.tolerated", old.gaps.tolerated, gaps.tolerated, |it| it.to_string());
    list.less_is_looser(place, "gaps.blind", old.gaps.blind, gaps.blind, |it| it.as_str().to_owned());
    let word = |it: OnRegression| <&str>::from(it).to_owned();
    list.less_is_looser(place, "on_regression", old.on_regression, *on_regression, word);
    list.more_is_looser(place, "warn_ratio", old.warn_ratio, *warn_ratio, percent);
    list.more_is_looser(place, "min_samples", old.min_samples, *min_samples, |it| it.to_string());
}
