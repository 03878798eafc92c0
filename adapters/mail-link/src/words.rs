//! FHIR's data types in words: names, addresses, concepts, dates, quantities.

use crate::document::{Said, View};
use time::{Date, Month};

/// What a `CodeableConcept` says: its text, and the displays that say something else; its code where it has no words.
pub(crate) fn concept(concept: View<'_>) -> Option<Said> {
    let text = concept.words("text");
    let mut all: Vec<Said> = text.into_iter().collect();
    for coding in concept.items("coding") {
        let Some(display) = coding.words("display") else { continue };
        match all.iter_mut().find(|known| known.text.eq_ignore_ascii_case(&display.text)) {
            Some(known) => known.from.extend(display.from),
            None => all.push(display),
        }
    }
    let mut all = all.into_iter();
    match all.next() {
        Some(first) => Some(first.noting(Said::join(all, "; "))),
        None => Said::join(concept.items("coding").into_iter().filter_map(code), "; "),
    }
}

fn code(coding: View<'_>) -> Option<Said> {
    Some(coding.words("code")?.map(|code| format!("code {code}")))
}

/// Concepts of a list, each on its own.
pub(crate) fn concepts(of: View<'_>, name: &str) -> Vec<Said> {
    of.items(name).into_iter().filter_map(concept).collect()
}

/// A `HumanName`, in the order in which it is spoken.
pub(crate) fn name(name: View<'_>) -> Option<Said> {
    let whole = name.words("text").or_else(|| {
        let parts = ["prefix", "given", "family", "suffix"];
        let words = parts.into_iter().flat_map(|part| name.items(part)).filter_map(View::said);
        Said::join(words, " ")
    })?;
    // Which of several was taken.
    Some(whole.because_of(name.steering(&["use"])))
}

/// The name by which a person goes: the usual one, the official one, the first that is not old.
pub(crate) fn chosen_name(of: View<'_>) -> Option<Said> {
    let names = of.items("name");
    let used = |wanted: &str| names.iter().copied().find(|name| name.peek("use") == Some(wanted)).and_then(self::name);
    let current = || names.iter().copied().filter(|name| name.peek("use") != Some("old")).find_map(self::name);
    used("usual").or_else(|| used("official")).or_else(current).or_else(|| names.iter().copied().find_map(self::name))
}

/// A `ContactPoint` with what it is: `Telephone (mobile)` and the number. Old ones are none.
pub(crate) fn contact(point: View<'_>) -> Option<(String, Said)> {
    if point.peek("use") == Some("old") {
        return None;
    }
    let system = match point.peek("system") {
        Some("phone") => "Telephone",
        Some("email") => "E-mail",
        Some("sms") => "Text messages",
        Some("fax") => "Fax",
        Some("url") => "Web page",
        Some("pager") => "Pager",
        _ => "Contact",
    };
    let label = match point.peek("use") {
        Some(place) => format!("{system} ({place})"),
        None => system.to_owned(),
    };
    Some((label, point.words("value")?.because_of(point.steering(&["system", "use"]))))
}

/// An `Address` in lines. Old ones are none.
pub(crate) fn address(address: View<'_>) -> Option<(String, Said)> {
    if address.peek("use") == Some("old") {
        return None;
    }
    let parts = ["line", "city", "district", "state", "postalCode", "country"];
    let lines = parts.into_iter().flat_map(|part| address.items(part)).filter_map(View::said);
    let whole = match Said::join(lines, "\n") {
        Some(lines) => lines,
        None => address.words("text")?,
    };
    let label = address.peek("use").map_or_else(|| "Address".to_owned(), |place| format!("Address ({place})"));
    Some((label, whole.because_of(address.steering(&["use"]))))
}

/// A date or time as people write it: `3 April 1990`, `April 1990`, `3 April 1990, 14:30 UTC`. What is none stays as it is.
pub(crate) fn date(date: Said) -> Said {
    date.map(|text| written_out(text).unwrap_or_else(|| text.to_owned()))
}

/// Whether it is a date or time, and so nothing else.
pub(crate) fn is_date(text: &str) -> bool {
    written_out(text).is_some()
}

fn written_out(text: &str) -> Option<String> {
    let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
    let parts: Vec<&str> = day.split('-').collect();
    let month = |text: &str| text.parse::<u8>().ok().and_then(|number| Month::try_from(number).ok());
    let day = match parts.as_slice() {
        [year] if year.len() == 4 && year.parse::<u16>().is_ok() => (*year).to_owned(),
        [year, number] if year.len() == 4 => format!("{} {}", month(number)?, year.parse::<u16>().ok()?),
        [year, number, day] if year.len() == 4 => {
            let date = Date::from_calendar_date(year.parse().ok()?, month(number)?, day.parse().ok()?).ok()?;
            format!("{} {} {:04}", date.day(), date.month(), date.year())
        }
        _ => return None,
    };
    let Some(time) = time else { return Some(day) };
    let zone = time.find(['Z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone)?;
    // Nobody acts on seconds, and midnight with a zone is written for a day.
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let minutes = clock.get(..5).filter(|text| text.split(':').all(|part| part.len() == 2 && digits(part)))?;
    let zone = if zone == "Z" { "UTC" } else { zone };
    Some(format!("{day}, {minutes} {zone}"))
}

/// A `Period`: `from … to …`.
pub(crate) fn period(period: View<'_>) -> Option<Said> {
    let start = period.words("start").map(|start| date(start).map(|text| format!("from {text}")));
    let end = period.words("end").map(|end| date(end).map(|text| format!("until {text}")));
    Said::join(start.into_iter().chain(end), " ")
}

/// A `Quantity` as it was written.
pub(crate) fn quantity(quantity: View<'_>) -> Option<Said> {
    let value = quantity.words("value")?;
    let value = match quantity.words("comparator") {
        Some(comparator) => comparator.and(" ", &value),
        None => value,
    };
    match quantity.words("unit").or_else(|| quantity.words("code")) {
        Some(unit) => Some(value.and(" ", &unit)),
        None => Some(value),
    }
}

/// `value[x]` of an observation, a component or an answer. `None`: a type that has no words here.
pub(crate) fn value((kind, value): (&str, View<'_>)) -> Option<Said> {
    match kind {
        "CodeableConcept" => concept(value),
        "Coding" => value.words("display").or_else(|| code(value)),
        "Quantity" => quantity(value),
        "Boolean" => Some(value.said()?.map(|text| if text == "true" { "yes" } else { "no" }.to_owned())),
        "Date" | "DateTime" => value.said().map(date),
        "String" | "Integer" | "Decimal" | "Time" | "Uri" => value.said(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_out() {
        for (written, shown) in [
            ("1990-04-03", "3 April 1990"),
            ("1990-04", "April 1990"),
            ("1990", "1990"),
            ("2026-05-20T14:30:15Z", "20 May 2026, 14:30 UTC"),
            ("2026-05-20T14:30:15.123+01:00", "20 May 2026, 14:30 +01:00"),
            ("1990-02-30", "1990-02-30"),
            ("1990-13", "1990-13"),
            ("90-04-03", "90-04-03"),
            ("soon", "soon"),
            ("2026-05-20T", "2026-05-20T"),
            ("2026-05-20T1é:00Z", "2026-05-20T1é:00Z"),
        ] {
            assert_eq!(date(Said::ours(written)).text, shown);
        }
    }
}
