//! The times at which a rule is closed.

use super::part::{Object, Part, Unusable, refuse_doubles};
use crate::{
    approval::rules::{Day, MINUTES_OF_A_DAY, Window},
    time_zone::TimeZone,
};

/// The most closed times of a rule.
const MAX_WINDOWS: usize = 50;

/// The longest reason, in characters.
const MAX_WHY: usize = 200;

const DAYS: [(&str, Day); 7] = [
    ("Mon", Day::Monday),
    ("Tue", Day::Tuesday),
    ("Wed", Day::Wednesday),
    ("Thu", Day::Thursday),
    ("Fri", Day::Friday),
    ("Sat", Day::Saturday),
    ("Sun", Day::Sunday),
];

/// Reads `closed`.
pub fn windows(part: &Part<'_>, unusable: &mut Unusable) -> Vec<Window> {
    part.list(MAX_WINDOWS, unusable).iter().filter_map(|part| window(part, unusable)).collect()
}

fn window(part: &Part<'_>, unusable: &mut Unusable) -> Option<Window> {
    let mut object = part.object(unusable)?;
    let days = match object.take("days") {
        Some(part) => days(&part, unusable),
        None => DAYS.map(|(_, day)| day).to_vec(),
    };
    let from = time(&mut object, "from", MINUTES_OF_A_DAY - 1, unusable);
    let to = time(&mut object, "to", MINUTES_OF_A_DAY, unusable);
    let zone = object.need("time_zone", unusable).and_then(|part| {
        part.text("the IANA's name of a time zone, such as Europe/Berlin", unusable, TimeZone::parse)
    });
    let why = object.take("why").map_or(Some(String::new()), |part| {
        let is_why = |text: &str| {
            text.chars().count() <= MAX_WHY && !text.contains(char::is_control) && !text.trim().is_empty()
        };
        part.text("a reason of at most 200 characters, in one line", unusable, |text| {
            is_why(text).then(|| text.to_owned())
        })
    });
    object.finish(unusable);
    if from.is_some() && from == to {
        part.refuse("from and to must differ; a whole day is from 00:00 to 24:00", unusable);
    }
    Some(Window { days, from: from?, to: to?, zone: zone?, why: why? })
}

fn days(part: &Part<'_>, unusable: &mut Unusable) -> Vec<Day> {
    let parts = part.list(DAYS.len(), unusable);
    let read = |part: &Part<'_>, unusable: &mut Unusable| {
        part.text("one of Mon, Tue, Wed, Thu, Fri, Sat and Sun", unusable, |text| {
            DAYS.iter().find(|(name, _)| *name == text)
        })
    };
    let found: Vec<_> = parts.iter().map(|part| read(part, unusable)).collect();
    let names: Vec<_> = found.iter().map(|day| day.map(|(name, _)| (*name).to_owned())).collect();
    refuse_doubles(&parts, names.iter().map(Option::as_ref), unusable);
    found.into_iter().flatten().map(|(_, day)| *day).collect()
}

fn time(object: &mut Object<'_>, name: &str, last: u16, unusable: &mut Unusable) -> Option<u16> {
    let expected = match last {
        MINUTES_OF_A_DAY => "a time from 00:00 to 24:00",
        _ => "a time from 00:00 to 23:59",
    };
    object.need(name, unusable)?.text(expected, unusable, |text| minutes(text).filter(|time| *time <= last))
}

/// The minutes of `HH:MM`.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u16>().ok())?
    };
    number(minutes).filter(|minutes| *minutes < 60).and_then(|minutes| Some(number(hours)? * 60 + minutes))
}
