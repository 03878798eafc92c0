//! Runs `cases.tsv`, each line by its name, and holds the file to what it promises.

use crate::columns::read;
use gateway_core::consent::{Decision, Reason, Verdict};
use std::collections::BTreeSet;

const CASES: &str = include_str!("cases.tsv");

/// The published table's ids, all of which have to be here.
const PUBLISHED: [&str; 57] = [
    "C01", "C02", "C04", "C05", "C07", "C09", "C11", "C12", "C14", "C16", "C19", "C20", "C22", "C23", "C25", "C26",
    "C28", "C29", "C31", "C32", "C34", "C35", "C37", "C39", "C42", "C43", "C45", "C47", "C49", "C52", "C54", "C55",
    "C57", "C58", "C60", "C61", "C63", "C64", "C66", "C67", "C69", "C70", "C72", "C73", "C75", "C77", "C79", "C80",
    "C82", "C83", "C87", "C88", "C90", "C91", "C93", "C94", "C96",
];

/// One line.
struct Case {
    name: &'static str,
    consents: &'static str,
    question: &'static str,
    expected: &'static str,
}

fn cases() -> Vec<Case> {
    let lines = CASES.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [name, consents, question, expected, _rule] = cells[..] else {
                panic!("not five cells: {line}");
            };
            Case { name, consents, question, expected }
        })
        .collect()
}

/// What was decided, in the words of the table.
fn told(decision: &Decision) -> Vec<String> {
    let word = decision.word();
    let mut reasons = vec![decision.reason.code().to_owned()];
    reasons.extend(decision.decisive.iter().map(|(id, _)| format!("{}:{id}", decision.reason.code())));
    reasons.extend(decision.duties.iter().map(|duty| duty.code().to_owned()));
    if word == "redact" {
        let gone = decision.withheld.iter().filter(|one| one.reason != Reason::Hint);
        let gone = gone.map(|one| if one.path.contains('.') { one.path.clone() } else { one.resource.clone() });
        reasons = vec![gone.collect::<Vec<_>>().join(",")];
    }
    std::iter::once(word.to_owned()).chain(reasons.into_iter().map(|reason| format!("{word} {reason}"))).collect()
}

/// `None` if the case is as expected.
fn fault(case: &Case) -> Option<String> {
    let decision = read(case.consents, case.question).decide();
    let told = told(&decision);
    let is_sound = decision.rules == "consent-rules/1"
        && !decision.rule_path.is_empty()
        && decision.reason.words().ends_with('.')
        && decision.withheld.iter().all(|one| one.reason.words().ends_with('.') && !one.rule.is_empty());
    let as_expected = told.iter().any(|told| told == case.expected);
    (!as_expected || !is_sound)
        .then(|| format!("{}: expected {}, got {told:?}\n    {decision:?}", case.name, case.expected))
}

#[test]
fn each_case_is_decided_as_the_table_says() {
    let cases = cases();
    let faults: Vec<String> = cases.iter().filter_map(fault).collect();
    crate::count("cases passed", cases.len() - faults.len(), cases.len());
    assert!(faults.is_empty(), "{} of {} cases differ:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

#[test]
fn the_table_is_whole() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "each name stands once");
    for published in PUBLISHED {
        let is_here = |name: &str| name.strip_prefix(published).is_some_and(|rest| rest.len() <= 1);
        assert!(names.iter().any(|name| is_here(name)), "{published} is missing");
    }
    assert!(cases.len() >= 150);
}

/// What a table cannot say: each verdict has its form.
#[test]
fn decisions_are_of_one_form() {
    for case in cases() {
        let asked = read(case.consents, case.question);
        let decision = asked.decide();
        let permits = matches!(decision.reason, Reason::Permitted | Reason::Implied | Reason::Override);
        assert_eq!(decision.verdict == Verdict::Permit, permits, "{}", case.name);
        assert!(decision.duties.is_empty() || permits, "{}", case.name);
        let mut places: Vec<_> = decision.withheld.iter().map(|one| (&one.resource, &one.path)).collect();
        let count = places.len();
        places.sort();
        places.dedup();
        assert_eq!(places.len(), count, "{}: a place is withheld once", case.name);
        let known: BTreeSet<_> = decision.consents.iter().collect();
        assert!(decision.decisive.iter().all(|one| known.contains(one)), "{}", case.name);
    }
}
