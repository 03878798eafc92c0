//! Second opinions on our answers: the crate `rh-fhirpath`, and the npm package `fhirpath` where `FHIRPATH_NODE` names
//! a folder with it. Where they differ from us and the specification is on our side, the difference is listed with its
//! reason; a listed difference that no longer occurs is a failure too.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![allow(clippy::print_stderr, reason = "a skip, and what was found, are said aloud")]

mod chance;
mod documents;
mod expressions;
mod opinions;
mod referral;

use chance::Chance;
use mappings::document::Document;
use opinions::{Answer, Case};
use serde_json::Value;

const RESOURCES: &[&str] = &[
    "Patient",
    "ServiceRequest",
    "Task",
    "Observation",
    "Condition",
    "Organization",
    "PractitionerRole",
    "Consent",
    "QuestionnaireResponse",
    "HealthcareService",
    "Communication",
    "Encounter",
    "CarePlan",
    "Goal",
];

/// A difference that is known, with the reason why ours stands.
struct Known {
    who: &'static str,
    reason: &'static str,
    applies: fn(&Case, &Value) -> bool,
}

const KNOWN: &[Known] = &[
    Known {
        who: "fhirpath.js",
        reason: "equality of primitives is equality of values, and = of fhirpath.js agrees; but its distinct(), |, \
                 intersect() and exclude() tell primitives apart that differ only in their extensions",
        applies: |case, document| {
            ["distinct()", " | ", "intersect(", "exclude("].iter().any(|name| case.expression.contains(name))
                && document.to_string().contains("\"_")
        },
    },
    Known {
        who: "fhirpath.js",
        reason: "a dateTime of FHIR converts to a DateTime by itself, and toDate() of a DateTime is its date; \
                 fhirpath.js does so for a literal and gives nothing for an element",
        applies: |case, _| case.expression.contains(".toDate()"),
    },
    Known {
        who: "rh-fhirpath",
        reason: "not() of an element that is false is true; rh-fhirpath asks whether it is there",
        applies: |case, _| case.expression.ends_with("ofType(boolean).not()"),
    },
    Known {
        who: "rh-fhirpath",
        reason: "it compares the characters of two moments where one has another offset or fraction, not the moments",
        applies: |case, _| {
            case.expression.contains(":00Z")
                || case.expression.contains("+01:00")
                || case.expression.contains("authoredOn")
        },
    },
    Known {
        who: "rh-fhirpath",
        reason: "its toString() and convertsTo functions do not know the primitives of FHIR, only its own literals",
        applies: |case, _| case.expression.contains("toString()") || case.expression.contains("convertsTo"),
    },
    Known {
        who: "rh-fhirpath",
        reason: "it loses the items of a choice behind ofType() of a complex type when a path goes on",
        applies: |case, _| {
            case.expression
                .split("ofType(")
                .skip(1)
                .any(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
        },
    },
];

/// What was compared.
#[derive(Default)]
struct Tally {
    asked: usize,
    refused: usize,
    empty: usize,
    /// By evaluator: agreed, gave no answer, known differences.
    others: [(usize, usize, usize); 2],
    used: Vec<bool>,
    faults: Vec<String>,
}

fn compare(cases: &[Case], documents: &[Value], tally: &mut Tally) {
    let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
    let parsed: Vec<Document<'_>> = texts.iter().map(|text| Document::parse(text).unwrap()).collect();
    let node = match opinions::node_folder() {
        Some(folder) => {
            let (version, answers) = opinions::node(&folder, cases, documents);
            eprintln!("fhirpath.js {version}: {} cases", cases.len());
            Some(answers)
        }
        None => {
            eprintln!("SKIPPED: fhirpath.js: set FHIRPATH_NODE to a folder in which `npm install fhirpath@4` was run");
            None
        }
    };
    for (place, case) in cases.iter().enumerate() {
        tally.asked += 1;
        let items = match opinions::ours(case, documents, &parsed) {
            Answer::Items(items) => items,
            Answer::None(why) => {
                tally.refused += 1;
                if case.for_others.is_some() || !case.variables.is_empty() {
                    tally.faults.push(format!("ours refused {}: {why}", case.expression));
                }
                continue;
            }
        };
        tally.empty += usize::from(items.is_empty());
        let mut judge = |index: usize, who: &str, answer: &Answer| {
            let (agreed, silent, known) = &mut tally.others[index];
            let Answer::Items(theirs) = answer else {
                *silent += 1;
                return;
            };
            if opinions::same(&items, theirs) {
                *agreed += 1;
                return;
            }
            let document = &documents[case.document];
            match KNOWN.iter().position(|known| known.who == who && (known.applies)(case, document)) {
                Some(place) => {
                    *known += 1;
                    tally.used[place] = true;
                }
                None => tally.faults.push(format!("{who} on {}: {theirs:?}, ours {items:?}", case.expression)),
            }
        };
        judge(0, "rh-fhirpath", &opinions::crates(case, documents));
        if let Some(answers) = &node {
            judge(1, "fhirpath.js", &answers[place]);
        }
    }
}

#[test]
fn others_answer_the_same_or_the_difference_is_explained() {
    let mut tally = Tally { used: vec![false; KNOWN.len()], ..Tally::default() };
    let asked: Vec<Case> = referral::ASKED
        .iter()
        .map(|(expression, for_others)| Case {
            document: 0,
            expression: (*expression).to_owned(),
            for_others: for_others.map(str::to_owned),
            variables: referral::variables(),
        })
        .collect();
    compare(&asked, &referral::documents(), &mut tally);
    assert_eq!(tally.refused, 0, "{:#?}", tally.faults);

    // Another seed asks other questions: for a hunt, not for the record.
    let seed = std::env::var("FHIRPATH_SEED").map_or(2026, |seed| seed.parse().unwrap());
    let mut chance = Chance::new(seed);
    let documents: Vec<Value> =
        RESOURCES.iter().flat_map(|name| [name, name]).map(|name| documents::resource(&mut chance, name)).collect();
    let mut cases: Vec<Case> = Vec::new();
    for (document, value) in documents.iter().enumerate() {
        for _ in 0..90 {
            let expression = expressions::expression(&mut chance, value);
            if !cases.iter().any(|case| case.document == document && case.expression == expression) {
                cases.push(Case { document, expression, for_others: None, variables: Vec::new() });
            }
        }
    }
    compare(&cases, &documents, &mut tally);

    eprintln!("{} asked, {} refused by us, {} empty", tally.asked, tally.refused, tally.empty);
    for (who, (agreed, silent, known)) in ["rh-fhirpath", "fhirpath.js"].iter().zip(tally.others) {
        eprintln!("{who}: {agreed} agreed, {silent} without answer, {known} known differences");
    }
    assert!(tally.faults.is_empty(), "{} differences: {:#?}", tally.faults.len(), tally.faults);
    assert!(
        tally.asked > 2_000 && tally.refused * 20 < tally.asked && tally.empty * 2 < tally.asked,
        "too little asked"
    );
    assert!(tally.others[0].0 * 4 > tally.asked * 3, "rh-fhirpath agreed too seldom to be a second opinion");
    let with_node = tally.others[1] != (0, 0, 0);
    for (known, used) in KNOWN.iter().zip(&tally.used) {
        assert!(*used || (known.who == "fhirpath.js" && !with_node), "no longer occurs: {}", known.reason);
    }
}
