//! One bad mapping for each kind of fault, and every fault on the very line that has it.

use crate::fault_cases::{CASES, Where};
use crate::support::{compiled, faults_over_base, in_body};
use mappings::Capabilities;
use mappings::diagnostic::{CODES, Diagnostic, render_all};
use std::collections::BTreeSet;

fn capabilities(words: &str) -> Capabilities {
    let has = |word: &str| words.split(' ').any(|other| other == word);
    Capabilities {
        cancel: has("cancel"),
        hold: has("hold"),
        look_up: has("look-up"),
        poll: has("poll"),
        push: has("push"),
        update: has("update"),
    }
}

/// Line and code of each fault, as comments `#! M031` at the ends of lines say.
fn expected(text: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let Some((_, codes)) = line.split_once("#!") else { continue };
        found.extend(codes.split_whitespace().map(|code| (number, code.to_owned())));
    }
    found
}

fn actual(faults: &[Diagnostic]) -> Vec<(u32, String)> {
    let mut found: Vec<_> = faults.iter().map(|fault| (fault.line, fault.code.id().to_owned())).collect();
    found.sort();
    found
}

#[test]
fn every_case_has_just_the_faults_that_its_lines_say() {
    let mut wrong = Vec::new();
    for (at, case) in CASES.iter().enumerate() {
        let (faults, text) = match case.place {
            Where::Body => faults_over_base(&in_body(case.text), capabilities(case.can)),
            Where::Over => faults_over_base(case.text.trim_start_matches('\n'), capabilities(case.can)),
            Where::Alone => {
                let text = case.text.trim_start_matches('\n').to_owned();
                (compiled(&text, capabilities(case.can)).err().unwrap_or_default(), text)
            }
        };
        let mut expected = expected(&text);
        expected.sort();
        if actual(&faults) != expected || expected.is_empty() {
            wrong.push(format!("case {at}: expected {expected:?}\n{text}\n{}", render_all(&faults, &[])));
        }
        for fault in &faults {
            assert!(fault.fault.ends_with(['.', '?', '!']) && fault.mend.ends_with(['.', '?', '!']), "{fault:?}");
            assert!(!fault.source_line.is_empty() && fault.file.ends_with(".yaml"), "{fault:?}");
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n----\n"));
}

#[test]
fn every_kind_of_fault_has_a_case() {
    let shown: BTreeSet<String> = CASES.iter().flat_map(|case| expected(case.text)).map(|(_, code)| code).collect();
    let missing: Vec<&str> = CODES.iter().map(|info| info.id).filter(|id| !shown.contains(*id)).collect();
    assert_eq!(missing, ELSEWHERE, "kinds of faults without a case in fault_cases.rs");
}

/// Kinds whose cases are whole folders; see the tests in files.rs.
const ELSEWHERE: &[&str] = &[];
