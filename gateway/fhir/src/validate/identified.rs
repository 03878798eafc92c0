//! Codes and identifiers: required bindings on `Coding` and `CodeableConcept`, and the form of NHS numbers, ODS codes
//! and SNOMED CT identifiers wherever they stand.
//!
//! Form only: no code is looked up in a terminology, and no number in a register.

use super::invariants::has;
use super::walk::Walk;
use crate::elements::{CodeSet, Member};
use crate::identifiers::{NHS_NUMBER, ODS_CODE, SNOMED_CT, is_ods_code, is_sctid, nhs_number, same_system};
use crate::{IssueCode, Json};

impl Walk<'_> {
    pub(super) fn coding(&mut self, member: &Member, value: &Json) {
        if let Some(codes) = member.element.codes
            && !is_in(codes, value)
        {
            self.outside(member);
        }
        if value.text("system") == Some(SNOMED_CT)
            && let Some(code) = value.text("code")
            && !is_snomed(code)
        {
            self.fault_in("code", IssueCode::Value, "a SNOMED CT code is an SCTID with a right check digit");
        }
    }

    /// R4 (terminologies, "required"): one of the codings is from the set, so text alone is not enough. A concept that
    /// is given only by an extension says why it has no code, and passes.
    pub(super) fn codeable_concept(&mut self, member: &Member, value: &Json) {
        let Some(codes) = member.element.codes else { return };
        let is_absent_with_reason = has(value, "extension") && !has(value, "coding") && !has(value, "text");
        if !is_absent_with_reason && !value.items("coding").iter().any(|coding| is_in(codes, coding)) {
            self.outside(member);
        }
    }

    fn outside(&mut self, member: &Member) {
        let set = member.element.binding.unwrap_or_default();
        self.fault(IssueCode::CodeInvalid, format!("there is no code here from the required value set {set}"));
    }

    pub(super) fn identifier(&mut self, value: &Json) {
        let (Some(system), Some(text)) = (value.text("system"), value.text("value")) else { return };
        if same_system(system, NHS_NUMBER) {
            if let Err(fault) = nhs_number(text) {
                self.fault_in("value", IssueCode::Value, fault.to_string());
            }
        } else if same_system(system, ODS_CODE) && !is_ods_code(text) {
            self.fault_in("value", IssueCode::Value, "an ODS code is 3 to 12 capital letters and digits");
        }
    }
}

fn is_in(codes: &CodeSet, coding: &Json) -> bool {
    let (system, code) = (coding.text("system"), coding.text("code"));
    system.zip(code).is_some_and(|(system, code)| codes.has(system, code))
}

/// An SCTID, or a post-coordinated expression of them (`71341001:272741003=7771000`), which R4 allows as a code.
fn is_snomed(code: &str) -> bool {
    if code.bytes().all(|byte| byte.is_ascii_digit()) {
        return is_sctid(code);
    }
    if !code.contains([':', '+', '|', '=']) {
        return false;
    }
    // Terms stand between bars: every second part is none of the expression.
    let mut concepts = 0_usize;
    let all_are_right = code
        .split('|')
        .step_by(2)
        .flat_map(|part| part.split(|character: char| " \t\r\n:+=,(){}<".contains(character)))
        .filter(|word| !word.is_empty() && !word.starts_with(['#', '"']))
        .all(|word| {
            concepts += 1;
            is_sctid(word)
        });
    all_are_right && concepts > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snomed_codes_are_identifiers_or_expressions_of_them() {
        for good in [
            "871691000000100",
            "73211009",
            "71341001:272741003=7771000",
            "249943000:363698007=72098002,260868000=6934004",
            "71341001 |Bone structure| : 272741003 |Laterality| = 7771000 |Left|",
        ] {
            assert!(is_snomed(good), "{good}");
        }
        for bad in [
            "73211008",
            "T-15460",
            "look up value",
            "12345",
            "71341001:272741003=7771001",
            ":",
            "|73211009|",
            "73211009:x",
        ] {
            assert!(!is_snomed(bad), "{bad}");
        }
    }
}
