//! `notifications.daily_report`: when and where each day is told.

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::PhaseId;

use super::channel::address;
use super::phases::known_phases;
use crate::kinds::Kinds;
use crate::notifiers::Address;
use crate::policy::at::At;
use crate::policy::check::{Checked, Path};
use crate::policy::diff::changes::phase_names;

/// The daily report.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDailyReport {
    /// The phases in which it is made by itself.
    phases: Vec<At<String>>,
    /// Local time of day, `HH:MM`.
    at: At<String>,
    /// IANA name of the time zone, such as `Asia/Tokyo`.
    time_zone: At<String>,
    /// Where it is sent.
    channel: At<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DailyReport {
    pub phases: Vec<PhaseId>,
    /// `HH:MM`
    pub at: String,
    pub time_zone: String,
    pub channel: Address,
}

pub(crate) fn check(
    raw: &RawDailyReport,
    kinds: &Kinds,
    phases: &[PhaseId],
    path: &Path,
) -> Checked<DailyReport> {
    let two_digits = |text: &str| match text.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    };
    let time = raw
        .at
        .value
        .split_once(':')
        .and_then(|(hour, minute)| Some((two_digits(hour)?, two_digits(minute)?)));
    if !time.is_some_and(|(hour, minute)| hour < 24 && minute < 60) {
        let message = format!("expected a time of day such as \"09:00\", found `{}`", raw.at.value);
        return Err(raw.at.wrong(&path.key("at"), message));
    }
    // The zones built into the program: which are known must not depend on the machine.
    if jiff::tz::TimeZoneDatabase::bundled().get(&raw.time_zone.value).is_err() {
        let message =
            format!("expected an IANA time zone such as Asia/Tokyo, found `{}`", raw.time_zone.value);
        return Err(raw.time_zone.wrong(&path.key("time_zone"), message));
    }
    Ok(DailyReport {
        phases: known_phases(&raw.phases, phases, &path.key("phases"))?,
        at: raw.at.value.clone(),
        time_zone: raw.time_zone.value.clone(),
        channel: address(&raw.channel, kinds, false, &path.key("channel"))?,
    })
}

pub(crate) fn words(daily: Option<&DailyReport>) -> String {
    match daily {
        None => "none".to_owned(),
        Some(DailyReport { phases, at, time_zone, channel }) => {
            format!("in {} at {at} {time_zone} to {channel}", phase_names(phases.iter()))
        }
    }
}
