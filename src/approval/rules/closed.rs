//! The times at which nobody may approve: every week the same, by the clocks of a zone.

use chrono::{DateTime, Utc};
use jiff::civil::{self, Weekday};

use crate::time_zone::TimeZone;

/// A day of the week.
pub type Day = Weekday;

/// The minutes that clocks show in a day, also where one has 23 or 25 hours.
pub const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// The days after which a rule that was never open counts as closed for ever: a year, with all that it does to clocks.
const DAYS_TO_LOOK: i64 = 370;

/// A time of the week at which a rule is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The days on which it begins.
    pub days: Vec<Day>,
    /// The begin, in minutes of the day, less than [`MINUTES_OF_A_DAY`].
    pub from: u16,
    /// The end, in minutes of the day; if it is before the begin, of the next day.
    pub to: u16,
    /// The zone of the clocks.
    pub zone: TimeZone,
    /// The reason, for people; may be empty.
    pub why: String,
}

/// A rule that is closed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed<'a> {
    /// The time from which it is really open again, by all that closes it; none if it never is.
    pub until: Option<DateTime<Utc>>,
    /// The reason of now.
    pub why: &'a str,
}

/// The closing by these windows that holds at `now`, if one does.
pub fn closed_at(windows: &[Window], now: DateTime<Utc>) -> Option<Closed<'_>> {
    let why = &windows.iter().find(|window| window.ends_after(now).is_some())?.why;
    let last = now + chrono::TimeDelta::days(DAYS_TO_LOOK);
    let mut until = now;
    while let Some(end) = windows.iter().filter_map(|window| window.ends_after(until)).max() {
        until = end;
        if until > last {
            return Some(Closed { until: None, why });
        }
    }
    Some(Closed { until: Some(until), why })
}

impl Window {
    /// The end of the window that `time` is in, if it is in one. In the night in which an hour comes twice it begins with
    /// the first and ends with the second.
    fn ends_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = self.zone.day(time);
        // It ends on the day after it began at the latest, by clocks that may leave a day out.
        let days = [
            today.yesterday().ok().and_then(|day| day.yesterday().ok()),
            today.yesterday().ok(),
            Some(today),
        ];
        let begun_on = days.into_iter().flatten().filter(|day| self.days.contains(&day.weekday()));
        begun_on.filter_map(|day| self.ends_after_begin(day, time)).max()
    }

    fn ends_after_begin(&self, day: civil::Date, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_next_day = self.to < self.from || self.to == MINUTES_OF_A_DAY;
        let end_day = if is_next_day { day.tomorrow().ok()? } else { day };
        let (begin, _) = self.zone.moments(clock(day, self.from)?)?;
        let (_, end) = self.zone.moments(clock(end_day, self.to % MINUTES_OF_A_DAY)?)?;
        (begin <= time && time < end).then_some(end)
    }
}

fn clock(day: civil::Date, minutes: u16) -> Option<civil::DateTime> {
    let part = |number: u16| i8::try_from(number).ok();
    Some(day.to_datetime(civil::Time::new(part(minutes / 60)?, part(minutes % 60)?, 0, 0).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: [Day; 7] =
        [Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday, Day::Saturday, Day::Sunday];

    fn window(days: &[Day], from: u16, to: u16, zone: &str) -> Window {
        let zone = TimeZone::parse(zone).expect("a zone");
        Window {
            days: days.to_vec(),
            from: from / 100 * 60 + from % 100,
            to: to / 100 * 60 + to % 100,
            zone,
            why: format!("{from}"),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    /// The time until which it is closed, if it is.
    fn until(windows: &[Window], now: &str) -> Option<DateTime<Utc>> {
        closed_at(windows, at(now)).map(|closed| closed.until.expect("not for ever"))
    }

    #[test]
    fn a_window_is_closed_from_its_begin_to_just_before_its_end() {
        let friday = [window(&[Day::Friday], 1500, 2400, "Europe/Berlin")];
        for (now, closed) in [
            ("2026-11-27T13:59:59Z", false),
            ("2026-11-27T14:00:00Z", true),
            ("2026-11-27T22:59:59Z", true),
            ("2026-11-27T23:00:00Z", false),
            ("2026-11-26T15:00:00Z", false),
        ] {
            let expected = closed.then(|| at("2026-11-27T23:00:00Z"));
            assert_eq!(until(&friday, now), expected, "{now}");
        }
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = [window(&[Day::Friday], 2200, 600, "Europe/Berlin")];
        assert_eq!(until(&night, "2026-11-28T04:59:59Z"), Some(at("2026-11-28T05:00:00Z")));
        for open in ["2026-11-27T04:00:00Z", "2026-11-28T05:00:00Z", "2026-11-28T22:00:00Z"] {
            assert_eq!(until(&night, open), None, "{open}");
        }
        let midnight = [window(&[Day::Friday], 2200, 0, "Europe/Berlin")];
        assert_eq!(until(&midnight, "2026-11-27T22:30:00Z"), Some(at("2026-11-27T23:00:00Z")));
    }

    #[test]
    fn both_nights_of_daylight_saving_are_as_long_as_the_clocks_say() {
        let night = [window(&[Day::Saturday], 2200, 600, "Europe/Berlin")];
        // Seven hours in March, nine in October.
        assert_eq!(until(&night, "2026-03-28T21:00:00Z"), Some(at("2026-03-29T04:00:00Z")));
        assert_eq!(until(&night, "2026-10-24T20:00:00Z"), Some(at("2026-10-25T05:00:00Z")));
        assert_eq!(until(&night, "2026-10-25T05:00:00Z"), None);
        // 02:30 never comes in March, and twice in October.
        let into = [window(&[Day::Saturday], 2200, 230, "Europe/Berlin")];
        assert_eq!(until(&into, "2026-03-28T23:00:00Z"), Some(at("2026-03-29T01:00:00Z")));
        assert_eq!(until(&into, "2026-10-25T00:45:00Z"), Some(at("2026-10-25T01:30:00Z")));
        let out_of = [window(&[Day::Sunday], 230, 600, "Europe/Berlin")];
        assert_eq!(until(&out_of, "2026-03-29T00:59:59Z"), None);
        assert_eq!(until(&out_of, "2026-03-29T01:00:00Z"), Some(at("2026-03-29T04:00:00Z")));
        assert_eq!(until(&out_of, "2026-10-25T00:30:00Z"), Some(at("2026-10-25T05:00:00Z")));
        assert_eq!(until(&out_of, "2026-10-25T01:15:00Z"), Some(at("2026-10-25T05:00:00Z")));
    }

    #[test]
    fn windows_that_follow_one_another_are_closed_until_the_last_has_ended() {
        let weekend = [
            window(&[Day::Monday], 0, 800, "Europe/Berlin"),
            window(&[Day::Saturday, Day::Sunday], 0, 2400, "Europe/Berlin"),
            window(&[Day::Friday], 1500, 2400, "Europe/Berlin"),
        ];
        let closed = closed_at(&weekend, at("2026-11-27T14:00:00Z")).expect("closed");
        assert_eq!(closed, Closed { until: Some(at("2026-11-30T07:00:00Z")), why: "1500" });
        // The clocks of another zone close it a little longer.
        let zones = [weekend.to_vec(), vec![window(&[Day::Monday], 100, 900, "Europe/London")]].concat();
        assert_eq!(until(&zones, "2026-11-27T14:00:00Z"), Some(at("2026-11-30T09:00:00Z")));
    }

    #[test]
    fn a_rule_that_is_closed_for_ever_says_so() {
        let never =
            |windows: &[Window]| closed_at(windows, at("2026-11-27T14:00:00Z")).map(|closed| closed.until);
        assert_eq!(never(&[window(&WEEK, 0, 2400, "UTC")]), Some(None));
        let halves = [window(&WEEK, 600, 1800, "UTC"), window(&WEEK, 1800, 600, "UTC")];
        assert_eq!(never(&halves), Some(None));
        assert_eq!(closed_at(&[], at("2026-11-27T14:00:00Z")), None);
    }

    #[test]
    fn a_rule_that_opens_for_a_few_weeks_of_the_year_is_not_closed_for_ever() {
        // Berlin and New York put their clocks forward on different days.
        let windows =
            [window(&WEEK, 1200, 1100, "Europe/Berlin"), window(&WEEK, 600, 500, "America/New_York")];
        assert_eq!(until(&windows, "2026-11-27T14:00:00Z"), Some(at("2026-11-28T10:00:00Z")));
        let windows = [
            window(&WEEK, 1200, 1100, "Europe/Berlin"),
            window(&WEEK, 500, 430, "America/New_York"),
            window(&WEEK, 430, 500, "America/New_York"),
        ];
        assert_eq!(closed_at(&windows, at("2026-11-27T14:00:00Z")).map(|closed| closed.until), Some(None));
        // From 11 to 12 in Berlin it is 5 in New York, but 6 from 8 to 28 March.
        let windows =
            [window(&WEEK, 1200, 1100, "Europe/Berlin"), window(&WEEK, 500, 600, "America/New_York")];
        assert_eq!(until(&windows, "2026-11-27T14:00:00Z"), Some(at("2027-03-14T10:00:00Z")));
    }
}
