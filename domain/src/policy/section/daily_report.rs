//! `notifications.daily_report`: when and where each day is told.

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::PhaseId;

use super::channel::address;
use super::phases::known_phases;
use crate::kinds::Kinds;
use crate::notifiers::Address;
use crate::policy::at::At;
use crate::policy::check::{Checked, Path, WrongPlaces};
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
    phases: Option<&[PhaseId]>,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> Option<DailyReport> {
    let at = wrong.note(time_of_day(&raw.at, &path.key("at")));
    let time_zone = wrong.note(time_zone(&raw.time_zone, &path.key("time_zone")));
    let phases = wrong.note(known_phases(&raw.phases, phases, &path.key("phases")));
    let channel = wrong.note(address(&raw.channel, kinds, false, &path.key("channel")));
    Some(DailyReport { phases: phases?, at: at?, time_zone: time_zone?, channel: channel? })
}

fn time_of_day(raw: &At<String>, path: &Path) -> Checked<String> {
    let two_digits = |text: &str| match text.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    };
    let parts = raw.value.split_once(':');
    let time = parts.and_then(|(hour, minute)| Some((two_digits(hour)?, two_digits(minute)?)));
    if time.is_some_and(|(hour, minute)| hour < 24 && minute < 60) {
        return Ok(raw.value.clone());
    }
    Err(raw.wrong(path, format!("expected a time of day such as \"09:00\", found `{}`", raw.value)))
}

/// One of the zones built into the program: which are known must not depend on the machine.
fn time_zone(raw: &At<String>, path: &Path) -> Checked<String> {
    if jiff::tz::TimeZoneDatabase::bundled().get(&raw.value).is_ok() {
        return Ok(raw.value.clone());
    }
    Err(raw.wrong(path, format!("expected an IANA time zone such as Asia/Tokyo, found `{}`", raw.value)))
}

pub(crate) fn words(daily: Option<&DailyReport>) -> String {
    match daily {
        None => "none".to_owned(),
        Some(DailyReport { phases, at, time_zone, channel }) => {
            format!("in {} at {at} {time_zone} to {channel}", phase_names(phases.iter()))
        }
    }
}
