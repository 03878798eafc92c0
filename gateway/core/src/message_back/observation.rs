//! Scores as `Observation`: the four answers of ONS4 as components of one, SWEMWBS and WEMWBS as a quantity with the coded term.

use super::entry::confirmed;
use super::measure::{Measure, Phase, Question, Reading, SWEMWBS_CODE, WEMWBS_CODE};
use super::pairing::Score;
use crate::task::derived_id;
use gateway_fhir::Json;
use serde_json::json;
use std::collections::BTreeMap;

/// Says of an Observation of ours whether it is the first or the last: `valueCode` `baseline` or `follow-up`.
const PHASE: &str = "https://vcse-gateway.example/fhir/StructureDefinition/measurement-phase";

/// The Observations of these scores, each with its phase: baselines first.
pub(super) fn observations(scores: &[Score], subject: &Json) -> Vec<(Phase, Json)> {
    let all = || scores.iter().flat_map(|score| score.readings());
    let mut made = Vec::new();
    for phase in [Phase::Baseline, Phase::FollowUp] {
        // The answers of one sheet are one Observation: what came in one Observation goes back in one.
        let mut sheets: BTreeMap<_, Vec<(Question, &Reading)>> = BTreeMap::new();
        for (_, reading) in all().filter(|(of, _)| *of == phase) {
            match reading.measure {
                Measure::Ons4(question) => {
                    sheets.entry((reading.from.as_str(), reading.on)).or_default().push((question, reading));
                }
                Measure::Swemwbs | Measure::Wemwbs => made.push((phase, total(reading, phase, subject))),
            }
        }
        made.extend(sheets.into_values().filter_map(|answers| Some((phase, sheet(&answers, phase, subject)?))));
    }
    made
}

fn sheet(answers: &[(Question, &Reading)], phase: Phase, subject: &Json) -> Option<Json> {
    let (_, first) = answers.first()?;
    let mut observation = observation(first, phase, subject, json!({ "text": "Personal well-being (ONS4)" }).into());
    let components = answers.iter().map(|(question, reading)| {
        let mut part: Json = json!({ "code": { "text": question.words() } }).into();
        part.set("valueInteger", Json::Number((reading.points / 100).to_string()));
        part
    });
    observation.set("component", Json::Array(components.collect()));
    Some(observation)
}

fn total(reading: &Reading, phase: Phase, subject: &Json) -> Json {
    let code = if reading.measure == Measure::Swemwbs { SWEMWBS_CODE } else { WEMWBS_CODE };
    let mut concept = Json::Object(Vec::new());
    if let Some(coding) = confirmed(code) {
        concept.set("coding", Json::Array(vec![coding]));
    }
    concept.set("text", Json::string(reading.measure.words()));
    let mut observation = observation(reading, phase, subject, concept);
    let mut quantity = Json::Object(Vec::new());
    quantity.set("value", Json::Number(points(reading)));
    for (name, value) in [("unit", "score"), ("system", "http://unitsofmeasure.org"), ("code", "{score}")] {
        quantity.set(name, Json::string(value));
    }
    observation.set("valueQuantity", quantity);
    if let Some(raw) = reading.raw {
        let part = json!({ "code": { "text": "Raw total, 7 to 35" }, "valueInteger": raw });
        observation.set("component", Json::Array(vec![part.into()]));
    }
    observation
}

/// Points as FHIR's decimal: of SWEMWBS with the two digits of the published table.
fn points(reading: &Reading) -> String {
    let (whole, part) = (reading.points / 100, reading.points % 100);
    if reading.measure == Measure::Swemwbs { format!("{whole}.{part:02}") } else { whole.to_string() }
}

/// What every one has. Its id is a function of what it is made of: the same score has the same id whenever it is asked for.
fn observation(reading: &Reading, phase: Phase, subject: &Json, code: Json) -> Json {
    let id = derived_id(&["message-back", &reading.from, phase.code(), measure_word(reading.measure)]);
    let category = json!({ "coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey", "display": "Survey"
    }] });
    let mut observation: Json = json!({
        "resourceType": "Observation",
        "id": id,
        "extension": [{ "url": PHASE, "valueCode": phase.code() }],
        "status": "final",
        "category": [category],
    })
    .into();
    observation.set("code", code);
    observation.set("subject", subject.clone());
    if let Some(on) = reading.on {
        observation.set("effectiveDateTime", Json::string(on.to_string()));
    }
    observation.set("derivedFrom", json!([{ "reference": reading.from }]).into());
    observation
}

const fn measure_word(measure: Measure) -> &'static str {
    match measure {
        Measure::Ons4(_) => "ons4",
        Measure::Swemwbs => "swemwbs",
        Measure::Wemwbs => "wemwbs",
    }
}
