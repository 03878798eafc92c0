//! Canaries: of a referral that has a value of its own at each element path, the bytes that each shipped adapter sends to
//! its platform hold only what is permitted: what the adapter declares, within consent, within the tenant's policy.
//!
//! What is permitted is told here anew, from the rules' text; the engine's own list of what it withholds is not asked.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod planting;
mod sending;

use adapter_contract::DataNeed;
use gateway_core::consent::{Notes, Policy, RecipientPolicy};
use planting::{Canary, Planted, ROUNDS, plant};
use sending::{Door, Sent, doors, leaky, sent, sent_without_consent};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

/// One state of consent and policy.
struct Scenario {
    name: &'static str,
    /// What the provision of the Consent says besides.
    provision: Value,
    at_most: Option<&'static [&'static str]>,
    /// The Patient's Confidentiality.
    label: Option<&'static str>,
    /// What consent and policy keep back, whatever is declared.
    keeps_back: fn(&Canary) -> bool,
}

fn scenarios() -> [Scenario; 4] {
    let class = json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]);
    let confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    [
        Scenario { name: "all permitted", provision: json!({}), at_most: None, label: None, keeps_back: |_| false },
        Scenario {
            name: "a class withheld",
            provision: json!({"provision": [{"type": "deny", "class": class}]}),
            at_most: None,
            label: None,
            keeps_back: |canary| is_of(canary, "Condition") || has_words(canary),
        },
        Scenario {
            name: "at most a name",
            provision: json!({}),
            at_most: Some(&["Patient.name", "ServiceRequest", "Task"]),
            label: None,
            keeps_back: |canary| {
                let let_through = ["Patient.name", "ServiceRequest", "Task"];
                !let_through.iter().any(|path| within(&canary.path, path))
            },
        },
        Scenario {
            name: "restricted patient",
            provision: json!({"securityLabel": [{"system": confidentiality, "code": "R"}]}),
            at_most: None,
            label: Some("R"),
            keeps_back: tells_the_place,
        },
    ]
}

fn within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn is_of(canary: &Canary, kind: &str) -> bool {
    within(&canary.path, kind)
}

/// Words of ServiceRequest and Task that go with anything that is withheld.
fn has_words(canary: &Canary) -> bool {
    let concepts = ["category", "code", "orderDetail", "reasonCode", "bodySite"];
    let beside_codes = concepts.map(|element| format!("ServiceRequest.{element}.text"));
    let notes =
        ["ServiceRequest.note", "ServiceRequest.patientInstruction", "Task.note", "Task.description", "Task.input"];
    notes.into_iter().chain(beside_codes.iter().map(String::as_str)).any(|above| within(&canary.path, above))
}

/// Everything of a restricted person that is no name, date or code.
fn tells_the_place(canary: &Canary) -> bool {
    let mut steps = canary.path.split('.');
    let (kind, element) = (steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
    let places = [
        "address",
        "telecom",
        "contact",
        "generalPractitioner",
        "managingOrganization",
        "photo",
        "link",
        "identifier",
        "note",
        "patientInstruction",
        "description",
        "locationCode",
        "locationReference",
        "location",
        "requester",
        "performer",
        "owner",
        "input",
        "output",
        "supportingInfo",
        "reasonReference",
        "encounter",
        "insurance",
        "relevantHistory",
        "specimen",
        "extension",
        "text",
        "instantiatesUri",
        "instantiatesCanonical",
        "statusReason",
        "businessStatus",
    ];
    let opens = |step: &str| matches!(step, "text" | "extension" | "assigner" | "identifier");
    !matches!(kind, "Patient" | "ServiceRequest" | "Task")
        || places.contains(&element)
        || canary.path.split('.').skip(2).any(opens)
        || (canary.path.ends_with(".display") && !canary.path.ends_with(".coding.display"))
}

/// Whether the adapter declares what stands at a path, and what is declared may hold it.
fn is_declared(canary: &Canary, needs: &[DataNeed]) -> bool {
    let never = canary.path.split('.').nth(1).is_some_and(|step| matches!(step, "text" | "meta" | "contained"));
    let anothers = canary.resource.ends_with("/other") || canary.resource.ends_with("/another");
    let extensions =
        |path: &str| path.split('.').filter(|step| matches!(*step, "extension" | "modifierExtension")).count();
    let names = |canary: &Canary| {
        let steps: Vec<&str> = canary.path.split('.').collect();
        canary.names_the_person && steps.iter().any(|step| matches!(*step, "display" | "identifier"))
    };
    !never
        && !anothers
        && needs.iter().any(|need| {
            // A need that covers it without naming it covers neither extensions nor the name behind a reference.
            within(&canary.path, &need.path)
                && extensions(&need.path) == extensions(&canary.path)
                && (!names(canary) || need.path.contains(".display") || need.path.contains(".identifier"))
        })
}

fn policy(scenario: &Scenario) -> Policy {
    let mut policy = Policy::default();
    let at_most = scenario.at_most.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
    let of = RecipientPolicy { at_most, notes: Notes::Send, ..RecipientPolicy::default() };
    policy.recipients.insert(sending::platform(), of);
    policy
}

fn prepared(scenario: &Scenario, round: usize, modifiers: bool) -> Planted {
    let mut planted = plant(round, modifiers);
    if let Some(code) = scenario.label {
        let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
        let meta: Value = json!({"security": [{"system": system, "code": code}]});
        planted.whole.patient.set("meta", meta.into());
    }
    planted
}

/// What is found among the bytes and may not be there.
fn leaks<'c>(planted: &'c Planted, bytes: &str, needs: &[DataNeed], scenario: &Scenario) -> Vec<&'c Canary> {
    let found = tokens(bytes);
    let is_there = |canary: &&Canary| found.contains(&canary.token);
    let is_permitted = |canary: &Canary| is_declared(canary, needs) && !(scenario.keeps_back)(canary);
    planted.canaries.iter().filter(is_there).filter(|canary| !is_permitted(canary)).collect()
}

/// What is found among the bytes and is not named in the record of disclosure.
fn undisclosed<'c>(planted: &'c Planted, sent: &Sent) -> Vec<&'c Canary> {
    let found = tokens(&sent.bytes);
    let left = planted.canaries.iter().filter(|canary| found.contains(&canary.token));
    left.filter(|canary| !sent.disclosed.contains(&canary.path)).collect()
}

/// Every run of letters and digits that could be a canary, in text as it stands and as it is decoded.
fn tokens(bytes: &str) -> BTreeSet<String> {
    let text = bytes.to_lowercase();
    let mut found = BTreeSet::new();
    for (place, _) in text.match_indices("cnry") {
        found.extend(text.get(place..place + 12).map(str::to_owned));
    }
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit());
    found.extend(numbers.by_ref().filter(|run| run.len() == 9).map(str::to_owned));
    for (place, _) in text.match_indices(['-', ':']) {
        let date = place.checked_sub(4).and_then(|start| text.get(start..start + 10));
        let time = place.checked_sub(2).and_then(|start| text.get(start..start + 8));
        found.extend(date.into_iter().chain(time).map(str::to_owned));
    }
    found
}

/// A line for `cargo xtask consent`. It goes past the harness, which holds back what tests print.
fn count(what: &str, done: usize, of: usize) {
    // A closed pipe is not a fault of ours.
    let _ = writeln!(std::io::stdout(), "consent: {what}: {done} of {of}");
}

/// What one scenario showed.
#[derive(Default)]
struct Shown {
    /// Element paths in which something was planted.
    paths: BTreeSet<String>,
    /// Canaries that were looked for.
    checked: usize,
    faults: Vec<String>,
    /// Of which paths something arrived, by adapter.
    arrived: BTreeMap<&'static str, BTreeSet<String>>,
    /// How many paths that an adapter was given its record of disclosure leaves out, by adapter and round.
    left_out: BTreeMap<&'static str, Vec<usize>>,
}

fn show(scenario: &Scenario, doors: &[Door]) -> Shown {
    let mut shown = Shown::default();
    for round in 0..=ROUNDS {
        // The last one carries modifiers, with which whole elements go.
        let planted = prepared(scenario, round, round == ROUNDS);
        let mut tokens_of: BTreeSet<&str> = BTreeSet::new();
        let all_differ = planted.canaries.iter().all(|canary| tokens_of.insert(&canary.token));
        assert!(all_differ, "a canary stands once");
        shown.paths.extend(planted.canaries.iter().map(|canary| canary.path.clone()));
        for door in doors {
            let at = format!("{}, {}, round {round}", door.name, scenario.name);
            match sent(&planted.whole, door, &policy(scenario), &scenario.provision) {
                Ok(sent) => {
                    let leaks = leaks(&planted, &sent.bytes, &door.needs(), scenario);
                    shown.faults.extend(leaks.iter().map(|leak| format!("{at}: {} of {}", leak.path, leak.resource)));
                    let unnamed = undisclosed(&planted, &sent);
                    let fault =
                        |one: &&Canary| format!("{at}: {} of {} left and is not on record", one.path, one.resource);
                    shown.faults.extend(unnamed.iter().map(fault));
                    shown.left_out.entry(door.name).or_default().push(sent.given - sent.disclosed.len());
                    let found = tokens(&sent.bytes);
                    let there = planted.canaries.iter().filter(|canary| found.contains(&canary.token));
                    shown.arrived.entry(door.name).or_default().extend(there.map(|one| one.path.clone()));
                    shown.checked += planted.canaries.len();
                }
                Err(words) => shown.faults.push(format!("{at}: nothing sent: {words:.300}")),
            }
        }
    }
    shown
}

#[test]
fn only_what_is_permitted_is_among_the_bytes() {
    let (doors, scenarios) = (doors(), scenarios());
    let all: Vec<Shown> = std::thread::scope(|scope| {
        let running: Vec<_> = scenarios.iter().map(|one| scope.spawn(|| show(one, &doors))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let faults: Vec<&str> = all.iter().flat_map(|one| &one.faults).map(String::as_str).collect();
    let checked: usize = all.iter().map(|one| one.checked).sum();
    count("canaries checked", checked - faults.len().min(checked), checked);
    let paths = &all[0].paths;
    count("canaries planted at element paths", paths.len(), paths.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(60)].join("\n"));
    // Where nothing arrived nothing was shown.
    for (scenario, shown) in scenarios.iter().zip(&all) {
        for (door, arrived) in &shown.arrived {
            assert!(arrived.len() > 3, "{door}, {}: {arrived:?}", scenario.name);
        }
    }
    let whole = &all[0].arrived;
    assert!(whole["fhir-task"].len() > 100 && whole["fhir-task, Direct Light"].len() > 100, "{:?}", whole["fhir-task"]);
    for (one, without) in [("Patient.address.line", "salesforce"), ("Patient.telecom.value", "")] {
        let mut arrived = whole.iter().filter(|(door, _)| **door != without);
        assert!(arrived.all(|(_, arrived)| arrived.contains(one)), "{one} would be found everywhere");
    }
    // Where an adapter accounts for what it does, what nothing in it reads is not on record as told. Two of them declare
    // nothing that they do not send or show.
    for (door, left_out) in &all[0].left_out {
        let sends_all = matches!(*door, "fhir-message" | "mail-link" | "mail-link, whole body");
        assert_eq!(left_out.iter().all(|paths| *paths == 0), sends_all, "{door}: {left_out:?}");
    }
    assert!(whole["ticket-rt"].contains("ServiceRequest.note.text"), "also where it is encoded");
    // Each element of each type is among what was planted, but those that hold no value of their own.
    for kind in gateway_core::ingest::STORED {
        for element in gateway_fhir_elements::members(kind).filter(|element| has_a_value(element)) {
            let stem = format!("{kind}.{}", element.name);
            let is_planted = paths.range(stem.clone()..).next().is_some_and(|path| path.starts_with(&stem));
            assert!(is_planted, "{stem}");
        }
    }
}

/// Whether an element of a resource can hold a canary.
fn has_a_value(element: &gateway_fhir_elements::Element) -> bool {
    !matches!(element.name, "id" | "modifierExtension") && element.path != "Patient.deceased[x]"
}

#[test]
fn a_leak_is_found() {
    let [permitted, class, _, _] = scenarios();
    let planted = prepared(&permitted, 0, false);
    // An adapter that sends what is in its hands, of which it has declared a part.
    let door = leaky(planted.whole.patient.clone());
    let sent = sent(&planted.whole, &door, &policy(&permitted), &permitted.provision).unwrap();
    let unnamed = undisclosed(&planted, &sent);
    assert!(unnamed.iter().any(|canary| canary.path == "Patient.address.line"), "no record names what leaks");
    let found = leaks(&planted, &sent.bytes, &door.needs(), &permitted);
    let paths: BTreeSet<&str> = found.iter().map(|canary| canary.path.as_str()).collect();
    assert!(paths.contains("Patient.address.line") && paths.contains("Patient.text.div"), "{paths:?}");
    assert!(found.iter().all(|canary| canary.resource == "Patient/p"), "{found:?}");
    assert!(
        !paths.iter().any(|path| within(path, "Patient.name.family") && !path.contains("extension")),
        "declared: {paths:?}"
    );

    // A gateway that forgets what consent withholds.
    let planted = prepared(&class, 0, false);
    let door: &Door = &doors()[0];
    let sent = sent_without_consent(&planted.whole, door).unwrap();
    let found = leaks(&planted, &sent.bytes, &door.needs(), &class);
    assert!(found.iter().any(|canary| within(&canary.path, "Condition.code")), "{found:?}");
}

#[test]
fn what_an_adapter_encodes_is_looked_into() {
    let found = tokens(&sending::decoded(
        r#"{"a": ["Y25yeTAwMDAwMDFx", "CNRY0000002Q"], "b": "1900-02-03T00:00:00Z 700000001"}"#,
    ));
    for token in ["cnry0000001q", "cnry0000002q", "1900-02-03", "700000001"] {
        assert!(found.contains(token), "{token}: {found:?}");
    }
}
