//! Identifiers of the NHS and of SNOMED CT: the system URIs, and whether a value can be one of its kind at all.
//!
//! Pure arithmetic on text. It does not know whether an NHS number, organisation or concept exists, nor who may see it.

use std::fmt;

use thiserror::Error;

/// The system of NHS numbers.
pub const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// The system of ODS organisation codes.
pub const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// The system of ODS site codes.
pub const ODS_SITE_CODE: &str = "https://fhir.nhs.uk/Id/ods-site-code";
/// The system of SNOMED CT concepts.
pub const SNOMED_CT: &str = "http://snomed.info/sct";

/// The host whose systems are found in the wild in several spellings.
const NHS_HOST: &str = "fhir.nhs.uk/";

/// A well-formed NHS number: ten digits, the last of which is right.
///
/// It names a person, so there is no `Display` and `Debug` hides it: it reaches a log only by somebody's intent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NhsNumber(String);

impl NhsNumber {
    /// The ten digits, without spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NhsNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NhsNumber(..)")
    }
}

/// Why a text is no NHS number. The text itself is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdentifierFault {
    /// Not ten digits (spaces aside).
    #[error("an NHS number has exactly ten digits")]
    Form,
    /// Ten times the same digit: a placeholder, even where its check digit happens to fit.
    #[error("an NHS number of one repeated digit is a placeholder")]
    Placeholder,
    /// The tenth digit is not the one that the first nine ask for.
    #[error("the check digit of the NHS number is wrong")]
    CheckDigit,
}

/// Reads an NHS number, written with or without spaces.
///
/// # Errors
/// [`IdentifierFault`] unless it has ten digits, not all the same, of which the tenth is the modulus 11 check digit
/// (NHS Data Dictionary, "NHS NUMBER": weights 10 to 2; a result of 11 means 0, a result of 10 has no number).
pub fn nhs_number(text: &str) -> Result<NhsNumber, IdentifierFault> {
    let digits: String = text.chars().filter(|character| *character != ' ').collect();
    let values = decimal_digits(&digits).ok_or(IdentifierFault::Form)?;
    let [head @ .., check] = values.as_slice() else { return Err(IdentifierFault::Form) };
    if head.len() != 9 {
        return Err(IdentifierFault::Form);
    }
    if head.iter().all(|digit| digit == check) {
        return Err(IdentifierFault::Placeholder);
    }
    let sum: u32 = head.iter().zip((2..=10).rev()).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    // 11 stands for 0; 10 fits no digit and so fails by itself.
    let wanted = match 11 - sum % 11 {
        11 => 0,
        other => other,
    };
    if u32::from(*check) == wanted { Ok(NhsNumber(digits)) } else { Err(IdentifierFault::CheckDigit) }
}

/// Whether this has the form of an ODS code: 3 to 12 capital letters and digits. Says nothing of its existence.
#[must_use]
pub fn is_ods_code(text: &str) -> bool {
    (3..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether this has the form of a SNOMED CT identifier: 6 to 18 digits with no leading zero, the partition of a
/// concept, description or relationship (00, 01, 02, and 10, 11, 12 which also hold a seven-digit namespace), and a
/// right Verhoeff check digit (SNOMED CT Release File Specification, "SCTID").
#[must_use]
pub fn is_sctid(text: &str) -> bool {
    if !(6..=18).contains(&text.len()) || text.starts_with('0') {
        return false;
    }
    let Some(digits) = decimal_digits(text) else { return false };
    let partition_is_known = match digits.as_slice() {
        [.., 0, 0..=2, _] => true,
        // At least one item digit before namespace, partition and check digit.
        [.., 1, 0..=2, _] => digits.len() >= 11,
        _ => false,
    };
    partition_is_known && verhoeff(&digits) == 0
}

/// Whether two identifier or code systems are the same.
///
/// Systems of `fhir.nhs.uk` circulate as `http` and `https`, with `/Id/` and `/id/`: there case and scheme do not
/// count. Every other system is compared byte by byte, so that a look-alike stays a stranger.
#[must_use]
pub fn same_system(a: &str, b: &str) -> bool {
    match (nhs_path(a), nhs_path(b)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => a == b,
    }
}

/// What follows the NHS host, if the system is one of its.
fn nhs_path(system: &str) -> Option<&str> {
    let rest = strip_prefix_any_case(system, "https://").or_else(|| strip_prefix_any_case(system, "http://"))?;
    strip_prefix_any_case(rest, NHS_HOST)
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The digits as numbers; `None` if any character is not an ASCII digit.
fn decimal_digits(text: &str) -> Option<Vec<u8>> {
    text.bytes().map(|byte| byte.is_ascii_digit().then(|| byte - b'0')).collect()
}

/// The Verhoeff checksum: 0 if the last digit is the right one. Digits are elements of the dihedral group D5, which
/// is computed here rather than tabled: rotations 0 to 4, reflections 5 to 9.
fn verhoeff(digits: &[u8]) -> u8 {
    let mut sum = 0;
    for (place, digit) in digits.iter().rev().enumerate() {
        let permuted = (0..place % 8).fold(*digit, |value, _| verhoeff_permutation(value));
        sum = dihedral_product(sum, permuted);
    }
    sum
}

fn dihedral_product(a: u8, b: u8) -> u8 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + (b - 5)) % 5,
        (false, true) => 5 + ((a - 5) + (5 - b)) % 5,
        (false, false) => (5 + a - b) % 5,
    }
}

/// Verhoeff's permutation of the ten digits.
fn verhoeff_permutation(digit: u8) -> u8 {
    match digit {
        0 => 1,
        1 => 5,
        2 => 7,
        3 => 6,
        4 => 2,
        5 => 8,
        6 => 3,
        7 => 0,
        8 => 9,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nhs_numbers_of_the_national_test_set_pass() {
        for text in ["9000000009", "9000000017", "900 000 0025", " 9000000033"] {
            assert!(nhs_number(text).is_ok(), "{text}");
        }
        assert_eq!(nhs_number("900 000 0025").unwrap().as_str(), "9000000025");
    }

    #[test]
    fn other_texts_are_no_nhs_numbers() {
        for (text, fault) in [
            ("4857773456", IdentifierFault::CheckDigit),
            ("3478526985", IdentifierFault::CheckDigit),
            ("0000000000", IdentifierFault::Placeholder),
            ("1111111111", IdentifierFault::Placeholder),
            ("900000000", IdentifierFault::Form),
            ("90000000090", IdentifierFault::Form),
            ("900000000x", IdentifierFault::Form),
            ("900-000-0009", IdentifierFault::Form),
            ("٩٠٠٠٠٠٠٠٠٩", IdentifierFault::Form),
            ("", IdentifierFault::Form),
        ] {
            assert_eq!(nhs_number(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn an_nhs_number_does_not_print_itself() {
        assert_eq!(format!("{:?}", nhs_number("9000000009").unwrap()), "NhsNumber(..)");
    }

    #[test]
    fn sctids() {
        // Social prescribing, referral to, finding; a description; a UK extension concept.
        for good in ["871731000000106", "3457005", "138875005", "404684003", "999000011000000103"] {
            assert!(is_sctid(good), "{good}");
        }
        for bad in ["138875006", "0138875005", "12345", "1388750051388750051", "13887500x", "-38875005", ""] {
            assert!(!is_sctid(bad), "{bad}");
        }
    }

    #[test]
    fn ods_codes() {
        assert!(is_ods_code("A81001") && is_ods_code("RR8") && is_ods_code("8JK98"));
        assert!(!is_ods_code("a81001") && !is_ods_code("A8") && !is_ods_code("A81 001") && !is_ods_code("ÅÅÅ"));
    }

    #[test]
    fn nhs_systems_have_many_spellings_and_others_one() {
        assert!(same_system(NHS_NUMBER, "http://fhir.nhs.uk/id/NHS-number"));
        assert!(!same_system(NHS_NUMBER, ODS_CODE));
        assert!(!same_system(NHS_NUMBER, "https://fhir.nhs.uk.example/Id/nhs-number"));
        assert!(!same_system(NHS_NUMBER, "https://fhir.nhs.uk/Id/nhs-number/"));
        assert!(!same_system(SNOMED_CT, "https://snomed.info/sct"));
        assert!(same_system(SNOMED_CT, SNOMED_CT));
    }

    proptest! {
        #[test]
        fn one_changed_digit_is_always_noticed(head in "[1-9][0-9]{8}", place in 0usize..10, step in 1u8..10) {
            for check in b'0'..=b'9' {
                let text = format!("{head}{}", char::from(check));
                if nhs_number(&text).is_err() { continue; }
                let mut bytes = text.into_bytes();
                bytes[place] = b'0' + (bytes[place] - b'0' + step) % 10;
                prop_assert!(nhs_number(std::str::from_utf8(&bytes).unwrap()).is_err());
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,24}") {
            let _ = (nhs_number(&text), is_sctid(&text), is_ods_code(&text), same_system(&text, NHS_NUMBER));
        }
    }
}
