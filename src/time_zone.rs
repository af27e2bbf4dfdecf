//! The zone of the times that people read (`TIME_ZONE`), from the IANA's database, which is part of the program.

use chrono::{DateTime, FixedOffset, Utc};
use jiff::{Timestamp, civil, tz};

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(tz::TimeZone);

impl TimeZone {
    /// The name by which it was read.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or_default()
    }

    /// Coordinated Universal Time.
    pub const UTC: Self = Self(tz::TimeZone::UTC);

    /// The zone of this IANA name, such as `Europe/Berlin`, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let zone = tz::TimeZoneDatabase::bundled().get(name).ok()?;
        (!zone.is_unknown()).then_some(Self(zone))
    }

    /// The day in this zone.
    pub fn day(&self, time: DateTime<Utc>) -> civil::Date {
        let at = Timestamp::from_second(time.timestamp()).unwrap_or_default();
        self.0.to_datetime(at).date()
    }

    /// The first and the last moment at which clocks in this zone show this time. They differ in the night in which the
    /// hour comes twice. If it never comes, because clocks are put forward, both are the moment at which that happens.
    pub fn moments(&self, shown: civil::DateTime) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let ambiguous = self.0.to_ambiguous_timestamp(shown);
        let is_gap = matches!(ambiguous.offset(), tz::AmbiguousOffset::Gap { .. });
        let (first, last) = (ambiguous.earlier().ok()?, ambiguous.later().ok()?);
        let (first, last) = match self.0.following(first).next() {
            Some(change) if is_gap => (change.timestamp(), change.timestamp()),
            _ => (first, last),
        };
        let utc = |at: Timestamp| DateTime::from_timestamp(at.as_second(), 0);
        Some((utc(first)?, utc(last)?))
    }

    /// The time for people: day, hour and minute in this zone, and how far that is from UTC. Zones have no short names
    /// that mean one zone only.
    pub fn readable(&self, time: DateTime<Utc>) -> String {
        let seconds = Timestamp::from_second(time.timestamp()).map_or(0, |at| self.0.to_offset(at).seconds());
        // No zone is a day away.
        let offset = FixedOffset::east_opt(seconds).unwrap_or(FixedOffset::east_opt(0).expect("UTC"));
        let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
        let away = match (minutes / 60, minutes % 60) {
            (0, 0) => String::new(),
            (hours, 0) => format!("{sign}{hours}"),
            (hours, minutes) => format!("{sign}{hours}:{minutes:02}"),
        };
        format!("{} UTC{away}", time.with_timezone(&offset).format("%Y-%m-%d %H:%M"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_its_zone_in_summer_and_in_winter() {
        for (zone, time, shown) in [
            ("UTC", "2026-11-27T12:00:59Z", "2026-11-27 12:00 UTC"),
            ("Europe/Berlin", "2026-11-27T23:30:00Z", "2026-11-28 00:30 UTC+1"),
            ("europe/berlin", "2026-07-01T12:00:00Z", "2026-07-01 14:00 UTC+2"),
            ("America/St_Johns", "2026-11-27T02:00:00Z", "2026-11-26 22:30 UTC-3:30"),
            ("Asia/Kathmandu", "2026-11-27T12:00:00Z", "2026-11-27 17:45 UTC+5:45"),
            ("Etc/GMT+12", "2026-11-27T12:00:00Z", "2026-11-27 00:00 UTC-12"),
        ] {
            let zone = TimeZone::parse(zone).expect(zone);
            assert_eq!(zone.readable(time.parse().expect("a time")), shown);
        }
    }

    #[test]
    fn clocks_show_a_time_once_twice_or_never() {
        let berlin = TimeZone::parse("Europe/Berlin").expect("a zone");
        for (shown, first, last) in [
            ("2026-11-27T12:00", "2026-11-27T11:00:00Z", "2026-11-27T11:00:00Z"),
            ("2026-10-25T02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
            ("2026-03-29T02:30", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
        ] {
            let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
            let moments = berlin.moments(shown.parse().expect("a time"));
            assert_eq!(moments, Some((at(first), at(last))), "{shown}");
        }
    }

    #[test]
    fn what_is_no_name_of_the_iana_is_no_zone() {
        for unknown in ["Mars/Phobos", "W. Europe Standard Time", "+01:00", "Etc/Unknown", "../UTC", ""] {
            assert_eq!(TimeZone::parse(unknown), None, "{unknown}");
        }
    }
}
