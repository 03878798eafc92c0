//! SNOMED CT concepts that are confirmed, each with where and when it was read: `codes.csv` beside this file.
//!
//! A row without provenance, without the day on which that was read, or whose id has a wrong check digit, is refused. Concepts that no
//! public file confirms are in no row, however likely (`docs/message-back.md` names them).

use thiserror::Error;

/// The system of SNOMED CT.
pub const SNOMED_CT: &str = "http://snomed.info/sct";

const TABLE: &str = include_str!("codes.csv");

/// What a concept is used for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// `Composition.type`.
    DocumentType,
    /// The care setting of a Composition.
    CareSetting,
    /// What was asked for.
    Referral,
    /// A score.
    Measure,
}

/// One confirmed concept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// SNOMED CT id.
    pub code: String,
    /// Its term.
    pub display: String,
    /// What it is used for here.
    pub used_for: Use,
    /// Where it was read.
    pub provenance: String,
    /// On which day, `YYYY-MM-DD`.
    pub read: String,
}

/// Why a row is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodeFault {
    /// Not five columns, or no CSV.
    #[error("line {line} is not code, display, use, provenance and read: write all five")]
    Row {
        /// Line of the table.
        line: u64,
    },
    /// The id has no right check digit.
    #[error("line {line}: {code} is no SNOMED CT id (length or check digit): look it up in a SNOMED CT browser")]
    Id {
        /// Line of the table.
        line: u64,
        /// What is written there.
        code: String,
    },
    /// Nobody says where the concept was read.
    #[error("line {line} says not where {code} was read: fill in provenance, or take the row out")]
    Provenance {
        /// Line of the table.
        line: u64,
        /// Its code.
        code: String,
    },
    /// Nobody says when.
    #[error("line {line} says not on which day the provenance of {code} was read: write it as 2026-11-30")]
    Read {
        /// Line of the table.
        line: u64,
        /// Its code.
        code: String,
    },
    /// Twice in the table.
    #[error("line {line}: {code} is in the table already")]
    Twice {
        /// Line of the table.
        line: u64,
        /// Its code.
        code: String,
    },
    /// A use that there is not.
    #[error("line {line}: use is document type, care setting, referral or measure")]
    Use {
        /// Line of the table.
        line: u64,
    },
}

/// The committed table.
///
/// # Errors
/// [`CodeFault`] if a row is not fit; a test holds that none is.
pub fn table() -> Result<Vec<Code>, CodeFault> {
    read(TABLE)
}

/// Reads a table of this form.
///
/// # Errors
/// [`CodeFault`] naming the first row that is not fit.
pub fn read(text: &str) -> Result<Vec<Code>, CodeFault> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut codes: Vec<Code> = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|fault| CodeFault::Row { line: fault.position().map_or(1, csv::Position::line) })?;
        let line = record.position().map_or(1, csv::Position::line);
        let fields: Vec<&str> = record.iter().collect();
        let &[code, display, used_for, provenance, day] = fields.as_slice() else {
            return Err(CodeFault::Row { line });
        };
        let named = || code.to_owned();
        if !is_sctid(code) {
            return Err(CodeFault::Id { line, code: named() });
        }
        if provenance.is_empty() {
            return Err(CodeFault::Provenance { line, code: named() });
        }
        if !is_day(day) {
            return Err(CodeFault::Read { line, code: named() });
        }
        if display.is_empty() {
            return Err(CodeFault::Row { line });
        }
        if codes.iter().any(|known| known.code == code) {
            return Err(CodeFault::Twice { line, code: named() });
        }
        let used_for = match used_for {
            "document type" => Use::DocumentType,
            "care setting" => Use::CareSetting,
            "referral" => Use::Referral,
            "measure" => Use::Measure,
            _ => return Err(CodeFault::Use { line }),
        };
        let (provenance, read) = (provenance.to_owned(), day.to_owned());
        codes.push(Code { code: named(), display: display.to_owned(), used_for, provenance, read });
    }
    Ok(codes)
}

/// Whether this has the form of a day.
pub(crate) fn is_day(text: &str) -> bool {
    let form = |(place, byte): (usize, u8)| if place == 4 || place == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(form)
}

/// Whether a text can be the id of a SNOMED CT concept: 6 to 18 digits, not beginning with 0, with the partition of a concept (00 or 10)
/// and a right check digit (Verhoeff).
#[must_use]
pub fn is_sctid(text: &str) -> bool {
    let digits: Option<Vec<usize>> =
        text.bytes().map(|byte| byte.is_ascii_digit().then(|| usize::from(byte - b'0'))).collect();
    let Some(digits) = digits.filter(|digits| (6..=18).contains(&digits.len())) else { return false };
    let partition = text.get(text.len() - 3..text.len() - 1);
    digits.first() != Some(&0) && matches!(partition, Some("00" | "10")) && verhoeff(&digits) == 0
}

/// Verhoeff's sum over all digits, the check digit among them: 0 if that is right. Digits move by a permutation of order eight and are
/// combined as the symmetries of a pentagon are.
fn verhoeff(digits: &[usize]) -> usize {
    /// Where the permutation takes each digit.
    const MOVED: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| {
        let moved = (0..place % 8).fold(*digit, |digit, _| MOVED.get(digit).copied().unwrap_or_default());
        pentagon(sum, moved)
    })
}

/// The product of two symmetries of a pentagon: 0 to 4 turn it, 5 to 9 flip it.
const fn pentagon(first: usize, second: usize) -> usize {
    match (first < 5, second < 5) {
        (true, true) => (first + second) % 5,
        (true, false) => 5 + (first + second) % 5,
        (false, true) => 5 + (first + 5 - second) % 5,
        (false, false) => (first + 5 - second) % 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_row_of_the_table_is_fit() {
        let codes = table().unwrap();
        assert!(codes.len() >= 9, "{}", codes.len());
        assert!(codes.iter().all(|code| code.provenance.len() > 20), "{codes:#?}");
    }

    #[test]
    fn rows_that_are_not_fit_are_refused() {
        let head = "code,display,use,provenance,read\n";
        let cases = [
            ("371531000,Report,document type,,2026-11-30", "line 2 says not where"),
            ("371531000,Report,document type,  ,2026-11-30", "line 2 says not where"),
            ("371531000,Report,document type,somewhere,", "line 2 says not on which day"),
            ("371531000,Report,document type,somewhere,lately", "line 2 says not on which day"),
            ("371531001,Report,document type,somewhere,2026-11-30", "no SNOMED CT id"),
            ("224508005,Role,referral,an example of a guide,2026-11-30", "no SNOMED CT id"),
            ("0371531000,Report,document type,somewhere,2026-11-30", "no SNOMED CT id"),
            ("371531000,Report,letter,somewhere,2026-11-30", "use is"),
            ("371531000,,document type,somewhere,2026-11-30", "write all five"),
            ("371531000,Report,document type,somewhere", "write all five"),
            (
                "371531000,A,measure,here,2026-11-30\n371531000,B,measure,there,2026-11-30",
                "line 3: 371531000 is in the table already",
            ),
        ];
        for (rows, told) in cases {
            let fault = read(&format!("{head}{rows}\n")).unwrap_err().to_string();
            assert!(fault.contains(told), "{rows}: {fault}");
        }
        assert_eq!(read(&format!("{head}371531000,Report,document type,here,2026-11-30\n")).unwrap().len(), 1);
    }

    #[test]
    fn a_concept_that_no_file_confirms_is_not_in_the_table() {
        // "Social prescribing offered" has a right check digit and no source.
        assert!(is_sctid("871691000000100"));
        assert!(table().unwrap().iter().all(|code| code.code != "871691000000100"));
    }

    proptest! {
        // What the check digit is for: one wrong digit, or two neighbours that changed places.
        #[test]
        fn one_wrong_digit_is_found(place in 0_usize..15, add in 1_u8..10) {
            let mut digits: Vec<u8> = b"871731000000106".to_vec();
            digits[place] = b'0' + (digits[place] - b'0' + add) % 10;
            prop_assert!(!is_sctid(std::str::from_utf8(&digits).unwrap()));
        }

        #[test]
        fn neighbours_that_changed_places_are_found(place in 0_usize..14) {
            let mut digits: Vec<u8> = b"871731000000106".to_vec();
            prop_assume!(digits[place] != digits[place + 1]);
            digits.swap(place, place + 1);
            prop_assert!(!is_sctid(std::str::from_utf8(&digits).unwrap()));
        }
    }
}
