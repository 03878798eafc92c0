//! The mapping that moved us to write a compiler: a national service that takes referrals whose schema checks all pass,
//! while the reason for referral is cut to 8 characters, the source code is cut, specialty and urgency are the same for
//! everybody, and the referrer is filled from the receiver.

use crate::support::{faults_over_base, in_body};
use mappings::Capabilities;

const AS_IT_IS: &str = r#"
Reason: { from: "%serviceRequest.reasonCode.text.first()", max-length: 8, class: clinical }
SourceCode: { from: "%serviceRequest.code.coding.code.first()", max-length: 4, overflow: truncate, marker: "~", class: need }
Specialty: { constant: "349", class: administrative }
Urgency: { constant: "R", class: administrative }
ReferrerName: { from: "%serviceRequest.performer.display.first()", class: administrative }
"#;

const MENDED: &str = r#"
Reason: { from: "%serviceRequest.reasonCode.text.first()", max-length: 8, overflow: truncate, marker: "…", class: clinical }
SourceCode: { from: "%serviceRequest.code.coding.code.first()", max-length: 18, overflow: refuse, class: need }
Specialty: { constant: "349", class: administrative, means: ServiceRequest.performerType, because: "The service is one clinic." }
Urgency: { constant: "R", class: administrative, means: ServiceRequest.priority, because: "Urgent referrals are refused." }
ReferrerName: { from: "%serviceRequest.requester.display", class: administrative }
"#;

fn faults(fields: &str) -> Vec<(String, u32, u32, String)> {
    let (faults, text) = faults_over_base(&in_body(fields), Capabilities::default());
    let field = |line: u32| {
        let line = text.lines().nth(line as usize - 1).unwrap_or_default();
        line.trim().split(':').next().unwrap_or_default().to_owned()
    };
    let found = faults.iter().map(|fault| (fault.code.id().to_owned(), fault.line, fault.column, field(fault.line)));
    found.collect()
}

#[test]
fn all_five_silent_losses_are_named_with_their_places() {
    let found = faults(AS_IT_IS);
    let told = |code: &str, column: u32, field: &str| {
        assert!(
            found.iter().any(|(id, _, at, name)| id == code && *at == column && name == field),
            "{code} at column {column} in {field}: {found:?}"
        );
    };
    let column = |field: &str, part: &str| {
        let line = AS_IT_IS.lines().find(|line| line.starts_with(field)).expect("the field is there");
        let at = line.find(part).expect("the part is there");
        // Twelve columns of indentation, and columns count from 1.
        u32::try_from(line[..at].chars().count() + 13).expect("a short line")
    };
    told("M040", column("Reason", "max-length"), "Reason");
    told("M042", column("SourceCode", "max-length"), "SourceCode");
    told("M052", column("Specialty", "constant"), "Specialty");
    told("M052", column("Urgency", "constant"), "Urgency");
    told("M053", column("ReferrerName", "\"%service"), "ReferrerName");
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn with_markers_reasons_and_the_right_element_it_compiles() {
    assert_eq!(faults(MENDED), []);
}

#[test]
fn words_do_not_mend_a_code_that_is_cut() {
    let cut = MENDED
        .replace("max-length: 18, overflow: refuse", "max-length: 4, overflow: truncate, marker: \"~\", because: x");
    let found = faults(&cut);
    assert_eq!(found.iter().map(|fault| fault.0.as_str()).collect::<Vec<_>>(), ["M042"], "{found:?}");
}
