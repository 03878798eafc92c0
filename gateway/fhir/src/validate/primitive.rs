//! The grammar of R4's primitive types (datatypes, "Primitive Types").
//!
//! Knows text and numbers only: not which element they stand in, and no code systems.

use super::narrative;
use crate::instant;
use crate::{IssueCode, Json};

/// What is wrong with a primitive; the value itself is not told.
pub(super) type Fault = (IssueCode, &'static str);

/// R4 limits strings to one megabyte of Unicode characters.
const MAX_CHARACTERS: usize = 1024 * 1024;

/// Checks one value of a primitive type.
pub(super) fn check(type_code: &str, value: &Json) -> Result<(), Fault> {
    match (type_code, value) {
        ("boolean", Json::Bool(_)) => Ok(()),
        ("boolean", _) => Err((IssueCode::Structure, "a boolean is JSON true or false, without quotes")),
        ("decimal" | "integer" | "unsignedInt" | "positiveInt", Json::Number(text)) => number(type_code, text),
        ("decimal" | "integer" | "unsignedInt" | "positiveInt", _) => {
            Err((IssueCode::Structure, "a number is a JSON number, without quotes"))
        }
        (_, Json::String(text)) if text.is_empty() => Err((IssueCode::Structure, "a string is not empty")),
        (_, Json::String(text)) => string(type_code, text),
        _ => Err((IssueCode::Structure, "a JSON string belongs here")),
    }
}

fn number(type_code: &str, text: &str) -> Result<(), Fault> {
    let whole = || is_plain_integer(text).then(|| text.parse::<i32>().ok()).flatten();
    let (holds, diagnostics) = match type_code {
        "integer" => (whole().is_some(), "an integer has no fraction or exponent and fits 32 bits"),
        "unsignedInt" => (whole().is_some_and(|n| n >= 0), "an unsignedInt is an integer of 0 or more"),
        "positiveInt" => (whole().is_some_and(|n| n >= 1), "a positiveInt is an integer of 1 or more"),
        _ => (is_decimal(text), "a decimal is digits with at most one point and an exponent"),
    };
    verdict(holds, diagnostics)
}

fn string(type_code: &str, text: &str) -> Result<(), Fault> {
    let (holds, diagnostics) = match type_code {
        "code" => (is_code(text), "a code has no spaces but single ones between words"),
        "id" => (is_id(text), "an id is 1 to 64 letters, digits, hyphens and points"),
        "uri" | "url" | "canonical" => (!text.contains(char::is_whitespace), "a URI has no whitespace"),
        "oid" => (is_oid(text), "an oid is urn:oid: and numbers separated by points"),
        "uuid" => (is_uuid(text), "a uuid is urn:uuid: and a UUID in small letters"),
        "date" => (
            !text.contains('T') && instant::parse(text).is_some(),
            "a date is YYYY, YYYY-MM or YYYY-MM-DD of the calendar",
        ),
        "dateTime" => (
            instant::parse(text).is_some(),
            "a dateTime is a date, or YYYY-MM-DDThh:mm:ss with optional fraction and a zone (Z or +hh:mm)",
        ),
        "instant" => (
            text.contains('T') && instant::parse(text).is_some(),
            "an instant is YYYY-MM-DDThh:mm:ss with optional fraction and a zone (Z or +hh:mm)",
        ),
        "time" => (is_time(text), "a time is hh:mm:ss with optional fraction and no zone"),
        "base64Binary" => (is_base64(text), "base64Binary is base64 with padding"),
        "xhtml" => return narrative::check(text).map_err(|diagnostics| (IssueCode::Invariant, diagnostics)),
        _ => (is_text(text), "a string has something else than whitespace, no control characters, and at most 1 MB"),
    };
    verdict(holds, diagnostics)
}

fn verdict(holds: bool, diagnostics: &'static str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err((IssueCode::Value, diagnostics)) }
}

/// `[0]|[-+]?[1-9][0-9]*`; JSON has no leading plus.
fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text == "0" || (!digits.starts_with('0') && all_digits(digits))
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(head, tail)| (head, Some(tail)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(head, tail)| (head, Some(tail)));
    (whole == "0" || (!whole.starts_with('0') && all_digits(whole)))
        && fraction.is_none_or(all_digits)
        && exponent.is_none_or(|digits| all_digits(digits.strip_prefix(['+', '-']).unwrap_or(digits)))
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The regex of R4 lets control characters other than tab, line feed and return pass no more than its text does.
fn is_text(text: &str) -> bool {
    text.chars().any(|character| !character.is_whitespace())
        && !text.chars().any(|character| u32::from(character) < 0x20 && !matches!(character, '\t' | '\n' | '\r'))
        && (text.len() <= MAX_CHARACTERS || text.chars().count() <= MAX_CHARACTERS)
}

/// `[^\s]+(\s[^\s]+)*`
fn is_code(text: &str) -> bool {
    is_text(text) && text.split(char::is_whitespace).all(|word| !word.is_empty())
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

/// `urn:oid:[0-2](\.(0|[1-9][0-9]*))+`
fn is_oid(text: &str) -> bool {
    let Some(mut arcs) = text.strip_prefix("urn:oid:").map(|oid| oid.split('.')) else { return false };
    let root_is_known = matches!(arcs.next(), Some("0" | "1" | "2"));
    let mut count = 0_usize;
    let others_are_numbers = arcs.all(|arc| {
        count += 1;
        arc == "0" || (!arc.starts_with('0') && all_digits(arc))
    });
    root_is_known && others_are_numbers && count > 0
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// `hh:mm:ss` with a fraction. The seconds may be 60, as the regex of R4 has it.
fn is_time(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(head, tail)| (head, Some(tail)));
    let mut parts = clock.split(':');
    let mut part = |limit: u8| {
        parts
            .next()
            .is_some_and(|part| part.len() == 2 && all_digits(part) && part.parse::<u8>().is_ok_and(|n| n < limit))
    };
    let holds = part(24) && part(60) && part(61);
    holds && parts.next().is_none() && fraction.is_none_or(all_digits)
}

/// Characters of base64 in groups of four, whitespace anywhere, padding only at the end.
fn is_base64(text: &str) -> bool {
    let mut length = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => length += 1,
            b'=' if padding < 2 => padding += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => return false,
        }
    }
    length > 0 && (length + padding).is_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_takes_its_own_and_refuses_the_rest() {
        let uuid = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0";
        let cases: [(&str, &[&str], &[&str]); 14] = [
            ("string", &["a", " a\tb\r\n", "é"], &[" ", "\u{a0}", "a\u{1}", "a\u{0}"]),
            ("markdown", &["# a\n\nb"], &["\n"]),
            ("code", &["final", "entered in error"], &[" a", "a ", "a  b", "a\u{1}b"]),
            ("id", &["a", "A-1.b", &"x".repeat(64)], &["a_b", "a b", "é", &"x".repeat(65)]),
            ("uri", &["http://a.b/c", "#x", "a", "urn:x"], &["a b", "a\n", " a"]),
            ("canonical", &["http://a.b/c|1.0"], &["a\tb"]),
            (
                "oid",
                &["urn:oid:2.16.840", "urn:oid:1.0"],
                &["2.16", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.01", "urn:oid:1."],
            ),
            (
                "uuid",
                &[uuid],
                &[&uuid[9..], &uuid.to_uppercase(), &uuid[..44], "urn:uuid:0c3151bd+1cbf-4d64-b04d-cd9187a4c6e0"],
            ),
            (
                "date",
                &["2024", "2024-02", "2024-02-29"],
                &["2023-02-29", "2024-13", "24", "0000", "2024-1-1", "2024-02-29T00:00:00Z"],
            ),
            (
                "dateTime",
                &["2024", "2024-02-29T10:00:00Z", "2024-02-29T10:00:60+00:00", "2024-02-29T10:00:00.123456-14:00"],
                &[
                    "2024-02-29T10:00Z",
                    "2024-02-29T10:00:00",
                    "2024-02-29T24:00:00Z",
                    "2024-02-30T10:00:00Z",
                    "2024-02T10:00:00Z",
                ],
            ),
            (
                "instant",
                &["2024-02-29T10:00:00Z", "2024-02-29T10:00:00.123456789+05:30", "2016-12-31T23:59:60Z"],
                &[
                    "2024-02-29",
                    "2024-02-29T10:00:00",
                    "2024-02-29T10:00:00.Z",
                    "2024-02-29t10:00:00Z",
                    "2024-02-29T10:61:00Z",
                ],
            ),
            (
                "time",
                &["10:00:00", "23:59:60", "10:00:00.5"],
                &["10:00", "24:00:00", "10:60:00", "10:00:61", "10:00:00Z", "1:00:00", "10:00:00."],
            ),
            ("base64Binary", &["QUJD", "QQ==", "QU\nI="], &["QUJ", "Q===", "Q=QQ", "QUJ*", "===="]),
            ("xhtml", &["<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"], &["<div>a</div>"]),
        ];
        for (type_code, good, bad) in cases {
            for text in good {
                assert_eq!(check(type_code, &Json::string(*text)), Ok(()), "{type_code} {text:?}");
            }
            for text in bad {
                let fault = check(type_code, &Json::string(*text)).expect_err(text);
                assert_ne!(fault.0, IssueCode::Structure, "{type_code} {text:?}");
            }
            for other in
                [Json::string(""), Json::Bool(true), Json::Number("1".to_owned()), Json::Null, Json::Array(vec![])]
            {
                assert_eq!(check(type_code, &other).map_err(|fault| fault.0), Err(IssueCode::Structure), "{type_code}");
            }
        }
    }

    #[test]
    fn numbers_and_booleans_keep_to_their_range() {
        let cases: [(&str, &[&str], &[&str]); 4] = [
            ("integer", &["0", "-1", "2147483647"], &["2147483648", "1.0", "1e2", "01", "-0", ""]),
            ("unsignedInt", &["0", "1"], &["-1", "0.0"]),
            ("positiveInt", &["1"], &["0", "-1"]),
            (
                "decimal",
                &["0", "-0.10", "1.00", "1e400", "123456789012345678901234.5", "1E-3"],
                &["1.", ".5", "01.5", "1e", "NaN", "--1", ""],
            ),
        ];
        for (type_code, good, bad) in cases {
            for text in good {
                assert_eq!(check(type_code, &Json::Number((*text).to_owned())), Ok(()), "{type_code} {text}");
            }
            for text in bad {
                let fault = check(type_code, &Json::Number((*text).to_owned())).expect_err(text);
                assert_eq!(fault.0, IssueCode::Value, "{type_code} {text}");
            }
            assert_eq!(check(type_code, &Json::string("1")).map_err(|fault| fault.0), Err(IssueCode::Structure));
        }
        assert_eq!(check("boolean", &Json::Bool(false)), Ok(()));
        assert_eq!(check("boolean", &Json::string("false")).map_err(|fault| fault.0), Err(IssueCode::Structure));
    }
}
