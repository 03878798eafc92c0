//! Who a document is about, who sends it and who wrote it.
//!
//! Form alone is checked. Whether a person or organisation exists, and whether the NHS number was traced, the caller knows.
//! The crate stands beside `gateway-fhir`, not on it, and so has its own check of NHS numbers: `gateway-fhir` brings the typed
//! model of R4, of which nothing is needed here.

use std::fmt;
use thiserror::Error;
use time::Date;

/// The system of NHS numbers.
pub const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// The system of ODS organisation codes.
pub const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// The system of users in the Spine Directory Service.
pub const SDS_USER_ID: &str = "https://fhir.nhs.uk/Id/sds-user-id";

/// Why a text is no identifier of its kind. The text itself is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PartyFault {
    /// Not ten digits with a right check digit (modulus 11), or one repeated digit.
    #[error("the NHS number is not ten digits with a right check digit: trace the person again")]
    NhsNumber,
    /// Not an ODS code.
    #[error("the ODS code is not 3 to 12 capital letters and digits: look it up in the ODS register")]
    OdsCode,
}

/// A well-formed NHS number. It names a person: no `Display`, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NhsNumber(String);

impl NhsNumber {
    /// Reads an NHS number, with or without spaces.
    ///
    /// # Errors
    /// [`PartyFault::NhsNumber`] unless the tenth digit is what modulus 11 asks for (NHS Data Dictionary, "NHS NUMBER").
    pub fn read(text: &str) -> Result<Self, PartyFault> {
        let digits: String = text.chars().filter(|character| *character != ' ').collect();
        let values: Option<Vec<u32>> = digits.chars().map(|character| character.to_digit(10)).collect();
        let values = values.filter(|values| values.len() == 10).ok_or(PartyFault::NhsNumber)?;
        let [head @ .., check] = values.as_slice() else { return Err(PartyFault::NhsNumber) };
        if head.iter().all(|digit| digit == check) {
            return Err(PartyFault::NhsNumber);
        }
        let sum: u32 = head.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
        // 11 stands for 0; 10 fits no digit.
        let wanted = (11 - sum % 11) % 11;
        if *check == wanted { Ok(Self(digits)) } else { Err(PartyFault::NhsNumber) }
    }

    /// The ten digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The digits as people read them: three, three, four.
    #[must_use]
    pub fn spaced(&self) -> String {
        let mut out = String::with_capacity(12);
        for (place, digit) in self.0.chars().enumerate() {
            if place == 3 || place == 6 {
                out.push(' ');
            }
            out.push(digit);
        }
        out
    }
}

impl fmt::Debug for NhsNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NhsNumber(..)")
    }
}

/// A code of the Organisation Data Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OdsCode(String);

impl OdsCode {
    /// Reads an ODS code.
    ///
    /// # Errors
    /// [`PartyFault::OdsCode`] unless it is 3 to 12 capital letters and digits.
    pub fn read(text: &str) -> Result<Self, PartyFault> {
        let fits = (3..=12).contains(&text.len());
        let form = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if fits && form { Ok(Self(text.to_owned())) } else { Err(PartyFault::OdsCode) }
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name of a person in its parts, as FHIR's `HumanName` has them.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonName {
    /// Such as "Mrs".
    pub prefix: Option<String>,
    /// Forenames, in order.
    pub given: Vec<String>,
    /// Surname. For the patient: as the Personal Demographics Service has it, as MESH routes by it.
    pub family: String,
}

impl PersonName {
    /// Prefix, forenames and surname in one line.
    #[must_use]
    pub fn whole(&self) -> String {
        let parts = self.prefix.iter().chain(&self.given).chain(std::iter::once(&self.family));
        parts.map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PersonName(..)")
    }
}

/// Whom a document is about: the identity that MESH routes by and that the practice matches.
#[derive(Clone, PartialEq, Eq)]
pub struct Patient {
    /// NHS number.
    pub nhs_number: NhsNumber,
    /// Whether the number was traced, such as by a look-up in the Personal Demographics Service.
    pub is_traced: bool,
    /// Official name.
    pub name: PersonName,
    /// Day of birth.
    pub birth_date: Date,
}

impl fmt::Debug for Patient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Patient").field("is_traced", &self.is_traced).finish_non_exhaustive()
    }
}

/// The organisation that sends a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its ODS code.
    pub ods_code: OdsCode,
    /// Its name, as ODS has it.
    pub name: String,
    /// Where the practice can ask (GPCM-SD-028 demands it).
    pub telephone: String,
}

/// Who wrote a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Official name.
    pub name: PersonName,
    /// Such as "Link worker".
    pub role: Option<String>,
    /// Where the practice can ask.
    pub telephone: Option<String>,
    /// User in the Spine Directory Service. A link worker of a voluntary organisation seldom has one.
    pub sds_user_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nhs_numbers_with_a_right_check_digit_are_read() {
        for text in ["9990000018", "999 000 0026", "9990000034", "9000000009"] {
            assert!(NhsNumber::read(text).is_ok(), "{text}");
        }
        for text in ["9990000019", "999000001", "99900000180", "9999999999", "", "999000001x", "٩٩٩٠٠٠٠٠١٨"] {
            assert_eq!(NhsNumber::read(text), Err(PartyFault::NhsNumber), "{text}");
        }
    }

    #[test]
    fn a_number_is_shown_in_groups_and_never_by_debug() {
        let number = NhsNumber::read("9990000018").unwrap();
        assert_eq!(number.spaced(), "999 000 0018");
        assert!(!format!("{number:?}").contains("999"));
    }

    #[test]
    fn ods_codes_have_their_form() {
        assert!(OdsCode::read("A81001").is_ok());
        for text in ["", "A8", "a81001", "A81-01", "A810010000000"] {
            assert_eq!(OdsCode::read(text), Err(PartyFault::OdsCode), "{text}");
        }
    }

    #[test]
    fn a_patient_is_not_told_by_debug() {
        let name = PersonName { prefix: None, given: vec!["Mo".to_owned()], family: "Canary".to_owned() };
        let birth_date = time::macros::date!(1957 - 01 - 09);
        let number = NhsNumber::read("9990000018").unwrap();
        let patient = Patient { nhs_number: number, is_traced: true, name, birth_date };
        let told = format!("{patient:?}");
        assert!(!told.contains("Canary") && !told.contains("1957") && !told.contains("999"), "{told}");
        assert_eq!(patient.name.whole(), "Mo Canary");
    }
}
