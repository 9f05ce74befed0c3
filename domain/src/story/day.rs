//! Which civil day a report is about, and when it is due; in the zone the policy names, whatever its clocks do. Pure.

use crate::policy::DailyReport;
use jiff::ToSpan as _;
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use shared_types::{Timestamp, Window};

/// The zone of targets whose policy asks for no report.
const NO_ZONE: &str = "UTC";

/// A day in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    pub date: Date,
    pub window: Window,
    pub zone: Zone,
}

/// A time zone by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    pub name: String,
    zone: TimeZone,
}

/// A report that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueReport {
    pub day: Day,
    pub due_at: Timestamp,
}

impl Zone {
    /// The policy's, or UTC. A checked policy names one that exists.
    #[must_use]
    pub fn of(policy: Option<&DailyReport>) -> Self {
        Self::named(policy.map_or(NO_ZONE, |it| it.time_zone.as_str()))
    }

    /// By its IANA name; UTC if there is none of that name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match TimeZoneDatabase::bundled().get(name) {
            Ok(zone) => Self { name: name.to_owned(), zone },
            Err(_) => Self { name: NO_ZONE.to_owned(), zone: TimeZone::UTC },
        }
    }

    /// The day a moment lies in.
    #[must_use]
    pub fn date_of(&self, moment: Timestamp) -> Date {
        self.local(moment).date()
    }

    /// `HH:MM` as clocks there show it.
    #[must_use]
    pub fn clock(&self, moment: Timestamp) -> String {
        self.local(moment).strftime("%H:%M").to_string()
    }

    /// A day, from its first moment to that of the next.
    ///
    /// # Errors
    /// It lies beyond the years that can be told.
    pub fn day(&self, date: Date) -> Result<Day, jiff::Error> {
        let start = |date: Date| date.to_zoned_datetime(self.zone.clone()).map(|it| moment(&it));
        let window = Window { start: start(date)?, end: start(date.tomorrow()?)? };
        Ok(Day { date, window, zone: self.clone() })
    }

    /// The newest report that is due at `now`: of the day before the newest `at`. Days that were slept through are not
    /// made up for: of yesterday's report something can be done, of those before it nothing.
    ///
    /// # Errors
    /// As [`Self::day`].
    pub fn newest_due(&self, at: Time, now: Timestamp) -> Result<DueReport, jiff::Error> {
        let today = self.date_of(now);
        let due_on =
            |date: Date| date.to_datetime(at).to_zoned_datetime(self.zone.clone()).map(|it| moment(&it));
        let (date, due_at) = match due_on(today)? {
            due if due <= now => (today, due),
            _ => (today.yesterday()?, due_on(today.yesterday()?)?),
        };
        Ok(DueReport { day: self.day(date.checked_sub(1.day())?)?, due_at })
    }

    fn local(&self, moment: Timestamp) -> jiff::ZonedDateTime {
        moment.to_jiff().to_zoned_datetime(self.zone.clone())
    }
}

fn moment(zoned: &jiff::ZonedDateTime) -> Timestamp {
    Timestamp::from_millis(zoned.timestamp().as_millisecond())
}

/// The policy's `HH:MM`; a checked one is a time.
#[must_use]
pub fn time_of(policy: &DailyReport) -> Time {
    policy.at.parse().unwrap_or(Time::midnight())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::fixture;

    fn zone(name: &str) -> Zone {
        let mut policy = fixture::policy().notifications.into_inner().daily_report.unwrap();
        policy.time_zone = name.to_owned();
        Zone::of(Some(&policy))
    }

    fn check(zone_name: &str, at: (i8, i8), now: &str, date: &str, due_at: &str, hours: u64) {
        let now = Timestamp::parse(now).unwrap();
        let due = zone(zone_name).newest_due(jiff::civil::time(at.0, at.1, 0, 0), now).unwrap();
        assert_eq!(due.day.date.to_string(), date, "{now}");
        assert_eq!(due.due_at, Timestamp::parse(due_at).unwrap(), "{now}");
        assert_eq!(due.day.window.length().as_secs(), hours * 3600, "{now}");
    }

    /// DA-5: the report of a day is due at `at` of the next one, there.
    #[test]
    fn the_report_of_yesterday_is_due_this_morning() {
        check("Asia/Tokyo", (9, 0), "2026-11-23T00:00:00Z", "2026-11-22", "2026-11-23T00:00:00Z", 24);
        check("Asia/Tokyo", (9, 0), "2026-11-22T23:59:59.999Z", "2026-11-21", "2026-11-22T00:00:00Z", 24);
        check("Asia/Tokyo", (9, 0), "2026-11-25T12:00:00Z", "2026-11-24", "2026-11-25T00:00:00Z", 24);
    }

    /// DA-5: where clocks change a day has 23 or 25 hours, and an hour that does not exist is passed over.
    #[test]
    fn days_on_which_the_clocks_change_are_shorter_or_longer() {
        check("Europe/Berlin", (9, 0), "2026-03-30T07:00:00Z", "2026-03-29", "2026-03-30T07:00:00Z", 23);
        check("Europe/Berlin", (9, 0), "2026-10-26T08:00:00Z", "2026-10-25", "2026-10-26T08:00:00Z", 25);
        check("Europe/Berlin", (2, 30), "2026-03-29T01:30:00Z", "2026-03-28", "2026-03-29T01:30:00Z", 24);
        check("Europe/Berlin", (2, 30), "2026-10-25T00:30:00Z", "2026-10-24", "2026-10-25T00:30:00Z", 24);
        check("Europe/Berlin", (2, 30), "2026-10-25T01:30:00Z", "2026-10-24", "2026-10-25T00:30:00Z", 24);
    }
}
