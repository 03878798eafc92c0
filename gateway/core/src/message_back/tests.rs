//! Tests of `message_back`.

use super::*;
use crate::identity::PlatformId;
use gateway_codes::SNOMED_CT;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use time::macros::datetime;

/// A referral with what it refers to.
struct Case {
    task: Json,
    request: Json,
    others: BTreeMap<String, Json>,
    kept: Kept,
}

impl Case {
    fn new(outputs: Value, request: Value, others: &[(&str, Value)]) -> Self {
        let task = json!({
            "resourceType": "Task", "id": "t", "status": "completed", "lastModified": "2026-11-20T14:30:00Z",
            "statusReason": { "text": "Settled in well" }, "output": outputs,
            "businessStatus": { "coding": [{ "system": adapter_contract::systems::BUSINESS_STATUS, "code": "helped" }] },
        });
        let others = others.iter().map(|(name, document)| ((*name).to_owned(), document.clone().into())).collect();
        Self { task: task.into(), request: request.into(), others, kept: Kept::Nothing }
    }

    fn told(&self) -> MessageBack {
        self.with(gather).unwrap()
    }

    fn with<T>(&self, act: impl FnOnce(&Facts<'_>) -> T) -> T {
        let recipient = Recipient {
            platform: PlatformId("food".to_owned()),
            name: "Example Food & Friends".to_owned(),
            identifiers: vec![("urn:s".to_owned(), "v".to_owned())],
        };
        let lookup = |name: &str| self.others.get(name);
        act(&Facts {
            task: &self.task,
            service_request: &self.request,
            lookup: &lookup,
            recipient: Some(&recipient),
            kept: self.kept,
        })
    }

    fn document(&self) -> Json {
        let back = self.told();
        let patient: Json = json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": "Canary" }] }).into();
        let made = Made {
            task: ("t", 7),
            patient: &patient,
            base: "https://gateway.example/fhir",
            now: datetime!(2026-11-30 09:00 UTC),
        };
        self.with(|facts| document(&back, facts, &made))
    }
}

fn request() -> Value {
    json!({
        "resourceType": "ServiceRequest", "authoredOn": "2026-05-28T10:00:00+01:00",
        "identifier": [{ "system": "urn:gp", "value": "SP-0417" }],
        "category": [{ "text": "Food insecurity" }],
        "code": { "coding": [{ "system": SNOMED_CT, "code": "871731000000106", "display": "Referral" }], "text": "Social prescribing" },
        "reasonCode": [{ "coding": [{ "system": SNOMED_CT, "code": "733423003", "display": "Food insecurity" }] }],
        "supportingInfo": [{ "reference": "Observation/before" }],
    })
}

fn observation(code: Value, value: (&str, Value), more: Value) -> Value {
    let mut observation = json!({ "resourceType": "Observation", "status": "final", "code": code });
    observation[value.0] = value.1;
    for (name, value) in more.as_object().unwrap() {
        observation[name] = value.clone();
    }
    observation
}

fn ons4(day: &str, answers: [(&str, i32); 4]) -> Value {
    let parts: Vec<Value> =
        answers.iter().map(|(text, value)| json!({ "code": { "text": text }, "valueInteger": value })).collect();
    observation(
        json!({ "text": "Personal well-being (ONS4), 0 to 10" }),
        ("component", json!(parts)),
        json!({ "effectiveDateTime": day }),
    )
}

const ANSWERS: [&str; 4] = ["Life satisfaction", "Worthwhile", "Happiness yesterday", "Anxiety yesterday"];

fn of(values: [i32; 4]) -> [(&'static str, i32); 4] {
    [(ANSWERS[0], values[0]), (ANSWERS[1], values[1]), (ANSWERS[2], values[2]), (ANSWERS[3], values[3])]
}

fn output(reference: &str) -> Value {
    json!({ "type": { "text": "Additional content" }, "valueReference": { "reference": reference } })
}

fn short(value: Value, more: Value) -> Value {
    let code = json!({ "coding": [{ "system": SNOMED_CT, "code": "718466001" }] });
    observation(code, ("valueQuantity", json!({ "value": value })), more)
}

fn score_of(case: &Case, measure: Measure) -> Score {
    case.told().scores.into_iter().find(|score| score.measure == measure).unwrap()
}

fn points(score: &Score) -> (Option<i32>, Option<i32>) {
    (score.baseline.as_ref().map(|one| one.points), score.follow_up.as_ref().map(|one| one.points))
}

#[test]
fn the_codes_of_the_scores_are_confirmed() {
    for code in [measure::SWEMWBS_CODE, measure::WEMWBS_CODE] {
        let row = gateway_codes::table().unwrap().into_iter().find(|row| row.code == code).expect(code);
        assert_eq!(row.used_for, gateway_codes::Use::Measure);
    }
}

#[test]
fn needs_support_activities_and_outcome_are_told_under_their_headings() {
    let procedure = json!({ "resourceType": "Procedure", "status": "completed", "code": {
        "coding": [{ "system": SNOMED_CT, "code": "390893007", "display": "their own words" },
                   { "system": SNOMED_CT, "code": "871691000000100", "display": "not confirmed" },
                   { "system": "urn:theirs", "code": "walk", "display": "Walk" }],
        "text": "Walking group" } });
    let outputs = json!([
        output("Procedure/w"),
        { "type": { "text": "Stage" }, "valueCodeableConcept": { "text": "Visits" } },
        { "type": { "text": "Outcome" }, "valueCodeableConcept": { "text": "Goes every week" } },
        { "type": { "text": "Completed by" }, "valueCodeableConcept": { "text": "Sam Example" } },
    ]);
    let case = Case::new(outputs, request(), &[("Procedure/w", procedure)]);
    let told = case.told();
    assert_eq!(told.needs[0].text, "Food insecurity");
    assert_eq!(told.needs[0].codings.len(), 1, "what the sender coded is repeated as it was");
    assert_eq!(told.support[0].text, "Social prescribing");
    let texts: Vec<&str> = told.activities.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(texts, ["Walking group", "Stage: Visits", "Completed by: Sam Example"]);
    let codes: Vec<(&str, &str)> = told.activities[0]
        .codings
        .iter()
        .map(|coding| (coding.text("code").unwrap(), coding.text("display").unwrap()))
        .collect();
    // What no public source confirms is not passed on, and a confirmed one has its published term.
    assert_eq!(codes, [("390893007", "Referral to physical activity programme (procedure)"), ("walk", "Walk")]);
    assert_eq!(told.outcome.words, ["Settled in well", "Goes every week"]);
    assert_eq!(told.outcome.business_status.as_deref(), Some("helped"));
    assert_eq!((told.reference.as_deref(), told.completed_by.as_deref()), (Some("SP-0417"), Some("Sam Example")));
    assert_eq!(told.referred_on, Some(time::macros::date!(2026 - 05 - 28)));
}

#[test]
fn ons4_of_referral_and_service_is_baseline_and_follow_up() {
    let others = [
        ("Observation/before", ons4("2026-06-04", of([3, 4, 4, 8]))),
        ("Observation/after", ons4("2026-11-20", of([7, 7, 6, 2]))),
    ];
    let case = Case::new(json!([output("Observation/after")]), request(), &others);
    let told = case.told();
    assert_eq!(told.scores.len(), 4);
    let pairs: Vec<_> = told.scores.iter().map(points).collect();
    assert_eq!(pairs, [(Some(300), Some(700)), (Some(400), Some(700)), (Some(400), Some(600)), (Some(800), Some(200))]);
    assert!(told.unread.is_empty());
    let document = case.document();
    let sheets: Vec<&Json> = document
        .items("entry")
        .iter()
        .filter_map(|entry| entry.get("resource"))
        .filter(|resource| resource.text("resourceType") == Some("Observation"))
        .collect();
    assert_eq!(sheets.len(), 2, "the answers of one sheet are one Observation");
    assert!(sheets.iter().all(|sheet| sheet.items("component").len() == 4));
    assert!(
        sheets.iter().all(|sheet| sheet.get("code").unwrap().get("coding").is_none()),
        "no id of ONS4 is confirmed"
    );
    let source = sheets[0].items("derivedFrom")[0].text("reference");
    assert_eq!(source, Some("https://gateway.example/fhir/Observation/before"));
}

#[test]
fn swemwbs_is_told_as_a_metric_score() {
    let cases = [
        (json!(26), json!({}), Some((2_321, 26))),
        (json!(26.0), json!({}), Some((2_321, 26))),
        (json!(23.21), json!({}), Some((2_321, 26))),
        (json!(7), json!({}), Some((700, 7))),
        (json!(35), json!({}), Some((3_500, 35))),
        (json!(23.2), json!({}), None),
        (json!(6), json!({}), None),
        (json!(36), json!({}), None),
        (json!(-7), json!({}), None),
        // Called metric, a whole number is no raw total.
        (json!(26), json!({ "code": { "text": "SWEMWBS metric" } }), None),
        (json!(7), json!({ "code": { "text": "SWEMWBS metric" } }), Some((700, 7))),
    ];
    for (value, more, wanted) in cases {
        let case =
            Case::new(json!([output("Observation/s")]), request(), &[("Observation/s", short(value.clone(), more))]);
        let told = case.told();
        match wanted {
            Some((points, raw)) => {
                let score = told.scores[0].follow_up.as_ref().unwrap();
                assert_eq!((score.points, score.raw), (points, Some(raw)), "{value}");
                let text = case.document().to_text();
                assert!(
                    text.contains("\"code\":\"718466001\"") && text.contains("Mental Well-being Scale score"),
                    "{text}"
                );
                assert!(text.contains(&format!("\"value\":{}.{:02}", points / 100, points % 100)), "{text}");
            }
            None => {
                assert!(told.scores.is_empty(), "{value} is on no scale");
                assert!(told.unread[0].words.contains("not placed on its scale"), "{:?}", told.unread[0].words);
            }
        }
    }
}

#[test]
fn answers_that_contradict_their_total_are_not_placed() {
    let parts = |values: &[i32]| -> Value {
        values.iter().map(|value| json!({ "code": { "text": "x" }, "valueInteger": value })).collect()
    };
    let case = |value: Value, values: &[i32]| {
        let more = json!({ "component": parts(values) });
        let mut observation = short(value.clone(), more);
        if value.is_null() {
            observation.as_object_mut().unwrap().remove("valueQuantity");
        }
        Case::new(json!([output("Observation/s")]), request(), &[("Observation/s", observation)])
    };
    let raw = |case: &Case| case.told().scores.first().and_then(|score| score.follow_up.as_ref()?.raw);
    assert_eq!(raw(&case(Value::Null, &[4, 4, 4, 4, 4, 3, 3])), Some(26));
    assert_eq!(raw(&case(json!(26), &[4, 4, 4, 4, 4, 3, 3])), Some(26));
    assert_eq!(raw(&case(json!(27), &[4, 4, 4, 4, 4, 3, 3])), None);
    assert_eq!(raw(&case(Value::Null, &[4, 4, 4, 4, 4, 3])), None, "six answers are no sheet");
    assert_eq!(raw(&case(Value::Null, &[4, 4, 4, 4, 4, 3, 6])), None, "an answer is from 1 to 5");
}

#[test]
fn wemwbs_has_its_own_bounds_and_code() {
    let code = json!({ "text": "Warwick-Edinburgh Mental Wellbeing Scale" });
    for (value, on_scale) in [(13, false), (14, true), (70, true), (71, false)] {
        let one = observation(code.clone(), ("valueInteger", json!(value)), json!({}));
        let case = Case::new(json!([output("Observation/w")]), request(), &[("Observation/w", one)]);
        assert_eq!(case.told().scores.len(), usize::from(on_scale), "{value}");
        assert_eq!(case.document().to_text().contains("718426000"), on_scale);
    }
}

#[test]
fn an_answer_off_its_scale_is_told_in_words_and_the_others_stand() {
    let case = Case::new(
        json!([output("Observation/after")]),
        request(),
        &[("Observation/after", ons4("2026-11-20", of([11, 7, 6, -1])))],
    );
    let told = case.told();
    assert_eq!(told.scores.len(), 2);
    assert_eq!(told.unread.len(), 2);
    assert!(told.unread[0].words.contains("11: not a whole number from 0 to 10"), "{}", told.unread[0].words);
}

#[test]
fn what_is_called_baseline_is_the_baseline_whatever_its_day() {
    let late = short(json!(20), json!({ "effectiveDateTime": "2026-11-20", "method": { "text": "Baseline" } }));
    let early = short(json!(30), json!({ "effectiveDateTime": "2026-11-01", "code": { "text": "SWEMWBS (final)" } }));
    let case = Case::new(
        json!([output("Observation/late"), output("Observation/early")]),
        request(),
        &[("Observation/late", late), ("Observation/early", early)],
    );
    assert_eq!(points(&score_of(&case, Measure::Swemwbs)), (Some(1_859), Some(2_703)));
}

#[test]
fn one_reading_is_what_its_giver_makes_it() {
    let one = short(json!(20), json!({ "effectiveDateTime": "2026-11-20" }));
    let given = Case::new(json!([output("Observation/x")]), request(), &[("Observation/x", one.clone())]);
    assert_eq!(points(&score_of(&given, Measure::Swemwbs)), (None, Some(1_859)));
    let brought = Case::new(json!([]), request(), &[("Observation/before", one)]);
    assert_eq!(points(&score_of(&brought, Measure::Swemwbs)), (Some(1_859), None));
}

#[test]
fn a_score_that_is_earlier_than_the_baseline_is_no_follow_up() {
    let others = [
        ("Observation/before", short(json!(20), json!({ "effectiveDateTime": "2026-06-04" }))),
        ("Observation/old", short(json!(30), json!({ "effectiveDateTime": "2026-01-04" }))),
    ];
    let case = Case::new(json!([output("Observation/old")]), request(), &others);
    assert_eq!(points(&score_of(&case, Measure::Swemwbs)), (Some(1_859), None));
}

#[test]
fn what_is_not_final_or_in_error_is_no_score() {
    for (status, unread) in [("entered-in-error", 0), ("cancelled", 0), ("preliminary", 1)] {
        let mut one = short(json!(20), json!({}));
        one["status"] = json!(status);
        let case = Case::new(json!([output("Observation/x")]), request(), &[("Observation/x", one)]);
        let told = case.told();
        assert_eq!((told.scores.len(), told.unread.len()), (0, unread), "{status}");
    }
}

#[test]
fn what_the_person_keeps_is_not_told() {
    let words = json!({ "type": { "text": "Note" }, "valueCodeableConcept": { "text": "canary words" } });
    let coded = json!({ "type": { "text": "Note" }, "valueCodeableConcept": {
        "coding": [{ "system": "urn:theirs", "code": "done", "display": "canary display" }], "text": "canary text" } });
    let mut odd = short(json!(99), json!({}));
    odd["code"]["text"] = json!("canary name");
    let others = [("Observation/after", ons4("2026-11-20", of([7, 7, 6, 2]))), ("Observation/odd", odd)];
    let mut case =
        Case::new(json!([words, coded, output("Observation/after"), output("Observation/odd")]), request(), &others);
    case.kept = Kept::Words;
    let text = case.document().to_text();
    assert!(!text.contains("canary") && !text.contains("Settled in well"), "{text}");
    assert_eq!(case.told().scores.len(), 4, "numbers are no words");
    assert_eq!(case.told().activities[0].text, "done");
    case.kept = Kept::All;
    let told = case.told();
    assert!(told.activities.is_empty() && told.scores.is_empty() && told.outcome.words.is_empty());
    assert_eq!(told.outcome.business_status, None);
    let text = case.document().to_text();
    assert!(text.contains("does not wish the practice to learn more than the status."));
    assert!(!text.contains("canary") && !text.contains("helped"), "{text}");
}

#[test]
fn the_document_is_valid_and_hostile_words_stay_words() {
    let words = json!({ "type": { "text": "Note" }, "valueCodeableConcept": { "text": "</div><script>alert(1)</script>&\u{8}" } });
    let case = Case::new(json!([words]), request(), &[("Observation/before", ons4("2026-06-04", of([3, 4, 4, 8])))]);
    let document = case.document();
    let faults = gateway_fhir::validate::resource(&document);
    assert!(faults.iter().all(|issue| issue.severity != gateway_fhir::Severity::Error), "{faults:?}");
    let first = document.items("entry")[0].get("resource").unwrap();
    assert_eq!(first.text("resourceType"), Some("Composition"), "a document begins with its Composition");
    let text = document.to_text();
    assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"), "{text}");
    assert!(text.contains("Food &amp; Friends"));
    // Each section has text, entries or a reason why not.
    for section in first.items("section") {
        assert!(section.get("text").is_some() || section.get("emptyReason").is_some(), "{}", section.to_text());
    }
    // Every reference of the Composition leads into the Bundle.
    let inside: Vec<&str> = document.items("entry").iter().filter_map(|entry| entry.text("fullUrl")).collect();
    for section in first.items("section") {
        for entry in section.items("entry") {
            assert!(inside.contains(&entry.text("reference").unwrap()));
        }
    }
    assert_eq!(document.to_text(), case.document().to_text(), "the same is made again");
}

#[test]
fn too_many_entries_are_counted() {
    let outputs: Vec<Value> = (0..60)
        .map(|n| json!({ "type": { "text": "Call" }, "valueCodeableConcept": { "text": format!("call {n}") } }))
        .collect();
    let told = Case::new(json!(outputs), request(), &[]).told();
    assert_eq!((told.activities.len(), told.left_out), (MOST, 10));
}

proptest! {
    // Which reading is the baseline does not depend on the order in which they came.
    #[test]
    fn pairing_is_a_function_of_the_set(
        days in proptest::collection::vec((1_u8..29, 7_i32..36, any::<bool>()), 0..6),
        turn in 0_usize..6,
    ) {
        let readings: Vec<Reading> = days.iter().enumerate().map(|(index, (day, raw, ours))| Reading {
            measure: Measure::Swemwbs,
            on: time::Date::from_calendar_date(2026, time::Month::June, *day).ok(),
            source: if *ours { Source::Referral } else { Source::Service },
            issued: String::new(),
            from: format!("Observation/{index}"),
            points: raw * 100,
            raw: None,
            called: None,
        }).collect();
        let mut turned = readings.clone();
        if !turned.is_empty() {
            let by = turn % turned.len();
            turned.rotate_left(by);
        }
        turned.reverse();
        turned.extend(readings.clone());
        let scores = pairing::pair(readings);
        prop_assert_eq!(&scores, &pairing::pair(turned));
        for score in scores {
            if let (Some(first), Some(last)) = (&score.baseline, &score.follow_up) {
                prop_assert!(first.on <= last.on);
                prop_assert_eq!(last.source, Source::Service);
            }
        }
    }
}
