//! Dates as people write them in the United Kingdom, and as ISO 8601 has them.

use time::{Date, Month};

/// Years in which a referral can have been answered.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2100;

/// A date, with a time if there is one, as FHIR writes it: `2026-11-30` or `2026-11-30T09:15:00Z`.
///
/// Read are `30/11/2026`, `30-11-2026`, `30.11.2026` and `2026-11-30`, each with `09:15` or `09:15:30` behind it, and an
/// ISO time with its offset. A time without an offset counts as UTC. Years have four digits: of `01/02/03` nobody could
/// say what it means.
pub(crate) fn fhir(text: &str) -> Option<String> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time.trim())),
        None => (text, None),
    };
    let date = day(date)?;
    match time {
        None => Some(date),
        Some(time) => Some(format!("{date}T{}", of_day(time)?)),
    }
}

fn day(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(['/', '-', '.']).collect();
    let [first, second, third] = parts.as_slice() else { return None };
    let (year, month, day) = if first.len() == 4 { (first, second, third) } else { (third, second, first) };
    if year.len() != 4 {
        return None;
    }
    let year: i32 = digits(year, 4)?.try_into().ok()?;
    let month = Month::try_from(u8::try_from(digits(month, 2)?).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(digits(day, 2)?).ok()?).ok()?;
    YEARS.contains(&year).then(|| format!("{year:04}-{:02}-{:02}", u8::from(date.month()), date.day()))
}

fn of_day(text: &str) -> Option<String> {
    let end = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (time, offset) = text.split_at_checked(end)?;
    let offset = match offset {
        "" | "Z" => "Z".to_owned(),
        other => {
            let (hours, minutes) = other.get(1..)?.split_once(':')?;
            let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            format!("{}{hours:02}:{minutes:02}", other.get(..1)?)
        }
    };
    // Fractions of a second place nothing that people report.
    let time = time.split('.').next()?;
    let parts: Option<Vec<u32>> = time.split(':').map(|part| digits(part, 2)).collect();
    match parts?.as_slice() {
        [hour, minute] if *hour < 24 && *minute < 60 => Some(format!("{hour:02}:{minute:02}:00{offset}")),
        [hour, minute, second] if *hour < 24 && *minute < 60 && *second < 60 => {
            Some(format!("{hour:02}:{minute:02}:{second:02}{offset}"))
        }
        _ => None,
    }
}

fn digits(text: &str, most: usize) -> Option<u32> {
    let plain = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::fhir;

    #[test]
    fn both_ways_of_writing_are_one_date() {
        for (text, date) in [
            ("30/11/2026", "2026-11-30"),
            (" 3/1/2026 ", "2026-01-03"),
            ("30-11-2026", "2026-11-30"),
            ("30.11.2026", "2026-11-30"),
            ("2026-11-30", "2026-11-30"),
            ("29/02/2028", "2028-02-29"),
            ("30/11/2026 09:15", "2026-11-30T09:15:00Z"),
            ("30/11/2026 9:15:07", "2026-11-30T09:15:07Z"),
            ("2026-11-30T09:15:00+01:00", "2026-11-30T09:15:00+01:00"),
            ("2026-11-30T09:15:00.250Z", "2026-11-30T09:15:00Z"),
        ] {
            assert_eq!(fhir(text).as_deref(), Some(date), "{text}");
        }
    }

    #[test]
    fn what_could_mean_anything_means_nothing() {
        for text in [
            "",
            "yesterday",
            "11/30/2026",
            "30/11/26",
            "29/02/2026",
            "32/01/2026",
            "01/01/1999",
            "2026-11",
            "46356",
            "30/11/2026 25:00",
            "30/11/2026 9",
            "2026-11-30T09:15:00+99:00",
            "30/11/2026 09:15:é",
            "30/+1/2026",
        ] {
            assert_eq!(fhir(text), None, "{text}");
        }
    }
}
