//! The rules that both hand-written Rust translators share: code tables, dates, the length limit.
//!
//! They are what a careful developer would write by hand: `match` for tables, slices for dates, no regular expression.
//! The README beside this file states them in words.

use serde::{Serialize, Serializer};
use std::borrow::Cow;

pub(crate) const SCHEMA_VERSION: &str = "2.1";
pub(crate) const REFERRAL: &str = "https://gp.example/Id/referral";
pub(crate) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
pub(crate) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
pub(crate) const SNOMED: &str = "http://snomed.info/sct";
pub(crate) const LOINC: &str = "http://loinc.org";
pub(crate) const HOUSEHOLD: &str = "63512-8";
pub(crate) const SDOH: &str = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes";
pub(crate) const PROHIBITED: &str = "contacting-subject-prohibited";
pub(crate) const INTERPRETER: &str = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired";
pub(crate) const PREFERENCE: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-ContactPreference";
pub(crate) const METHOD: &str = "PreferredContactMethod";
pub(crate) const LIVES_ALONE: &str = "lives-alone";

/// Most characters of `referral.reason`, the marker included.
pub(crate) const REASON_LIMIT: usize = 240;
const MARKER: &str = "…";

/// Why a referral is not translated: which element is at fault, never what it holds.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0} is missing and the platform requires it")]
    Missing(&'static str),
    #[error("{0} is not a full date (YYYY-MM-DD)")]
    Date(&'static str),
    #[error("{0} has a code that the table does not have and no rule for such codes")]
    Code(&'static str),
    #[error("the referral is not JSON of the expected shape: {0}")]
    Json(#[from] serde_json::Error),
}

pub(crate) fn gender(code: Option<&str>) -> &'static str {
    match code {
        Some("female") => "F",
        Some("male") => "M",
        Some("other") => "O",
        _ => "N",
    }
}

/// The name of a language, or the code itself if the table does not have it.
pub(crate) fn language(code: Option<&str>) -> &str {
    match code {
        None | Some("en") => "English",
        Some("cy") => "Welsh",
        Some("pl") => "Polish",
        Some("ur") => "Urdu",
        Some("ar") => "Arabic",
        Some("zh") => "Chinese",
        Some(other) => other,
    }
}

pub(crate) fn preference(code: &str) -> &'static str {
    match code {
        "1" => "letter",
        "2" => "visit",
        "3" => "telephone",
        "4" => "e-mail",
        _ => "ask",
    }
}

pub(crate) fn telecom_kind(system: Option<&str>) -> &'static str {
    match system {
        Some("phone") => "telephone",
        Some("email") => "e-mail",
        Some("sms") => "text message",
        _ => "other",
    }
}

pub(crate) fn priority(code: Option<&str>) -> Result<&'static str, Refusal> {
    match code {
        None | Some("routine") => Ok("Standard"),
        Some("urgent" | "asap") => Ok("High"),
        Some("stat") => Ok("Emergency"),
        Some(_) => Err(Refusal::Code("ServiceRequest.priority")),
    }
}

pub(crate) fn category(sdoh: Option<&str>) -> &'static str {
    match sdoh {
        Some("food-insecurity") => "Food",
        Some("housing-instability" | "homelessness") => "Housing",
        Some("transportation-insecurity") => "Transport",
        Some("social-connection") => "Company and groups",
        Some("financial-insecurity") => "Money",
        Some("employment-status") => "Work and learning",
        _ => "General",
    }
}

pub(crate) fn problem(snomed: Option<&str>) -> &'static str {
    match snomed {
        Some("733423003") => "Food",
        Some("1156191002" | "32911000") => "Housing",
        Some("713458007") => "Transport",
        Some("422650009" | "423315002") => "Company and groups",
        Some("423656007") => "Money",
        _ => "General",
    }
}

/// A full date as the platform writes it: 31/12/2026.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DayMonthYear([u8; 10]);

impl DayMonthYear {
    /// From the first ten characters of a FHIR date or dateTime; the zone is not looked at.
    pub(crate) fn of(date: &str, path: &'static str) -> Result<Self, Refusal> {
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *full_date(date, path)?.as_bytes() else {
            return Err(Refusal::Date(path));
        };
        Ok(Self([d0, d1, b'/', m0, m1, b'/', y0, y1, y2, y3]))
    }
}

impl Serialize for DayMonthYear {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0).map_err(serde::ser::Error::custom)?)
    }
}

/// The date of a dateTime as it is written there.
pub(crate) fn full_date<'a>(date: &'a str, path: &'static str) -> Result<&'a str, Refusal> {
    let cut = date.get(..10).ok_or(Refusal::Date(path))?;
    let well_formed = cut.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if well_formed { Ok(cut) } else { Err(Refusal::Date(path)) }
}

/// A text of at most `limit` characters: a longer one is cut and ends with the marker.
pub(crate) fn limited(text: &str, limit: usize) -> Cow<'_, str> {
    // As many bytes hold at most as many characters.
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let mut starts = text.char_indices().map(|(at, _)| at);
    // Where the last character that may stay ends if the marker follows; then whether there is one too many.
    let Some(cut) = starts.nth(limit - 1) else { return Cow::Borrowed(text) };
    if starts.next().is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(cut + MARKER.len());
    out.push_str(text.get(..cut).unwrap_or_default());
    out.push_str(MARKER);
    Cow::Owned(out)
}

/// Parts of a text with a separator between them.
pub(crate) fn joined<'a>(parts: impl Iterator<Item = &'a str> + Clone, separator: &str) -> String {
    let length = parts.clone().map(|part| part.len() + separator.len()).sum();
    let mut out = String::with_capacity(length);
    for (place, part) in parts.enumerate() {
        if place > 0 {
            out.push_str(separator);
        }
        out.push_str(part);
    }
    out
}
